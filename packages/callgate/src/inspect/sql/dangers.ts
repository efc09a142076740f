import type { SqlDialect } from './dialects.ts';
import { isOp, isWord, type Lexeme, nameOf } from './lexemes.ts';

/** What a statement does beyond reading and writing rows. The first group alone makes a statement `dangerous`. */
export type SqlDanger = (typeof HARD)[number] | (typeof SOFT)[number];

const HARD = [
  'into-outfile',
  'read-server-file',
  'load-data',
  'copy-program',
  'copy-file',
  'command',
  'large-object-file',
  'network',
  'time-delay',
  'do-block',
  'dynamic-sql',
  'writable-schema',
  'attach',
  'load-extension',
  'untrusted-language',
  'shutdown',
  'client-command',
] as const;
const SOFT = ['union', 'stacked', 'tautology'] as const;

const table = (lines: Readonly<Record<string, SqlDanger>>): ReadonlyMap<string, SqlDanger> =>
  new Map(Object.entries(lines).flatMap(([names, danger]) => names.split(' ').map((name) => [name, danger] as const)));

/** Functions, by the danger of calling them. */
const CALLS = table({
  'load_file pg_read_file pg_read_binary_file pg_ls_dir pg_stat_file pg_ls_logdir pg_ls_waldir pg_ls_tmpdir':
    'read-server-file',
  'pg_ls_archive_statusdir pg_current_logfile pg_file_read readfile fsdir read_text read_blob read_csv read_csv_auto':
    'read-server-file',
  'read_json read_json_auto read_parquet parquet_scan fn_xe_file_target_read_file fn_trace_gettable fn_get_audit_file':
    'read-server-file',
  'bfilename file bulk': 'read-server-file',
  'writefile pg_file_write pg_file_rename pg_file_unlink pg_file_sync edit': 'into-outfile',
  'lo_import lo_export': 'large-object-file',
  'dblink dblink_connect dblink_connect_u dblink_exec dblink_open dblink_send_query url s3 remote remotesecure':
    'network',
  'jdbc odbc mysql postgresql hdfs httpuritype link_schema': 'network',
  'sleep pg_sleep pg_sleep_for pg_sleep_until benchmark master_pos_wait wait_for_executed_gtid_set': 'time-delay',
  'load_extension fts3_tokenizer': 'load-extension',
  'query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml database_to_xml schema_to_xml table_to_xml ts_stat':
    'dynamic-sql',
  'crosstab connectby': 'dynamic-sql',
  'sys_exec sys_eval sys_bineval executable system': 'command',
});

/** Names that are dangerous however they are used. */
const NAMES = table({
  sp_executesql: 'dynamic-sql',
  'openrowset opendatasource openquery utl_http utl_tcp utl_smtp utl_mail utl_inaddr dbms_ldap': 'network',
  'utl_file dbms_advisor dbms_xslprocessor': 'copy-file',
  'dbms_java dbms_java_test dbms_scheduler dbms_job os_command sp_add_job sp_add_jobstep sp_start_job': 'command',
  'sp_execute_external_script sp_addextendedproc': 'command',
  'dbms_lock dbms_pipe waitfor': 'time-delay',
  'dbms_sql dbms_export_extension': 'dynamic-sql',
});

/** Languages whose functions leave the database's own checks. */
const LANGUAGES = new Set(
  'c internal plpythonu plpython2u plpython3u plperlu pltclu plsh plrubyu plr plluau pljavau plv8u java javascript'.split(
    ' ',
  ),
);

/** The dangers of one statement. MySQL's `"…"` may be a name in its ANSI mode, so there a string is no file or code. */
export function findDangers(lexemes: readonly Lexeme[], dialect: SqlDialect): ReadonlySet<SqlDanger> {
  const found = new Set<SqlDanger>();
  const start = lexemes.findIndex((lexeme) => !isOp(lexeme, '('));
  const hasCode = dialect !== 'mysql';
  ofStart(lexemes.slice(Math.max(0, start), start + 6), lexemes, hasCode, found);
  const functions: boolean[] = [];
  for (const [i, lexeme] of lexemes.entries()) {
    const next = lexemes[i + 1];
    if (isOp(lexeme, '('))
      functions[lexeme.depth] = isWord(lexemes[i - 1], 'extract', 'trim', 'substring', 'overlay', 'position');
    // No database knows a bare backslash; its client does: psql runs `SELECT 1 \gexec`, mysql `select 1 \! ls`.
    if (isOp(lexeme, '\\')) found.add('client-command');
    // An XML entity makes the database fetch a file or URL.
    if (lexeme.kind === 'string' && /<!ENTITY/i.test(lexeme.text)) found.add('network');
    // To MySQL the name is a string.
    if (dialect === 'generic' && isWord(lexeme, 'outfile', 'dumpfile') && next?.kind === 'name')
      found.add('into-outfile');
    const name = nameOf(lexeme);
    if (name === undefined) continue;
    const called = isOp(next, '(') ? CALLS.get(name) : undefined;
    if (called !== undefined) found.add(called);
    const known = NAMES.get(name);
    if (known !== undefined) found.add(known);
    if (name.startsWith('xp_') || name.startsWith('sp_oa')) found.add('command');
    if (lexeme.kind === 'word') ofWord(lexemes, i, hasCode && functions[lexeme.depth - 1] !== true, hasCode, found);
    if (name === 'writable_schema' || name === 'trusted_schema') found.add('writable-schema');
  }
  return found;
}

/** Whether a danger alone makes a statement `dangerous`. */
export function isHard(danger: SqlDanger): boolean {
  return !SOFTS.has(danger);
}

const SOFTS: ReadonlySet<string> = new Set(SOFT);

/** Dangers told by the first words of a statement. */
function ofStart(head: readonly Lexeme[], all: readonly Lexeme[], hasCode: boolean, found: Set<SqlDanger>): void {
  const [first, second] = head;
  if (isOp(first, '.') || (isOp(first, '!') && isOp(second, '!')) || isWord(first, 'system', 'source')) {
    found.add('client-command');
  }
  if (
    hasCode &&
    isWord(first, 'do') &&
    (second === undefined || second.kind === 'string' || isWord(second, 'language') || isOp(second, '$'))
  ) {
    found.add('do-block');
  }
  if (isWord(first, 'attach')) found.add('attach');
  if (isWord(first, 'load')) found.add(isWord(second, 'data', 'xml') ? 'load-data' : 'load-extension');
  if (isWord(first, 'install')) found.add('load-extension');
  if (isWord(first, 'import') || isWord(first, 'unload') || isWord(first, 'backup', 'restore', 'export'))
    found.add('copy-file');
  if (isWord(first, 'shutdown')) found.add('shutdown');
  if (isWord(first, 'prepare') && !isWord(second, 'transaction')) found.add('dynamic-sql');
  if (isWord(first, 'copy')) ofCopy(all, found);
  if (isWord(first, 'vacuum') && all.some((lexeme) => isWord(lexeme, 'into'))) found.add('copy-file');
  if (isWord(first, 'create', 'alter')) ofCreate(head.slice(1), all, found);
}

function ofCopy(all: readonly Lexeme[], found: Set<SqlDanger>): void {
  const isStandard = all.some(
    (lexeme, i) => isWord(lexeme, 'stdin', 'stdout') && isWord(all[i - 1], 'from', 'to') && lexeme.depth === 0,
  );
  if (all.some((lexeme, i) => isWord(lexeme, 'program') && isWord(all[i - 1], 'from', 'to'))) found.add('copy-program');
  else if (!isStandard) found.add('copy-file');
}

function ofCreate(head: readonly Lexeme[], all: readonly Lexeme[], found: Set<SqlDanger>): void {
  const words = new Set(head.map(nameOf));
  if (words.has('extension') || words.has('library')) found.add('load-extension');
  if (words.has('assembly') || words.has('java') || words.has('language') || words.has('alias'))
    found.add('untrusted-language');
  if (
    words.has('subscription') ||
    words.has('server') ||
    words.has('link') ||
    words.has('foreign') ||
    words.has('wrapper')
  )
    found.add('network');
  for (const [i, lexeme] of all.entries()) {
    const language = all[i + 1];
    if (isWord(lexeme, 'soname')) found.add('load-extension');
    const named = nameOf(language) ?? (language?.kind === 'string' ? language.text.toLowerCase() : '');
    if (isWord(lexeme, 'language') && LANGUAGES.has(named)) found.add('untrusted-language');
  }
}

/** Dangers told by a bare word and its neighbours. */
function ofWord(all: readonly Lexeme[], i: number, isFile: boolean, hasCode: boolean, found: Set<SqlDanger>): void {
  const word = all[i]!.text;
  const next = all[i + 1];
  if (word === 'into' && isWord(next, 'outfile', 'dumpfile')) found.add('into-outfile');
  if ((word === 'outfile' || word === 'dumpfile') && next?.kind === 'string') found.add('into-outfile');
  if (word === 'bulk' && isWord(next, 'insert')) found.add('load-data');
  if (word === 'load' && isWord(next, 'data') && isWord(all[i + 2], 'infile', 'local', 'low_priority', 'concurrent'))
    found.add('load-data');
  if (word === 'attach' && isWord(next, 'database')) found.add('attach');
  if (word === 'union') found.add('union');
  if (word === 'execute' && isWord(next, 'immediate')) found.add('dynamic-sql');
  if (
    /^exec(?:ute)?$/.test(word) &&
    (isOp(next, '(') || (hasCode && next?.kind === 'string') || next?.kind === 'param')
  )
    found.add('dynamic-sql');
  if (
    (word === 'from' || word === 'join') &&
    next?.kind === 'string' &&
    isFile &&
    !isWord(all[i - 1], 'distinct', 'prepare')
  ) {
    found.add('read-server-file');
  }
}
