import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { CallgateError, messageOf } from '../model/error.ts';
import { hashOf, readFileSet } from './project.ts';
import type { FileSet } from './project.ts';

/**
 * `none`: the project says nothing to Callgate. `trusted`: the user has accepted exactly these files. `untrusted`: never
 * accepted. `changed`: accepted once, and different now (or gone).
 */
export type TrustState = 'none' | 'trusted' | 'untrusted' | 'changed';

/** What the user accepted for one project. */
export interface TrustRecord {
  readonly hash: string;
  /** ISO 8601. */
  readonly time: string;
  /** The name of the file that was the policy. */
  readonly policy?: string;
  readonly files: readonly { readonly name: string; readonly text: string }[];
}

/** How the files of the project in `cwd` stand with the user of `home`. */
export async function trustState({ cwd, home }: { cwd: string; home: string }): Promise<TrustState> {
  const set = await readFileSet(cwd, home);
  return set === undefined ? 'none' : trustOf(set, readTrust(home, set.root));
}

/** Compares a file set with what was accepted. */
export function trustOf(set: FileSet, accepted: TrustRecord | undefined): TrustState {
  if (accepted === undefined) return set.files.length === 0 ? 'none' : 'untrusted';
  return accepted.hash === set.hash ? 'trusted' : 'changed';
}

/** A file that is not as it was accepted. */
export interface TrustChange {
  readonly name: string;
  readonly change: 'changed' | 'new' | 'gone';
}

/** Which files of a set are not as they were accepted, and which of those accepted are gone. */
export function changesOf(set: FileSet, accepted: TrustRecord): readonly TrustChange[] {
  const before = new Map(accepted.files.map(({ name, text }) => [name, text]));
  const now = new Set(set.files.map(({ name }) => name));
  return [
    ...set.files.flatMap(({ name, text }): TrustChange[] =>
      before.get(name) === text ? [] : [{ name, change: before.has(name) ? 'changed' : 'new' }],
    ),
    ...[...before.keys()].flatMap((name): TrustChange[] => (now.has(name) ? [] : [{ name, change: 'gone' }])),
  ];
}

/** `policy.yaml changed, pack.yaml is new`: for people. */
export function changesText(changes: readonly TrustChange[]): string {
  const words = { changed: 'changed', new: 'is new', gone: 'is gone' } as const;
  return changes.map(({ name, change }) => `${name} ${words[change]}`).join(', ');
}

/**
 * What was accepted for a project, with the texts: they stay in force when the files change, so that tampering with a policy
 * never loosens it.
 * @throws CallgateError CG_TRUST_UNREADABLE when the record is damaged.
 */
export function readTrust(home: string, root: string): TrustRecord | undefined {
  return readAll(home)[root];
}

/** Accepts a file set. Written to `<home>/state/trust.json`, 0600, by rename. */
export function recordTrust(home: string, set: FileSet, time: Date): void {
  const record: TrustRecord = {
    hash: set.hash,
    time: time.toISOString(),
    ...(set.policy === undefined ? {} : { policy: set.policy.name }),
    files: set.files.map(({ name, text }) => ({ name, text })),
  };
  update(home, (projects) => (projects[set.root] = record));
}

/** Forgets what was accepted. @returns whether there was anything. */
export function revokeTrust(home: string, root: string): boolean {
  let had = false;
  update(home, (projects) => {
    had = projects[root] !== undefined;
    delete projects[root];
  });
  return had;
}

export function trustPath(home: string): string {
  return join(home, 'state', 'trust.json');
}

type Projects = Record<string, TrustRecord>;

function readAll(home: string): Projects {
  const path = trustPath(home);
  const projects = Object.create(null) as Projects;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return projects;
    throw damaged(path, error);
  }
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch (error) {
    throw damaged(path, error);
  }
  const { version, projects: entries } = asObject(stored);
  if (version !== 1) throw damaged(path, 'version is not 1');
  for (const [root, entry] of Object.entries(asObject(entries))) {
    if (!isRecord(entry) || hashOf(entry.files) !== entry.hash) throw damaged(path, `entry of ${root}`);
    projects[root] = entry;
  }
  return projects;
}

function isRecord(value: unknown): value is TrustRecord {
  const { hash, time, policy, files } = asObject(value);
  const isNamed = (file: unknown) =>
    typeof asObject(file)['name'] === 'string' && typeof asObject(file)['text'] === 'string';
  const rest = typeof time === 'string' && (policy === undefined || typeof policy === 'string');
  return typeof hash === 'string' && rest && Array.isArray(files) && files.every(isNamed);
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function damaged(path: string, why: unknown): CallgateError {
  const reason = messageOf(why);
  return new CallgateError('CG_TRUST_UNREADABLE', `${path} cannot be used: ${reason}.`, {
    remedy: 'Remove the file, then run `callgate trust` in each project again.',
    cause: why,
  });
}

function update(home: string, change: (projects: Projects) => void): void {
  const path = trustPath(home);
  mkdirSync(join(home, 'state'), { recursive: true, mode: 0o700 });
  withLock(`${path}.lock`, () => {
    const projects = readAll(home);
    change(projects);
    const fresh = `${path}.${process.pid}.new`;
    rmSync(fresh, { force: true });
    const descriptor = openSync(fresh, 'wx', 0o600);
    try {
      writeSync(descriptor, `${JSON.stringify({ version: 1, projects }, null, 1)}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(fresh, path);
  });
}

const LOCK_STALE_MS = 10_000;
const LOCK_TRIES = 100;

/** Two `callgate trust` at one time must not lose a revocation. */
function withLock(path: string, action: () => void): void {
  for (let attempt = 0; ; attempt++) {
    try {
      closeSync(openSync(path, 'wx', 0o600));
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > LOCK_STALE_MS) rmSync(path, { force: true });
      else if (attempt >= LOCK_TRIES) {
        throw new CallgateError('CG_TRUST_BUSY', `Another callgate is writing ${path}.`, { remedy: 'Try again.' });
      } else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
  try {
    action();
  } finally {
    unlinkSync(path);
  }
}
