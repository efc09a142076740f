import { findDangers, isHard, type SqlDanger } from './dangers.ts';
import { SQL_CLASSES, type SqlClass, type SqlDialect } from './dialects.ts';
import { isOp, isWord, type Lexeme, nameOf } from './lexemes.ts';
import { findTables } from './tables.ts';
import { judgeCondition } from './where.ts';

export type SqlKind =
  | 'select'
  | 'insert'
  | 'update'
  | 'delete'
  | 'merge'
  | 'ddl'
  | 'grant'
  | 'transaction'
  | 'set'
  | 'call'
  | 'copy'
  | 'explain'
  | 'show'
  | 'use'
  | 'other';

export interface SqlStatement {
  readonly kind: SqlKind;
  readonly class: SqlClass;
  readonly tables: readonly string[];
  /** A DELETE or UPDATE in it has no condition, or one that holds for every row. */
  readonly unbounded: boolean;
  readonly dangers: readonly SqlDanger[];
}

const VERBS: ReadonlyMap<string, readonly [SqlKind, SqlClass]> = new Map(
  (
    [
      ['select values table', 'select', 'read'],
      ['insert replace upsert', 'insert', 'write'],
      ['update', 'update', 'write'],
      ['delete', 'delete', 'write'],
      ['merge', 'merge', 'write'],
      ['create alter drop truncate rename comment', 'ddl', 'ddl'],
      ['grant revoke deny reassign', 'grant', 'admin'],
      ['begin start commit rollback savepoint release end abort', 'transaction', 'admin'],
      ['set reset pragma', 'set', 'admin'],
      ['call exec execute', 'call', 'write'],
      ['copy load bulk unload import', 'copy', 'write'],
      ['explain', 'explain', 'read'],
      ['show describe desc', 'show', 'read'],
      ['use', 'use', 'admin'],
    ] as const
  ).flatMap(([words, kind, of]) => words.split(' ').map((word) => [word, [kind, of]] as const)),
);

/** Verbs that change something wherever they stand: in WITH, behind EXPLAIN ANALYZE, or after a T-SQL statement without `;`. */
const INNER_VERBS = new Set(
  'insert update delete merge replace upsert create alter drop truncate grant revoke exec execute'.split(' '),
);
const WRITING_CALLS = new Set(
  'nextval setval get_lock release_lock lo_create lo_creat lo_unlink lo_put lowrite lo_from_bytea lo_truncate txid_current'.split(
    ' ',
  ),
);
const ADMIN_CALLS =
  /^(?:pg_(?:terminate|cancel)_backend|pg_reload_conf|pg_rotate_logfile|pg_promote|pg_switch_wal|pg_create_\w{1,60}|pg_drop_\w{1,60}|pg_logical_\w{1,60}|pg_replication_\w{1,60}|pg_(?:try_)?advisory_\w{1,60}|pg_notify|pg_backup_\w{1,60}|pg_start_backup|pg_stop_backup|pg_wal_replay_\w{1,60}|pg_stat_reset\w{0,60}|pg_import_\w{1,60}|set_config|lo_\w{1,60}_perms|sp_configure|sp_addlogin|sp_addsrvrolemember|sp_droplogin|sp_password|dbms_session)$/;
/** Pragmas of SQLite that only tell something. */
const TELLING = new Set(
  'table_info table_xinfo table_list index_list index_info index_xinfo foreign_key_list database_list collation_list function_list compile_options integrity_check quick_check'.split(
    ' ',
  ),
);

/** Judges one statement. */
export function readStatement(lexemes: readonly Lexeme[], dialect: SqlDialect, isStacked: boolean): SqlStatement {
  const dangers = new Set(findDangers(lexemes, dialect));
  if (isStacked) dangers.add('stacked');
  if (hasTautology(lexemes, dialect)) dangers.add('tautology');
  const [leading, base] = leadingVerb(lexemes);
  const runs = leading !== 'show' && (leading !== 'explain' || isAnalyzed(lexemes));
  const inner = runs ? innerVerbs(lexemes, leading, dialect) : [];
  const classes = [
    base,
    ...inner.map(({ of }) => of),
    ...(runs ? callClasses(lexemes) : []),
    extraClass(lexemes, leading),
  ];
  if ([...dangers].some(isHard)) classes.push('dangerous');
  const modifying = inner.find(({ kind }) => kind !== 'call');
  return {
    kind:
      leading === 'select' && isWord(firstOf(lexemes), 'with') && modifying !== undefined ? modifying.kind : leading,
    class: worst(classes),
    tables: findTables(lexemes),
    unbounded: runs && isUnbounded(lexemes, leading, dialect),
    dangers: [...dangers].sort(),
  };
}

export const worst = (classes: readonly SqlClass[]): SqlClass =>
  SQL_CLASSES.findLast((of) => classes.includes(of)) ?? 'dangerous';

const firstOf = (lexemes: readonly Lexeme[]) => lexemes.find((lexeme) => !isOp(lexeme, '('));

function leadingVerb(lexemes: readonly Lexeme[]): readonly [SqlKind, SqlClass] {
  const at = lexemes.findIndex((lexeme) => !isOp(lexeme, '('));
  const first = lexemes[at];
  if (first?.kind !== 'word') return ['other', 'admin'];
  if (first.text === 'with') return mainOfWith(lexemes, at);
  const next = lexemes[at + 1];
  if (first.text === 'begin' && next !== undefined && !isWord(next, ...TRANSACTION_WORDS)) return ['other', 'admin'];
  if (first.text === 'prepare' && isWord(next, 'transaction')) return ['transaction', 'admin'];
  if (first.text === 'copy' && lexemes.some((lexeme, i) => isStandardOut(lexemes, lexeme, i))) return ['copy', 'read'];
  if (first.text === 'pragma') return TELLING.has(pragmaOf(lexemes, at)) ? ['show', 'read'] : ['set', 'admin'];
  if (isWord(first, 'describe', 'desc') && isWord(next, 'select', 'insert', 'update', 'delete', 'analyze', 'with'))
    return ['explain', 'read'];
  const isAccount =
    isWord(first, 'create', 'alter', 'drop') && isWord(next, 'user', 'role', 'login', 'group', 'profile');
  if (isAccount) return ['grant', 'admin'];
  if (isWord(first, 'alter') && isWord(next, 'system', 'session', 'server', 'instance')) return ['set', 'admin'];
  return VERBS.get(first.text) ?? ['other', 'admin'];
}

const TRANSACTION_WORDS =
  'transaction tran work isolation read deferred immediate exclusive concurrent not deferrable distributed'.split(' ');

const isStandardOut = (lexemes: readonly Lexeme[], lexeme: Lexeme, i: number): boolean =>
  lexeme.depth === 0 && isWord(lexeme, 'stdout') && isWord(lexemes[i - 1], 'to');

function mainOfWith(lexemes: readonly Lexeme[], at: number): readonly [SqlKind, SqlClass] {
  const depth = lexemes[at]!.depth;
  const main = lexemes.find(
    (lexeme, i) =>
      i > at &&
      lexeme.depth === depth &&
      isWord(lexeme, 'select', 'insert', 'update', 'delete', 'merge', 'values', 'table', 'replace'),
  );
  return main === undefined ? ['other', 'admin'] : VERBS.get(main.text)!;
}

/** `PRAGMA name`, `PRAGMA schema.name(argument)`; an assignment tells nothing. */
function pragmaOf(lexemes: readonly Lexeme[], at: number): string {
  if (lexemes.some((lexeme) => isOp(lexeme, '='))) return '';
  return nameOf(lexemes[isOp(lexemes[at + 2], '.') ? at + 3 : at + 1]) ?? '';
}

const isAnalyzed = (lexemes: readonly Lexeme[]) => lexemes.some((lexeme) => isWord(lexeme, 'analyze', 'analyse'));

function innerVerbs(lexemes: readonly Lexeme[], leading: SqlKind, dialect: SqlDialect) {
  const found: { readonly kind: SqlKind; readonly of: SqlClass }[] = [];
  for (const [i, lexeme] of lexemes.entries()) {
    if (lexeme.kind !== 'word') continue;
    if ((dialect === 'mssql' || dialect === 'generic') && isServerVerb(lexemes, i))
      found.push({ kind: 'other', of: 'admin' });
    if (!INNER_VERBS.has(lexeme.text) || !isVerb(lexemes, i)) continue;
    if (leading === 'grant' || (leading === 'ddl' && lexeme.text !== 'grant')) continue;
    const [kind, of] = VERBS.get(lexeme.text)!;
    found.push({ kind, of });
  }
  return found;
}

/** T-SQL needs no `;`, so `SELECT 1 SHUTDOWN` is two statements. */
function isServerVerb(lexemes: readonly Lexeme[], i: number): boolean {
  if (!isWord(lexemes[i], 'shutdown', 'reconfigure', 'deny', 'kill', 'backup', 'restore')) return false;
  const before = lexemes[i - 1];
  if (before?.kind === 'op') return before.text === ')' || before.text === ']';
  return !isWord(before, 'select', 'as', 'where', 'and', 'or', 'by', 'on', 'from', 'join', 'into', 'table', 'distinct');
}

/** Whether a verb's word is one: not a column, an alias, a function of that name or a join hint. */
function isVerb(lexemes: readonly Lexeme[], i: number): boolean {
  const [before, word, next] = [lexemes[i - 1], lexemes[i]!.text, lexemes[i + 1]];
  if (isOp(before, '.') || isOp(next, '.')) return false;
  if (isOp(next, '(')) return isWord(lexemes[i], 'exec', 'execute', 'update', 'delete');
  if (word === 'merge' && isWord(next, 'join')) return false;
  const endsColumn = next === undefined || isOp(next, ',') || isOp(next, ')') || isWord(next, 'from');
  return !(isWord(before, 'as') && endsColumn);
}

/** What functions and clauses make of a statement that looks like a read. */
function callClasses(lexemes: readonly Lexeme[]): readonly SqlClass[] {
  const found = new Set<SqlClass>();
  for (const [i, lexeme] of lexemes.entries()) {
    const name = nameOf(lexeme);
    if (name === undefined) continue;
    const isCall = isOp(lexemes[i + 1], '(');
    if (isCall && WRITING_CALLS.has(name)) found.add('write');
    if (ADMIN_CALLS.test(name) && (isCall || name.startsWith('sp_'))) found.add('admin');
    if (name === 'nextval' && isOp(lexemes[i - 1], '.')) found.add('write');
    if (isWord(lexeme, 'next') && isWord(lexemes[i + 1], 'value') && isWord(lexemes[i + 2], 'for')) found.add('write');
  }
  return [...found];
}

/** SELECT … INTO and row locks write; COPY … TO STDOUT reads. */
function extraClass(lexemes: readonly Lexeme[], leading: SqlKind): SqlClass {
  if (leading === 'explain' || leading === 'show') return 'read';
  const writes = lexemes.some(
    (lexeme, i) =>
      isWord(lexeme, 'into') ||
      (isWord(lexeme, 'for') && isWord(lexemes[i + 1], 'update', 'share', 'no', 'key')) ||
      (isWord(lexeme, 'lock') && isWord(lexemes[i + 1], 'in')),
  );
  return writes ? 'write' : 'read';
}

const MOST_VERBS = 20;

/** Whether any DELETE or UPDATE that runs has no condition that depends on the row. */
function isUnbounded(lexemes: readonly Lexeme[], leading: SqlKind, dialect: SqlDialect): boolean {
  if (leading === 'grant') return false;
  let verbs = 0;
  for (const [i, lexeme] of lexemes.entries()) {
    if (!isWord(lexeme, 'delete', 'update') || !isVerb(lexemes, i) || isClause(lexemes, i, leading)) continue;
    if (++verbs > MOST_VERBS || !isBounded(lexemes, i, dialect)) return true;
  }
  return false;
}

/** `FOR UPDATE`, `ON DELETE CASCADE`, `ON DUPLICATE KEY UPDATE`, `THEN DELETE`, `AFTER UPDATE OR DELETE ON`. */
function isClause(lexemes: readonly Lexeme[], i: number, leading: SqlKind): boolean {
  const [before, next] = [lexemes[i - 1], lexemes[i + 1]];
  if (isWord(before, 'for', 'key', 'on') || (isWord(before, 'do') && isWord(next, 'set'))) return true;
  if (leading === 'merge') return isWord(before, 'then');
  if (isWord(lexemes[i], 'update') && isWord(next, 'statistics')) return true;
  return (
    leading === 'ddl' &&
    (isWord(before, 'before', 'after', 'of', 'or') || isOp(before, ',')) &&
    (next === undefined || isWord(next, 'on', 'or', 'of') || isOp(next, ','))
  );
}

const CLAUSE_ENDS = 'group order limit returning having union option window except intersect'.split(' ');

function isBounded(lexemes: readonly Lexeme[], verb: number, dialect: SqlDialect): boolean {
  const { depth } = lexemes[verb]!;
  for (let i = verb + 1; i < lexemes.length; i++) {
    const lexeme = lexemes[i]!;
    if (lexeme.depth < depth) return false;
    if (lexeme.depth > depth) continue;
    if (isWord(lexeme, 'delete', 'update', 'insert', 'merge', 'select', 'drop', 'exec') && isVerb(lexemes, i))
      return false;
    if (isWord(lexeme, 'where'))
      return ['row', 'false'].includes(judgeCondition(conditionFrom(lexemes, i + 1, depth), dialect));
  }
  return false;
}

/** The lexemes of a condition, up to the clause, statement or parenthesis that ends it. */
function conditionFrom(lexemes: readonly Lexeme[], start: number, depth: number): readonly Lexeme[] {
  let end = start;
  for (; end < lexemes.length; end++) {
    const lexeme = lexemes[end]!;
    if (lexeme.depth < depth) break;
    if (lexeme.depth > depth || lexeme.kind !== 'word') continue;
    if (
      CLAUSE_ENDS.includes(lexeme.text) ||
      (INNER_VERBS.has(lexeme.text) && lexeme.text !== 'replace' && isVerb(lexemes, end))
    )
      break;
  }
  return lexemes.slice(start, end);
}

const LONGEST_BRANCH = 12;

/** `OR 1=1`: a branch that holds for every row. ORMs write `WHERE 1=1 AND …`, so AND and WHERE do not count. */
function hasTautology(lexemes: readonly Lexeme[], dialect: SqlDialect): boolean {
  return lexemes.some((lexeme, i) => {
    if (!isWord(lexeme, 'or') || isWord(lexemes[i + 1], 'replace', 'ignore', 'rollback', 'abort', 'fail', 'alter'))
      return false;
    let end = i + 1;
    while (
      end < lexemes.length &&
      end <= i + LONGEST_BRANCH &&
      lexemes[end]!.depth >= lexeme.depth &&
      !isWord(lexemes[end], 'or', ...CLAUSE_ENDS)
    )
      end++;
    const branch = lexemes.slice(i + 1, end);
    return branch.length > 0 && judgeCondition(branch, dialect) === 'true';
  });
}
