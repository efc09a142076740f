import type { LineCounter, Node, Pair } from 'yaml';
import type { Place } from '../model/error.ts';
import type { Issue } from './issues.ts';
import { didYouMean } from '../policy/document/nearest.ts';
import type { TextFile } from './read.ts';
import { SECTIONS, SERVER_KEYS, SERVER_NAME, SETTINGS } from './settings.ts';
import type { ServerKey, Value } from './settings.ts';
import { checkValue } from './values.ts';
import { yamlExcess } from './yaml-guard.ts';

/** A value as the file has it, variables not yet filled in. */
export interface Written<T = ServerValue> {
  readonly value: T;
  readonly place: Place;
}

export type ServerValue = Value | readonly string[] | Readonly<Record<string, string>>;

/** A checked callgate.yaml. */
export interface ConfigDocument {
  readonly settings: ReadonlyMap<string, Written<Value>>;
  readonly servers: ReadonlyMap<string, { readonly place: Place; readonly keys: ReadonlyMap<string, Written> }>;
  readonly lock: readonly { readonly key: string; readonly place: Place }[];
}

/**
 * Parses and checks a callgate.yaml. Every issue is reported, not only the first; with any issue the document must not be used.
 * Anchors, aliases, tags and merge keys are refused: a settings file needs none, a bomb does.
 */
export async function parseConfig(file: TextFile): Promise<{ document: ConfigDocument; issues: Issue[] }> {
  const reader = new Reader(file.path);
  await reader.read(file.text);
  return { document: { settings: reader.settings, servers: reader.servers, lock: reader.lock }, issues: reader.issues };
}

type Yaml = typeof import('yaml');
type Entry = { readonly key: string; readonly place: Place; readonly node: Node | null; readonly valuePlace: Place };

class Reader {
  readonly issues: Issue[] = [];
  readonly settings = new Map<string, Written<Value>>();
  readonly servers = new Map<string, { place: Place; keys: Map<string, Written> }>();
  readonly lock: { key: string; place: Place }[] = [];
  readonly #file: string;
  #yaml!: Yaml;
  #lines!: LineCounter;

  constructor(file: string) {
    this.#file = file;
  }

  async read(text: string): Promise<void> {
    const excess = yamlExcess(text, this.#file);
    if (excess !== undefined) {
      this.#report('CG_CONFIG_SYNTAX', excess.what, excess.place, 'Write it flatter or shorter.');
      return;
    }
    this.#yaml = await import('yaml');
    this.#lines = new this.#yaml.LineCounter();
    const document = this.#yaml.parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      // Not silent: that would let a second document pass unseen.
      logLevel: 'error',
      // Quadratic in the number of keys; #entries finds duplicates itself.
      uniqueKeys: false,
    });
    for (const problem of [...document.errors, ...document.warnings].slice(0, 20)) {
      this.#report(
        'CG_CONFIG_SYNTAX',
        `${firstLine(problem.message)}.`,
        this.#placeAt(problem.pos[0]),
        'Mend the YAML.',
      );
    }
    if (this.issues.length > 0 || document.contents === null) return;
    this.#refuseAnchors(document.contents);
    if (this.issues.length > 0) return;
    for (const entry of this.#entries(document.contents, 'the file')) this.#readTop(entry);
  }

  #readTop(entry: Entry): void {
    const { key } = entry;
    if (key === 'version') this.#readVersion(entry);
    else if (key === 'servers') this.#readServers(entry);
    else if (key === 'lock') this.#readLock(entry);
    else if (SECTIONS.has(key)) this.#readSection(entry);
    else if (Object.hasOwn(SETTINGS, key)) this.#readSetting(key, entry);
    else this.#unknown(entry, key, [...TOP_KEYS]);
  }

  #readVersion(entry: Entry): void {
    if (scalarOf(this.#yaml, entry.node) === 1) return;
    this.#report('CG_CONFIG_BAD_VALUE', 'version must be 1.', entry.valuePlace, 'Write: version: 1');
  }

  #readSection(section: Entry): void {
    for (const entry of this.#entries(section.node, section.key, section.valuePlace)) {
      const key = `${section.key}.${entry.key}`;
      if (Object.hasOwn(SETTINGS, key)) this.#readSetting(key, entry);
      else this.#unknown(entry, key, keysBelow(SETTINGS, section.key));
    }
  }

  #readSetting(key: string, entry: Entry): void {
    const value = this.#value(SETTINGS[key]!, key, entry);
    if (value !== undefined) this.settings.set(key, { value: value as Value, place: entry.valuePlace });
  }

  #readServers(section: Entry): void {
    for (const entry of this.#entries(section.node, 'servers', section.valuePlace)) {
      if (!SERVER_NAME.test(entry.key)) {
        const how = 'Use letters, digits, ".", "_" and "-", at most 64, starting with a letter or digit.';
        this.#report('CG_CONFIG_BAD_VALUE', `"${entry.key}" cannot be the name of a server.`, entry.place, how);
        continue;
      }
      this.servers.set(entry.key, { place: entry.place, keys: this.#readServer(entry) });
    }
  }

  #readServer(server: Entry): Map<string, Written> {
    const keys = new Map<string, Written>();
    const path = `servers.${server.key}`;
    const take = (key: string, entry: Entry) => {
      const value = this.#value(SERVER_KEYS[key]!, `${path}.${key}`, entry);
      if (value !== undefined) keys.set(key, { value, place: entry.valuePlace });
    };
    const named = new Map<string, Place>();
    for (const entry of this.#entries(server.node, path, server.valuePlace)) {
      named.set(entry.key, entry.place);
      if (entry.key === 'trust') {
        for (const inner of this.#entries(entry.node, `${path}.trust`, entry.valuePlace)) {
          if (inner.key === 'annotations') take('trust.annotations', inner);
          else this.#unknown(inner, `${path}.trust.${inner.key}`, ['annotations']);
        }
      } else if (Object.hasOwn(SERVER_KEYS, entry.key)) take(entry.key, entry);
      else
        this.#unknown(entry, `${path}.${entry.key}`, [
          ...Object.keys(SERVER_KEYS).filter((k) => !k.includes('.')),
          'trust',
        ]);
    }
    this.#checkKind(path, server, named, keys.get('url'));
    return keys;
  }

  /** A server has a command or a url, and only what goes with it. */
  #checkKind(path: string, server: Entry, named: ReadonlyMap<string, Place>, url: Written | undefined): void {
    const [command, reached] = [named.get('command'), named.get('url')];
    if (command === undefined && reached === undefined) {
      const how = 'Write: command: <the program to start>, or url: <where it is reached>';
      this.#report('CG_CONFIG_MISSING_KEY', `${path} has neither a command nor a url.`, server.place, how);
      return;
    }
    if (command !== undefined && reached !== undefined) {
      const what = `${path} has both a command and a url.`;
      this.#report('CG_CONFIG_BAD_VALUE', what, reached, 'Keep the one that starts or reaches the server.');
      return;
    }
    const kind = reached === undefined ? 'command' : 'url';
    for (const [key, place] of named) {
      const belongs = SERVER_KEYS[key]?.with;
      if (belongs === undefined || belongs === kind) continue;
      const what = `${path}.${key} goes with a ${belongs}, and this server has a ${kind}.`;
      this.#report('CG_CONFIG_BAD_VALUE', what, place, `Take ${key} out.`);
    }
    if (url !== undefined) this.#checkUrl(path, url as Written<string>);
  }

  /** As far as it can be told before variables are filled in. */
  #checkUrl(path: string, { value, place }: Written<string>): void {
    if (/^https?:\/\/[^/?#@\s]/i.test(value) && !/^https?:\/\/[^/?#]*@/i.test(value)) return;
    if (value.startsWith('${')) return;
    const how = 'Write https://host/path. Credentials belong in headers, not in the URL.';
    this.#report('CG_CONFIG_BAD_VALUE', `${path}.url is no http or https URL without credentials.`, place, how);
  }

  #readLock(entry: Entry): void {
    if (!this.#yaml.isSeq(entry.node)) {
      this.#report(
        'CG_CONFIG_WRONG_TYPE',
        'lock must be a list of settings.',
        entry.valuePlace,
        'Write: lock: [fail, evidence]',
      );
      return;
    }
    for (const item of entry.node.items) {
      const place = this.#placeOf(item as Node);
      const key = scalarOf(this.#yaml, item as Node);
      const name = typeof key === 'string' ? key : undefined;
      if (name !== undefined && isLockable(name)) this.lock.push({ key: name, place });
      else {
        const known = [...Object.keys(SETTINGS), ...SECTIONS, 'servers'];
        const guess = name === undefined ? '' : didYouMean(name, known);
        this.#report(
          'CG_CONFIG_BAD_VALUE',
          `lock names ${name ?? 'what is no text'}, which is no setting.${guess}`,
          place,
          `Settings: ${known.join(', ')}.`,
        );
      }
    }
  }

  #value(kind: ServerKey, key: string, entry: Entry): ServerValue | undefined {
    switch (kind.type) {
      case 'texts':
        return this.#texts(key, entry);
      case 'text-map':
        return this.#textMap(key, entry);
      default: {
        const checked = checkValue(kind, key, scalarOf(this.#yaml, entry.node));
        if (!('issue' in checked)) return checked.value;
        this.issues.push({ ...checked.issue, place: entry.valuePlace });
        return undefined;
      }
    }
  }

  #texts(key: string, entry: Entry): readonly string[] | undefined {
    if (!this.#yaml.isSeq(entry.node)) {
      this.#report(
        'CG_CONFIG_WRONG_TYPE',
        `${key} must be a list of texts.`,
        entry.valuePlace,
        `Write: ${last(key)}: [one, two]`,
      );
      return undefined;
    }
    return entry.node.items.flatMap((item) => {
      const value = scalarOf(this.#yaml, item as Node);
      if (typeof value === 'string' && !value.includes('\0')) return [value];
      this.#report(
        'CG_CONFIG_WRONG_TYPE',
        `${key} holds what is no text.`,
        this.#placeOf(item as Node),
        'Put it in quotes.',
      );
      return [];
    });
  }

  #textMap(key: string, entry: Entry): Readonly<Record<string, string>> | undefined {
    const map: Record<string, string> = Object.create(null) as Record<string, string>;
    for (const inner of this.#entries(entry.node, key, entry.valuePlace)) {
      const value = scalarOf(this.#yaml, inner.node);
      if (inner.key.includes('=') || inner.key.includes('\0') || inner.key === '') {
        this.#report(
          'CG_CONFIG_BAD_VALUE',
          `${key} has a name that no variable can have.`,
          inner.place,
          'Take = out of the name.',
        );
      } else if (typeof value !== 'string' || value.includes('\0')) {
        this.#report(
          'CG_CONFIG_WRONG_TYPE',
          `${key}.${inner.key} must be a text.`,
          inner.valuePlace,
          'Put it in quotes.',
        );
      } else map[inner.key] = value;
    }
    return map;
  }

  /** The pairs of a map, names checked: texts, each once. Anything but a map is reported. */
  #entries(node: Node | null, what: string, place: Place = this.#placeOf(node)): Entry[] {
    if (!this.#yaml.isMap(node)) {
      this.#report(
        'CG_CONFIG_WRONG_TYPE',
        `${what} must be a map of keys and values.`,
        place,
        'Write "key: value" lines, indented alike.',
      );
      return [];
    }
    const seen = new Set<string>();
    return node.items.flatMap((pair) => {
      const keyNode = pair.key as Node;
      const keyPlace = this.#placeOf(keyNode);
      const key = scalarOf(this.#yaml, keyNode);
      if (typeof key !== 'string') {
        this.#report('CG_CONFIG_WRONG_TYPE', `A key of ${what} is no text.`, keyPlace, 'Put the key in quotes.');
        return [];
      }
      if (seen.has(key)) {
        this.#report('CG_CONFIG_DUPLICATE_KEY', `${key} stands twice in ${what}.`, keyPlace, 'Keep one of them.');
        return [];
      }
      seen.add(key);
      const value = (pair as Pair<Node, Node | null>).value;
      return [{ key, place: keyPlace, node: value, valuePlace: value?.range ? this.#placeOf(value) : keyPlace }];
    });
  }

  #refuseAnchors(root: Node): void {
    this.#yaml.visit(root, (_key, node) => {
      if (!this.#yaml.isNode(node)) return undefined;
      const marked = this.#yaml.isAlias(node) || node.anchor !== undefined;
      if (!marked && node.tag === undefined) return undefined;
      const what = marked ? 'Anchors and aliases' : 'Tags';
      this.#report(
        'CG_CONFIG_SYNTAX',
        `${what} are not allowed in a config file.`,
        this.#placeOf(node),
        'Write the value out.',
      );
      return this.issues.length < 20 ? undefined : this.#yaml.visit.BREAK;
    });
  }

  #unknown(entry: Entry, path: string, known: readonly string[]): void {
    const remedy = `Known here: ${known.join(', ')}.`;
    this.#report('CG_CONFIG_UNKNOWN_KEY', `${path} is no setting.${didYouMean(entry.key, known)}`, entry.place, remedy);
  }

  #report(code: string, message: string, place: Place, remedy: string): void {
    this.issues.push({ code, message, place, remedy });
  }

  #placeOf(node: Node | null): Place {
    return this.#placeAt(node?.range?.[0] ?? 0);
  }

  #placeAt(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line: Math.max(1, line), column: Math.max(1, col) };
  }
}

const TOP_KEYS: ReadonlySet<string> = new Set([
  'version',
  ...Object.keys(SETTINGS).filter((key) => !key.includes('.')),
  ...SECTIONS,
  'servers',
  'lock',
]);

function scalarOf(yaml: Yaml, node: Node | null): unknown {
  return yaml.isScalar(node) ? node.value : undefined;
}

function isLockable(key: string): boolean {
  if (Object.hasOwn(SETTINGS, key) || SECTIONS.has(key) || key === 'servers') return true;
  return key.startsWith('servers.') && SERVER_NAME.test(key.slice(8));
}

function keysBelow(table: object, section: string): string[] {
  return Object.keys(table).flatMap((key) => (key.startsWith(`${section}.`) ? [key.slice(section.length + 1)] : []));
}

function last(key: string): string {
  return key.slice(key.lastIndexOf('.') + 1);
}

function firstLine(message: string): string {
  const end = message.indexOf('\n');
  return (end < 0 ? message : message.slice(0, end)).replace(/[.:]+$/, '');
}
