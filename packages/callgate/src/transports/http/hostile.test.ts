import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { send, type TestDoor, testDoor } from './testing.ts';

let at: TestDoor;
beforeAll(async () => {
  at = await testDoor({
    limits: { bodyBytes: 1000, requestTimeoutMs: 300, headersTimeoutMs: 300, headerBytes: 4096 },
  });
});
afterAll(() => at.door.close());

/** Sends bytes as they are and reads until the door hangs up, or for a while. */
function raw(text: string, wait = 400): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(at.door.port, '127.0.0.1');
    let answer = '';
    const done = (): void => {
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(done, wait);
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => (answer += chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
    socket.write(text, 'latin1');
  });
}

const BODY = '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}';
const FIELDS = [
  'Host: localhost',
  'Authorization: Bearer alice',
  'Content-Type: application/json',
  'Accept: application/json, text/event-stream',
];
function request(fields: readonly string[], body = BODY): string {
  return `POST /mcp HTTP/1.1\r\n${[...FIELDS, ...fields].join('\r\n')}\r\n\r\n${body}`;
}
const LENGTH = `Content-Length: ${BODY.length}`;

it('takes the plain form of what follows', async () => {
  expect(await raw(request([LENGTH]))).toMatch(/^HTTP\/1\.1 200 /);
});

const SMUGGLED = 'POST /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n';
it.each<readonly [string, string]>([
  ['two Hosts', request([LENGTH, 'Host: localhost'])],
  ['two Authorizations', request([LENGTH, 'Authorization: Bearer bob'])],
  ['two content types', request([LENGTH, 'Content-Type: application/json'])],
  ['two Origins', request([LENGTH, 'Origin: http://localhost', 'Origin: http://localhost'])],
  ['two session ids', request([LENGTH, 'Mcp-Session-Id: a', 'mcp-session-id: b'])],
  ['two method headers', request([LENGTH, 'Mcp-Method: a', 'Mcp-Method: b'])],
  ['two of an argument', request([LENGTH, 'Mcp-Param-Region: a', 'mcp-param-region: b'])],
  ['two lengths', request([LENGTH, 'Content-Length: 5'])],
  ['two lengths in one', request([`Content-Length: ${BODY.length}, ${BODY.length}`])],
  ['a length and chunks', request([LENGTH, 'Transfer-Encoding: chunked'], `0\r\n\r\n${SMUGGLED}`)],
  ['a coding that is not chunked', request(['Transfer-Encoding: gzip'])],
  ['chunked in an odd spelling', request(['Transfer-Encoding: xchunked'])],
  ['chunked twice', request(['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], `0\r\n\r\n${SMUGGLED}`)],
  ['a space before a colon', request([LENGTH, 'X-Odd : 1'])],
  ['a folded header', request([LENGTH, 'X-Odd: 1\r\n more'])],
  ['a bare line feed', request([`${LENGTH}\nX-Odd: 1`])],
  ['a negative length', request(['Content-Length: -1'])],
  ['a length in hexadecimal', request(['Content-Length: 0x10'])],
  ['a chunk with a sign', request(['Transfer-Encoding: chunked'], `+5\r\nabcde\r\n0\r\n\r\n`)],
  ['no Host', `POST /mcp HTTP/1.1\r\n${FIELDS.slice(1).join('\r\n')}\r\n${LENGTH}\r\n\r\n${BODY}`],
  ['a proxy request', `GET http://169.254.169.254/ HTTP/1.1\r\n${FIELDS.join('\r\n')}\r\n\r\n`],
])('refuses, and reads nothing after it: %s', async (_what, text) => {
  const seen = at.exchanges.length;
  const answer = await raw(`${text}${SMUGGLED}`);
  expect(answer).toMatch(/^(?:HTTP\/1\.1 (?:400|403|404|501) |$)/);
  expect(answer.match(/HTTP\/1\.1 /g)?.length ?? 0).toBeLessThanOrEqual(1);
  expect(at.exchanges.length).toBe(seen);
});

it('opens no tunnel and upgrades to nothing', async () => {
  expect(await raw(`CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n`)).toBe('');
  const answer = await raw(
    request([LENGTH, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAA']),
  );
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
});

it('refuses too large header fields', async () => {
  expect(await raw(request([LENGTH, `X-Pad: ${'x'.repeat(8000)}`]))).toMatch(/^HTTP\/1\.1 431 /);
});

it('answers a body that does not come in time', async () => {
  expect(await raw(request([LENGTH], BODY.slice(0, 20)), 3000)).toMatch(/^HTTP\/1\.1 408 /);
  expect(await raw('POST /mcp HTTP/1.1\r\nHost: loc', 3000)).toMatch(/^HTTP\/1\.1 408 /);
});

it('refuses a body that says it is too large before it comes, and one that does not say', async () => {
  expect(await raw(request(['Content-Length: 5000'], ''))).toMatch(/^HTTP\/1\.1 413 /);
  const chunks = `${'100\r\n'}${'x'.repeat(256)}\r\n`.repeat(8);
  expect(await raw(request(['Transfer-Encoding: chunked'], `${chunks}0\r\n\r\n`))).toMatch(/^HTTP\/1\.1 413 /);
});

it('says to go on only to whom it lets in', async () => {
  const expecting = [LENGTH, 'Expect: 100-continue'];
  expect(await raw(request(expecting))).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  expect(await raw(request(expecting, '').replace('alice', 'eve'))).toMatch(/^HTTP\/1\.1 401 /);
  expect(await raw(request([LENGTH, 'Expect: something']))).toMatch(/^HTTP\/1\.1 417 /);
});

it('answers pipelined requests in their order, each once', async () => {
  const answer = await raw(request([LENGTH]) + request([LENGTH], BODY.replace('"id":1', '"id":2')));
  expect([...answer.matchAll(/"id":(\d)/g)].map((found) => found[1])).toEqual(['1', '2']);
});

it('is none the worse for all this', async () => {
  const answer = await send(at, { body: BODY });
  expect(answer.status).toBe(200);
  expect(at.warned).toEqual([]);
});
