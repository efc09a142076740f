import type { ShellCommand } from './reading.ts';

/** The known texts of the arguments behind the program; unknown parts are `\0`. */
export const textsOf = (command: ShellCommand): string[] => command.words.slice(1).map(({ text }) => text);

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
