#!/usr/bin/env node
// A server whose results are written out by its test, byte for byte.
//   list-server.mjs FILE      FILE: a JSON object of method to the text of its result
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const results = JSON.parse(readFileSync(process.argv[2], 'utf8'));
for await (const line of createInterface({ input: process.stdin })) {
  const { id, method } = JSON.parse(line);
  if (id === undefined) continue;
  const result = results[method] ?? '{"content":[{"type":"text","text":"done"}]}';
  process.stdout.write(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}\n`);
}
