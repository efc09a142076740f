import { randomBytes } from 'node:crypto';
import type { ServerConfig } from '../config/index.ts';
import { messageOf } from '../model/error.ts';
import type { Principal } from '../model/principal.ts';
import { deferredLink } from '../upstreams/deferred-link.ts';
import type { OpenLink } from '../upstreams/link.ts';
import { systemClock } from './clock.ts';
import { asLegacy } from './eras/as-legacy.ts';
import { asModern } from './eras/as-modern.ts';
import { probeEra } from './eras/probe.ts';
import { sealOf, type Seal } from './eras/seal.ts';
import type { Era } from './exchange.ts';
import { legacyFirst } from './legacy-first.ts';
import { wayTo, type Way, type WayOptions } from './way.ts';

export interface ServersOptions extends WayOptions {
  readonly servers: Readonly<Record<string, ServerConfig>>;
  readonly version: string;
  readonly scan: { readonly depth: number; readonly keys: number };
  warn(message: string): void;
}

/** How a server fares, as far as its links have shown. */
export interface ServerHealth {
  readonly name: string;
  /** `unused`: nobody has asked for it yet. */
  readonly state: 'unused' | 'ok' | 'failing';
  readonly era: 'legacy' | 'modern' | 'both' | 'unknown';
  /** Processes that run, of a server that is a command. */
  readonly processes: number;
  readonly lastError?: string;
}

/** Which eras a server speaks; undefined is not known. */
interface Speaks {
  legacy: boolean | undefined;
  modern: boolean | undefined;
  /** When it was learned, in microseconds. */
  at: number;
}

/** Silence of a process for so long means that it does not know the question. */
const PROBE_MS = 10_000;
/** What was learned of a server is asked again after so long. */
const REMEMBERED_US = 6 * 3600 * 1_000_000;

/** The servers of a config: each is reached when somebody wants it, in the era of whoever wants it. */
export class Servers {
  readonly #servers = new Map<string, Server>();
  /** Parked calls live in this process, and so does what seals them: another one refuses them. */
  readonly #seal: Seal = sealOf(randomBytes(32), (n) => randomBytes(n));

  constructor(options: ServersOptions) {
    for (const [name, config] of Object.entries(options.servers)) {
      this.#servers.set(name, new Server(name, config, options, this.#seal));
    }
  }

  get names(): readonly string[] {
    return [...this.#servers.keys()];
  }

  /**
   * How a client of this era and principal reaches a server. Links of a modern client may be used by all requests of its
   * principal, those of a legacy one by one session.
   */
  open(name: string, era: Era, principal: Principal): OpenLink {
    const server = this.#servers.get(name);
    if (server === undefined) throw new Error(`there is no server ${name}`);
    return server.open(era, principal);
  }

  get health(): readonly ServerHealth[] {
    return [...this.#servers.values()].map((server) => server.health);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.close()));
  }
}

class Server {
  readonly #name: string;
  readonly #config: ServerConfig;
  readonly #o: ServersOptions;
  readonly #seal: Seal;
  readonly #speaks: Speaks;
  /** The config says what it speaks. */
  readonly #isTold: boolean;
  #way: Promise<Way> | undefined;
  #reached: Way | undefined;
  #probing: Promise<void> | undefined;
  #isUsed = false;
  #lastError: string | undefined;

  constructor(name: string, config: ServerConfig, options: ServersOptions, seal: Seal) {
    this.#name = name;
    this.#config = config;
    this.#o = options;
    this.#seal = seal;
    // HTTP+SSE is of the older protocol alone.
    const era = config.kind === 'url' && config.transport === 'sse' ? 'legacy' : config.era;
    this.#isTold = era !== 'auto';
    this.#speaks = {
      legacy: era === 'auto' ? undefined : era === 'legacy',
      modern: era === 'auto' ? undefined : era === 'modern',
      at: Number.POSITIVE_INFINITY,
    };
  }

  get health(): ServerHealth {
    const { legacy, modern } = this.#speaks;
    const state = this.#reached?.state;
    const lastError = this.#lastError ?? ((state?.failures ?? 0) > 0 ? state?.lastError : undefined);
    return {
      name: this.#name,
      state: !this.#isUsed ? 'unused' : lastError === undefined ? 'ok' : 'failing',
      era: legacy === true ? (modern === true ? 'both' : 'legacy') : modern === true ? 'modern' : 'unknown',
      processes: state?.running ?? 0,
      ...(lastError === undefined ? {} : { lastError }),
    };
  }

  open(era: Era, principal: Principal): OpenLink {
    return this.#told((events) => {
      this.#isUsed = true;
      const way = this.#reached;
      const known = way === undefined ? undefined : this.#known(way, era, principal);
      return known === undefined ? deferredLink(this.#choose(era, principal), events) : known(events);
    });
  }

  async close(): Promise<void> {
    const way = await this.#way?.catch(() => undefined);
    await way?.close();
  }

  /** The link, when what the server speaks is known. */
  #known(way: Way, era: Era, principal: Principal): OpenLink | undefined {
    const speaks = this.#speaks;
    if (this.#o.mono() - speaks.at > REMEMBERED_US) return undefined;
    if (speaks[era] === true) return way.open(era, principal.id);
    if (era === 'modern' && speaks.modern === false) return this.#asModern(way, principal);
    if (era === 'legacy' && speaks.legacy === false) return this.#asLegacy(way, principal);
    return undefined;
  }

  async #choose(era: Era, principal: Principal): Promise<OpenLink> {
    const way = await this.#reach();
    const known = this.#known(way, era, principal);
    if (known !== undefined) return known;
    // Most servers are legacy ones: the client's own `initialize` tells, and costs nothing when it works.
    if (era === 'legacy')
      return (events) =>
        legacyFirst(
          way.open('legacy', principal.id),
          (worked) => this.#afterLegacy(way, worked, principal),
          events,
          this.#o.scan,
        );
    await this.#probe(way);
    return this.#known(way, era, principal) ?? this.#asModern(way, principal);
  }

  /** What the answer to an `initialize` has shown. @returns what to go on with instead; undefined when there is nothing */
  async #afterLegacy(way: Way, worked: boolean, principal: Principal): Promise<OpenLink | undefined> {
    if (worked) {
      this.#learned({ legacy: true });
      return undefined;
    }
    await this.#probe(way);
    if (this.#speaks.modern !== true) return undefined;
    this.#learned({ legacy: false });
    return this.#asLegacy(way, principal);
  }

  /** Asks the server, on a link of its own, whether it speaks the newer protocol. */
  #probe(way: Way): Promise<void> {
    if (this.#probing !== undefined) return this.#probing;
    const asked = probeEra(way.open('modern'), {
      clock: systemClock,
      timeoutMs: PROBE_MS,
      silenceIsLegacy: !way.correlates,
      client: this.#client,
      scan: this.#o.scan,
    });
    this.#probing = asked
      .then((found) => {
        if ('failure' in found) this.#lastError = found.failure.why;
        else if (found.verdict === 'both') this.#learned({ legacy: true, modern: true });
        else if (found.verdict === 'modern') this.#learned({ modern: true });
        else this.#learned({ modern: false });
      })
      .finally(() => (this.#probing = undefined));
    return this.#probing;
  }

  #learned(found: { readonly legacy?: boolean; readonly modern?: boolean }): void {
    if (this.#isTold) return;
    Object.assign(this.#speaks, found);
    this.#speaks.at = this.#o.mono();
  }

  #asModern(way: Way, principal: Principal): OpenLink {
    return (events) =>
      asModern(
        {
          server: this.#name,
          principal: principal.id,
          openLegacy: way.open('legacy', principal.id),
          correlates: way.correlates,
          seal: this.#seal,
          client: this.#client,
          clock: systemClock,
          random: (n) => randomBytes(n),
          scan: this.#o.scan,
        },
        events,
      );
  }

  #asLegacy(way: Way, principal: Principal): OpenLink {
    return (events) =>
      asLegacy(
        {
          open: way.open('modern', principal.id),
          client: this.#client,
          clock: systemClock,
          random: (n) => randomBytes(n),
          scan: this.#o.scan,
        },
        events,
      );
  }

  get #client() {
    return { name: 'callgate', version: this.#o.version };
  }

  #reach(): Promise<Way> {
    this.#way ??= wayTo(this.#name, this.#config, this.#o).then((way) => (this.#reached = way));
    this.#way.catch((error: unknown) => {
      this.#way = undefined;
      this.#lastError = messageOf(error);
    });
    return this.#way;
  }

  /** A link whose failures and successes are noted. */
  #told(open: OpenLink): OpenLink {
    return (events) =>
      open({
        ...events,
        message: (bytes, start, end, about) => {
          this.#lastError = undefined;
          events.message(bytes, start, end, about);
        },
        failed: (id, failure) => {
          if (failure.kind === 'transport') this.#lastError = failure.why;
          events.failed(id, failure);
        },
        ended: (how) => {
          this.#lastError = how;
          this.#o.warn(`The server "${this.#name}" ${how}.`);
          events.ended(how);
        },
      });
  }
}
