/** A family of databases by how it cuts text into tokens. `generic` is any of them. */
export type SqlDialect = (typeof SQL_DIALECTS)[number];

export const SQL_DIALECTS = ['generic', 'postgres', 'mysql', 'sqlite', 'mssql', 'oracle'] as const;

/** What `generic` stands for: every dialect whose reading is tried when they may differ. */
export const REAL_DIALECTS = ['postgres', 'mysql', 'sqlite', 'mssql', 'oracle'] as const;

/** The lexical rules in which dialects differ. */
export interface Lexicon {
  readonly hashComment: boolean;
  /** `--` starts a comment only before white space. */
  readonly dashNeedsSpace: boolean;
  readonly nestedComments: boolean;
  /** `/*! … *\/` runs. */
  readonly executableComments: boolean;
  /** A backslash escapes inside quotes. */
  readonly backslash: boolean;
  /** `"…"` is a string, not a name. */
  readonly doubleIsString: boolean;
  readonly brackets: 'none' | 'plain' | 'doubled';
  readonly dollarQuotes: boolean;
  /** `q'[…]'` */
  readonly qQuotes: boolean;
  /** `#` may be part of a name. T-SQL's `@` may too, but is cut off: `select@x` is rather a SELECT. */
  readonly hashInNames: boolean;
}

const ANSI: Lexicon = {
  hashComment: false,
  dashNeedsSpace: false,
  nestedComments: false,
  executableComments: false,
  backslash: false,
  doubleIsString: false,
  brackets: 'none',
  dollarQuotes: false,
  qQuotes: false,
  hashInNames: false,
};

export const LEXICONS: Readonly<Record<SqlDialect, Lexicon>> = {
  generic: ANSI,
  postgres: { ...ANSI, nestedComments: true, dollarQuotes: true },
  mysql: {
    ...ANSI,
    hashComment: true,
    dashNeedsSpace: true,
    executableComments: true,
    backslash: true,
    doubleIsString: true,
  },
  sqlite: { ...ANSI, brackets: 'plain' },
  mssql: { ...ANSI, nestedComments: true, brackets: 'doubled', hashInNames: true },
  oracle: { ...ANSI, qQuotes: true, hashInNames: true },
};

/** From harmless to worst. */
export const SQL_CLASSES = ['read', 'write', 'ddl', 'admin', 'dangerous'] as const;
export type SqlClass = (typeof SQL_CLASSES)[number];
