import { decodeBase64 } from './ansi.ts';
import { programName, type ShellCommand } from './reading.ts';
import { UNKNOWN, type ShellWord } from './variables.ts';

export interface WindowsCommand {
  /** Unknown parts are `\0`. */
  readonly words: readonly string[];
  readonly via: 'cmd' | 'powershell';
  readonly dynamic: boolean;
  readonly redirects: readonly string[];
}

const CMD = new Set(
  (
    'del erase rd format diskpart vssadmin wbadmin bcdedit reg schtasks wmic netsh icacls takeown cipher fsutil wevtutil attrib copy xcopy robocopy move ' +
    'start call certutil bitsadmin mshta rundll32 regsvr32 cscript wscript taskkill sc net cls ren cmd'
  ).split(' '),
);
const POWERSHELL = new Set(
  'iex iwr irm ri gci gc sc saps icm gwmi sajb rmo powershell pwsh foreach-object where-object'.split(' '),
);
const CMDLET =
  /^(?:remove|clear|set|get|new|invoke|start|stop|restart|add|out|write|copy|move|rename|import|export|convertto|convertfrom|disable|enable|uninstall|install|register|unregister|format|initialize|test|select|foreach|where|expand|compress|suspend|resume|grant|revoke|send|receive|enter|exit)-[a-z]+$/;

/** Names both worlds know: Windows only beside a drive or a `%VARIABLE%`. */
const SHARED = new Set(['dir', 'type', 'echo', 'cd', 'if', 'for', 'set', 'mkdir', 'rmdir', 'find', 'sort', 'more']);

const LONGEST = 16_384;
const DEEPEST = 4;
const MOST_COMMANDS = 512;

/**
 * Reads a line as cmd or PowerShell when its programs are theirs.
 * @param text the line.
 * @param commands what Bash made of it, which keeps quoted text from looking like a program.
 * @returns undefined when nothing in it is Windows.
 */
export function readWindows(text: string, commands: readonly ShellCommand[]): WindowsCommand[] | undefined {
  if (text.length > LONGEST) return undefined;
  const first = /^\s*@?([\w.^`"'\\:-]{1,80})/.exec(text)?.[1] ?? '';
  const names = new Set(commands.filter(({ via }) => via.length === 0).map(({ program }) => program ?? ''));
  names.add(programName(first.replace(/[\^`"']/g, '')));
  const plain = [...names].map((name) => name.replace(/[\^`]/g, '').split('/')[0]!);
  if (plain.some((name) => POWERSHELL.has(name) || CMDLET.test(name))) return powershell(text, 0);
  const caret = [...names].some((name) => name.includes('^') || name.startsWith('%'));
  const drives = /(?:^|[\s"'=])[A-Za-z]:\\|%[A-Za-z_]\w*(?:%|:~)/.test(text) && plain.some((name) => SHARED.has(name));
  return caret || drives || plain.some((name) => CMD.has(name)) ? cmd(text, 0) : undefined;
}

/** The commands inside `cmd /c …` or `powershell -Command …`; `unknown` when they are not constant. */
export function windowsInner(program: string, words: readonly ShellWord[]): WindowsCommand[] | 'unknown' | undefined {
  if (program !== 'cmd' && program !== 'powershell' && program !== 'pwsh') return undefined;
  return inner(
    program,
    words.map(({ text }) => text),
    0,
  );
}

function inner(program: string, words: readonly string[], depth: number): WindowsCommand[] | 'unknown' | undefined {
  if (depth > DEEPEST) return 'unknown';
  const text = program === 'cmd' ? cmdText(words) : powershellText(words);
  if (text === undefined) return undefined;
  if (text.includes(UNKNOWN) || text.length > LONGEST) return 'unknown';
  return program === 'cmd' ? cmd(text, depth + 1) : powershell(text, depth + 1);
}

function cmdText(words: readonly string[]): string | undefined {
  const at = words.findIndex((word, index) => index > 0 && /^\/+[ckr]/i.test(word));
  if (at < 0) return undefined;
  return [words[at]!.replace(/^\/+[ckr]/i, ''), ...words.slice(at + 1)].join(' ').trim();
}

/** `-enc` and every other prefix of `-EncodedCommand` is base64 of UTF-16LE. */
function powershellText(words: readonly string[]): string | undefined {
  for (let at = 1; at < words.length; at++) {
    const option = /^[-/\u2013\u2014\u2015](\w+)$/.exec(words[at]!)?.[1]?.toLowerCase();
    if (option === undefined) return words.slice(at).join(' ');
    if (option === 'ec' || 'encodedcommand'.startsWith(option)) return decodeUtf16(words[at + 1] ?? '');
    if ('command'.startsWith(option)) return words.slice(at + 1).join(' ');
    if ('file'.startsWith(option)) return undefined;
    if (/^(?:ex\w*|ep|w\w*|v\w*|inp\w*|o\w*|config\w*|psc\w*)$/.test(option)) at++;
  }
  return undefined;
}

function decodeUtf16(text: string): string {
  const bytes = decodeBase64(text);
  if (bytes === undefined) return UNKNOWN;
  let decoded = '';
  for (let at = 0; at + 1 < bytes.length; at += 2) decoded += String.fromCharCode(bytes[at]! | (bytes[at + 1]! << 8));
  return decoded;
}

/** One command in the making. */
interface Draft {
  words: string[];
  redirects: string[];
}

class Collector {
  readonly found: WindowsCommand[] = [];
  readonly #via: 'cmd' | 'powershell';
  readonly #depth: number;
  #draft: Draft = { words: [], redirects: [] };
  #word: string | undefined;
  #toRedirect = false;

  constructor(via: 'cmd' | 'powershell', depth: number) {
    this.#via = via;
    this.#depth = depth;
  }

  add(char: string): void {
    this.#word = (this.#word ?? '') + char;
  }

  endWord(): void {
    if (this.#word === undefined) return;
    if (this.#toRedirect) this.#draft.redirects.push(this.#word);
    else this.#draft.words.push(this.#word);
    this.#toRedirect = false;
    this.#word = undefined;
  }

  redirect(): void {
    this.endWord();
    this.#toRedirect = true;
  }

  endCommand(): void {
    this.endWord();
    const { words, redirects } = this.#draft;
    this.#draft = { words: [], redirects: [] };
    this.#toRedirect = false;
    if ((words.length === 0 && redirects.length === 0) || this.found.length >= MOST_COMMANDS) return;
    const bare = this.#via === 'cmd' ? bareCmd(words) : barePowershell(words);
    const program = programName(bare[0] ?? '');
    const dynamic = (bare[0] ?? '').includes(UNKNOWN) || (this.#via === 'powershell' && /^[$&-]/.test(bare[0] ?? ''));
    this.found.push({ words: dynamic ? [UNKNOWN, ...bare.slice(1)] : bare, via: this.#via, dynamic, redirects });
    const nested = this.#nested(program, bare);
    if (nested === 'unknown') this.found.push({ words: [UNKNOWN], via: this.#via, dynamic: true, redirects: [] });
    else if (nested !== undefined) this.found.push(...nested.slice(0, MOST_COMMANDS));
  }

  #nested(program: string, words: readonly string[]): WindowsCommand[] | 'unknown' | undefined {
    if (program === 'iex' || program === 'invoke-expression') {
      const text = words
        .slice(1)
        .filter((word) => !/^-command$/i.test(word))
        .join(' ');
      // Without a text it runs what is piped in or what the parentheses behind it give.
      if (text === '' || text.includes('$')) return 'unknown';
      return this.#depth > DEEPEST ? 'unknown' : powershell(text, this.#depth + 1);
    }
    return /^(?:cmd|powershell|pwsh)$/.test(program) ? inner(program, words, this.#depth) : undefined;
  }
}

function cmd(text: string, depth: number): WindowsCommand[] {
  const out = new Collector('cmd', depth);
  const expanded = text.replace(
    /%([A-Za-z_]\w{0,63})(?::[^%]{0,40})?%|!([A-Za-z_]\w{0,63})!/g,
    (whole, name?: string) =>
      name?.toLowerCase() === 'comspec' && !whole.includes(':')
        ? 'cmd.exe'
        : /^%(?:systemroot|windir|userprofile|systemdrive|appdata|temp|tmp|homepath|homedrive|programfiles|localappdata|programdata)%$/i.test(
              whole,
            )
          ? whole
          : UNKNOWN,
  );
  let quoted = false;
  for (let at = 0; at < expanded.length; at++) {
    const char = expanded[at]!;
    if (char === '"') {
      quoted = !quoted;
      out.add('');
    } else if (quoted) out.add(char);
    else if (char === '^') out.add(expanded[++at] ?? '');
    else if (/[&|\n()]/.test(char)) out.endCommand();
    else if (char === '>') out.redirect();
    else if (/[\s,;=]/.test(char)) out.endWord();
    else out.add(char);
  }
  out.endCommand();
  return out.found;
}

/** `@call start /b del/s/q x` is `del /s /q x`. */
function bareCmd(words: readonly string[]): string[] {
  let rest = words.map((word, index) => (index === 0 ? word.replace(/^@/, '') : word));
  for (let round = 0; round < 8 && rest.length > 1; round++) {
    const name = rest[0]!.toLowerCase();
    if (name === 'call') rest = rest.slice(1);
    else if (name === 'start')
      rest = rest.slice(1).filter((word, index) => !(index < 4 && (word.startsWith('/') || word === '')));
    else if (name === 'for' || name === 'do')
      rest = rest.slice(name === 'do' ? 1 : rest.findIndex((word) => /^do$/i.test(word)) + 1 || rest.length);
    else break;
  }
  const glued = /^([A-Za-z]+)((?:\/\w+)+)$/.exec(rest[0] ?? '');
  if (glued !== null) rest = [glued[1]!, ...glued[2]!.split(/(?=\/)/), ...rest.slice(1)];
  return rest.flatMap((word, index) => (index > 0 && /^(?:\/[a-z]){2,}$/i.test(word) ? word.split(/(?=\/)/) : [word]));
}

function powershell(text: string, depth: number): WindowsCommand[] {
  const out = new Collector('powershell', depth);
  const folded = foldStrings(text);
  let quote = '';
  for (let at = 0; at < folded.length; at++) {
    const char = folded[at]!;
    if (quote !== '') {
      if (char === '`' && quote === '"') out.add(folded[++at] ?? '');
      else if (char !== quote) out.add(char);
      else quote = '';
    } else if (char === "'" || char === '"') {
      quote = char;
      out.add('');
    } else if (char === '`') {
      const next = folded[++at] ?? '';
      if (next !== '\n') out.add(next);
    } else if (char === '@' && /["'({]/.test(folded[at + 1] ?? '')) continue;
    else if (/[;|\n(){}]/.test(char)) out.endCommand();
    else if (char === '&') out.endCommand();
    else if (char === '>') out.redirect();
    else if (/[\s,]/.test(char)) out.endWord();
    else out.add(char);
  }
  out.endCommand();
  return out.found;
}

/** `'re'+'move'` is one string. */
function foldStrings(text: string): string {
  return text.replace(/(['"])\s{0,8}\+\s{0,8}\1/g, '');
}

const ALIASES: ReadonlyMap<string, string> = new Map([
  ['ri', 'remove-item'],
  ['rm', 'remove-item'],
  ['del', 'remove-item'],
  ['erase', 'remove-item'],
  ['rd', 'remove-item'],
  ['rmdir', 'remove-item'],
  ['iwr', 'invoke-webrequest'],
  ['curl', 'invoke-webrequest'],
  ['wget', 'invoke-webrequest'],
  ['irm', 'invoke-restmethod'],
  ['iex', 'iex'],
  ['saps', 'start-process'],
  ['start', 'start-process'],
  ['sc', 'set-content'],
  ['gc', 'get-content'],
  ['cat', 'get-content'],
  ['type', 'get-content'],
]);

function barePowershell(words: readonly string[]): string[] {
  // `$x = command …`
  const assigned = words.length > 2 && words[0]!.startsWith('$') && words[1] === '=' ? words.slice(2) : words;
  const [first = '', ...rest] = assigned;
  return [ALIASES.get(first.toLowerCase()) ?? first, ...rest];
}
