import { splitGlobals } from './global-options.ts';
import type { ShellCommand } from './reading.ts';

/**
 * The known texts of the arguments behind the program; unknown parts are `\0`. Where the program works stands last, so
 * that its subcommand comes first: `poetry -C dir run x` reads as `poetry run x -C dir`.
 */
export function textsOf({ program, words }: ShellCommand): string[] {
  const { rest, globals } = splitGlobals(program ?? '', words);
  return [...rest.slice(1), ...globals].map(({ text }) => text);
}

/** Whether an option is there: `-x` alone or in a cluster, or a long option by its name or an unambiguous start of it. */
export function hasOption(texts: readonly string[], letters: string, ...longs: readonly string[]): boolean {
  for (const text of texts) {
    if (text === '--') return false;
    if (text.startsWith('--')) {
      const name = text.slice(2).split('=')[0]!;
      if (name.length >= 3 && longs.some((long) => long.startsWith(name))) return true;
    } else if (text.startsWith('-') && Array.from(letters).some((letter) => text.includes(letter, 1))) return true;
  }
  return false;
}

/** The words that are no options; all of them behind `--`. */
export function operandsOf(texts: readonly string[]): string[] {
  const end = texts.indexOf('--');
  const before = end < 0 ? texts : texts.slice(0, end);
  return [...before.filter((text) => !text.startsWith('-')), ...(end < 0 ? [] : texts.slice(end + 1))];
}

/** Common options of programs with subcommands that take no value. */
const FLAGS = new Set(
  '-a -g -q -s -v -y --all --debug --failed --global --json --no-color --no-pager --offline --quiet --silent --system --user --verbose --yes'.split(
    ' ',
  ),
);

/**
 * The subcommand and the operands behind it, in every way they may be read: a first operand behind an option that is
 * not known may be the value of that option, and the next one the subcommand.
 */
export function subcommandReadings(texts: readonly string[]): readonly (readonly string[])[] {
  const operands = operandsOf(texts);
  const before = texts[texts.indexOf(operands[0] ?? '') - 1];
  const isOption = before?.startsWith('-') === true && before !== '--' && !before.includes('=') && !FLAGS.has(before);
  return isOption && operands.length > 1 ? [operands, operands.slice(1)] : [operands];
}

/** The subcommand and what follows it, options of the program itself skipped (`git -C dir push`). */
export function subcommandOf(texts: readonly string[], valued: readonly string[]): { name: string; rest: string[] } {
  for (let at = 0; at < texts.length; at++) {
    const text = texts[at]!;
    if (valued.includes(text)) at++;
    else if (!text.startsWith('-')) return { name: text, rest: texts.slice(at + 1) };
  }
  return { name: '', rest: [] };
}

export const GIT_VALUED = ['-C', '-c', '--git-dir', '--work-tree', '--namespace', '--exec-path', '--config-env'];

/** Texts of code given to the program: in its arguments, or as a here-document or here-string. */
export function codeOf(command: ShellCommand): string {
  const documents = command.redirects.filter(({ op }) => op.startsWith('<<')).map(({ word }) => word.text);
  return [...textsOf(command), ...documents].join('\n');
}

/** A path that stands for the whole machine or a whole home: `/`, `/*`, `~`, `C:\`, `/etc`, `.`'s parents. */
export function isBroadPath(text: string): boolean {
  const path = text
    .replace(/^(["'])(.*)\1$/, '$2')
    .replace(/\/{2,}/g, '/')
    .replace(/\/(?:\.\/)+/g, '/');
  if (/^(?:\/|~\/?|\/\*|~\/\*|\/\.\*|\*|\.\*|\.\/\*|\.\.?\/?|\.\.\/\*|\/\.|\/\.\.)$/.test(path)) return true;
  if (/^(?:\.\.\/)+\*?$/.test(path)) return true;
  if (/^[A-Za-z]:(?:[\\/]\*?(?:\.\*)?)?$/.test(path)) return true;
  return /^(?:\/(?:bin|boot|dev|etc|home|lib|lib64|opt|proc|root|sbin|srv|sys|usr|var|Users|System|Library|Applications)|\/home\/[^/]+|\/Users\/[^/]+|~[a-z]\w*|[A-Za-z]:[\\/](?:Windows|Users|ProgramData|Program Files)[^\\/]*)[\\/]?\*?$/i.test(
    path,
  );
}

/** A path for a sentence: unknown parts as dots, not endless. */
export const shown = (text: string) => text.replaceAll('\0', '…').slice(0, 80);
