import { join } from 'node:path';
import { evidencePlace } from '../evidence/mark.ts';
import { privateDirectory } from '../evidence/keys.ts';
import { startSealing } from '../evidence/sealing.ts';
import { messageOf } from '../model/error.ts';
import { openDatabase } from '../state/database.ts';
import { acquireLock } from '../state/lock.ts';
import { sqliteSessions, type Sessions } from '../state/sessions.ts';
import { daemonPlace } from './place.ts';
import { startDaemon, type Daemon } from './server.ts';
import { sessionService } from './services.ts';

export interface ResidentOptions {
  readonly home: string;
  readonly version: string;
  /** Ends after so long without a client; never, when absent. */
  readonly idleMs?: number;
  /** Inside a process that has a purpose of its own: it ends with that, and leaves sealing to its gate. */
  readonly isPart?: boolean;
  warn(message: string): void;
}

/**
 * The resident process of a home: answers about its sessions, and seals its evidence, which gates that find it need not do.
 * @throws CallgateError as startDaemon
 */
export async function startResident(options: ResidentOptions): Promise<Daemon> {
  const { home, version, idleMs, isPart = false } = options;
  const warn = (message: string): void => options.warn(message);
  let opened: Promise<Sessions> | undefined;
  const sessions = (): Promise<Sessions> => {
    opened ??= openDatabase(join(home, 'state', 'state.db')).then((database) => sqliteSessions(database));
    opened.catch(() => (opened = undefined));
    return opened;
  };
  let isSealing = false;
  const daemon = await startDaemon({
    home,
    version,
    services: { sessions: sessionService(sessions, Date.now) },
    ...(idleMs === undefined ? {} : { idleMs }),
    mayStop: !isPart,
    tells: () => ({ sealing: isSealing }),
    warn,
  });
  const stopSealing = isPart ? undefined : seal(home, warn);
  isSealing = stopSealing !== undefined;
  const ended = daemon.ended.then(async () => {
    await stopSealing?.().catch((error: unknown) => warn(messageOf(error)));
    await opened?.then(
      (open) => open.close(),
      () => undefined,
    );
  });
  return {
    socket: daemon.socket,
    get clients() {
      return daemon.clients;
    },
    ended,
    async close() {
      await daemon.close();
      await ended;
    },
  };
}

/** Undefined when another process has taken it on. */
function seal(home: string, warn: (message: string) => void): (() => Promise<void>) | undefined {
  const lock = acquireLock(daemonPlace(home).sealerLock);
  if (lock === undefined) return undefined;
  const place = evidencePlace(home);
  privateDirectory(place.dir);
  privateDirectory(join(place.dir, 'wal'));
  const stop = startSealing(place, (error) => warn(error.message));
  return async () => {
    try {
      // Whoever needs it sealed from now on does so itself.
      lock.release();
    } finally {
      await stop();
    }
  };
}
