import { describe, expect, it } from 'vitest';
import { Scanner } from '../protocol/scan.ts';
import { member } from '../protocol/tape.ts';
import { encodeUtf8 } from '../protocol/text.ts';
import { DeclaredHeaders } from './http-tools.ts';

const tape = new Scanner();

/** The headers of a call, by the schema of its tool and its arguments as JSON. */
function headersOf(inputSchema: object | string, args: object | string): string[] {
  const text = (value: object | string) => (typeof value === 'string' ? value : JSON.stringify(value));
  const list = encodeUtf8(`{"tools":[{"name":"t","inputSchema":${text(inputSchema)}}]}`);
  const known = new DeclaredHeaders();
  expect(tape.scan(list)).toBeUndefined();
  known.learn(tape, 0, true);
  const call = encodeUtf8(`{"arguments":${text(args)}}`);
  expect(tape.scan(call)).toBeUndefined();
  const headers: string[] = [];
  known.add(headers, 't', tape, member(tape, 0, 'arguments'));
  return headers;
}

const of = (type: string, header: unknown = 'A') => ({ type, 'x-mcp-header': header });
const inner = (properties: object) => ({ type: 'object', properties });

describe('headers made of arguments', () => {
  it.each<[string, object | string, string[]]>([
    ['text', { a: 'eu' }, ['Mcp-Param-A', 'eu']],
    ['text that is no ASCII', { a: 'ü' }, ['Mcp-Param-A', '=?base64?w7w=?=']],
    ['text with line ends', { a: 'x\r\ny: z' }, ['Mcp-Param-A', '=?base64?eA0KeTogeg==?=']],
    ['empty text', { a: '' }, ['Mcp-Param-A', '=?base64??=']],
    ['true', { a: true }, ['Mcp-Param-A', 'true']],
    ['false', { a: false }, ['Mcp-Param-A', 'false']],
    ['a number', { a: 42 }, ['Mcp-Param-A', '42']],
    ['a number written with a point', '{"a":1.0}', ['Mcp-Param-A', '1']],
    ['minus zero', '{"a":-0}', ['Mcp-Param-A', '0']],
    ['a fraction', { a: 0.5 }, ['Mcp-Param-A', '0.5']],
    ['an integer that is not safe', '{"a":12345678901234567890}', []],
    ['a number beyond all', '{"a":1e400}', []],
    ['null', { a: null }, []],
    ['an object', { a: {} }, []],
    ['an array', { a: ['x'] }, []],
    ['nothing', {}, []],
    ['no arguments', '7', []],
  ])('of %s', (_, args, expected) => {
    expect(headersOf(inner({ a: of('string') }), args)).toEqual(expected);
  });

  it.each<[string, object, string[]]>([
    ['deep', inner({ b: inner({ a: of('integer') }) }), ['Mcp-Param-A', '1']],
    [
      'of a number, which is not allowed and checked all the same',
      inner({ b: inner({ a: of('number') }) }),
      ['Mcp-Param-A', '1'],
    ],
    [
      'under a property that is called like the word',
      inner({ b: inner({ 'x-mcp-header': { type: 'string' }, a: of('integer') }) }),
      ['Mcp-Param-A', '1'],
    ],
    ['at the top', { ...of('object'), ...inner({ b: inner({ a: of('integer') }) }) }, []],
    ['on an object', inner({ b: { ...inner({ a: of('integer') }), 'x-mcp-header': 'B' } }), []],
    ['that is no token', inner({ b: inner({ a: of('integer', 'a b') }) }), []],
    ['with a line end', inner({ b: inner({ a: of('integer', 'a\r\nb') }) }), []],
    ['that is empty', inner({ b: inner({ a: of('integer', '') }) }), []],
    ['that is no text', inner({ b: inner({ a: of('integer', 1) }) }), []],
    ['twice', inner({ b: inner({ a: of('integer') }), c: of('string', 'a') }), []],
    ['under items', inner({ b: inner({ a: of('integer') }), c: { type: 'array', items: of('string', 'C') } }), []],
    ['under anyOf', inner({ b: inner({ a: of('integer') }), c: { anyOf: [of('string', 'C')] } }), []],
    ['under $defs', { ...inner({ b: inner({ a: of('integer') }) }), $defs: { c: of('string', 'C') } }, []],
    ['without a type', inner({ b: inner({ a: { 'x-mcp-header': 'A' } }) }), []],
  ])('declared %s', (_, schema, expected) => {
    expect(headersOf(schema, { b: { a: 1 }, c: 'x' })).toEqual(expected);
  });

  it('of keys that are written with escapes', () => {
    expect(headersOf('{"properties":{"a":{"type":"string","x\\u002dmcp-header":"A"}}}', '{"\\u0061":"x"}')).toEqual([
      'Mcp-Param-A',
      'x',
    ]);
  });

  it('of own properties alone', () => {
    const schema =
      '{"properties":{"__proto__":{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"A"}}}}}';
    expect(headersOf(schema, {})).toEqual([]);
    expect(headersOf(schema, '{"__proto__":{"a":"x"}}')).toEqual(['Mcp-Param-A', 'x']);
  });
});
