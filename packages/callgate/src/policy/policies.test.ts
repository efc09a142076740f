import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BASE_POLICY, basePolicy } from './base.ts';
import { compilePolicy } from './compile.ts';
import { readDocument } from './document/document.ts';
import { OBSERVE_POLICY } from './observe.ts';
import { toJsonSchema } from './document/schema-json.ts';
import { FUNCTIONS } from './condition/expression-calls.ts';
import { FACTS } from './condition/expression-facts.ts';
import { callOf, type CallParts, OPTIONS, policyOf } from './testing.ts';
import { SHELL_FACTS } from './document/words.ts';

const directory = new URL('../../../../policies/', import.meta.url);
const load = (file: string): ReturnType<typeof compilePolicy> =>
  compilePolicy([{ file, text: readFileSync(new URL(file, directory), 'utf8') }], OPTIONS);

/** For each rule of each file: a call that it decides on or adds to, and one that it leaves alone. */
const cases: Readonly<Record<string, Readonly<Record<string, readonly [hit: CallParts, miss: CallParts]>>>> = {
  'starter.yaml': {
    'no-destructive-commands': [{ args: { command: 'rm -rf /' } }, { args: { command: 'ls -rf' } }],
    'ask-before-deleting': [
      { tool: 'delete_file', args: {} },
      { tool: 'undelete', args: {} },
    ],
    'allow-reading': [
      { tool: 'read_file', args: { path: 'a' } },
      { tool: 'write_file', args: {} },
    ],
    'server-rate': [{ args: {} }, { method: 'tools/list' }],
    'strip-secrets': [{ direction: 'result' }, { args: {} }],
  },
  'minimal.yaml': {
    'read-project': [
      { tool: 'read_file', args: { path: '/project/a' } },
      { tool: 'read_file', args: { path: '/etc/a' } },
    ],
  },
  'observe.yaml': {
    observe: [{ method: 'vendor/x' }, { direction: 'result' }],
  },
};

describe.each(Object.keys(cases))('%s', (file) => {
  const policy = load(file);

  test.each(policy.rules.map((rule) => rule.name))('%s is hit and missed', (rule) => {
    const [hit, miss] = cases[file]?.[rule] ?? expect.unreachable(`no case for ${rule}`);
    const touches = (parts: CallParts): boolean => {
      const decision = policy.decide(callOf(parts));
      return decision.rule === rule || decision.obligations.some((obligation) => obligation.rule === rule);
    };
    expect(touches(hit)).toBe(true);
    expect(touches(miss)).toBe(false);
  });
});

describe('the starter policy', () => {
  const policy = load('starter.yaml');

  test.each([
    'rm -rf /',
    'rm  -rf  /',
    'rm -r -f /',
    'rm -fr ~',
    'rm -Rf x',
    'rm --recursive --force x',
    'rm --no-preserve-root -rf /',
    'sudo rm -rf /',
    'cd /tmp && rm -rf *',
    'ls;rm -f x',
    '$(rm -rf x)',
    '/bin/rm -rf x',
    'RM -RF /',
    'rm\t-rf\tx',
    'rm${IFS}-rf${IFS}/',
    'rm$IFS-rf /',
    'mkfs.ext4 /dev/sda1',
    'mkfs /dev/sda',
    'dd if=/dev/zero of=/dev/sda',
    'dd  bs=1M  of=/dev/sda',
  ])('denies %j wherever it stands', (command) => {
    for (const args of [{ command }, { command: [command] }, { a: { b: [{ c: command }] } }, { [command]: 1 }]) {
      expect(policy.decide(callOf({ tool: 'read_any', args }))).toMatchObject({
        effect: 'deny',
        rule: 'no-destructive-commands',
      });
    }
  });

  test.each([
    'ls -l',
    'git rm file',
    'echo farm -rf',
    'npm rm left-pad',
    'add if=1',
    'the mkfsx tool',
    'rm file',
    'confirm -r',
  ])('lets %j pass', (command) => {
    expect(policy.decide(callOf({ tool: 'read_any', args: { command } })).rule).toBe('allow-reading');
  });

  test('denies an unknown tool, and masks secrets in results', () => {
    expect(policy.decide(callOf({ tool: 'unheard_of', args: {} }))).toMatchObject({ effect: 'deny', rule: 'default' });
    expect(policy.decide(callOf({ direction: 'result' })).obligations).toMatchObject([
      { kind: 'redact', classes: ['secret'], on: 'result' },
    ]);
  });
});

test('observe.yaml decides as the built-in observe policy', () => {
  const builtIn = compilePolicy([{ file: 'built-in', text: OBSERVE_POLICY }], OPTIONS);
  for (const direction of ['call', 'result', 'request', 'answer'] as const) {
    for (const method of ['tools/call', 'tools/list', 'sampling/createMessage', 'vendor/x']) {
      const call = callOf({ direction, method });
      expect(load('observe.yaml').decide(call)).toMatchObject({ effect: 'allow', rule: builtIn.decide(call).rule });
    }
  }
});

test('the base layer is a policy of the language, read as any other', () => {
  const document = readDocument('base', BASE_POLICY);
  expect(document.issues).toEqual([]);
  expect(JSON.parse(JSON.stringify(document.policy))).toEqual(basePolicy());
});

describe('docs/policy.md and docs/policy-operators.md', () => {
  const [language, conditions] = ['policy', 'policy-operators'].map((name) =>
    readFileSync(new URL(`../../../../docs/${name}.md`, import.meta.url), 'utf8'),
  );
  const page = `${language}\n${conditions}`;
  const examples = (section: string): readonly string[] => {
    const rows = page.split(`\n## ${section}`)[1]?.split('\n## ')[0]?.split('\n') ?? [];
    return rows
      .filter((row) => row.startsWith('|') && row.endsWith('` |'))
      .map((row) => /`([^`]+)` \|$/.exec(row)?.[1] ?? '');
  };
  const compile = (rule: string): unknown => policyOf(`  - { id: r, ${rule} }`);

  test('show a policy that loads', () => {
    const text = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
    expect(compilePolicy([{ file: 'docs', text }], OPTIONS).rules).toHaveLength(1);
  });

  test('show rules that load', () => {
    const blocks = [...page.matchAll(/```yaml\n( {2}- id: [\s\S]*?)```/g)].map((match) => match[1] ?? '');
    expect(blocks.length).toBeGreaterThan(1);
    for (const rules of blocks) policyOf(rules);
  });

  test('have an example that loads for every key of match, operator and obligation', () => {
    const shown = [...examples('match'), ...examples('args: which'), ...examples('Effects')];
    expect(shown).toHaveLength(8 + 15 + 9);
    for (const example of examples('match')) compile(`match: { ${example} }, effect: allow`);
    for (const example of examples('args: which')) compile(`match: { tool: x }, args: { ${example} }, effect: allow`);
    for (const example of examples('Effects')) compile(`match: { tool: x }, obligations: [{ ${example} }]`);
  });

  test('have an example that loads for every kind of fact and function, and one for the mapping style', () => {
    const shown = examples('when').slice(-11);
    expect(page).toContain('| fact | what it is | example |');
    expect(shown[0]).toContain('hour(');
    for (const example of shown) compile(`match: { tool: x }, when: ${JSON.stringify(example)}, effect: allow`);
    const when = /```yaml\nwhen:\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
    policyOf(`  - id: r\n    match: { tool: x }\n    effect: allow\n    when:\n${when.replaceAll(/^/gm, '    ')}`);
    for (const word of [...FACTS, ...FUNCTIONS, ...Object.keys(SHELL_FACTS)]) expect(page).toContain(word);
  });

  test('name every operator, key and fact', () => {
    for (const word of ['args', 'match', 'rules', ...Object.keys(operatorKeys())]) expect(page).toContain(word);
  });
});

/** To write it anew: CALLGATE_WRITE_SCHEMA=1 npx vitest run packages/callgate/src/policy/policies.test.ts && npx oxfmt packages/callgate/schema */
test('the committed JSON Schema is the generated one', () => {
  const file = new URL('../../schema/policy.schema.json', import.meta.url);
  const generated = JSON.stringify(toJsonSchema(), null, 2);
  if (process.env['CALLGATE_WRITE_SCHEMA'] === '1') writeFileSync(file, `${generated}\n`);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(generated));
});

function operatorKeys(): Readonly<Record<string, unknown>> {
  const schema = toJsonSchema() as {
    readonly $defs: {
      readonly matcher: { readonly anyOf: readonly { readonly properties?: Record<string, unknown> }[] };
    };
  };
  return schema.$defs.matcher.anyOf.find((option) => option.properties !== undefined)?.properties ?? {};
}
