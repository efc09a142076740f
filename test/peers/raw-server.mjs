#!/usr/bin/env node
// A server that answers in bytes of its own choosing: what it received (tool `raw`), or something hostile.
//   raw-server.mjs [--record FILE]
import { option, readLines, write } from './wire.mjs';

const name = (tool) => ({ name: tool, inputSchema: { type: 'object' } });
const good = (id, value) =>
  `{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"text","text":${JSON.stringify(value)}}]}}`;

/** What each hostile tool writes; every one ends with an answer that the client can wait for, if only an ambiguous one. */
const answers = {
  numbers: (id) => [
    `{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":{"big":12345678901234567890,"one":1.0,"minus":-0,"huge":1e400,"long":0.1000000000000000055511151231257827,"e":"\\u00e9"}}}`,
  ],
  spaced: (id) => [`{ "jsonrpc" : "2.0",\t"id":${id} , "result" : { "content" : [ ] } }`],
  duplicate: (id) => [
    `{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"text","text":"safe"}],"content":[{"type":"text","text":"danger"}]}}`,
  ],
  twofaced: (id) => [`{"jsonrpc":"2.0","id":${id},"result":{"content":[]},"error":{"code":1,"message":"x"}}`],
  invalid: (id) => [
    Buffer.concat([
      Buffer.from(`{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"text","text":"`),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}]}}'),
    ]),
  ],
  ghost: (id) => [good(987654, 'ghost'), good(id, 'real')],
  twice: (id) => [good(id, 'first'), good(id, 'second')],
  noise: (id) => ['starting up ...', '', good(id, 'after noise')],
  oversized: (id) => [good(id, 'x'.repeat(24e6))],
  deep: (id) => [`{"jsonrpc":"2.0","id":${id},"result":{"content":[],"x":${'['.repeat(1e5)}${']'.repeat(1e5)}}}`],
  batch: (id) => [`[${good(id, 'in a batch')}]`, good(id, 'alone')],
};
const tools = ['raw', ...Object.keys(answers)].map(name);

function answer(line) {
  const source = line.toString('utf8');
  let message;
  try {
    message = JSON.parse(source);
  } catch {
    return;
  }
  if (Array.isArray(message) || message?.method === undefined || message.id === undefined) return;
  // As written, so that 2^53+1 survives.
  const id = /"id"\s*:\s*("(?:[^"\\]|\\.)*"|[^,}\s]+)/.exec(source)?.[1] ?? 'null';
  const result = (value) => write(`{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(value)}}`);
  if (message.method === 'initialize')
    return result({
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'raw', version: '1' },
    });
  if (message.method === 'ping') return result({});
  if (message.method === 'tools/list') return result({ tools });
  const tool = message.params?.name;
  if (message.method === 'tools/call' && Object.hasOwn(answers, tool)) {
    for (const out of answers[tool](id)) process.stdout.write(Buffer.concat([Buffer.from(out), Buffer.from('\n')]));
    return;
  }
  write(good(id, line.toString('base64')));
}

readLines(answer, option('record'));
