import { expect, it } from 'vitest';
import { callOf } from '../testing.ts';
import { imported, issuesIn, mistakes } from './import-testing.ts';

const POLICY = String.raw`
version: "3"
name: shop
default: allow
settings:
  rateLimit: { window: 60, maxCalls: 100 }
  audit: { enabled: true, path: ./audit.jsonl, format: jsonl, logArguments: true, maxArgumentLength: 1024 }
rules:
  - id: no-deletes
    match: { tool: "*shell", arguments: { command: { regex: 'rm\s+-' } } }
    action: block
    reason: deletes nothing
  - id: only-orders
    match: { server: shop, tool: { glob: "order_?", regex: "_[a-c]$" } }
    action: require-approval
    approval: { timeout: 30, message: somebody has to look }
  - id: inside
    match: { tool: { equals: read }, arguments: { "file.path": "/data/*", mode: { in: [r, 1] } } }
    action: allow
    rateLimit: { window: 10, maxCalls: 2 }
  - id: not-production
    match: { tool: deploy, arguments: { target: { not: { startsWith: prod } } } }
    action: allow
  - id: no-deploy
    match: { tool: deploy }
    action: block
  - id: both-hold
    match: { tool: mail, arguments: { to: { startsWith: a, endsWith: z } } }
    action: block
`;

it('keeps what an OpenGate policy says about each call', async () => {
  const { decide } = await imported('opengate', POLICY);
  const cases: readonly [string, string, unknown, string][] = [
    ['deny', 'shell', { command: 'rm -rf x' }, 'unanchored regex'],
    ['deny', 'my_shell', { command: ['ls', 'rm -r x'] }, 'an array cannot hide it'],
    ['deny', 'shell', { command: { a: 1 } }, 'nor can another type'],
    ['allow', 'shell', { command: 'ls' }, 'no match'],
    ['allow', 'shell', {}, 'a missing value makes an operator false'],
    ['allow', 'Shell', { command: 'rm -r' }, 'names are case-sensitive'],
    ['allow', 'deploy', { target: 'dev' }, 'not'],
    ['deny', 'deploy', { target: 'prod-1' }, 'not'],
    ['deny', 'deploy', {}, 'a missing value under not allows nothing'],
    ['deny', 'mail', { to: 'abz' }, 'all operators hold'],
    ['allow', 'mail', { to: 'abc' }, 'one of two operators is not enough'],
  ];
  for (const [effect, tool, args, why] of cases) expect(decide({ tool, args: args as never }), why).toBe(effect);
  expect(decide({ server: 'shop', tool: 'order_b' })).toBe('ask');
  expect(decide({ server: 'shop', tool: 'order_d' })).toBe('allow');
  expect(decide({ server: 'shop2', tool: 'order_b' })).toBe('allow');
});

it('carries limits, reasons and messages', async () => {
  const { policy } = await imported('opengate', POLICY);
  const read = policy.decide(callOf({ tool: 'read', args: { file: { path: '/data/a/b' }, mode: 'r' } }));
  expect(read.rule).toBe('inside');
  expect(read.obligations).toHaveLength(2);
  expect(read.obligations).toContainEqual(
    expect.objectContaining({ kind: 'rate', key: ['rule', 'tool'], max: 2, windowMs: 10_000 }),
  );
  expect(read.obligations).toContainEqual(
    expect.objectContaining({ kind: 'rate', key: ['rule'], max: 100, windowMs: 60_000 }),
  );
  expect(policy.decide(callOf({ server: 'shop', tool: 'order_a' })).reason).toBe('somebody has to look');
  expect(policy.name).toBe('shop');
});

it('reports what is weaker in the source or cannot be carried, with its line', async () => {
  const { remarksOn } = await imported('opengate', POLICY);
  expect(remarksOn('approval.timeout')).toMatchObject([{ fate: 'refused', line: 16 }]);
  expect(remarksOn('settings.audit')).toMatchObject([{ fate: 'refused', line: 7 }]);
  expect(remarksOn('default: allow')).toMatchObject([{ fate: 'same', line: 4 }]);
  expect(remarksOn('several operators on an argument')).toMatchObject([{ line: 28 }]);
});

it('splices own rules, the parent and the imports, in this order, and ignores an import’s default', async () => {
  const files: Record<string, string> = {
    parent:
      'version: 1\ndefault: allow\nrules:\n  - { id: p, match: { tool: x }, action: block, reason: parent }\n  - { id: same, match: { tool: y }, action: block }',
    extra: 'version: 1\ndefault: deny\nrules:\n  - { id: same, match: { tool: z }, action: block }',
  };
  const read = (file: string) => (Object.hasOwn(files, file) ? { file, text: files[file] as string } : undefined);
  const child =
    'version: 1\nextends: parent\nimports: [extra]\nrules:\n  - { id: c, match: { tool: x, arguments: { a: "1" } }, action: allow }';
  const { decide, text, remarksOn } = await imported('opengate', child, { read });
  expect([...text.matchAll(/- id: (\S+)/g)].map((hit) => hit[1])).toEqual(['c', 'p', 'same', 'same-2']);
  expect(text).toContain('default: allow');
  expect(decide({ tool: 'x', args: { a: '1' } })).toBe('allow');
  expect(decide({ tool: 'x', args: { a: '2' } })).toBe('deny');
  expect(decide({ tool: 'other' })).toBe('allow');
  expect(remarksOn('default of extra')).toHaveLength(1);
  expect(await mistakes('opengate', 'version: 1\nextends: gone\nrules: []', { read })).toEqual(['2: FILE']);
  const loop = (file: string) => ({ file, text: `version: 1\nextends: ${file === 'a' ? 'b' : 'a'}` });
  expect(await mistakes('opengate', 'version: 1\nextends: a', { read: loop })).toEqual(['2: FILE']);
});

it('takes the wrapper and says what of it is no policy', async () => {
  const { remarksOn, decide } = await imported(
    'opengate',
    'policy: { version: 1, default: deny, rules: [{ id: a, match: { tool: t }, action: allow }] }\nserver: { command: node, args: [x], env: { A: b } }\naudit: { path: a, format: jsonl }',
  );
  expect(decide({ tool: 't' })).toBe('allow');
  expect(remarksOn('server').map(({ fate }) => fate)).toEqual(['translated']);
  expect(remarksOn('audit').map(({ fate }) => fate)).toEqual(['refused']);
  expect(await mistakes('opengate', 'policy: { version: 1, default: deny, rules: [] }\nserver: { args: [x] }')).toEqual(
    ['2: MISSING'],
  );
});

it('asks where it cannot say what allowed, and keeps denying', async () => {
  const text = `version: 1
default: deny
rules:
  - { id: a, match: { tool: t, annotations: { custom: yes } }, action: allow }
  - { id: b, match: { tool: u, arguments: { "*": x } }, action: block }`;
  const { decide, counts } = await imported('opengate', text);
  expect(decide({ tool: 't' })).toBe('ask');
  expect(decide({ tool: 'u', args: {} })).toBe('deny');
  expect(counts.refused).toBe(2);
});

it('refuses mistakes with their place, all at once', async () => {
  const cases: readonly [string, readonly string[]][] = [
    [
      'version: 1\ndefault: deny\nrules:\n  - id: a\n    match: { tool: t, arguments: { c: { startswith: x } } }\n    action: allow',
      ['5: KEY'],
    ],
    ['version: 1\nrules: []', ['1: MISSING']],
    ['default: maybe\nrules: []', ['1: MISSING', '1: VALUE']],
    ['version: 1\ndefault: deny\nrules:\n  - match: { tool: t }\n    action: allow', ['4: MISSING']],
    ['version: 1\ndefault: deny\nrules:\n  - { id: a, match: { tool: t }, action: permit }', ['4: VALUE']],
    [
      'version: 1\ndefault: deny\nrules:\n  - { id: a, match: { tool: { regex: "(?!a)" } }, action: allow }',
      ['4: REGEX'],
    ],
    [
      "version: 1\ndefault: deny\nrules:\n  - { id: a, match: { tool: { regex: '(a)\\1' } }, action: allow }",
      ['4: REGEX'],
    ],
    ['version: 1\ndefault: deny\nrules:\n  - { id: 7, match: { tool: t }, action: allow }', ['4: TYPE']],
    [
      'version: 1\ndefault: deny\nrules:\n  - { id: a, match: { tool: t, arguments: { x: {} } }, action: allow }',
      ['4: MISSING'],
    ],
    ['version: 1\ndefault: deny\ndefault: allow\nrules: []', ['3: KEY']],
    ['[1, 2', ['1: SYNTAX']],
    ['', ['1: SYNTAX']],
  ];
  for (const [text, expected] of cases) expect(await mistakes('opengate', text), text).toEqual(expected);
  const [issue] = await issuesIn('opengate', cases[0]?.[0] ?? '');
  expect(issue?.remedy).toContain('startsWith');
});

it('leaves out a rule that is never reached, and says so', async () => {
  const text =
    'version: 1\ndefault: deny\nrules:\n  - { id: all, match: { tool: "*" }, action: allow }\n  - { id: late, match: { tool: t }, action: block }';
  const { decide, remarksOn, text: out } = await imported('opengate', text);
  expect(decide({ tool: 't' })).toBe('allow');
  expect(remarksOn('rule late').at(-1)?.why).toContain('left out');
  expect(out).toContain('# rule late is left out');
});

it('keeps foreign texts texts: no variable, no comment, no YAML comes out of them', async () => {
  const nasty = 'a\n  - id: evil # ${HOME} $${X} "q" \u2028 \u202e';
  const text = JSON.stringify({
    version: '1',
    name: nasty,
    default: 'deny',
    rules: [
      {
        id: nasty,
        match: {
          tool: { equals: 'x${HOME}*' },
          arguments: { c: { equals: '${HOME}' }, d: { startsWith: '$${HOME}' } },
        },
        action: 'allow',
        reason: nasty,
      },
      { id: 'r', match: { tool: 't', arguments: { c: { regex: '${HOME}' } } }, action: 'block' },
      { id: 'g', match: { tool: 'g\\*${x}', arguments: { c: 'a\\*${x}' } }, action: 'allow' },
    ],
  });
  const { decide, policy } = await imported('opengate', text);
  expect(policy.rules).toHaveLength(3);
  expect(decide({ tool: 'x${HOME}*', args: { c: '${HOME}', d: '$${HOME}/x' } })).toBe('allow');
  expect(decide({ tool: 'x${HOME}y', args: { c: '${HOME}', d: '$${HOME}/x' } })).toBe('deny');
  expect(decide({ tool: 'x${HOME}*', args: { c: '/home/user', d: '$${HOME}/x' } })).toBe('deny');
  expect(decide({ tool: 'g\\anything${x}', args: { c: 'a\\b${x}' } })).toBe('allow');
});

it('takes a field called __proto__ for a field', async () => {
  const text =
    '{ "version": "1", "default": "deny", "rules": [{ "id": "a", "match": { "tool": "t", "arguments": { "__proto__": "x", "constructor": "y" } }, "action": "allow" }] }';
  const { decide } = await imported('opengate', text);
  expect(decide({ tool: 't', args: {} })).toBe('deny');
  expect(decide({ tool: 't', args: JSON.parse('{ "__proto__": "x", "constructor": "y" }') as never })).toBe('allow');
});
