import type { Call } from '../../model/call.ts';
import type { Json } from '../../model/json.ts';
import { type Expr, ExpressionError } from './expression-parse.ts';
import type { Value } from './expression-values.ts';
import { HINTS } from '../document/annotations.ts';
import { nearest, suggest } from '../document/nearest.ts';
import type { Fact, Scope } from './scope.ts';
import { hintOf } from '../target.ts';
import { Unsure } from './truth.ts';

/** Finds a value; undefined is "not there". */
export type Lookup = (call: Call) => Value | undefined;

/** Facts that are a value by themselves. */
const VALUES: Readonly<Record<string, Lookup>> = {
  tool: (call) => call.tool,
  prompt: (call) => call.prompt,
  resource: (call) => call.uri,
  server: (call) => call.server,
  method: (call) => call.method,
  direction: (call) => call.direction,
  labels: (call) => call.labels,
  findings: (call) => call.findings?.() as Json | undefined,
  intent: (call) => call.intent,
};

const PRINCIPAL = ['id', 'agent', 'user', 'roles', 'chain', 'assurance'] as const;

/** Facts that only have members, and these. */
const MEMBERS: Readonly<Record<string, Readonly<Record<string, Lookup>>>> = {
  principal: Object.fromEntries(PRINCIPAL.map((key): [string, Lookup] => [key, (call) => call.principal[key]])),
  annotations: Object.fromEntries(HINTS.map((hint): [string, Lookup] => [hint, (call) => hintOf(call, hint)])),
  session: { id: (call) => call.session },
  threat: { score: threatScore },
  http: { method: (call) => call.http?.method, path: (call) => call.http?.path },
};

/** What expressions may look at. */
export const FACTS = ['args', 'result', ...Object.keys(VALUES), ...Object.keys(MEMBERS)];
const LATER_FACTS: Readonly<Record<string, string>> = {
  task: 'principal.id',
  trace: 'session.id',
  transport: 'match: { server: ... }',
};

/** Facts whose use a rule keeps count of, so that the gate fetches only what is asked for. */
const COUNTED: Readonly<Record<string, Fact>> = {
  annotations: 'annotations',
  labels: 'labels',
  findings: 'findings',
  threat: 'findings',
  session: 'session',
  intent: 'intent',
  http: 'http',
};

/** A fact by its name. @throws ExpressionError when there is none, or not in this rule's directions */
export function factOf(expr: Expr & { kind: 'name' }, scope: Scope): Lookup {
  const { name, at } = expr;
  if (name === 'args' || name === 'result') {
    if (scope.subject !== name) throw wrongSubject(name, scope.subject, at);
    scope.uses('subject');
    return (call) => call.args();
  }
  if (Object.hasOwn(VALUES, name)) {
    count(name, scope);
    return VALUES[name] as Lookup;
  }
  if (Object.hasOwn(MEMBERS, name)) {
    const known = Object.keys(MEMBERS[name] as object).map((key) => `${name}.${key}`);
    throw new ExpressionError(`${name} is not a value`, at, `name a member: ${known.join(', ')}`);
  }
  if (name === 'time')
    throw new ExpressionError('time is not a value', at, 'write hour("Europe/Berlin"), minute(...) or weekday(...)');
  const instead = Object.hasOwn(LATER_FACTS, name) ? LATER_FACTS[name] : undefined;
  if (instead !== undefined)
    throw new ExpressionError(
      `"${name}" is not part of this version of the policy language`,
      at,
      `use ${instead}`,
      'CG_POLICY_NOT_YET',
    );
  throw new ExpressionError(`there is no fact "${name}"`, at, remedyFor(name));
}

const SAME_FACTS: Readonly<Record<string, string>> = {
  uri: 'resource',
  arguments: 'args',
  params: 'args',
  input: 'args',
  user: 'principal.user',
  agent: 'principal.agent',
  roles: 'principal.roles',
};

/** Most bare names are fields of the arguments, or texts without quotes. */
function remedyFor(name: string): string {
  if (/^(?:true|false|null|none)$/i.test(name)) return `write ${/^none$/i.test(name) ? 'null' : name.toLowerCase()}`;
  const meant = (Object.hasOwn(SAME_FACTS, name) ? SAME_FACTS[name] : undefined) ?? nearest(name, FACTS);
  if (meant !== undefined) return `did you mean "${meant}"?`;
  return `a field of the arguments is written args.${name}, a text "${name}"; facts are ${FACTS.join(', ')}`;
}

/**
 * `principal.<key>`, `annotations.<hint>` and their like; undefined when the owner is no such fact.
 * @throws ExpressionError when it has no such member
 */
export function memberFact(owner: string, expr: Expr & { kind: 'member' }, scope: Scope): Lookup | undefined {
  if (!Object.hasOwn(MEMBERS, owner)) return undefined;
  const members = MEMBERS[owner] as Readonly<Record<string, Lookup>>;
  if (!Object.hasOwn(members, expr.key))
    throw new ExpressionError(
      `${owner} has no "${expr.key}"`,
      expr.at,
      suggest(expr.key, Object.keys(members), expr.key === 'role' ? 'roles' : undefined),
    );
  count(owner, scope);
  if (owner === 'principal' && expr.key === 'roles') return (call) => scope.rolesOf(call.principal);
  return members[expr.key];
}

function count(name: string, scope: Scope): void {
  const fact = Object.hasOwn(COUNTED, name) ? COUNTED[name] : undefined;
  if (fact === undefined) return;
  scope.uses(fact);
  // Findings are those of the arguments, or of the result.
  if (fact === 'findings') scope.uses('subject');
}

/** The highest confidence of all findings, 0 when there are none. */
function threatScore(call: Call): Value | undefined {
  const findings = call.findings?.();
  if (findings === undefined) return undefined;
  let score = 0;
  for (const { confidence } of findings) {
    if (!(confidence >= 0 && confidence <= 1)) return new Unsure('a finding has no proper confidence');
    if (confidence > score) score = confidence;
  }
  return score;
}

function wrongSubject(name: 'args' | 'result', subject: Scope['subject'], at: number): ExpressionError {
  if (subject === 'none') {
    return new ExpressionError(
      `"${name}" is not there in every direction this rule covers`,
      at,
      'write one rule for direction: call and one for direction: result',
    );
  }
  return name === 'args'
    ? new ExpressionError('a rule for direction: result has no args', at, 'use result')
    : new ExpressionError(
        'there is no result yet when a call is judged',
        at,
        'add `direction: result` to match, or use args',
      );
}
