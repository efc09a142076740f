import { writeFileSync } from 'node:fs';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decisionRecord, testHome, writeCalls, type TestHome } from '../evidence/testing.ts';
import { policyLearn } from './policy-learn.ts';
import { policySimulate } from './policy-simulate.ts';
import { testIo } from './test-io.ts';

let home: TestHome;
beforeEach(() => {
  home = testHome();
});
afterEach(() => home.remove());

async function simulate(
  policy: string,
  ...argv: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  writeFileSync(join(home.home, 'new.yaml'), policy);
  const io = testIo(home.home, { CALLGATE_HOME: home.home, HOME: home.home });
  const code = await policySimulate(['new.yaml', ...argv], io);
  return { code, out: io.out(), err: io.err() };
}

/** 30 calls: every third is a write that was denied, the others reads that were allowed. */
async function recordCalls(count = 30): Promise<void> {
  const evidence = home.open();
  writeCalls(evidence, count);
  await evidence.close();
}

const SAME = `version: 1
rules:
  - { id: reads, match: { tool: read_file }, effect: allow }
  - { id: no-writes, match: { tool: write_file }, effect: deny }
`;
const TURNED = `version: 1
rules:
  - { id: some, match: { tool: read_file }, args: { amount: { le: 10 } }, effect: ask }
  - { id: writes, match: { tool: write_file }, effect: allow }
`;

describe('policy simulate', () => {
  it('says that nothing changes under the same rules', async () => {
    await recordCalls();
    const { code, out } = await simulate(SAME, '--fail-on', 'any');
    expect(code).toBe(0);
    expect(out).toContain('30 records');
    expect(out).toContain('no decision changes');
    expect(out).toMatch(/allow +20 +0 +0 +0/);
    expect(out).toMatch(/deny +0 +0 +0 +10/);
  });

  it('lists what changes, by tool and rule, with records and arguments', async () => {
    await recordCalls();
    const { code, out } = await simulate(TURNED, '--examples', '2');
    expect(code).toBe(0);
    expect(out).toContain('newly allowed: 10\n  write_file on files: deny by no-writes -> writes, 10 calls\n');
    expect(out).toContain('newly denied: 13\n  read_file on files: allow by reads -> default, 13 calls\n');
    expect(out).toContain('newly asked: 7\n');
    expect(out.match(/"path":"\/tmp\//g)?.length).toBe(6);
  });

  it.each([
    ['newly-allowed', 1],
    ['newly-denied', 1],
    ['newly-deferred', 0],
    ['any', 1],
  ])('ends with the exit code that --fail-on %s asks for', async (kind, expected) => {
    await recordCalls();
    expect((await simulate(TURNED, '--fail-on', kind)).code).toBe(expected);
  });

  it('counts only what the filters pick', async () => {
    await recordCalls();
    const matrix = async (...argv: string[]): Promise<number> =>
      (JSON.parse((await simulate(SAME, '--json', ...argv)).out) as { records: number }).records;
    expect(await matrix('--tool', 'read*')).toBe(20);
    expect(await matrix('--server', 'other')).toBe(0);
    expect(await matrix('--limit', '7')).toBe(7);
    expect(await matrix('--since', '2026-03-01T10:00:00.025Z')).toBe(5);
    expect(await matrix('--until', '2026-03-01T10:00:00.004Z')).toBe(5);
  });

  it('counts rates over all calls, also those that a filter leaves out', async () => {
    await recordCalls();
    const rates = `version: 1
rules:
  - { id: all, match: { tool: "*" }, effect: allow, obligations: [{ rate: { max: 25, per: 1h } }] }
`;
    const { out } = await simulate(rates, '--since', '2026-03-01T10:00:00.024Z', '--json');
    const { matrix } = JSON.parse(out) as { matrix: Record<string, Record<string, number>> };
    expect((matrix['allow']?.['allow'] ?? 0) + (matrix['deny']?.['allow'] ?? 0)).toBe(1);
  });

  it('counts what cannot be replayed, and says why', async () => {
    await recordCalls(3);
    rmSync(join(home.place.keysDir, 'vault'), { recursive: true, force: true });
    const evidence = home.open();
    evidence.append(decisionRecord(100, { args: Buffer.from('{"path":"[secret:x]"}') }));
    evidence.flush();
    await evidence.close();
    const { out } = await simulate(
      `version: 1\nrules:\n  - { id: a, match: { tool: read_file }, args: { path: x }, effect: allow }\n`,
    );
    expect(out).toContain('not replayable: 1');
    expect(out).toContain('/path, which was masked');
  });

  it('refuses a policy that does not load, and flags that say nothing', async () => {
    await recordCalls(3);
    expect((await simulate('version: 2')).code).toBe(2);
    await expect(simulate(SAME, '--fail-on', 'nothing')).rejects.toThrow('--fail-on is "nothing".');
    await expect(simulate(SAME, '--since', 'yesterday')).rejects.toThrow('--since is "yesterday".');
  });

  it('lets no name rewrite the terminal', async () => {
    const evidence = home.open();
    evidence.append(decisionRecord(1, { tool: 'x\u001b[2J\nnewly allowed: 0', args: Buffer.from('{"a":"\\u001b"}') }));
    evidence.flush();
    await evidence.close();
    const { out } = await simulate(SAME);
    expect(out).not.toContain('\u001b');
    expect(out).not.toContain('\nnewly allowed: 0');
  });
});

describe('policy learn', () => {
  it('writes a file that loads and changes nothing of what it was learned from, and never over another', async () => {
    await recordCalls();
    const io = testIo(home.home, { CALLGATE_HOME: home.home, HOME: '/home/nobody' });
    expect(await policyLearn(['--out', 'learned.yaml'], io)).toBe(0);
    expect(io.out()).toContain('learned from 20 of 30 records, 10 left out');
    const again = testIo(home.home, { CALLGATE_HOME: home.home, HOME: '/home/nobody' });
    expect(await policySimulate(['learned.yaml', '--fail-on', 'any'], again)).toBe(0);
    await expect(policyLearn(['--out', 'learned.yaml'], io)).rejects.toThrow('is already there');
  });

  it('writes nothing but a default without evidence for a server', async () => {
    await recordCalls(3);
    const io = testIo(home.home, { CALLGATE_HOME: home.home, HOME: '/home/nobody' });
    expect(await policyLearn(['--server', 'other'], io)).toBe(0);
    expect(io.out()).toContain('rules: []');
  });
});
