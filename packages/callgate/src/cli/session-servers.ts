import type { ServerConfig } from '../config/index.ts';
import { runStdioExchange } from '../transports/stdio-exchange.ts';
import { openOutput } from '../transports/stdio.ts';
import { keepSmall, openGate, operatingSystemUser, type GateRequest } from './gate-parts.ts';
import { gateServers } from './gate-servers.ts';
import { ENDING_SIGNALS, exitCodeAfter } from './signals.ts';
import { EXIT } from './terminal.ts';

/**
 * One client on stdin and stdout in front of a server that runs elsewhere, or of several as one.
 * @returns the exit code: 1 when the server ended before its client
 * @throws CallgateError when the log cannot be opened or written
 */
export async function runGatedServers(
  servers: Readonly<Record<string, ServerConfig>>,
  parts: GateRequest,
): Promise<number> {
  const { config, holder, log } = parts;
  const gate = openGate(parts);
  const { current } = holder;
  const names = Object.keys(servers).join(',');
  gate.event('session', { event: 'start', server: names, policy: current.policy.hash, origin: current.origin });
  const gated = gateServers(parts, gate, servers);
  // Clients end what they started by a signal: the log is closed all the same.
  const stop = new AbortController();
  for (const name of ENDING_SIGNALS) process.once(name, () => stop.abort(name));
  try {
    await current.complete;
    keepSmall();
    const principal = operatingSystemUser();
    const how = await runStdioExchange({
      input: process.stdin,
      output: openOutput(1, process.stdout),
      open(era, end) {
        const exchange = gated.open({ server: undefined, principal, era, end }, 'stdio');
        if (exchange === undefined) throw new Error('there is no server');
        return exchange;
      },
      malformed: (refusal) => gated.malformed({ server: undefined, principal }, refusal, 'stdio'),
      maxMessageBytes: config.limits.messageBytes,
      messageLimits: config.limits,
      signal: stop.signal,
    });
    if (stop.signal.aborted) return exitCodeAfter(stop.signal.reason as NodeJS.Signals);
    if (how === undefined) return EXIT.ok;
    log.error(`The server "${names}" ${how}.`);
    return EXIT.failed;
  } finally {
    await gated.close();
    await gate.close();
  }
}
