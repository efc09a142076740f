import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readSql, SQL_DIALECTS, type SqlClass, type SqlDialect, type SqlKind, tokenizeSql } from './index.ts';

const only = (text: string, dialect?: SqlDialect) => readSql(text, dialect).statements[0]!;

describe('reads are reads', () => {
  it.each<[text: string, tables: readonly string[], kind?: SqlKind]>([
    ['SELECT 1', []],
    ['select * from users', ['users']],
    ['SELECT a, b FROM public.users u WHERE id = 5', ['public.users']],
    ['SELECT * FROM a, b AS bb, c.d WHERE a.x = b.x', ['a', 'b', 'c.d']],
    ['SELECT * FROM a JOIN b ON a.id = b.id LEFT JOIN "My Table" m ON true', ['a', 'b', 'My Table']],
    ['SELECT * FROM (SELECT id FROM inner_t) x', ['inner_t']],
    ['(SELECT 1 FROM t)', ['t']],
    ["SELECT 'DROP TABLE users; DELETE FROM x' AS note", []],
    ["SELECT 'it''s; -- fine' FROM t", ['t']],
    ['SELECT "delete" FROM t', ['t']],
    ['SELECT t.update, t.delete FROM t', ['t']],
    ['SELECT deleted_at, updated_at, created FROM t', ['t']],
    ["SELECT REPLACE(name, 'a', 'b') FROM t", ['t']],
    ['SELECT 1 -- DELETE FROM t', []],
    ['SELECT /* ; DELETE FROM t */ 1', []],
    ['SELECT extract(year FROM created) FROM t', ['t']],
    ["SELECT extract(year FROM '2020-01-01')", []],
    ["SELECT trim(both ' ' FROM 'x')", []],
    ['SELECT * FROM generate_series(1, 3)', []],
    ['SELECT count(*) FROM t GROUP BY a HAVING count(*) > 1 ORDER BY 1 LIMIT 5', ['t']],
    ['SELECT * FROM t WHERE a IS DISTINCT FROM b', ['t']],
    ['SELECT * FROM [dbo].[Users]', ['dbo.Users']],
    ['SELECT * FROM `shop`.`orders`', ['shop.orders']],
    ['WITH x AS (SELECT * FROM t) SELECT * FROM x', ['t']],
    ['WITH RECURSIVE x(n) AS (SELECT 1) SELECT n FROM y', ['y']],
    ['VALUES (1), (2)', []],
    ['TABLE users', ['users']],
    ['SELECT a[1] FROM t', ['t']],
    ['SELECT x::text FROM t', ['t']],
    ["SELECT * FROM t WHERE a = ANY(ARRAY['x', 'y'])", ['t']],
    ["SELECT x->>'a' FROM t", ['t']],
    ["SELECT * FROM t WHERE path LIKE 'a\\_b%'", ['t']],
    ['SELECT * FROM t WHERE 1=1 AND id = 4', ['t']],
    ['SELECT * FROM t WHERE id = $1 AND b = ? AND c = :c', ['t']],
    ['EXPLAIN SELECT * FROM t', ['t'], 'explain'],
    ['EXPLAIN DELETE FROM t', ['t'], 'explain'],
    ['EXPLAIN ANALYZE SELECT * FROM t', ['t'], 'explain'],
    ['SHOW TABLES', [], 'show'],
    ['SHOW CREATE TABLE t', ['t'], 'show'],
    ['DESCRIBE t', ['t'], 'show'],
    ['PRAGMA table_info(t)', [], 'show'],
    ['COPY t TO STDOUT', ['t'], 'copy'],
    ['\n\tSELECT\r\n1;\n', []],
  ])('%s', (text, tables, kind = 'select') => {
    expect(readSql(text)).toEqual({ statements: [{ kind, class: 'read', tables, unbounded: false, dangers: [] }] });
  });
});

describe('judges writes', () => {
  it.each<[text: string, kind: SqlKind, of: SqlClass, tables?: readonly string[]]>([
    ['INSERT INTO t (a) VALUES (1)', 'insert', 'write', ['t']],
    ['INSERT INTO t SELECT * FROM s', 'insert', 'write', ['t', 's']],
    ['REPLACE INTO t VALUES (1)', 'insert', 'write', ['t']],
    ['insert into t values (1) on conflict do update set a = 1', 'insert', 'write', ['t']],
    ['INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 2', 'insert', 'write', ['t']],
    ['UPDATE t SET a = 1 WHERE id = 2', 'update', 'write', ['t']],
    ['DELETE FROM t WHERE id = 2', 'delete', 'write', ['t']],
    ['DELETE FROM ONLY s.t WHERE id = 2', 'delete', 'write', ['s.t']],
    ['DELETE/**/FROM/**/t/**/WHERE/**/id=2', 'delete', 'write', ['t']],
    ['dElEtE\nfRoM t wHeRe id = 2', 'delete', 'write', ['t']],
    ['MERGE INTO t USING s ON (t.a = s.a) WHEN MATCHED THEN DELETE', 'merge', 'write', ['t', 's']],
    ['MERGE INTO t USING s ON (t.a = s.a) WHEN MATCHED THEN UPDATE SET a = 1', 'merge', 'write', ['t', 's']],
    ['WITH d AS (DELETE FROM t WHERE id = 1 RETURNING *) SELECT * FROM d', 'delete', 'write', ['t']],
    ['WITH d AS (INSERT INTO t VALUES (1)) SELECT 1', 'insert', 'write', ['t']],
    ['WITH x AS (SELECT 1) UPDATE t SET a = 1 WHERE id = 3', 'update', 'write', ['t']],
    ['EXPLAIN ANALYZE DELETE FROM t WHERE id = 1', 'explain', 'write', ['t']],
    ['EXPLAIN (ANALYZE, BUFFERS) UPDATE t SET a = 1 WHERE id = 1', 'explain', 'write', ['t']],
    ['SELECT * INTO new_t FROM t', 'select', 'write', ['new_t', 't']],
    ['SELECT * FROM t FOR UPDATE', 'select', 'write', ['t']],
    ['SELECT * FROM t FOR NO KEY UPDATE', 'select', 'write', ['t']],
    ['SELECT * FROM t LOCK IN SHARE MODE', 'select', 'write', ['t']],
    ["SELECT nextval('s')", 'select', 'write', []],
    ["SELECT setval('s', 1)", 'select', 'write', []],
    ["SELECT pg_catalog.setval ('s', 1)", 'select', 'write', []],
    ['SELECT "setval"(\'s\', 1)', 'select', 'write', []],
    ["SELECT/**/setval/**/('s', 1)", 'select', 'write', []],
    ['SELECT s.nextval FROM dual', 'select', 'write', ['dual']],
    ['SELECT NEXT VALUE FOR s', 'select', 'write', []],
    ['SELECT pg_terminate_backend(1)', 'select', 'admin', []],
    ["SELECT set_config('role', 'admin', false)", 'select', 'admin', []],
    ['CALL do_it(1)', 'call', 'write'],
    ['EXEC do_it 1', 'call', 'write'],
    ['COPY t FROM STDIN', 'copy', 'write', ['t']],
    ['CREATE TABLE t (id int)', 'ddl', 'ddl', ['t']],
    ['CREATE TABLE IF NOT EXISTS t (id int REFERENCES u ON DELETE CASCADE ON UPDATE CASCADE)', 'ddl', 'ddl', ['t']],
    ['DROP TABLE IF EXISTS t', 'ddl', 'ddl', ['t']],
    ['DROP DATABASE shop', 'ddl', 'ddl'],
    ['TRUNCATE t', 'ddl', 'ddl', ['t']],
    ['TRUNCATE TABLE t', 'ddl', 'ddl', ['t']],
    ['ALTER TABLE t DROP COLUMN a', 'ddl', 'ddl', ['t']],
    ['CREATE TRIGGER x AFTER INSERT OR UPDATE ON t EXECUTE FUNCTION f()', 'ddl', 'ddl'],
    ['GRANT SELECT, UPDATE, DELETE ON t TO bob', 'grant', 'admin'],
    ['REVOKE ALL ON t FROM bob', 'grant', 'admin'],
    ['CREATE USER bob', 'grant', 'admin'],
    ['ALTER ROLE bob SUPERUSER', 'grant', 'admin'],
    ['ALTER SYSTEM SET x = 1', 'set', 'admin'],
    ['SET ROLE admin', 'set', 'admin'],
    ['PRAGMA journal_mode = off', 'set', 'admin'],
    ['BEGIN', 'transaction', 'admin'],
    ['COMMIT', 'transaction', 'admin'],
    ['ROLLBACK TO x', 'transaction', 'admin'],
    ['USE shop', 'use', 'admin'],
    ['VACUUM', 'other', 'admin'],
    ['KILL 5', 'other', 'admin'],
    ['FLUSH PRIVILEGES', 'other', 'admin'],
    ['frobnicate the table', 'other', 'admin'],
    ['1 OR 1=1', 'other', 'admin'],
    ['SELECT 1 DROP TABLE users', 'select', 'ddl', ['users']],
    ['SELECT 1 DELETE FROM users WHERE id = 1', 'select', 'write', ['users']],
    ['SELECT 1 EXEC do_it', 'select', 'write', []],
    ['SELECT 1 SHUTDOWN', 'select', 'admin', []],
    ["update[users]set[password]='x' where id = 1", 'update', 'write', ['users']],
    ['BEGIN DELETE FROM t WHERE id = 1', 'other', 'admin', ['t']],
  ])('%s', (text, kind, of, tables) => {
    const { statements, ambiguous } = readSql(text);
    expect(ambiguous).toBeUndefined();
    expect(statements).toHaveLength(1);
    expect(statements[0]).toMatchObject({
      kind,
      class: of,
      unbounded: false,
      ...(tables === undefined ? {} : { tables }),
    });
  });
});

describe('sees a DELETE or UPDATE of every row', () => {
  it.each([
    'DELETE FROM t',
    'DELETE FROM t;',
    'UPDATE t SET a = 1',
    'DELETE FROM t LIMIT 10',
    'DELETE FROM t RETURNING *',
    'DELETE FROM t WHERE 1=1',
    'DELETE FROM t WHERE (1=1)',
    'DELETE FROM t WHERE ((((1))))',
    'DELETE FROM t WHERE true',
    'DELETE FROM t WHERE not false',
    'DELETE FROM t WHERE NOT 1=2',
    "DELETE FROM t WHERE 'a'='a'",
    'DELETE FROM t WHERE "a"="a"',
    'DELETE FROM t WHERE 2>1',
    'DELETE FROM t WHERE 1<>2',
    'DELETE FROM t WHERE 1',
    "DELETE FROM t WHERE '1'",
    'DELETE FROM t WHERE id = id',
    'DELETE FROM t WHERE t.id = t.id',
    'DELETE FROM t WHERE id = 5 OR 1=1',
    "DELETE FROM t WHERE name = '' OR 'x'='x'",
    "DELETE FROM t WHERE name LIKE '%'",
    'DELETE FROM t WHERE 1 IN (1, 2)',
    'DELETE FROM t WHERE 5 BETWEEN 1 AND 10',
    'DELETE FROM t WHERE EXISTS (SELECT 1)',
    'DELETE FROM t WHERE 1+1=2',
    "DELETE FROM t WHERE length('a') = 1",
    "DELETE FROM t WHERE NOT (length('a') = 2)",
    'DELETE FROM t WHERE CASE WHEN 1=1 THEN true ELSE false END',
    'DELETE FROM t WHERE 1=1 AND 2=2',
    'DELETE/**/FROM t WHERE/**/1/**/=/**/1',
    'UPDATE t SET a = (SELECT b FROM u WHERE u.id = 1)',
    'WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d WHERE id = 1',
    'WITH x AS (SELECT 1) DELETE FROM t',
    'EXPLAIN ANALYZE DELETE FROM t',
    'SELECT 1 DELETE FROM t',
    `DELETE FROM t WHERE ${'('.repeat(200)}id = id${')'.repeat(200)}`,
    `DELETE FROM t WHERE ${'NOT ('.repeat(200)}id = 5${')'.repeat(200)}`,
    'DELETE FROM a WHERE id = 1 DELETE FROM b',
    'DELETE FROM a DELETE FROM b WHERE id = 1',
  ])('%s', (text) => expect(only(text).unbounded).toBe(true));
  it.each([
    'DELETE FROM t WHERE id = 5',
    'DELETE FROM t WHERE 1=2',
    'DELETE FROM t WHERE 0',
    'DELETE FROM t WHERE id = 5 AND 1=1',
    'DELETE FROM t WHERE id IN (SELECT id FROM u)',
    'DELETE FROM t WHERE id IN (1, 2)',
    'DELETE FROM t WHERE id BETWEEN 1 AND 5',
    'DELETE FROM t WHERE id = ?',
    'DELETE FROM t WHERE ? = ?',
    "DELETE FROM t WHERE name LIKE 'a%'",
    'DELETE FROM t WHERE (a = 1 OR b = 2) AND (c = 3)',
    'DELETE FROM t WHERE deleted',
    'DELETE FROM t WHERE NOT active',
    'DELETE FROM t WHERE CURRENT OF c',
    'UPDATE t SET a = 1, b = 2 FROM u WHERE t.id = u.id',
    'UPDATE t SET a = 1 WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id)',
    'UPDATE STATISTICS t',
    'EXPLAIN DELETE FROM t',
    'GRANT DELETE ON t TO x',
  ])('not in %s', (text) => expect(only(text).unbounded).toBe(false));
});

describe('names dangers', () => {
  it.each<[text: string, danger: string, dialect?: SqlDialect]>([
    ["SELECT 1 INTO OUTFILE '/tmp/x'", 'into-outfile'],
    ["SELECT 1 INTO/**/DUMPFILE '/tmp/x'", 'into-outfile'],
    ["SELECT LOAD_FILE('/etc/passwd')", 'read-server-file'],
    ["select load_file ('/etc/passwd')", 'read-server-file'],
    ["SELECT pg_read_file('/etc/passwd')", 'read-server-file'],
    ['SELECT pg_catalog."pg_read_file"(\'/etc/passwd\')', 'read-server-file'],
    ["SELECT pg_ls_dir('.')", 'read-server-file'],
    ["SELECT * FROM '/etc/passwd'", 'read-server-file'],
    ["LOAD DATA INFILE 'x' INTO TABLE t", 'load-data'],
    ["LOAD DATA LOCAL INFILE 'x' INTO TABLE t", 'load-data'],
    ["BULK INSERT t FROM 'c:\\x'", 'load-data', 'mssql'],
    ["COPY t FROM PROGRAM 'id'", 'copy-program'],
    ["COPY (SELECT 1) TO PROGRAM 'curl x'", 'copy-program'],
    ["COPY t TO '/tmp/x'", 'copy-file'],
    ["COPY t FROM '/etc/passwd'", 'copy-file'],
    ["VACUUM INTO 'x.db'", 'copy-file'],
    ["BACKUP DATABASE x TO DISK = 'y'", 'copy-file', 'mssql'],
    ["EXEC xp_cmdshell 'dir'", 'command', 'mssql'],
    ["EXEC master..xp_cmdshell 'dir'", 'command'],
    ["EXEC [master].[dbo].[xp_cmdshell] 'dir'", 'command', 'mssql'],
    ["SELECT 1 EXEC xp_dirtree '\\\\x\\y'", 'command', 'mssql'],
    ["EXEC sp_OACreate 'x', @y", 'command', 'mssql'],
    ["SELECT sys_exec('id')", 'command'],
    ["SELECT system('id')", 'command'],
    ['SELECT xmltype(\'<!DOCTYPE r [<!ENTITY % x SYSTEM "http://x/">%x;]>\') FROM dual', 'network'],
    ["SELECT lo_import('/etc/passwd')", 'large-object-file'],
    ["SELECT lo_export(1, '/tmp/x')", 'large-object-file'],
    ["SELECT * FROM dblink('host=x', 'select 1') AS t(a int)", 'network'],
    ["SELECT * FROM OPENROWSET('x', 'y', 'z')", 'network', 'mssql'],
    ["SELECT UTL_HTTP.request('http://x') FROM dual", 'network', 'oracle'],
    ["SELECT utl_inaddr.get_host_address('x') FROM dual", 'network', 'oracle'],
    ["CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p", 'network'],
    ['SELECT SLEEP(5)', 'time-delay'],
    ['SELECT pg_sleep(5)', 'time-delay'],
    ['SELECT CASE WHEN 1=1 THEN pg_SLEEP (5) END', 'time-delay'],
    ["WAITFOR DELAY '0:0:5'", 'time-delay', 'mssql'],
    ['SELECT benchmark(1000000, md5(1))', 'time-delay'],
    ['SELECT a FROM t UNION SELECT b FROM u', 'union'],
    ['SELECT a FROM t UN/**/ION SELECT b', 'union', 'generic'],
    ['DO $$ BEGIN DELETE FROM t; END $$', 'do-block', 'postgres'],
    ['DO LANGUAGE plpgsql $$ x $$', 'do-block', 'postgres'],
    ["DO 'begin end'", 'do-block'],
    ["EXECUTE IMMEDIATE 'drop table t'", 'dynamic-sql'],
    ["EXEC('drop table t')", 'dynamic-sql'],
    ['EXEC (@sql)', 'dynamic-sql', 'mssql'],
    ["EXEC sp_executesql N'x'", 'dynamic-sql', 'mssql'],
    ["PREPARE x FROM 'drop table t'", 'dynamic-sql'],
    ["SELECT query_to_xml('delete from t', true, true, '')", 'dynamic-sql'],
    ['PRAGMA writable_schema = ON', 'writable-schema'],
    ['PRAGMA main.writable_schema(1)', 'writable-schema'],
    ["ATTACH 'x.db' AS y", 'attach'],
    ["ATTACH DATABASE 'x.php' AS y", 'attach'],
    ["SELECT load_extension('x')", 'load-extension'],
    ['CREATE EXTENSION plpython3u', 'load-extension'],
    ["CREATE FUNCTION f RETURNS integer SONAME 'x.so'", 'load-extension'],
    ["LOAD 'x'", 'load-extension'],
    ["INSTALL PLUGIN p SONAME 'x.so'", 'load-extension'],
    ["CREATE FUNCTION f(text) RETURNS int AS 'libc.so', 'system' LANGUAGE c STRICT", 'untrusted-language'],
    ["CREATE FUNCTION f() RETURNS int AS 'x' LANGUAGE 'c'", 'untrusted-language'],
    ["CREATE OR REPLACE FUNCTION f() RETURNS int AS 'x' LANGUAGE plpythonu", 'untrusted-language'],
    ["CREATE ASSEMBLY x FROM 'y'", 'untrusted-language'],
    ['SHUTDOWN', 'shutdown'],
    ['\\! id', 'client-command'],
    ['SELECT 1\\gexec', 'client-command'],
    ['SELECT 1 \\g |sh', 'client-command'],
    ['SELECT 1 \\o x', 'client-command'],
    ['SELECT 1\n\\! ls', 'client-command'],
    ['SELECT 1 \\\\ \\! ls', 'client-command'],
    ['SELECT (1 \\copy t to x)', 'client-command'],
    ['SELECT 1\\; SELECT 2', 'client-command'],
    ['\\copy t to x', 'client-command'],
    ['.shell id', 'client-command'],
    ["SELECT * FROM t WHERE name = '' OR 1=1", 'tautology'],
    ["SELECT * FROM t WHERE name = '' OR 'a'='a' AND 1=1", 'tautology'],
    ["SELECT * FROM t WHERE (name = '' OR true)", 'tautology'],
    ['/*!50000SELECT*/ 1 /*!UNION*/ SELECT 2', 'union', 'mysql'],
  ])('%s: %s', (text, danger, dialect) => {
    const { statements, ambiguous } = readSql(text, dialect);
    if (danger === 'union' && text.includes('UN/**/')) return expect(ambiguous).toMatch(/inside the word UNION/);
    expect(statements[0]!.dangers).toContain(danger);
    expect(statements[0]!.class === 'dangerous').toBe(!['union', 'tautology'].includes(danger));
  });
  it('marks every statement behind the first as stacked', () => {
    const { statements } = readSql("SELECT 'a;b'; DROP TABLE t;; ;SELECT 1");
    expect(statements.map(({ class: of, dangers }) => [of, dangers])).toEqual([
      ['read', []],
      ['ddl', ['stacked']],
      ['read', ['stacked']],
    ]);
  });
  it('does not take innocent SELECTs for always true', () => {
    for (const text of [
      'SELECT * FROM t WHERE a = 1 OR b = 2',
      'SELECT 1 FROM t WHERE 1=1',
      "SELECT * FROM t WHERE a = 'x' OR a IS NULL",
    ])
      expect(only(text).dangers, text).toEqual([]);
  });
});

describe('cuts as each database does', () => {
  it.each<[dialect: SqlDialect, text: string, kinds: string]>([
    ['mysql', "SELECT 'a\\'; DROP TABLE t; -- '", 'select'],
    ['postgres', "SELECT 'a\\'; DROP TABLE t; -- '", 'select ddl'],
    ['postgres', "SELECT E'a\\'; DROP TABLE t; -- '", 'select'],
    ['mysql', 'SELECT 1 # ; DROP TABLE t', 'select'],
    ['postgres', 'SELECT a #> b ; DROP TABLE t', 'select ddl'],
    ['mssql', 'SELECT * FROM #t; DROP TABLE #t', 'select ddl'],
    ['mysql', 'SELECT 1 --1; DROP TABLE t', 'select ddl'],
    ['postgres', 'SELECT 1 --1; DROP TABLE t', 'select'],
    ['mysql', 'SELECT 1 /*! ; DROP TABLE t */', 'select ddl'],
    ['postgres', 'SELECT 1 /*! ; DROP TABLE t */', 'select'],
    ['postgres', 'SELECT 1 /* /* */ ; DROP TABLE t */', 'select'],
    ['mysql', 'SELECT 1 /* /* */ ; DROP TABLE t', 'select ddl'],
    ['postgres', 'SELECT $a$ ; $$ ; $a$; DROP TABLE t', 'select ddl'],
    ['sqlite', 'SELECT [a;b]; DROP TABLE t', 'select ddl'],
    ['mssql', 'SELECT [a]];b]; DROP TABLE t', 'select ddl'],
    ['mssql', 'SELECT 1\nGO\nDROP TABLE t', 'select ddl'],
    ['oracle', "SELECT q'[it's; ]' FROM dual; DROP TABLE t", 'select ddl'],
    ['oracle', "SELECT nq'!it's; !' FROM dual", 'select'],
    ['mysql', 'SELECT "a;b"; DROP TABLE t', 'select ddl'],
    ['sqlite', 'SELECT `a;b`', 'select'],
  ])('%s: %s', (dialect, text, kinds) =>
    expect(
      readSql(text, dialect)
        .statements.map(({ kind }) => kind)
        .join(' '),
    ).toBe(kinds),
  );
});

describe('says what databases read differently, and judges all readings', () => {
  it.each<[text: string, reason: RegExp, worst: SqlClass, dialect?: SqlDialect]>([
    ['SELECT 1 # \n; DROP TABLE t', /#/, 'ddl'],
    ['SELECT 1 # ; DROP TABLE t', /#/, 'ddl'],
    ['SELECT 1 --; DROP TABLE t', /--/, 'ddl'],
    ["SELECT 'a\\'; DROP TABLE t; -- '", /backslash/, 'ddl'],
    ["SELECT 'a\\' OR 1=1 --'", /backslash/, 'read'],
    ['SELECT 1 /*!; DROP TABLE t */', /\/\*!/, 'ddl'],
    ['SELECT 1 /*!50000 ; DELETE FROM t */', /\/\*!/, 'write'],
    ['SELECT 1 /* /* */ ; DROP TABLE t /* */ */', /inside a comment/, 'ddl'],
    ['SELECT $$ ; DROP TABLE t; $$', /\$ quote/, 'ddl'],
    ["SELECT q'[ ' ; DROP TABLE t; ]'", /Oracle/, 'ddl'],
    ["SELECT [a'b]; DROP TABLE t; --'", /brackets/, 'ddl'],
    ["SELECT 'open", /inside quotes/, 'read'],
    ['SELECT 1 /* open', /inside a comment/, 'read'],
    ['DELETE\u00a0FROM t', /white space/, 'write'],
    ['DELETE\u3000FROM t', /white space/, 'write'],
    ['DELETE\0FROM t', /control/, 'write'],
    ['DEL\u200bETE FROM t', /invisible/, 'admin'],
    ['DEL/**/ETE FROM t', /inside the word DELETE/, 'admin'],
    ['ＤＥＬＥＴＥ FROM t', /fold/, 'admin'],
    ['SELECT U&"pg_read_fil\\0065"(1)', /Unicode escapes/, 'read', 'postgres'],
    ['SELECT 1 /*!50000 ; DELETE FROM t */', /versions/, 'write', 'mysql'],
    ['SELECT 1 /*! DELETE', /comment that runs/, 'write', 'mysql'],
    ['x'.repeat(1_048_577), /too long/, 'dangerous'],
  ])('%j', (text, reason, worst, dialect) => {
    const { statements, ambiguous } = readSql(text, dialect);
    expect(ambiguous).toMatch(reason);
    expect(statements.map((statement) => statement.class)).toContain(worst);
  });
  it('finds nothing in nothing', () => {
    for (const text of ['', ' ', ';', '-- x', '/* x */;;']) expect(readSql(text).statements).toEqual([]);
  });
});

const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ..."select delete from update where or and not union into outfile exec explain analyze with as ( ) ; , . = 1 'a' \"b\" `c` [d] -- /* */ /*! # $$ $a$ \\ ' \" ` [ ] ? @x :y q'[ e' case end in like between".split(
          ' ',
        ),
        '\n',
        ' ',
        '\0',
        '\u00a0',
      ),
      fc.string({ maxLength: 3, unit: 'binary' }),
    ),
    { maxLength: 40 },
  )
  .chain((parts) => fc.constantFrom('', ' ').map((joint) => parts.join(joint)));
const dialects = fc.constantFrom(...SQL_DIALECTS);

describe('any text', () => {
  it('never throws, and its tokens joined are the text', () => {
    fc.assert(
      fc.property(hostile, dialects, (text, dialect) => {
        const { tokens } = tokenizeSql(text, dialect);
        expect(tokens.map(({ start, end }) => text.slice(start, end)).join('')).toBe(text);
        expect(tokens.every(({ start, end }) => end > start)).toBe(true);
        readSql(text, dialect);
      }),
      { numRuns: 3000 },
    );
  });
  it('covers with generic whatever a database would run', () => {
    fc.assert(
      fc.property(hostile, dialects, (text, dialect) => {
        const generic = readSql(text);
        const order = ['read', 'write', 'ddl', 'admin', 'dangerous'];
        const worst = (reading: typeof generic) =>
          Math.max(-1, ...reading.statements.map((s) => order.indexOf(s.class)));
        expect(worst(generic)).toBeGreaterThanOrEqual(worst(readSql(text, dialect)));
      }),
      { numRuns: 3000 },
    );
  });
  it.each([
    '(',
    ')',
    "'",
    '"',
    '[',
    '/*',
    '/*!',
    '$a',
    '$$',
    '`',
    '#',
    '--',
    '\\',
    'or 1=1 ',
    'delete from a where (',
    'not (',
    'case ',
    ' ',
    ';',
    'a,',
    'a.',
    "\\'",
    'with a as (',
    '0x',
    '1e',
    "q'",
    'between ',
  ])('takes linear time for many %j', (unit) => {
    const text = `select 1 from a where ${unit.repeat(Math.floor(200_000 / unit.length))}`;
    const start = performance.now();
    readSql(text);
    readSql(`delete from a where ${text}`, 'mysql');
    expect(performance.now() - start).toBeLessThan(4000);
  });
});

describe('a comment that a carriage return ends', () => {
  it.each(['generic', 'postgres', 'mysql', 'sqlite'] as const)('is doubtful in %s', (dialect) => {
    expect(readSql('SELECT 1; -- x\rDROP TABLE t', dialect).ambiguous).toContain('carriage return');
    expect(readSql('SELECT 1 -- x\r\nFROM t', dialect).ambiguous).toBeUndefined();
  });
});
