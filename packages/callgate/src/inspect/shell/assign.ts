import { expander } from './expansion.ts';
import { changesPrograms, isCommandVariable } from './hidden.ts';
import { evaluatesLate } from './late.ts';
import type { Reader } from './reader.ts';
import { forked, type Scope } from './scope.ts';
import { isPlaceOfSettings } from './settings.ts';
import type { Assignment, Command } from './tree.ts';
import { skipOptions } from './unwrap.ts';
import { constantWord, type ShellWord, unknownWord } from './variables.ts';
import { expandFields, expandOne } from './words.ts';

/** `NAME=value`: sets the variables of `scope`, with values that see those of `seenBy`. */
export function assign(reader: Reader, assignments: readonly Assignment[], scope: Scope, seenBy: Scope = scope): void {
  for (const { name, append, value, array } of assignments) {
    if (array !== undefined) {
      for (const word of array) expandFields(word, expander(reader, seenBy));
      scope.variables.forget(name);
      continue;
    }
    if (value === undefined) continue;
    const plain = expandOne(value, expander(reader, seenBy));
    const old = append ? (scope.variables.get(name) ?? unknownWord()) : undefined;
    const next = old === undefined ? plain : appended(old, plain);
    reader.found.spend(next.text.length);
    scope.variables.set(name, next);
    if (scope.quiet) continue;
    reader.found.assignments.push({ name, value: next });
    noticeEnvironment(reader, name, next, scope);
  }
}

/** `export`, `declare`, `readonly` …: flags, assignments and bare names. */
export function declareNames(reader: Reader, command: Command & { kind: 'declare' }, scope: Scope): void {
  const flags = command.flags.map((word) => expandOne(word, expander(reader, scope)));
  assign(reader, command.assignments, scope);
  const late = evaluatesLate(command.variant, [constantWord(command.variant), ...flags]);
  if (late === 'known' && !scope.quiet) reader.found.dynamic = true;
  if (late === 'names') reader.found.evaluates = true;
  const locks =
    command.variant === 'readonly' || flags.some((flag) => flag.dynamic || /^[-+].*[rilun]/.test(flag.text));
  if (locks) {
    for (const { name, value } of command.assignments) {
      if (flags.some((flag) => /^-.*[ilun]/.test(flag.text)) && value !== undefined) scope.variables.forget(name);
      scope.variables.lock(name);
    }
  }
  const names = command.assignments.map(({ name }) => constantWord(name));
  reader.found.emit(command.variant, [constantWord(command.variant), ...flags, ...names], [], scope);
}

/** `env NAME=value program`, `sudo NAME=value program`. */
export function assignBefore(reader: Reader, words: readonly ShellWord[], scope: Scope): void {
  for (const word of words.slice(1)) {
    const match = /^([A-Za-z_][\w.%]*)(?:\(\))?=([\s\S]*)$/.exec(word.text);
    if (match === null) continue;
    const value = { ...word, text: match[2]! };
    if (isPlaceOfSettings(match[1]!)) scope.variables.set(match[1]!, value);
    noticeEnvironment(reader, match[1]!, value, scope);
  }
}

/** Builtins that give variables values nobody can foresee. */
const SETTERS = new Set('read unset mapfile readarray getopts let printf set shift'.split(' '));

export function setVariables(reader: Reader, program: string, words: readonly ShellWord[], scope: Scope): void {
  if (!SETTERS.has(program)) return;
  if (program === 'set') {
    const rest = skipOptions(words, { values: 'o' });
    if (rest.length > 0 || words.some(({ text }) => text === '--')) scope.variables.positional = rest;
    return;
  }
  if (program === 'printf') {
    if (words[1]?.text === '-v') scope.variables.forget(words[2]?.text ?? '_');
    if (words[1]?.text === '-v' && changesPrograms(words[2]?.text ?? '', words[3]?.text ?? ''))
      reader.found.dynamic = true;
    return;
  }
  if (program === 'shift') scope.variables.positional = 'unknown';
  for (const { text, dynamic } of words.slice(1)) {
    if (dynamic) scope.variables.forgetAll();
    else scope.variables.forget(/^[A-Za-z_]\w*/.exec(text)?.[0] ?? '_');
  }
  if (program === 'read') scope.variables.forget('REPLY');
}

/** A variable that other programs run, or that changes what they are. */
function noticeEnvironment(reader: Reader, name: string, value: ShellWord, scope: Scope): void {
  if (changesPrograms(name, value.text)) reader.found.dynamic = true;
  if (isCommandVariable(name)) reader.script(value, { ...forked(scope), via: [...scope.via, name] });
}

function appended(old: ShellWord, more: ShellWord): ShellWord {
  return {
    text: old.text + more.text,
    dynamic: old.dynamic || more.dynamic,
    glob: old.glob || more.glob,
    from: [...old.from, ...more.from],
  };
}
