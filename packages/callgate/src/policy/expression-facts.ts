import type { Call } from '../model/call.ts';
import { type Expr, ExpressionError } from './expression-parse.ts';
import type { Value } from './expression-values.ts';
import { HINTS } from './hints.ts';
import { suggest } from './nearest.ts';
import type { Scope } from './scope.ts';
import { hintOf } from './target.ts';

/** Finds a value; undefined is "not there". */
export type Lookup = (call: Call) => Value | undefined;

/** What expressions may look at. */
export const FACTS = [
  'args',
  'result',
  'tool',
  'prompt',
  'resource',
  'server',
  'method',
  'direction',
  'principal',
  'annotations',
];
const LATER_FACTS: Readonly<Record<string, string>> = {
  labels: 'match and args',
  findings: 'redact: { classes: [secret] }',
  threat: 'redact: { classes: [secret] }',
  task: 'principal.id',
  trace: 'principal.id',
  time: 'an ask rule',
  http: 'args',
  intent: 'tool names',
  transport: 'match: { server: ... }',
};
const PRINCIPAL = ['id', 'agent', 'user', 'roles', 'chain', 'assurance'] as const;

/** A fact by its name. @throws ExpressionError when there is none, or not in this rule's directions */
export function factOf(expr: Expr & { kind: 'name' }, scope: Scope): Lookup {
  const { name, at } = expr;
  switch (name) {
    case 'args':
    case 'result':
      if (scope.subject !== name) throw wrongSubject(name, scope.subject, at);
      scope.uses('subject');
      return (call) => call.args();
    case 'tool':
      return (call) => call.tool;
    case 'prompt':
      return (call) => call.prompt;
    case 'resource':
      return (call) => call.uri;
    case 'server':
      return (call) => call.server;
    case 'method':
      return (call) => call.method;
    case 'direction':
      return (call) => call.direction;
    case 'principal':
      throw new ExpressionError(
        'principal is not a value',
        at,
        `name a member: ${PRINCIPAL.map((key) => `principal.${key}`).join(', ')}`,
      );
    case 'annotations':
      throw new ExpressionError(
        'annotations is not a value',
        at,
        `name a member: ${HINTS.map((key) => `annotations.${key}`).join(', ')}`,
      );
    default: {
      const instead = Object.hasOwn(LATER_FACTS, name) ? LATER_FACTS[name] : undefined;
      if (instead !== undefined)
        throw new ExpressionError(
          `"${name}" is not part of this version of the policy language`,
          at,
          `use ${instead}`,
          'CG_POLICY_NOT_YET',
        );
      throw new ExpressionError(
        `there is no fact "${name}"`,
        at,
        suggest(name, FACTS, name === 'uri' ? 'resource' : name === 'arguments' ? 'args' : undefined),
      );
    }
  }
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

/** `principal.<key>` */
export function principalFact(expr: Expr & { kind: 'member' }): Lookup {
  const key = PRINCIPAL.find((name) => name === expr.key);
  if (key === undefined)
    throw new ExpressionError(
      `principal has no "${expr.key}"`,
      expr.at,
      suggest(expr.key, PRINCIPAL, expr.key === 'role' ? 'roles' : undefined),
    );
  return (call) => call.principal[key];
}

/** `annotations.<hint>`, an error where the server is not trusted for them. */
export function annotationFact(expr: Expr & { kind: 'member' }, scope: Scope): Lookup {
  const hint = HINTS.find((name) => name === expr.key);
  if (hint === undefined)
    throw new ExpressionError(`annotations has no "${expr.key}"`, expr.at, suggest(expr.key, HINTS));
  scope.uses('annotations');
  return (call) => hintOf(call, hint);
}
