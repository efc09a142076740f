import { assignBefore, setVariables } from './assign.ts';
import { commandArguments, isInterpreter, isSqlClient } from './hidden.ts';
import { evaluatesLate } from './late.ts';
import type { Reader } from './reader.ts';
import { programName, ShellLimit, type ShellRedirect } from './reading.ts';
import { defineAlias, runFile, runInput, runInterpreter, runShell, runWindows } from './run-text.ts';
import { forked, type Scope } from './scope.ts';
import { readsSettingsElsewhere } from './settings.ts';
import { join, unwrap } from './unwrap.ts';
import { constantWord, type ShellWord, UNKNOWN, unknownWord } from './variables.ts';
import { windowsInner } from './windows.ts';

const MOST_WRAPPERS = 16;
const MOST_LINES = 256;

/** Runs words: takes wrappers off until the program that does something is bare. */
export function runWords(
  reader: Reader,
  given: readonly ShellWord[],
  redirects: readonly ShellRedirect[],
  outer: Scope,
  shell: Scope = outer,
): void {
  let words = given;
  let scope = outer;
  for (let round = 0; ; round++) {
    if (round > MOST_WRAPPERS) throw new ShellLimit('too many wrappers around a command');
    if (scope.quiet) return;
    const program = programOf(reader, words);
    if (program === undefined) return runUnknown(reader, words, redirects, scope);
    if (runSpecial(reader, program, words, redirects, scope, shell)) return;
    const inner = unwrap(program, words);
    if (inner === undefined) {
      reader.found.emit(program, words, redirects, scope);
      if (READS_COMMANDS.has(program)) runInput(reader, { ...scope, via: [...scope.via, program] });
      return;
    }
    if (inner.keeps) reader.found.emit(program, words, redirects, scope);
    if (ASSIGNS.has(program)) {
      scope = forked(scope);
      assignBefore(reader, words.slice(0, words.length - (inner.words?.length ?? 0)), scope);
    }
    scope = { ...scope, via: [...scope.via, program] };
    for (const script of inner.scripts ?? []) {
      if (!inner.keeps) carryRedirects(reader, redirects, scope);
      reader.script(script, forked(scope));
    }
    if (inner.words === undefined) return;
    words = program === 'xargs' ? withArguments(reader, inner.words, words, scope) : inner.words;
    if (inner.keeps) redirects = [];
  }
}

/** The name of the program; undefined when it is unknown. A guess counts, and makes the reading dynamic. */
function programOf(reader: Reader, words: readonly ShellWord[]): string | undefined {
  const first = words[0]!;
  if (first.text.includes(UNKNOWN) || (first.glob && first.text !== '[' && first.text !== '[[')) return undefined;
  const name = programName(first.text);
  if (first.dynamic || name === '' || /\s/.test(name) || wasWritten(reader, first.text)) reader.found.dynamic = true;
  return name;
}

function wasWritten(reader: Reader, path: string): boolean {
  return path.includes('/') && reader.found.written.has(programName(path));
}

function runUnknown(
  reader: Reader,
  words: readonly ShellWord[],
  redirects: readonly ShellRedirect[],
  scope: Scope,
): void {
  reader.found.dynamic = true;
  reader.found.emit(undefined, words, redirects, scope);
  // `$SUDO rm -rf /`: an empty variable leaves the next word as the program.
  const [first, ...rest] = words;
  if (first?.text === UNKNOWN && rest.length > 0 && RISKY.has(programName(rest[0]!.text))) {
    runWords(reader, rest, [], { ...scope, via: [...scope.via, '?'] });
  }
}

/** Programs that run a text, change the shell itself, or are an interpreter. Returns whether nothing is left to do. */
function runSpecial(
  reader: Reader,
  program: string,
  words: readonly ShellWord[],
  redirects: readonly ShellRedirect[],
  scope: Scope,
  shell: Scope,
): boolean {
  if (SHELLS.has(program)) {
    runShell(reader, program, words, redirects, scope);
    return true;
  }
  const inside = { ...scope, via: [...scope.via, program] };
  switch (program) {
    case 'eval':
      reader.found.emit(program, words, redirects, scope);
      reader.script(join(words.slice(1)), inside);
      return true;
    case '.':
    case 'source':
      reader.found.emit(program, words, redirects, scope);
      runFile(reader, words[1], inside);
      shell.variables.forgetAll();
      return true;
    case 'trap':
      reader.found.emit(program, words, redirects, scope);
      if (words.length > 2 && !words[1]!.text.startsWith('-')) reader.script(words[1]!, inside);
      return true;
    case 'alias':
      reader.found.emit(program, words, redirects, scope);
      for (const word of words.slice(1)) defineAlias(reader, word, inside);
      return true;
    case 'at':
    case 'batch':
      reader.found.emit(program, words, redirects, scope);
      runInput(reader, inside);
      return true;
    default:
      break;
  }
  const late = evaluatesLate(program, words);
  if (late === 'known' || readsSettingsElsewhere(program, words, scope.variables)) reader.found.dynamic = true;
  if (late === 'names') reader.found.evaluates = true;
  setVariables(reader, program, words, shell);
  const told = [...words, ...clientLines(reader, program, scope)];
  if (told.length > 1) {
    for (const script of commandArguments(program, told)) reader.script(script, forked(inside));
  }
  if (isInterpreter(program)) runInterpreter(reader, program, words, inside);
  const windows = windowsInner(program, words);
  if (windows !== undefined) {
    reader.found.emit(program, words, redirects, scope);
    if (windows === 'unknown') reader.found.dynamic = true;
    else runWindows(reader, windows, inside);
    return true;
  }
  return false;
}

/** What a database client is given to read, line by line: it knows commands too. */
function clientLines(reader: Reader, program: string, scope: Scope): ShellWord[] {
  if (!isSqlClient(program)) return [];
  const input = scope.input();
  return typeof input === 'string' ? [] : input.text.split('\n').slice(0, MOST_LINES).map(constantWord);
}

/** What xargs adds to the words it was given. */
function withArguments(
  reader: Reader,
  words: readonly ShellWord[],
  outer: readonly ShellWord[],
  scope: Scope,
): readonly ShellWord[] {
  const marker = outer.findIndex(({ text }) => /^(?:-[IJ]|--replace)/.test(text));
  const from = scope.pipedFrom ?? [];
  if (marker > 0 || outer.some(({ text }) => text === '-i')) {
    const glued = /^(?:-[IJ]|--replace=)([\s\S]+)$/.exec(outer[marker]?.text ?? '')?.[1];
    const name = glued ?? (/^-[IJ]$/.test(outer[marker]?.text ?? '') ? outer[marker + 1]?.text : '{}') ?? '{}';
    return words.map((word) =>
      name !== '' && word.text.includes(name)
        ? { ...word, text: word.text.replaceAll(name, UNKNOWN), dynamic: true, from: [...word.from, ...from] }
        : word,
    );
  }
  const input = scope.input();
  const known = typeof input === 'string' ? undefined : input.text.split(/\s+/).filter((item) => item !== '');
  if (known === undefined || known.length > 64) return [...words, unknownWord(from)];
  return [...words, ...known.map((text) => ({ ...constantWord(text), from }))];
}

/** Redirections of a wrapper that leaves no command of its own. */
function carryRedirects(reader: Reader, redirects: readonly ShellRedirect[], scope: Scope): void {
  if (redirects.length > 0) reader.found.emit('', [], redirects, scope);
}

const SHELLS = new Set('sh bash zsh dash ksh ksh93 mksh ash rbash fish csh tcsh yash posh hush'.split(' '));
const ASSIGNS = new Set(['env', 'sudo', 'doas']);
const RISKY = new Set(
  'rm rmdir dd mkfs shred wipefs find sh bash zsh dash eval curl wget nc ncat sudo doas chmod chown mv cp git docker kubectl python python3 perl node'.split(
    ' ',
  ),
);
/** Without a command these run what they read. */
const READS_COMMANDS = new Set(
  'sudo doas su runuser ssh slogin chroot unshare nsenter fakeroot nix-shell proot'.split(' '),
);
