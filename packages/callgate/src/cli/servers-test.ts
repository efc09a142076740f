import { messageOf } from '../model/error.ts';
import { secondsFlag } from './flag-values.ts';
import type { ExchangeClient } from './exchange-client.ts';
import { withServers, type ServersSession } from './servers-session.ts';
import { EXIT, parseFlags, printable, table, type Io } from './terminal.ts';

const FLAGS = { timeout: 'seconds', config: 'file', policy: 'file', home: 'directory', json: true } as const;
const MOST_PAGES = 100;

/** What came of asking one server. */
interface Tested {
  readonly server: string;
  readonly ok: boolean;
  readonly era: string;
  readonly revision?: string;
  readonly tools?: number;
  readonly ms: number;
  readonly error?: string;
}

/** `callgate servers test`: begins a session with each server and lists its tools, as this user and policy see them. */
export async function serversTest(argv: readonly string[], io: Io): Promise<number> {
  const { values, switches, words } = parseFlags(argv, FLAGS);
  const timeoutMs = secondsFlag('timeout', values['timeout'], 30_000);
  return withServers(values, words, io, async (session) => {
    const names = words.length > 0 ? words : session.gated.names;
    const tested = await Promise.all(names.map((name) => test(session, name, timeoutMs)));
    if (switches.has('json')) io.stdout.write(`${JSON.stringify({ servers: tested })}\n`);
    else io.stdout.write(`${table([COLUMNS, ...tested.map(rowOf)])}\n`);
    return tested.every(({ ok }) => ok) ? EXIT.ok : EXIT.failed;
  });
}

const COLUMNS = ['SERVER', 'STATE', 'ERA', 'PROTOCOL', 'TOOLS', 'TIME', 'LAST ERROR'];

function rowOf({ server, ok, era, revision, tools, ms, error }: Tested): string[] {
  const cells = [
    server,
    ok ? 'ok' : 'failing',
    era,
    revision ?? '-',
    tools?.toString() ?? '-',
    `${ms} ms`,
    error ?? '-',
  ];
  return cells.map((cell) => printable(cell).replaceAll('\n', ' '));
}

async function test(session: ServersSession, server: string, timeoutMs: number): Promise<Tested> {
  const since = performance.now();
  const told = (rest: { ok: boolean; revision?: string; tools?: number; error?: string }): Tested => ({
    server,
    era: session.gated.health.find(({ name }) => name === server)?.era ?? 'unknown',
    ms: Math.round(performance.now() - since),
    ...rest,
  });
  const client = session.client(server, timeoutMs);
  try {
    const hello = await client.initialize();
    if ('error' in hello) return told({ ok: false, error: hello.error.message });
    const { protocolVersion, capabilities } = hello.result;
    const revision = typeof protocolVersion === 'string' ? protocolVersion : '';
    const hasTools = Object.hasOwn(capabilities ?? {}, 'tools');
    const tools = hasTools ? await countTools(client) : 0;
    return typeof tools === 'string'
      ? told({ ok: false, revision, error: tools })
      : told({ ok: true, revision, tools });
  } catch (error) {
    return told({ ok: false, error: messageOf(error) });
  } finally {
    await client.close();
  }
}

/** @returns how many tools the list has, or why there is none */
async function countTools(client: ExchangeClient): Promise<number | string> {
  let count = 0;
  let cursor: unknown;
  for (let page = 0; page < MOST_PAGES; page++) {
    const answer = await client.request('tools/list', typeof cursor === 'string' ? { cursor } : {});
    if ('error' in answer) return answer.error.message;
    const { tools, nextCursor } = answer.result;
    if (Array.isArray(tools)) count += tools.length;
    if (typeof nextCursor !== 'string') break;
    cursor = nextCursor;
  }
  return count;
}
