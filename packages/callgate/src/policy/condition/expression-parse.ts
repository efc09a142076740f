import { ALTERNATIVES, FOREIGN_SIGNS, WORDS } from './expression-foreign.ts';
import { numberFromText } from './numbers.ts';
import type { Literal } from '../document/document-types.ts';

/** Bounds of one expression. */
export const MAX_EXPRESSION = 20_000;
const MAX_DEPTH = 64;
const MAX_NODES = 5_000;

export type Binary = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | '+' | '-' | '*';

/** A parsed expression; `at` is the offset of its first character. */
export type Expr =
  | { readonly kind: 'literal'; readonly value: Literal; readonly at: number }
  | { readonly kind: 'list'; readonly items: readonly Expr[]; readonly at: number }
  | { readonly kind: 'name'; readonly name: string; readonly at: number }
  | { readonly kind: 'member'; readonly of: Expr; readonly key: string; readonly at: number }
  | { readonly kind: 'index'; readonly of: Expr; readonly key: Expr; readonly at: number }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expr[]; readonly at: number }
  | {
      readonly kind: 'method';
      readonly of: Expr;
      readonly name: string;
      readonly args: readonly Expr[];
      readonly at: number;
    }
  | { readonly kind: 'not' | 'minus'; readonly of: Expr; readonly at: number }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Expr[]; readonly at: number }
  | { readonly kind: 'binary'; readonly op: Binary; readonly left: Expr; readonly right: Expr; readonly at: number }
  | { readonly kind: 'choose'; readonly test: Expr; readonly yes: Expr; readonly no: Expr; readonly at: number };

/** Where parts of an expression begin and end in its text, parentheses included. */
export type Spans = Map<Expr, { readonly from: number; readonly to: number }>;

/** What is wrong with an expression, and where in its text. */
export class ExpressionError extends Error {
  readonly at: number;
  readonly remedy: string | undefined;
  readonly code: string;
  constructor(message: string, at: number, remedy?: string, code = 'CG_POLICY_WHEN') {
    super(message);
    this.at = at;
    this.remedy = remedy;
    this.code = code;
  }
}

interface Token {
  readonly kind: 'number' | 'text' | 'name' | 'sign' | 'end';
  readonly text: string;
  readonly value?: Literal;
  readonly at: number;
}

/**
 * Parses an expression of the CEL subset. Where the parts of `&&`, `||` and `!` stand is put into `spans`.
 * @throws ExpressionError naming the place and, for what CEL has and this subset has not, the alternative
 */
export function parseExpression(text: string, spans?: Spans): Expr {
  if (text.length > MAX_EXPRESSION)
    throw new ExpressionError(`an expression may have ${MAX_EXPRESSION} characters`, 0, 'split the rule');
  const parser = new Parser(tokenize(text), spans);
  const expr = parser.expression();
  parser.end();
  return expr;
}

/** Recursive descent, one method a level of precedence, loosest first. */
class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;
  #nodes = 0;
  readonly #spans: Spans | undefined;

  constructor(tokens: readonly Token[], spans: Spans | undefined) {
    this.#tokens = tokens;
    this.#spans = spans;
  }

  expression(): Expr {
    const { at } = this.#peek();
    if (++this.#depth > MAX_DEPTH) throw new ExpressionError(`nested deeper than ${MAX_DEPTH}`, at, 'split the rule');
    const test = this.#or();
    let out = test;
    if (this.#take('?')) {
      const yes = this.expression();
      this.#expect(':', '":" is missing after "?"', 'write test ? a : b');
      out = this.#node({ kind: 'choose', test, yes, no: this.expression(), at });
    }
    this.#depth--;
    return out;
  }

  end(): void {
    const token = this.#peek();
    if (token.kind !== 'end') throw unexpected(token);
  }

  #or(): Expr {
    return this.#joined('||', 'or', () => this.#and());
  }

  #and(): Expr {
    return this.#joined('&&', 'and', () => this.#relation());
  }

  #joined(sign: string, kind: 'and' | 'or', part: () => Expr): Expr {
    const first = this.#spanned(part);
    if (this.#peek().text !== sign || this.#peek().kind !== 'sign') return first;
    const parts = [first];
    while (this.#take(sign)) parts.push(this.#spanned(part));
    return this.#node({ kind, parts, at: first.at });
  }

  #relation(): Expr {
    const left = this.#sum();
    const token = this.#peek();
    if (!isRelation(token)) return left;
    this.#next++;
    const right = this.#sum();
    if (isRelation(this.#peek())) {
      throw new ExpressionError('comparisons do not chain', this.#peek().at, 'write a < b && b < c');
    }
    return this.#node({ kind: 'binary', op: token.text as Binary, left, right, at: left.at });
  }

  #sum(): Expr {
    let left = this.#product();
    for (let depth = 0; ; depth++) {
      const op = this.#take('+') ? '+' : this.#take('-') ? '-' : undefined;
      if (op === undefined) return left;
      if (depth > MAX_DEPTH) throw new ExpressionError(`more than ${MAX_DEPTH} terms`, left.at, 'split the rule');
      left = this.#node({ kind: 'binary', op, left, right: this.#product(), at: left.at });
    }
  }

  #product(): Expr {
    let left = this.#unary();
    for (let depth = 0; ; depth++) {
      if (!this.#take('*')) return left;
      if (depth > MAX_DEPTH) throw new ExpressionError(`more than ${MAX_DEPTH} factors`, left.at, 'split the rule');
      left = this.#node({ kind: 'binary', op: '*', left, right: this.#unary(), at: left.at });
    }
  }

  #unary(): Expr {
    const { at } = this.#peek();
    const kind = this.#take('!') ? 'not' : this.#take('-') ? 'minus' : undefined;
    if (kind === undefined) return this.#postfix();
    if (++this.#depth > MAX_DEPTH) throw new ExpressionError(`nested deeper than ${MAX_DEPTH}`, at);
    const of = this.#spanned(() => this.#unary());
    this.#depth--;
    return this.#node({ kind, of, at });
  }

  #spanned(part: () => Expr): Expr {
    const from = this.#peek().at;
    const expr = part();
    const last = this.#tokens[this.#next - 1];
    if (last !== undefined) this.#spans?.set(expr, { from, to: last.at + last.text.length });
    return expr;
  }

  #postfix(): Expr {
    let of = this.#primary();
    for (let depth = 0; ; depth++) {
      if (depth > MAX_DEPTH) throw new ExpressionError(`nested deeper than ${MAX_DEPTH}`, of.at, 'split the rule');
      if (this.#take('.')) {
        const token = this.#peek();
        if (token.kind !== 'name')
          throw new ExpressionError(
            'a name must follow the dot',
            token.at,
            'a key that is no name is written args["the key"]',
          );
        this.#next++;
        if (this.#take('('))
          of = this.#node({ kind: 'method', of, name: token.text, args: this.#until(')'), at: token.at });
        else of = this.#node({ kind: 'member', of, key: token.text, at: of.at });
      } else if (this.#take('[')) {
        const key = this.expression();
        this.#expect(']', 'the bracket is not closed', 'add ]');
        of = this.#node({ kind: 'index', of, key, at: of.at });
      } else {
        return of;
      }
    }
  }

  #primary(): Expr {
    const token = this.#peek();
    this.#next++;
    if (token.kind === 'number' || token.kind === 'text')
      return this.#node({ kind: 'literal', value: token.value as Literal, at: token.at });
    if (token.kind === 'name') {
      if (token.text === 'true' || token.text === 'false')
        return this.#node({ kind: 'literal', value: token.text === 'true', at: token.at });
      if (token.text === 'null') return this.#node({ kind: 'literal', value: null, at: token.at });
      if (token.text === 'in')
        throw new ExpressionError('"in" stands between two values', token.at, 'write tool in ["a", "b"]');
      if (token.text.toLowerCase() === 'not' && this.#startsValue())
        throw new ExpressionError(`"${token.text}" is not part of the language`, token.at, WORDS['not']);
      if (this.#take('(')) return this.#node({ kind: 'call', name: token.text, args: this.#until(')'), at: token.at });
      return this.#node({ kind: 'name', name: token.text, at: token.at });
    }
    if (token.text === '(') {
      const inner = this.expression();
      this.#expect(')', 'the parenthesis is not closed', 'add )');
      return inner;
    }
    if (token.text === '[') return this.#node({ kind: 'list', items: this.#until(']'), at: token.at });
    throw unexpected(token);
  }

  #until(close: string): Expr[] {
    const out: Expr[] = [];
    if (this.#take(close)) return out;
    do out.push(this.expression());
    while (this.#take(','));
    this.#expect(close, `"${close}" is missing`, CLOSE_REMEDY);
    return out;
  }

  #peek(): Token {
    return this.#tokens[Math.min(this.#next, this.#tokens.length - 1)] as Token;
  }

  #take(sign: string): boolean {
    const token = this.#peek();
    if (token.kind !== 'sign' || token.text !== sign) return false;
    this.#next++;
    return true;
  }

  #expect(sign: string, message: string, remedy: string): void {
    if (this.#take(sign)) return;
    const token = this.#peek();
    // A word of another language is what keeps it from being closed.
    if (token.kind !== 'end' && remedyOf(token) !== undefined) throw unexpected(token);
    throw new ExpressionError(message, token.at, remedy);
  }

  #startsValue(): boolean {
    const { kind, text } = this.#peek();
    return kind === 'name' || kind === 'text' || kind === 'number' || text === '(' || text === '!';
  }

  #node(expr: Expr): Expr {
    if (++this.#nodes > MAX_NODES) throw new ExpressionError(`more than ${MAX_NODES} parts`, expr.at, 'split the rule');
    return expr;
  }
}

function isRelation(token: Token): boolean {
  if (token.kind === 'name') return token.text === 'in';
  return token.kind === 'sign' && ['==', '!=', '<', '<=', '>', '>='].includes(token.text);
}

const CLOSE_REMEDY =
  'close it; inside { ... } of YAML a condition with a comma needs quotes around all of it: when: \'f(a, "b")\'';

const EMPTY_REMEDY = 'write one, such as args.amount < 500, or leave the key out';

function unexpected(token: Token): ExpressionError {
  if (token.kind === 'end' && token.at === 0) return new ExpressionError('the condition is empty', 0, EMPTY_REMEDY);
  if (token.kind === 'end')
    return new ExpressionError(
      'the expression ends too early',
      token.at,
      'write what comes next, or remove the sign before it',
    );
  const isWord = token.kind === 'name' && remedyOf(token) !== undefined;
  const message = isWord ? `"${token.text}" is not part of the language` : `"${token.text}" is not expected here`;
  return new ExpressionError(
    message,
    token.at,
    remedyOf(token) ?? 'join conditions with && or ||, and put texts in quotes',
  );
}

function remedyOf({ kind, text }: Token): string | undefined {
  const word = text.toLowerCase();
  return (kind === 'name' || kind === 'sign') && Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
}

const SIGNS = [
  '&&',
  '||',
  '==',
  '!=',
  '<=',
  '>=',
  '<',
  '>',
  '!',
  '+',
  '-',
  '*',
  '?',
  ':',
  '(',
  ')',
  '[',
  ']',
  '.',
  ',',
];
function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at] as string;
    if (char === ' ' || char === '\t' || char === '\n' || char === '\r') {
      at++;
      continue;
    }
    if (text.startsWith('//', at)) {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
      continue;
    }
    const token = readToken(text, at, char);
    tokens.push(token);
    at += token.text.length;
  }
  tokens.push({ kind: 'end', text: '', at: text.length });
  return tokens;
}

function readToken(text: string, at: number, char: string): Token {
  if (/[0-9]/.test(char)) return readNumber(text, at);
  if (char === '"' || char === "'") return readText(text, at, at, false);
  if (char === 'r' && (text[at + 1] === '"' || text[at + 1] === "'")) return readText(text, at, at + 1, true);
  if (/[A-Za-z_]/.test(char)) {
    const name = /^[A-Za-z_][A-Za-z0-9_]*/.exec(text.slice(at, at + 200))?.[0] ?? char;
    return { kind: 'name', text: name, at };
  }
  const foreign = FOREIGN_SIGNS.find(([written]) => text.startsWith(written, at));
  if (foreign !== undefined) throw new ExpressionError(`"${foreign[0]}" is not part of the language`, at, foreign[1]);
  const sign = SIGNS.find((candidate) => text.startsWith(candidate, at));
  if (sign === undefined) throw new ExpressionError(`"${char}" is not part of the language`, at, ALTERNATIVES[char]);
  return { kind: 'sign', text: sign, at };
}

function readNumber(text: string, at: number): Token {
  const word = /^[0-9A-Za-z_.]+(?:(?<=[eE])[+-][0-9]+)?/.exec(text.slice(at, at + 1_100))?.[0] ?? '';
  const value = numberFromText(word);
  if (value === undefined)
    throw new ExpressionError(
      `"${word.slice(0, 40)}" is not a number`,
      at,
      'write 12, 1.5 or 1e6, in decimal and without suffix',
    );
  return { kind: 'number', text: word, value, at };
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '\\': '\\',
  '"': '"',
  "'": "'",
  '`': '`',
  '?': '?',
};

function readText(text: string, at: number, open: number, isRaw: boolean): Token {
  const quote = text[open] as string;
  if (text.startsWith(quote.repeat(3), open))
    throw new ExpressionError('triple quotes are not part of the language', at, 'write one quote');
  let value = '';
  let i = open + 1;
  for (; i < text.length && text[i] !== quote; i++) {
    const char = text[i] as string;
    if (char === '\n') break;
    if (char !== '\\' || isRaw) {
      value += char;
      continue;
    }
    const escape = text[++i] ?? '';
    const digits = escape === 'u' ? 4 : escape === 'x' ? 2 : 0;
    if (digits > 0) {
      const code = text.slice(i + 1, i + 1 + digits);
      if (!/^[0-9A-Fa-f]+$/.test(code) || code.length !== digits)
        throw new ExpressionError(
          `"\\${escape}" needs ${digits} hex digits`,
          i - 1,
          'write them, or double the backslash',
        );
      value += String.fromCharCode(Number.parseInt(code, 16));
      i += digits;
    } else if (Object.hasOwn(ESCAPES, escape)) {
      value += ESCAPES[escape] as string;
    } else {
      throw new ExpressionError(
        `"\\${escape}" is not an escape`,
        i - 1,
        'double the backslash, or write r"..." for a pattern',
      );
    }
  }
  if (text[i] !== quote) throw new ExpressionError('the text is not closed', at, `add ${quote}`);
  return { kind: 'text', text: text.slice(at, i + 1), value, at };
}

/** An expression as a cause names it: `args.a["b"]`. */
export function describe(expr: Expr): string {
  if (expr.kind === 'name') return expr.name;
  if (expr.kind === 'member') return `${describe(expr.of)}.${expr.key}`;
  if (expr.kind === 'index')
    return `${describe(expr.of)}[${expr.key.kind === 'literal' ? JSON.stringify(expr.key.value) : '...'}]`;
  return 'a value';
}
