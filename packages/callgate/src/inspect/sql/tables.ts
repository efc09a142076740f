import { isOp, isWord, type Lexeme } from './lexemes.ts';

const BEFORE_TABLE = new Set(['from', 'join', 'into', 'update', 'table', 'using', 'truncate', 'view']);
/** Words between `FROM`, `INTO`, `TABLE` … and the table. */
const FILLERS = new Set(
  'only if not exists lateral low_priority high_priority delayed ignore quick overwrite table'.split(' '),
);
/** Words that end a list of tables. */
const LIST_ENDS = new Set(
  'where group order having limit union intersect except select set values returning window on_conflict'.split(' '),
);
const NO_TABLES = new Set(
  'select values set where outfile dumpfile stdin stdout program immediate statistics of nowait skip no key'.split(' '),
);
const FROM_FUNCTIONS = ['extract', 'trim', 'substring', 'overlay', 'position'];

/**
 * The tables a statement names, in order, each once: bare names in lower case, quoted ones as written, parts joined by
 * dots. Best effort: behind FROM, JOIN, INTO, UPDATE, TABLE, USING and the commas of a FROM list. Names of WITH are left out.
 */
export function findTables(lexemes: readonly Lexeme[]): readonly string[] {
  const found = new Set<string>();
  const own = new Set<string>();
  /** By depth: whether a comma there is followed by a table. */
  const listing: boolean[] = [];
  const inFunction: boolean[] = [];
  for (const [i, lexeme] of lexemes.entries()) {
    const { depth, text } = lexeme;
    if (isOp(lexeme, '(')) {
      listing[depth + 1] = false;
      inFunction[depth + 1] = isWord(lexemes[i - 1], ...FROM_FUNCTIONS);
      if (isWord(lexemes[i - 1], 'as')) own.add(lexemes[i - 2]?.text ?? '');
      if (isWord(lexemes[i - 1], 'materialized'))
        own.add(lexemes[isWord(lexemes[i - 3], 'not') ? i - 4 : i - 3]?.text ?? '');
    }
    if (isOp(lexeme, ',') && listing[depth] === true) addTable(lexemes, i + 1, false, found);
    if (lexeme.kind !== 'word') continue;
    if (LIST_ENDS.has(text)) listing[depth] = false;
    if (!BEFORE_TABLE.has(text) || isOp(lexemes[i - 1], '.') || inFunction[depth] === true) continue;
    if (isWord(lexemes[i - 1], 'distinct') || (text === 'update' && isWord(lexemes[i - 1], 'for', 'key', 'on', 'do')))
      continue;
    if (text === 'from' || text === 'using' || text === 'update') listing[depth] = true;
    addTable(lexemes, i + 1, text !== 'from' && text !== 'join' && text !== 'using', found);
  }
  addLeading(lexemes, found);
  return [...found].filter((name) => !own.has(name));
}

/** Tables behind a verb that needs no preposition in some dialects. */
function addLeading(lexemes: readonly Lexeme[], found: Set<string>): void {
  const [first, second] = lexemes;
  if (isWord(first, 'delete', 'insert', 'replace', 'merge') && !isWord(second, 'from', 'into'))
    addTable(lexemes, 1, true, found);
  if (isWord(first, 'copy', 'describe', 'desc')) addTable(lexemes, 1, true, found);
}

function addTable(lexemes: readonly Lexeme[], from: number, mayHaveColumns: boolean, found: Set<string>): void {
  let at = from;
  while (at < from + 6 && lexemes[at]?.kind === 'word' && FILLERS.has(lexemes[at]!.text)) at++;
  if (isWord(lexemes[at], 'top')) at += 4;
  const parts: string[] = [];
  for (let part = lexemes[at]; parts.length < 8; part = lexemes[at]) {
    if (part !== undefined && (part.kind === 'word' || part.kind === 'name')) {
      if (parts.length === 0 && part.kind === 'word' && NO_TABLES.has(part.text)) return;
      parts.push(part.text);
      at++;
    } else if (isOp(part, '.') && parts.length > 0) parts.push('');
    else break;
    if (!isOp(lexemes[at], '.')) break;
    at++;
  }
  if (parts.length > 0 && (mayHaveColumns || !isOp(lexemes[at], '('))) found.add(parts.join('.'));
}
