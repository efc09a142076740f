import { describe, expect, it } from 'vitest';
import { judgeOf } from './testing.ts';

const RULES = '  - { id: all, match: { method: "*" }, effect: allow }';
const META = { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } };

/** What a client is told of how an answer may be cached. */
function scopeOf(transport: string, method: string, result: object): unknown {
  const { send, answer, toClient } = judgeOf(RULES, { transport });
  send('client', { id: 1, method, params: { uri: 'a:b', name: 'n', ...META } });
  answer(1, result);
  return (JSON.parse(toClient.at(-1) ?? '{}') as { result: { cacheScope?: unknown } }).result.cacheScope;
}

describe('an answer that a cache could keep for all', () => {
  it.each([
    ['tools/list', { tools: [], ttlMs: 1000, cacheScope: 'public' }],
    ['resources/read', { contents: [], ttlMs: 1000, cacheScope: 'public' }],
    ['server/discover', { capabilities: {}, cacheScope: 'public' }],
    ['prompts/list', { prompts: [], cacheScope: 7 }],
  ])('over HTTP is its principal’s own: %s', (method, result) => {
    expect(scopeOf('http', method, result)).toBe('private');
  });

  it('is left as it is where there is one client, or no word of caching', () => {
    expect(scopeOf('stdio', 'tools/list', { tools: [], cacheScope: 'public' })).toBe('public');
    expect(scopeOf('http', 'tools/list', { tools: [] })).toBeUndefined();
    expect(scopeOf('http', 'tools/call', { content: [], cacheScope: 'public' })).toBe('public');
  });
});
