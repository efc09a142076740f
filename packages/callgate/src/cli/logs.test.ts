import { PassThrough } from 'node:stream';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evidencePlace, openEvidence } from '../evidence/index.ts';
import type { DecisionRecord } from '../model/record.ts';
import { auditCommand } from './audit.ts';
import { logsCommand } from './logs.ts';
import { exitCodeOf, type Io } from './terminal.ts';

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

describe('callgate logs and callgate audit', () => {
  let root = '';
  let home = '';
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'cg-logs-'));
    home = join(root, 'home');
    await record(home);
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  async function run(command: typeof logsCommand, ...argv: string[]): Promise<Ran> {
    const text = { out: '', err: '' };
    const stdout = new PassThrough().on('data', (chunk: Buffer) => (text.out += chunk.toString()));
    const stderr = new PassThrough().on('data', (chunk: Buffer) => (text.err += chunk.toString()));
    const io: Io = { stdout, stderr, stdin: new PassThrough(), env: { CALLGATE_HOME: home, HOME: root }, cwd: root };
    const code = await command(argv, io).catch((error: unknown) => {
      text.err += String(error);
      return exitCodeOf(error);
    });
    return { code, ...text };
  }
  const logs = (...argv: string[]) => run(logsCommand, ...argv);
  const audit = (...argv: string[]) => run(auditCommand, ...argv);
  const parse = (out: string) =>
    out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it('says before the first call what to do for one', async () => {
    const before = home;
    home = join(root, 'fresh');
    try {
      mkdirSync(join(home, 'evidence'), { recursive: true, mode: 0o700 });
      const { code, out, err } = await logs();
      expect([code, out]).toEqual([0, '']);
      expect(err).toMatch(/^callgate: no call is recorded yet\. .*`callgate run -- <command>`\.\n$/);
      const verified = await audit('verify');
      expect([verified.code, verified.out]).toEqual([1, '']);
      expect(verified.err).toContain('Nothing is recorded yet in ');
      // With a key there was a log.
      mkdirSync(join(home, 'keys'));
      writeFileSync(join(home, 'keys', 'log.key'), 'x', { mode: 0o600 });
      expect((await audit('verify')).err).not.toContain('Nothing is recorded yet');
    } finally {
      home = before;
    }
    expect((await logs('--tool', 'nobody')).err).toBe('callgate: no call matches.\n');
  });

  it('prints an aligned table, newest last', async () => {
    const { code, out, err } = await logs('--limit', '3');
    const lines = out.trimEnd().split('\n');
    expect([code, err, lines.length]).toEqual([0, '', 4]);
    expect(lines[0]).toMatch(/^time +server +tool +decision +rule +latency +status$/);
    expect(lines.at(-1)).toContain('evil\\u{1b}[2J');
    const columns = lines.map((line) => line.search(/(decision|allow|deny|ask) /));
    expect(new Set(columns).size).toBe(1);
  });

  it('prints every field of a call as one JSON object a line, numbers as written', async () => {
    const [call] = parse((await logs('--json', '--tool', 'big')).out);
    expect(call).toMatchObject({
      serverName: 'files',
      toolName: 'big',
      decision: 'allow',
      matchedRule: 'reads',
      durationMs: 1.5,
      status: 'ok',
      timestamp: '2026-03-01T10:00:40.000Z',
    });
    expect((await logs('--json', '--tool', 'big')).out).toContain('"arguments":{"n":12345678901234567890}');
  });

  it.each([
    [['--tool', 'read_file'], 20],
    [['--tool', '*_file'], 40],
    [['--tool', 'read'], 0],
    [['--decision', 'deny'], 21],
    [['--decision', 'blocked'], 21],
    [['--server', 'other'], 1],
    [['--rule', 'no-*'], 20],
    [['--rule', 'reads', '--tool', 'read_file'], 20],
    [['--status', 'ok'], 21],
    [['--since', '2026-03-01T10:00:39Z'], 3],
    [['--until', '2026-03-01T10:00:01Z'], 2],
    [['--since', '1s', '--until', '0s'], 0],
    [['--limit', '7'], 7],
  ] as const)('filters by %j', async (argv, count) => {
    const { out } = await logs('--json', '--limit', '1000', ...argv.slice(0, argv[0] === '--limit' ? 0 : undefined));
    const limited = argv[0] === '--limit' ? (await logs('--json', ...argv)).out : out;
    expect(limited === '' ? 0 : parse(limited).length).toBe(count);
  });

  it('answers the same without an index, and says so', async () => {
    const indexed = await logs('--json', '--limit', '1000');
    const index = join(home, 'state', 'evidence-index.db');
    for (const name of readdirSync(join(home, 'state')))
      if (name.startsWith('evidence-index')) rmSync(join(home, 'state', name));
    mkdirSync(index);
    const scanned = await logs('--json', '--limit', '1000');
    rmSync(index, { recursive: true });
    expect(scanned.out).toBe(indexed.out);
    expect(scanned.err).toContain('without its index');
  });

  it('shows what can still be read of a torn log, as JSON to the last line', async () => {
    const torn = join(root, 'torn');
    cpSync(join(home, 'evidence'), torn, { recursive: true });
    const bundles = join(torn, 'tile/entries/000.p');
    for (const name of readdirSync(bundles)) truncateSync(join(bundles, name), 9000);
    const { code, out } = await logs('--json', '--evidence', torn);
    expect(code).toBe(0);
    expect(parse(out).length).toBeGreaterThan(3);
    expect((await audit('verify', '--evidence', torn)).code).toBe(1);
  });

  it('indexes only what is new the next time', async () => {
    const before = parse((await logs('--json', '--limit', '1000')).out).length;
    await record(home, 5);
    expect(parse((await logs('--json', '--limit', '1000')).out).length).toBe(before + 5);
  });

  it.each([
    [['--nope'], 'no flag --nope'],
    [['--limit', '0'], '--limit'],
    [['--limit', 'x'], '--limit'],
    [['--since', 'yesterday'], '--since'],
    [['--decision', 'maybe'], 'no decision "maybe"'],
    [['word'], 'takes no "word"'],
  ])('refuses %j as usage', async (argv, message) => {
    const { code, err } = await logs(...argv);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
  });

  it('verifies, prints a checkpoint, and verifies against it', async () => {
    const kept = join(root, 'kept');
    writeFileSync(kept, (await audit('checkpoint')).out);
    expect(await audit('verify', '--against', kept)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^verified: \d+ records/) as string,
    });
    const json = JSON.parse((await audit('verify', '--json')).out) as Record<string, unknown>;
    expect(json).toMatchObject({ ok: true, problems: [], keyFrom: 'mark' });
  });

  it.each([
    [[]],
    [['what']],
    [['verify', 'more']],
    [['verify', '--against', 'nowhere']],
    [['verify', '--limit', '1']],
    [['accept-rollback']],
  ])('refuses audit %j as usage', async (argv) => {
    expect((await audit(...argv)).code).toBe(2);
  });

  it('says NOT verified, why and what to do, with exit 1, when a record was changed', async () => {
    const changed = join(root, 'changed');
    cpSync(join(home, 'evidence'), changed, { recursive: true });
    const { size } = JSON.parse(readFileSync(join(changed, 'seal.json'), 'utf8')) as { size: number };
    const bundle = join(changed, `tile/entries/000.p/${size}`);
    writeFileSync(bundle, readFileSync(bundle, 'latin1').replace('"effect":"deny"', '"effect":"dery"'), 'latin1');
    const { code, out } = await audit('verify', '--evidence', changed);
    expect(code).toBe(1);
    expect(out).toMatch(/^NOT verified[^]+why:[^]+do:/);
  });

  it('has nothing to show, and says so, before anything ran', async () => {
    const { code, err } = await run(logsCommand, '--home', join(root, 'nowhere'));
    expect([code, err]).toEqual([1, expect.stringContaining('no Callgate home')]);
  });
});

/** Forty calls to two tools, one with a big number, one of another server with a name that rewrites terminals. */
async function record(home: string, more = 0): Promise<void> {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const evidence = openEvidence({
    ...evidencePlace(home),
    durability: 'batch',
    now: Date.now,
    mono: () => 0,
    sealing: false,
  });
  const decide = (n: number, change: Partial<DecisionRecord>): void => {
    const record: DecisionRecord = {
      type: 'decision',
      time: Date.parse('2026-03-01T10:00:00Z') + n * 1000,
      mono: n,
      direction: 'call',
      server: 'files',
      method: 'tools/call',
      tool: 'read_file',
      rpcId: String(n),
      transport: 'stdio',
      principal: { id: 'me', roles: [], chain: [], assurance: 'same-user' },
      policy: 'sha256:0',
      rule: 'reads',
      effect: 'allow',
      args: Buffer.from('{"path":"/tmp"}'),
      ...change,
    };
    const decision = evidence.append(record);
    const { time, mono, effect } = record;
    if (effect === 'allow')
      evidence.append({ type: 'outcome', time, mono, decision, status: 'ok', us: 1500, bytes: 3 });
    evidence.flush();
  };
  if (more > 0) for (let n = 0; n < more; n++) decide(100 + n, { tool: 'later' });
  else {
    for (let n = 0; n < 40; n++)
      decide(n, n % 2 === 0 ? {} : { tool: 'write_file', rule: 'no-writes', effect: 'deny' });
    decide(40, { tool: 'big', args: Buffer.from('{"n": 12345678901234567890}') });
    decide(41, { server: 'other', tool: 'evil\u001b[2J', rule: 'default', effect: 'deny' });
  }
  await evidence.close();
}
