import { RESOURCES, TEMPLATES, type ListKind } from './kinds.ts';
import {
  exposeNames,
  ownedByPrefix,
  prefixesOf,
  type Exposed,
  type Naming,
  type NamedServer,
  type Owned,
} from './names.ts';
import { exposeUris, matchesTemplate, ownedByTag, tagsOf } from './uris.ts';

/** Templates of one server that a URI is compared with. */
const MOST_MATCHED = 200;

/** Which server has what, as far as their lists have told, and what clients call it. */
export class Directory {
  readonly prefixes: readonly string[];
  readonly tags: readonly string[];
  readonly #servers: readonly NamedServer[];
  readonly #naming: Naming;
  readonly #known = new Map<ListKind, (readonly string[])[]>();
  readonly #current = new Map<ListKind, Exposed>();
  /** What the client saw last: a name of it keeps its owner until the client sees the list again. */
  readonly #shown = new Map<ListKind, Exposed>();

  constructor(servers: readonly NamedServer[], naming: Naming) {
    this.#servers = servers;
    this.#naming = naming;
    this.prefixes = prefixesOf(servers, naming);
    this.tags = tagsOf(servers, naming.sha256);
  }

  /** Takes in the whole list of one server. @returns whether it is another one than before */
  note(kind: ListKind, server: number, names: readonly string[]): boolean {
    let lists = this.#known.get(kind);
    if (lists === undefined) {
      lists = this.#servers.map(() => []);
      this.#known.set(kind, lists);
    }
    const before = lists[server]!;
    if (before.length === names.length && before.every((name, i) => name === names[i])) return false;
    lists[server] = names;
    this.#current.delete(kind);
    return true;
  }

  /** What clients call each of what is known now. */
  expose(kind: ListKind): Exposed {
    let exposed = this.#current.get(kind);
    if (exposed === undefined) {
      const lists = this.#known.get(kind) ?? this.#servers.map(() => []);
      exposed =
        kind.key === 'name'
          ? exposeNames(this.#servers, this.prefixes, lists, this.#naming)
          : exposeUris(this.tags, lists);
      this.#current.set(kind, exposed);
    }
    return exposed;
  }

  /** The client is given this list: what it calls things by from now on. */
  show(kind: ListKind): Exposed {
    const exposed = this.expose(kind);
    this.#shown.set(kind, exposed);
    return exposed;
  }

  /** Whose name it is. @param isListed whether the lists have been read because of it: nothing better will come */
  ownerOfName(kind: ListKind, exposed: string, isListed: boolean): Owned | undefined {
    const listed = this.#listed(kind, exposed);
    if (listed !== undefined) return listed;
    const plain = ownedByPrefix(this.prefixes, exposed);
    if (plain !== undefined || !isListed) return plain;
    const server = this.prefixes.findIndex((prefix) => exposed.startsWith(prefix));
    return server < 0 ? undefined : { server, name: exposed.slice(this.prefixes[server]!.length) };
  }

  /** Whose URI it is, by its tag, the lists, or the templates, in this order. */
  ownerOfUri(uri: string): Owned | undefined {
    const listed = ownedByTag(this.tags, uri) ?? this.#listed(RESOURCES, uri) ?? this.#listed(TEMPLATES, uri);
    if (listed !== undefined) return listed;
    // A template that takes all must not take what another server would list.
    const templates = this.#known.has(RESOURCES) ? (this.#known.get(TEMPLATES) ?? []) : [];
    const matches = (template: string): boolean => matchesTemplate(template, uri);
    const server = templates.findIndex((list) => list.slice(0, MOST_MATCHED).some(matches));
    return server < 0 ? undefined : { server, name: uri };
  }

  /** What the client calls a URI of a server. */
  uriOf(server: number, uri: string): string {
    const known = (this.#shown.get(RESOURCES) ?? this.expose(RESOURCES)).of[server]!.get(uri);
    if (known !== undefined) return known;
    // Templates are not asked: a server that tells of many URIs must not make us compare each with all.
    const owner = ownedByTag(this.tags, uri) ?? this.#listed(RESOURCES, uri);
    return owner === undefined || owner.server === server ? uri : this.tags[server]! + uri;
  }

  #listed(kind: ListKind, exposed: string): Owned | undefined {
    return this.#shown.get(kind)?.owners.get(exposed) ?? this.expose(kind).owners.get(exposed);
  }
}
