import { assign, declareNames } from './assign.ts';
import { expander, expandRedirects } from './expansion.ts';
import { changesPrograms } from './hidden.ts';
import type { Reader } from './reader.ts';
import { programName, type ShellRedirect } from './reading.ts';
import { runWords } from './run.ts';
import { forked, range, remembered, type Scope, unknownInput } from './scope.ts';
import type { Command, Script, Statement } from './tree.ts';
import { unknownWord } from './variables.ts';
import { expandFields, expandOne } from './words.ts';

/** Walks one statement of a script: its redirections, then its command. */
export function walkStatement(reader: Reader, statement: Statement, outer: Scope): void {
  const { redirects, scope } = expandRedirects(reader, statement.redirects, outer);
  const { command } = statement;
  if (command?.kind === 'simple') {
    walkSimple(reader, command, redirects, statement.background ? forked(scope) : scope);
    return;
  }
  if (redirects.length > 0) reader.found.emit('', [], redirects, scope);
  if (command !== undefined) walkCompound(reader, command, statement.background ? forked(scope) : scope);
}

function walkSimple(
  reader: Reader,
  command: Command & { kind: 'simple' },
  redirects: readonly ShellRedirect[],
  scope: Scope,
): void {
  const fields = command.words.flatMap((word) => expandFields(word, expander(reader, scope)));
  if (fields.length === 0) {
    assign(reader, command.assignments, scope);
    if (redirects.length > 0) reader.found.emit('', [], redirects, scope);
    return;
  }
  const own = command.assignments.length > 0 ? forked(scope) : scope;
  assign(reader, command.assignments, own, scope);
  runWords(reader, fields, redirects, own, scope);
}

function walkCompound(reader: Reader, command: Exclude<Command, { kind: 'simple' }>, scope: Scope): void {
  switch (command.kind) {
    case 'declare':
      declareNames(reader, command, scope);
      return;
    case 'pipeline':
      walkPipeline(reader, command.stages, scope);
      return;
    case 'chain':
      walkChain(reader, command.links, scope);
      return;
    case 'group':
      reader.statements(command.script, command.subshell ? forked(scope) : scope);
      return;
    case 'branches':
      for (const word of command.words) expandOne(word, expander(reader, scope));
      walkBranches(reader, command.scripts, scope);
      return;
    case 'loop':
      walkLoop(reader, command, scope);
      return;
    case 'function':
      walkFunction(reader, command.name, command.script, scope);
      return;
    case 'values':
      reader.statements(command.script, { ...forked(scope), inSubstitution: true });
      for (const name of command.sets) scope.variables.forget(name);
  }
}

function walkPipeline(reader: Reader, stages: readonly Statement[], scope: Scope): void {
  let { pipedFrom, input } = scope;
  for (const stage of stages) {
    const here: Scope = { ...forked(scope), pipedFrom, input };
    const start = reader.found.commands.length;
    walkStatement(reader, stage, here);
    pipedFrom = range(start, reader.found.commands.length);
    input = remembered(() => reader.output([stage], forked(here)));
  }
}

/** `a && b` shares variables as long as nothing was skipped; behind `||` and after the chain they are in doubt. */
function walkChain(
  reader: Reader,
  links: readonly { readonly join: '&&' | '||'; readonly statement: Statement }[],
  scope: Scope,
): void {
  const [first, ...rest] = links;
  if (first !== undefined) walkStatement(reader, first.statement, scope);
  let branch = forked(scope);
  for (const { join: joint, statement } of rest) {
    if (joint === '||') {
      scope.variables.join(branch.variables);
      branch = forked(scope);
    }
    walkStatement(reader, statement, branch);
    if (joint === '||') {
      scope.variables.join(branch.variables);
      branch = forked(scope);
    }
  }
  scope.variables.join(branch.variables);
}

function walkBranches(reader: Reader, scripts: readonly Script[], scope: Scope): void {
  for (const script of scripts) {
    const branch = forked(scope);
    reader.statements(script, branch);
    scope.variables.join(branch.variables);
  }
}

function walkLoop(reader: Reader, command: Command & { kind: 'loop' }, scope: Scope): void {
  const items = command.items.flatMap((word) => expandFields(word, expander(reader, scope)));
  // What a pattern or another command lists: to `rm` it is as good as the pattern.
  const listed = items.some(({ glob, dynamic, from }) => glob || (dynamic && from.length > 0));
  const many = { ...unknownWord(items.flatMap(({ from }) => from)), glob: listed };
  const only = items.length === 1 && !listed ? items[0]! : many;
  const body = forked(scope);
  body.variables.set(command.name, only);
  if (changesPrograms(command.name, only.text)) reader.found.dynamic = true;
  reader.statements(command.script, body);
  scope.variables.join(body.variables);
}

function walkFunction(reader: Reader, name: string, script: Script, scope: Scope): void {
  reader.found.defined.add(programName(name));
  const body = forked(scope);
  body.variables.positional = 'unknown';
  const via = [...scope.via, `${programName(name)}()`];
  reader.statements(script, { ...body, via, pipedFrom: undefined, input: unknownInput });
  // It runs wherever it is called, and may be called between any two assignments.
  scope.variables.join(body.variables);
}
