import type { Call } from '../../model/call.ts';
import type { Json } from '../../model/json.ts';
import type { Atom } from '../condition/atoms.ts';
import type { FieldPath } from '../condition/field.ts';
import { Unsure } from '../condition/truth.ts';
import type { CompiledRule } from '../rule.ts';
import type { Named } from '../target.ts';

/** The answer of an atom: an error counts apart. */
export type Answer = true | false | 'error';

/**
 * Atoms that say the same are one, if they are asked alike: of what is many, an allow rule wants every one, and any other rule
 * one.
 */
export function keyOf(atom: Atom): string {
  const known = KEYS.get(atom);
  if (known === undefined) throw new Error(`an atom of no rule: ${atom.text}`);
  return known;
}

const KEYS = new WeakMap<Atom, string>();

/** Gives the atoms of a rule their keys; who has a role is each policy's own. */
export function nameAtoms(rule: CompiledRule, policy: number): void {
  for (const atom of rule.atoms) {
    const whose = /\broles\b/.test(atom.text) ? `${policy} ` : '';
    KEYS.set(atom, `${whose}${rule.effect === 'allow' ? 'every' : 'one'} ${String(atom.path[2] ?? '')} ${atom.text}`);
  }
}

/** What the real engine says of one atom. */
export function answer(rule: CompiledRule, atom: Atom, call: Call): Answer {
  try {
    const truth = atom.test(call);
    return truth instanceof Unsure ? 'error' : truth;
  } catch {
    return 'error';
  } finally {
    rule.forget();
  }
}

/** What of a call its values do not say. */
export type CallContext = Partial<Omit<Call, 'args' | 'direction' | 'server' | 'method' | 'tool' | 'prompt' | 'uri'>>;

/** A call of some names with some fields of its arguments set; a later one wins over an earlier. */
export function callWith(
  named: Named,
  fields: readonly (readonly [FieldPath, Json | undefined])[],
  context: CallContext = {},
): Call {
  const args = bare();
  for (const [[, ...path], value] of fields) if (value !== undefined) put(args, path, value);
  return {
    principal: { id: 'agent', roles: [], chain: [], assurance: 'same-user' },
    realPath: (path) => plainPath(path),
    ...context,
    ...named,
    args: () => args,
  };
}

type Draft = { [key: string]: Json };

function bare(): Draft {
  return Object.create(null) as Draft;
}

function put(into: Draft, path: readonly string[], value: Json): void {
  let at = into;
  for (const key of path.slice(0, -1)) {
    const next = at[key];
    const isOpen = typeof next === 'object' && next !== null && !Array.isArray(next);
    at = isOpen ? (next as Draft) : (at[key] = bare());
  }
  at[path.at(-1) ?? ''] = value;
}

/** As if there were no links. */
export function plainPath(path: string): string | undefined {
  if (!path.startsWith('/')) return undefined;
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  return `/${kept.join('/')}`;
}
