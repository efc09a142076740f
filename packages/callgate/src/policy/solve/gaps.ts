import type { NodePath } from '../document/document-types.ts';
import type { Atom } from '../condition/atoms.ts';
import type { CompiledRule } from '../rule.ts';
import type { Hint } from './hints.ts';

/** Why nothing is proven: what could not be told, and where that is written. */
export interface Gap {
  readonly text: string;
  readonly file?: string;
  readonly path?: NodePath;
}

/** An atom with its rule and what it looks at. */
export interface NamedAtom {
  readonly rule: CompiledRule;
  readonly atom: Atom;
  readonly hint: Hint;
}

const LONGEST_ATOM = 100;

/** A gap of a rule, or of one condition of it. */
export function gapOf(what: string, rule: CompiledRule | undefined, atom?: Atom): Gap {
  if (rule === undefined) return { text: what };
  const who = rule.file === 'goal' ? 'the goal' : `rule ${rule.name}`;
  const asks = atom === undefined ? '' : ` (${cut(atom.text)})`;
  return { text: `${who}${asks} ${what}`, file: rule.file, path: atom?.path ?? rule.path };
}

function cut(text: string): string {
  return text.length > LONGEST_ATOM ? `${text.slice(0, LONGEST_ATOM)}…` : text;
}
