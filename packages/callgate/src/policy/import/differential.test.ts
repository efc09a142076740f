import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Effect } from '../../model/decision.ts';
import type { Json } from '../../model/json.ts';
import type { CallParts } from '../testing.ts';
import { imported } from './import-testing.ts';
import type { ImportSource } from './index.ts';

/**
 * Random policies of each source, judged by a small model of what its documents say and by what the importer made of them:
 * the same verdict for calls whose arguments are all there and texts, and never an allow that the source does not give.
 */
interface Case {
  readonly text: string;
  readonly model: (call: Sample) => Effect;
}

interface Sample {
  readonly tool: string;
  readonly args: Readonly<Record<string, Json>>;
  readonly hour: number;
  readonly labels: readonly string[];
  readonly roles: readonly string[];
  readonly id: string;
}

const word = fc.constantFrom<string>('a', 'b', 'ab', 'ba', 'aab', 'abc');
const textArgs = fc.record({ x: word, y: word });
const oddArgs = fc.record(
  { x: fc.oneof(word, fc.constantFrom<Json>(1, true, null, ['a'], ['a', 'b'], [], { a: 'a' })), y: word },
  { requiredKeys: [] },
);
const sampleOf = (args: fc.Arbitrary<Readonly<Record<string, Json>>>): fc.Arbitrary<Sample> =>
  fc.record({
    tool: word,
    args,
    hour: fc.integer({ min: 0, max: 23 }),
    labels: fc.subarray(['secret', 'pii']),
    roles: fc.subarray(['admin', 'dev']),
    id: fc.constantFrom('ann', 'bob'),
  });

function callParts({ tool, args, hour, labels, roles, id }: Sample): CallParts {
  const principal = { id, roles, chain: [], assurance: 'same-user' as const };
  return { tool, args, labels, principal, time: Date.UTC(2026, 0, 5, hour) };
}

async function holds(from: ImportSource, cases: fc.Arbitrary<Case>): Promise<void> {
  const calls = fc.tuple(
    fc.array(sampleOf(textArgs), { minLength: 12, maxLength: 12 }),
    fc.array(sampleOf(oddArgs), { minLength: 12, maxLength: 12 }),
  );
  await fc.assert(
    fc.asyncProperty(cases, calls, async ({ text, model }, [plain, odd]) => {
      const { decide, text: out } = await imported(from, text);
      const shown = (call: Sample) => `${JSON.stringify(call)}\n${text}\n${out}`;
      for (const call of plain) expect(decide(callParts(call)), shown(call)).toBe(model(call));
      for (const call of odd) if (decide(callParts(call)) === 'allow') expect('allow', shown(call)).toBe(model(call));
    }),
    { numRuns: process.env['CALLGATE_LONG'] === undefined ? 60 : 1_000 },
  );
}

/** `*` and `?` by recursion: slow, plainly right. */
function globs(glob: string, text: string): boolean {
  if (glob === '') return text === '';
  if (glob.startsWith('*')) return globs(glob.slice(1), text) || (text !== '' && globs(glob, text.slice(1)));
  return text !== '' && (glob[0] === '?' || glob[0] === text[0]) && globs(glob.slice(1), text.slice(1));
}

const glob = fc.constantFrom('*', 'a*', '*b', '?b', 'ab', 'a?c', 'b');
const first = <T extends { readonly effect: Effect | undefined }>(
  rules: readonly T[],
  matches: (rule: T) => boolean,
  none: Effect,
): Effect => rules.find((rule) => rule.effect !== undefined && matches(rule))?.effect ?? none;

it('opengate', async () => {
  const operator = fc.constantFrom('startsWith', 'endsWith', 'contains', 'equals', 'regex', 'in');
  type Op = Readonly<Record<string, unknown>>;
  const positive: fc.Arbitrary<Op> = fc
    .tuple(operator, word)
    .map(([op, value]) => ({ [op]: op === 'in' ? [value, 'b'] : value }));
  const matcher: fc.Arbitrary<string | Op> = fc.oneof(
    glob,
    positive,
    fc.tuple(positive, positive).map(([a, b]) => ({ ...a, ...b })),
    positive.map((inner) => ({ not: inner })),
    fc.tuple(positive, positive).map(([a, b]) => ({ ...a, not: b })),
  );
  const test = (op: string | Op, value: Json | undefined): boolean => {
    // Arrays are judged element by element; to allow, every one must hold.
    if (Array.isArray(value)) return value.length > 0 && value.every((element) => test(op, element));
    if (typeof op === 'string') return typeof value === 'string' && globs(op, value);
    return Object.entries(op).every(([name, by]) => {
      if (typeof value !== 'string') return false;
      const of = by as string;
      if (name === 'not') return !test(by as Op, value);
      if (name === 'in') return (by as readonly string[]).includes(value);
      if (name === 'startsWith') return value.startsWith(of);
      if (name === 'endsWith') return value.endsWith(of);
      return name === 'equals' ? value === of : value.includes(of);
    });
  };
  const action = fc.constantFrom('allow', 'block', 'require-approval');
  const effects: Readonly<Record<string, Effect>> = { allow: 'allow', block: 'deny', 'require-approval': 'ask' };
  const rule = fc.record({ tool: glob, x: fc.option(matcher), y: fc.option(matcher), action });
  const compared = holds(
    'opengate',
    fc
      .tuple(fc.array(rule, { maxLength: 5 }), fc.constantFrom('allow' as const, 'deny' as const))
      .map(([rules, none]) => ({
        text: JSON.stringify({
          version: '1',
          default: none,
          rules: rules.map(({ tool, x, y, action }, index) => ({
            id: `r${index}`,
            match: { tool, arguments: { ...(x === null ? {} : { x }), ...(y === null ? {} : { y }) } },
            action,
          })),
        }),
        model: ({ tool, args }) =>
          first(
            rules.map((each) => ({ ...each, effect: effects[each.action] })),
            (each) =>
              globs(each.tool, tool) &&
              (each.x === null || test(each.x, args['x'])) &&
              (each.y === null || test(each.y, args['y'])),
            none,
          ),
      })),
  );
  await expect(compared).resolves.toBeUndefined();
});

it('agentgate', async () => {
  type Condition = { readonly text: string; readonly holds: (call: Sample) => boolean };
  const { condition } = fc.letrec<{ condition: Condition; leaf: Condition }>((tie) => ({
    leaf: fc.oneof(
      fc.tuple(fc.constantFrom('x', 'y'), word).map(([field, by]) => ({
        text: `arguments.${field} matches '${by}'`,
        holds: ({ args }: Sample) => typeof args[field] === 'string' && args[field].includes(by),
      })),
      word.map((by) => ({
        text: `arguments contains_pattern '${by}'`,
        holds: ({ args }: Sample) => JSON.stringify(args).includes(by),
      })),
      fc.tuple(fc.constantFrom('<', '>', '<=', '>=', '=='), fc.integer({ min: 0, max: 23 })).map(([op, by]) => ({
        text: `time.hour ${op} ${by}`,
        holds: ({ hour }: Sample) =>
          op === '<'
            ? hour < by
            : op === '>'
              ? hour > by
              : op === '<='
                ? hour <= by
                : op === '>='
                  ? hour >= by
                  : hour === by,
      })),
    ),
    condition: fc.oneof(
      { maxDepth: 3 },
      tie('leaf'),
      fc.tuple(fc.constantFrom('not ', '!'), tie('condition')).map(([not, of]) => ({
        text: `${not}(${of.text})`,
        holds: (call: Sample) => !of.holds(call),
      })),
      fc.tuple(tie('condition'), tie('condition')).map(([a, b]) => ({
        text: `(${a.text}) and (${b.text})`,
        holds: (call: Sample) => a.holds(call) && b.holds(call),
      })),
      fc.tuple(tie('condition'), tie('condition')).map(([a, b]) => ({
        text: `(${a.text}) or (${b.text})`,
        holds: (call: Sample) => a.holds(call) || b.holds(call),
      })),
    ),
  }));
  const rule = fc.record({
    tool: fc.constantFrom('*', 'a', 'ab'),
    condition: fc.option(condition),
    effect: fc.constantFrom<Effect | undefined>('allow', 'deny', undefined),
  });
  const compared = holds(
    'agentgate',
    fc.array(rule, { maxLength: 5 }).map((rules) => ({
      text: [
        '[metadata]\nname = "n"\nversion = "1"',
        ...rules.map(({ tool, condition, effect }, index) =>
          [
            `[[rules]]\nid = "r${index}"\ntool = "${tool}"\naction = "${effect ?? 'rate_limit'}"`,
            ...(condition === null ? [] : [`condition = ${JSON.stringify(condition.text)}`]),
          ].join('\n'),
        ),
      ].join('\n'),
      model: (call) =>
        first(
          rules,
          (each) => (each.tool === '*' || each.tool === call.tool) && (each.condition?.holds(call) ?? true),
          'allow',
        ),
    })),
  );
  await expect(compared).resolves.toBeUndefined();
});

it('mcp-gate', async () => {
  type Condition = { readonly written: unknown; readonly holds: (call: Sample) => boolean };
  const tests: Readonly<Record<string, (value: string, by: string) => boolean>> = {
    eq: (value, by) => value === by,
    ne: (value, by) => value !== by,
    lt: (value, by) => value < by,
    le: (value, by) => value <= by,
    gt: (value, by) => value > by,
    ge: (value, by) => value >= by,
    contains: (value, by) => value.includes(by),
    startswith: (value, by) => value.startsWith(by),
    endswith: (value, by) => value.endsWith(by),
    regex: (value, by) => value.includes(by),
  };
  // Of a missing or other value Python's comparison says false, and "not equal" true.
  const judge = (op: string, value: Json | undefined, by: string): boolean =>
    typeof value === 'string' ? (tests[op]?.(value, by) ?? false) : op === 'ne';
  const { condition } = fc.letrec<{ condition: Condition; leaf: Condition }>((tie) => ({
    leaf: fc.oneof(
      fc.tuple(fc.constantFrom('x', 'y'), fc.constantFrom(...Object.keys(tests)), word).map(([field, op, value]) => ({
        written: { field, op, value },
        holds: ({ args }: Sample) => judge(op, args[field], value),
      })),
      fc.constantFrom('x', 'y').map((field) => ({
        written: { field, op: 'exists' },
        holds: ({ args }: Sample) => Object.hasOwn(args, field),
      })),
    ),
    condition: fc.oneof(
      { maxDepth: 3 },
      tie('leaf'),
      tie('condition').map((of) => ({ written: { not: of.written }, holds: (call: Sample) => !of.holds(call) })),
      fc
        .tuple(fc.constantFrom('all', 'any'), fc.array(tie('condition'), { minLength: 1, maxLength: 3 }))
        .map(([kind, parts]) => ({
          written: { [kind]: parts.map((part) => part.written) },
          holds: (call: Sample) =>
            kind === 'all' ? parts.every((part) => part.holds(call)) : parts.some((part) => part.holds(call)),
        })),
    ),
  }));
  const rule = fc.record({
    tools: fc.array(glob, { minLength: 1, maxLength: 2 }),
    agents: fc.option(fc.array(fc.constantFrom('a*', 'bob', '*n'), { minLength: 1, maxLength: 2 })),
    roles: fc.option(fc.subarray(['admin', 'dev'], { minLength: 1 })),
    when: fc.option(condition),
    effect: fc.constantFrom('allow', 'deny', 'require_approval'),
  });
  const effects: Readonly<Record<string, Effect>> = { allow: 'allow', deny: 'deny', require_approval: 'ask' };
  const compared = holds(
    'mcp-gate',
    fc
      .tuple(fc.array(rule, { maxLength: 5 }), fc.constantFrom('allow' as const, 'deny' as const))
      .map(([rules, none]) => ({
        text: JSON.stringify({
          default_effect: none,
          rules: rules.map(({ tools, agents, roles, when, effect }, index) => ({
            id: `r${index}`,
            effect,
            tools,
            ...(agents === null ? {} : { agents }),
            ...(roles === null ? {} : { require_roles: roles }),
            ...(when === null ? {} : { when: when.written }),
          })),
        }),
        model: (call) =>
          first(
            rules.map((each) => ({ ...each, effect: effects[each.effect] })),
            (each) =>
              each.tools.some((one) => globs(one, call.tool)) &&
              (each.agents?.some((one) => globs(one, call.id)) ?? true) &&
              (each.roles?.some((role) => call.roles.includes(role)) ?? true) &&
              (each.when?.holds(call) ?? true),
            none,
          ),
      })),
  );
  await expect(compared).resolves.toBeUndefined();
});

it('mcpguard', async () => {
  const rule = fc.record({
    action: fc.constantFrom('allow', 'deny', 'audit', 'warn'),
    tools: fc.constantFrom('a.*', '.*', 'ab|b', '[ab]b'),
    pattern: fc.option(word),
    label: fc.option(fc.constantFrom('secret', 'pii')),
    enabled: fc.boolean(),
  });
  const compared = holds(
    'mcpguard',
    fc.array(rule, { maxLength: 6 }).map((rules) => ({
      text: JSON.stringify({
        rules: rules.map(({ action, tools, pattern, label, enabled }, index) => ({
          id: `r${index}`,
          action,
          tool_patterns: [tools],
          enabled,
          ...(pattern === null ? {} : { argument_patterns: { x: pattern } }),
          ...(label === null ? {} : { taint_labels: [label] }),
        })),
      }),
      model: (call) => {
        const matching = rules.filter(
          ({ tools, pattern, label, enabled }) =>
            enabled &&
            new RegExp(`^(?:${tools})$`).test(call.tool) &&
            (pattern === null || (typeof call.args['x'] === 'string' && call.args['x'].includes(pattern))) &&
            (label === null || call.labels.includes(label)),
        );
        if (matching.length === 0 || matching.some(({ action }) => action === 'deny')) return 'deny';
        return 'allow';
      },
    })),
  );
  await expect(compared).resolves.toBeUndefined();
});

it('agentgate-api, for tools', async () => {
  const rule = fc.record({
    resource: fc.constantFrom('/mcp/tools/a', '/mcp/tools/*b', '/mcp/**', '/**', '/other/**', '/mcp/*/ab'),
    methods: fc.option(fc.constantFrom<string[]>(['POST'], ['GET'], ['GET', 'POST'])),
    effect: fc.constantFrom<Effect>('allow', 'deny'),
  });
  const covers = (resource: string, tool: string): boolean => {
    if (resource === '/**' || resource === '/mcp/**') return true;
    if (resource === '/mcp/*/ab') return tool === 'ab';
    return resource.startsWith('/mcp/tools/') && globs(resource.slice('/mcp/tools/'.length), tool);
  };
  const compared = holds(
    'agentgate-api',
    fc
      .tuple(
        fc.array(rule, { maxLength: 5 }),
        fc.constantFrom<Effect>('allow', 'deny'),
        fc.integer({ min: 0, max: 22 }),
      )
      .map(([rules, none, start]) => ({
        text: JSON.stringify({
          name: 'n',
          default_effect: none,
          time_restrictions: {
            enabled: true,
            timezone: 'UTC',
            allowed_hours: { start: `${String(start).padStart(2, '0')}:00`, end: '23:59' },
          },
          rules: rules.map(({ methods, ...each }) => ({ ...each, ...(methods === null ? {} : { methods }) })),
        }),
        model: ({ tool, hour }) =>
          hour < start
            ? 'deny'
            : first(
                rules,
                (each) => covers(each.resource, tool) && (each.methods === null || each.methods.includes('POST')),
                none,
              ),
      })),
  );
  await expect(compared).resolves.toBeUndefined();
});

it('cedar', async () => {
  type Condition = { readonly text: string; readonly value: (call: Sample) => boolean | 'error' };
  const { condition } = fc.letrec<{ condition: Condition; leaf: Condition }>((tie) => ({
    leaf: fc.oneof(
      fc.tuple(fc.constantFrom('x', 'y'), fc.constantFrom('==', '!='), word).map(([field, op, by]) => ({
        text: `context.args.${field} ${op} "${by}"`,
        value: ({ args }: Sample) =>
          Object.hasOwn(args, field) ? (args[field] === by) === (op === '==') : ('error' as const),
      })),
      fc.tuple(fc.constantFrom('x', 'y'), fc.constantFrom('a*', '*b', '*')).map(([field, by]) => ({
        text: `context.args.${field} like "${by}"`,
        value: ({ args }: Sample) => (typeof args[field] === 'string' ? globs(by, args[field]) : ('error' as const)),
      })),
      fc.constantFrom('x', 'y').map((field) => ({
        text: `context.args has ${field}`,
        value: ({ args }: Sample) => Object.hasOwn(args, field),
      })),
      fc.constant({ text: 'principal in Role::"admin"', value: ({ roles }: Sample) => roles.includes('admin') }),
    ),
    condition: fc.oneof(
      { maxDepth: 3 },
      tie('leaf'),
      tie('condition').map((of) => ({
        text: `!(${of.text})`,
        value: (call: Sample) => {
          const value = of.value(call);
          return value === 'error' ? value : !value;
        },
      })),
      fc.tuple(fc.constantFrom('&&', '||'), tie('condition'), tie('condition')).map(([op, a, b]) => ({
        text: `((${a.text}) ${op} (${b.text}))`,
        value: (call: Sample) => {
          const left = a.value(call);
          return left === 'error' || left === (op === '||') ? left : b.value(call);
        },
      })),
    ),
  }));
  const policy = fc.record({
    effect: fc.constantFrom('permit', 'forbid'),
    tool: fc.option(word),
    kind: fc.constantFrom('when', 'unless'),
    condition: fc.option(condition),
  });
  const compared = holds(
    'cedar',
    fc.array(policy, { minLength: 1, maxLength: 5 }).map((policies) => ({
      text: policies
        .map(
          ({ effect, tool, kind, condition }) =>
            `${effect} (principal, action, ${tool === null ? 'resource' : `resource == Tool::"${tool}"`})${condition === null ? '' : ` ${kind} { ${condition.text} }`};`,
        )
        .join('\n'),
      model: (call) => {
        const held = policies.filter(({ tool, kind, condition }) => {
          if (tool !== null && tool !== call.tool) return false;
          return condition === null || condition.value(call) === (kind === 'when');
        });
        if (held.some(({ effect }) => effect === 'forbid')) return 'deny';
        return held.length > 0 ? 'allow' : 'deny';
      },
    })),
  );
  await expect(compared).resolves.toBeUndefined();
});

it('claude-code, by names', async () => {
  const lists = fc.record({ allow: fc.uniqueArray(word), deny: fc.uniqueArray(word), ask: fc.uniqueArray(word) });
  const compared = holds(
    'claude-code',
    lists.map(({ allow, deny, ask }) => ({
      text: JSON.stringify({
        permissions: { allow: allow.map((tool) => `mcp__s__${tool}`), deny, ask: ask.map((tool) => `mcp__s__${tool}`) },
      }),
      model: ({ tool }) =>
        deny.includes(tool) ? 'deny' : ask.includes(tool) ? 'ask' : allow.includes(tool) ? 'allow' : 'ask',
    })),
  );
  await expect(compared).resolves.toBeUndefined();
});
