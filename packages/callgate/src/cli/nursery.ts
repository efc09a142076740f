import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

const SWEEP_MS = 1000;

/**
 * Lets the space for young objects grow to so many bytes, its two halves together, and no further. V8 starts it with 1 MB,
 * which the requests of a few dozen connections fill before they are over, so that each is copied twice; and would let it
 * grow to 32 MB. V8 makes it smaller again when nothing goes on.
 */
export function boundNursery(bytes: number): void {
  let isWatched = false;
  // Looks after each collection, for as long as the space may grow.
  const watcher = new PerformanceObserver(() => tend());
  const tend = (): void => {
    const mayGrow = sizeOfNursery() < bytes;
    if (mayGrow === isWatched) return;
    isWatched = mayGrow;
    allowGrowth(mayGrow);
    if (mayGrow) watcher.observe({ entryTypes: ['gc'] });
    else watcher.disconnect();
  };
  tend();
  setInterval(() => {
    // The flag is one for all threads, and the thread that seals sets it for itself.
    allowGrowth(isWatched);
    tend();
  }, SWEEP_MS).unref();
}

function allowGrowth(mayGrow: boolean): void {
  setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`);
}

function sizeOfNursery(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0;
}
