import type { Place } from '../../model/error.ts';
import type { PolicySource } from '../compile-documents.ts';
import { HINTS } from '../document/annotations.ts';
import { CedarError, type CedarExpr, type CedarPolicy, type CedarScope, parseCedar, unescaped } from './cedar-parse.ts';
import type { Imported, OutRule } from './emit.ts';
import { type Draft, shorten } from './report.ts';
import { celAnd, celField, celLiteral, celNot, celOr, celPattern, celText, exactName } from './write.ts';

/** What actions of Cedar policies for MCP are called, and what they match here. */
const ACTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  call_tool: { tool: '*' },
  CallTool: { tool: '*' },
  callTool: { tool: '*' },
  'tools/call': { tool: '*' },
  get_prompt: { prompt: '*' },
  'prompts/get': { prompt: '*' },
  read_resource: { resource: '*' },
  'resources/read': { method: 'resources/read' },
  list_tools: { method: 'tools/list' },
  'tools/list': { method: 'tools/list' },
  list_prompts: { method: 'prompts/list' },
  'prompts/list': { method: 'prompts/list' },
  list_resources: { method: 'resources/list' },
  'resources/list': { method: 'resources/list' },
};
const KINDS: Readonly<Record<string, 'tool' | 'prompt' | 'resource' | 'server'>> = {
  Tool: 'tool',
  Prompt: 'prompt',
  Resource: 'resource',
  Server: 'server',
  McpServer: 'server',
  MCPServer: 'server',
};

/**
 * Cedar policies: forbid wins, what nothing permits is denied. Only what can be said exactly is imported; the rest is an
 * issue with its place. Where Cedar skips a policy because an attribute is missing, forbid denies here.
 */
export function importCedar(sources: readonly PolicySource[], draft: Draft): Imported {
  const rules: OutRule[] = [];
  for (const source of sources) {
    const text = source.text.startsWith('\uFEFF') ? source.text.slice(1) : source.text;
    const placeOf = placesIn(source.file, text);
    try {
      if (text.length > 1_048_576) throw new CedarError('the file is too large to be a policy', 0);
      const policies = parseCedar(text);
      if (policies.length === 0) throw new CedarError('there is no policy in the file', 0);
      for (const [index, policy] of policies.entries()) {
        try {
          rules.push(...readPolicy(policy, index, placeOf, draft));
        } catch (error) {
          refuse(error, placeOf, draft, 'CG_POLICY_IMPORT_VALUE');
        }
      }
    } catch (error) {
      refuse(error, placeOf, draft, 'CG_POLICY_IMPORT_SYNTAX');
    }
  }
  return { name: undefined, combine: 'deny-overrides', default: 'deny', notes: [], rules };
}

function refuse(error: unknown, placeOf: (at: number) => Place, draft: Draft, code: string): void {
  if (!(error instanceof CedarError)) throw error;
  draft.fail(placeOf(error.at), code, error.message, 'docs/import.md has what can be imported');
}

function placesIn(file: string, text: string): (at: number) => Place {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (at) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    return { file, line: low + 1, column: at - (starts[low] ?? 0) + 1 };
  };
}

function readPolicy(policy: CedarPolicy, index: number, placeOf: (at: number) => Place, draft: Draft): OutRule[] {
  const place = placeOf(policy.at);
  const note = (name: string): string | undefined =>
    policy.annotations.find((annotation) => annotation.name === name)?.value;
  const wanted = note('id') ?? `policy-${index + 1}`;
  for (const { name, at } of policy.annotations) {
    if (!['id', 'description', 'reason'].includes(name))
      draft.say('refused', placeOf(at), `@${name}`, 'is not carried: it decides nothing');
  }
  const permissive = policy.effect === 'permit';
  const conditions = [
    ...principalTest(policy.principal),
    // A conjunction at the top holds when all its terms do, missing attributes or not: it stays one.
    ...policy.conditions.flatMap(({ isUnless, expr }) =>
      termsOf(expr, isUnless ? '||' : '&&').map((term) => {
        const test = truthOf(term, permissive);
        return isUnless ? celNot(test) : test;
      }),
    ),
  ];
  const when = conditions.length === 0 ? undefined : celAnd(conditions);
  const matches = matchesOf(policy.action, policy.resource);
  return matches.map((match, part) => {
    const id = draft.id(matches.length === 1 ? wanted : `${wanted}-${part + 1}`, place);
    const why =
      when === undefined || permissive
        ? `${policy.effect} is ${permissive ? 'allow' : 'deny'}`
        : 'a missing attribute denies; Cedar skips the policy then';
    draft.say(when === undefined || permissive ? 'same' : 'translated', place, `policy ${shorten(wanted)}`, why, id);
    const effect = permissive ? 'allow' : 'deny';
    return { id, from: place, description: note('description'), match, when, effect, reason: note('reason') };
  });
}

function principalTest(scope: CedarScope): string[] {
  if (scope.op === undefined) return [];
  const tests = scope.entities.map(({ id }) =>
    scope.op === '==' ? `principal.id == ${celText(id)}` : `${celText(id)} in principal.roles`,
  );
  return [celOr(tests)];
}

type Match = Readonly<Record<string, string>>;

/** The `match` for each action, narrowed to the resource. */
function matchesOf(action: CedarScope, resource: CedarScope): readonly Match[] {
  const targets = action.op === undefined ? [undefined] : action.entities.map(({ id, at }) => actionMatch(id, at));
  const resources =
    resource.op === undefined ? [undefined] : resource.entities.map((entity) => resourceMatch(entity, resource.op));
  return targets.flatMap((target) => resources.map((wanted) => united(target, wanted, resource.at)));
}

function actionMatch(id: string, at: number): Match {
  if (Object.hasOwn(ACTIONS, id)) return ACTIONS[id] as Match;
  const [server, tool, ...more] = id.split('___');
  if (server !== undefined && server !== '' && tool !== undefined && tool !== '' && more.length === 0)
    return { server: exactName(server), tool: exactName(tool) };
  throw new CedarError(
    `the action "${shorten(id)}" is not known: write call_tool, get_prompt, read_resource, or <server>___<tool>`,
    at,
  );
}

function resourceMatch(entity: { type: string; id: string; at: number }, op: '==' | 'in' | undefined): Match {
  const type = entity.type.split('::').at(-1) ?? '';
  const kind = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (kind === undefined || (op === 'in' && kind !== 'server'))
    throw new CedarError(
      `the resource ${entity.type} is not known ${op === 'in' ? 'as a group' : ''}: Tool, Prompt, Resource and Server are`,
      entity.at,
    );
  return { [kind]: exactName(entity.id) };
}

function united(target: Match | undefined, resource: Match | undefined, at: number): Match {
  if (target === undefined) return resource ?? { server: '*' };
  if (resource === undefined) return target;
  const [kind = ''] = Object.keys(resource);
  if (kind === 'server' && !Object.hasOwn(target, 'server')) return { ...resource, ...target };
  if (Object.hasOwn(target, kind) && target[kind] === '*') return { ...target, ...resource };
  if (kind === 'resource' && target['method'] === 'resources/read') return { ...target, ...resource };
  throw new CedarError('this action and this resource never go together: the policy would match nothing', at);
}

const COMPARE = ['==', '!=', '<', '<=', '>', '>='];

/**
 * A condition. Cedar stops at a missing attribute where three-valued logic may go on: in a permit `&&` and `||` are then
 * written as choices.
 */
function truthOf(expr: CedarExpr, permissive: boolean): string {
  switch (expr.kind) {
    case 'not':
      return celNot(truthOf(expr.of, permissive));
    case 'literal':
      if (typeof expr.value === 'boolean') return String(expr.value);
      break;
    case 'has':
      return `has(${celField([...pathOf(expr.of), expr.text].flatMap(argsPath(expr.at, pathOf(expr.of).length)))})`;
    case 'like':
      return `glob(${valueOf(expr.of)}, ${celPattern(likeGlob(expr.text, expr.at))})`;
    case 'call':
      return callOf(expr);
    case 'member':
      return `${valueOf(expr)} == true`;
    case 'binary':
      if (expr.op === '&&' || expr.op === '||') return joined(expr, permissive);
      if (expr.op === 'in' || expr.op === '==' || expr.op === '!=') {
        const entity = entityTest(expr);
        if (entity !== undefined) return entity;
      }
      if (COMPARE.includes(expr.op)) return `${valueOf(expr.left)} ${expr.op} ${valueOf(expr.right)}`;
      throw new CedarError(
        '"in" compares principal, action or resource with entities; for lists write contains',
        expr.at,
      );
    default:
  }
  throw new CedarError('a condition is expected here', expr.at);
}

function joined(expr: CedarExpr & { kind: 'binary' }, permissive: boolean): string {
  const isAnd = expr.op === '&&';
  const terms = termsOf(expr, expr.op);
  const tests = terms.map((term) => truthOf(term, permissive));
  const isLazy = permissive && terms.slice(0, -1).some(mayBeMissing);
  if (!isLazy) return isAnd ? celAnd(tests) : celOr(tests);
  return tests.reduceRight((rest, test) =>
    isAnd ? `((${test}) ? (${rest}) : false)` : `((${test}) ? true : (${rest}))`,
  );
}

/** `a && b && c` as its terms. */
function termsOf(expr: CedarExpr, op: string): readonly CedarExpr[] {
  const terms: CedarExpr[] = [];
  let rest = expr;
  while (rest.kind === 'binary' && rest.op === op) {
    terms.unshift(rest.right);
    rest = rest.left;
  }
  if (terms.length > 200) throw new CedarError('the condition has more than 200 terms', expr.at);
  return [rest, ...terms];
}

function mayBeMissing(expr: CedarExpr): boolean {
  switch (expr.kind) {
    case 'member':
      return true;
    case 'not':
    case 'minus':
    case 'like':
      return mayBeMissing(expr.of);
    case 'binary':
      return mayBeMissing(expr.left) || mayBeMissing(expr.right);
    case 'call':
      return mayBeMissing(expr.of) || expr.args.some(mayBeMissing);
    case 'list':
      return expr.items.some(mayBeMissing);
    default:
      return false;
  }
}

/** `principal == User::"ann"`, `principal in Role::"admin"`, `action == ...`, `resource in Server::"files"`. */
function entityTest(expr: CedarExpr & { kind: 'binary' }): string | undefined {
  const { left, right, op } = expr;
  const entities = right.kind === 'entity' ? [right] : right.kind === 'list' ? right.items : [];
  if (left.kind !== 'name') {
    if (right.kind === 'entity')
      throw new CedarError('only principal, action and resource are compared with entities', left.at);
    return undefined;
  }
  if (entities.length === 0 || entities.some((entity) => entity.kind !== 'entity'))
    throw new CedarError(`${left.name} is compared with an entity, such as User::"ann"`, right.at);
  const tests = entities.map((entity) => {
    if (entity.kind !== 'entity') return 'false';
    if (left.name === 'principal')
      return op === 'in' ? `${celText(entity.id)} in principal.roles` : `principal.id == ${celText(entity.id)}`;
    const match =
      left.name === 'action'
        ? actionMatch(entity.id, entity.at)
        : left.name === 'resource'
          ? resourceMatch(entity, op === 'in' ? 'in' : '==')
          : undefined;
    if (match === undefined) throw new CedarError(`${left.name} is not principal, action or resource`, left.at);
    return celAnd(Object.entries(match).map(([kind, name]) => nameTest(kind, name)));
  });
  return op === '!=' ? celNot(celOr(tests)) : celOr(tests);
}

const METHODS: Readonly<Record<string, string>> = {
  tool: 'tools/call',
  prompt: 'prompts/get',
  resource: 'resources/read',
};

function nameTest(kind: string, name: string): string {
  const plain = name.replaceAll(/\\(.)/g, '$1');
  if (name === '*') return `method == ${celText(METHODS[kind] ?? '')}`;
  if (kind === 'server' || kind === 'method') return `${kind} == ${celText(plain)}`;
  return `(method == ${celText(METHODS[kind] ?? '')} && ${kind} == ${celText(plain)})`;
}

/** `list.contains(x)`, `containsAll`, `containsAny`. */
function callOf(expr: CedarExpr & { kind: 'call' }): string {
  const [only] = expr.args;
  if (only === undefined || expr.args.length !== 1) throw new CedarError(`${expr.name}() takes one value`, expr.at);
  const isRoles =
    expr.of.kind === 'member' &&
    expr.of.key === 'roles' &&
    expr.of.of.kind === 'name' &&
    expr.of.of.name === 'principal';
  const list = isRoles ? 'principal.roles' : expr.of.kind === 'list' ? listOf(expr.of) : valueOf(expr.of);
  if (expr.name === 'contains') return `${valueOf(only)} in ${list}`;
  if ((expr.name === 'containsAll' || expr.name === 'containsAny') && only.kind === 'list' && only.items.length > 0) {
    const tests = only.items.map((item) => `${valueOf(item)} in ${list}`);
    return expr.name === 'containsAll' ? celAnd(tests) : celOr(tests);
  }
  throw new CedarError(`${expr.name}() is not part of what can be imported`, expr.at);
}

function listOf(expr: CedarExpr & { kind: 'list' }): string {
  return `[${expr.items.map(valueOf).join(', ')}]`;
}

function valueOf(expr: CedarExpr): string {
  switch (expr.kind) {
    case 'literal':
      return celLiteral(expr.value);
    case 'list':
      return listOf(expr);
    case 'minus':
      return `-${valueOf(expr.of)}`;
    case 'binary':
      if (['+', '-', '*'].includes(expr.op)) return `(${valueOf(expr.left)} ${expr.op} ${valueOf(expr.right)})`;
      break;
    case 'member': {
      const path = pathOf(expr);
      if (path[0] === 'resource' && path.length === 2 && path[1] === 'name') return 'tool';
      const hint = path[0] === 'resource' && path.length === 2 ? HINTS.find((name) => name === path[1]) : undefined;
      if (hint !== undefined) return `annotations.${hint}`;
      const args = path.flatMap(argsPath(expr.at, path.length));
      if (args.length === 0) throw new CedarError('the arguments as a whole cannot be compared', expr.at);
      return celField(args);
    }
    default:
  }
  throw new CedarError('this cannot be imported as a value', expr.at);
}

/** `context.args.a` as its names. */
function pathOf(expr: CedarExpr): readonly string[] {
  if (expr.kind === 'name') return [expr.name];
  if (expr.kind === 'member') return [...pathOf(expr.of), expr.key];
  throw new CedarError('a name such as context.args.path is expected', expr.at);
}

/** Maps the names of a path to those below `args`: context.args.a, context.input.a and context.arg_a are all args.a. */
function argsPath(
  at: number,
  length: number,
): (name: string, index: number, all: readonly string[]) => readonly string[] {
  return (name, index, all) => {
    if (index === 0 && name !== 'context')
      throw new CedarError(`${name}.${all[1] ?? ''} is not known here: context.args is`, at);
    if (index === 0) return [];
    if (index > 1) return [name];
    if (['args', 'arguments', 'input'].includes(name) && all.length > 2) return [];
    if (name.startsWith('arg_') && name.length > 4) return [name.slice(4)];
    throw new CedarError(
      `context.${name} is not known${length > 1 ? '' : ' as an attribute'}: context.args.<name> and context.arg_<name> are`,
      at,
    );
  };
}

/** A pattern of `like`, where only `*` is special, as a glob of ours. */
function likeGlob(raw: string, at: number): string {
  return unescaped(raw, at, (char) => (/[\\*?]/.test(char) ? `\\${char}` : char)).replaceAll('${', () => '$\\{');
}
