import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bench, type LogRecord, peer, received, within } from './peers/gate.ts';
import { type Line, type RawClient } from './peers/raw-client.ts';

/**
 * What may become of a message. `exact`: the server got these very bytes. `refuse`: an error came back, the server saw
 * nothing. `either`: one of the two. `drop`: no request, so no answer is due; the server saw nothing.
 */
type Want = 'exact' | 'refuse' | 'either' | 'drop';
interface Case {
  readonly name: string;
  readonly want: Want;
  readonly line: string | Buffer;
  /** The error's message says this. */
  readonly says?: RegExp;
  /** The id as written, when the refusal has to carry it. */
  readonly id?: string;
}

let counter = 0;
const cases: Case[] = [];
/** A `tools/call` of `raw` whose parts can be bent; the marker finds it in what the server has seen. */
function call(
  args: string,
  bent: {
    id?: string;
    params?: (marker: string) => string;
    before?: string;
    after?: string;
    jsonrpc?: string;
    members?: string;
  } = {},
): { line: string; id: string } {
  const id = bent.id ?? String(++counter);
  const marker = `"marker":"m${++counter}."`;
  const params = bent.params?.(marker) ?? `{"name":"raw","arguments":{${marker}${args}}}`;
  return {
    id,
    line: `${bent.before ?? ''}{${bent.jsonrpc ?? '"jsonrpc":"2.0",'}"id":${id},"method":"tools/call","params":${params}${bent.members ?? ''}}${bent.after ?? ''}`,
  };
}
const add = (name: string, want: Want, bent: { line: string | Buffer; id?: string }, says?: RegExp): void => {
  cases.push({ name, want, ...bent, ...(says && { says }) });
};
/** Without an id that can be answered to. */
const anonymous = ({ line }: { line: string }): { line: string } => ({ line });
const spliced = (text: string, bytes: readonly number[]): Buffer => {
  const at = text.indexOf('@@');
  return Buffer.concat([Buffer.from(text.slice(0, at)), Buffer.from(bytes), Buffer.from(text.slice(at + 2))]);
};

add('a plain call', 'exact', call(''));
add('a big integer', 'exact', call(',"big":12345678901234567890'));
add('number spellings', 'exact', call(',"a":1.0,"b":-0,"c":1E5,"d":1e400,"e":0.1000000000000000055511151231257827'));
add('insignificant whitespace', 'exact', call(' ,\t"a" :  1 '));
add('escapes in strings', 'exact', call(',"a":"\\u00e9\\/\\ud83d\\ude00"'));
add('a __proto__ argument', 'exact', call(',"__proto__":{"admin":true},"constructor":{"prototype":1}'));
add('an id of NUL and umlauts', 'exact', call('', { id: '"7\\u0000é"' }));
add('an empty id', 'either', call('', { id: '""' }));
add('an extra member of the message', 'either', call('', { members: ',"x-extra":{"a":1}' }));
add(
  'an extra member of params',
  'exact',
  call('', { params: (marker) => `{"name":"raw","x-extra":1,"arguments":{${marker}}}` }),
);
add('CRLF', 'either', call('', { after: '\r' }));
add('an escaped key, m\\u0065thod', 'either', {
  id: '"esc"',
  line: '{"jsonrpc":"2.0","id":"esc","m\\u0065thod":"tools/call","params":{"name":"raw","arguments":{"marker":"escaped."}}}',
});

add('a batch', 'refuse', { line: `[${call('').line},{"jsonrpc":"2.0","id":1,"method":"ping"}]` }, /batch|array/i);
add('a batch of one', 'refuse', { line: `[${call('').line}]` }, /batch|array/i);
add('a batch after whitespace', 'refuse', { line: ` \t[${call('').line}]` }, /batch|array/i);
add('a batch after NBSP', 'refuse', { line: `\u00a0[${call('').line}]` });
add('an empty batch', 'refuse', { line: '[]' });
add('a duplicate argument', 'refuse', call(',"path":"safe","path":"danger"'), /duplicate/i);
add('a duplicate argument, one escaped', 'refuse', call(',"path":"safe","p\\u0061th":"danger"'), /duplicate/i);
add('a duplicate key deep inside', 'refuse', call(',"a":[{"b":{"c":1,"c":2}}]'), /duplicate/i);
add(
  'a duplicate name',
  'refuse',
  call('', { params: (marker) => `{"name":"raw","arguments":{${marker}},"name":"noise"}` }),
  /duplicate/i,
);
add('a duplicate method', 'refuse', call('', { members: ',"method":"ping"' }), /duplicate/i);
add('a duplicate method, escaped', 'refuse', call('', { members: ',"m\\u0065thod":"ping"' }), /duplicate/i);
add('a duplicate id', 'refuse', { line: call('', { members: ',"id":77777' }).line }, /duplicate/i);
add('a duplicate __proto__', 'refuse', call(',"__proto__":1,"__proto__":2'), /duplicate/i);
add(
  'a case variant of name',
  'refuse',
  call('', { params: (marker) => `{"name":"raw","Name":"noise","arguments":{${marker}}}` }),
  /case|name/i,
);
add('a case variant of params', 'refuse', call('', { members: ',"Params":{"name":"noise"}' }), /case|params/i);
add('a case variant of method', 'refuse', call('', { members: ',"METHOD":"ping"' }), /case|method/i);
add('a method in other case alone', 'refuse', { line: call('').line.replace('"method"', '"Method"') });
add('id null', 'refuse', anonymous(call('', { id: 'null' })), /id/);
add('id 1.5', 'refuse', anonymous(call('', { id: '1.5' })), /id/);
add('id 1e2', 'either', anonymous(call('', { id: '1e2' })));
add('id true', 'refuse', anonymous(call('', { id: 'true' })), /id/);
add('id an object', 'refuse', anonymous(call('', { id: '{"a":1}' })), /id/);
add('id an array', 'refuse', anonymous(call('', { id: '[1]' })), /id/);
add('id 2^53+1', 'either', anonymous(call('', { id: '9007199254740993' })));
add('no jsonrpc', 'refuse', call('', { jsonrpc: '' }), /jsonrpc/);
add('jsonrpc "1.0"', 'refuse', call('', { jsonrpc: '"jsonrpc":"1.0",' }), /jsonrpc/);
add('jsonrpc 2.0, a number', 'refuse', call('', { jsonrpc: '"jsonrpc":2.0,' }), /jsonrpc/);
add('method and result', 'refuse', call('', { members: ',"result":{}' }), /result|method/);
add('method and error', 'refuse', call('', { members: ',"error":{"code":1,"message":"x"}' }), /error|method/);
add('a method that is a number', 'refuse', {
  id: '9001',
  line: '{"jsonrpc":"2.0","id":9001,"method":7,"params":{"marker":"n."}}',
});
add('a name that is an array', 'refuse', call('', { params: (marker) => `{"name":["raw"],"arguments":{${marker}}}` }));
add('no name', 'refuse', call('', { params: (marker) => `{"arguments":{${marker}}}` }));
add(
  'arguments that are an array',
  'refuse',
  call('', { params: (marker) => `{"name":"raw","arguments":[{${marker}}]}` }),
);
add('params an array', 'refuse', call('', { params: (marker) => `["raw",{${marker}}]` }), /params/);
add('params a string', 'refuse', call('', { params: (marker) => JSON.stringify(marker) }));
add('two values on a line', 'refuse', anonymous(call('', { after: ' {"jsonrpc":"2.0","id":88888,"method":"ping"}' })));
add('trailing garbage', 'refuse', anonymous(call('', { after: ' x' })));
add('a BOM', 'refuse', anonymous(call('', { before: '\ufeff' })));
add('a NUL between tokens', 'refuse', anonymous(call('', { before: '\0' })));
add('invalid UTF-8', 'refuse', { line: spliced(call(',"s":"@@"').line, [0xc3, 0x28]) }, /utf-?8/i);
add('overlong UTF-8', 'refuse', { line: spliced(call(',"s":"@@"').line, [0xc0, 0xaf]) }, /utf-?8/i);
add('a surrogate in UTF-8', 'refuse', { line: spliced(call(',"s":"@@"').line, [0xed, 0xa0, 0x80]) }, /utf-?8/i);
add('a lone surrogate', 'refuse', call(',"s":"\\ud800"'), /surrogate/i);
add('a lone surrogate in a key', 'refuse', call(',"\\udc00":1'), /surrogate/i);
add('a raw control character', 'refuse', call(',"s":"a\u0001b"'));
add('a leading zero', 'refuse', call(',"n":012'));
add('NaN', 'refuse', call(',"n":NaN'));
add('a comment', 'refuse', call('/**/'));
add('a trailing comma', 'refuse', call(',"a":1,'));
add('half a message', 'refuse', { line: call('').line.slice(0, -9) });
add('what is not JSON', 'refuse', { line: 'hello' });
add('a bare string', 'refuse', { line: '"hello"' });
add('an empty object', 'refuse', { line: '{}' });
add('depth 100,000', 'refuse', anonymous(call(`,"d":${'['.repeat(1e5)}${']'.repeat(1e5)}`)), /deep|depth|nest/i);
add('64 MB', 'refuse', anonymous(call(`,"s":"${'x'.repeat(64 << 20)}"`)), /large|long|big|size|limit|bytes/i);
add('a call that pretends to be a notification', 'refuse', {
  line: '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"raw","arguments":{"marker":"note."}}}',
});
add('an answer that nobody asked for', 'drop', {
  line: '{"jsonrpc":"2.0","id":"nobody","result":{"content":[],"marker":"unasked."}}',
});

const bench = new Bench();
const record = bench.path('seen');
let client: RawClient;
const upstreamLines = (): string[] => received(record);

beforeAll(async () => {
  client = await bench.connect(bench.gated([process.execPath, peer('raw-server.mjs'), '--record', record]));
  await client.request('ping');
});
afterAll(async () => bench.close());

/** The session still works: a fresh call comes back. */
async function isAlive(): Promise<boolean> {
  const answer = await client.call('raw', { alive: ++counter });
  return answer.result !== undefined;
}

const bytesOf = (line: string | Buffer): string =>
  (typeof line === 'string' ? Buffer.from(line) : line).toString('latin1');
const withoutReturn = (line: string): string => line.replace(/\r$/, '');
const isRefusal = (line: Line): boolean => line.message?.error !== undefined || line.message?.result?.isError === true;

const outcomes: string[] = [];
it.each(cases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
  const from = client.lines.length;
  const seen = upstreamLines().length;
  const sent = bytesOf(one.line);
  client.send(one.line);
  if (one.want !== 'drop') await client.until(() => client.lines.length > from);
  expect(await isAlive()).toBe(true);

  const answers = client.lines
    .slice(from)
    .filter((line) => line.message?.result?.isError === true || !line.text.includes('"id":"r-'));
  const reached = upstreamLines().slice(seen).slice(0, -1);
  if (one.want === 'drop') {
    expect([answers, reached]).toEqual([[], []]);
    return;
  }
  expect(answers).toHaveLength(1);
  const answer = answers[0] as Line;
  const refused = isRefusal(answer);
  outcomes.push(`${one.name}: ${refused ? 'refused' : 'exact'}`);
  if (one.want !== 'either') expect(refused, answer.text.slice(0, 300)).toBe(one.want === 'refuse');
  // A carriage return belongs to the end of the line, not to the message.
  expect(reached.map(withoutReturn)).toEqual(refused ? [] : [withoutReturn(sent)]);
  if (one.id !== undefined) expect(answer.text).toContain(`"id":${one.id}`);
  else if (refused) expect(Object.hasOwn(answer.message ?? {}, 'id')).toBe(true);
  if (refused) {
    expect(answer.message?.error?.message ?? '').not.toBe('');
    if (one.says) expect(answer.text).toMatch(one.says);
  }
});

it('leaves one record of each refusal and none of the housekeeping twice', async () => {
  const refusals = (logs: LogRecord[]): number => logs.filter((entry) => entry.decision === 'deny').length;
  const expected =
    outcomes.filter((outcome) => outcome.endsWith('refused')).length +
    cases.filter((one) => one.want === 'drop').length;
  let found = 0;
  await within(5000, async () => (found = refusals(await bench.logs())) >= expected);
  expect(found).toBe(expected);
});

it.each([
  [
    'numbers',
    /"big":12345678901234567890,"one":1\.0,"minus":-0,"huge":1e400,"long":0\.1000000000000000055511151231257827,"e":"\\u00e9"/,
  ],
  ['spaced', /^\{ "jsonrpc" : "2\.0",\t"id":"h-spaced" , "result" : \{ "content" : \[ \] \} \}$/],
  ['noise', /after noise/],
  ['ghost', /real/],
  ['batch', /alone/],
])('hands on the answer to %s, and nothing but it', async (tool, expected) => {
  const from = client.lines.length;
  await client.request('tools/call', { name: tool, arguments: {} }, `h-${tool}`);
  expect(await isAlive()).toBe(true);
  const answers = client.lines.slice(from, -1);
  expect(answers).toHaveLength(1);
  expect(answers[0]?.text).toMatch(expected);
});

it.each(['duplicate', 'twofaced', 'invalid', 'oversized', 'deep'])(
  'answers with an error when the server answers with something %s',
  async (tool) => {
    const from = client.lines.length;
    const answer = await client.request('tools/call', { name: tool, arguments: {} }, `h-${tool}`);
    expect(answer.error?.message).toBeTruthy();
    expect(answer.result).toBeUndefined();
    expect(await isAlive()).toBe(true);
    expect(client.lines.slice(from, -1)).toHaveLength(1);
  },
);

it('passes the first of two answers to one request and drops the second', async () => {
  const from = client.lines.length;
  await client.request('tools/call', { name: 'twice', arguments: {} }, 'h-twice');
  expect(await isAlive()).toBe(true);
  const answers = client.lines.slice(from).filter((line) => line.message?.id === 'h-twice');
  expect(answers.map((line) => line.message?.result?.content?.[0]?.text)).toEqual(['first']);
});
