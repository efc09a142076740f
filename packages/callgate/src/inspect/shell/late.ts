import type { ShellWord } from './variables.ts';

/**
 * Whether a text holds a substitution that is not run yet: harmless as text, run where the shell evaluates it as
 * arithmetic. In a value even the `$` alone counts, for another may follow it.
 */
export function holdsSubstitution(text: string, isValue: boolean): boolean {
  return /\$[({]|`/.test(text) || (isValue && text.endsWith('$'));
}

/** Builtins that take names of variables, and the arguments in which they do. A name may be `a[…]`, which is evaluated. */
const NAMES = new Set(
  'read unset declare typeset local export readonly mapfile readarray getopts wait printf test [ let'.split(' '),
);
const DECLARES = new Set('declare typeset local export readonly'.split(' '));

/**
 * What a builtin evaluates late: `known` when a substitution stands in a subscript (`read 'a[$(…)]'`), `names` when the
 * values of variables are evaluated, undefined when nothing is.
 */
export function evaluatesLate(program: string, words: readonly ShellWord[]): 'known' | 'names' | undefined {
  if (!NAMES.has(program)) return undefined;
  const rest = words.slice(1);
  // `[ -v name ]`, `printf -v name`: any other argument is a text.
  const named = /^(?:test|\[|printf)$/.test(program)
    ? rest.filter((_, at) => rest[at - 1]?.text === '-v' || rest[at - 1]?.text === '-R')
    : rest;
  if (named.some(({ text }) => /^[A-Za-z_]\w*\[[\s\S]*(?:\$[({]|`)/.test(text))) return 'known';
  if (program === 'let') return rest.some(({ text }) => /\$\(|`/.test(text)) ? 'known' : 'names';
  // `declare -i x=y` evaluates y, and `declare -n x=y` reads y as a name.
  return DECLARES.has(program) && rest.some(({ text, dynamic }) => dynamic || /^-[a-zA-Z]*[in]/.test(text))
    ? 'names'
    : undefined;
}
