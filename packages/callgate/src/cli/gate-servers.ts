import { createHash } from 'node:crypto';
import { Books } from '../bridge/books.ts';
import { systemClock } from '../bridge/clock.ts';
import { Conversation } from '../bridge/conversation.ts';
import { Deadlines } from '../bridge/deadlines.ts';
import type { ClientEnd, Era, Exchange } from '../bridge/exchange.ts';
import { mergeServers, type MergedExchange } from '../bridge/merge/index.ts';
import { Servers, type ServerHealth } from '../bridge/servers.ts';
import type { ServerConfig } from '../config/index.ts';
import { Recorder } from '../gate/recorder.ts';
import { TaskHolders } from '../gate/tasks.ts';
import { messageOf } from '../model/error.ts';
import type { Principal } from '../model/principal.ts';
import type { Refusal } from '../protocol/message.ts';
import { Scanner } from '../protocol/scan.ts';
import { microseconds, type Gate, type GateRequest } from './gate-parts.ts';
import { VERSION } from './version.ts';

/** Stands for a server where none is named. */
const EVERY = '*';

/** What a client wants opened. */
export interface Wish {
  /** One server by its name; undefined for all as one. */
  readonly server: string | undefined;
  readonly principal: Principal;
  readonly era: Era;
  readonly end: ClientEnd;
}

/** Servers behind one gate. */
export interface GatedServers {
  readonly names: readonly string[];
  /** Undefined when there is no such server. */
  open(wish: Wish, transport: string): Exchange | undefined;
  /** Records what was refused before there was a conversation that would record it. */
  malformed(of: Pick<Wish, 'server' | 'principal'>, refusal: Refusal, transport: string): void;
  readonly health: readonly ServerHealth[];
  close(): Promise<void>;
}

/**
 * The servers of a config behind the judge: each alone, or all as one. With one server there is nothing to merge, and its
 * names stay as they are.
 */
export function gateServers(
  { config, log, env }: GateRequest,
  gate: Gate,
  configured: Readonly<Record<string, ServerConfig>>,
): GatedServers {
  const books = new Books({
    evidence: gate.evidence,
    durability: config.evidence.durability,
    passUnrecorded: gate.judging.pass.unrecorded,
    warn: (message) => log.warn(message),
  });
  const deadlines = new Deadlines();
  const servers = new Servers({
    servers: configured,
    env,
    cwd: config.cwd,
    maxMessageBytes: config.limits.messageBytes,
    isShared: config.serve.auth === 'anonymous',
    scan: config.limits,
    version: VERSION,
    mono: microseconds,
    warn: (message) => log.warn(message),
  });
  const { names } = servers;
  const taskHolders = new TaskHolders();
  /** By principal, so that floods are counted. */
  const strangers = new WeakMap<Principal, Recorder>();
  // One message is read at a time: what all clients read with is shared.
  const scanner = new Scanner(config.limits);
  const converse = (server: string, { principal, era }: Wish, end: ClientEnd, transport: string): Exchange =>
    new Conversation({
      ...gate.judging,
      server,
      principal,
      transport,
      trustAnnotations: configured[server]?.trust.annotations ?? false,
      // A process is of one principal, and may call its tasks as another one does.
      ...(configured[server]?.kind === 'url' ? { taskHolders } : {}),
      open: servers.open(server, era, principal),
      end,
      books,
      deadlines,
      timeoutMs: configured[server]?.timeoutMs ?? 300_000,
    });
  const merge = (wish: Wish, transport: string): MergedExchange =>
    mergeServers({
      era: wish.era,
      end: wish.end,
      servers: names.map((name) => namedServer(name, configured[name])),
      open: (server, end) => converse(server, wish, end, transport),
      naming: config.serve.names,
      serverInfo: { name: 'callgate', version: VERSION },
      messageLimits: config.limits,
      scanner,
      clock: systemClock,
      log: { info: (message) => log.info(message), warn: (message) => log.warn(message) },
      sha256: (text) => createHash('sha256').update(text).digest('hex'),
    });
  return {
    names,
    open(wish, transport) {
      const only = wish.server ?? (names.length === 1 ? names[0] : undefined);
      if (only === undefined) return merge(wish, transport);
      return names.includes(only) ? converse(only, wish, wish.end, transport) : undefined;
    },
    malformed({ server = EVERY, principal }, { reason, message }, transport) {
      const recorder =
        strangers.get(principal) ?? new Recorder({ ...gate.judging, server: EVERY, principal, transport });
      strangers.set(principal, recorder);
      try {
        recorder.malformed('client', reason, server === EVERY ? message : `${server}: ${message}`);
      } catch (error) {
        log.warn(messageOf(error));
      }
      books.outcome();
    },
    get health() {
      return servers.health;
    },
    async close() {
      await servers.close();
      await books.end();
    },
  };
}

function namedServer(name: string, server: ServerConfig | undefined): { name: string; prefix?: string } {
  return server?.prefix === undefined ? { name } : { name, prefix: server.prefix };
}
