import { flag, type Keys, scalar, type Shape, text, textOrTexts } from './schema-shape.ts';
import { SQL_CLASSES, SQL_DIALECTS } from '../../inspect/sql/dialects.ts';
import { COMPARISONS, SAME_COMPARISONS, SHELL_FACTS } from './words.ts';

const operator: Shape = { kind: 'ref', name: 'operator', to: () => operators };
/** A plain value, or one operator. */
export const matcher: Shape = {
  kind: 'ref',
  name: 'matcher',
  to: () => ({ kind: 'either', options: [scalar, operators] }),
};
const scalars: Shape = { kind: 'list', of: scalar };

const facts = (table: Readonly<Record<string, string>>): Keys =>
  Object.fromEntries(Object.entries(table).map(([name, doc]) => [name, { shape: flag, doc }]));

const shell: Shape = {
  kind: 'map',
  aliases: { program: 'programs', only: 'programs', dangerous: 'destructive' },
  keys: {
    ...facts(SHELL_FACTS),
    programs: { shape: textOrTexts, doc: 'The programs that would run are among these (allow: every one; else: one).' },
    list: {
      shape: { kind: 'text', oneOf: ['argv', 'lines'] },
      doc: 'How a list is read: as the arguments of one program, or as command lines; as both when absent.',
    },
  },
};

const sql: Shape = {
  kind: 'map',
  aliases: { classes: 'class', kind: 'class', table: 'tables' },
  keys: {
    class: {
      shape: textOrTextsOf(SQL_CLASSES),
      doc: 'Statements are of one of these classes (allow: every one; else: one).',
    },
    tables: { shape: textOrTexts, doc: 'Tables that are named are among these; globs, case does not matter.' },
    unbounded: { shape: flag, doc: 'Whether an UPDATE or DELETE has no condition that bounds it.' },
    dangers: { shape: flag, doc: 'Whether a statement does more than rows: files, programs, UNION, tautologies ...' },
    dialect: { shape: { kind: 'text', oneOf: SQL_DIALECTS }, doc: 'How the text is read; generic when absent.' },
  },
};

function textOrTextsOf(oneOf: readonly string[]): Shape {
  const word: Shape = { kind: 'text', oneOf };
  return { kind: 'either', options: [word, { kind: 'list', of: word }] };
}

const operators: Shape = {
  kind: 'map',
  one: true,
  aliases: {
    eq: 'equals',
    is: 'equals',
    ne: 'notEquals',
    neq: 'notEquals',
    lte: 'le',
    gte: 'ge',
    less: 'lt',
    greater: 'gt',
    max: 'le',
    min: 'ge',
    oneOf: 'in',
    nin: 'notIn',
    re: 'regex',
    pattern: 'regex',
    matches: 'regex',
    prefix: 'startsWith',
    suffix: 'endsWith',
    includes: 'contains',
    present: 'exists',
    has: 'exists',
    path: 'under',
    within: 'under',
    url: 'host',
    domain: 'host',
    hosts: 'host',
    ip: 'cidr',
    address: 'cidr',
    command: 'shell',
    statement: 'sql',
    and: 'allOf',
    or: 'anyOf',
    every: 'all',
    some: 'any',
  },
  notYet: {
    length: '`when: size(args.field) < 100`',
    type: '`exists`; an operator on the wrong type never allows',
  },
  keys: {
    equals: { shape: scalar, doc: 'Is exactly this text, number, boolean or null.' },
    notEquals: { shape: scalar, doc: 'Is not this value.' },
    in: { shape: scalars, doc: 'Is one of these values.' },
    notIn: { shape: scalars, doc: 'Is none of these values.' },
    startsWith: { shape: text, doc: 'Text begins with.' },
    endsWith: { shape: text, doc: 'Text ends with.' },
    contains: { shape: text, doc: 'Text contains.' },
    regex: { shape: text, doc: 'RE2 pattern found anywhere in the text.' },
    glob: { shape: text, doc: 'Whole text matches: `*` any run of characters, `?` one.' },
    lt: { shape: { kind: 'number' }, doc: 'Number less than.' },
    le: { shape: { kind: 'number' }, doc: 'Number less than or equal.' },
    gt: { shape: { kind: 'number' }, doc: 'Number greater than.' },
    ge: { shape: { kind: 'number' }, doc: 'Number greater than or equal.' },
    exists: { shape: flag, doc: 'The field is there (true) or is not (false).' },
    not: { shape: matcher, doc: 'The matcher does not hold.' },
    under: { shape: textOrTexts, doc: 'A path at or below one of these directories, after `..` and symlinks.' },
    host: { shape: textOrTexts, doc: 'The host of a URL is one of these; `*.example.com` is its subdomains.' },
    cidr: {
      shape: textOrTexts,
      doc: 'An address lies in one of these ranges (10.0.0.0/8) or classes (private, loopback, metadata, public ...).',
    },
    shell: { shape: shell, doc: 'What a command line, or a list of arguments, would do.' },
    sql: { shape: sql, doc: 'What every statement of an SQL text would do.' },
    any: { shape: matcher, doc: 'At least one element of the array.' },
    all: { shape: matcher, doc: 'Every element of the array.' },
    anyOf: { shape: { kind: 'list', of: operator }, doc: 'At least one of these operators holds.' },
    allOf: { shape: { kind: 'list', of: operator }, doc: 'All of these operators hold.' },
  },
};

/** A condition as a map. */
export const when: Shape = { kind: 'ref', name: 'when', to: () => ({ kind: 'either', options: [text, condition] }) };

const condition: Shape = {
  kind: 'map',
  aliases: { and: 'all', or: 'any', operator: 'op', values: 'value', path: 'field' },
  keys: {
    all: { shape: { kind: 'list', of: when }, doc: 'All of these hold.' },
    any: { shape: { kind: 'list', of: when }, doc: 'At least one of these holds.' },
    not: { shape: when, doc: 'This does not hold.' },
    field: { shape: text, doc: 'args.a.b, or a fact such as principal.user, http.method, labels.' },
    op: { shape: { kind: 'text', oneOf: COMPARISONS, aliases: SAME_COMPARISONS }, doc: 'How it is compared.' },
    value: {
      shape: {
        kind: 'either',
        options: [scalar, scalars, { kind: 'fields', of: { kind: 'either', options: [flag, textOrTexts] } }],
      },
      doc: 'With what.',
    },
  },
};
