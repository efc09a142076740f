import { writeSync } from 'node:fs';
import { openEvidence, sealNow, evidencePlace } from './index.ts';
import { decisionRecord } from './testing.ts';

// Appends and flushes until killed; says on stdout what was flushed. With `seal` it also seals all the time.
const [home = '', mode = ''] = process.argv.slice(2);
const place = evidencePlace(home);
const evidence = openEvidence({
  ...place,
  durability: 'batch',
  now: Date.now,
  mono: () => 0,
  sealing: false,
  rotateBytes: 40_000,
});
let n = 0;

function call(): void {
  const decision = evidence.append(decisionRecord(1, { time: Date.now(), rpcId: String(n) }));
  evidence.flush();
  writeSync(1, `${evidence.idOf(decision)}\n`);
  if (n++ % 3 === 0) return;
  const outcome = evidence.append({
    type: 'outcome',
    time: Date.now(),
    mono: 0,
    decision,
    status: 'ok',
    us: 1,
    bytes: 1,
  });
  evidence.flush();
  writeSync(1, `${evidence.idOf(outcome)}\n`);
}

async function seal(): Promise<void> {
  for (;;) {
    await sealNow(home);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

if (mode === 'seal') void seal();
setInterval(() => {
  for (let i = 0; i < 20; i++) call();
}, 1);
