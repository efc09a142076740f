import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMessage } from './message.ts';
import type { Message, Refusal } from './message.ts';
import { Scanner } from './scan.ts';
import { jsonAt } from './tape.ts';
import { encodeUtf8 } from './text.ts';

const scanner = new Scanner();
const read = (text: string): Message | Refusal => {
  const bytes = encodeUtf8(`..${text}.`);
  return readMessage(scanner, bytes, 2, bytes.length - 1);
};
const accepted = (text: string): Message => {
  const message = read(text);
  if ('refused' in message) throw new Error(`${message.reason}: ${message.message}`);
  return message;
};
const refused = (text: string): Refusal => {
  const message = read(text);
  if (!('refused' in message)) throw new Error(`accepted ${text}`);
  return message;
};
const call = (params: string, id = '7'): string =>
  `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`;

describe('what is read', () => {
  it('a method that its era has no more, without what it once wanted', () => {
    const meta = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}';
    const gone = accepted(`{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{${meta}}}`);
    expect(gone).toMatchObject({ method: 'resources/subscribe', uri: undefined, protocolVersion: '2026-07-28' });
    expect(refused(`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{${meta}}}`).reason).toBe(
      'uri_not_string',
    );
  });

  it('a tool call', () => {
    const text = call(
      '{"name":"read","arguments":{"path":"/x"},"_meta":{"progressToken":"t"},"task":{"ttl":1}}',
      '"7"',
    );
    const message = accepted(text);
    expect(message).toMatchObject({
      kind: 'request', id: '7', method: 'tools/call', name: 'read', progressToken: 't', isTask: true, result: -1, error: -1, uri: undefined,
    }); // prettier-ignore
    expect(text.slice(message.idStart - 2, message.idEnd - 2)).toBe('"7"');
    expect(JSON.stringify(jsonAt(scanner, message.args))).toBe('{"path":"/x"}');
    expect(message.params).toBeGreaterThan(0);
  });

  it('a modern request says its revision itself', () => {
    const meta = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":5}';
    expect(accepted(call(`{"name":"n",${meta}}`))).toMatchObject({
      protocolVersion: '2026-07-28',
      progressToken: 5,
      args: -1,
    });
  });

  it.each<[string, Partial<Message>]>([
    [
      '{"jsonrpc":"2.0","method":"notifications/initialized"}',
      { kind: 'notification', id: undefined, idStart: -1, params: -1 },
    ],
    [
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"7"}}',
      { kind: 'notification', cancelled: '7' },
    ],
    ['{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}', { cancelled: 7 }],
    [
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":3,"progress":1}}',
      { progressToken: 3 },
    ],
    ['{"jsonrpc":"2.0","id":0,"method":"resources/read","params":{"uri":"file:///a"}}', { uri: 'file:///a', id: 0 }],
    [
      '{"jsonrpc":"2.0","id":-5,"method":"prompts/get","params":{"name":"p","arguments":{"a":"b"}}}',
      { name: 'p', id: -5 },
    ],
    [
      '{"jsonrpc":"2.0","id":1,"method":"vendor/x","params":{"Name":1,"uri":2}}',
      { method: 'vendor/x', uri: undefined, name: undefined },
    ],
    [
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"timeout":15000}}',
      { kind: 'request', method: 'tools/list' },
    ],
    ['{"jsonrpc":"2.0","id":1,"method":"tools/list","x-top":[1]}', { kind: 'request' }],
    ['{"jsonrpc":"2.0","id":1,"method":"to\\u006fls/list"}', { method: 'tools/list' }],
    ['{"jsonrpc":"2.0","id":1,"result":{"content":[]}}', { kind: 'result', method: undefined, isTask: false }],
    ['{"jsonrpc":"2.0","id":1,"result":{"resultType":"task"}}', { kind: 'result', isTask: true }],
    ['{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"a"}}}', { isTask: true }],
    ['{"result":null,"id":"x","jsonrpc":"2.0"}', { kind: 'result', id: 'x' }],
    ['{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}}', { kind: 'error', id: 1 }],
    ['{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":""}}', { kind: 'error', id: undefined }],
    ['{"jsonrpc":"2.0","id":9007199254740991,"method":"ping"}', { id: 9007199254740991 }],
    ['{"jsonrpc":"2.0","id":"7\\u0000é","method":"ping"}', { id: '7\u0000é' }],
    [call('{"name":"n","arguments":null,"_meta":null}'), { args: -1 }],
    [call('{"name":"n","_meta":{"progressToken":null}}'), { progressToken: undefined }],
  ])('%s', (text, wanted) => {
    expect(accepted(text)).toMatchObject(wanted);
  });
});

describe('what is refused', () => {
  it.each<[string, string, number, string | undefined]>([
    ['hello', 'syntax', -32700, undefined],
    ['{"jsonrpc":"2.0","id":1,"method":"ping"', 'truncated', -32700, '1'],
    ['{"jsonrpc":"2.0","id":1,"method":"ping"} {"id":2}', 'trailing_content', -32700, undefined],
    ['\ufeff{"jsonrpc":"2.0","id":1,"method":"ping"}', 'bom', -32700, '1'],
    ['{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\\ud800"}}', 'lone_surrogate', -32600, '1'],
    ['{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}', 'duplicate_key', -32600, '1'],
    ['{"jsonrpc":"2.0","id":1,"id":2,"method":"b"}', 'duplicate_key', -32600, undefined],
    ['{"jsonrpc":"2.0","id":1,"i\\u0064":2,"method":"b"}', 'duplicate_key', -32600, undefined],
    [`{"jsonrpc":"2.0","id":1,"method":"b","params":{"d":${'['.repeat(1e5)}${']'.repeat(1e5)}}}`, 'too_deep', -32600, '1'],
    ['[]', 'batch', -32600, undefined],
    ['[{"jsonrpc":"2.0","id":1,"method":"ping"}]', 'batch', -32600, undefined],
    ['\u00a0[{"jsonrpc":"2.0","id":1,"method":"ping"}]', 'batch', -32600, undefined],
    ['\u000c\u2003\ufeff\u3000\u0085[{"id":1}', 'batch', -32600, undefined],
    ['[{"a":1,"a":2}]', 'batch', -32600, undefined],
    ['"text"', 'not_object', -32600, undefined],
    ['12', 'not_object', -32600, undefined],
    ['{"id":1,"method":"ping"}', 'jsonrpc_version', -32600, '1'],
    ['{"jsonrpc":"1.0","id":1,"method":"ping"}', 'jsonrpc_version', -32600, '1'],
    ['{"jsonrpc":2.0,"id":1,"method":"ping"}', 'jsonrpc_version', -32600, '1'],
    ['{"jsonrpc":"2.0","id":null,"method":"ping"}', 'bad_id', -32600, undefined],
    ['{"jsonrpc":"2.0","id":null,"result":{}}', 'bad_id', -32600, undefined],
    ['{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 'bad_id', -32600, undefined],
    ['{"jsonrpc":"2.0","id":1.0,"method":"ping"}', 'bad_id', -32600, undefined],
    ['{"jsonrpc":"2.0","id":1e3,"method":"ping"}', 'bad_id', -32600, undefined],
    ['{"jsonrpc":"2.0","id":-0,"method":"ping"}', 'bad_id', -32600, undefined],
    ['{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', 'bad_id', -32600, undefined],
    ['{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}', 'bad_id', -32600, undefined],
    ['{"jsonrpc":"2.0","id":[1],"result":{}}', 'bad_id', -32600, undefined],
    ['{"jsonrpc":"2.0","id":true,"method":"ping"}', 'bad_id', -32600, undefined],
    ['{"jsonrpc":"2.0","id":1}', 'no_method', -32600, '1'],
    ['{"jsonrpc":"2.0","result":{}}', 'answer_without_id', -32600, undefined],
    ['{"jsonrpc":"2.0","id":1,"method":"a","result":{}}', 'method_and_answer', -32600, '1'],
    ['{"jsonrpc":"2.0","id":1,"method":"a","error":{}}', 'method_and_answer', -32600, '1'],
    ['{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', 'result_and_error', -32600, '1'],
    ['{"jsonrpc":"2.0","id":1,"error":"text"}', 'error_not_object', -32600, '1'],
    ['{"jsonrpc":"2.0","id":1,"method":["ping"]}', 'method_not_string', -32600, '1'],
    ['{"jsonrpc":"2.0","id":1,"method":null}', 'method_not_string', -32600, '1'],
    ['{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}', 'params_not_object', -32602, '1'],
    ['{"jsonrpc":"2.0","id":1,"method":"ping","params":null}', 'params_not_object', -32602, '1'],
    ['{"jsonrpc":"2.0","id":"a","method":"tools/call"}', 'name_not_string', -32602, '"a"'],
    [call('{"name":["read"]}'), 'name_not_string', -32602, '7'],
    [call('{"name":"read","arguments":"{}"}'), 'arguments_not_object', -32602, '7'],
    [call('{"name":"read","arguments":[1]}'), 'arguments_not_object', -32602, '7'],
    ['{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{}}', 'name_not_string', -32602, '1'],
    ['{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":{}}}', 'uri_not_string', -32602, '1'],
    ['{"jsonrpc":"2.0","id":1,"method":"resources/subscribe"}', 'uri_not_string', -32602, '1'],
    ['{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1.5}}', 'bad_request_id', -32602, undefined],
    ['{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":{}}}', 'bad_progress_token', -32602, undefined],
    [call('{"name":"n","_meta":{"progressToken":[1]}}'), 'bad_progress_token', -32602, '7'],
    [call('{"name":"n","_meta":[]}'), 'meta_not_object', -32602, '7'],
    [call('{"name":"n","_meta":{"io.modelcontextprotocol/protocolVersion":1}}'), 'protocol_version_not_string', -32602, '7'],
  ])('%s', (text, reason, code, idText) => {
    expect(refused(text)).toMatchObject({ refused: true, reason, code, idText });
  }); // prettier-ignore

  it('invalid UTF-8', () => {
    const bytes = encodeUtf8(call('{"name":"read","arguments":{"a":"@@"}}'));
    bytes.set([0xc3, 0x28], bytes.indexOf(0x40));
    expect(readMessage(scanner, bytes, 0, bytes.length)).toMatchObject({
      reason: 'invalid_utf8',
      code: -32700,
      idText: '7',
    });
  });

  it.each([
    'Jsonrpc',
    'ID',
    'Id',
    'METHOD',
    'Params',
    'param\u017f',
    'Result',
    're\\u017fult',
    'Error',
    '\\u0049d',
    '\u0130d',
  ])('the key %s beside the real ones', (key) => {
    expect(refused(`{"jsonrpc":"2.0","id":1,"method":"vendor/x","${key}":{}}`)).toMatchObject({
      reason: 'key_case',
      code: -32600,
      idText: '1',
    });
  });

  it.each([
    'Name',
    'NAME',
    'n\\u0041me',
    'Arguments',
    'argument\u017f',
    'URI',
    'ur\u0131',
    '_Meta',
    'Cursor',
    'progresstoken',
    'progressTo\u212aen',
    'requestid',
  ])('the key %s in params', (key) => {
    expect(refused(call(`{"name":"read","${key}":{}}`))).toMatchObject({
      reason: 'key_case',
      code: -32602,
      idText: '7',
    });
  });

  it.each(['ProgressToken', 'io.modelcontextprotocol/ProtocolVersion', 'IO.modelcontextprotocol/clientInfo'])(
    'the key %s in _meta',
    (key) => {
      expect(refused(call(`{"name":"read","_meta":{"${key}":"x"}}`)).reason).toBe('key_case');
      expect(refused(`{"jsonrpc":"2.0","id":1,"method":"vendor/x","params":{"_META":{}}}`).reason).toBe('key_case');
    },
  );

  it('nothing for its case alone where the key means nothing', () => {
    for (const text of [
      call('{"name":"read","arguments":{"Name":1,"ID":2,"METHOD":3}}'),
      '{"jsonrpc":"2.0","id":1,"result":{"Name":1,"ID":2}}',
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","Identity":1,"ids":2}',
    ]) {
      expect(read(text)).not.toHaveProperty('refused');
    }
  });

  it.each([
    ['{"jsonrpc":"1.0","id":1,"method":"a"}', 'request'],
    ['{"jsonrpc":"1.0","method":"a"}', 'notification'],
    ['{"jsonrpc":"1.0","id":1,"result":{}}', 'response'],
    ['{"jsonrpc":"2.0","id":1,"result":{},"method":"a"}', 'unknown'],
    ['{"id":1,"result":{"a":1,"a":2}}', 'response'],
    ['{"id":1,"method":"x","params":{"a":1,"a":2}}', 'request'],
    ['[1', 'unknown'],
  ])('%s, saying that it would have been a %s', (text, form) => {
    expect(refused(text).form).toBe(form);
  });

  it('with the place, in bytes from the start of the message', () => {
    expect(refused('{"jsonrpc":"2.0","id":null,"method":"a"}').offset).toBe(22);
    expect(refused('{"jsonrpc":"2.0","é":tru}').offset).toBe(22);
  });
});

it('never throws, and an accepted message always has a kind that its members bear out', () => {
  const word = fc.constantFrom(
    'jsonrpc',
    'id',
    'method',
    'params',
    'result',
    'error',
    'name',
    'arguments',
    'uri',
    '_meta',
    'progressToken',
    'requestId',
    'task',
    'ID',
    'x',
  );
  const { tree } = fc.letrec<{ tree: string }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.constantFrom(
        '"2.0"',
        '1',
        'null',
        '"tools/call"',
        '"notifications/cancelled"',
        '"resources/read"',
        '1.5',
        '[]',
        '{}',
      ),
      fc
        .uniqueArray(fc.tuple(word, tie('tree')), { selector: ([key]) => key, maxLength: 6 })
        .map((all) => `{${all.map(([key, value]) => `"${key}":${value}`).join()}}`),
    ),
  }));
  fc.assert(
    fc.property(tree, fc.boolean(), (text, whole) => {
      const message = read(whole ? text.replace(/^\{/, '{"jsonrpc":"2.0",') : text);
      if ('refused' in message) {
        expect([-32700, -32600, -32602]).toContain(message.code);
        return;
      }
      expect(message.method !== undefined).toBe(message.kind === 'request' || message.kind === 'notification');
      expect(message.result >= 0).toBe(message.kind === 'result');
      expect(message.error >= 0).toBe(message.kind === 'error');
    }),
    { numRuns: 2000 },
  );
});
