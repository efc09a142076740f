import { readFileSync } from 'node:fs';
import type { ServerConfig, UrlServer } from '../config/index.ts';
import { CallgateError, messageOf } from '../model/error.ts';
import type { OpenLink } from '../upstreams/link.ts';
import type { ProcessUpstream } from '../upstreams/process.ts';
import { stdioLink } from '../upstreams/stdio-link.ts';
import { Supervisor, type Supervised } from '../upstreams/supervisor.ts';
import type { Era } from './exchange.ts';

export interface WayOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly maxMessageBytes: number;
  /** Several principals are served: none may have more than half of a server's processes. */
  readonly isShared?: boolean;
  /** A monotonic clock in microseconds. */
  mono(): number;
}

/** How one server is reached, in the eras that it speaks itself. */
export interface Way {
  /** Whether what a server asks comes with the request it belongs to, as over HTTP. */
  readonly correlates: boolean;
  /** A link of its own, in this era. @param principal whose it is; nobody's is Callgate's own */
  open(era: Era, principal?: string): OpenLink;
  readonly state: Supervised;
  close(): Promise<void>;
}

/**
 * The way to one server. Nothing is started or dialled before a link is opened.
 * @throws CallgateError when the URL, a header or a certificate cannot be used
 */
export async function wayTo(name: string, server: ServerConfig, options: WayOptions): Promise<Way> {
  return server.kind === 'command' ? processWay(server, options) : urlWay(name, server, options);
}

function processWay(server: Extract<ServerConfig, { kind: 'command' }>, options: WayOptions): Way {
  const supervisor = new Supervisor({
    command: server.command,
    args: server.args,
    env: { ...options.env, ...server.env },
    cwd: server.cwd ?? options.cwd,
    maxProcesses: server.maxProcesses,
    mono: () => options.mono(),
  });
  const { maxMessageBytes } = options;
  const most = options.isShared === true ? Math.ceil(server.maxProcesses / 2) : server.maxProcesses;
  const shares = new Shares(most);
  return {
    correlates: false,
    open: (_era, principal) => (events) =>
      stdioLink({ start: () => shares.take(principal, () => supervisor.start()), maxMessageBytes }, events),
    get state() {
      return supervisor.state;
    },
    close: () => supervisor.close(),
  };
}

/** How many processes each principal has. */
class Shares {
  readonly #most: number;
  readonly #taken = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  async take(principal: string | undefined, start: () => Promise<ProcessUpstream>): Promise<ProcessUpstream> {
    if (principal === undefined) return start();
    const taken = this.#taken.get(principal) ?? 0;
    if (taken >= this.#most) throw tooMany(this.#most);
    this.#taken.set(principal, taken + 1);
    try {
      const upstream = await start();
      void upstream.ended.then(() => this.#giveBack(principal));
      return upstream;
    } catch (error) {
      this.#giveBack(principal);
      throw error;
    }
  }

  #giveBack(principal: string): void {
    const left = (this.#taken.get(principal) ?? 1) - 1;
    if (left > 0) this.#taken.set(principal, left);
    else this.#taken.delete(principal);
  }
}

function tooMany(most: number): CallgateError {
  return new CallgateError('CG_UPSTREAM_BUSY', `${most} of its processes run for you, and no more may.`, {
    remedy: 'Try again later, or raise maxProcesses of the server in callgate.yaml.',
  });
}

async function urlWay(name: string, server: UrlServer, options: WayOptions): Promise<Way> {
  const { guardedAgent, guardFor, readTarget } = await import('../net/index.ts');
  const { httpLink, readHeaders } = await import('../upstreams/http-link.ts');
  const { sseLink } = await import('../upstreams/sse-link.ts');
  const target = readTarget(server.url);
  const { ca, cert, key } = server.tls;
  const agent = guardedAgent({
    guard: guardFor(target, server.dial),
    tls: {
      ...(ca && { ca: textOf(name, ca) }),
      ...(cert && { cert: textOf(name, cert) }),
      ...(key && { key: textOf(name, key) }),
    },
  });
  const headers = readHeaders({ ...server.headers, ...headersOfFiles(name, server) });
  const timeouts = { firstByteMs: server.timeoutMs, callMs: server.timeoutMs };
  const limits = { messageBytes: options.maxMessageBytes };
  return {
    correlates: true,
    open: (era) => (events) =>
      server.transport === 'sse'
        ? sseLink(target, { agent, headers, timeouts, limits }, events)
        : httpLink(target, { era, agent, headers, timeouts, limits }, events),
    state: { running: 0, failures: 0, lastError: undefined },
    close: () => agent.destroy(),
  };
}

function headersOfFiles(name: string, server: UrlServer): Record<string, string> {
  return Object.fromEntries(
    Object.entries(server.headerFiles).map(([header, file]): [string, string] => [header, textOf(name, file).trim()]),
  );
}

/** The path may be shown, the text may not. */
function textOf(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CallgateError(
      'CG_UPSTREAM_FILE',
      `${file}, which server "${name}" needs, cannot be read: ${messageOf(cause)}.`,
      {
        remedy: 'Check that it is there and that you may read it.',
        cause,
      },
    );
  }
}
