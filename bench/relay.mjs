#!/usr/bin/env node
// The least that a Node process between client and server can do with lines: split them, pass them on, hold back.
//   relay.mjs -- <command...>
import { spawn } from 'node:child_process';

const [file, ...args] = process.argv.slice(process.argv.indexOf('--') + 1);
const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });

function relay(from, to) {
  let rest;
  from.on('data', (chunk) => {
    const end = chunk.lastIndexOf(10);
    if (end < 0) {
      rest = rest ? Buffer.concat([rest, chunk]) : chunk;
      return;
    }
    const whole = rest ? Buffer.concat([rest, chunk.subarray(0, end + 1)]) : chunk.subarray(0, end + 1);
    rest = end + 1 < chunk.length ? chunk.subarray(end + 1) : undefined;
    let isDrained = true;
    for (let start = 0, at = whole.indexOf(10); at >= 0; at = whole.indexOf(10, start)) {
      isDrained = to.write(whole.subarray(start, at + 1));
      start = at + 1;
    }
    if (!isDrained) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  });
  from.on('end', () => to.end());
}

relay(process.stdin, child.stdin);
relay(child.stdout, process.stdout);
child.on('exit', (code) => process.exit(code ?? 1));
