import { execFile } from 'node:child_process';
import { expect, it } from 'vitest';
import { CLI, peer } from './peers/gate.ts';

it('forty rounds of chaos leave every request answered and nothing behind', { timeout: 120_000 }, async () => {
  const script = peer('../../scripts/chaos.mjs');
  const args = [script, '--rounds', '40', '--seed', '4', '--at-once', '20', '--gate', CLI];
  const { code, text } = await new Promise<{ code: number; text: string }>((resolve) => {
    execFile(process.execPath, args, { maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), text: stdout + stderr }),
    );
  });
  expect(text).not.toContain('FOUND ');
  expect(text).toMatch(/chaos: seed 4, 40 rounds/);
  expect(code).toBe(0);
});
