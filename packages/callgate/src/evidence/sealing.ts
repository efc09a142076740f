import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { CallgateError } from '../model/error.ts';
import { releaseThread } from '../state/lock.ts';
import type { EvidencePlace } from './mark.ts';

const RESTART_MS = 1000;
const STOP_WITHIN_MS = 2000;

/**
 * Starts sealing `place` beside the gate: in a thread of its own, or in this one where there is no bundle (from source).
 * @param report is told what fails; sealing goes on trying.
 * @returns stops sealing, after the pass that runs.
 */
export function startSealing(place: EvidencePlace, report: (error: CallgateError) => void): () => Promise<void> {
  // In the bundle this file is in dist/ or in a directory of chunks below it.
  const script = ['./sealer.js', '../sealer.js']
    .map((at) => new URL(at, import.meta.url))
    .find((url) => existsSync(url));
  return script === undefined ? sealHere(place, report) : sealInThread(script, place, report);
}

function sealHere(place: EvidencePlace, report: (error: CallgateError) => void): () => Promise<void> {
  const started = import('./seal-loop.ts').then(({ sealInLoop }) =>
    sealInLoop(place, (error) => report(asError(error))),
  );
  return async () => (await started)();
}

function sealInThread(script: URL, place: EvidencePlace, report: (error: CallgateError) => void): () => Promise<void> {
  let worker: Worker | undefined;
  let restart: NodeJS.Timeout | undefined;
  let stopped = false;

  function start(): void {
    const thread = new Worker(script, {
      workerData: place,
      name: 'callgate-sealer',
      stdout: false,
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2, stackSizeMb: 2 },
    });
    const { threadId } = thread;
    worker = thread;
    thread.unref();
    thread.on('message', (said: unknown) => report(asError(said)));
    thread.on('error', (error) => report(asError(error)));
    thread.on('exit', () => {
      worker = undefined;
      // A thread that died in a pass (out of memory) leaves its lock: this process lives, so nobody else would free it.
      releaseThread(join(place.dir, 'seal.lock'), threadId);
      if (!stopped) restart = setTimeout(start, RESTART_MS).unref();
    });
  }

  start();
  return async () => {
    stopped = true;
    clearTimeout(restart);
    const thread = worker;
    if (thread === undefined) return;
    // Never terminated: a seal that is cut short only costs the next process a recovery, but the lock must be freed.
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, STOP_WITHIN_MS);
      thread.once('exit', () => {
        clearTimeout(late);
        resolve();
      });
      thread.postMessage('stop');
    });
  };
}

function asError(said: unknown): CallgateError {
  if (said instanceof CallgateError) return said;
  const { message = String(said), code, remedy } = said as { message?: string; code?: string; remedy?: string };
  const known = typeof code === 'string' && code.startsWith('CG_') ? code : 'CG_EVIDENCE_SEAL';
  const text = known === 'CG_EVIDENCE_SEAL' ? `Sealing the evidence failed: ${message}.` : message;
  return new CallgateError(known, text, remedy === undefined ? { cause: said } : { remedy, cause: said });
}
