import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { rolldown } from 'rolldown';
import { beforeAll, describe, expect, it } from 'vitest';
import { memorySessions, sessionId, sqliteSessions, type Sessions } from './sessions.ts';
import { freshFile, openFile, room } from './testing.ts';

const DAY = 86_400_000;
const T0 = 1_700_000_000_000;
const AGENT = { principal: 'os:me', conversation: 'process:1' };
const isA = (tool: string): boolean => tool === 'a';
const all = (): boolean => true;

describe('the id of a session', () => {
  it('is of its principal and conversation, and no choice of one passes for the other', () => {
    const ids = [
      { principal: 'a' },
      { principal: 'a', conversation: '' },
      { principal: 'a', conversation: 'b' },
      { principal: 'a","b' },
      { principal: 'b', conversation: 'a' },
    ].map(sessionId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(sessionId({ principal: 'a', conversation: undefined })).toBe(ids[0]);
  });
});

describe.each<[string, (most?: number) => Sessions]>([
  ['memory', (perPrincipal = 4096) => memorySessions({ perPrincipal })],
  ['SQLite', (perPrincipal = 4096) => sqliteSessions(openFile(), { perPrincipal })],
])('sessions in %s', (_kind, make) => {
  it('have their labels once, oldest first; a list that was handed out does not change', () => {
    const session = make().open(AGENT);
    expect(session.labels(T0)).toEqual([]);
    session.addLabels(['b', 'a'], T0);
    const before = session.labels(T0);
    session.addLabels(['a', 'c'], T0 + 1);
    expect([before, session.labels(T0 + 2)]).toEqual([
      ['b', 'a'],
      ['b', 'a', 'c'],
    ]);
  });

  it('have at most 64 labels; one too many adds none', () => {
    const session = make().open(AGENT);
    const many = Array.from({ length: 63 }, (_, n) => `l${n}`);
    expect(session.addLabels(many, T0)).toBe(true);
    expect(session.addLabels(['x', 'y'], T0)).toBe(false);
    expect(session.labels(T0)).toEqual(many);
    expect(session.addLabels(['x', 'l0'], T0)).toBe(true);
  });

  it('are of one principal and conversation, and nobody else sees what they have seen', () => {
    const sessions = make();
    sessions.open(AGENT).addLabels(['secret'], T0);
    sessions.open(AGENT).called('a', T0);
    for (const other of [{ principal: 'os:me' }, { ...AGENT, conversation: 'x' }, { ...AGENT, principal: 'os:you' }]) {
      expect(sessions.open(other).labels(T0)).toEqual([]);
      expect(sessions.open(other).count(all, DAY, T0)).toBe(0);
    }
    expect(sessions.open({ ...AGENT }).labels(T0)).toEqual(['secret']);
  });

  it('count calls within a window, by their names', () => {
    const session = make().open(AGENT);
    for (const [n, tool] of ['a', 'b', 'a'].entries()) session.called(tool, T0 + n * 1000);
    const now = T0 + 3000;
    expect([10_000, 2000, 500].map((ms) => session.count(isA, ms, now))).toEqual([2, 1, 0]);
    expect(session.count(all, 2000, now)).toBe(2);
  });

  it('cannot tell once calls of the window are forgotten, and can tell of what is left', () => {
    const session = make().open(AGENT);
    for (let n = 0; n < 1025; n++) session.called('a', T0 + n * 10);
    const now = T0 + 1025 * 10;
    expect(session.count(all, 10_000, now)).toBe(1000);
    expect(session.count(all, 11_000, now)).toBeUndefined();
    expect(session.count(all, 20_000, now + 20_000 + 1)).toBe(0);
  });

  it('never count less because a clock went back', () => {
    const session = make().open(AGENT);
    session.called('a', T0);
    session.called('a', T0 - 3_600_000);
    expect(session.count(all, 1000, T0 - 7_200_000)).toBe(2);
    expect(session.count(all, 1000, T0)).toBe(2);
  });

  it('are kept for a day without use, and from then on as long as a gate says so', () => {
    const sessions = make();
    sessions.open(AGENT).addLabels(['secret'], T0);
    sessions.keep(T0 + DAY - 1);
    sessions.open({ ...AGENT, conversation: 'other' }).addLabels(['x'], T0 + DAY + 1);
    expect(sessions.open(AGENT).labels(T0 + 2 * DAY - 2)).toEqual(['secret']);
  });

  it('that have no conversation lose a label a day after it was last given', () => {
    const session = make().open({ principal: 'key:1' });
    session.addLabels(['secret', 'pii'], T0);
    session.addLabels(['pii'], T0 + DAY / 2);
    expect(session.labels(T0 + DAY - 1)).toEqual(['secret', 'pii']);
    expect(session.labels(T0 + DAY)).toEqual(['pii']);
    expect(session.labels(T0 + DAY + DAY / 2)).toEqual([]);
  });

  it('of one principal are so many at a time; another is refused, not begun in the place of one', () => {
    const sessions = make(2);
    const open = (conversation: string) => sessions.open({ principal: 'p', conversation });
    open('1').addLabels(['secret'], T0);
    open('2').called('a', T0);
    expect(() => open('3').addLabels(['x'], T0)).toThrow('2 of this principal are remembered');
    expect(() => open('3').called('a', T0)).toThrow('2 of this principal are remembered');
    expect(open('3').labels(T0)).toEqual([]);
    expect(open('1').labels(T0)).toEqual(['secret']);
    open('3').addLabels(['x'], T0 + DAY);
    expect(open('3').labels(T0 + DAY)).toEqual(['x']);
  });

  it('refuse the name of a tool that is too long to be kept', () => {
    const session = make().open(AGENT);
    expect(() => session.called('a'.repeat(1025), T0)).toThrow('too long to be counted');
  });
});

it('sessions in memory and in SQLite, through three connections, say the same whatever is done', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('label' as const), label: fc.constantFrom('a', 'b', 'c', "'", '\0', '💥') }),
    fc.record({ do: fc.constant('call' as const), tool: fc.constantFrom('a', 'b', 'ab') }),
    fc.record({ do: fc.constant('ask' as const), windowMs: fc.integer({ min: 1, max: 5000 }) }),
  );
  const steps = fc.array(
    fc.tuple(step, fc.integer({ min: -500, max: 2000 }), fc.nat(2), fc.constantFrom(undefined, 'x')),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(steps, (todo) => {
      const file = freshFile();
      const gates = [0, 1, 2].map(() => sqliteSessions(openFile(file)));
      const model = memorySessions();
      let now = T0;
      for (const [work, passed, gate, conversation] of todo) {
        now += passed;
        const key = { principal: 'p', conversation };
        const [real, expected] = [gates[gate]!.open(key), model.open(key)];
        if (work.do === 'label') expect(real.addLabels([work.label], now)).toBe(expected.addLabels([work.label], now));
        else if (work.do === 'call') {
          real.called(work.tool, now);
          expected.called(work.tool, now);
        } else expect(real.count(isA, work.windowMs, now)).toBe(expected.count(isA, work.windowMs, now));
        expect(real.labels(now)).toEqual(expected.labels(now));
      }
      for (const gate of gates) gate.close();
    }),
    { numRuns: 60 },
  );
}, 60_000);

describe('sessions that gates share through a file', () => {
  it('see at once what another gate has noted', () => {
    const file = freshFile();
    const [one, two] = [sqliteSessions(openFile(file)), sqliteSessions(openFile(file))];
    expect(two.open(AGENT).labels(T0)).toEqual([]);
    one.open(AGENT).addLabels(['secret'], T0);
    one.open(AGENT).called('a', T0);
    expect(two.open(AGENT).labels(T0)).toEqual(['secret']);
    expect(two.open(AGENT).count(all, 1000, T0)).toBe(1);
  });

  it('are there for a gate that begins later', () => {
    const file = freshFile();
    const one = sqliteSessions(openFile(file));
    one.open(AGENT).addLabels(['secret'], T0);
    one.close();
    expect(
      sqliteSessions(openFile(file))
        .open(AGENT)
        .labels(T0 + 1),
    ).toEqual(['secret']);
  });

  it('keep the labels of a session that was forgotten under a gate which slept', () => {
    const file = freshFile();
    const [one, two, three] = [0, 1, 2].map(() => sqliteSessions(openFile(file)));
    one!.open(AGENT).addLabels(['secret'], T0);
    expect(three!.open(AGENT).labels(T0)).toEqual(['secret']);
    const later = T0 + 3 * DAY;
    two!.open({ principal: 'p' }).addLabels(['x'], later);
    expect(two!.open(AGENT).labels(later)).toEqual([]);
    expect(one!.open(AGENT).labels(later)).toEqual(['secret']);
    expect(two!.open(AGENT).labels(later)).toEqual(['secret']);
  });

  it('cost no write while nothing changes', () => {
    const file = freshFile();
    const [one, two] = [openFile(file), openFile(file)];
    const session = sqliteSessions(one).open(AGENT);
    session.addLabels(['secret'], T0);
    const version = (): unknown => two.prepare('PRAGMA data_version').get();
    const before = version();
    for (let n = 0; n < 100; n++) {
      session.labels(T0 + n);
      session.addLabels(['secret'], T0 + n);
      session.count(all, 1000, T0 + n);
    }
    expect(version()).toEqual(before);
  });

  it('refuse a file of a newer version, and one whose tables go', () => {
    const file = freshFile();
    const database = openFile(file);
    const session = sqliteSessions(database).open(AGENT);
    session.addLabels(['secret'], T0);
    openFile(file).exec('UPDATE session_state SET version = 2; DROP TABLE session_label');
    expect(() => session.labels(T0)).toThrow('no such table');
    expect(() => session.addLabels(['x'], T0)).toThrow('no such table');
    expect(() => sqliteSessions(openFile(file))).toThrow('have version 2, not 1');
  });

  it('say so when the file is locked: nothing is noted, nothing is told', () => {
    const file = freshFile();
    const database = openFile(file);
    database.exec('PRAGMA busy_timeout = 20');
    const session = sqliteSessions(database).open(AGENT);
    const other = openFile(file);
    other.exec('BEGIN IMMEDIATE');
    expect(() => session.addLabels(['secret'], T0)).toThrow('The shared sessions cannot be used');
    expect(() => session.called('a', T0)).toThrow('The shared sessions cannot be used');
    other.exec('ROLLBACK');
    expect(session.labels(T0)).toEqual([]);
    expect(session.count(all, 1000, T0)).toBe(0);
  });
});

describe('sessions that processes share', () => {
  beforeAll(async () => {
    const bundle = await rolldown({ input: fileURLToPath(new URL('sessions.ts', import.meta.url)), platform: 'node' });
    await bundle.write({ file: join(room, 'sessions.mjs'), format: 'esm' });
    await bundle.close();
    writeFileSync(
      join(room, 'noter.mjs'),
      `import { DatabaseSync } from ${JSON.stringify(import.meta.resolve('@photostructure/sqlite'))};
       import { sqliteSessions } from './sessions.mjs';
       const [, , file, name, calls] = process.argv;
       const database = new DatabaseSync(file);
       database.exec('PRAGMA busy_timeout = 20000; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF');
       const session = sqliteSessions(database).open({ principal: 'os:me', conversation: 'process:1' });
       for (let n = 0; n < Number(calls); n++) {
         session.called(name, ${T0} + n);
         if (n % 10 === 0) session.addLabels([name + n], ${T0} + n);
       }
       console.log(session.labels(${T0}).length);`,
    );
  });

  it('lose nothing when two write at once', async () => {
    const file = freshFile();
    const here = sqliteSessions(openFile(file)).open(AGENT);
    const noter = (name: string) =>
      new Promise<void>((resolve, reject) => {
        const child = spawn(process.execPath, [join(room, 'noter.mjs'), file, name, '300'], { stdio: 'inherit' });
        child.on('error', reject);
        child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`ended with ${code}`))));
      });
    await Promise.all([noter('a'), noter('b')]);
    expect(here.labels(T0).length).toBe(60);
    expect(here.count(isA, DAY, T0 + 300)).toBe(300);
    expect(here.count(all, DAY, T0 + 300)).toBe(600);
  }, 60_000);
});
