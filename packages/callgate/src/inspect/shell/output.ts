import { assign } from './assign.ts';
import { constantOutputOf } from './constants.ts';
import { expander, expandRedirects } from './expansion.ts';
import type { Reader } from './reader.ts';
import { programName } from './reading.ts';
import { forked, givenInput, type Scope } from './scope.ts';
import type { Command, Script, Statement } from './tree.ts';
import { UNKNOWN } from './variables.ts';
import { expandFields } from './words.ts';

/** What a script prints, when it consists of nothing but programs whose output is known. */
export function constantOutput(reader: Reader, script: Script, scope: Scope): string | undefined {
  const quiet: Scope = { ...scope, quiet: true };
  let output = '';
  for (const statement of script) {
    const text = statementOutput(reader, statement, quiet);
    if (text === undefined) return undefined;
    output += text.replaceAll(UNKNOWN, ''); // shells drop NUL characters
    reader.found.spend(text.length);
  }
  return output;
}

function statementOutput(reader: Reader, statement: Statement, outer: Scope): string | undefined {
  if (statement.background) return undefined;
  if (statement.redirects.some(({ op }) => !op.startsWith('<'))) return undefined;
  const { command } = statement;
  if (command === undefined) return undefined;
  const { scope } = expandRedirects(reader, statement.redirects, outer);
  switch (command.kind) {
    case 'simple':
      return simpleOutput(reader, command, scope);
    case 'pipeline': {
      let { input } = scope;
      let output: string | undefined;
      for (const stage of command.stages) {
        output = statementOutput(reader, stage, { ...forked(scope), input });
        if (output === undefined) return undefined;
        input = givenInput(output);
      }
      return output;
    }
    case 'group':
      return constantOutput(reader, command.script, command.subshell ? forked(scope) : scope);
    case 'chain':
      return command.links.every(({ join: joint }) => joint === '&&')
        ? constantOutput(
            reader,
            command.links.map(({ statement: link }) => link),
            scope,
          )
        : undefined;
    default:
      return undefined;
  }
}

function simpleOutput(reader: Reader, command: Command & { kind: 'simple' }, scope: Scope): string | undefined {
  const fields = command.words.flatMap((word) => expandFields(word, expander(reader, scope)));
  if (fields.length === 0) {
    assign(reader, command.assignments, scope);
    return '';
  }
  if (fields.some(({ dynamic, glob }) => dynamic || glob)) return undefined;
  const argv = fields.map(({ text }) => text);
  if (reader.found.defined.has(programName(argv[0]!))) return undefined;
  const input = scope.input();
  return constantOutputOf(argv, typeof input === 'string' ? undefined : input.text);
}
