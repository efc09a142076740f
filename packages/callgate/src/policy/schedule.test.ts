import { describe, expect, test } from 'vitest';
import { callOf, issuesOf, policyOf } from './testing.ts';

const effectAt = (schedule: string, when: string | undefined, effect = 'allow'): string =>
  policyOf(` - {id: a, match: {tool: run}, schedule: ${schedule}, effect: ${effect}}`).decide(
    callOf(when === undefined ? {} : { time: Date.parse(when) }),
  ).effect;

// 2026-11-20 is a Friday; Berlin is one hour ahead of UTC in November and two in July.
const WORK = '{days: [mon, tue, wed, thu, fri], from: "09:00", to: "17:00", timeZone: Europe/Berlin}';
const NIGHT = '{days: [fri], from: "22:00", to: "06:00", timeZone: UTC}';

describe('the schedule of a rule', () => {
  test.each([
    [WORK, '2026-11-20T08:00:00Z', 'allow'],
    [WORK, '2026-11-20T07:59:59.999Z', 'deny'],
    [WORK, '2026-11-20T15:59:59.999Z', 'allow'],
    [WORK, '2026-11-20T16:00:00Z', 'deny'],
    [WORK, '2026-11-21T09:00:00Z', 'deny'],
    [WORK, '2026-07-17T07:00:00Z', 'allow'],
    [NIGHT, '2026-11-20T22:00:00Z', 'allow'],
    [NIGHT, '2026-11-21T05:59:00Z', 'allow'],
    [NIGHT, '2026-11-21T06:00:00Z', 'deny'],
    [NIGHT, '2026-11-20T05:00:00Z', 'deny'],
    [NIGHT, '2026-11-21T22:00:00Z', 'deny'],
    ['{from: "09:00", timeZone: UTC}', '2026-11-22T23:59:00Z', 'allow'],
    ['{to: "09:00", timeZone: UTC}', '2026-11-22T00:00:00Z', 'allow'],
    ['{days: [sun], timeZone: Asia/Tokyo}', '2026-11-21T15:00:00Z', 'allow'],
    ['{days: [sun], timeZone: Asia/Tokyo}', '2026-11-21T14:59:00Z', 'deny'],
  ])('%s at %s: %s', (schedule, time, effect) => {
    expect(effectAt(schedule, time)).toBe(effect);
  });

  test.each([
    ['allow', 'deny'],
    ['deny', 'deny'],
    ['ask', 'ask'],
  ])('of a rule that says %s, at a time nobody knows: %s', (effect, decided) => {
    expect(effectAt(WORK, undefined, effect)).toBe(decided);
  });

  test.each([
    ['{days: [mon], timeZone: Europe/Berln}', 'CG_POLICY_TIME_ZONE'],
    ['{days: [monday], timeZone: UTC}', 'CG_POLICY_VALUE'],
    ['{from: "9:00", timeZone: UTC}', 'CG_POLICY_VALUE'],
    ['{from: "25:00", timeZone: UTC}', 'CG_POLICY_VALUE'],
    ['{from: "09:00", to: "09:00", timeZone: UTC}', 'CG_POLICY_SCHEDULE'],
    ['{from: "24:00", to: "09:00", timeZone: UTC}', 'CG_POLICY_SCHEDULE'],
    ['{timeZone: UTC}', 'CG_POLICY_SCHEDULE'],
    ['{days: [mon]}', 'CG_POLICY_MISSING_KEY'],
    ['{days: []}', 'CG_POLICY_EMPTY'],
    ['{day: [mon], timeZone: UTC}', 'CG_POLICY_UNKNOWN_KEY'],
  ])('%s is an error: %s', (schedule, code) => {
    const text = `version: 1\nrules:\n - {id: a, match: {tool: run}, schedule: ${schedule}, effect: deny}`;
    expect(issuesOf(text).map((issue) => issue.code)).toContain(code);
  });

  test('keeps a rule from hiding those after it', () => {
    const rules = ` - {id: a, match: {tool: run}, schedule: ${WORK}, effect: deny}\n - {id: b, match: {tool: run}, effect: allow}`;
    expect(issuesOf(`version: 1\nrules:\n${rules}`)).toEqual([]);
  });
});

describe('tags', () => {
  test.each([
    ['ASI-03', 'write ASI03'],
    ['asi3', 'write ASI03'],
    ['ASI11', 'known are'],
    ['MCP1', 'write MCP01'],
    ['MCP00', 'known are'],
    ['AISVS 2.1.3', 'write AISVS-2.1.3'],
    ['AISVS-2.1', 'known are'],
  ])('%s looks like the id of a framework and is none', (tag, remedy) => {
    const text = `version: 1\nrules:\n - {id: a, match: {tool: run}, effect: deny, tags: [ok, "${tag}"]}`;
    const issues = issuesOf(text);
    expect(issues.map(({ code }) => code)).toEqual(['CG_POLICY_TAG']);
    expect(issues[0]?.remedy).toContain(remedy);
  });

  test.each(['ASI01', 'ASI10', 'MCP07', 'AISVS-12.3.10', 'files', 'mcp', 'asimov', 'mcp-server', 'v2'])(
    '%s is fine',
    (tag) => {
      expect(issuesOf(`version: 1\nrules:\n - {id: a, match: {tool: run}, effect: deny, tags: [${tag}]}`)).toEqual([]);
    },
  );
});
