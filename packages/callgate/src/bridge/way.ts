import { readFileSync } from 'node:fs';
import type { ServerConfig, UrlServer } from '../config/index.ts';
import { CallgateError, messageOf } from '../model/error.ts';
import type { OpenLink } from '../upstreams/link.ts';
import { stdioLink } from '../upstreams/stdio-link.ts';
import { Supervisor, type Supervised } from '../upstreams/supervisor.ts';
import type { Era } from './exchange.ts';

export interface WayOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly maxMessageBytes: number;
  /** A monotonic clock in microseconds. */
  mono(): number;
}

/** How one server is reached, in the eras that it speaks itself. */
export interface Way {
  /** Whether what a server asks comes with the request it belongs to, as over HTTP. */
  readonly correlates: boolean;
  /** A link of its own, in this era. */
  open(era: Era): OpenLink;
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
  return {
    correlates: false,
    open: () => (events) => stdioLink({ start: () => supervisor.start(), maxMessageBytes }, events),
    get state() {
      return supervisor.state;
    },
    close: () => supervisor.close(),
  };
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
