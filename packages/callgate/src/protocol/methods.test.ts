import { describe, expect, it } from 'vitest';
import { methodKind, METHODS } from './methods.ts';

it('names each method once', () => {
  expect(new Set(METHODS.map((kind) => kind.method)).size).toBe(METHODS.length);
  expect(METHODS.every((kind) => kind.revisions.length > 0)).toBe(true);
  expect(METHODS.every((kind) => (kind.form === 'notification') === kind.method.startsWith('notifications/'))).toBe(
    true,
  );
});

it('knows a method only from the side that may send it', () => {
  expect(methodKind('tools/call', 'client')).toMatchObject({ form: 'request', group: 'operation', target: 'tool' });
  expect(methodKind('tools/call', 'server')).toBeUndefined();
  expect(methodKind('sampling/createMessage', 'server')).toMatchObject({ group: 'ask' });
  expect(methodKind('sampling/createMessage', 'client')).toBeUndefined();
  expect(methodKind('ping', 'client')).toBe(methodKind('ping', 'server'));
  expect(methodKind('Tools/Call', 'client')).toBeUndefined();
  expect(methodKind('constructor', 'client')).toBeUndefined();
});

describe('each revision', () => {
  const of = (revision: string, from: string) =>
    METHODS.filter(
      (kind) => kind.revisions.includes(revision) && kind.from !== (from === 'client' ? 'server' : 'client'),
    )
      .map((kind) => kind.method)
      .sort();

  const clientOf2024 = [
    'completion/complete', 'initialize', 'logging/setLevel', 'notifications/cancelled', 'notifications/initialized', 'notifications/progress',
    'notifications/roots/list_changed', 'ping', 'prompts/get', 'prompts/list', 'resources/list', 'resources/read', 'resources/subscribe',
    'resources/templates/list', 'resources/unsubscribe', 'tools/call', 'tools/list',
  ]; // prettier-ignore
  const serverOf2024 = [
    'notifications/cancelled', 'notifications/message', 'notifications/progress', 'notifications/prompts/list_changed',
    'notifications/resources/list_changed', 'notifications/resources/updated', 'notifications/tools/list_changed', 'ping', 'roots/list',
    'sampling/createMessage',
  ]; // prettier-ignore
  const tasks = ['notifications/tasks/status', 'tasks/cancel', 'tasks/get', 'tasks/list', 'tasks/result'];

  it('has its own methods', () => {
    expect(of('2024-11-05', 'client')).toEqual(clientOf2024);
    expect(of('2025-03-26', 'client')).toEqual(clientOf2024);
    expect(of('2025-06-18', 'client')).toEqual(clientOf2024);
    expect(of('2025-11-25', 'client')).toEqual([...clientOf2024, ...tasks].sort());
    expect(of('2024-11-05', 'server')).toEqual(serverOf2024);
    expect(of('2025-06-18', 'server')).toEqual([...serverOf2024, 'elicitation/create'].sort());
    expect(of('2025-11-25', 'server')).toEqual(
      [...serverOf2024, 'elicitation/create', 'notifications/elicitation/complete', ...tasks].sort(),
    );
  });

  it('of 2026-07-28 has no session', () => {
    const modern = of('2026-07-28', 'client');
    expect(modern).toEqual(
      expect.arrayContaining(['server/discover', 'subscriptions/listen', 'tasks/update', 'tools/call']),
    );
    for (const gone of [
      'initialize',
      'notifications/initialized',
      'ping',
      'logging/setLevel',
      'resources/subscribe',
      'tasks/list',
    ]) {
      expect(modern).not.toContain(gone);
    }
  });
});
