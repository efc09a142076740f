import { splitGlobals } from './global-options.ts';
import type { ShellWord } from './variables.ts';
import { UNKNOWN, unknownWord } from './variables.ts';
import { RUNNERS, type Wrapper, WRAPPERS } from './wrappers.ts';

/** What stands inside a command that runs another one. */
export interface Inner {
  /** The program inside, as words. */
  readonly words?: readonly ShellWord[];
  /** Command lines inside. */
  readonly scripts?: readonly ShellWord[];
  /** The outer program does something of its own too (`ssh`, `find`, `docker`), so it stays a command. */
  readonly keeps: boolean;
}

/**
 * Takes one wrapper off a command: `sudo`, `env`, `find -exec`, `ssh host`, `docker exec`…
 * Shells themselves are the reader's, as they need the input. Returns undefined when nothing is wrapped.
 */
export function unwrap(program: string, words: readonly ShellWord[]): Inner | undefined {
  switch (program) {
    case 'env':
      return unwrapEnv(words);
    case 'find':
    case 'gfind':
      return words_(findCommands(words), true);
    case 'fd':
    case 'fdfind':
      return after(words, ['-x', '-X', '--exec', '--exec-batch'], true);
    case 'su':
    case 'runuser':
      return unwrapSu(words);
    case 'ssh':
    case 'slogin':
    case 'autossh':
      return unwrapSsh(words);
    case 'docker':
    case 'podman':
    case 'nerdctl':
      return unwrapContainer(words);
    case 'kubectl':
    case 'oc':
      return words.some(({ text }) => text === 'exec' || text === 'run' || text === 'debug')
        ? (after(words, ['--'], true) ?? undefined)
        : undefined;
    case 'watch':
      return joined(skipOptions(words, { values: 'n', longs: ['interval'] }), false);
    case 'parallel':
      return parallel(words);
    case 'flock':
      return flock(words);
    case 'script':
      return optionScripts(words, ['-c', '--command'], false);
    case 'nix-shell':
      return optionScripts(words, ['--run', '--command'], true);
    case 'direnv':
      return words[1]?.text === 'exec' ? words_([words.slice(3)], true) : undefined;
    case 'wsl':
    case 'distrobox':
    case 'toolbox':
      return after(words, ['--', '-e', '--exec', 'run'], true);
    default:
      break;
  }
  const wrapper = WRAPPERS.get(program);
  if (wrapper !== undefined) return unwrapPlain(program, words, wrapper);
  const subcommands = RUNNERS.get(program);
  return subcommands === undefined ? undefined : unwrapRunner(program, words, subcommands);
}

/** `poetry -C dir run COMMAND`: the subcommand stands behind options of the program, of which some take a value. */
function unwrapRunner(program: string, words: readonly ShellWord[], subcommands: readonly string[]): Inner | undefined {
  const { rest } = splitGlobals(program, words);
  let at = 1;
  // A word behind an option that is not known may be its value, and the subcommand stands later.
  while (at < rest.length && !subcommands.includes(rest[at]!.text)) {
    if (!rest[at]!.text.startsWith('-') && !rest[at - 1]!.text.startsWith('-')) return undefined;
    at++;
  }
  return words_([skipOptions(rest.slice(at), { values: 'np', longs: ['name', 'package', 'with', 'python'] })], true);
}

function unwrapPlain(program: string, words: readonly ShellWord[], wrapper: Wrapper): Inner | undefined {
  if (wrapper.asks?.includes(words[1]?.text ?? '') === true) return undefined;
  let rest = skipOptions(words, wrapper);
  if (wrapper.assigns === true) rest = skipAssignments(rest);
  rest = rest.slice(wrapper.operands ?? 0);
  if (program === 'sudo' && rest.length === 0 && /^-\w*[ei]/.test(words[1]?.text ?? '')) return undefined;
  return rest.length === 0 ? undefined : { words: rest, keeps: wrapper.keeps === true };
}

/** The words after the options; `--` ends them, an unknown one that hides a program stops the search. */
export function skipOptions(
  words: readonly ShellWord[],
  spec: Pick<Wrapper, 'values' | 'longs'>,
): readonly ShellWord[] {
  let at = 1;
  for (; at < words.length; at++) {
    const { text } = words[at]!;
    if (text === '--') return words.slice(at + 1);
    if (!text.startsWith('-') || text === '-') break;
    if (text.startsWith('--')) {
      // GNU's long options may be cut short.
      if (
        spec.longs?.some((long) => long === text.slice(2) || (text.length > 3 && long.startsWith(text.slice(2)))) ===
        true
      )
        at++;
      continue;
    }
    const taker = Array.from(text.slice(1)).findIndex((letter) => spec.values?.includes(letter) === true);
    if (taker >= 0 && taker === text.length - 2) at++;
  }
  return words.slice(at);
}

function skipAssignments(words: readonly ShellWord[]): readonly ShellWord[] {
  const at = words.findIndex(({ text }) => !/^[A-Za-z_][\w.]*=/.test(text));
  return at < 0 ? [] : words.slice(at);
}

/** `env -S 'rm -rf /'` splits one word into a command. */
function unwrapEnv(words: readonly ShellWord[]): Inner | undefined {
  for (let at = 1; at < words.length && words[at]!.text.startsWith('-'); at++) {
    // `-u` and `-C` take what is glued to them, an `S` too, or else the next word.
    if (/^(?:-[abd-tv-zABD-RT-Z0]*[uC]|--(?:un|ch)[a-z]*)$/.test(words[at]!.text)) at++;
    const match = /^(?:-[abd-tv-zABD-RT-Z0]*S|--s[a-z-]*=?)([\s\S]*)$/.exec(words[at]?.text ?? '');
    if (match === null) continue;
    const script = match[1] === '' ? words[at + 1] : { ...words[at]!, text: match[1]! };
    const rest = words.slice(at + (match[1] === '' ? 2 : 1));
    return { scripts: [join([...(script === undefined ? [] : [script]), ...rest])], keeps: false };
  }
  return unwrapPlain('env', words, WRAPPERS.get('env')!);
}

/** Every `-exec … ;` of a find; `{}` is a path nobody knows. */
function findCommands(words: readonly ShellWord[]): ShellWord[][] {
  const commands: ShellWord[][] = [];
  for (let at = 1; at < words.length; at++) {
    if (!/^-(?:exec|execdir|ok|okdir)$/.test(words[at]!.text)) continue;
    const end = words.findIndex(
      ({ text }, index) => index > at && (text === ';' || (text === '+' && words[index - 1]!.text === '{}')),
    );
    const command = words.slice(at + 1, end < 0 ? words.length : end);
    commands.push(command.map(replaced));
    if (end < 0) break;
    at = end;
  }
  return commands;
}

/** The word with `{}` unknown. */
export const replaced = (word: ShellWord): ShellWord =>
  word.text.includes('{}') ? { ...word, text: word.text.replaceAll('{}', UNKNOWN), dynamic: true } : word;

function words_(commands: readonly (readonly ShellWord[])[], keeps: boolean): Inner | undefined {
  const filled = commands.filter((command) => command.length > 0);
  if (filled.length === 0) return undefined;
  if (filled.length === 1) return { words: filled[0]!, keeps };
  // Several commands in one: each as a command line, quoted so that it reads back as the same words.
  return { scripts: filled.map((command) => join(command.map(quote))), keeps };
}

function unwrapSu(words: readonly ShellWord[]): Inner | undefined {
  const scripts = optionScripts(words, ['-c', '--command', '--session-command'], false);
  if (scripts !== undefined) return scripts;
  const rest = words[0]!.text.endsWith('runuser')
    ? skipOptions(words, { values: 'ugGs', longs: ['user', 'group', 'shell'] })
    : [];
  return rest.length > 0 && words.some(({ text }) => text === '-u') ? { words: rest, keeps: false } : undefined;
}

function unwrapSsh(words: readonly ShellWord[]): Inner | undefined {
  const scripts: ShellWord[] = [];
  words.forEach(({ text }, at) => {
    const option = text === '-o' ? (words[at + 1]?.text ?? '') : text.startsWith('-o') ? text.slice(2) : '';
    const match = /^\s*(?:ProxyCommand|LocalCommand|KnownHostsCommand)[\s=]+([\s\S]+)$/i.exec(option);
    if (match !== null) scripts.push({ ...words[at]!, text: match[1]! });
  });
  // Options may stand behind the host too.
  const rest = skipOptions(words, { values: 'BbcDEeFIiJLlmOoPpQRSWw' });
  const remote = skipOptions(rest, { values: 'BbcDEeFIiJLlmOoPpQRSWw' });
  if (remote.length > 0) scripts.push(join(remote));
  return scripts.length > 0 ? { scripts, keeps: true } : undefined;
}

const CONTAINER_VALUES = 'aceEhlmpuvw';
const CONTAINER_FLAGS = new Set(
  'rm it interactive tty detach privileged init read-only no-healthcheck quiet publish-all oom-kill-disable sig-proxy disable-content-trust T'.split(
    ' ',
  ),
);

function unwrapContainer(words: readonly ShellWord[]): Inner | undefined {
  const at = words.findIndex(({ text }) => text === 'exec' || text === 'run');
  if (at < 0 || words.slice(1, at).some(({ text }) => /^(?:build|buildx|compose-file|pull|push|ps|images)$/.test(text)))
    return undefined;
  let next = at + 1;
  let entrypoint: ShellWord | undefined;
  for (; next < words.length; next++) {
    const { text } = words[next]!;
    if (!text.startsWith('-')) break;
    if (text === '--entrypoint') entrypoint = words[next + 1];
    if (text.startsWith('--entrypoint=')) entrypoint = { ...words[next]!, text: text.slice('--entrypoint='.length) };
    if (text.startsWith('--')) {
      if (!text.includes('=') && !CONTAINER_FLAGS.has(text.slice(2))) next++;
    } else if (CONTAINER_VALUES.includes(text.at(-1)!)) next++;
  }
  const rest = [...(entrypoint === undefined ? [] : [entrypoint]), ...words.slice(next + 1)];
  return rest.length > 0 ? { words: rest, keeps: true } : undefined;
}

/** `parallel 'rm -rf {}' ::: a b`: a command line, its arguments from elsewhere. */
function parallel(words: readonly ShellWord[]): Inner | undefined {
  const rest = skipOptions(words, {
    values: 'IjNnLdaPS',
    longs:
      'jobs arg-file delay timeout colsep joblog results sshlogin sshloginfile wd workdir tmpdir retries halt env'.split(
        ' ',
      ),
  });
  const end = rest.findIndex(({ text }) => text.startsWith(':::'));
  const command = end < 0 ? rest : rest.slice(0, end);
  if (command.length === 0) return undefined;
  const inserts = command.some(({ text }) => text.includes('{}'));
  return joined([...command.map(replaced), ...(inserts ? [] : [unknownWord()])], false);
}

function flock(words: readonly ShellWord[]): Inner | undefined {
  const scripts = optionScripts(words, ['-c', '--command'], false);
  if (scripts !== undefined) return scripts;
  const rest = skipOptions(words, { values: 'wE', longs: ['timeout', 'conflict-exit-code'] }).slice(1);
  return rest.length > 0 ? { words: rest, keeps: false } : undefined;
}

function optionScripts(words: readonly ShellWord[], options: readonly string[], keeps: boolean): Inner | undefined {
  const scripts: ShellWord[] = [];
  words.forEach((word, at) => {
    const next = words[at + 1];
    if (options.includes(word.text) || (/^-[a-z]{2,4}$/.test(word.text) && options.includes(`-${word.text.at(-1)}`))) {
      if (next !== undefined) scripts.push(next);
      return;
    }
    const long = options.find((option) => option.startsWith('--') && word.text.startsWith(`${option}=`));
    if (long !== undefined) scripts.push({ ...word, text: word.text.slice(long.length + 1) });
  });
  return scripts.length > 0 ? { scripts, keeps } : undefined;
}

function after(words: readonly ShellWord[], markers: readonly string[], keeps: boolean): Inner | undefined {
  const at = words.findIndex(({ text }, index) => index > 0 && markers.includes(text));
  if (at < 0 || at + 1 >= words.length) return undefined;
  return { words: words.slice(at + 1).map(replaced), keeps };
}

function joined(words: readonly ShellWord[], keeps: boolean): Inner | undefined {
  return words.length === 0 ? undefined : { scripts: [join(words)], keeps };
}

/** Words as one text, the way `eval` and `ssh` put them together. */
export function join(words: readonly ShellWord[]): ShellWord {
  const from = words.flatMap((word) => word.from);
  const dynamic = words.some((word) => word.dynamic);
  return words.length === 0
    ? { ...unknownWord(), text: '', dynamic: false }
    : { text: words.map(({ text }) => text).join(' '), dynamic, glob: false, from };
}

const quote = (word: ShellWord): ShellWord => ({
  ...word,
  text:
    word.text === ''
      ? "''"
      : word.text
          .split(UNKNOWN)
          .map((piece) => (piece === '' ? '' : `'${piece.replaceAll("'", "'\\''")}'`))
          .join(UNKNOWN),
});
