import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { EvidencePlace } from './mark.ts';
import { Sealer } from './seal.ts';

const LOOK_EVERY_MS = 250;
/** Even when no file changed: a process may have died. */
const PASS_EVERY_MS = 5000;

/**
 * Seals `place` until stopped: looks a few times a second whether any process wrote, and seals when one did.
 * @param report is told of each failure once, until the next success.
 * @returns stops after the pass that runs.
 */
export function sealInLoop(place: EvidencePlace, report: (error: unknown) => void): () => Promise<void> {
  const sealer = new Sealer(place);
  let seen = '';
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
      const now = performance.now();
      const there = sizes(join(place.dir, 'wal'));
      if (there === seen && now - lastPass < PASS_EVERY_MS) return;
      for (let more = true; more && !stopped;) {
        const head = await sealer.pass();
        if (head === undefined) return;
        more = !head.drained;
      }
      seen = there;
      lastPass = now;
      failed = false;
    } catch (error) {
      seen = '';
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

function sizes(walDir: string): string {
  let text = '';
  try {
    for (const name of readdirSync(walDir)) text += `${name}:${statSync(join(walDir, name)).size};`;
  } catch {
    // A segment was destroyed between the two calls: it will look different next time.
    return `${Math.random()}`;
  }
  return text;
}
