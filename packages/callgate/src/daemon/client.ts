import { connect, type Socket } from 'node:net';
import { CallgateError } from '../model/error.ts';
import { frameOf, FrameReader, MOST_AFTER_PROOF } from './frames.ts';
import { daemonKey, daemonPlace, hasSocket, type DaemonPlace } from './place.ts';
import { hello, isProof, nonceOf, proofOf } from './proof.ts';

/** A connection to the daemon of a home, which has proven itself. */
export interface DaemonClient {
  readonly pid: number;
  readonly version: string;
  /**
   * Asks a service. @throws CallgateError with the code of the service's own fault; CG_DAEMON_LOST when the connection
   * ended or the time is over
   */
  ask(service: string, body?: Readonly<Record<string, unknown>>): Promise<unknown>;
  close(): void;
}

export interface ConnectOptions {
  /** For meeting the daemon, and for each answer. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5000;

/**
 * Connects to the daemon of a home.
 * @param home an absolute path without links
 * @returns undefined when there is none
 * @throws CallgateError CG_DAEMON_UNSAFE when what is there may be somebody else's, CG_DAEMON_STRANGER when it did not prove
 * that it belongs to the home, or did not accept that we do
 */
export async function connectDaemon(home: string, options: ConnectOptions = {}): Promise<DaemonClient | undefined> {
  const place = daemonPlace(home);
  if (!hasSocket(place)) return undefined;
  // No daemon has ever run without making its key.
  const key = daemonKey(place, false);
  if (key === undefined) return undefined;
  const socket = await dial(place.socket, options.timeoutMs ?? TIMEOUT_MS);
  return socket === undefined ? undefined : await meet(socket, place, key, options.timeoutMs ?? TIMEOUT_MS);
}

function dial(path: string, timeoutMs: number): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const late = setTimeout(() => {
      socket.destroy();
      resolve(undefined);
    }, timeoutMs);
    socket.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(late);
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') return resolve(undefined);
      reject(lost(`cannot be reached: ${error.message}`));
    });
    socket.once('connect', () => {
      clearTimeout(late);
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

function meet(socket: Socket, place: DaemonPlace, key: Buffer, timeoutMs: number): Promise<DaemonClient | undefined> {
  return new Promise((resolve, reject) => {
    const reader = new FrameReader();
    const mine = hello();
    let theirs: string | undefined;
    const meeting = { key, socket: place.socket };
    const stop = (why: string): void => {
      clearTimeout(late);
      socket.destroy();
      reject(stranger(place, why));
    };
    const late = setTimeout(() => stop('did not answer in time'), timeoutMs);
    const onClose = (): void => {
      if (theirs !== undefined) return stop('ended the connection: it has another key, or speaks another version');
      // It was about to end.
      clearTimeout(late);
      resolve(undefined);
    };
    const onData = (chunk: Buffer): void => {
      try {
        for (const said of reader.push(chunk)) {
          if (theirs === undefined) {
            theirs = nonceOf(said);
            if (theirs === undefined) return stop('speaks another version of the protocol');
            socket.write(frameOf({ ...mine, proof: proofOf('client', meeting, theirs, mine.nonce) }));
            continue;
          }
          if (!isProof(proofOf('server', meeting, theirs, mine.nonce), said['proof']))
            return stop('did not prove that it belongs to this home');
          clearTimeout(late);
          socket.off('close', onClose);
          socket.off('data', onData);
          const { pid, version } = said;
          reader.most = MOST_AFTER_PROOF;
          const about = { pid: Number(pid), version: String(version) };
          return resolve(new Client(socket, reader, about, timeoutMs));
        }
      } catch {
        stop('said what is no message');
      }
    };
    socket.on('error', () => undefined);
    socket.on('close', onClose);
    socket.on('data', onData);
  });
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly late: NodeJS.Timeout;
}

class Client implements DaemonClient {
  readonly pid: number;
  readonly version: string;
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #isOver = false;

  constructor(socket: Socket, reader: FrameReader, about: { pid: number; version: string }, timeoutMs: number) {
    this.pid = about.pid;
    this.version = about.version;
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const said of reader.push(chunk)) this.#answered(said);
      } catch {
        socket.destroy();
      }
    });
    socket.on('close', () => this.#over());
  }

  ask(service: string, body: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    if (this.#isOver) return Promise.reject(lost('is gone'));
    const id = ++this.#next;
    const frame = frameOf({ id, ask: service, with: body });
    if (frame.length - 4 > MOST_AFTER_PROOF) return Promise.reject(lost('takes no request of that size'));
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting.delete(id);
        reject(lost(`did not answer within ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
      this.#waiting.set(id, { resolve, reject, late });
      this.#socket.write(frame);
    });
  }

  close(): void {
    this.#over();
    this.#socket.destroy();
  }

  #answered({ id, value, error }: Readonly<Record<string, unknown>>): void {
    const waiting = this.#waiting.get(id as number);
    if (waiting === undefined) return;
    this.#waiting.delete(id as number);
    clearTimeout(waiting.late);
    if (error === undefined) return waiting.resolve(value);
    const { code, message } = error as { code?: unknown; message?: unknown };
    waiting.reject(
      new CallgateError(typeof code === 'string' && code.startsWith('CG_') ? code : 'CG_DAEMON_LOST', String(message)),
    );
  }

  #over(): void {
    this.#isOver = true;
    for (const { reject, late } of this.#waiting.values()) {
      clearTimeout(late);
      reject(lost('ended before it answered'));
    }
    this.#waiting.clear();
  }
}

function lost(why: string): CallgateError {
  return new CallgateError('CG_DAEMON_LOST', `The daemon ${why}.`, {
    remedy: 'Try again; callgate daemon --status says whether it runs.',
  });
}

function stranger({ socket, lock }: DaemonPlace, why: string): CallgateError {
  return new CallgateError('CG_DAEMON_STRANGER', `What listens at ${socket} ${why}.`, {
    remedy: `End the process that ${lock} names, and start again. If the key of the home was changed, that is why.`,
  });
}
