import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DecisionRecord } from '../model/record.ts';
import { thisHolder } from '../state/holder.ts';
import { readBundle } from './entries.ts';
import { evidencePlace, type EvidencePlace } from './mark.ts';
import { openEvidence, type Evidence, type EvidenceOptions } from './wal.ts';

// What the tests of this room share: homes to throw away, and records of a plausible call.

export interface TestHome {
  readonly home: string;
  readonly place: EvidencePlace;
  open(more?: Partial<EvidenceOptions>): Evidence;
  remove(): void;
}

export function testHome(): TestHome {
  const home = mkdtempSync(join(tmpdir(), 'cg-evidence-'));
  const place = evidencePlace(home);
  let time = Date.parse('2026-03-01T10:00:00Z');
  return {
    home,
    place,
    open: (more = {}) =>
      openEvidence({
        dir: place.dir,
        keysDir: place.keysDir,
        durability: 'batch',
        now: () => time++,
        mono: () => time * 1000,
        sealing: false,
        ...more,
      }),
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}

const principal = { id: 'local', agent: 'tester', roles: [], chain: [], assurance: 'same-user' } as const;

export function decisionRecord(n: number, more: Partial<DecisionRecord> = {}): DecisionRecord {
  return {
    type: 'decision',
    time: Date.parse('2026-03-01T10:00:00Z') + n,
    mono: n * 10,
    direction: 'call',
    server: 'files',
    method: 'tools/call',
    tool: n % 3 === 0 ? 'write_file' : 'read_file',
    rpcId: String(n),
    transport: 'stdio',
    principal,
    policy: 'sha256:abc',
    rule: n % 3 === 0 ? 'no-writes' : 'reads',
    effect: n % 3 === 0 ? 'deny' : 'allow',
    args: Buffer.from(JSON.stringify({ path: `/tmp/${n}`, amount: n })),
    ...more,
  };
}

/** Appends `count` decisions, with an outcome for each that was let go, and flushes each. */
export function writeCalls(evidence: Evidence, count: number, from = 0): void {
  for (let n = from; n < from + count; n++) {
    const record = decisionRecord(n);
    const decision = evidence.append(record);
    evidence.flush();
    if (record.effect !== 'allow') continue;
    evidence.append({
      type: 'outcome',
      time: record.time,
      mono: record.mono,
      decision,
      status: 'ok',
      us: 42,
      bytes: 7,
    });
    evidence.flush();
  }
}

/** The text of every leaf. */
export function leafTexts(dir: string, size: number): string[] {
  const texts: string[] = [];
  for (let number = 0; number * 256 < size; number++)
    texts.push(...readBundle(dir, number, size).map((entry) => entry.text));
  return texts;
}

/** Runs `work` under a name that no living process has: segments opened in it are those of the dead. */
export function asDeadProcess<T>(work: () => T): T {
  const self = thisHolder() as { start: string };
  const { start } = self;
  self.start = '1';
  try {
    return work();
  } finally {
    self.start = start;
  }
}
