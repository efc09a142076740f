/** Programs that run what stands after them. */
const WRAPPERS = new Set(
  (
    'sudo doas env nohup nice ionice time timeout stdbuf setsid exec command builtin eval source . xargs parallel npx bunx pnpx deno ' +
    'node nodejs tsx ts-node sh bash zsh dash ksh fish ash cmd powershell pwsh start busybox watch script tmux screen ssh docker podman kubectl ' +
    'su runuser chroot unshare strace then do else if elif while until ! not iex invoke-expression start-process call python python3 perl ruby'
  ).split(' '),
);
const SHELLS = new Set([
  'sh',
  'bash',
  'zsh',
  'dash',
  'ksh',
  'fish',
  'ash',
  'eval',
  'source',
  '.',
  'iex',
  'invoke-expression',
  'pwsh',
  'powershell',
  'cmd',
]);
const PACKAGE_MANAGERS = new Set(['npm', 'pnpm', 'yarn', 'bun', 'corepack']);
const RUNNERS = new Set(['exec', 'x', 'dlx', 'create']);

const READ_ONLY = new Set(['logs', 'doctor', 'demo', 'help', 'version', '--help', '-h', '--version', '-v']);
const READ_ONLY_PAIRS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['audit', new Set(['verify', '--help', '-h'])],
  ['policy', new Set(['check', 'explain', '--help', '-h'])],
]);
/** Subcommands that make a nameless `dist/cli.js` recognisable. */
const CHANGING = new Set(
  'run init trust policy audit approve deny release connect disconnect config keys key pin unpin daemon serve servers hook budget kill unlock import'.split(
    ' ',
  ),
);

/**
 * Whether a command, as read by `shellViews`, runs callgate with anything but a reading subcommand (`logs`,
 * `audit verify`, `policy check|explain`, `doctor`, `demo`, `--version`, `--help`).
 * Words that merely are arguments (`grep callgate file`, `git clone .../callgate`) do not run it.
 */
export function changesCallgate(view: string): boolean {
  const text = view.toLowerCase();
  if (!text.includes('callgate') && !text.includes('cli.js')) return false;
  const commands = text
    .split(/[;\n\r|&(){}[\]]+/)
    .map((command) => command.split(/[\s<>,]+/).filter((word) => word !== ''));
  // What is piped into a shell is a command wherever it stands.
  const anywhere =
    commands.length > 1 && commands.some((words) => SHELLS.has(programName(words[skipAssignments(words)] ?? '')));
  return commands.some((words) => commandChanges(words, anywhere));
}

function commandChanges(words: readonly string[], anywhere: boolean): boolean {
  let at = skipAssignments(words);
  // Asked once for all: a text may name callgate a million times.
  const fixes = words.includes('--fix');
  const first = programName(words[at] ?? '');
  if (anywhere || WRAPPERS.has(first)) return anyChanges(words, at, fixes, first === 'xargs' || first === 'parallel');
  if (first === 'find') {
    at = words.findIndex((word) => /^-(?:exec|execdir|ok|okdir)$/.test(word));
    return at >= 0 && anyChanges(words, at + 1, fixes, false);
  }
  if (PACKAGE_MANAGERS.has(first)) {
    do at++;
    while (words[at]?.startsWith('-') === true);
    if (RUNNERS.has(words[at] ?? '')) return anyChanges(words, at + 1, fixes, false);
  }
  return runs(words, at) && changes(words, at, fixes, false);
}

function anyChanges(words: readonly string[], from: number, fixes: boolean, argumentsFollow: boolean): boolean {
  for (let at = from; at < words.length; at++)
    if (runs(words, at) && changes(words, at, fixes, argumentsFollow)) return true;
  return false;
}

function skipAssignments(words: readonly string[]): number {
  let at = 0;
  while (at < words.length && /^[a-z_]\w*=/.test(words[at]!)) at++;
  return at;
}

function programName(word: string): string {
  const base = word.slice(word.lastIndexOf('/') + 1);
  return base.replace(/\.(?:exe|cmd|bat|ps1)$/, '');
}

/** Is this word callgate itself: by name, by version (`callgate@1`), or as its script? */
function runs(words: readonly string[], at: number): boolean {
  const word = words[at];
  if (word === undefined || word.startsWith('-')) return false;
  const base = word.slice(word.lastIndexOf('/') + 1).replace(/(?!^)@[\w.^~-]{1,40}$/, '');
  if (base.replace(/\.(?:exe|cmd|bat|ps1|[cm]?[jt]s)$/, '') === 'callgate') return true;
  if (!/^(?:cli|index|main|bin)\.[cm]?[jt]s$/.test(base)) return false;
  if (word.split('/').includes('callgate')) return true;
  return /(?:^|\/)dist\/cli\.js$/.test(word) && CHANGING.has(words[at + 1] ?? '');
}

function changes(words: readonly string[], at: number, fixes: boolean, argumentsFollow: boolean): boolean {
  let next = at + 1;
  if (words[next] === '--') next++;
  const subcommand = words[next];
  // Alone it prints its help; behind xargs the subcommand comes from elsewhere.
  if (subcommand === undefined) return argumentsFollow;
  const pair = READ_ONLY_PAIRS.get(subcommand);
  if (pair !== undefined) return !pair.has(words[next + 1] ?? '');
  return !READ_ONLY.has(subcommand) || fixes;
}
