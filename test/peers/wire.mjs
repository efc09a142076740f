// What the fixture servers share: newline framing over bytes and a JSON line out.
import { appendFileSync } from 'node:fs';

/** Calls `onLine(bytes)` for each line of stdin; `record`, if given, gets each line as base64, one a line. */
export function readLines(onLine, record) {
  let rest = [];
  process.stdin.on('data', (chunk) => {
    let start = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, start)) {
      const line = Buffer.concat([...rest, chunk.subarray(start, at)]);
      rest = [];
      start = at + 1;
      if (record) appendFileSync(record, `${line.toString('base64')}\n`);
      if (line.length > 0) onLine(line);
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
  });
  process.stdin.on('end', () => process.exit(0));
}

export const write = (text) => process.stdout.write(`${text}\n`);
export const say = (message) => write(JSON.stringify({ jsonrpc: '2.0', ...message }));
export const text = (value, more = {}) => ({ content: [{ type: 'text', text: value }], ...more });

/** `--name value` from the command line. */
export function option(name) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}
