/** A server as the config has it. */
export interface NamedServer {
  readonly name: string;
  /** What its tools are called by, in place of its name; `""` for their own names, as long as those are nobody else's. */
  readonly prefix?: string;
}

export interface Naming {
  /** `never`: where two servers have a name, the first of the config has it; `collisions`: then neither does. */
  readonly mode: 'always' | 'collisions' | 'never';
  readonly separator?: string;
  /** SHA-256 of a text, in hex. */
  readonly sha256: (text: string) => string;
}

/** Whose it is, and what it is called there. */
export interface Owned {
  readonly server: number;
  readonly name: string;
}

/** Names as clients see them. */
export interface Exposed {
  readonly owners: ReadonlyMap<string, Owned>;
  /** Of each server, own name to exposed name. */
  readonly of: readonly ReadonlyMap<string, string>[];
}

/** What clients take as the name of a tool. */
const LONGEST = 64;
const LONGEST_TAG = 32;
const LONGEST_SEPARATOR = 8;
const HASH = 8;
const MOST_ROUNDS = 64;
const EXACT = /^[A-Za-z0-9_-]+$/;
const ENDS_LIKE_A_HASH = /_[0-9a-f]{8}$/;

/**
 * What the exposed names of each server begin with, separator included. No prefix begins with another one, so that a name
 * begins with one at most: this is what keeps servers out of each other's names.
 * @param servers in the order of the config; their names differ
 */
export function prefixesOf(servers: readonly NamedServer[], naming: Naming): readonly string[] {
  const separator = sanitised(naming.separator ?? '').slice(0, LONGEST_SEPARATOR) || '__';
  const tags = servers.map((server) => tagOf(server, naming));
  const prefixes = tags.map((tag) => tag + separator);
  // Each round makes what begins with another prefix into a word without separators; hashes settle the rest.
  for (let round = 0; round < 16; round++) {
    const clashing = prefixes.findIndex((prefix, i) =>
      prefixes.some((other, j) => i !== j && prefix.startsWith(other) && (prefix !== other || j < i)),
    );
    if (clashing < 0) return prefixes;
    const hash = naming.sha256(`${servers[clashing]!.name}\0${round}`);
    const word = wordOf(tags[clashing]!, separator);
    const tag =
      round < servers.length + 4 ? word.slice(0, LONGEST_TAG - HASH) + hash.slice(0, HASH) : hash.slice(0, 24);
    prefixes[clashing] = tag + separator;
  }
  return servers.map((server) => naming.sha256(server.name).slice(0, LONGEST_TAG) + separator);
}

/**
 * Gives each name of each server one that no other has: at most 64 letters, digits, `_` and `-`. What it gives depends on
 * the names alone, not on their order.
 * @param prefixes of `prefixesOf`, for the same servers
 * @param lists the names of each server; one that is not known has none
 */
export function exposeNames(
  servers: readonly NamedServer[],
  prefixes: readonly string[],
  lists: readonly (readonly string[])[],
  naming: Naming,
): Exposed {
  const owners = new Map<string, Owned>();
  const of = servers.map(() => new Map<string, string>());
  const give = (exposed: string, server: number, name: string): void => {
    owners.set(exposed, { server, name });
    of[server]!.set(name, exposed);
  };
  for (const [name, server] of bareNames(servers, prefixes, lists, naming)) give(name, server, name);
  for (const [server, names] of lists.entries()) {
    const prefix = prefixes[server]!;
    const rest = [...new Set(names)].filter((name) => !of[server]!.has(name)).toSorted(byUnits);
    const odd = rest.filter((name) => !isPlain(prefix, name));
    for (const name of rest) if (isPlain(prefix, name)) give(prefix + name, server, name);
    for (const name of odd) {
      let exposed = shortened(prefix, servers[server]!.name, name, 0, naming);
      for (let round = 1; owners.has(exposed) && round < MOST_ROUNDS; round++) {
        exposed = shortened(prefix, servers[server]!.name, name, round, naming);
      }
      if (!owners.has(exposed)) give(exposed, server, name);
    }
  }
  return { owners, of };
}

/**
 * Reads a name that was not listed yet, as far as its prefix tells all about it.
 * @param exposed as a client wrote it
 * @returns undefined when the lists must tell
 */
export function ownedByPrefix(prefixes: readonly string[], exposed: string): Owned | undefined {
  const server = prefixes.findIndex((prefix) => exposed.startsWith(prefix));
  if (server < 0) return undefined;
  const name = exposed.slice(prefixes[server]!.length);
  const isWhole = isPlain(prefixes[server]!, name) && !ENDS_LIKE_A_HASH.test(name);
  return isWhole ? { server, name } : undefined;
}

/** Names that are shown as they are. One that begins with a prefix never is, or a server could take the name of another. */
function bareNames(
  servers: readonly NamedServer[],
  prefixes: readonly string[],
  lists: readonly (readonly string[])[],
  { mode }: Naming,
): ReadonlyMap<string, number> {
  const owner = new Map<string, number>();
  const several = new Set<string>();
  for (const [server, names] of lists.entries()) {
    if (mode === 'always' && servers[server]!.prefix !== '') continue;
    for (const name of new Set(names)) {
      if (!isPlain('', name) || prefixes.some((prefix) => name.startsWith(prefix))) continue;
      if (owner.has(name)) several.add(name);
      else owner.set(name, server);
    }
  }
  if (mode !== 'never') for (const name of several) owner.delete(name);
  return owner;
}

function tagOf({ name, prefix }: NamedServer, { sha256 }: Naming): string {
  const wanted = prefix === undefined || prefix === '' ? name : prefix;
  if (EXACT.test(wanted) && wanted.length <= LONGEST_TAG) return wanted;
  return `${sanitised(wanted).slice(0, LONGEST_TAG - HASH - 1)}_${sha256(name).slice(0, HASH)}`;
}

function isPlain(prefix: string, name: string): boolean {
  return EXACT.test(name) && prefix.length + name.length <= LONGEST;
}

function shortened(prefix: string, server: string, name: string, round: number, { sha256 }: Naming): string {
  const salt = round === 0 ? '' : `\0${round}`;
  const hash = sha256(`${server}\0${name}${salt}`).slice(0, HASH);
  return `${prefix}${sanitised(name).slice(0, LONGEST - prefix.length - HASH - 1)}_${hash}`;
}

function sanitised(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_-]/g, '_');
}

function wordOf(tag: string, separator: string): string {
  return tag
    .split('')
    .filter((character) => !separator.includes(character))
    .join('');
}

/** The same everywhere, unlike the order of a locale. */
function byUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
