import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  documentCache,
  includesAmong,
  includesOnDisk,
  loadConfig,
  policyVariables,
  resolvePolicy,
  watchFiles,
  type PolicySource,
  type Config,
  type ConfigRequest,
  type FileWatch,
  type ResolvedPolicy,
} from '../config/index.ts';
import { CallgateError } from '../model/error.ts';
import {
  ceiling,
  combine,
  loadPolicy,
  OBSERVE_POLICY,
  tightenOnly,
  type CompiledPolicy,
  type DocumentCache,
  type FindInclude,
  type LoadedPolicy,
  type PolicyLayer,
} from '../policy/index.ts';
import { openDatabase } from '../state/database.ts';
import { standingRates } from './admission.ts';
import { pathResolver } from './facts.ts';
import type { Budgets } from '../state/budgets.ts';
import type { Limits } from '../state/limits.ts';
import type { Sessions } from '../state/sessions.ts';

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
  /** The home's shared budgets. Throws as `limits`. */
  budgets(): Budgets;
  /** The home's shared sessions. Throws as `limits`. */
  sessions(): Sessions;
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
  let budgets: Budgets | undefined;
  let sessions: KeptSessions | undefined;
  const load = async (from: Config): Promise<PolicyInForce> => {
    const loaded = await loadWatched(from);
    if (loaded.policy.usesRates || standingRates(from.limits).length > 0) limits ??= await openLimits(from.home);
    if (usesBudgets(loaded.policy)) budgets ??= await openBudgets(from.home);
    if (loaded.policy.usesLabels || loaded.policy.usesHistory) sessions ??= await openSessions(from.home);
    return loaded;
  };
  let listener: ReloadListener | undefined;
  let changed = false;
  let closed = false;
  let files: FileWatch | undefined;
  // Watching begins before the files are read, so that no edit falls between the two. What a policy includes is known only
  // when it was read: it is read again once all of it is watched.
  let included: readonly string[] = [];
  const watchAll = (from: Config): void => {
    const before = files;
    files = watchFiles([...new Set([...from.watched, ...included])], onChange, from.polled);
    before?.close();
  };
  const loadWatched = async (from: Config, tries = 3): Promise<PolicyInForce> => {
    const watched = new Set([...from.watched, ...included]);
    const asked = new Set<string>();
    let loaded: PolicyInForce | undefined;
    let fault: unknown;
    try {
      loaded = await compileInForce(from, request, documentCache(from.home, 'policy'), asked);
    } catch (error) {
      fault = error;
    }
    if (tries > 1 && !closed && [...asked].some((file) => !watched.has(file))) {
      included = [...asked];
      watchAll(from);
      return loadWatched(from, tries - 1);
    }
    if (loaded === undefined) throw fault;
    return loaded;
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
    budgets() {
      if (budgets !== undefined) return budgets;
      throw new CallgateError('CG_STATE_UNAVAILABLE', 'The shared budgets of this home are not open.');
    },
    sessions() {
      if (sessions !== undefined) return sessions.sessions;
      throw new CallgateError('CG_STATE_UNAVAILABLE', 'The shared sessions of this home are not open.');
    },
    close() {
      closed = true;
      files?.close();
      limits?.close();
      budgets?.close();
      sessions?.close();
    },
  };
}

/**
 * Compiles what the config names: the organisation's policy above the chosen one, and an untrusted project's as a layer that
 * can only tighten. What is in shadow mode is asked and told of, and counts nowhere.
 * @param cache spares parsing what has not changed; without it everything is parsed
 * @param files gets every file that belongs to it, also when it does not load
 * @throws PolicyError, ConfigError
 */
export async function compileInForce(
  config: Config,
  request: ConfigRequest,
  cache?: DocumentCache,
  files = new Set<string>(),
): Promise<PolicyInForce> {
  const resolved = resolvePolicy(config);
  const onDisk = includesOnDisk({ asked: (path) => files.add(path) });
  const compile = (source: PolicySource, trusted: boolean, isProjects = !trusted): Promise<LoadedPolicy> => {
    if (source !== OBSERVE) files.add(source.file);
    // A project's files are those that were hashed and accepted, or at least read, together.
    const find = isProjects ? noting(includesAmong(source.included ?? []), files) : onDisk;
    return loadPolicy(
      [source],
      {
        variables: policyVariables(config, request.env, trusted),
        sha256: sha256Hex,
        realPath: pathResolver(config.cwd).resolve,
        include: find,
      },
      cache,
    );
  };
  const { untrusted, organisation } = resolved;
  const chosen = await compile(resolved.sources[0] ?? OBSERVE, true, resolved.origin === 'project');
  const above = organisation === undefined ? undefined : await compile(organisation, true);
  const tighter = untrusted === undefined ? undefined : await compile(untrusted, false);
  const instead = chosen.policy.mode === 'shadow' ? await compile(OBSERVE, true) : undefined;
  const complete = Promise.all([chosen.complete, above?.complete, tighter?.complete, instead?.complete]).then(
    () => undefined,
  );
  // Whoever judges with it waits for it and hears of a failure.
  complete.catch(() => undefined);
  const policy = layered(chosen.policy, above?.policy, tighter?.policy, instead?.policy);
  const notices = [...config.notices, ...shadowNotices(resolved, chosen.policy, above?.policy)];
  return { policy, origin: resolved.origin, files: [...files], notices, complete };
}

const OBSERVE: PolicySource = { file: '(built-in observe policy)', text: OBSERVE_POLICY };

/** @param instead what judges in place of a chosen policy that is in shadow mode */
function layered(
  chosen: CompiledPolicy,
  above: CompiledPolicy | undefined,
  tighter: CompiledPolicy | undefined,
  instead: CompiledPolicy | undefined,
): CompiledPolicy {
  const shadows = [above, instead === undefined ? undefined : chosen].filter((policy) => policy?.mode === 'shadow');
  const layers: readonly PolicyLayer[] = [
    ...(above?.mode === 'enforce' ? [ceiling(above)] : []),
    instead ?? chosen,
    // Of a project that nobody trusts nothing counts but what tightens: a policy in shadow mode does not.
    ...(tighter?.mode === 'enforce' ? [tightenOnly(tighter)] : []),
  ];
  const isAlone = layers.length === 1 && shadows.length === 0;
  return isAlone ? chosen : combine(layers, sha256Hex, shadows as readonly CompiledPolicy[]);
}

function shadowNotices(
  { sources, organisation }: ResolvedPolicy,
  chosen: CompiledPolicy,
  above: CompiledPolicy | undefined,
): readonly string[] {
  const notices: string[] = [];
  if (chosen.mode === 'shadow')
    notices.push(`${sources[0]?.file} is in shadow mode: it is evaluated and recorded, and refuses nothing.`);
  if (above?.mode === 'shadow')
    notices.push(`${organisation?.file} is in shadow mode: it is evaluated and recorded, and refuses nothing.`);
  return notices;
}

function noting(find: FindInclude, files: Set<string>): FindInclude {
  return (from, name) => {
    const found = find(from, name);
    if ('file' in found) files.add(found.file);
    return found;
  };
}

async function openLimits(home: string): Promise<Limits> {
  const { sqliteLimits } = await import('../state/limits.ts');
  return sqliteLimits(await openDatabase(join(home, 'state', 'state.db')));
}

function usesBudgets({ rules }: CompiledPolicy): boolean {
  return rules.some(({ obligations }) => obligations.some(({ kind }) => kind === 'budget'));
}

async function openBudgets(home: string): Promise<Budgets> {
  const { sqliteBudgets } = await import('../state/budgets.ts');
  return sqliteBudgets(await openDatabase(join(home, 'state', 'state.db')));
}

interface KeptSessions {
  readonly sessions: Sessions;
  close(): void;
}

const KEEP_EVERY_MS = 3_600_000;

async function openSessions(home: string): Promise<KeptSessions> {
  const { sqliteSessions } = await import('../state/sessions.ts');
  const sessions = sqliteSessions(await openDatabase(join(home, 'state', 'state.db')));
  const timer = setInterval(() => {
    try {
      sessions.keep(Date.now());
    } catch {
      // The next call that needs them hears of it.
    }
  }, KEEP_EVERY_MS).unref();
  return {
    sessions,
    close() {
      clearInterval(timer);
      sessions.close();
    },
  };
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
