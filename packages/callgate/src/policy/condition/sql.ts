import { SQL_CLASSES, SQL_DIALECTS } from '../../inspect/sql/dialects.ts';
import type { SqlReading, SqlStatement } from '../../inspect/sql/index.ts';
import type { NodePath, OneOrMany, TypedDoc } from '../document/document-types.ts';
import type { Glob } from './glob.ts';
import { suggest } from '../document/nearest.ts';
import type { TextTest } from './operators-typed.ts';
import type { Report, Scope } from './scope.ts';
import { allTrue, anyTrue, type Truth, Unsure } from './truth.ts';

const KEYS = ['class', 'tables', 'unbounded', 'dangers', 'dialect'];
/** Longest text that is read: as every dialect does, more would keep other calls waiting. */
const LONGEST = 65_536;
const TOO_LONG = new Unsure('the SQL is too long to be read');
const NO_STATEMENT = new Unsure('there is no SQL statement');

type StatementTest = (statement: SqlStatement) => Truth;

/**
 * Compiles `sql`: what the statements of a text would do. As with arrays, `all` says whether every statement must be as
 * wanted (for allow) or one is enough (for everything else).
 */
export function compileSql(
  doc: TypedDoc,
  all: boolean,
  scope: Scope,
  reportAt: (path: NodePath) => Report,
  path: NodePath,
): TextTest {
  const unknown = Object.keys(doc).find((key) => !KEYS.includes(key));
  if (unknown !== undefined)
    reportAt([...path, unknown])('CG_POLICY_UNKNOWN_KEY', `sql has no "${unknown}"`, suggest(unknown, KEYS));
  const dialect = wordsOf(doc['dialect'], SQL_DIALECTS, reportAt([...path, 'dialect']))?.[0] ?? 'generic';
  const tests: StatementTest[] = [];
  if (doc['class'] !== undefined) {
    const classes = wordsOf(doc['class'], SQL_CLASSES, reportAt([...path, 'class'])) ?? [];
    tests.push((statement) => classes.includes(statement.class));
  }
  if (doc['tables'] !== undefined) tests.push(tableTest(doc['tables'], all, scope, reportAt([...path, 'tables'])));
  for (const [key, holds] of FLAGS) {
    const wanted = doc[key];
    if (wanted === undefined) continue;
    if (typeof wanted !== 'boolean') reportAt([...path, key])('CG_POLICY_TYPE', `${key} must be true or false`);
    tests.push((statement) => holds(statement) === wanted);
  }
  // An empty map is reported already, and so is what did not load.
  if (tests.length === 0 && Object.keys(doc).join() === 'dialect')
    reportAt(path)('CG_POLICY_EMPTY', 'sql does not say what it wants', `name one of: ${KEYS.slice(0, -1).join(', ')}`);
  const test: StatementTest = (statement) => allTrue(tests, (one) => one(statement));
  const { readers } = scope;
  scope.uses('sql');
  return (text) => (text.length > LONGEST ? TOO_LONG : quantified(readers.sql(text, dialect), all, test));
}

const FLAGS: readonly (readonly [string, (statement: SqlStatement) => boolean])[] = [
  ['unbounded', (statement) => statement.unbounded],
  ['dangers', (statement) => statement.dangers.length > 0],
];

/** Where databases disagree, only a statement that some of them would run decides, and only towards "one is enough". */
function quantified({ statements, ambiguous }: SqlReading, all: boolean, test: StatementTest): Truth {
  if (statements.length === 0) return NO_STATEMENT;
  const truth = all ? allTrue(statements, test) : anyTrue(statements, test);
  return truth === !all || ambiguous === undefined ? truth : new Unsure(`the SQL is ambiguous: ${ambiguous}`);
}

/**
 * Compiles `sql(x, classes)` of a condition, which no effect gives a direction: true when every statement is of these
 * classes, false when none is, and an error between.
 */
export function compileSqlClasses(
  classes: readonly string[],
  dialect: string | undefined,
  scope: Scope,
  report: Report,
): TextTest {
  const wanted = wordsOf(classes, SQL_CLASSES, report) ?? [];
  const read = dialect === undefined ? 'generic' : (wordsOf(dialect, SQL_DIALECTS, report)?.[0] ?? 'generic');
  const { readers } = scope;
  return (text) => {
    if (text.length > LONGEST) return TOO_LONG;
    const { statements, ambiguous } = readers.sql(text, read);
    if (statements.length === 0) return NO_STATEMENT;
    if (ambiguous !== undefined) return new Unsure(`the SQL is ambiguous: ${ambiguous}`);
    const hits = statements.filter((statement) => wanted.includes(statement.class)).length;
    if (hits > 0 && hits < statements.length) return new Unsure('only some of the SQL statements are of these classes');
    return hits > 0;
  };
}

function wordsOf<T extends string>(
  doc: TypedDoc[string] | undefined,
  known: readonly T[],
  report: Report,
): readonly T[] | undefined {
  if (doc === undefined) return undefined;
  const words = typeof doc === 'boolean' ? [String(doc)] : typeof doc === 'string' ? [doc] : doc;
  const wrong = words.find((word) => !known.some((one) => one === word));
  if (wrong !== undefined) report('CG_POLICY_VALUE', `this cannot be "${wrong}"`, suggest(wrong, known));
  return known.filter((word) => words.includes(word));
}

/** Names of tables, without regard to case. For "one is enough" `users` is also what a schema stands before. */
function tableTest(doc: boolean | OneOrMany<string>, all: boolean, scope: Scope, report: Report): StatementTest {
  if (typeof doc === 'boolean') {
    report('CG_POLICY_TYPE', 'tables must be a text or a list of texts', 'write tables: [orders, "shop.*"]');
    return () => NO_STATEMENT;
  }
  const globs = (typeof doc === 'string' ? [doc] : doc)
    .map((name) => scope.glob(name.toLowerCase(), report))
    .filter((glob): glob is Glob => glob !== undefined);
  const isOne = (name: string): boolean => globs.some((glob) => glob.test(name));
  if (all)
    return ({ tables, class: kind }) => {
      if (tables.length === 0 && kind !== 'read') return new Unsure('the SQL names no table that could be found');
      return tables.every((table) => isOne(table.toLowerCase()));
    };
  return ({ tables }) => tables.some((table) => endings(table.toLowerCase()).some(isOne));
}

/** `db.public.users` also as `public.users` and `users`. */
function endings(table: string): readonly string[] {
  const parts = table.split('.').slice(-8);
  return [table, ...parts.map((_, index) => parts.slice(index).join('.'))];
}
