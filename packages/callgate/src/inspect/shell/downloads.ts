import { codeOf, operandsOf, textsOf } from './arguments.ts';
import { isInterpreter } from './hidden.ts';
import { FETCHERS, isShell, isSocket, overDevice } from './network.ts';
import type { ShellCommand } from './reading.ts';
import type { ShellWord } from './variables.ts';

/** What is known about a whole line: who fetched something, and into which files. */
export interface Downloads {
  readonly fetches: readonly boolean[];
  readonly files: ReadonlySet<string>;
  readonly powershell: boolean;
}

export function downloads(commands: readonly ShellCommand[]): Downloads {
  const fetches: boolean[] = [];
  const files = new Set<string>();
  const spans = new Map<readonly number[], boolean>();
  // What reads from a fetch passes it on.
  commands.forEach((command, at) => {
    const own = fetchesFrom(command);
    fetches.push(
      own || any(command.pipedFrom, fetches, spans) || command.words.some(({ from }) => any(from, fetches, spans)),
    );
    if (own) for (const file of fetchedFiles(command)) files.add(file);
    if (fetches[at] === true) {
      for (const { op, word } of command.redirects) if (op.includes('>')) files.add(baseName(word.text));
      if (command.program === 'tee') for (const file of operandsOf(textsOf(command))) files.add(baseName(file));
    }
    if (files.size > 0 && /^(?:mv|cp|ln|install)$/.test(command.program ?? '')) {
      const operands = operandsOf(textsOf(command));
      if (operands.slice(0, -1).some((file) => files.has(baseName(file)))) files.add(baseName(operands.at(-1)!));
    }
  });
  files.delete('');
  files.delete('null');
  const powershell = commands.some(
    ({ via, words, program }) =>
      via.includes('powershell') &&
      (FETCHERS.has(program ?? '') ||
        words.some(({ text }) => /webclient|downloadstring|downloadfile|downloaddata/i.test(text))),
  );
  return { fetches, files, powershell };
}

function fetchesFrom(command: ShellCommand): boolean {
  const { program = '' } = command;
  if (FETCHERS.has(program) || isSocket(command) || overDevice(command)) return true;
  if (program === 'ssh' || program === 'dig' || program === 'nslookup' || program === 'host') return true;
  if (program === 'git') return textsOf(command).some((text) => text === 'clone' || text === 'archive');
  if (program === 'aws' || program === 'gh' || program === 'gcloud') return true;
  return isInterpreter(program) && /urlopen|urlretrieve|requests\.get|https?:\/\//.test(codeOf(command));
}

function any(
  positions: readonly number[] | undefined,
  flags: readonly boolean[],
  spans: Map<readonly number[], boolean>,
): boolean {
  if (positions === undefined || positions.length === 0) return false;
  const known = spans.get(positions);
  if (known !== undefined) return known;
  const found = positions.some((at) => flags[at] === true);
  spans.set(positions, found);
  return found;
}

const baseName = (path: string) =>
  path
    .replace(/[/\\]+$/, '')
    .replace(/^.*[/\\]/s, '')
    .replaceAll('\0', '');

function fetchedFiles(command: ShellCommand): string[] {
  const texts = textsOf(command);
  const files: string[] = [];
  texts.forEach((text, at) => {
    const next = texts[at + 1];
    const glued = /^(?:-o|-O|--output=|--output-document=|--out=)([\s\S]+)$/.exec(text)?.[1];
    if (/^(?:-[a-zA-Z]*[oO]|--output|--output-document|--out|-outfile)$/i.test(text) && next !== undefined)
      files.push(baseName(next));
    else if (glued !== undefined) files.push(baseName(glued));
    if (/^\w+:\/\//.test(text) || /^[\w.-]+\.[a-z]{2,}\/\S+$/i.test(text))
      files.push(baseName(text.replace(/[?#].*$/s, '')));
  });
  if (/^(?:scp|sftp|git|certutil|bitsadmin|ftp|tftp)$/.test(command.program ?? ''))
    files.push(...operandsOf(texts).map((text) => baseName(text).replace(/\.git$/, '')));
  return files;
}

/** Why a command runs what came from another machine. */
export function downloadAndRun(command: ShellCommand, at: number, line: Downloads): string | undefined {
  const { program } = command;
  const runs = program === undefined || isShell(command) || isInterpreter(program);
  const fetched = (word: ShellWord | undefined) => word?.from.some((source) => line.fetches[source] === true) === true;
  if (fetched(command.words[0])) return 'runs the output of a download as a command';
  if (runs && !isAwk(program)) {
    if (command.pipedFrom?.some((source) => line.fetches[source] === true) === true && readsInput(command))
      return 'pipes a download into an interpreter';
    if (command.words.slice(1).some(fetched) && !isData(command)) return 'hands a download to an interpreter';
  }
  if (line.powershell && (program === 'iex' || program === 'invoke-expression')) return 'runs a download';
  if (line.files.size > 0 && at > 0) {
    const [first, ...rest] = command.words.map(({ text }) => text);
    if (first !== undefined && first.includes('/') && line.files.has(baseName(first)) && !FETCHERS.has(program ?? ''))
      return 'runs a downloaded file';
    const script = runs ? rest.find((text) => !text.startsWith('-') && !text.includes('://')) : undefined;
    if (script !== undefined && line.files.has(baseName(script))) return 'runs a downloaded file';
    if (
      program === 'chmod' &&
      rest.some((text) => /^(?:[ugoa]*[+=][rw]*x|[0-7]*[1357][0-7]*)$/.test(text)) &&
      rest.some((text) => line.files.has(baseName(text)))
    )
      return 'makes a downloaded file executable';
  }
  if (program === 'mshta' || program === 'regsvr32' || program === 'rundll32')
    return textsOf(command).some((text) => /https?:/i.test(text)) ? 'runs a script from the network' : undefined;
  return isInterpreter(program ?? '') &&
    /(?:exec|eval)\s{0,4}\(?[\s\S]{0,200}(?:urlopen|requests\.get|LWP|open-uri|https?:\/\/)|(?:urlopen|requests\.get)[\s\S]{0,200}(?:exec|eval)\s{0,4}\(/.test(
      codeOf(command),
    )
    ? 'code that runs a download'
    : undefined;
}

const isAwk = (program: string | undefined) => program?.endsWith('awk') === true;
/** `python -c 'json.load(…)'` behind a pipe reads data; `python`, `python -` reads a program. */
function readsInput(command: ShellCommand): boolean {
  const { program } = command;
  if (program === undefined || isShell(command))
    return (
      !command.words.some(({ text }, index) => index > 0 && /^-[a-zA-Z]*c$/.test(text)) || command.words.length === 1
    );
  if (!isInterpreter(program)) return false;
  return textsOf(command).every(
    (text) => text === '-' || (text.startsWith('-') && !/^-[a-zA-Z]*[cepnmrE]/.test(text) && !text.startsWith('--')),
  );
}
const isData = (command: ShellCommand) =>
  isInterpreter(command.program ?? '') && textsOf(command).some((text) => /^-m$/.test(text));
