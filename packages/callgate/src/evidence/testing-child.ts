import { tmpdir } from 'node:os';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { rolldown } from 'rolldown';

// Real processes for the tests that kill: a script of this room, bundled once, because Node 20 runs no TypeScript.

/** Bundles `entry` (a path of this repository); returns the script to run. */
export async function bundleScript(entry: string): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'cg-child-'));
  const build = await rolldown({ input: entry, platform: 'node', external: [/^node:/, '@photostructure/sqlite'] });
  await build.write({ dir, format: 'esm', entryFileNames: 'child.mjs', chunkFileNames: '[name].mjs' });
  await build.close();
  return join(dir, 'child.mjs');
}

export interface Child {
  readonly process: ChildProcess;
  /** Lines of stdout so far. */
  readonly lines: string[];
  readonly ended: Promise<void>;
}

export function startChild(script: string, ...args: readonly string[]): Child {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  const closed = new Promise<void>((resolve) => reader.once('close', resolve));
  const ended = new Promise<void>((resolve) => child.once('exit', () => void closed.then(resolve)));
  return { process: child, lines, ended };
}

export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}
