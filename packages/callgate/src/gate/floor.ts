import { changesCallgate } from '../inspect/callgate-command.ts';
import { isClientSettings, matchesSegment } from '../inspect/client-settings.ts';
import { compileKeywords, holdsKeyword, type Keywords } from '../inspect/keywords.ts';
import { isBelow, percentDecode, resolveSegments } from '../inspect/paths.ts';
import { expandVariables, shellViews } from '../inspect/shell-views.ts';
import type { Holder } from '../protocol/tape.ts';
import type { PlacedString } from './strings.ts';

/** What the floor stands on. Paths are absolute. */
export interface FloorPlace {
  /** CALLGATE_HOME. */
  readonly home: string;
  /** Directories that are protected as the home is: what of it had to be put elsewhere. */
  readonly outsideHome?: readonly string[];
  readonly userHome: string;
  /** Directory that the server's relative paths start from. */
  readonly cwd: string;
  /** Policy and config files in use. */
  readonly protectedFiles: readonly string[];
  /** Canonical path with links followed; undefined when it cannot be told. May do I/O. */
  realPath(path: string): string | undefined;
}

export interface FloorHit {
  readonly id: 'floor:home' | 'floor:policy' | 'floor:client-settings' | 'floor:callgate-command';
  readonly reason: string;
}

/**
 * The built-in denials outside policy (design.md rule 11): an agent does not touch the gate that judges it.
 * A hurdle, not a boundary: a server may decode, glob, build or look up names in ways no reader of strings foresees, a
 * directory above the home may be moved as a whole, and a script may be written today and run tomorrow. What confines
 * an agent is another user or host.
 */
export interface Floor {
  /** Cheap test over the JSON bytes of a call; false means that `judge` would find nothing. */
  mayTouch(bytes: Uint8Array, start: number, end: number): boolean;
  /** The first reason to refuse, or undefined. Reads the file system only for strings that look like paths. */
  judge(strings: Iterable<PlacedString>): FloorHit | undefined;
}

const MOST_LOOKUPS = 1024;
const LONGEST_PATH = 4096;

/** Fields that carry prose: a mention is no reference, unless the whole field is a path. */
const PROSE = new Set(
  (
    'message messages text content contents body description query prompt title subject summary comment note notes question answer thought ' +
    'reasoning markdown html newstring oldstring newstr oldstr filetext inserttext newtext oldtext instructions context observations'
  ).split(' '),
);
/** Fields that carry commands. */
const COMMANDS = new Set(
  'command commands cmd commandline script shell bash sh exec execute run args argv code input stdin program executable powershell line snippet'.split(
    ' ',
  ),
);
/** Ends of names of fields that carry paths: any word in them may be a link. */
const PATH_ENDS =
  'path file filename dir directory uri url cwd root folder source dest destination target src dst location'.split(' ');
/** So many words of a command are looked up even without a slash in them. */
const MOST_BARE_WORDS = 64;

export function createFloor(place: FloorPlace): Floor {
  const keywords = floorKeywords(place);
  const ground = new Ground(place);
  return {
    mayTouch: (bytes, start, end) => holdsKeyword(keywords, bytes, start, end),
    judge: (strings) => judgeStrings(strings, ground),
  };
}

/** Everything without one of these is neither a path, nor a command, nor escaped. */
function floorKeywords(place: FloorPlace): Keywords {
  const names = [place.home, ...place.protectedFiles].map((path) => path.slice(path.lastIndexOf('/') + 1));
  const words = [
    '/',
    '\\',
    '%',
    '~',
    '$',
    '`',
    "'",
    '*',
    '?',
    '^',
    'gate',
    '.json',
    '.toml',
    '.yaml',
    '.yml',
    ...names,
  ];
  const keys = PATH_ENDS.flatMap((end) => [`${end}"`, `${end}s"`]);
  const runs = [
    '"from"',
    '"to"',
    '"command',
    '"cmd',
    '"script',
    '"args',
    '"argv',
    '"exec',
    '"shell',
    '"bash',
    '"sh"',
    '"code',
    '"run"',
    '"program',
    '"input"',
    '"stdin',
  ];
  const ascii = [...words, ...keys, ...runs].filter((word) => word !== '' && /^[\x20-\x7e]*$/.test(word));
  const compiled = compileKeywords([...new Set(ascii.map((word) => word.toLowerCase()))]);
  // Bytes outside ASCII may be look-alikes: they count as a slash does.
  const column = compiled.column.slice();
  column.fill(column[0x2f]!, 0x80);
  return { ...compiled, column };
}

/** What one `judge` has looked at. */
interface Looks {
  left: number;
  readonly seen: Set<string>;
}

function judgeStrings(strings: Iterable<PlacedString>, ground: Ground): FloorHit | undefined {
  const looks: Looks = { left: MOST_LOOKUPS, seen: new Set() };
  const lists = new Map<Holder, { readonly field: Field; readonly words: string[] }>();
  const programs = new Map<Holder | undefined, string>();
  for (const { key, text, holder } of strings) {
    const field = fieldOf(key ?? '');
    const hit = judgeString(text, field, ground, looks);
    if (hit !== undefined) return hit;
    if (holder !== undefined && (!holder.isObject || field.isIndex)) {
      const list = lists.get(holder);
      if (list === undefined) lists.set(holder, { field, words: [text] });
      else list.words.push(text);
    } else if (field.isCommand) programs.set(holder, text);
  }
  // `command` and `args` of one object, and the elements of an argv, are one command.
  for (const [holder, { field, words }] of lists) {
    if (field.isProse) continue;
    const program = programs.get(holder.outer);
    const line = [...(program === undefined ? [] : [program]), ...words].join(' ');
    if (ground.runsCallgate(line)) return COMMAND_HIT;
  }
  return undefined;
}

function judgeString(text: string, field: Field, ground: Ground, looks: Looks): FloorHit | undefined {
  if (text === '') return undefined;
  const { isProse, isCommand } = field;
  const isOneWord = !/\s/.test(text.trim());
  if (text.length <= LONGEST_PATH && (isOneWord || !(isProse || isCommand))) {
    const looksLikePath = /[\\/~%]/.test(text) || /^[\w.]{1,40}:/.test(text) || !isAscii(text);
    if (looksLikePath || (!isProse && (field.isPath || isCommand || /[.*?[$]/.test(text)))) {
      // A field that is a path and cannot be checked does not go.
      const hit = ground.touches(text.trim(), field.isPath || looksLikePath ? 'must' : 'no', looks);
      if (hit !== undefined) return hit;
    }
  }
  if (isProse || (isOneWord && !isCommand && !/["'\\`$^;|&(),=<>{}]/.test(text))) return undefined;
  const isShort = text.length <= LONGEST_PATH;
  for (const view of shellViews(text, ground.variables)) {
    let bare = 0;
    for (const word of view.split(/[\s;|&()<>{},="'`]+/)) {
      if (word === '' || word.length > LONGEST_PATH || looks.seen.has(word)) continue;
      const isPath = /[/~]/.test(word);
      if (!isPath && !isCommand && !/[.*?[%]/.test(word)) continue;
      looks.seen.add(word);
      // Words of long texts are read, but not all of them are looked up.
      const follows = isPath ? isShort || isCommand : isCommand && !word.startsWith('-') && bare++ < MOST_BARE_WORDS;
      const hit = ground.touches(word, follows ? 'try' : 'no', looks) ?? touchesPatched(word, ground, looks);
      if (hit !== undefined) return hit;
    }
    if ((isCommand || text.length <= 300) && changesCallgate(isCommand ? view : firstLine(view))) return COMMAND_HIT;
  }
  return undefined;
}

/** `a/policy.yaml` and `b/policy.yaml` of a patch name the file without its first segment. */
function touchesPatched(word: string, ground: Ground, looks: Looks): FloorHit | undefined {
  return /^[ab]\/./.test(word) ? ground.touches(word.slice(2), 'no', looks) : undefined;
}

/** What a member's name says about the strings in it. */
interface Field {
  readonly isProse: boolean;
  readonly isCommand: boolean;
  readonly isPath: boolean;
  readonly isIndex: boolean;
}

const fields = new Map<string, Field>();
const MOST_FIELDS = 1024;

function fieldOf(key: string): Field {
  const known = fields.get(key);
  if (known !== undefined) return known;
  const name = key.toLowerCase().replace(/[^a-z]/g, '');
  const field = {
    isProse: PROSE.has(name),
    isCommand: COMMANDS.has(name),
    isPath: name === 'from' || name === 'to' || PATH_ENDS.some((end) => name.endsWith(end) || name.endsWith(`${end}s`)),
    isIndex: /^\d+$/.test(key),
  };
  if (fields.size < MOST_FIELDS && key.length < 64) fields.set(key, field);
  return field;
}

function firstLine(text: string): string {
  const end = text.indexOf('\n');
  return end < 0 ? text : text.slice(0, end);
}

const COMMAND_HIT: FloorHit = {
  id: 'floor:callgate-command',
  reason:
    'Agents may not run callgate commands that change anything. Reading ones (logs, audit verify, policy check, doctor) are fine.',
};
const HOME_HIT: FloorHit = {
  id: 'floor:home',
  reason: "This refers to Callgate's own home (keys, evidence, state), which agents may neither read nor change.",
};
const UNCHECKED: FloorHit = {
  id: 'floor:home',
  reason: `This names more than ${MOST_LOOKUPS} paths, too many to check in one call. Ask for fewer.`,
};
const POLICY_HIT: FloorHit = {
  id: 'floor:policy',
  reason: 'This refers to the policy or config that judges this call. A person changes it, not an agent.',
};
const SETTINGS_HIT: FloorHit = {
  id: 'floor:client-settings',
  reason: "This refers to an agent client's settings or hooks, which decide whether Callgate is asked at all.",
};

/** The places the floor protects, as written and with links followed. */
class Ground {
  readonly variables: ReadonlyMap<string, string>;
  readonly #place: FloorPlace;
  readonly #homes: readonly string[];
  readonly #files: ReadonlySet<string>;

  constructor(place: FloorPlace) {
    this.#place = place;
    const real = (path: string): string => fold(this.#realOf(path) ?? path);
    const outside = place.outsideHome ?? [];
    const homes = [place.home, ...outside].flatMap((home) => [fold(home), real(home)]);
    this.#homes = [...new Set([...homes, fold(`${place.userHome}/.callgate`)])];
    this.#files = new Set(place.protectedFiles.flatMap((file) => [fold(file), real(file)]));
    this.variables = new Map([
      ['HOME', place.userHome],
      ['USERPROFILE', place.userHome],
      ['CALLGATE_HOME', place.home],
      ['PWD', place.cwd],
    ]);
  }

  runsCallgate(line: string): boolean {
    return shellViews(line, this.variables).some(changesCallgate);
  }

  /** Whether a path, in any reading, leads to what is protected. `follow`: also look where links lead. */
  touches(text: string, follow: 'no' | 'try' | 'must', looks: Looks): FloorHit | undefined {
    for (const reading of readings(text, this.variables)) {
      const path = this.#absolute(reading);
      if (path === undefined) continue;
      const hit = this.#protects(path);
      if (hit !== undefined) return hit;
      const mark = `:${path}`;
      if (follow === 'no' || looks.seen.has(mark)) continue;
      looks.seen.add(mark);
      if (looks.left-- <= 0) {
        if (follow === 'must') return UNCHECKED;
        continue;
      }
      const real = this.#realOf(path, looks);
      const realHit = real === undefined || real === path ? undefined : this.#protects(real);
      if (realHit !== undefined) return realHit;
    }
    return undefined;
  }

  #protects(path: string): FloorHit | undefined {
    const folded = fold(path);
    if (this.#homes.some((home) => isBelow(folded, home) || globReaches(folded, home))) return HOME_HIT;
    if (folded.includes('/.callgate/') || folded.endsWith('/.callgate')) return HOME_HIT;
    if (this.#files.has(folded)) return POLICY_HIT;
    if (isClientSettings(folded)) return SETTINGS_HIT;
    return undefined;
  }

  #absolute(reading: string): string | undefined {
    let path = withoutScheme(reading);
    if (path === undefined || path === '') return undefined;
    path = path.replace(/^(?:\/\/[?.]\/)?[A-Za-z]:(?=\/)/, '');
    if (path === '~' || path.startsWith('~/')) path = this.#place.userHome + path.slice(1);
    const absolute = resolveSegments(path.startsWith('/') ? path : `${this.#place.cwd}/${path}`);
    // /proc gives every process other names of `/` and of its directory.
    return (
      absolute.replace(/^\/proc\/[^/]+\/root(?=\/|$)/, '').replace(/^\/proc\/[^/]+\/cwd(?=\/|$)/, this.#place.cwd) ||
      '/'
    );
  }

  /** Links followed; what does not exist is placed under its nearest existing parent. */
  #realOf(path: string, looks: Looks = { left: MOST_LOOKUPS, seen: new Set() }): string | undefined {
    let at = path;
    for (;;) {
      const real = this.#place.realPath(at);
      if (real !== undefined) return resolveSegments(`${real}${path.slice(at.length)}`);
      const slash = at.lastIndexOf('/');
      // Each step up is a look, too: what has none left is told so by the next path.
      if (slash <= 0 || looks.left-- <= 0) return undefined;
      at = at.slice(0, slash);
    }
  }
}

function fold(path: string): string {
  return resolveSegments(path).toLowerCase();
}

/** Decoded and normalised forms of one text, with `/` between segments. */
function readings(text: string, variables: ReadonlyMap<string, string>): Set<string> {
  const found = new Set<string>();
  const add = (form: string): void => {
    found.add(form);
    if (form.includes('\\')) found.add(form.replace(/\\+/g, '/'));
    if (/[$%]/.test(form)) found.add(expandVariables(form, variables).replaceAll('\\', '/'));
  };
  let form = text;
  for (let round = 0; round < 4; round++) {
    add(form);
    if (!isAscii(form)) add(plainLetters(form));
    const trimmed = withoutTrailingDots(form);
    if (trimmed !== form) add(trimmed);
    const decoded = percentDecode(form);
    if (decoded === undefined || decoded === form) break;
    form = decoded;
  }
  return found;
}

/** As Windows opens it: no dots or blanks at the end of a segment; control characters gone. */
function withoutTrailingDots(text: string): string {
  const clean = text.replace(/\p{Cc}+/gu, '');
  if (!/[. ](?:\/|$)/.test(clean)) return clean;
  return clean
    .split('/')
    .map((segment) => (segment === '.' || segment === '..' ? segment : segment.replace(/[. ]{1,16}$/, '')))
    .join('/');
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 127) return false;
  return true;
}

function plainLetters(text: string): string {
  return text
    .replace(/[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, '')
    .replace(/[\u2044\u2215\u2216\u29f5\u29f8\u29f9]/g, '/')
    .normalize('NFKC')
    .replaceAll('\\', '/');
}

/** The path of a URI; undefined where it names something on the network. */
function withoutScheme(text: string): string | undefined {
  const match = /^([A-Za-z][A-Za-z0-9+.-]{1,30}):(\/\/[^/]*)?/.exec(text);
  if (match === null) return text;
  const scheme = match[1]!.toLowerCase();
  if (/^(?:https?|wss?|ssh|git|git\+ssh|ftps?|sftp|mailto|data|urn)$/.test(scheme)) return undefined;
  if (match[2] === undefined && scheme !== 'file') return text;
  const rest = text.slice(match[0].length).replace(/[?#].*$/, '');
  // In `memo://~/x` and `x://.callgate/y` the authority is the first segment.
  const authority = (match[2] ?? '').slice(2);
  if (scheme === 'file' || authority === '') return rest;
  return authority.startsWith('~') || authority.startsWith('.') ? `${authority}${rest}` : rest;
}

/** Whether a path with wildcards can mean the home: segment by segment, as a shell would match. */
function globReaches(path: string, home: string): boolean {
  if (!/[*?[]/.test(path)) return false;
  const wanted = home.split('/');
  const given = path.split('/');
  return given.length >= wanted.length && wanted.every((segment, at) => matchesSegment(given[at]!, segment));
}
