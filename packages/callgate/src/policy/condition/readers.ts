import type { SqlDialect } from '../../inspect/sql/dialects.ts';
import type { SqlReading } from '../../inspect/sql/index.ts';
import { judgeCommand, type JudgedShell, readStatements } from './engines.ts';
import { openReadings, type Readings } from './readings.ts';

/** Readers of texts in other languages, shared by all rules of a policy. */
export interface Readers {
  /** What a command line, or an argv, would do. */
  shell(subject: string | readonly string[]): JudgedShell;
  sql(text: string, dialect: SqlDialect): SqlReading;
  /** Ends a decision. */
  forget(): void;
}

/** Opens readers for one policy; nothing is read yet. */
export function openReaders(): Readers {
  const lines = openReadings<JudgedShell>(judgeCommand);
  const lists = openReadings((json) => judgeCommand(JSON.parse(json) as string[]));
  const sqls = new Map<SqlDialect, Readings<SqlReading>>();
  return {
    shell: (subject) => (typeof subject === 'string' ? lines.read(subject) : lists.read(JSON.stringify(subject))),
    sql(text, dialect) {
      let readings = sqls.get(dialect);
      if (readings === undefined) sqls.set(dialect, (readings = openReadings((sql) => readStatements(sql, dialect))));
      return readings.read(text);
    },
    forget() {
      lines.forget();
      lists.forget();
      for (const readings of sqls.values()) readings.forget();
    },
  };
}
