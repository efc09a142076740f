import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type YAMLMap } from 'yaml';
import { messageOf, type Place } from '../../model/error.ts';
import type { Json } from '../../model/json.ts';
import type { Issue } from '../document/issue.ts';
import { suggest } from '../document/nearest.ts';
import { parseYaml } from '../document/yaml.ts';
import { numberFromText } from '../condition/numbers.ts';

const CODE = 'CG_POLICY_CASES';
const MOST_TEXT = 1_048_576;
const MOST_DEPTH = 64;
const MOST_ISSUES = 100;

/** Reads nodes of a file of cases, and keeps what is wrong with them. */
export class Reader {
  readonly issues: Issue[] = [];
  readonly #file: string;
  readonly #lines = new LineCounter();
  /** What is being read, and where it stands: of a node that is not there, that is the place. */
  #within: { readonly what: string; readonly node: unknown } | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  parse(text: string): Node | null | undefined {
    if (text.length > MOST_TEXT) {
      this.reportAt(this.placeOf(0), `the file has more than ${MOST_TEXT} characters`, 'split it');
      return undefined;
    }
    try {
      const document = parseYaml(text.replace(/^\uFEFF/, ''), this.#lines, true);
      for (const error of document.errors) this.report(error.pos[0], `this is not valid YAML: ${error.message}`);
      return this.issues.length > 0 ? undefined : document.contents;
    } catch (cause) {
      this.report(0, `the file cannot be read as YAML: ${messageOf(cause)}`);
      return undefined;
    }
  }

  /** Reads a part of the file: what is wrong in it is reported as of `what`, unless that is empty. */
  within<T>(what: string, node: unknown, read: () => T): T {
    const outer = this.#within;
    const path = [outer?.what ?? '', what].filter((part) => part !== '').join(', ');
    this.#within = { what: path, node: rangeOf(node) === undefined ? outer?.node : node };
    try {
      return read();
    } finally {
      this.#within = outer;
    }
  }

  placeOf(node: unknown): Place {
    const offset = typeof node === 'number' ? node : (rangeOf(node) ?? rangeOf(this.#within?.node) ?? 0);
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  report(node: unknown, message: string, remedy?: string): undefined {
    const what = this.#within?.what ?? '';
    return this.reportAt(this.placeOf(node), `${what}${what === '' ? '' : ': '}${message}`, remedy);
  }

  reportAt(place: Place, message: string, remedy?: string): undefined {
    if (this.issues.length < MOST_ISSUES)
      this.issues.push({ code: CODE, message, ...place, place, ...(remedy === undefined ? {} : { remedy }) });
  }

  /** The entries of a map; keys that are not known are reported. */
  map(node: unknown, what: string, known: readonly string[]): Map<string, unknown> | undefined {
    if (!isMap(node)) return this.report(node, `${what} must be a map`);
    const entries = new Map<string, unknown>();
    for (const [key, value, keyNode] of this.#pairs(node)) {
      if (known.includes(key)) entries.set(key, value);
      else this.report(keyNode, `${what} has no key "${key}"`, suggest(key, known));
    }
    return entries;
  }

  #pairs(node: YAMLMap): readonly (readonly [string, unknown, unknown])[] {
    return node.items.flatMap((pair) => {
      const key = pair.key as Node;
      if (isScalar(key)) return [[String(key.source ?? key.value), pair.value, key] as const];
      this.report(key, 'a key must be plain text');
      return [];
    });
  }

  items(node: unknown, what: string): readonly unknown[] {
    if (node === undefined) return [];
    if (isSeq(node)) return node.items;
    this.report(node, `${what} must be a list`);
    return [];
  }

  text(node: unknown, what: string): string | undefined {
    if (isScalar(node) && typeof node.value === 'string') return node.value;
    if (isScalar(node) && node.value === null) return this.report(node, `${what} is empty`, 'write it, or take it out');
    return this.report(node, `${what} must be a text`, isScalar(node) ? 'put it in quotes' : undefined);
  }

  flag(node: unknown, what: string): boolean | undefined {
    if (isScalar(node) && typeof node.value === 'boolean') return node.value;
    return this.report(node, `${what} must be true or false`);
  }

  oneOf<T extends string>(node: unknown, what: string, known: readonly T[]): T | undefined {
    const text = this.text(node, what);
    if (text === undefined || known.includes(text as T)) return text as T | undefined;
    return this.report(node, `${what} cannot be "${text}"`, suggest(text, known));
  }

  /** A text, or a list of them. */
  texts(node: unknown, what: string): readonly string[] | undefined {
    if (node === undefined) return undefined;
    const list = isSeq(node) ? node.items.map((item) => this.text(item, what)) : [this.text(node, what)];
    return list.includes(undefined) ? undefined : (list as string[]);
  }

  textMap(node: unknown, what: string, withNull: boolean): Record<string, string | null> {
    const out = Object.create(null) as Record<string, string | null>;
    if (node === undefined) return out;
    if (!isMap(node)) {
      this.report(node, `${what} must be a map`);
      return out;
    }
    for (const [key, value] of this.#pairs(node)) {
      const isNull = withNull && isScalar(value) && value.value === null;
      const text = isNull ? null : this.text(value, key);
      if (text !== undefined) out[key] = text;
    }
    return out;
  }

  /** Any value, as a message would bring it: numbers keep their digits. */
  json(node: unknown, depth = 0): Json | undefined {
    if (depth > MOST_DEPTH) return this.report(node, `nested deeper than ${MOST_DEPTH}`);
    if (isAlias(node) || (node as { anchor?: string } | null)?.anchor !== undefined)
      return this.report(
        node,
        'anchors and aliases are not read here',
        'write the value out; quote what begins with * or &',
      );
    if (isSeq(node)) {
      const list = node.items.map((item) => this.json(item, depth + 1));
      return list.includes(undefined) ? undefined : (list as Json[]);
    }
    if (isMap(node)) {
      const out = Object.create(null) as Record<string, Json>;
      for (const [key, value] of this.#pairs(node)) {
        const read = this.json(value, depth + 1);
        if (read !== undefined) out[key] = read;
      }
      return out;
    }
    if (!isScalar(node)) return node === null ? null : this.report(node, 'this is no value');
    const { value } = node;
    if (typeof value === 'number') {
      return numberFromText(node.source ?? String(value)) ?? this.report(node, 'this is no number of JSON');
    }
    return value === null || typeof value === 'string' || typeof value === 'boolean'
      ? value
      : this.report(node, 'this is no value of JSON', 'put it in quotes');
  }
}

function rangeOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}
