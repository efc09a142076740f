import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { CallParts } from '../testing.ts';
import { callOf } from '../testing.ts';
import { imported, mistakes } from './import-testing.ts';

const http = (method: string, path: string, intent?: string): CallParts => ({
  method: 'http/request',
  http: { method, path },
  ...(intent === undefined ? {} : { intent: intent as never }),
});
const tool = (name: string, intent?: string): CallParts => ({
  tool: name,
  ...(intent === undefined ? {} : { intent: intent as never }),
});

const POLICY = `
name: calendar
description: reads, and writes with care
default_effect: deny
default_reason: nothing says so
rate_limit: { enabled: true, requests_per_minute: 30, requests_per_hour: 500 }
rules:
  - { resource: "/calendars/*/events/secret", effect: deny, reason: secret }
  - { resource: "/calendars/*/events", methods: [GET, post], effect: allow, reason: events }
  - { resource: "/files/**", intent: [read, query], effect: allow }
  - { resource: "/mcp/tools/read_*", effect: allow }
  - { resource: "/mcp/tools/delete", effect: deny, reason: no deletes }
  - { resource: "/mcp/**", intent: read, effect: allow }
  - resource: "/users/**"
    effect: allow
    conditions:
      and: [{ methods: [GET] }, { intent: read }]
      or: [{ resource: "/users/me" }, { resource: "/users/*/public" }]
  - { methods: [PUT], intent: update, effect: allow }
`;

it('gives the verdicts of the document for requests and for tools', async () => {
  const { decide } = await imported('agentgate-api', POLICY);
  const cases: readonly [string, CallParts][] = [
    ['allow', http('GET', '/calendars/a/events')],
    ['allow', http('POST', '/calendars/a/events')],
    ['deny', http('DELETE', '/calendars/a/events')],
    ['deny', http('GET', '/calendars/a/b/events')],
    ['deny', http('GET', '/calendars/a/events/secret')],
    ['allow', http('GET', '/files/a/b/c', 'read')],
    ['allow', http('POST', '/files/search', 'query')],
    ['deny', http('POST', '/files/a', 'create')],
    ['deny', http('GET', '/files/a')],
    ['allow', http('GET', '/users/me', 'read')],
    ['allow', http('GET', '/users/7/public', 'read')],
    ['deny', http('GET', '/users/7', 'read')],
    ['deny', http('POST', '/users/me', 'read')],
    ['deny', http('GET', '/users/me', 'delete')],
    ['allow', http('PUT', '/x', 'update')],
    ['allow', tool('read_file')],
    ['deny', tool('read/file')],
    ['deny', tool('delete', 'read')],
    ['allow', tool('other', 'read')],
    ['deny', tool('other', 'create')],
    ['deny', tool('other', 'update')],
  ];
  for (const [effect, call] of cases) expect(decide(call), JSON.stringify(call)).toBe(effect);
});

it('counts each agent by the minute and by the hour, over tools and requests together', async () => {
  const { policy } = await imported('agentgate-api', POLICY);
  for (const call of [http('GET', '/calendars/a/events'), tool('read_file')]) {
    expect(policy.decide(callOf(call)).obligations).toEqual([
      expect.objectContaining({ rule: 'rate-limit', max: 30, windowMs: 60_000, key: ['principal'] }),
      expect.objectContaining({ rule: 'rate-limit', max: 500, windowMs: 3_600_000, key: ['principal'] }),
    ]);
  }
  expect(policy.decide(callOf(tool('x', 'create'))).reason).toBe('nothing says so');
  const usual = await imported('agentgate-api', 'name: n\ndefault_effect: allow\nrules: []');
  expect(usual.policy.decide(callOf()).obligations.map((duty) => duty.kind === 'rate' && duty.max)).toEqual([60, 1000]);
  const none = await imported(
    'agentgate-api',
    'name: n\nrate_limit: { enabled: false }\ndefault_effect: allow\nrules: []',
  );
  expect(none.policy.decide(callOf()).obligations).toEqual([]);
  expect(none.decide({})).toBe('allow');
});

it('asks the time first, in its zone', async () => {
  const text = (hours: string, more = '') =>
    `name: n\ndefault_effect: allow\nrules: [{ methods: [POST], effect: allow }]\ntime_restrictions: { enabled: true, ${more}allowed_hours: ${hours}, allowed_days: [mon, tue, wed, thu, fri] }`;
  const tokyo = await imported('agentgate-api', text('{ start: "09:00", end: "17:30" }'));
  const monday = Date.UTC(2026, 0, 5, 0, 0); // 09:00 in Tokyo
  const cases: readonly [string, number][] = [
    ['deny', monday - 60_000],
    ['allow', monday],
    ['allow', monday + 8.5 * 3_600_000 - 60_000],
    ['deny', monday + 8.5 * 3_600_000],
    ['deny', monday - 24 * 3_600_000],
  ];
  for (const [effect, time] of cases) {
    expect(tokyo.decide({ tool: 't', time }), new Date(time).toISOString()).toBe(effect);
    expect(tokyo.decide({ ...http('POST', '/a'), time }), new Date(time).toISOString()).toBe(effect);
  }
  expect(tokyo.decide({ tool: 't' }), 'no time').toBe('deny');
  expect(tokyo.remarksOn('Asia/Tokyo')).toHaveLength(1);
  const night = await imported('agentgate-api', text('{ start: "22:00", end: "06:00" }', 'timezone: UTC, '));
  expect(night.decide({ tool: 't', time: Date.UTC(2026, 0, 5, 23) })).toBe('allow');
  expect(night.decide({ tool: 't', time: Date.UTC(2026, 0, 6, 5, 59) })).toBe('allow');
  expect(night.decide({ tool: 't', time: Date.UTC(2026, 0, 6, 12) })).toBe('deny');
  const off = await imported(
    'agentgate-api',
    'name: n\nrules: []\ntime_restrictions: { enabled: false, timezone: UTC }',
  );
  expect(off.text).not.toContain('outside-hours');
});

it('takes `**` at either end, and a name without a glob as the name', async () => {
  const { decide, text } = await imported(
    'agentgate-api',
    'name: n\nrules:\n  - { resource: "/mcp/tools/**/x", effect: deny }\n  - { resource: "/**/tools/y", effect: deny }\n  - { resource: "/**", effect: allow }\n  - { resource: "/a/**", effect: deny }',
  );
  const cases: readonly [string, CallParts][] = [
    ['deny', tool('x')],
    ['deny', tool('a/x')],
    ['allow', tool('ax')],
    ['deny', tool('y')],
    ['allow', tool('z')],
    ['deny', http('GET', '/b/tools/y')],
    ['allow', http('GET', '/b')],
  ];
  for (const [effect, call] of cases) expect(decide(call), JSON.stringify(call)).toBe(effect);
  expect(text).toContain('source:3');
});

it('refuses mistakes with their line', async () => {
  const cases: readonly [string, readonly string[]][] = [
    ['rules: []', ['1: MISSING']],
    ['name: n\nrules:\n  - { effect: allow }', ['3: MISSING']],
    ['name: n\nrules:\n  - { resource: "/a", effect: maybe }', ['3: VALUE']],
    ['name: n\nrules:\n  - { resource: "a", effect: allow }', ['3: VALUE']],
    ['name: n\nrules:\n  - { intent: reed, effect: allow }', ['3: VALUE']],
    ['name: n\nrules:\n  - { methods: [7], effect: allow }', ['3: TYPE']],
    ['name: n\nrules:\n  - { methods: [], effect: allow }', ['3: VALUE']],
    ['name: n\nrules:\n  - { resource: "/a", effect: allow, conditions: { xor: [] } }', ['3: KEY']],
    ['name: n\nrules:\n  - { resource: "/a", effect: allow, conditions: { or: [] } }', ['3: VALUE']],
    ['name: n\nrules: []\ntime_restrictions: { enabled: true, timezone: Mars/Base }', ['3: VALUE']],
    ['name: n\nrules: []\ntime_restrictions: { enabled: true, allowed_hours: { start: "9am" } }', ['3: VALUE']],
    ['name: n\nrules: []\ntime_restrictions: { enabled: true, allowed_days: [moon] }', ['3: VALUE']],
    ['name: n\nrules: []\nrate_limit: { requests_per_minute: -1 }', ['3: VALUE']],
    ['name: n\nworkflow: []\nrules: []', ['2: KEY']],
  ];
  for (const [text, expected] of cases) expect(await mistakes('agentgate-api', text), text).toEqual(expected);
});

const fixture = (name: string) =>
  readFileSync(new URL(`./fixtures/agentgate-api-${name}.yaml`, import.meta.url), 'utf8');

it('imports the templates with their verdicts', async () => {
  const noon = { time: Date.UTC(2026, 0, 5, 11) };
  const event = '/calendars/a/events';
  const table: readonly [template: string, effect: string, call: CallParts][] = [
    ['default', 'allow', http('GET', '/x', 'read')],
    ['default', 'deny', http('DELETE', `${event}/1`, 'delete')],
    ['default', 'allow', http('POST', event, 'create')],
    ['default', 'allow', http('PATCH', `${event}/1`, 'update')],
    ['default', 'deny', http('POST', '/mail', 'create')],
    ['default', 'allow', tool('list', 'read')],
    ['default', 'deny', tool('send', 'create')],
    ['readwrite', 'allow', http('POST', '/mail', 'create')],
    ['readwrite', 'deny', http('POST', '/mail/1/trash', 'delete')],
    ['readwrite', 'deny', http('POST', '/mail', 'unknown')],
    ['readwrite', 'allow', tool('edit', 'update')],
    ['readwrite', 'deny', tool('drop', 'delete')],
    ['read-only', 'allow', http('GET', '/x', 'read')],
    ['read-only', 'deny', http('GET', '/x', 'create')],
    ['read-only', 'deny', http('POST', '/x', 'read')],
    ['read-only', 'allow', tool('search', 'query')],
    ['read-only', 'deny', tool('write', 'update')],
    ['rate-limited', 'allow', { ...http('GET', '/x', 'read'), ...noon }],
    ['rate-limited', 'deny', { ...http('GET', '/x', 'read'), time: Date.UTC(2026, 0, 5, 20) }],
    ['rate-limited', 'deny', { ...http('GET', '/x', 'read'), time: Date.UTC(2026, 0, 4, 11) }],
    ['rate-limited', 'deny', { ...http('PUT', '/x', 'update'), ...noon }],
  ];
  for (const [template, effect, call] of table) {
    const { decide } = await imported('agentgate-api', fixture(template));
    expect(decide(call), `${template} ${JSON.stringify(call)}`).toBe(effect);
  }
  const { policy } = await imported('agentgate-api', fixture('rate-limited'));
  const { obligations } = policy.decide(callOf({ ...http('GET', '/x', 'read'), ...noon }));
  expect(obligations.map((duty) => duty.kind === 'rate' && duty.max)).toEqual([10, 100]);
});

it('imports a policy that only reads, for each provider', async () => {
  const bases = [
    '/calendar/v3',
    '/v1.0',
    '/api',
    '/repos',
    '/rest/api/3',
    '/v1',
    '/graphql',
    '/crm/v3',
    '/services/data/v59.0',
    '/prod',
  ];
  for (const base of bases) {
    const text = `name: readonly\nrules:\n  - { resource: "${base}", intent: [read, query], effect: allow }\n  - { resource: "${base}/**", intent: [read, query], effect: allow }\n  - { resource: "${base}/**", effect: deny, reason: only reads }\n`;
    const { decide } = await imported('agentgate-api', text);
    const verdicts = [
      http('GET', `${base}/things/1`, 'read'),
      http('POST', base, 'query'),
      http('POST', `${base}/things`, 'create'),
      http('GET', `${base.replace('.', 'x')}x/things`, 'read'),
      tool('things', 'read'),
    ].map(decide);
    expect(verdicts, base).toEqual(['allow', 'allow', 'deny', 'deny', 'deny']);
  }
});
