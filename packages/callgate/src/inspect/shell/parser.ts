import { restoreGlobals } from './globals.ts';
// @ts-expect-error the package has no types; the part used is declared below.
import * as library from 'mvdan-sh';
import { decodeEscapes } from './ansi.ts';
import { field, type GoNode, isSlice, isStruct, kindOf, list, stringOf, textOf } from './go.ts';
import {
  LONGEST_TEXT,
  type Assignment,
  type Change,
  type Command,
  type LateText,
  type ParsedShell,
  type Part,
  type Redirect,
  type Script,
  type Statement,
  type Word,
} from './tree.ts';

restoreGlobals();

const MOST_SEPARATORS = 4_000;
const MOST_NODES = 40_000;
const DEEPEST = 120;

/**
 * Parses a Bash command line into our tree. Only Bash: it reads all of POSIX, and a text only another dialect accepts
 * is one whose meaning here nobody could vouch for.
 * @returns the script, or why there is none: not shell, too long, too deep. Never throws.
 */
export function parseShell(text: string): ParsedShell {
  const refused = refusal(text);
  if (refused !== undefined) return { unparsed: refused };
  try {
    const file = parser.Parse(text, '').__internal_object__;
    const converter = new Converter();
    const script = converter.script(field(file, 'Stmts'), 0);
    return { script, late: converter.late };
  } catch (error) {
    // A failed parse leaves Go state behind; the next text gets a parser that has seen nothing.
    parser = syntax.NewParser();
    return { unparsed: wording(error) };
  }
}

interface Syntax {
  NewParser(...options: readonly unknown[]): { Parse(text: string, name: string): { __internal_object__: GoNode } };
}

const loaded = library as unknown as { default?: { syntax: Syntax }; syntax?: Syntax };
const syntax = (loaded.default?.syntax ?? loaded.syntax)!;
let parser = syntax.NewParser();

class TooComplex extends Error {}

function refusal(text: string): string | undefined {
  if (text.length > LONGEST_TEXT) return `it is longer than ${LONGEST_TEXT} characters`;
  if (text.includes('\0')) return 'it holds a NUL character';
  let separators = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x3b || code === 0x26 || code === 0x7c || code === 0x0a || code === 0x60 || code === 0x24)
      separators++;
  }
  return separators > MOST_SEPARATORS ? `it has more than ${MOST_SEPARATORS} separators and expansions` : undefined;
}

/** The library throws Go errors (an object with `Error()`), JavaScript errors for panics and for an exhausted stack. */
function wording(error: unknown): string {
  if (error instanceof TooComplex) return error.message;
  if (error instanceof RangeError) return 'it is nested too deeply';
  const goError = error as { Error?: () => unknown } | null;
  if (typeof goError === 'object' && goError !== null && typeof goError.Error === 'function') {
    return `it is not shell: ${String(goError.Error()).slice(0, 200)}`;
  }
  return 'the shell parser failed on it';
}

const OPERATORS: ReadonlyMap<unknown, string> = new Map(
  ['>', '>>', '<', '<>', '<&', '>&', '>|', '<<', '<<-', '<<<', '&>', '&>>'].map((op, index) => [54 + index, op]),
);
/** `>(` */
const FED = 67;
const AND = 10;
const OR = 11;
/** `${x@P}` and its like */
const TRANSFORM = 84;
/** `-v`, `-R`; `-eq` up to `-gt` */
const NAME_TESTS = [110, 111];
const NUMBER_TESTS = [116, 121] as const;
const EXPANSIONS: ReadonlyMap<unknown, ['default' | 'alternative' | 'assign' | 'require', boolean]> = new Map([
  [68, ['alternative', false]],
  [69, ['alternative', true]],
  [70, ['default', false]],
  [71, ['default', true]],
  [72, ['require', false]],
  [73, ['require', true]],
  [74, ['assign', false]],
  [75, ['assign', true]],
]);

/** Walks the Go structs directly: the library's own wrappers cost five times the parse. */
class Converter {
  #nodes = 0;
  #late: LateText = { evaluates: false, runs: false };

  get late(): LateText {
    return this.#late;
  }

  script(statements: unknown, depth: number): Script {
    return list(statements).map((statement) => this.#statement(statement, depth + 1));
  }

  #count(depth: number): void {
    if (++this.#nodes > MOST_NODES) throw new TooComplex(`it has more than ${MOST_NODES} parts`);
    if (depth > DEEPEST) throw new TooComplex('it is nested too deeply');
  }

  #statement(node: GoNode, depth: number): Statement {
    this.#count(depth);
    return {
      command: this.#command(field(node, 'Cmd'), depth),
      redirects: list(node['Redirs']).map((redirect) => this.#redirect(redirect, depth)),
      background: node['Background'] === true || node['Coprocess'] === true,
    };
  }

  #redirect(node: GoNode, depth: number): Redirect {
    this.#count(depth);
    const word = this.#word(field(node, 'Word'), depth);
    const body = field(node, 'Hdoc');
    // A quoted delimiter keeps the document as it is written.
    const place = word.some((part) => part.kind === 'text' && part.quoted) ? 'raw' : 'document';
    const op = OPERATORS.get(node['Op']) ?? '?';
    return { op, word, ...(body !== undefined && { body: this.#word(body, depth, place) }) };
  }

  #command(node: GoNode | undefined, depth: number): Command | undefined {
    this.#count(depth);
    const inner = depth + 1;
    switch (kindOf(node)) {
      case undefined:
        return undefined;
      case 'CallExpr':
        return {
          kind: 'simple',
          assignments: this.#assignments(node!, 'Assigns', inner),
          words: list(node!['Args']).map((word) => this.#word(word, inner)),
        };
      case 'DeclClause':
        return this.#declaration(node!, inner);
      case 'BinaryCmd':
        return this.#binary(node!, inner);
      case 'Block':
        return { kind: 'group', script: this.script(node!['Stmts'], inner), subshell: false };
      case 'Subshell':
        return { kind: 'group', script: this.script(node!['Stmts'], inner), subshell: true };
      case 'IfClause':
        return { kind: 'branches', words: [], scripts: this.#ifScripts(node!, inner) };
      case 'WhileClause':
        return {
          kind: 'branches',
          words: [],
          scripts: [this.script(node!['Cond'], inner), this.script(node!['Do'], inner)],
        };
      case 'CaseClause':
        return {
          kind: 'branches',
          words: [this.#word(field(node!, 'Word'), inner)],
          scripts: list(node!['Items']).map((item) => [
            ...this.#inside(list(item['Patterns']), inner),
            ...this.script(item['Stmts'], inner),
          ]),
        };
      case 'ForClause':
        return this.#loop(node!, inner);
      case 'FuncDecl':
        return {
          kind: 'function',
          name: textOf(field(node!, 'Name')),
          script: [this.#statement(field(node!, 'Body')!, inner)],
        };
      case 'TimeClause':
      case 'CoprocClause': {
        const statement = field(node!, 'Stmt');
        const script = statement === undefined ? [] : [this.#statement(statement, inner)];
        return { kind: 'group', script, subshell: kindOf(node) === 'CoprocClause' };
      }
      default:
        this.#notice(node!);
        return { kind: 'values', script: this.#inside([node!], inner), sets: this.#named(node!) };
    }
  }

  #assignments(node: GoNode, key: string, depth: number): Assignment[] {
    return list(node[key]).map((assign) => this.#assignment(assign, depth));
  }

  #assignment(node: GoNode, depth: number): Assignment {
    this.#count(depth);
    const value = field(node, 'Value');
    const array = field(node, 'Array');
    const index = field(node, 'Index');
    const name = textOf(field(node, 'Name'));
    const append = node['Append'] === true;
    if (index !== undefined && !isPlainIndex(index)) this.#evaluates();
    if (array !== undefined || index !== undefined) {
      const elements = array === undefined ? [node] : list(array['Elems']);
      const words = elements.map((element) => this.#word(field(element, 'Value'), depth));
      const inIndex = index === undefined ? [] : this.#inside([index], depth);
      return { name, append, array: inIndex.length > 0 ? [...words, [{ kind: 'opaque', script: inIndex }]] : words };
    }
    if (node['Naked'] === true && name !== '') return { name, append };
    return { name, append, value: this.#word(value, depth) };
  }

  #declaration(node: GoNode, depth: number): Command {
    const all = this.#assignments(node, 'Args', depth);
    return {
      kind: 'declare',
      variant: textOf(field(node, 'Variant')),
      flags: all.filter(({ name }) => name === '').map(({ value }) => value ?? []),
      assignments: all.filter(({ name }) => name !== ''),
    };
  }

  /** `a | b | c` and `a && b || c` lean to the left, thousands deep; they become flat lists without recursion. */
  #binary(node: GoNode, depth: number): Command {
    const isChain = (op: unknown) => op === AND || op === OR;
    const chain = isChain(node['Op']);
    const links: { join: '&&' | '||'; statement: Statement }[] = [];
    let at = node;
    for (;;) {
      const join = at['Op'] === OR ? '||' : '&&';
      links.push({ join, statement: this.#statement(field(at, 'Y')!, depth) });
      const left = field(at, 'X')!;
      const leftCommand = field(left, 'Cmd');
      const same = kindOf(leftCommand) === 'BinaryCmd' && isChain(leftCommand!['Op']) === chain;
      if (!same || list(left['Redirs']).length > 0) {
        links.push({ join: '&&', statement: this.#statement(left, depth) });
        break;
      }
      at = leftCommand!;
    }
    links.reverse();
    return chain ? { kind: 'chain', links } : { kind: 'pipeline', stages: links.map(({ statement }) => statement) };
  }

  #ifScripts(node: GoNode, depth: number): Script[] {
    const scripts: Script[] = [];
    for (let at: GoNode | undefined = node; at !== undefined; at = field(at, 'Else')) {
      scripts.push(this.script(at['Cond'], depth), this.script(at['Then'], depth));
    }
    return scripts;
  }

  #loop(node: GoNode, depth: number): Command {
    const loop = field(node, 'Loop');
    const body = this.script(node['Do'], depth);
    if (kindOf(loop) !== 'WordIter') {
      this.#evaluates();
      return { kind: 'branches', words: [], scripts: [[...this.#inside([loop!], depth), ...body]] };
    }
    const items = list(loop!['Items']).map((word) => this.#word(word, depth));
    return { kind: 'loop', name: textOf(field(loop!, 'Name')), items, script: body };
  }

  #word(node: GoNode | undefined, depth: number, place: Place = 'plain'): Word {
    const parts: Part[] = [];
    if (node !== undefined) this.#parts(list(node['Parts']), depth, place, parts);
    return parts;
  }

  #parts(nodes: readonly GoNode[], depth: number, place: Place, into: Part[]): void {
    this.#count(depth);
    const quoted = place !== 'plain';
    for (const node of nodes) {
      this.#count(depth);
      switch (kindOf(node)) {
        case 'Lit':
          unescape(textOf(node), place, into);
          break;
        case 'SglQuoted': {
          const text = stringOf(node['Value']);
          into.push({
            kind: 'text',
            text: node['Dollar'] === true ? decodeEscapes(text).split('\0')[0]! : text,
            quoted: true,
          });
          break;
        }
        case 'DblQuoted':
          into.push({ kind: 'text', text: '', quoted: true });
          this.#parts(list(node['Parts']), depth + 1, 'double', into);
          break;
        case 'ParamExp':
          into.push(this.#variable(node, depth + 1, quoted));
          break;
        case 'CmdSubst':
          into.push({ kind: 'output', script: this.script(node['Stmts'], depth + 1), quoted });
          break;
        case 'ProcSubst':
          into.push({ kind: 'process', script: this.script(node['Stmts'], depth + 1), fed: node['Op'] === FED });
          break;
        default:
          this.#notice(node);
          into.push({ kind: 'opaque', script: this.#inside([node], depth + 1) });
      }
    }
  }

  #variable(node: GoNode, depth: number, quoted: boolean): Part {
    this.#notice(node);
    const name = textOf(field(node, 'Param'));
    const change = this.#change(node, depth);
    return change === undefined ? { kind: 'variable', name, quoted } : { kind: 'variable', name, quoted, change };
  }

  #change(node: GoNode, depth: number): Change | undefined {
    const index = field(node, 'Index');
    if (node['Excl'] === true || node['Length'] === true || node['Width'] === true || index !== undefined) {
      return { kind: 'opaque', script: index === undefined ? [] : this.#inside([index], depth) };
    }
    const slice = field(node, 'Slice');
    if (slice !== undefined) {
      const [offset, length] = [field(slice, 'Offset'), field(slice, 'Length')];
      if (kindOf(offset) !== 'Word' || (length !== undefined && kindOf(length) !== 'Word')) {
        return { kind: 'opaque', script: this.#inside([slice], depth) };
      }
      const offsetWord = this.#word(offset, depth);
      return { kind: 'slice', offset: offsetWord, ...(length && { length: this.#word(length, depth) }) };
    }
    const replace = field(node, 'Repl');
    if (replace !== undefined) {
      const [from, to] = [this.#word(field(replace, 'Orig'), depth), this.#word(field(replace, 'With'), depth)];
      return { kind: 'replace', all: replace['All'] === true, from, to };
    }
    const expansion = field(node, 'Exp');
    if (expansion === undefined) return undefined;
    const op = expansion['Op'];
    const word = this.#word(field(expansion, 'Word'), depth);
    const known = EXPANSIONS.get(op);
    if (known !== undefined) return { kind: known[0], empty: known[1], word };
    if (op === 81 && word.length === 0) return { kind: 'upper' };
    if (op === 83 && word.length === 0) return { kind: 'lower' };
    if (typeof op === 'number' && op >= 76 && op <= 79) return { kind: 'trim', end: op < 78, word };
    return { kind: 'opaque', script: wordScript(word) };
  }

  /** The commands inside nodes whose value nobody works out: arithmetic, tests, patterns. */
  #inside(nodes: readonly GoNode[], depth: number): Statement[] {
    const found: Statement[] = [];
    for (const node of nodes) this.#collect(node, depth, found);
    return found;
  }

  #collect(node: unknown, depth: number, into: Statement[]): void {
    if (!isStruct(node)) return;
    this.#count(depth);
    const kind = kindOf(node);
    if (kind === 'CmdSubst' || kind === 'ProcSubst') {
      into.push(...this.script(node['Stmts'], depth + 1));
      return;
    }
    this.#notice(node);
    for (const key of Object.keys(node)) {
      if (key.startsWith('$')) continue;
      const value = node[key];
      if (isSlice(value)) for (const item of list(value)) this.#collect(item, depth + 1, into);
      else if (isStruct(value)) this.#collect(value, depth + 1, into);
    }
  }

  #evaluates(): void {
    this.#late = { ...this.#late, evaluates: true };
  }

  /** Whether a node evaluates a value once more. */
  #notice(node: GoNode): void {
    const op = node['Op'];
    switch (kindOf(node)) {
      case 'ArithmCmd':
      case 'ArithmExp':
      case 'LetClause':
        return this.#evaluates();
      case 'BinaryTest':
        if (typeof op === 'number' && op >= NUMBER_TESTS[0] && op <= NUMBER_TESTS[1]) this.#evaluates();
        return;
      case 'UnaryTest':
        if (typeof op === 'number' && NAME_TESTS.includes(op)) this.#evaluates();
        return;
      case 'ParamExp': {
        const [index, slice, change] = [field(node, 'Index'), field(node, 'Slice'), field(node, 'Exp')];
        const offsets = slice === undefined ? [] : [field(slice, 'Offset'), field(slice, 'Length')];
        const isPlain = [index, ...offsets].every((one) => one === undefined || isPlainIndex(one));
        if (node['Excl'] === true || !isPlain) this.#evaluates();
        if (change?.['Op'] === TRANSFORM && lettersOf(field(change, 'Word')) === 'P')
          this.#late = { ...this.#late, runs: true };
        return;
      }
      default:
    }
  }

  /** Every name inside arithmetic, `let` or a test: any of them may be assigned there. */
  #named(node: GoNode): string[] {
    const names = new Set<string>();
    const visit = (at: unknown, depth: number): void => {
      if (!isStruct(at)) return;
      this.#count(depth);
      const kind = kindOf(at);
      if (kind === 'Lit') names.add(stringOf(at['Value']));
      if (kind === 'SglQuoted' && this.#late.evaluates && /\$\(|`/.test(stringOf(at['Value'])))
        this.#late = { ...this.#late, runs: true };
      for (const key of Object.keys(at)) {
        const value = key.startsWith('$') ? undefined : at[key];
        if (isSlice(value)) for (const item of list(value)) visit(item, depth + 1);
        else if (isStruct(value)) visit(value, depth + 1);
      }
    };
    visit(node, 0);
    return [...names];
  }
}

/** The text of a word that is one literal; undefined for any other. */
function lettersOf(node: GoNode | undefined): string | undefined {
  const parts = node === undefined ? [] : list(node['Parts']);
  return parts.length === 1 && kindOf(parts[0]) === 'Lit' ? textOf(parts[0]) : undefined;
}

/** `${a[0]}`, `${a[@]}`, `${s:1}`, `${s: -1}`: a number or a star, which means nothing but itself. */
function isPlainIndex(node: GoNode): boolean {
  const word = kindOf(node) === 'UnaryArithm' ? field(node, 'X') : node;
  return /^(?:\d{1,9}|[@*])$/.test(lettersOf(word) ?? '');
}

/** A word that is only expanded, as a statement whose command does nothing with it. */
function wordScript(word: Word): Statement[] {
  return word.flatMap((part) =>
    part.kind === 'output' || part.kind === 'process' || part.kind === 'opaque' ? [...part.script] : [],
  );
}

/** Backslashes of a literal: what they protect becomes a quoted part. */
function unescape(text: string, place: Place, into: Part[]): void {
  const quoted = place !== 'plain';
  if (place === 'raw' || !text.includes('\\')) {
    into.push({ kind: 'text', text, quoted });
    return;
  }
  const special = place === 'double' ? '$`"\\' : '$`\\';
  let plain = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    const next = text[at + 1];
    if (char !== '\\' || next === undefined) plain += char;
    else if (next === '\n') at++;
    else if (quoted) {
      if (special.includes(next)) at++;
      plain += special.includes(next) ? next : char;
    } else {
      if (plain !== '') into.push({ kind: 'text', text: plain, quoted: false });
      into.push({ kind: 'text', text: next, quoted: true });
      plain = '';
      at++;
    }
  }
  if (plain !== '') into.push({ kind: 'text', text: plain, quoted });
}

/** What a backslash means: outside quotes, inside double quotes, in a here-document, in one with a quoted delimiter. */
type Place = 'plain' | 'double' | 'document' | 'raw';
