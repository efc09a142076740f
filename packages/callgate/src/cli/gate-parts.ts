import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import type { Config } from '../config/index.ts';
import { daemonPlace, outsideHome } from '../daemon/place.ts';
import { openEvidence, type Evidence } from '../evidence/wal.ts';
import { standingRates } from '../gate/admission.ts';
import { breakerListener } from '../gate/breaker.ts';
import { pathResolver, type ResolvePath } from '../gate/facts.ts';
import { createFloor, type Floor } from '../gate/floor.ts';
import type { JudgeOptions } from '../gate/judge.ts';
import type { PolicyHolder, PolicyInForce } from '../gate/policy-in-force.ts';
import { messageOf } from '../model/error.ts';
import type { Principal } from '../model/principal.ts';
import { isHeld } from '../state/lock.ts';
import type { Logger } from '../observe/logger.ts';
import { openBreakers, type Breakers } from '../state/breakers.ts';
import type { Io } from './terminal.ts';

/** What a gate stands on: settings that are good, a policy that is held, and where it writes. */
export interface GateRequest {
  readonly config: Config;
  readonly holder: PolicyHolder;
  readonly home: string;
  readonly log: Logger;
  readonly env: Io['env'];
  /** Of a gate whose client is one process: what the session is known by that it shares with the client's other gates. */
  readonly conversation?: string;
}

/** A gate whose log is open: what every judge of it shares. */
export interface Gate {
  readonly evidence: Evidence;
  readonly judging: Judging;
  /** Records an event; starts of sessions and changes of policy are synced whatever the durability. */
  event(type: 'session' | 'policy_change', detail: Readonly<Record<string, string>>): void;
  close(): Promise<void>;
}

/** The options of a judge, less what one conversation has of its own. */
export type Judging = Omit<
  JudgeOptions,
  'server' | 'principal' | 'transport' | 'toServer' | 'toClient' | 'trustAnnotations'
>;

/**
 * Opens the log and watches the policy. Nothing may be read from a client or sent to a server before.
 * @throws CallgateError when the log cannot be opened or written
 */
export function openGate({ config, holder, home, log, env, conversation }: GateRequest): Gate {
  const evidence = openEvidence({
    dir: config.evidence.dir ?? join(home, 'evidence'),
    keysDir: join(home, 'keys'),
    durability: config.evidence.durability,
    now: Date.now,
    mono: microseconds,
    sealedElsewhere: () => config.evidence.dir === undefined && isHeld(daemonPlace(home).sealerLock),
    onProblem: (problem) => log.error(problem.message, { code: problem.code }),
  });
  const paths = pathResolver(config.cwd);
  holder.watch(reloadListener(log, evidence));
  return {
    evidence,
    judging: {
      policy: () => holder.current.policy,
      evidence,
      limits: () => holder.limits(),
      budgets: () => holder.budgets(),
      ...breakersOf(config, evidence, log),
      standing: standingRates(config.limits),
      sessions: () => holder.sessions(),
      ...(conversation === undefined ? {} : { conversation }),
      floor: liveFloor(holder, () => floorOf(config, holder, paths.resolve, env)),
      filterLists: config.lists.filter,
      paths,
      userHome: env['HOME'],
      refusal: config.refusal,
      messageLimits: config.limits,
      inFlight: config.limits.inFlight,
      pass: { unjudged: config.fail === 'open', unrecorded: config.fail === 'open' || !config.evidence.required },
      now: Date.now,
      mono: microseconds,
      warn: (message) => log.warn(message),
      info: (message) => log.info(message),
    },
    event: (type, detail) => recordEvent(evidence, type, detail),
    close: () => evidence.close().catch((error: unknown) => log.error(messageOf(error))),
  };
}

/**
 * Sets up the memory of a process that judges: messages die young, and a nursery that grows to its default 32 MB saves no
 * time here and doubles the memory. What is loaded lives on: set any earlier, this costs 10 ms of collecting at each start.
 */
export function keepSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  // So small a nursery is collected sooner alone than shared among threads.
  setFlagsFromString('--no-parallel-scavenge');
}

function reloadListener(log: Logger, evidence: Evidence) {
  return {
    replaced(now: PolicyInForce, before: PolicyInForce): void {
      recordEvent(evidence, 'policy_change', { from: before.policy.hash, to: now.policy.hash, origin: now.origin });
      log.warn(`The policy changed: ${now.policy.hash} is in force.`);
      for (const notice of now.notices) log.warn(notice);
    },
    kept(error: unknown): void {
      log.error(`The changed policy is broken, the one before stays in force. ${describe(error)}`);
    },
  };
}

/** One set of circuits for all that this process judges; none when both thresholds are 0. */
function breakersOf({ breaker }: Config, evidence: Evidence, log: Logger): { breakers?: Breakers } {
  const { transportErrors, toolErrors, window, pause } = breaker;
  if (transportErrors === 0 && toolErrors === 0) return {};
  const told = breakerListener({
    evidence,
    now: Date.now,
    mono: microseconds,
    warn: (message) => log.warn(message),
  });
  const limits = { transportErrors, toolErrors, windowUs: window * 1_000_000, pauseUs: pause * 1_000_000 };
  return { breakers: openBreakers({ limits, random: Math.random, told }) };
}

/** Changes of policy and the start of a session are synced whatever the durability. */
function recordEvent(
  evidence: Evidence,
  type: 'session' | 'policy_change',
  detail: Readonly<Record<string, string>>,
): void {
  evidence.append({ type, time: Date.now(), mono: microseconds(), detail });
  evidence.flush();
  void evidence.synced().catch(() => undefined);
}

function floorOf(config: Config, holder: PolicyHolder, realPath: ResolvePath, env: Io['env']) {
  return createFloor({
    home: config.home,
    outsideHome: [
      ...outsideHome(daemonPlace(config.home)),
      ...(config.evidence.dir === undefined ? [] : [config.evidence.dir]),
    ],
    userHome: env['HOME'] ?? homedir(),
    cwd: config.cwd,
    protectedFiles: [...new Set([...config.watched, ...holder.current.files])],
    realPath,
  });
}

/** The floor around the files of the policy in force: another policy may include other files. */
function liveFloor(holder: PolicyHolder, build: () => Floor): Floor {
  let around = holder.current;
  let floor = build();
  const live = (): Floor => {
    if (holder.current !== around) {
      around = holder.current;
      floor = build();
    }
    return floor;
  };
  return {
    mayTouch: (...range) => live().mayTouch(...range),
    judge: (...strings) => live().judge(...strings),
  };
}

/** A parent process is known by its operating-system account and no better: `same-user`. */
export function operatingSystemUser(): Principal {
  const name = userNameOf();
  return { id: `os:${name}`, user: name, roles: [], chain: [], assurance: 'same-user' };
}

function userNameOf(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}

/** A monotonic clock in microseconds. */
export function microseconds(): number {
  return Math.round(performance.now() * 1000);
}

function describe(error: unknown): string {
  const issues: unknown = (error as { issues?: unknown }).issues;
  const first = Array.isArray(issues)
    ? (issues[0] as { message?: string; place?: { file: string; line: number; column: number } })
    : undefined;
  if (first?.message === undefined) return messageOf(error);
  const at = first.place === undefined ? '' : `${first.place.file}:${first.place.line}:${first.place.column}: `;
  return `${at}${first.message}`;
}
