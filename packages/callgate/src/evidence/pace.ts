import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Beyond about 8,000 calls a second sealing waits: it would take the processor from the calls themselves ... */
const BURST_BYTES_PER_S = 4 << 20;
/** ... until so much waits to be sealed. */
const BACKLOG_BYTES = 128 << 20;

/** What to do about the write-ahead files: nothing new in them, leave them for now, or seal. */
export type Due = 'nothing' | 'later' | 'now';

/** When to seal: within a moment while calls trickle, after the burst while they pour, at once when too much waits. */
export class Pace {
  readonly #walDir: string;
  #sizes = new Map<string, number>();
  #lookedAt: number | undefined;
  /** Bytes written since the last time nothing was left to seal. */
  #backlog = 0;

  constructor(walDir: string) {
    this.#walDir = walDir;
  }

  /** @param now in ms, on any clock that only goes forward. */
  look(now: number): Due {
    const written = this.#written();
    const seconds = this.#lookedAt === undefined ? Infinity : (now - this.#lookedAt) / 1000;
    this.#lookedAt = now;
    this.#backlog += written;
    if (this.#backlog === 0) return 'nothing';
    return written / seconds > BURST_BYTES_PER_S && this.#backlog < BACKLOG_BYTES ? 'later' : 'now';
  }

  /** Nothing was left of what the last look saw. */
  drained(): void {
    this.#backlog = 0;
  }

  /** Bytes that the files have grown by since the last look. */
  #written(): number {
    let written = 0;
    const sizes = new Map<string, number>();
    for (const name of namesIn(this.#walDir)) {
      const size = statSync(join(this.#walDir, name), { throwIfNoEntry: false })?.size;
      // A segment was sealed and destroyed between the two calls.
      if (size === undefined) continue;
      sizes.set(name, size);
      written += Math.max(0, size - (this.#sizes.get(name) ?? 0));
    }
    this.#sizes = sizes;
    return written;
  }
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
