import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  documentCache,
  loadConfig,
  policyVariables,
  resolvePolicy,
  watchFiles,
  type PolicySource,
  type Config,
  type ConfigRequest,
  type FileWatch,
} from '../config/index.ts';
import { CallgateError } from '../model/error.ts';
import {
  combine,
  loadPolicy,
  OBSERVE_POLICY,
  tightenOnly,
  type CompiledPolicy,
  type DocumentCache,
  type LoadedPolicy,
} from '../policy/index.ts';
import { openDatabase } from '../state/database.ts';
import { pathResolver } from './facts.ts';
import { sqliteLimits, type Limits } from '../state/limits.ts';

/** The policy that judges now, replaced whole when its files change. */
export interface PolicyInForce {
  readonly policy: CompiledPolicy;
  /** Who named it; `observe` is the built-in policy that stands in when there is none. */
  readonly origin: 'flag' | 'env' | 'project' | 'home' | 'observe';
  /** Policy and config files in use: the floor keeps agents away from them. */
  readonly files: readonly string[];
  /** What a person should know about where it came from. */
  readonly notices: readonly string[];
  /** Resolves when it can judge: patterns may still be compiled. Rejects when it never will. */
  readonly complete: Promise<void>;
}

export interface PolicyHolder {
  /** What is in force; a broken file leaves what was. */
  readonly current: PolicyInForce;
  /** Starts to watch the files. Changes are seen within a second. */
  watch(listener: ReloadListener): void;
  /** The home's shared limits. Throws CG_STATE_UNAVAILABLE when the policy in force brought none. */
  limits(): Limits;
  close(): void;
}

/** Told of each change of the policy files: what is in force now, or why nothing changed. */
export interface ReloadListener {
  replaced(now: PolicyInForce, before: PolicyInForce): void;
  kept(error: unknown): void;
}

/**
 * Loads, compiles and keeps the policy.
 * @throws what is wrong with it at the start (PolicyError, ConfigError, CG_STATE_*); later a broken edit is reported to
 * the listener and the policy before it stays.
 */
export async function holdPolicy(config: Config, request: ConfigRequest): Promise<PolicyHolder> {
  let limits: Limits | undefined;
  const load = async (from: Config): Promise<PolicyInForce> => {
    const loaded = await compileInForce(from, request, documentCache(from.home, 'policy'));
    if (loaded.policy.usesRates) limits ??= await openLimits(from.home);
    return loaded;
  };
  let listener: ReloadListener | undefined;
  let changed = false;
  let closed = false;
  let files: FileWatch | undefined;
  // Watching begins before the files are read, so that no edit falls between the two.
  const watchAll = (from: Config): void => {
    const before = files;
    files = watchFiles(from.watched, onChange, from.polled);
    before?.close();
  };
  const reload = async (told: ReloadListener): Promise<void> => {
    try {
      const from = await loadConfig(request);
      if (closed) return;
      watchAll(from);
      const next = await load(from);
      await next.complete;
      const before = current;
      current = next;
      if (next.policy.hash !== before.policy.hash) told.replaced(next, before);
    } catch (error) {
      if (!closed) told.kept(error);
    }
  };
  let turn = Promise.resolve();
  const onChange = (): void => {
    if (listener === undefined) changed = true;
    else {
      const told = listener;
      turn = turn.then(() => reload(told));
    }
  };
  watchAll(config);
  let current: PolicyInForce;
  try {
    current = await load(config);
  } catch (error) {
    files?.close();
    throw error;
  }
  return {
    get current() {
      return current;
    },
    watch(told) {
      listener = told;
      if (changed) onChange();
    },
    limits() {
      if (limits !== undefined) return limits;
      throw new CallgateError('CG_STATE_UNAVAILABLE', 'The shared limits of this home are not open.');
    },
    close() {
      closed = true;
      files?.close();
      limits?.close();
    },
  };
}

/**
 * Compiles what the config names, with an untrusted project's policy as a layer that can only tighten.
 * @param cache spares parsing what has not changed; without it everything is parsed
 * @throws PolicyError, ConfigError
 */
export async function compileInForce(
  config: Config,
  request: ConfigRequest,
  cache?: DocumentCache,
): Promise<PolicyInForce> {
  const resolved = resolvePolicy(config);
  const isObserve = resolved.origin === 'observe';
  const sources = isObserve ? [{ file: '(built-in observe policy)', text: OBSERVE_POLICY }] : resolved.sources;
  const compile = (from: readonly PolicySource[], trusted: boolean): Promise<LoadedPolicy> =>
    loadPolicy(
      from,
      {
        variables: policyVariables(config, request.env, trusted),
        sha256: sha256Hex,
        realPath: pathResolver(config.cwd).resolve,
      },
      cache,
    );
  const chosen = await compile(sources, true);
  const { untrusted } = resolved;
  const tighter = untrusted === undefined ? undefined : await compile([untrusted], false);
  const policy =
    tighter === undefined ? chosen.policy : combine([chosen.policy, tightenOnly(tighter.policy)], sha256Hex);
  const complete = Promise.all([chosen.complete, tighter?.complete]).then(() => undefined);
  // Whoever judges with it waits for it and hears of a failure.
  complete.catch(() => undefined);
  const files = [...resolved.sources, ...(untrusted === undefined ? [] : [untrusted])].map((source) => source.file);
  return { policy, origin: resolved.origin, files, notices: config.notices, complete };
}

async function openLimits(home: string): Promise<Limits> {
  return sqliteLimits(await openDatabase(join(home, 'state', 'state.db')));
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
