// The client, with a gate of its own between it and the server of the suite: `node client-through-gate.mjs URL`.
// GATE_UNDER_TEST names another build of the gate than the one in dist.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startGate } from './gate.mjs';

const gate = await startGate(['--upstream', process.argv.at(-1)]);
const client = spawn(process.execPath, [fileURLToPath(new URL('client.mjs', import.meta.url)), gate.url], {
  stdio: 'inherit',
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => client.kill(signal));
client.on('exit', (code) => {
  process.exitCode = code ?? 1;
  void gate.stop();
});
