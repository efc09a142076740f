import { loadConfig, openHome, type Config, type ConfigRequest } from '../config/index.ts';
import { ExchangeClient } from './exchange-client.ts';
import { openGate, operatingSystemUser } from './gate-parts.ts';
import { gateServers, type GatedServers } from './gate-servers.ts';
import { holdGate } from './hold-gate.ts';
import { noServer } from './server-choice.ts';
import { withHome, type Io } from './terminal.ts';

/** A gate with the servers of the config, for as long as a command needs it. */
export interface ServersSession {
  readonly config: Config;
  readonly gated: GatedServers;
  /** A client of one server, through the judge. */
  client(server: string, timeoutMs: number): ExchangeClient;
}

/**
 * Opens the gate in front of the config's servers, runs `work`, and closes all of it.
 * @throws CallgateError when the gate cannot stand, or a server of `wanted` is not in the config
 */
export async function withServers<T>(
  values: Readonly<Record<string, string>>,
  wanted: readonly string[],
  io: Io,
  work: (session: ServersSession) => Promise<T>,
): Promise<T> {
  const env = withHome(io, values['home']);
  const home = openHome(env);
  const flags = { policy: values['policy'], config: values['config'] };
  const request: ConfigRequest = { flags, env, cwd: io.cwd, home };
  const config = await loadConfig(request);
  const names = Object.keys(config.servers);
  const unknown = wanted.find((name) => !Object.hasOwn(config.servers, name));
  if (unknown !== undefined || names.length === 0) throw noServer(unknown, config, 'servers');
  const parts = await holdGate(config, request, io);
  const { holder } = parts;
  try {
    const gate = openGate(parts);
    const gated = gateServers(parts, gate, config.servers);
    try {
      await holder.current.complete;
      return await work({ config, gated, client: (server, ms) => clientOf(gated, server, ms) });
    } finally {
      await gated.close();
      await gate.close();
    }
  } finally {
    holder.close();
  }
}

function clientOf(gated: GatedServers, server: string, timeoutMs: number): ExchangeClient {
  const principal = operatingSystemUser();
  return new ExchangeClient((end) => {
    const exchange = gated.open({ server, principal, era: 'legacy', end }, 'cli');
    if (exchange === undefined) throw new Error(`there is no server ${server}`);
    return exchange;
  }, timeoutMs);
}
