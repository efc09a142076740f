import type { Atom } from '../condition/atoms.ts';
import type { MatcherDoc } from '../document/document-types.ts';
import type { CompiledRule } from '../rule.ts';
import { type Expand, type Hint, hintOfExpression, hintOfMatcher, opaqueHint } from './hints.ts';
import { keyOf } from './trial.ts';

/** What each atom looks at, worked out once. */
export function openHints(expand: Expand): (rule: CompiledRule, atom: Atom) => Hint {
  const known = new Map<string, Hint>();
  return (rule, atom) => {
    const key = keyOf(atom);
    let hint = known.get(key);
    if (hint === undefined) known.set(key, (hint = hintOf(rule, atom, expand)));
    return hint;
  };
}

function hintOf(rule: CompiledRule, atom: Atom, expand: Expand): Hint {
  const [, , part, field] = atom.path;
  try {
    if (part === 'args' && typeof field === 'string') {
      const matcher = rule.doc.args?.[field];
      if (matcher !== undefined) return hintOfMatcher(field, matcher, expand);
    }
    if (part === 'when' && typeof rule.doc.when === 'string') return hintOfExpression(atom.text, expand);
    const mapped = part === 'when' ? comparison(rule.doc.when, atom.path.slice(3)) : undefined;
    if (mapped === 'text') return hintOfExpression(atom.text, expand);
    if (mapped !== undefined) return hintOfMatcher(mapped.field, mapped.matcher, expand);
  } catch {
    // What cannot be read again is an atom of which nothing is known.
  }
  return opaqueHint();
}

/** `{ field: args.a, op: ge, value: 5 }` of a mapping, or an expression in one. */
function comparison(
  when: unknown,
  path: readonly (string | number)[],
): { readonly field: string; readonly matcher: MatcherDoc } | 'text' | undefined {
  let at = when;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) break;
    at = (at as Record<string | number, unknown>)[key];
  }
  if (typeof at === 'string') return 'text';
  const { field, op, value } = (at ?? {}) as { field?: unknown; op?: unknown; value?: unknown };
  if (typeof field !== 'string' || typeof op !== 'string' || !field.startsWith('args.')) return undefined;
  return { field: field.slice(5), matcher: { [op]: value } as MatcherDoc };
}
