import { PassThrough, Writable } from 'node:stream';
import type { Io } from './terminal.ts';

/** An Io that keeps what is written, for tests. `answer` makes stdin a terminal that types it. */
export function testIo(cwd: string, env: Io['env'], answer?: string): Io & { out(): string; err(): string } {
  const kept = { out: '', err: '' };
  const keep = (name: 'out' | 'err') =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        kept[name] += chunk.toString();
        done();
      },
    });
  const stdin = new PassThrough();
  if (answer !== undefined) Object.assign(stdin, { isTTY: true }).end(`${answer}\n`);
  return { stdout: keep('out'), stderr: keep('err'), stdin, env, cwd, out: () => kept.out, err: () => kept.err };
}
