import { describe, expect, it } from 'vitest';
import { compilePolicy } from './compile.ts';
import { judgeCommand } from './condition/engines.ts';
import { PolicyError } from './document/issue.ts';
import { type DocumentCache, loadPolicy } from './load.ts';
import { callOf, OPTIONS } from './testing.ts';

const RULE = '{ id: r, match: { tool: read_* }, args: { path: { startsWith: /tmp } }, effect: allow }';
const textOf = (rules: string) => `version: 1\nrules:\n  - ${rules}\n`;

function memory(): DocumentCache & { readonly kept: Map<string, string>; reads: number } {
  const kept = new Map<string, string>();
  return {
    kept,
    reads: 0,
    get(text) {
      this.reads++;
      return kept.get(text);
    },
    put: (text, json) => void kept.set(text, json),
  };
}

const load = async (text: string, cache?: DocumentCache) => {
  const { policy, complete } = await loadPolicy([{ file: 'p.yaml', text }], OPTIONS, cache);
  await complete;
  return policy;
};
const issuesOf = (text: string, cache?: DocumentCache) =>
  load(text, cache).then(
    () => [],
    (error: PolicyError) => error.issues,
  );

describe('a policy that is loaded', () => {
  it.each([
    ['plain', RULE],
    ['with a pattern', '{ id: r, match: { tool: { regex: "^a+$" } }, effect: deny }'],
    ['with an escaped pattern word', '{ id: r, match: { tool: { "reg\\u0065x": "^a+$" } }, effect: deny }'],
    ['with a number no double holds', '{ id: r, match: { tool: t }, args: { n: 12345678901234567890 }, effect: deny }'],
    ['with a field named __proto__', '{ id: r, match: { tool: t }, args: { __proto__: x }, effect: deny }'],
  ])('is what compiling makes of it, read or remembered: %s', async (_what, rule) => {
    const text = textOf(rule);
    const compiled = compilePolicy([{ file: 'p.yaml', text }], OPTIONS);
    const cache = memory();
    const shown = (policy: { hash: string; rules: readonly { name: string; file: string }[] }) => [
      policy.hash,
      policy.rules.map(({ name, file }) => [name, file]),
    ];
    for (const policy of [await load(text), await load(text, cache), await load(text, cache)])
      expect(shown(policy)).toEqual(shown(compiled));
  });

  it('is remembered by its text', async () => {
    const cache = memory();
    await load(textOf(RULE), cache);
    expect([...cache.kept.keys()]).toEqual([textOf(RULE)]);
    // What is remembered is used: here it says something else than the text.
    cache.kept.set(textOf(RULE), '{"version":1,"rules":[{"id":"other","match":{"tool":"t"},"effect":"deny"}]}');
    expect((await load(textOf(RULE), cache)).rules.map(({ name }) => name)).toEqual(['other']);
  });

  it('judges with its patterns when it is complete, not before', async () => {
    const text = textOf('{ id: r, match: { tool: { regex: "^a+$" } }, effect: allow }');
    const call = callOf({ tool: 'aaa' });
    const cache = memory();
    await load(text, cache);
    const { policy, complete } = await loadPolicy([{ file: 'p.yaml', text }], OPTIONS, cache);
    expect(() => policy.decide(call)).toThrow('not loaded');
    await complete;
    expect(policy.decide(call).effect).toBe('allow');
  });

  it('loads the shell parser for a policy that reads command lines, and for no other', async () => {
    await load(textOf(RULE));
    expect(() => judgeCommand('ls')).toThrow('not loaded');
    const text = textOf('{ id: r, match: { tool: run }, when: \'shell(args.a, "destructive")\', effect: ask }');
    const cache = memory();
    const { policy, complete } = await loadPolicy([{ file: 'p.yaml', text }], OPTIONS, cache);
    const call = callOf({ args: { a: 'rm -rf /' } });
    expect(policy.decide(call)).toMatchObject({ effect: 'deny', rule: 'engine-fault' });
    await complete;
    expect(policy.decide(call)).toMatchObject({ effect: 'ask', rule: 'r' });
    expect((await load(text, cache)).decide(call).effect).toBe('ask');
  });

  it('is never complete when a remembered pattern does not compile', async () => {
    const text = textOf(RULE);
    const cache = memory();
    cache.kept.set(text, '{"version":1,"rules":[{"id":"r","match":{"tool":{"regex":"("}},"effect":"allow"}]}');
    await expect(load(text, cache)).rejects.toThrow('missing closing');
  });

  it('is not remembered where JSON would lose a digit', async () => {
    const cache = memory();
    await load(textOf('{ id: r, match: { tool: t }, args: { n: 12345678901234567890 }, effect: deny }'), cache);
    expect(cache.kept.size).toBe(0);
  });

  it.each(['', 'null', '{', '[1', '"text"'])('is read again when what is remembered is damaged: %s', async (json) => {
    const cache = memory();
    cache.kept.set(textOf(RULE), json);
    expect((await load(textOf(RULE), cache)).rules.map(({ name }) => name)).toEqual(['r']);
  });

  it('is refused with the same issues and places, remembered or not', async () => {
    // The text reads well; what a variable stands for decides whether it compiles.
    const text = textOf('{ id: r, match: { tool: t }, args: { path: { under: ["${GONE}"] } }, effect: allow }');
    const cache = memory();
    await loadPolicy([{ file: 'p.yaml', text }], { ...OPTIONS, variables: { GONE: '/x' } }, cache);
    expect(cache.kept.size).toBe(1);
    const issues = await issuesOf(text, cache);
    expect(issues).toEqual(await issuesOf(text));
    expect(issues).toMatchObject([{ code: 'CG_POLICY_VARIABLE', line: 3, column: 58 }]);
  });

  it('is not remembered when it is refused', async () => {
    const cache = memory();
    expect(await issuesOf(textOf('{ id: r, match: { tool: { regex: "(" } }, effect: deny }'), cache)).toHaveLength(1);
    expect(cache.kept.size).toBe(0);
  });
});
