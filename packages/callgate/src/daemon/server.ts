import { chmodSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { CallgateError, messageOf } from '../model/error.ts';
import { acquireLock, describeHolder, type Lock } from '../state/lock.ts';
import { Connection, type Service } from './connection.ts';
import { daemonKey, daemonPlace, openPlace, removeStaleSocket, socketIdentity, type DaemonPlace } from './place.ts';

export type { Caller, Service } from './connection.ts';

export interface DaemonParts {
  /** An absolute path without links, checked. */
  readonly home: string;
  readonly version: string;
  /** What is answered, by name; `status` and `stop` are built in. */
  readonly services: Readonly<Record<string, Service>>;
  /** Ends after so long without a client; never, when absent. */
  readonly idleMs?: number;
  /** Whether a client may end it; not where it is only a part of something larger. */
  readonly mayStop: boolean;
  /** What `status` tells besides. */
  readonly tells?: () => Readonly<Record<string, unknown>>;
  readonly limits?: Partial<DaemonLimits>;
  warn(message: string): void;
}

export interface DaemonLimits {
  readonly connections: number;
  /** How long a peer may take to prove itself. */
  readonly proofMs: number;
  /** How long a frame may take from its first byte to its last. */
  readonly frameMs: number;
  /** How long a service may take. */
  readonly answerMs: number;
  /** Requests of one client at a time. */
  readonly atOnce: number;
  /** How often it looks whether it is still wanted, and can still be reached. */
  readonly lookMs: number;
}

const LIMITS: DaemonLimits = {
  connections: 256,
  proofMs: 2000,
  frameMs: 5000,
  answerMs: 30_000,
  atOnce: 64,
  lookMs: 5000,
};

export interface Daemon {
  readonly socket: string;
  /** Clients that have proven themselves. */
  readonly clients: number;
  /** Resolves when it is over, whoever ended it. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/**
 * Starts to listen for the home. There is one at a time, whichever process it is in; the socket of one that died is
 * replaced.
 * @throws CallgateError CG_DAEMON_RUNNING when there is one, CG_DAEMON_UNSAFE when its directory, socket or key may be
 * somebody else's, CG_DAEMON_START when it cannot listen
 */
export async function startDaemon(parts: DaemonParts): Promise<Daemon> {
  const place = daemonPlace(parts.home);
  openPlace(place);
  const key = daemonKey(place) as Buffer;
  const lock = acquireLock(place.lock);
  if (lock === undefined) throw running(place);
  try {
    removeStaleSocket(place);
    const resident = new Resident(parts, place, key, lock);
    await resident.listen();
    return resident;
  } catch (error) {
    lock.release();
    throw error;
  }
}

function running({ lock }: DaemonPlace): CallgateError {
  const who = describeHolder(lock) ?? 'another process';
  return new CallgateError('CG_DAEMON_RUNNING', `This home has a daemon already: ${who}.`, {
    remedy: 'See it with: callgate daemon --status. End it with: callgate daemon --stop',
  });
}

class Resident implements Daemon {
  readonly ended: Promise<void>;
  readonly #parts: DaemonParts;
  readonly #place: DaemonPlace;
  readonly #lock: Lock;
  readonly #server: Server;
  readonly #limits: DaemonLimits;
  readonly #since = new Date().toISOString();
  readonly #connections = new Set<Connection>();
  #identity: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #idleSince = performance.now();
  #closing: Promise<void> | undefined;
  #over: () => void = () => undefined;

  constructor(parts: DaemonParts, place: DaemonPlace, key: Buffer, lock: Lock) {
    this.#parts = parts;
    this.#place = place;
    this.#lock = lock;
    this.#limits = { ...LIMITS, ...parts.limits };
    this.ended = new Promise((resolve) => (this.#over = resolve));
    this.#server = createServer((socket) => this.#accept(socket, key));
  }

  get socket(): string {
    return this.#place.socket;
  }

  get clients(): number {
    let clients = 0;
    for (const { isProven } of this.#connections) if (isProven) clients++;
    return clients;
  }

  async listen(): Promise<void> {
    const { socket } = this.#place;
    // It appears under its name when it is ours alone; and when Node ends, it removes the name it was bound to, whoever
    // has that by then.
    const bound = process.platform === 'win32' ? socket : join(dirname(socket), `d${process.pid}`);
    if (bound !== socket) rmSync(bound, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) =>
        reject(
          new CallgateError('CG_DAEMON_START', `The daemon cannot listen at ${socket}: ${messageOf(error)}.`, {
            remedy: 'Mend the rights of its directory.',
            cause: error,
          }),
        ),
      );
      this.#server.listen(bound, resolve);
    });
    this.#server.removeAllListeners('error');
    this.#server.on('error', (error) => this.#parts.warn(`The daemon: ${messageOf(error)}`));
    if (bound !== socket) {
      chmodSync(bound, 0o600);
      renameSync(bound, socket);
    }
    this.#identity = socketIdentity(this.#place);
    this.#timer = setInterval(() => this.#look(), this.#limits.lookMs).unref();
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer);
    for (const connection of this.#connections) connection.end();
    // Only our own: whoever found the lock free may have made another by now.
    const isOurs = this.#identity !== undefined && socketIdentity(this.#place) === this.#identity;
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    try {
      if (isOurs && process.platform !== 'win32' && socketIdentity(this.#place) === this.#identity)
        unlinkSync(this.#place.socket);
      this.#lock.release();
    } catch (error) {
      // The next one finds a dead holder. Whatever this is a part of has its own ends to see to.
      this.#parts.warn(`The daemon: ${messageOf(error)}`);
    }
    this.#over();
  }

  #accept(socket: Socket, key: Buffer): void {
    if (this.#closing !== undefined || this.#connections.size >= this.#limits.connections) {
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, {
      meeting: { key, socket: this.#place.socket },
      version: this.#parts.version,
      limits: this.#limits,
      service: (name) => this.#service(name),
      ended: () => {
        this.#connections.delete(connection);
        this.#idleSince = performance.now();
      },
    });
    this.#connections.add(connection);
  }

  #service(name: string): Service | undefined {
    if (name === 'status') return () => this.#status();
    if (name === 'stop') return () => this.#stop();
    return Object.hasOwn(this.#parts.services, name) ? this.#parts.services[name] : undefined;
  }

  #status(): Readonly<Record<string, unknown>> {
    const { version, services, idleMs, tells } = this.#parts;
    return {
      pid: process.pid,
      version,
      since: this.#since,
      clients: this.clients,
      services: ['status', 'stop', ...Object.keys(services)],
      ...(idleMs === undefined ? {} : { endsWhenIdleMs: idleMs }),
      ...tells?.(),
    };
  }

  #stop(): { readonly stopping: true } {
    if (!this.#parts.mayStop)
      throw new CallgateError('CG_DAEMON_REFUSED', 'The daemon is part of `callgate serve` and ends with it.', {
        remedy: 'End that process.',
      });
    // After the answer has left.
    setTimeout(() => void this.close(), 20);
    return { stopping: true };
  }

  #look(): void {
    // Nobody can come any more: another one is free to begin.
    if (socketIdentity(this.#place) !== this.#identity) {
      this.#parts.warn('The socket of the daemon is gone; it ends.');
      return void this.close();
    }
    const { idleMs } = this.#parts;
    if (this.#connections.size > 0 || idleMs === undefined) return;
    if (performance.now() - this.#idleSince >= idleMs) void this.close();
  }
}
