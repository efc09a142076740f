import { setPriority } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import type { EvidencePlace } from './mark.ts';
import { sealInLoop } from './seal-loop.ts';

// A thread that starts resets V8's flags, which all threads share: the nursery stays small (see cli/main.ts).
setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--no-parallel-scavenge');

/** Calls come first: when the processor is short, sealing waits. On Linux this is the priority of this thread alone. */
const NICE = 19;
if (process.platform === 'linux') {
  try {
    setPriority(NICE);
  } catch {
    // Not allowed here: it seals at the gate's own priority.
  }
}

// The sealing thread (`dist/sealer.js`): seals until told to stop, says what fails.
const stop = sealInLoop(workerData as EvidencePlace, (error) => {
  const { message = String(error), code, remedy } = error as { message?: string; code?: string; remedy?: string };
  parentPort?.postMessage({ message, code, remedy });
});

parentPort?.on('message', () => {
  void stop().finally(() => parentPort?.close());
});
