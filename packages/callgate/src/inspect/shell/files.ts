import { operandsOf, shown, subcommandReadings, textsOf } from './arguments.ts';
import { isSqlClient, programTexts } from './hidden.ts';
import type { ShellCommand } from './reading.ts';
import { shellArguments } from './shell-arguments.ts';

/** Why a command runs what stands in a file, which nobody reads here; undefined when it does not. */
export function runsFile(command: ShellCommand): string | undefined {
  const { program } = command;
  if (program === undefined || program === '') return undefined;
  if (isElsewhere(command)) return `runs the file ${shown(command.words[0]!.text)}`;
  const texts = textsOf(command);
  if (onlyAsks(texts)) return undefined;
  if (SHELLS.has(program)) return shellFile(command);
  if (program === '.' || program === 'source') return texts.length === 0 ? undefined : `reads ${shown(texts[0]!)}`;
  if (BUILDERS.has(program) || /^(?:gradlew|mvnw)(?:\.bat)?$/.test(program))
    return `${program} runs what its files say`;
  const subcommands = SUBCOMMANDS.get(program);
  if (subcommands !== undefined) {
    const found = subcommandReadings(texts).find(([first = '', second = '']) => subcommands.test(`${first} ${second}`));
    return found === undefined ? undefined : `${program} ${shown(found[0] ?? '')} runs what its files say`;
  }
  if (isSqlClient(program) && readsUnknownInput(command)) return `${program} runs what it is given to read`;
  const option = FILE_OPTIONS.get(program);
  if (option !== undefined && texts.some((text) => option.test(text)))
    return `${program} takes its commands from a file`;
  if (!INTERPRETERS.test(program) || programTexts(program, command.words).length > 0) return undefined;
  if (texts.some((text) => text.startsWith('-m'))) return `${program} runs a module`;
  const file = operandsOf(texts).find((text) => !/^\/dev\/(?:stdin|fd\/\d+)$/.test(text));
  return file === undefined ? undefined : `${program} runs ${shown(file)}`;
}

const SHELLS = new Set('sh bash zsh dash ksh ksh93 mksh ash rbash fish csh tcsh yash posh hush'.split(' '));
const INTERPRETERS =
  /^(?:(?:python|pypy|perl|ruby|jruby|php|lua)[\d.]*w?|node|nodejs|bun|deno|tsx|ts-node|luajit|rscript|julia|groovy|scala|elixir|osascript|racket|guile|clojure|ocaml|java|kotlin|swift|mono|wasmtime|tclsh|wish|expect|cscript|wscript)$/;

/** They run what a file of the directory says, whatever they are told. */
const BUILDERS = new Set(
  (
    'make gmake ninja just task rake gradle mvn ant scons bazel buck2 meson tox nox invoke fab grunt gulp jest vitest mocha pytest py.test phpunit ' +
    'rspec pre-commit ansible-playbook snakemake nmake msbuild'
  ).split(' '),
);
/** Subcommands that run scripts of a project. */
const SUBCOMMANDS: ReadonlyMap<string, RegExp> = new Map([
  [
    'npm',
    /^(?:run|run-script|rum|urn|exec|x|test|t|tst|start|stop|restart|install|i|in|add|ci|clean-install|install-\S*|it|cit|update|up|upgrade|rebuild|rb|pack|publish|version|prune|dedupe|link|ln|init|create|uninstall|rm|explore) /,
  ],
  ['pnpm', /^(?!(?:ls|list|why|outdated|audit|view|info|config|help|store|root|bin|licenses) )\S/],
  ['yarn', /^(?!(?:list|why|outdated|audit|info|config|help|licenses|cache|versions) )/],
  ['bun', /^(?!(?:pm|upgrade|help) )\S/],
  ['deno', /^(?:run|task|test|bench|serve|install|compile) |^\S+\.[cm]?[jt]sx? /],
  [
    'cargo',
    /^(?!(?:fmt|tree|search|metadata|help|version|login|logout|owner|yank|info|locate-project|pkgid|clean|new|init|add|remove|update|fetch|generate-lockfile) )\S/,
  ],
  ['go', /^(?:run|generate|test|tool|vet) /],
  ['dotnet', /^(?:run|test|build|publish|msbuild|exec|restore|tool) |\.dll /],
  ['docker', /^(?:build|buildx|compose) |^builder build/],
  ['podman', /^(?:build|compose) /],
  ['docker-compose', /^(?:up|run|build|start|create) /],
  ['composer', /^(?:install|update|run|run-script|exec|require|test) /],
  ['bundle', /^(?:exec|install) /],
  ['poetry', /^(?:run|install|build) /],
  ['uv', /^(?:run|sync|build|pip) /],
  ['pip', /^(?:install|wheel|download) /],
  ['pip3', /^(?:install|wheel|download) /],
  ['terraform', /^(?:apply|plan|init|destroy|refresh) /],
]);
const AWK_FILE = /^(?:-f|--file|-i$|--include|-E|--exec)/;
/** Options that name a file of commands. */
const FILE_OPTIONS: ReadonlyMap<string, RegExp> = new Map([
  ...['awk', 'gawk', 'mawk', 'nawk'].map((name) => [name, AWK_FILE] as const),
  ['sed', /^-[nErsz]*f|^--fi/],
  ['gsed', /^-[nErsz]*f|^--fi/],
  ['curl', /^-[a-zA-Z]*K|^--conf/],
  ['wget', /^--config|^-e$|^--execute/],
  ['psql', /^-[a-zA-Z]*f|^--fi|^\s*\\i/],
  ['sqlite3', /^-init|^\s*\.read/],
  ['mysql', /^\s*(?:source\s|\\\.)/],
  ['mariadb', /^\s*(?:source\s|\\\.)/],
  ...['vim', 'vi', 'nvim', 'ex', 'view'].map((name) => [name, /^-(?:[suS]|es?u)|^\+?:?\s*so/] as const),
  ['emacs', /^--?(?:l|load|script)/],
  ['gdb', /^--?(?:x|command|ix)/],
  ['lldb', /^-(?:s|S|-source)/],
  ['at', /^-f/],
  ['tmux', /^-f|^source/],
  ['screen', /^-c/],
  ['powershell', /^[-/]f(?:ile)?$|\.ps1$/i],
  ['pwsh', /^[-/]f(?:ile)?$|\.ps1$/i],
  ['cmd', /\.(?:bat|cmd)\b/i],
  ['osascript', /\.(?:scpt|js|applescript)$/],
  ['bc', /^[^-]/],
]);

const onlyAsks = (texts: readonly string[]) =>
  texts.length === 1 && /^(?:--version|--help|-V|-h|version|help)$/.test(texts[0]!);

/** A path to a place that is none of the system's: `./x.sh`. */
function isElsewhere({ words, program }: ShellCommand): boolean {
  const path = words[0]?.text ?? '';
  if (program === undefined || !/[/\\]/.test(path) || path.includes('://')) return false;
  return (
    !/^(?:\/usr(?:\/local)?|\/opt\/homebrew|\/snap)?\/s?bin\/[^/\\]+$/.test(path) &&
    !/^[A-Za-z]:\\Windows\\/i.test(path)
  );
}

/** `psql < x.sql`, `cat x.sql | psql`: what is known of its input stands as a here-document. */
function readsUnknownInput({ redirects, pipedFrom }: ShellCommand): boolean {
  if (redirects.some(({ op }) => op.startsWith('<<'))) return false;
  return pipedFrom !== undefined || redirects.some(({ op }) => op === '<');
}

function shellFile(command: ShellCommand): string | undefined {
  const { script, operands } = shellArguments(command.words);
  const start = textsOf(command).findIndex((text) => /^--(?:rcfile|init-file)/.test(text));
  if (start >= 0) return `${command.program} reads a start file`;
  const [file] = operands;
  if (script !== undefined || file === undefined || /^\/dev\/(?:stdin|fd\/\d+)$/.test(file.text)) return undefined;
  return `${command.program} runs ${shown(file.text)}`;
}
