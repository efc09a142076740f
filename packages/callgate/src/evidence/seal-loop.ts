import { join } from 'node:path';
import type { EvidencePlace } from './mark.ts';
import { Pace } from './pace.ts';
import { Sealer } from './seal.ts';

const LOOK_EVERY_MS = 250;
/** Even when no file changed: a process may have died. */
const PASS_EVERY_MS = 5000;

/**
 * Seals `place` until stopped: looks a few times a second whether any process wrote, and seals when it is time.
 * @param report is told of each failure once, until the next success.
 * @returns stops after the pass that runs.
 */
export function sealInLoop(place: EvidencePlace, report: (error: unknown) => void): () => Promise<void> {
  const sealer = new Sealer(place);
  const pace = new Pace(join(place.dir, 'wal'));
  let lastPass = -Infinity;
  let failed = false;
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  let timer = setTimeout(look, 0).unref();

  function look(): void {
    running = sealWhatIsThere().then(() => {
      if (!stopped) timer = setTimeout(look, LOOK_EVERY_MS).unref();
    });
  }

  async function sealWhatIsThere(): Promise<void> {
    try {
      let lookedAt = performance.now();
      const due = pace.look(lookedAt);
      if (due === 'later' || (due === 'nothing' && lookedAt - lastPass < PASS_EVERY_MS)) return;
      while (!stopped) {
        const head = await sealer.pass();
        if (head === undefined) return;
        lastPass = performance.now();
        failed = false;
        if (head.drained) return pace.drained();
        if (lastPass - lookedAt < LOOK_EVERY_MS) continue;
        lookedAt = lastPass;
        if (pace.look(lookedAt) === 'later') return;
      }
    } catch (error) {
      if (!failed) report(error);
      failed = true;
    }
  }

  return async () => {
    stopped = true;
    clearTimeout(timer);
    await running;
    sealer.close();
  };
}
