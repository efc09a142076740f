import { programTexts, shellInCode } from './hidden.ts';
import type { Reader } from './reader.ts';
import { programName, type ShellRedirect } from './reading.ts';
import { forked, noInput, type Scope } from './scope.ts';
import { shellArguments } from './shell-arguments.ts';
import { constantWord, type ShellWord, UNKNOWN } from './variables.ts';
import type { WindowsCommand } from './windows.ts';

/** `sh -c TEXT`, `sh FILE`, `… | sh`. */
export function runShell(
  reader: Reader,
  program: string,
  words: readonly ShellWord[],
  redirects: readonly ShellRedirect[],
  scope: Scope,
): void {
  const inside = { ...forked(scope), via: [...scope.via, program] };
  const { script, operands } = shellArguments(words);
  if (script !== undefined) {
    reader.found.emit(program, words, redirects, scope);
    inside.variables.positional = operands.slice(1);
    if (operands[0] !== undefined) inside.variables.set('0', operands[0]);
    reader.script(script, inside);
    return;
  }
  reader.found.emit(program, words, redirects, scope);
  inside.variables.positional = operands.slice(1);
  if (operands[0] === undefined) runInput(reader, inside);
  else runFile(reader, operands[0], inside);
}

/** A file run as a script: known only when the text itself says what is in it. */
export function runFile(reader: Reader, word: ShellWord | undefined, scope: Scope): void {
  if (word === undefined) return;
  if (/^(?:-|\/dev\/stdin|\/dev\/fd\/0|\/proc\/self\/fd\/0)$/.test(word.text)) runInput(reader, scope);
  else if (word.content !== undefined) reader.script(constantWord(word.content), scope);
  else if (word.dynamic || word.from.length > 0 || reader.found.written.has(programName(word.text)))
    reader.found.dynamic = true;
}

/** What a program reads from its standard input, run as a script. */
export function runInput(reader: Reader, scope: Scope): void {
  const input = scope.input();
  if (input === 'none') return;
  if (input === 'unknown') reader.found.dynamic = true;
  else reader.script(constantWord(input.text), { ...scope, input: noInput, pipedFrom: undefined });
}

/** Command lines inside code of another language. */
export function runInterpreter(reader: Reader, program: string, words: readonly ShellWord[], scope: Scope): void {
  const texts = programTexts(program, words);
  if (texts.length === 0 && words.slice(1).every(({ text }) => text.startsWith('-'))) {
    const input = scope.input();
    if (input === 'unknown') reader.found.dynamic = true;
    else if (input !== 'none') texts.push(constantWord(input.text));
  }
  for (const text of texts) {
    for (const script of shellInCode(text.text))
      reader.script({ ...text, dynamic: script.includes(UNKNOWN), text: script }, forked(scope));
  }
}

/** `alias NAME=TEXT`: the text is read here, as nobody knows where the name is used. */
export function defineAlias(reader: Reader, word: ShellWord, scope: Scope): void {
  const equals = word.text.indexOf('=');
  if (equals < 1) return;
  reader.found.defined.add(programName(word.text.slice(0, equals)));
  reader.script({ ...word, text: word.text.slice(equals + 1) }, forked(scope));
}

/** Adds what a shell of Windows would run. */
export function runWindows(reader: Reader, commands: readonly WindowsCommand[], scope: Scope): void {
  for (const { words, via, dynamic, redirects } of commands) {
    if (dynamic) reader.found.dynamic = true;
    const named = words[0] === undefined || words[0].includes(UNKNOWN) ? undefined : programName(words[0]);
    const shellWords = words.map((text) => ({ ...constantWord(text), dynamic: text.includes(UNKNOWN) }));
    const targets = redirects.map((target) => ({ op: '>', target, word: constantWord(target) }));
    reader.found.emit(named, shellWords, targets, { ...scope, via: [...scope.via, via] });
  }
}
