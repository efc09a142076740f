import { type ShellWord, unknownWord } from './variables.ts';

/** Variables whose value another program runs as a command. */
const COMMAND_VARIABLES = new Set(
  (
    'PROMPT_COMMAND PAGER GIT_PAGER MANPAGER EDITOR VISUAL GIT_EDITOR GIT_SEQUENCE_EDITOR GIT_SSH_COMMAND GIT_SSH GIT_PROXY_COMMAND ' +
    'GIT_EXTERNAL_DIFF GIT_ASKPASS SSH_ASKPASS SUDO_ASKPASS LESSOPEN LESSCLOSE BROWSER RSYNC_RSH CVS_RSH GIT_FSMONITOR'
  ).split(' '),
);
/** Keys of git's configuration that hold a command. */
const GIT_COMMANDS =
  /^(?:core\.(?:pager|editor|sshcommand|fsmonitor|askpass|gitproxy)|sequence\.editor|diff\.external|(?:pager|alias|filter|difftool|mergetool|credential|gpg|diff|merge|trailer|uploadpack|remote|man)\..*(?:cmd|command|clean|smudge|helper|program|textconv|driver|hook|packobjectshook|uploadpack|receivepack|vcs|update|path)|(?:pager|alias)\.[^=]*|(?:tar|browser|sendemail|interactive|submodule)\..*(?:cmd|command|diffilter|difffilter|smtpserver|update|path))$/i;
/** Keys that name files with commands or settings in them. */
const GIT_FILES =
  /^(?:core\.hookspath|include\.path|includeif\..*|init\.templatedir|protocol\.ext\.allow|url\..*insteadof)$/i;

/** Variables that load code into other programs, or say where programs and their settings are looked for. */
const LOADING_VARIABLES =
  /^(?:LD_(?:PRELOAD|LIBRARY_PATH|AUDIT)|DYLD_\w+|BASH_ENV|ENV|BASH_FUNC_.*|GIT_(?:EXEC_PATH|TEMPLATE_DIR|CONFIG(?:_\w+)?)|PERL5(?:OPT|LIB)|PYTHONSTARTUP|RUBYOPT|JAVA_TOOL_OPTIONS)$/;
const SYSTEM_PATH = /^(?:\/usr(?:\/local)?|\/opt\/homebrew|\/snap)?\/s?bin$/;

/** Whether assigning `value` to `name` changes what the programs of the text are, so that their names say nothing. */
export function changesPrograms(name: string, value: string): boolean {
  if (name === 'NODE_OPTIONS') return /(?:^|\s)(?:-r|--(?:require|import|loader|experimental-loader))/.test(value);
  if (name === 'PS4') return /[$`]/.test(value);
  if (name !== 'PATH') return LOADING_VARIABLES.test(name);
  // What stands behind the old PATH is looked at last.
  const before = value.split(/:?\/\0/)[0]!;
  return before !== '' && before.split(':').some((directory) => !SYSTEM_PATH.test(directory));
}

/** Whether assigning `name` hands a command to other programs. */
export const isCommandVariable = (name: string) => COMMAND_VARIABLES.has(name);

/** Programs that read a program text in another language, and the options that give it. */
const INTERPRETERS: readonly { readonly program: RegExp; readonly options: RegExp }[] = [
  { program: /^(?:python|pypy)[\d.]*w?$/, options: /^-[a-zA-Z]*c$/ },
  { program: /^(?:perl|ruby|jruby)[\d.]*$/, options: /^-[a-zA-Z0-9]*[eE]$/ },
  { program: /^(?:node|nodejs|bun|electron)$/, options: /^(?:-e|-p|-pe|--eval|--print)$/ },
  { program: /^php[\d.]*$/, options: /^(?:-r|-R|-B|--run)$/ },
  {
    program: /^(?:lua[\d.]*|luajit|rscript|ghc|julia|groovy|scala|elixir|osascript|racket|guile|clojure|ocaml)$/,
    options: /^-e$/,
  },
  { program: /^(?:deno)$/, options: /^(?:eval)$/ },
  { program: /^(?:jshell|tclsh|expect|gdb|lldb)$/, options: /^(?:-c|-ex|--eval-command|-o)$/ },
  { program: /^r$/, options: /^-e$/ },
];

/** Whether this program runs code of another language. */
export function isInterpreter(program: string): boolean {
  return INTERPRETERS.some((entry) => entry.program.test(program)) || AWK.has(program);
}

const SQL_CLIENTS = new Set('psql mysql mariadb sqlite3 sqlcmd clickhouse-client duckdb'.split(' '));

/** Whether this program runs the SQL that it is given. */
export const isSqlClient = (program: string): boolean => SQL_CLIENTS.has(program);

const AWK = new Set(['awk', 'gawk', 'mawk', 'nawk', 'busybox-awk']);

/** The program texts given to an interpreter in its arguments (`python -c …`, `awk '…'`); `-e` may be glued to its text. */
export function programTexts(program: string, words: readonly ShellWord[]): ShellWord[] {
  if (AWK.has(program)) {
    if (words.some(({ text }, index) => index > 0 && (text === '-f' || text === '--file'))) return [];
    const first = words.findIndex(
      ({ text }, index) => index > 0 && !text.startsWith('-') && !/^-[Fv]$/.test(words[index - 1]!.text),
    );
    return first < 0 ? [] : [words[first]!];
  }
  const entry = INTERPRETERS.find((candidate) => candidate.program.test(program));
  if (entry === undefined) return [];
  const found: ShellWord[] = [];
  for (let at = 1; at < words.length; at++) {
    const { text } = words[at]!;
    const next = words[at + 1];
    const glued = /^(?:-[cer]|--eval=|--print=)([\s\S]+)$/.exec(text);
    if (entry.options.test(text) && next !== undefined) found.push(next);
    else if (glued !== null && entry.options.test(text.slice(0, 2)) && /[^A-Za-z]/.test(glued[1]!)) {
      found.push({ ...words[at]!, text: glued[1]! });
    }
  }
  return found;
}

const MOST_CALLS = 32;

/** Command lines inside code of another language: the literal in `system("…")`, `execSync('…')`, backticks of Perl and Ruby. */
export function shellInCode(code: string): string[] {
  const found: string[] = [];
  const calls = code.matchAll(
    /(?:system|popen|exec|execSync|spawn|spawnSync|call|run|check_output|check_call|getoutput|getstatusoutput|shell_exec|passthru|proc_open|shell\s{1,4}script|Popen|execvp?e?|spawnlp?|os\.execute)\s{0,4}\(?\s{0,4}\[?\s{0,4}(?:f|r|b)?("|'|`)((?:\\[\s\S]|(?!\1)[^\\]){1,4096})\1((?:\s{0,4},\s{0,4}["'][^"']{0,200}["']){0,20})/g,
  );
  for (const call of calls) {
    if (found.length >= MOST_CALLS) break;
    const literal = call[2]!.replace(/\\(["'`\\])/g, '$1');
    const rest = [...(call[3] ?? '').matchAll(/["']([^"']*)["']/g)].map((match) => match[1]!);
    found.push([literal, ...rest].join(' '));
  }
  for (const match of code.matchAll(/(?:`([^`]{1,4096})`|(?:qx|%x)([{([/|!])([^}\])/|!]{1,4096}))/g)) {
    if (found.length >= MOST_CALLS) break;
    found.push(match[1] ?? match[3]!);
  }
  // awk: print | "cmd", "cmd" | getline
  for (const match of code.matchAll(/\|&?\s{0,4}"([^"]{1,1024})"|"([^"]{1,1024})"\s{0,4}\|&?\s{0,4}getline/g)) {
    if (found.length >= MOST_CALLS) break;
    found.push(match[1] ?? match[2]!);
  }
  return found;
}

/** Command lines some program takes in an argument: `git -c core.pager=…`, `tar --to-command=…`, `rsync -e …`, `vim -c ':!…'`. */
export function commandArguments(program: string, words: readonly ShellWord[]): ShellWord[] {
  switch (program) {
    case 'git':
      return gitCommands(words);
    case 'tar':
    case 'bsdtar':
    case 'gtar':
      return [
        ...valuesOf(words, [
          '--to-command',
          '--use-compress-program',
          '--rsh-command',
          '--info-script',
          '--new-volume-script',
          '--rmt-command',
          '-I',
          '-F',
        ]),
        ...glued(words, '-I'),
        ...matching(words, /^--checkpoint-[a-z]+=exec=([\s\S]+)$/),
        ...matching(words, /^exec=([\s\S]+)$/),
      ];
    case 'rsync':
      return valuesOf(words, ['-e', '--rsh', '--rsync-path']);
    case 'vim':
    case 'vi':
    case 'nvim':
    case 'ex':
    case 'view':
      return valuesOf(words, ['-c', '--cmd'])
        .concat(matching(words, /^(\+:?!?[\s\S]+)$/))
        .flatMap(editorCommand);
    case 'sqlite3':
      return words.flatMap((word) => stripped(word, /^\s*\.(?:shell|system)\s+([\s\S]+)$/));
    case 'psql':
    case 'mysql':
    case 'mariadb':
      // `\! cmd`, `\o |cmd`, `\g |cmd`
      return words.flatMap((word) => stripped(word, /(?:\\!|^\s*system\s|\\(?:o|out|g|gx|w)\s*\|)\s*([\s\S]+)$/));
    case 'tmux':
      return words.slice(2).filter(({ text }) => /\s/.test(text));
    case 'screen':
      return words.length > 2 ? [unknownWord()] : [];
    case 'sed':
    case 'gsed':
      return words.slice(1).flatMap(sedCommand);
    case 'sort':
      return valuesOf(words, ['--compress-program']);
    case 'man':
      return [...valuesOf(words, ['-P', '--pager', '--html']), ...glued(words, '-P'), ...glued(words, '-H')];
    case 'zip':
      return valuesOf(words, ['-TT', '--unzip-command']);
    case 'mapfile':
    case 'readarray':
      return valuesOf(words, ['-C']);
    case 'complete':
    case 'compgen':
      // The list of words is expanded, like a line of the shell.
      return [
        ...valuesOf(words, ['-C', '-F']),
        ...glued(words, '-C'),
        ...(words.some(({ text }, at) => /^-\w*W/.test(text) && /\$\(|`/.test(text + (words[at + 1]?.text ?? '')))
          ? [unknownWord()]
          : []),
      ];
    case 'bind':
      return words.some(({ text }) => /^-[a-z]*[xf]/.test(text)) ? [unknownWord()] : [];
    case 'fc':
      // It runs lines of the history, or hands them to an editor.
      return words.some(({ text }) => /^-[a-z]*l/.test(text)) ? [] : [unknownWord()];
    case 'jobs':
      return words[1]?.text === '-x' ? [joinAfter(words, '-x')] : [];
    case 'hash':
      return words.some(({ text }) => text === '-p') ? [unknownWord()] : [];
    case 'enable':
      return words.some(({ text }) => text === '-f') ? [unknownWord()] : [];
    case 'rg':
      return valuesOf(words, ['--pre', '--hostname-bin']);
    case 'less':
      return words.some(({ text }) => /^\+[\s\S]*[!|]/.test(text)) ? [unknownWord()] : [];
    case 'make':
    case 'gmake':
      return [
        ...matching(words, /^SHELL=([\s\S]+)$/),
        ...(words.some(({ text }, at) => text.startsWith('--ev') || (text === '-' && words[at - 1]?.text === '-f'))
          ? [unknownWord()]
          : []),
      ];
    case 'npm':
      return valuesOf(words, ['--script-shell', 'script-shell']);
    case 'scp':
    case 'sftp':
      return [
        ...valuesOf(words, ['-S', '-D']),
        ...words.flatMap((word) =>
          stripped(word, /^(?:-o)?\s*(?:ProxyCommand|LocalCommand|KnownHostsCommand)[\s=]+([\s\S]+)$/i),
        ),
      ];
    case 'socat':
      return matching(words, /^(?:exec|system|shell):([\s\S]+)$/i);
    case 'ansible':
      return valuesOf(words, ['-a', '--args']);
    case 'emacs':
      return words.some(({ text }) => /^--?(?:eval|execute|load|l|f|funcall|script)\b/.test(text))
        ? [unknownWord()]
        : [];
    case 'gdb':
      if (words.some(({ text }) => text === '--args')) return [unknownWord()];
      return words.flatMap((word) => stripped(word, /^!?(?:shell\s+|!)([\s\S]+)$/));
    default:
      return LAUNCHERS.has(program) && words.length > 2 ? [unknownWord()] : [];
  }
}

/** Programs that run others, by options that are not read here. */
const LAUNCHERS = new Set(
  (
    'bwrap proot perf pssh parallel-ssh pdsh mosh xterm gnome-terminal konsole alacritty kitty dtach daemonize capsh ' +
    'start-stop-daemon expect tclsh'
  ).split(' '),
);

/** What an editor's `-c` runs: `:!cmd`, and whatever else of its commands leaves the editor. */
function editorCommand(word: ShellWord): ShellWord[] {
  const plain = stripped(word, /^\+?:?!([\s\S]+)$/);
  if (plain.length > 0) return plain;
  return /!|system|\b(?:ter|py|lua|perl|ruby|mz|tcl|so|exe|norm|mak|gr)/i.test(word.text) ? [unknownWord()] : [];
}

/** What sed runs: its command `e`, and the flag `e` of a substitution. */
function sedCommand(word: ShellWord): ShellWord[] {
  const script = { ...word, text: word.text.replace(/^(?:--expression=|-e)/, '') };
  if (
    /(?:^|[\s;{}\d/$!,])s([^\w\s])(?:\\[\s\S]|(?!\1)[^\\]){0,1000}\1(?:\\[\s\S]|(?!\1)[^\\]){0,1000}\1[0-9gpiImM]{0,20}e/.test(
      script.text,
    )
  )
    return [unknownWord()];
  return stripped(script, /^(?:[\d$,~!\s]|\/[^/]*\/)*e\s+([\s\S]+)$/);
}

/** The value glued to a short option: `-Icmd`. */
const glued = (words: readonly ShellWord[], option: string) =>
  words.flatMap((word) =>
    word.text.startsWith(option) && word.text.length > option.length
      ? [{ ...word, text: word.text.slice(option.length) }]
      : [],
  );

function gitCommands(words: readonly ShellWord[]): ShellWord[] {
  const found: ShellWord[] = [];
  const add = (key: string, word: ShellWord, value: string) => {
    if (GIT_FILES.test(key)) found.push(unknownWord());
    if (!GIT_COMMANDS.test(key)) return;
    if (/^alias\./i.test(key) && !value.startsWith('!')) return;
    found.push({ ...word, text: value.replace(/^!/, '') });
  };
  words.forEach((word, at) => {
    const next = words[at + 1];
    if (word.text === '-c' && next !== undefined) {
      const equals = next.text.indexOf('=');
      if (equals > 0) add(next.text.slice(0, equals), next, next.text.slice(equals + 1));
    }
  });
  const config = words.findIndex(({ text }) => text === 'config');
  const operands = config < 0 ? [] : words.slice(config + 1).filter(({ text }) => !text.startsWith('--'));
  if (operands[0]?.text === 'set') operands.shift();
  // Settings and programs of git's own that come from elsewhere.
  if (words.some(({ text }) => /^--(?:config-env|exec-path=)/.test(text))) found.push(unknownWord());
  if (operands.length >= 2) add(operands[0]!.text, operands[1]!, operands[1]!.text);
  const has = (name: string) => words.some(({ text }) => text === name);
  if (has('rebase') || has('difftool')) found.push(...valuesOf(words, ['-x', '--exec']), ...glued(words, '-x'));
  if (has('clone')) found.push(...valuesOf(words, ['-u']));
  if (has('grep')) found.push(...glued(words, '-O'));
  if (has('bisect') && has('run')) found.push(joinAfter(words, 'run'));
  if (has('foreach')) found.push(joinAfter(words, 'foreach'));
  if (has('filter-branch')) found.push(...words.filter((_, at) => words[at - 1]?.text.endsWith('-filter') === true));
  found.push(
    ...valuesOf(words, [
      '--upload-pack',
      '--receive-pack',
      '--upload-archive',
      '--exec',
      '--open-files-in-pager',
      '--extcmd',
      '--sendmail-cmd',
    ]),
  );
  for (const word of words) {
    const ext = /^ext::([\s\S]+)$/.exec(word.text);
    if (ext !== null) found.push({ ...word, text: ext[1]!.replaceAll('% ', ' ') });
  }
  return found.filter(({ text }) => text !== '');
}

function joinAfter(words: readonly ShellWord[], name: string): ShellWord {
  const rest = words
    .slice(words.findIndex(({ text }) => text === name) + 1)
    .filter(({ text }) => !/^--(?:recursive|quiet)$/.test(text));
  return {
    text: rest.map(({ text }) => text).join(' '),
    dynamic: rest.some(({ dynamic }) => dynamic),
    glob: false,
    from: rest.flatMap(({ from }) => from),
  };
}

function valuesOf(words: readonly ShellWord[], options: readonly string[]): ShellWord[] {
  const found: ShellWord[] = [];
  words.forEach((word, at) => {
    const next = words[at + 1];
    const equals = word.text.indexOf('=');
    const name = equals < 0 ? word.text : word.text.slice(0, equals);
    // GNU's and git's long options may be cut short.
    const isLong = name.startsWith('--') && name.length > 4 && options.some((option) => option.startsWith(name));
    if (isLong && equals > 0) found.push({ ...word, text: word.text.slice(equals + 1) });
    else if ((isLong || options.includes(word.text)) && next !== undefined) found.push(next);
  });
  return found;
}

const matching = (words: readonly ShellWord[], pattern: RegExp) => words.flatMap((word) => stripped(word, pattern));

function stripped(word: ShellWord, pattern: RegExp): ShellWord[] {
  const match = pattern.exec(word.text);
  return match === null ? [] : [{ ...word, text: match[1]! }];
}
