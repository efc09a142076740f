import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseLeaf, readBundle } from './entries.ts';
import { verifyDirectory } from './node-log.ts';
import { sealNow } from './seal.ts';
import { testHome } from './testing.ts';
import { bundleScript, startChild, until } from './testing-child.ts';

// Two lives a round.
const ROUNDS = process.env['CALLGATE_LONG'] === '1' ? 100 : 5;

describe('kill -9 of gates that write and seal', () => {
  let script = '';
  beforeAll(async () => {
    script = await bundleScript(join(import.meta.dirname, 'crash.child.ts'));
  });
  afterAll(() => rmSync(dirname(script), { recursive: true, force: true }));

  it.each([1, 2])(
    'loses no acknowledged record of %i process(es), and the log verifies',
    async (count) => {
      for (let round = 0; round < ROUNDS; round++)
        expect(await killTwice(script, count)).toEqual({ ok: true, lost: [], unsettled: [], segments: [] });
    },
    ROUNDS * 20_000,
  );
});

interface Found {
  readonly ok: boolean;
  readonly lost: readonly string[];
  /** Calls that were let go and have no outcome. */
  readonly unsettled: readonly string[];
  readonly segments: readonly string[];
}

/** Starts writers in one home, kills each at a random moment, twice over the same home, and looks for every record. */
async function killTwice(script: string, count: number): Promise<Found> {
  const t = testHome();
  const acknowledged: string[] = [];
  for (let life = 0; life < 2; life++) {
    const children = Array.from({ length: count }, () => startChild(script, t.home, 'seal'));
    for (const child of children) {
      await until(() => child.lines.length > 0 || child.process.exitCode !== null);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
      child.process.kill('SIGKILL');
    }
    await Promise.all(children.map((child) => child.ended));
    acknowledged.push(...children.flatMap((child) => child.lines).filter((line) => /^[0-9a-z]{10}-\d+$/.test(line)));
  }
  const { size } = await sealNow(t.home);
  const { ok } = await verifyDirectory({ dir: t.place.dir, place: t.place });
  const ids = new Set<string>();
  const settled = new Set<string>();
  const owed = new Set<string>();
  for (let number = 0; number * 256 < size; number++)
    for (const { text } of readBundle(t.place.dir, number, size)) {
      const leaf = parseLeaf(text);
      const id = leaf?.id ?? '';
      ids.add(id);
      if (leaf?.type === 'decision' && leaf.policy?.effect === 'allow') owed.add(id);
      if (leaf?.type === 'outcome') settled.add(`${id.split('-')[0]}-${leaf.refs?.decision}`);
    }
  // A draft (`.tmp`) of a process killed before its segment had a name holds no record; it is swept after an hour.
  const segments = readdirSync(join(t.place.dir, 'wal')).filter((name) => !name.endsWith('.tmp'));
  t.remove();
  const lost = acknowledged.filter((id) => !ids.has(id));
  return { ok, lost, unsettled: [...owed].filter((id) => !settled.has(id)), segments };
}
