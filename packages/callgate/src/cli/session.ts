import { openOutput, runStdio } from '../transports/stdio.ts';
import type { ProcessEnd, ProcessUpstream } from '../upstreams/process.ts';
import { keepSmall, openGate, operatingSystemUser, type GateRequest } from './gate-parts.ts';

/** What `run` has found good before the server was started. */
export interface SessionRequest extends GateRequest {
  readonly server: string;
  /** The server, which may still be starting. */
  readonly starting: Promise<ProcessUpstream>;
}

/**
 * One session in front of a server that is starting: opens the log, then judges what passes until both sides are done.
 * Nothing is read from the client or sent to the server before the log is open.
 * Throws CallgateError when the log cannot be opened or written, or the server cannot be started.
 */
export async function runSession(request: SessionRequest): Promise<ProcessEnd> {
  const { config, holder, server, starting } = request;
  const gate = openGate(request);
  try {
    const { current } = holder;
    gate.event('session', { event: 'start', server, policy: current.policy.hash, origin: current.origin });
    const [upstream] = await Promise.all([starting, current.complete]);
    keepSmall();
    return await runStdio({
      ...gate.judging,
      input: process.stdin,
      output: openOutput(1, process.stdout),
      upstream,
      server,
      principal: operatingSystemUser(),
      trustAnnotations: config.servers[server]?.trust.annotations ?? false,
      maxMessageBytes: config.limits.messageBytes,
      durability: config.evidence.durability,
    });
  } finally {
    await gate.close();
  }
}
