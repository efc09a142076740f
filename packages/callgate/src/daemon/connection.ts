import type { Socket } from 'node:net';
import { CallgateError, messageOf } from '../model/error.ts';
import { frameOf, FrameReader, MOST_AFTER_PROOF } from './frames.ts';
import { hello, isProof, nonceOf, proofOf, type Meeting } from './proof.ts';

/** Who asks: ends with its connection. */
export interface Caller {
  readonly gone: AbortSignal;
}

/** Answers one request; what it throws is told as its code and message. */
export type Service = (asked: Readonly<Record<string, unknown>>, caller: Caller) => unknown;

export interface ConnectionOptions {
  readonly meeting: Meeting;
  readonly version: string;
  readonly limits: {
    readonly proofMs: number;
    readonly frameMs: number;
    readonly answerMs: number;
    readonly atOnce: number;
  };
  service(name: string): Service | undefined;
  ended(): void;
}

/** A client that does not read what it asked for is let go beyond this. */
const MOST_UNREAD = 16 << 20;

/**
 * One client at the daemon's end. Until it has proven that it has the key of the home, nothing of it is looked at but its
 * proof; whatever is wrong ends the connection without a word.
 */
export class Connection {
  isProven = false;
  readonly #socket: Socket;
  readonly #o: ConnectionOptions;
  readonly #reader = new FrameReader();
  readonly #mine = hello();
  readonly #gone = new AbortController();
  #running = 0;
  #due: NodeJS.Timeout | undefined;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#o = options;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('close', () => {
      clearTimeout(this.#due);
      this.#gone.abort();
      options.ended();
    });
    this.#within(options.limits.proofMs);
    socket.write(frameOf(this.#mine));
  }

  /** Lets it read what was written, and ends. */
  end(): void {
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), 200).unref();
  }

  #read(chunk: Buffer): void {
    let isWhole = false;
    try {
      for (const said of this.#reader.push(chunk)) {
        isWhole = true;
        if (this.#socket.destroyed) return;
        if (this.isProven) this.#ask(said);
        else this.#meet(said);
      }
    } catch {
      return void this.#socket.destroy();
    }
    if (!this.isProven) return;
    // A frame that has begun must end: by drops nobody holds a place here.
    if (isWhole) {
      clearTimeout(this.#due);
      this.#due = undefined;
    }
    if (this.#reader.isWithin && this.#due === undefined) this.#within(this.#o.limits.frameMs);
  }

  #meet(said: Readonly<Record<string, unknown>>): void {
    const { meeting, version } = this.#o;
    const nonce = nonceOf(said);
    if (nonce === undefined || !isProof(proofOf('client', meeting, this.#mine.nonce, nonce), said['proof']))
      return void this.#socket.destroy();
    this.isProven = true;
    this.#reader.most = MOST_AFTER_PROOF;
    clearTimeout(this.#due);
    this.#due = undefined;
    const proof = proofOf('server', meeting, this.#mine.nonce, nonce);
    this.#socket.write(frameOf({ proof, version, pid: process.pid }));
  }

  #ask(said: Readonly<Record<string, unknown>>): void {
    const { id, ask } = said;
    if (!Number.isSafeInteger(id) || typeof ask !== 'string') return void this.#socket.destroy();
    const service = this.#o.service(ask);
    if (service === undefined)
      return this.#fail(id, 'CG_DAEMON_REFUSED', `This daemon has no service "${ask.slice(0, 64)}".`);
    if (this.#running >= this.#o.limits.atOnce)
      return this.#fail(id, 'CG_DAEMON_REFUSED', 'Too many requests of one client at a time.');
    this.#running++;
    const { answerMs } = this.#o.limits;
    let late: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_resolve, reject) => {
      late = setTimeout(
        () => reject(new CallgateError('CG_DAEMON_REFUSED', `There was no answer within ${answerMs} ms.`)),
        answerMs,
      );
    });
    const answer = Promise.resolve().then(() => service(bodyOf(said), { gone: this.#gone.signal }));
    void Promise.race([answer, tooLate])
      .then(
        (value) => this.#say({ id, value: value ?? null }),
        (error: unknown) =>
          this.#fail(id, error instanceof CallgateError ? error.code : 'CG_INTERNAL', messageOf(error)),
      )
      .finally(() => {
        clearTimeout(late);
        this.#running--;
      });
  }

  #fail(id: unknown, code: string, message: string): void {
    this.#say({ id, error: { code, message } });
  }

  #say(answer: object): void {
    if (this.#socket.destroyed) return;
    this.#socket.write(frameOf(answer));
    if (this.#socket.writableLength > MOST_UNREAD) this.#socket.destroy();
  }

  #within(ms: number): void {
    this.#due = setTimeout(() => this.#socket.destroy(), ms);
  }
}

function bodyOf({ with: body }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Record<string, unknown>) : {};
}
