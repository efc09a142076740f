import { readFileSync, readlinkSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';

/** Which process this is, in a way that survives reuse of its number: what a lock or a write-ahead file is signed with. */
export interface Holder {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: ticks since boot. Empty where the system has no /proc. */
  readonly start: string;
  readonly boot: string;
  /** Inode of the pid namespace; the same number means another process in another container. */
  readonly ns: string;
  /** Tells hosts apart (machine id and host name, hashed). */
  readonly host: string;
}

/** `elsewhere`: another host or pid namespace, which cannot be asked from here and therefore counts as alive. */
export type Liveness = 'alive' | 'dead' | 'elsewhere';

let self: Holder | undefined;

/** This process as a holder. Read once; /proc does not change under us. */
export function thisHolder(): Holder {
  self ??= {
    pid: process.pid,
    start: startOf(process.pid) ?? '',
    boot: textOf('/proc/sys/kernel/random/boot_id'),
    ns: pidNamespace(),
    host: createHash('sha256')
      .update(`${textOf('/etc/machine-id')}\n${hostname()}`)
      .digest('hex')
      .slice(0, 16),
  };
  return self;
}

/** Whether `holder` still runs. A reboot of the same host ends every holder; a reused pid has another start time. */
export function livenessOf(holder: Holder): Liveness {
  const here = thisHolder();
  if (holder.boot !== here.boot) return holder.host === here.host ? 'dead' : 'elsewhere';
  if (holder.ns !== here.ns) return 'elsewhere';
  if (here.boot === '' && holder.host !== here.host) return 'elsewhere';
  const start = startOf(holder.pid);
  if (start !== undefined) return start === holder.start ? 'alive' : 'dead';
  if (here.start !== '') return 'dead';
  return answersSignals(holder.pid) ? 'alive' : 'dead';
}

/** Reads a holder out of parsed JSON; undefined when it is not one. */
export function parseHolder(value: unknown): Holder | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, start, boot, ns, host } = value as Record<string, unknown>;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
  if (typeof start !== 'string' || typeof boot !== 'string' || typeof ns !== 'string' || typeof host !== 'string')
    return undefined;
  return { pid, start, boot, ns, host };
}

function startOf(pid: number): string | undefined {
  const stat = textOf(`/proc/${pid}/stat`);
  if (stat === '') return undefined;
  // The command name (field 2) may hold spaces and brackets: count from the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie is dead: its files are closed, only its parent has not noticed.
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return fields[19];
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return '';
  }
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
