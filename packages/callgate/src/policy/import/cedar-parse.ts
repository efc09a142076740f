/** An expression of the subset of Cedar; `at` is the offset of its first character. */
export type CedarExpr =
  | { readonly kind: 'literal'; readonly value: string | number | boolean; readonly at: number }
  | { readonly kind: 'entity'; readonly type: string; readonly id: string; readonly at: number }
  | { readonly kind: 'list'; readonly items: readonly CedarExpr[]; readonly at: number }
  | { readonly kind: 'name'; readonly name: string; readonly at: number }
  | { readonly kind: 'member'; readonly of: CedarExpr; readonly key: string; readonly at: number }
  | {
      readonly kind: 'call';
      readonly of: CedarExpr;
      readonly name: string;
      readonly args: readonly CedarExpr[];
      readonly at: number;
    }
  | { readonly kind: 'not' | 'minus'; readonly of: CedarExpr; readonly at: number }
  | {
      readonly kind: 'binary';
      readonly op: string;
      readonly left: CedarExpr;
      readonly right: CedarExpr;
      readonly at: number;
    }
  | { readonly kind: 'has' | 'like'; readonly of: CedarExpr; readonly text: string; readonly at: number };

/** `principal`, `action` or `resource` of a policy's head: free, or held to entities. */
export interface CedarScope {
  readonly op: '==' | 'in' | undefined;
  readonly entities: readonly { readonly type: string; readonly id: string; readonly at: number }[];
  readonly at: number;
}

export interface CedarPolicy {
  readonly at: number;
  readonly effect: 'permit' | 'forbid';
  readonly annotations: readonly { readonly name: string; readonly value: string; readonly at: number }[];
  readonly principal: CedarScope;
  readonly action: CedarScope;
  readonly resource: CedarScope;
  readonly conditions: readonly { readonly isUnless: boolean; readonly expr: CedarExpr }[];
}

/** What is wrong with a text, and where. */
export class CedarError extends Error {
  readonly at: number;
  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

interface Token {
  readonly kind: 'word' | 'text' | 'number' | 'sign' | 'end';
  readonly text: string;
  /** Of a text: as written, for `like`. */
  readonly raw: string;
  readonly at: number;
}

const MAX_DEPTH = 40;

/**
 * Parses a file of Cedar policies.
 * @throws CedarError at the first thing that is no Cedar, or that this subset has not
 */
export function parseCedar(source: string): readonly CedarPolicy[] {
  const parser = new Parser(tokenize(source));
  const out: CedarPolicy[] = [];
  while (!parser.isDone()) out.push(parser.policy());
  return out;
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  isDone(): boolean {
    return this.#peek().kind === 'end';
  }

  policy(): CedarPolicy {
    const { at } = this.#peek();
    const annotations: { name: string; value: string; at: number }[] = [];
    while (this.#peek().text === '@' && this.#peek().kind === 'sign') {
      const start = this.#take().at;
      const name = this.#word('the name of an annotation');
      let value = '';
      if (this.#is('(')) {
        this.#take();
        value = this.#text('a text');
        this.#expect(')');
      }
      annotations.push({ name, value, at: start });
    }
    const effect = this.#word('permit or forbid');
    if (effect !== 'permit' && effect !== 'forbid')
      throw new CedarError(`"${effect}" is neither permit nor forbid`, at);
    this.#expect('(');
    const principal = this.#scope('principal');
    this.#expect(',');
    const action = this.#scope('action');
    this.#expect(',');
    const resource = this.#scope('resource');
    this.#expect(')');
    const conditions: { isUnless: boolean; expr: CedarExpr }[] = [];
    while (this.#isWord('when') || this.#isWord('unless')) {
      const isUnless = this.#take().text === 'unless';
      this.#expect('{');
      conditions.push({ isUnless, expr: this.#or() });
      this.#expect('}');
    }
    this.#expect(';');
    return { at, effect, annotations, principal, action, resource, conditions };
  }

  #scope(name: string): CedarScope {
    const { at } = this.#peek();
    if (this.#word(name) !== name) throw new CedarError(`${name} is expected here`, at);
    if (this.#isWord('is'))
      throw new CedarError('"is" is not part of what can be imported: name the entity', this.#peek().at);
    const op = this.#is('==') ? '==' : this.#isWord('in') ? 'in' : undefined;
    if (op === undefined) return { op, entities: [], at };
    this.#take();
    const entities = [];
    if (op === 'in' && this.#is('[')) {
      this.#take();
      while (!this.#is(']')) {
        entities.push(this.#entity());
        if (!this.#is(']')) this.#expect(',');
      }
      this.#take();
      if (entities.length === 0) throw new CedarError('the list is empty', at);
    } else entities.push(this.#entity());
    return { op, entities, at };
  }

  #entity(): { type: string; id: string; at: number } {
    const { at } = this.#peek();
    if (this.#is('?')) throw new CedarError('templates cannot be imported: write the entity out', at);
    let type = this.#word('an entity, such as User::"ann",');
    for (;;) {
      this.#expect('::');
      if (this.#peek().kind === 'text') return { type, id: this.#text('an id'), at };
      type = `${type}::${this.#word('a name')}`;
    }
  }

  #or(): CedarExpr {
    if (++this.#depth > MAX_DEPTH) throw new CedarError('nested too deeply', this.#peek().at);
    if (this.#isWord('if'))
      throw new CedarError('"if" is not part of what can be imported: write two policies', this.#peek().at);
    const out = this.#chain('||', () => this.#chain('&&', () => this.#relation()));
    this.#depth--;
    return out;
  }

  #chain(op: string, part: () => CedarExpr): CedarExpr {
    let left = part();
    for (let terms = 0; this.#is(op); terms++) {
      if (terms > 500) throw new CedarError('the condition is too long', left.at);
      this.#take();
      left = { kind: 'binary', op, left, right: part(), at: left.at };
    }
    return left;
  }

  #relation(): CedarExpr {
    const left = this.#chain('+', () => this.#chain('-', () => this.#chain('*', () => this.#unary())));
    const token = this.#peek();
    if (token.kind === 'sign' && ['==', '!=', '<', '<=', '>', '>='].includes(token.text)) {
      this.#take();
      return { kind: 'binary', op: token.text, left, right: this.#sum(), at: left.at };
    }
    if (this.#isWord('in')) {
      this.#take();
      return { kind: 'binary', op: 'in', left, right: this.#sum(), at: left.at };
    }
    if (this.#isWord('has')) {
      this.#take();
      const text = this.#peek().kind === 'text' ? this.#text('a name') : this.#word('a name');
      if (this.#is('.')) throw new CedarError('write a.b has c instead of a has b.c', this.#peek().at);
      return { kind: 'has', of: left, text, at: left.at };
    }
    if (this.#isWord('like')) {
      this.#take();
      const { raw, kind, at } = this.#peek();
      if (kind !== 'text') throw new CedarError('a text is expected after like', at);
      this.#take();
      return { kind: 'like', of: left, text: raw, at: left.at };
    }
    if (this.#isWord('is')) throw new CedarError('"is" is not part of what can be imported', token.at);
    return left;
  }

  #sum(): CedarExpr {
    return this.#chain('+', () => this.#chain('-', () => this.#chain('*', () => this.#unary())));
  }

  #unary(): CedarExpr {
    const { at } = this.#peek();
    const kind = this.#is('!') ? 'not' : this.#is('-') ? 'minus' : undefined;
    if (kind === undefined) return this.#member();
    this.#take();
    if (++this.#depth > MAX_DEPTH) throw new CedarError('nested too deeply', at);
    const of = this.#unary();
    this.#depth--;
    return { kind, of, at };
  }

  #member(): CedarExpr {
    let of = this.#primary();
    for (let depth = 0; ; depth++) {
      if (depth > MAX_DEPTH) throw new CedarError('nested too deeply', of.at);
      if (this.#is('.')) {
        this.#take();
        const name = this.#word('a name');
        if (!this.#is('(')) {
          of = { kind: 'member', of, key: name, at: of.at };
          continue;
        }
        this.#take();
        of = { kind: 'call', of, name, args: this.#until(')'), at: of.at };
      } else if (this.#is('[')) {
        this.#take();
        of = { kind: 'member', of, key: this.#text('a key'), at: of.at };
        this.#expect(']');
      } else return of;
    }
  }

  #primary(): CedarExpr {
    const token = this.#take();
    const { at } = token;
    if (token.kind === 'text') return { kind: 'literal', value: token.text, at };
    if (token.kind === 'number') {
      const value = Number(token.text);
      if (!Number.isSafeInteger(value)) throw new CedarError('this number cannot be carried exactly', at);
      return { kind: 'literal', value, at };
    }
    if (token.kind === 'sign' && token.text === '(') {
      const inner = this.#or();
      this.#expect(')');
      return inner;
    }
    if (token.kind === 'sign' && token.text === '[') return { kind: 'list', items: this.#until(']'), at };
    if (token.kind === 'word' && (token.text === 'true' || token.text === 'false'))
      return { kind: 'literal', value: token.text === 'true', at };
    if (token.kind === 'word' && this.#is('::')) {
      this.#next--;
      return { kind: 'entity', ...this.#entity() };
    }
    if (token.kind === 'word' && this.#is('('))
      throw new CedarError(`${token.text}() is not part of what can be imported`, at);
    if (token.kind === 'word') return { kind: 'name', name: token.text, at };
    throw new CedarError(
      token.kind === 'end' ? 'the text ends too early' : `"${token.text}" cannot be imported here`,
      at,
    );
  }

  #until(close: string): CedarExpr[] {
    const out: CedarExpr[] = [];
    while (!this.#is(close)) {
      out.push(this.#or());
      if (!this.#is(close)) this.#expect(',');
    }
    this.#take();
    return out;
  }

  #peek(): Token {
    return this.#tokens[Math.min(this.#next, this.#tokens.length - 1)] as Token;
  }

  #take(): Token {
    const token = this.#peek();
    this.#next++;
    return token;
  }

  #is(sign: string): boolean {
    return this.#peek().kind === 'sign' && this.#peek().text === sign;
  }

  #isWord(word: string): boolean {
    return this.#peek().kind === 'word' && this.#peek().text === word;
  }

  #expect(sign: string): void {
    const token = this.#peek();
    if (!this.#is(sign))
      throw new CedarError(
        `"${sign}" is expected, not ${token.kind === 'end' ? 'the end' : `"${token.text}"`}`,
        token.at,
      );
    this.#next++;
  }

  #word(what: string): string {
    const token = this.#peek();
    if (token.kind !== 'word') throw new CedarError(`${what} is expected`, token.at);
    this.#next++;
    return token.text;
  }

  #text(what: string): string {
    const token = this.#peek();
    if (token.kind !== 'text') throw new CedarError(`${what} is expected`, token.at);
    this.#next++;
    return token.text;
  }
}

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  const pattern =
    /\s+|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*|[0-9]+|::|==|!=|<=|>=|&&|\|\||[@(){}[\],;.<>!+*?-]/y;
  for (let at = 0; at < source.length; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const text = pattern.exec(source)?.[0];
    if (text === undefined) throw new CedarError(`"${source[at]}" is not known`, at);
    if (tokens.length > 400_000) throw new CedarError('the file is too large', at);
    if (/^\s|^\/\//.test(text)) continue;
    if (text.startsWith('"'))
      tokens.push({ kind: 'text', text: unescaped(text.slice(1, -1), at), raw: text.slice(1, -1), at });
    else
      tokens.push({
        kind: /^[A-Za-z_]/.test(text) ? 'word' : /^[0-9]/.test(text) ? 'number' : 'sign',
        text,
        raw: text,
        at,
      });
  }
  tokens.push({ kind: 'end', text: '', raw: '', at: source.length });
  return tokens;
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '0': '\0',
  '\\': '\\',
  '"': '"',
  "'": "'",
  '*': '*',
};

/** A text without its escapes; `star` is what stands for a star that is not escaped. */
export function unescaped(
  raw: string,
  at: number,
  literal: (char: string) => string = (char) => char,
  star = '*',
): string {
  let out = '';
  for (let i = 0; i < raw.length; i++) {
    const char = raw[i] as string;
    if (char === '*') {
      out += star;
      continue;
    }
    if (char !== '\\') {
      out += literal(char);
      continue;
    }
    const code = /^\\(?:u\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2}))/.exec(raw.slice(i, i + 12));
    if (code !== null) {
      const point = Number.parseInt(code[1] ?? code[2] ?? '', 16);
      if (point > 0x10ffff) throw new CedarError('this escape is no character', at);
      out += literal(String.fromCodePoint(point));
      i += code[0].length - 1;
      continue;
    }
    const next = raw[++i] ?? '';
    if (!Object.hasOwn(ESCAPES, next)) throw new CedarError(`"\\${next}" is not an escape`, at);
    out += literal(ESCAPES[next] as string);
  }
  return out;
}
