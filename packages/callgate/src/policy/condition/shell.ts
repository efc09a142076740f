import type { JudgedShell, ShellProgram } from './engines.ts';
import type { Json } from '../../model/json.ts';
import type { NodePath, OneOrMany, TypedDoc } from '../document/document-types.ts';
import { typeName } from './field.ts';
import type { Glob } from './glob.ts';
import { suggest } from '../document/nearest.ts';
import type { Report, Scope } from './scope.ts';
import { allTrue, anyTrue, type Truth, Unsure } from './truth.ts';
import { SHELL_FACTS } from '../document/words.ts';

/** Judges a command line, or a list of texts. */
export type ShellTest = (value: Json) => Truth;
type JudgedTest = (judged: JudgedShell) => Truth;
type Fact = keyof typeof SHELL_FACTS;

/** How a list is read: as the arguments of one program, as command lines, or (when nobody says) as both. */
const LISTS = ['argv', 'lines'];
const KEYS = [...Object.keys(SHELL_FACTS), 'programs', 'list'];
/** Most texts of a list, and most characters they may have together. */
const MOST_TEXTS = 256;
const MOST_LINES = 32;
const MOST_TEXT = 65_536;

/**
 * Compiles `shell`: what a command line would do. `all` says whether every program must be one of `programs` (for allow)
 * or one is enough (for everything else).
 */
export function compileShell(
  doc: TypedDoc,
  all: boolean,
  scope: Scope,
  reportAt: (path: NodePath) => Report,
  path: NodePath,
): ShellTest {
  const readings = listOf(doc['list'], reportAt([...path, 'list']));
  const tests: ShellTest[] = [];
  for (const [key, wanted] of Object.entries(doc)) {
    const report = reportAt([...path, key]);
    if (key === 'list') continue;
    if (key === 'programs')
      tests.push(programTest(wanted, all, readings, scope, report, (index) => reportAt([...path, key, index])));
    else if (!Object.hasOwn(SHELL_FACTS, key))
      report('CG_POLICY_UNKNOWN_KEY', `shell has no "${key}"`, suggest(key, KEYS));
    else if (typeof wanted !== 'boolean')
      report('CG_POLICY_TYPE', `${key} must be true or false`, `write { ${key}: true }`);
    else tests.push(factTest(key as Fact, wanted, readings, scope));
  }
  // An empty map is reported already, and so is what did not load.
  if (tests.length === 0 && Object.keys(doc).join() === 'list')
    reportAt(path)(
      'CG_POLICY_EMPTY',
      'shell does not say what it wants',
      `name one of: ${KEYS.slice(0, -1).join(', ')}`,
    );
  return (value) => allTrue(tests, (test) => test(value));
}

/** Compiles `shell(x, "destructive")` and `shell(x, ["git", "ls"])` of a condition. */
export function compileShellWord(words: string | readonly string[], scope: Scope, report: Report): ShellTest {
  if (typeof words === 'string') {
    if (Object.hasOwn(SHELL_FACTS, words)) return factTest(words as Fact, true, 'both', scope);
    const remedy = `${suggest(words, Object.keys(SHELL_FACTS))}; programs are written as a list: shell(x, ["git"])`;
    report('CG_POLICY_WHEN', `shell() knows nothing called "${words}"`, remedy);
    return () => new Unsure('the condition did not load');
  }
  // No effect gives the condition a direction: true when every program is one of these, false when none is.
  const every = programTest(words, true, 'both', scope, report);
  const some = programTest(words, false, 'both', scope, () => undefined);
  return (value) => {
    const truth = every(value);
    if (truth !== false) return truth;
    return some(value) === false ? false : new Unsure('only some of the programs are among these');
  };
}

type Lists = 'argv' | 'lines' | 'both';

function listOf(doc: TypedDoc[string] | undefined, report: Report): Lists {
  if (doc === undefined || doc === 'both') return 'both';
  if (doc === 'argv' || doc === 'lines') return doc;
  report('CG_POLICY_VALUE', `list cannot be "${String(doc)}"`, suggest(String(doc), LISTS));
  return 'both';
}

/** A fact is so when any reading says so; where a part could not be read, it is never known not to be so. */
function factTest(fact: Fact, wanted: boolean, lists: Lists, scope: Scope): ShellTest {
  const holds: JudgedTest = ({ facts }) => {
    if (facts[fact]) return true;
    if (facts.unparsed !== undefined) return new Unsure(`the command line cannot be read: ${facts.unparsed}`);
    return facts.dynamic && fact !== 'dynamic' ? new Unsure('what the command line runs cannot be known') : false;
  };
  scope.uses('shell');
  return (value) => {
    const truth = overReadings(value, lists, scope, (readings) => anyTrue(readings, holds));
    return typeof truth === 'boolean' ? truth === wanted : truth;
  };
}

const SYSTEM_DIRECTORY = /^(?:\/usr(?:\/local)?|\/opt\/homebrew)?\/s?bin\//;

/** An entry that no program is ever known by would make a deny rule a silent hole. */
function checkProgram(name: string, report: Report): void {
  const isLine = !name.includes('/') && /\s/.test(name.trim());
  const [word = ''] = name.trim().split(/\s+/);
  if (isLine)
    report('CG_POLICY_VALUE', `a program is one word, and "${name.slice(0, 100)}" is a command line`, `write ${word}`);
  else if (SYSTEM_DIRECTORY.test(name))
    report(
      'CG_POLICY_VALUE',
      `a program of the system goes by its name, not as "${name.slice(0, 100)}"`,
      `write ${name.slice(name.lastIndexOf('/') + 1)}`,
    );
}

function programTest(
  doc: boolean | OneOrMany<string>,
  all: boolean,
  lists: Lists,
  scope: Scope,
  report: Report,
  reportProgram: (index: number) => Report = () => report,
): ShellTest {
  scope.uses('shell');
  if (typeof doc === 'boolean') {
    report('CG_POLICY_TYPE', 'programs must be a text or a list of texts', 'write programs: [git, ls]');
    return () => new Unsure('the condition did not load');
  }
  const names = typeof doc === 'string' ? [doc] : doc;
  for (const [index, name] of names.entries())
    checkProgram(name, typeof doc === 'string' ? report : reportProgram(index));
  const globs = names
    .map((name) => scope.glob(name.toLowerCase(), report))
    .filter((glob): glob is Glob => glob !== undefined);
  const holds: JudgedTest = ({ facts, programs }) => {
    const isOne = (text: string): boolean => globs.some((glob) => glob.test(text));
    // What lies elsewhere may only share its name with the program that is meant.
    const isMeant = ({ name, path }: ShellProgram): boolean => isOne(path ?? name);
    const mayBeMeant = ({ name, path }: ShellProgram): boolean => isOne(name) || (path !== undefined && isOne(path));
    const truth = all ? programs.every(isMeant) : programs.some(mayBeMeant);
    if (truth === !all) return truth;
    if (facts.unparsed !== undefined) return new Unsure(`the command line cannot be read: ${facts.unparsed}`);
    if (facts.dynamic) return new Unsure('what the command line runs cannot be known');
    return programs.length === 0 ? new Unsure('the command line runs no program') : truth;
  };
  return (value) =>
    overReadings(value, lists, scope, (readings) => (all ? allTrue(readings, holds) : anyTrue(readings, holds)));
}

/**
 * Judges a value by all its readings: a text is a command line; a list of texts is the arguments of one program, or
 * command lines, and when nobody says which, both.
 */
function overReadings(
  value: Json,
  lists: Lists,
  scope: Scope,
  judge: (readings: readonly JudgedShell[]) => Truth,
): Truth {
  const { readers } = scope;
  if (typeof value === 'string') return judge([readers.shell(value)]);
  if (!Array.isArray(value)) return new Unsure(`a command line is ${typeName(value)}, not text or a list of texts`);
  if (value.length === 0) return new Unsure('a command line is an empty list');
  if (value.length > MOST_TEXTS) return new Unsure('a command line has too many parts');
  let length = 0;
  for (const text of value as readonly Json[]) {
    if (typeof text !== 'string') return new Unsure(`a part of a command line is ${typeName(text)}, not text`);
    length += text.length;
  }
  if (length > MOST_TEXT) return new Unsure('a command line is too long');
  const texts = value as readonly string[];
  const readings: JudgedShell[] = [];
  if (lists !== 'lines') readings.push(readers.shell(texts));
  if (lists === 'argv') return judge(readings);
  for (const text of texts.slice(0, MOST_LINES)) readings.push(readers.shell(text));
  const truth = judge(readings);
  return texts.length <= MOST_LINES || truth instanceof Unsure
    ? truth
    : new Unsure('a list of command lines is too long to be read');
}
