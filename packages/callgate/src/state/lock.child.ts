import { openSync, closeSync, unlinkSync, writeSync } from 'node:fs';
import { acquireLock } from './lock.ts';

// Takes the lock again and again; while holding it, makes a file that nobody else may have. Killed at any moment.
const [path = '', rounds = '0'] = process.argv.slice(2);
const inside = `${path}-inside`;

async function contend(): Promise<void> {
  for (let held = 0; held < Number(rounds);) {
    const lock = acquireLock(path);
    if (lock !== undefined) {
      hold();
      held++;
      lock.release();
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
  }
  writeSync(1, 'done\n');
}

function hold(): void {
  try {
    closeSync(openSync(inside, 'wx'));
  } catch {
    writeSync(1, 'two at once\n');
    return;
  }
  for (const until = performance.now() + Math.random() * 3; performance.now() < until;);
  unlinkSync(inside);
}

if (rounds === 'hold') {
  const lock = acquireLock(path);
  writeSync(1, lock === undefined ? 'refused\n' : 'held\n');
  setInterval(() => {}, 1000);
} else void contend();
