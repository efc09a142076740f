import { homedir } from 'node:os';
import { CallgateError } from '../model/error.ts';
import type { Config, PolicySource, SourceKind } from './config.ts';
import { ConfigError } from './issues.ts';
import { MAX_POLICY_BYTES, readTextFile } from './read.ts';

/** Which policy judges, and who named it. */
export interface ResolvedPolicy {
  /** Empty when `origin` is `observe`: the built-in policy. */
  readonly sources: readonly PolicySource[];
  readonly origin: 'flag' | 'env' | 'project' | 'home' | 'observe';
  /** A layer of which only what tightens counts. */
  readonly untrusted?: PolicySource;
  /** A layer above all others. */
  readonly organisation?: PolicySource;
}

/**
 * Reads the policy that the config names. A policy that a flag or variable names stands alone; under any other, what an
 * untrusted project brings may tighten. The organisation's stands above each of them.
 * @throws ConfigError CG_CONFIG_POLICY_MISSING; CallgateError when it cannot be read. Never falls back to `observe`.
 */
export function resolvePolicy(config: Config): ResolvedPolicy {
  const from = config.sources['policy']?.from ?? 'default';
  const origin = ORIGIN[from];
  const isChosen = origin === 'flag' || origin === 'env';
  const { policy: above } = config.organisation;
  const others = {
    ...(isChosen || config.untrustedPolicy === undefined ? {} : { untrusted: config.untrustedPolicy }),
    ...(above === undefined ? {} : { organisation: readPolicy(config, 'organisation.policy', above) }),
  };
  if (config.policy === undefined) return { sources: [], origin, ...others };
  const source = from === 'project' ? config.policyText : readPolicy(config, 'policy', config.policy);
  if (source === undefined) {
    throw new CallgateError('CG_CONFIG_POLICY_MISSING', `The policy ${config.policy} was not read.`, {
      remedy: 'Load the config again.',
    });
  }
  return { sources: [source], origin, ...others };
}

const ORIGIN: Readonly<Record<SourceKind, ResolvedPolicy['origin']>> = {
  flag: 'flag',
  file: 'flag',
  environment: 'env',
  project: 'project',
  home: 'home',
  default: 'observe',
};

function readPolicy(config: Config, key: 'policy' | 'organisation.policy', path: string): PolicySource {
  const file = readTextFile(path, MAX_POLICY_BYTES);
  if (file !== undefined) return { file: path, text: file.text };
  const { place, name } = config.sources[key] ?? {};
  const message = `The policy ${path}${name === undefined ? '' : ` (${name})`} is not there.`;
  const remedy = 'Write the file, or name another one; `callgate init` writes one to start from.';
  throw new ConfigError([
    { code: 'CG_CONFIG_POLICY_MISSING', message, remedy, ...(place === undefined ? {} : { place }) },
  ]);
}

/**
 * What `${NAME}` may stand for in a policy. A policy that the user has not accepted sees the project and nothing of the
 * environment (design rule 12).
 */
export function policyVariables(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  trusted: boolean,
): Record<string, string> {
  const variables = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(trusted ? env : {})) if (value !== undefined) variables[name] = value;
  // A directory is no secret: a project that denies `~/.ssh` only tightens.
  return Object.assign(variables, { PROJECT: config.cwd, HOME: env['HOME'] ?? homedir(), CALLGATE_HOME: config.home });
}
