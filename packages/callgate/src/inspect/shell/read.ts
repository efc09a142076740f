import { Found } from './found.ts';
import { constantOutput } from './output.ts';
import type { Reader } from './reader.ts';
import { ShellLimit, type ShellReading } from './reading.ts';
import { runWords } from './run.ts';
import { runWindows } from './run-text.ts';
import { type Scope, topScope } from './scope.ts';
import type { ParseShell } from './tree.ts';
import { LONGEST_TEXT } from './tree.ts';
import { constantWord, type ShellWord, UNKNOWN } from './variables.ts';
import { walkStatement } from './walk.ts';
import { readWindows } from './windows.ts';

/**
 * Reads what a command line would run.
 * @param text a command line for Bash; or an argv, judged as it is, without a shell in between.
 * @param parse the parser, handed in because it is loaded only where a policy asks for it.
 * @returns every command, also inside substitutions, wrappers and nested shells. Never throws: what is too long, too
 * deep or no shell is `unparsed`, with whatever commands were found before.
 */
export function readShell(text: string | readonly string[], parse: ParseShell): ShellReading {
  const reader = readerOf(parse);
  try {
    if (typeof text === 'string') readLine(reader, text);
    else readArguments(reader, text);
  } catch (error) {
    if (error instanceof ShellLimit) reader.found.refuse(error.message);
    else if (error instanceof RangeError) reader.found.refuse('it is nested too deeply');
    else throw error;
  }
  return reader.found.reading();
}

function readLine(reader: Reader, text: string): void {
  if (text.includes(UNKNOWN)) throw new ShellLimit('it holds a NUL character');
  const scope = topScope();
  const before = reader.found.commands.length;
  reader.script(constantWord(text), scope);
  const windows = readWindows(text, reader.found.commands.slice(before));
  // What Bash cannot read stays unread: nobody knows which shell will get it.
  if (windows !== undefined) runWindows(reader, windows, scope);
}

function readArguments(reader: Reader, words: readonly string[]): void {
  const length = words.reduce((sum, word) => sum + word.length + 1, 0);
  if (length > LONGEST_TEXT) throw new ShellLimit(`it is longer than ${LONGEST_TEXT} characters`);
  if (words.some((word) => word.includes(UNKNOWN))) throw new ShellLimit('it holds a NUL character');
  if (words.length > 0) runWords(reader, words.map(constantWord), [], topScope());
}

function readerOf(parse: ParseShell): Reader {
  const reader: Reader = {
    found: new Found(),
    script: (word, scope) => readScript(reader, parse, word, scope),
    statements: (script, scope) => {
      for (const statement of script) walkStatement(reader, statement, scope);
    },
    output: (script, scope) => constantOutput(reader, script, scope),
  };
  return reader;
}

function readScript(reader: Reader, parse: ParseShell, word: ShellWord, scope: Scope): void {
  const { found } = reader;
  if (word.dynamic && !scope.quiet) found.dynamic = true;
  found.startParse(word.text, scope.depth);
  const parsed = parse(word.text.replaceAll(UNKNOWN, '${_}'));
  // A script is read here; its substitutions are no text that somebody may evaluate later.
  found.substitutions.delete(word.text);
  found.substitutions.delete(word.text.replace(/\n$/, ''));
  if ('unparsed' in parsed) {
    found.refuse(parsed.unparsed);
    return;
  }
  if (parsed.late?.evaluates === true) found.evaluates = true;
  if (parsed.late?.runs === true && !scope.quiet) found.dynamic = true;
  reader.statements(parsed.script, { ...scope, depth: scope.depth + 1 });
}
