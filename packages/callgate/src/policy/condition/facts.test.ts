import { describe, expect, test } from 'vitest';
import type { Call } from '../../model/call.ts';
import { callOf, type CallParts, issuesOf, policyOf } from '../testing.ts';

type Outcome = true | false | 'error';

/** What a condition says, told by an allow rule, a deny rule, and a rule without an effect, which must agree. */
function truth(when: string, parts: CallParts = {}): Outcome {
  const rule = (rest: string): string => ` - {id: r, match: {tool: run}, when: ${JSON.stringify(when)}, ${rest}}`;
  const call = callOf(parts);
  const allowed = policyOf(rule('effect: allow')).decide(call).rule === 'r';
  const denied = policyOf(rule('effect: deny')).decide(call).rule === 'r';
  const added = policyOf(rule('obligations: [{redact: {classes: [secret]}}]'), 'version: 1\ndefault: allow').decide(
    call,
  );
  const outcome = allowed === denied ? allowed : denied ? 'error' : expect.unreachable('allow matched, deny did not');
  expect([added.effect, added.obligations.length]).toEqual(
    outcome === 'error' ? ['deny', 0] : ['allow', outcome ? 1 : 0],
  );
  return outcome;
}

const at = (iso: string): CallParts => ({ time: Date.parse(iso) });
const finding = (kind: string, confidence: number) => ({ rule: 'x', class: kind, pointer: '/a', confidence });
const findings = (...list: readonly ReturnType<typeof finding>[]): CallParts => ({ findings: () => list });

describe('the time of a call', () => {
  test.each<[string, CallParts, Outcome]>([
    ['hour("UTC") == 9', at('2026-01-05T09:30:00Z'), true],
    ['hour("Europe/Berlin") == 9', at('2026-01-05T09:30:00Z'), false],
    ['hour("Europe/Berlin") >= 9 && hour("Europe/Berlin") < 18', at('2026-01-05T16:59:00Z'), true],
    ['hour("Europe/Berlin") >= 9 && hour("Europe/Berlin") < 18', at('2026-01-05T17:00:00Z'), false],
    ['minute("UTC") == 30', at('2026-01-05T09:30:59Z'), true],
    ['weekday("UTC") in ["sat", "sun"]', at('2026-01-04T23:59:00Z'), true],
    ['weekday("Asia/Tokyo") in ["sat", "sun"]', at('2026-01-04T23:59:00Z'), false],
    ['hour("UTC") == 9', {}, 'error'],
    ['hour("UTC") == 9', { time: Number.NaN }, 'error'],
    ['weekday("UTC") == "mon" || true', {}, true],
  ])('%s of %o is %s', (when, parts, expected) => {
    expect(truth(when, parts)).toBe(expected);
  });
});

describe('session, labels, intent and HTTP facts', () => {
  test.each<[string, CallParts, Outcome]>([
    ['session.id == "s1"', { session: 's1' }, true],
    ['session.id == "s1"', {}, 'error'],
    ['has(session.id)', {}, false],
    ['"untrusted" in labels', { labels: ['untrusted'] }, true],
    ['"untrusted" in labels', { labels: [] }, false],
    ['"untrusted" in labels', {}, 'error'],
    ['!("untrusted" in labels)', {}, 'error'],
    ['labels.exists(l, l.startsWith("untrusted:"))', { labels: ['untrusted:web'] }, true],
    ['has(labels)', {}, false],
    ['intent == "delete"', { intent: 'delete' }, true],
    ['intent == "delete"', { intent: 'unknown' }, false],
    ['intent in ["read", "query"]', { intent: 'query' }, true],
    ['intent == "delete"', {}, 'error'],
    ['http.method == "POST" && http.path.startsWith("/v1/")', { http: { method: 'POST', path: '/v1/x' } }, true],
    ['http.method == "POST"', {}, 'error'],
  ])('%s of %o is %s', (when, parts, expected) => {
    expect(truth(when, parts)).toBe(expected);
  });
});

describe('findings', () => {
  test.each<[string, CallParts, Outcome]>([
    ['findings.exists(f, f.class == "secret")', findings(finding('secret', 0.9)), true],
    ['findings.exists(f, f.class == "secret")', findings(finding('pii', 0.9)), false],
    ['findings.exists(f, f.class == "secret")', findings(), false],
    ['findings.exists(f, f.class == "secret")', {}, 'error'],
    ['findings.exists(f, f.class == "secret")', { findings: () => undefined }, 'error'],
    ['findings.exists(f, f.constructor == "x")', findings(finding('pii', 1)), 'error'],
    ['threat.score > 0.8', findings(finding('a', 0.2), finding('b', 0.9), finding('c', 0.1)), true],
    ['threat.score == 0', findings(), true],
    ['threat.score > 0.8', findings(finding('a', Number.NaN)), 'error'],
    ['threat.score > 0.8', findings(finding('a', 7)), 'error'],
    ['threat.score > 0.8', {}, 'error'],
  ])('%s of %o is %s', (when, parts, expected) => {
    expect(truth(when, parts)).toBe(expected);
  });
});

describe('the history of a session', () => {
  const past: Readonly<Record<string, number>> = { create_a: 2, create_b: 1, read: 5 };
  const history: NonNullable<Call['history']> = (glob, windowMs) =>
    Object.entries(past).reduce((sum, [tool, calls]) => sum + (glob(tool) && windowMs >= 10_000 ? calls : 0), 0);
  test.each<[string, CallParts, Outcome]>([
    ['count("create_*", "10s") >= 3', { history }, true],
    ['count("create_*", "10s") >= 4', { history }, false],
    ['count("*", "5s") == 0', { history }, true],
    ['seen("read", "1h")', { history }, true],
    ['seen("write", "1h")', { history }, false],
    ['!seen("write", "1h")', {}, 'error'],
    ['seen("read", "1h")', { history: () => undefined }, 'error'],
    ['count("read", "1h") > 0', { history: () => Number.NaN }, 'error'],
    ['count("read", "1h") >= 0', { history: () => -1 }, 'error'],
  ])('%s of %o is %s', (when, parts, expected) => {
    expect(truth(when, parts)).toBe(expected);
  });
});

describe('a condition that could never mean anything', () => {
  test.each([
    ['hour("Europe/Berln") == 1', 'CG_POLICY_TIME_ZONE', 'Europe/Berlin'],
    ['hour(args.zone) == 1', 'CG_POLICY_WHEN', 'never taken from what is judged'],
    ['hour() == 1', 'CG_POLICY_WHEN', undefined],
    ['hour("UTC")', 'CG_POLICY_WHEN', 'truthiness'],
    ['weekday("UTC") == "monday"', 'CG_POLICY_WHEN', 'known here'],
    ['weekday("UTC") in ["Sat"]', 'CG_POLICY_WHEN', 'sat'],
    ['intent == "reed"', 'CG_POLICY_WHEN', 'read'],
    ['direction == "outward"', 'CG_POLICY_WHEN', 'call'],
    ['principal.assurance == "strong"', 'CG_POLICY_WHEN', 'same-user'],
    ['time > 5', 'CG_POLICY_WHEN', 'hour('],
    ['session == "x"', 'CG_POLICY_WHEN', 'session.id'],
    ['session.user == "x"', 'CG_POLICY_WHEN', 'id'],
    ['threat > 1', 'CG_POLICY_WHEN', 'threat.score'],
    ['task == "x"', 'CG_POLICY_NOT_YET', 'principal.id'],
    ['label == "x"', 'CG_POLICY_WHEN', 'labels'],
    ['count("a*") > 1', 'CG_POLICY_WHEN', undefined],
    ['count("a*", "10 minutes") > 1', 'CG_POLICY_WHEN', '10m'],
    ['count("a*", "400d") > 1', 'CG_POLICY_WHEN', '366d'],
    ['count(args.tool, "1m") > 1', 'CG_POLICY_WHEN', 'never taken'],
    ['seen("a*", 10)', 'CG_POLICY_WHEN', 'never taken'],
    ['rate("x") > 1', 'CG_POLICY_WHEN', 'obligation rate'],
  ])('is refused with what to write: %s', (when, code, remedy) => {
    const text = `version: 1\nrules:\n - {id: r, match: {tool: run}, when: ${JSON.stringify(when)}, effect: deny}\n`;
    const [issue, ...more] = issuesOf(text);
    expect([issue?.code, more]).toEqual([code, []]);
    if (remedy !== undefined) expect(`${issue?.message} ${issue?.remedy}`).toContain(remedy);
  });
});

test('a rule says which facts it needs, so that no other is fetched', () => {
  const factsOf = (when: string): readonly string[] =>
    [
      ...(policyOf(` - {id: r, match: {tool: run}, when: ${JSON.stringify(when)}, effect: deny}`).rules[0]?.facts ??
        []),
    ].toSorted();
  expect(factsOf('hour("UTC") > 1 && seen("a", "1m")')).toEqual(['history', 'time']);
  expect(factsOf('threat.score > 0.5 || "x" in labels')).toEqual(['findings', 'labels', 'subject']);
  expect(factsOf('session.id == "a" && http.path == "/" && intent == "read"')).toEqual(['http', 'intent', 'session']);
  expect(factsOf('tool == "x"')).toEqual([]);
});
