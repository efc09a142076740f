import type { Config, ConfigRequest } from '../config/index.ts';
import { holdPolicy, type PolicyInForce } from '../gate/policy-in-force.ts';
import { createLogger, type Logger } from '../observe/logger.ts';
import type { GateRequest } from './gate-parts.ts';
import type { Io } from './terminal.ts';

/**
 * What a gate stands on, once its config is good: the log, and the policy, held until the caller closes the holder. Says on
 * stderr what a person should know of the policy.
 * @throws CallgateError when the policy is not good
 */
export async function holdGate(config: Config, request: ConfigRequest, io: Io): Promise<GateRequest> {
  const log = createLogger({ stream: io.stderr, level: config.log.level, format: config.log.format, env: io.env });
  const holder = await holdPolicy(config, request);
  announce(holder.current, config, log);
  return { config, holder, home: request.home, log, env: io.env };
}

function announce(inForce: PolicyInForce, config: Config, log: Logger): void {
  for (const notice of inForce.notices) log.warn(notice);
  if (inForce.origin !== 'observe') return;
  const isThere = config.untrustedPolicy !== undefined;
  log.warn(
    isThere
      ? 'No policy that you trust: what the policy of the project does not refuse is allowed and recorded by the built-in observe policy.'
      : 'No policy file: the built-in observe policy allows and records everything. Write one with: callgate init',
  );
}

/** Flags that every gate has, by the name of the setting they stand for. */
export function settingsOf(values: Readonly<Record<string, string>>): Record<string, string | undefined> {
  return {
    policy: values['policy'],
    config: values['config'],
    'evidence.durability': values['durability'],
    refusal: values['refusal'],
    fail: values['fail'],
    'log.level': values['log-level'],
    'log.format': values['log-format'],
  };
}
