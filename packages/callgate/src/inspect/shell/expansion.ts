import { holdsSubstitution } from './late.ts';
import type { Reader } from './reader.ts';
import type { ShellRedirect } from './reading.ts';
import { forked, givenInput, range, type Scope, unknownInput, withInput } from './scope.ts';
import type { Redirect, Script } from './tree.ts';
import { constantWord } from './variables.ts';
import { type Expander, expandOne } from './words.ts';

/** The redirections of a statement, and the scope that they leave to it: its standard input. */
export function expandRedirects(
  reader: Reader,
  list: readonly Redirect[],
  outer: Scope,
): { redirects: ShellRedirect[]; scope: Scope } {
  let scope = outer;
  const redirects = list.map(({ op, word, body }) => {
    const target = expandOne(word, expander(reader, scope));
    if (op === '<<' || op === '<<-') {
      const text = body === undefined ? constantWord('') : expandOne(body, expander(reader, scope));
      const clean = op === '<<-' ? { ...text, text: text.text.replace(/^\t+/gm, '') } : text;
      scope = withInput(scope, clean);
      return { op, word: clean };
    }
    if (op === '<<<') scope = withInput(scope, { ...target, text: `${target.text}\n` });
    if (op === '<') {
      const input = target.content === undefined ? unknownInput : givenInput(target.content);
      scope = { ...scope, pipedFrom: target.from.length > 0 ? target.from : undefined, input };
    }
    return target.dynamic ? { op, word: target } : { op, word: target, target: target.text };
  });
  return { redirects, scope };
}

/** How words are expanded in a scope: substitutions in them are walked by the reader. */
export function expander(reader: Reader, scope: Scope): Expander {
  return {
    variables: scope.variables,
    output: (script: Script, fed = false) => {
      // What `>(…)` reads is what the command prints.
      const input = fed ? unknownInput : scope.input;
      const inside: Scope = { ...forked(scope), inSubstitution: true, input };
      const from = scope.quiet ? [] : spanOf(reader, script, inside);
      return { text: reader.output(script, forked(scope)), from };
    },
    spend: (characters: number) => reader.found.spend(characters),
    made: (text: string, isValue: boolean) => {
      if (holdsSubstitution(text, isValue)) reader.found.substitutions.add(text);
    },
  };
}

/** Walks a script and returns the positions of the commands in it. */
function spanOf(reader: Reader, script: Script, scope: Scope): readonly number[] {
  const start = reader.found.commands.length;
  reader.statements(script, scope);
  return range(start, reader.found.commands.length);
}
