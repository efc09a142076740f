import type { ShellWord, Variables } from './variables.ts';

/** Programs whose settings in the home directory can name commands: pagers, helpers, hooks, start files. */
const CONFIGURED = new Set(
  (
    'git ssh scp sftp less vim vi nvim ex view emacs npm npx pnpm yarn tmux screen man psql sqlite3 mysql gdb hg mutt ' +
    'docker kubectl aws cargo wget zsh fish'
  ).split(' '),
);
const EVERYONE = ['HOME', 'XDG_CONFIG_HOME', 'XDG_CONFIG_DIRS'];
/** Where single programs look for settings, or what they take as settings. */
const OF_PROGRAMS: ReadonlyMap<string, readonly string[]> = new Map([
  ['git', ['GIT_DIR', 'GIT_COMMON_DIR']],
  ['vim', ['VIMINIT', 'EXINIT', 'VIM', 'VIMRUNTIME']],
  ['vi', ['VIMINIT', 'EXINIT', 'VIM', 'VIMRUNTIME']],
  ['view', ['VIMINIT', 'EXINIT', 'VIM', 'VIMRUNTIME']],
  ['ex', ['VIMINIT', 'EXINIT', 'VIM', 'VIMRUNTIME']],
  ['nvim', ['VIMINIT', 'EXINIT', 'VIM', 'VIMRUNTIME', 'NVIM_APPNAME', 'XDG_DATA_HOME']],
  ['npm', npmSettings()],
  ['npx', npmSettings()],
  ['less', ['LESSKEY', 'LESSKEYIN', 'LESSKEY_CONTENT', 'LESSKEYIN_SYSTEM', 'LESSKEY_SYSTEM']],
  ['psql', ['PSQLRC', 'PSQL_PAGER']],
  ['zsh', ['ZDOTDIR']],
  ['wget', ['WGETRC']],
]);

function npmSettings(): string[] {
  const names = ['userconfig', 'globalconfig', 'prefix', 'script_shell', 'git', 'editor', 'node_options'];
  return names.flatMap((name) => [`npm_config_${name}`, `NPM_CONFIG_${name.toUpperCase()}`]);
}

/** What `name=value` before a program, or a later program, is remembered by. */
export const isPlaceOfSettings = (name: string) =>
  EVERYONE.includes(name) || [...OF_PROGRAMS.values()].some((names) => names.includes(name));

/** Whether `program` reads settings from a place that the text chose, so that what it runs is not known. */
export function readsSettingsElsewhere(program: string, words: readonly ShellWord[], variables: Variables): boolean {
  const moved = (name: string) => variables.isSet(name) && !/^~?$/.test(variables.get(name)!.text);
  if (CONFIGURED.has(program) && EVERYONE.some(moved)) return true;
  if (OF_PROGRAMS.get(program)?.some(moved) === true) return true;
  const texts = words.slice(1).map(({ text }) => text);
  switch (program) {
    case 'git':
      return globalOptions(texts).some((text) => /^--git-dir(?:=|$)/.test(text));
    case 'ssh':
    case 'scp':
    case 'sftp':
      return texts.some((text, at) => /^-F(?!none$)./.test(text) || (text === '-F' && texts[at + 1] !== 'none'));
    case 'npm':
    case 'npx':
      return texts.some((text) => /^--(?:userconfig|globalconfig)(?:=|$)/.test(text));
    case 'less':
      return texts.some((text) => /^-k|^--lesskey-/.test(text));
    default:
      return false;
  }
}

/** The options before the subcommand; `git rev-parse --git-dir` only asks. */
function globalOptions(texts: readonly string[]): readonly string[] {
  const valued = ['-C', '-c', '--work-tree', '--namespace', '--config-env'];
  for (let at = 0; at < texts.length; at++) {
    if (valued.includes(texts[at]!)) at++;
    else if (!texts[at]!.startsWith('-')) return texts.slice(0, at);
  }
  return texts;
}
