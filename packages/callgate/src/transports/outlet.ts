import type { Writable } from 'node:stream';

const NEWLINE = new Uint8Array([10]);

/**
 * What is to leave on one side. Lines are collected while a chunk is judged and leave together; neighbouring lines of
 * one chunk that pass unedited leave as one slice of the bytes that came. In strict mode everything waits its turn
 * behind the disk, in order.
 */
export class Outlet {
  readonly #stream: Writable;
  readonly #drained: () => void;
  /** A run of unedited lines: bytes `[#start, #end)` of `#run`. */
  #run: Uint8Array | undefined;
  #start = 0;
  #end = 0;
  #ready: Uint8Array[] = [];
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;
  #full = false;
  #broken = false;

  constructor(stream: Writable, drained: () => void) {
    this.#stream = stream;
    this.#drained = drained;
    stream.on('drain', () => {
      this.#full = false;
      if (!this.isFull) this.#drained();
    });
    stream.on('error', () => {
      this.#broken = true;
      this.#drained();
    });
  }

  /** Adds one line, given without its newline. */
  line(bytes: Uint8Array, start: number, end: number): void {
    const follows = bytes[end] === 10;
    if (this.#run === bytes && this.#end === start) {
      this.#end = end;
    } else {
      this.#closeRun();
      this.#run = bytes;
      this.#start = start;
      this.#end = end;
    }
    if (follows) this.#end = end + 1;
    else {
      this.#closeRun();
      this.#ready.push(NEWLINE);
    }
  }

  /** Adds a line that has its newline. */
  whole(line: Uint8Array): void {
    this.#closeRun();
    this.#ready.push(line);
  }

  /** Lets everything collected leave now. */
  release(): void {
    if (this.#waiting > 0) return this.releaseAfter(this.#turn, () => undefined);
    this.#write(this.#take());
  }

  /** Lets what is collected leave when `durable` resolves, after everything before it; drops it when it rejects. */
  releaseAfter(durable: Promise<void>, dropped: (error: unknown) => void): void {
    const lines = this.#take();
    if (lines.length === 0) return;
    this.#waiting++;
    this.#turn = Promise.all([this.#turn, durable])
      .then(
        () => this.#write(lines),
        (error: unknown) => dropped(error),
      )
      .finally(() => {
        this.#waiting--;
        if (!this.isFull) this.#drained();
      });
  }

  /** Forgets what was collected. */
  discard(): void {
    this.#take();
  }

  /** True while the other side reads too slowly (or the disk writes too slowly): stop reading its input. */
  get isFull(): boolean {
    return !this.#broken && (this.#full || this.#waiting > 64);
  }

  /** Resolves when everything released has been handed to the stream and taken by it. */
  async flushed(): Promise<void> {
    await this.#turn;
    if (this.#broken || !this.#stream.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      this.#stream.once('drain', resolve);
      this.#stream.once('error', () => resolve());
      this.#stream.once('close', resolve);
    });
  }

  #closeRun(): void {
    if (this.#run === undefined) return;
    this.#ready.push(this.#run.subarray(this.#start, this.#end));
    this.#run = undefined;
  }

  #take(): Uint8Array[] {
    this.#closeRun();
    const lines = this.#ready;
    if (lines.length > 0) this.#ready = [];
    return lines;
  }

  #write(lines: readonly Uint8Array[]): void {
    if (this.#broken || lines.length === 0) return;
    let fits: boolean;
    if (lines.length === 1) {
      fits = this.#stream.write(lines[0]);
    } else {
      this.#stream.cork();
      fits = true;
      for (const line of lines) fits = this.#stream.write(line);
      this.#stream.uncork();
    }
    if (!fits) this.#full = true;
  }
}
