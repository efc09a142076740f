// Feeds the scanner generated and mutated messages and compares it with a strict reference parser:
// `node scripts/fuzz.mjs [--seed N] [--runs N]`. Prints the seed and the count; exits 1 with the input that differs.
import { rolldown } from 'rolldown';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { seed: { type: 'string' }, runs: { type: 'string' } } });
const seed = values.seed === undefined ? Math.floor(Math.random() * 0x7fffffff) : Number(values.seed);
const runs = Number(values.runs ?? 1_000_000);
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(runs) || runs < 1) {
  console.error('fuzz: --seed and --runs take whole numbers.');
  process.exit(2);
}

const root = new URL('../', import.meta.url);
const file = fileURLToPath(new URL('.cache/fuzz/fuzz.mjs', root));
const bundle = await rolldown({
  input: fileURLToPath(new URL('packages/callgate/src/protocol/testing/fuzz.ts', root)),
  platform: 'neutral',
});
await bundle.write({ file, format: 'esm' });
await bundle.close();
const { fuzzScanner } = await import(pathToFileURL(file).href);

const began = performance.now();
const report = fuzzScanner(seed, runs);
const seconds = ((performance.now() - began) / 1000).toFixed(1);
console.log(`fuzz: seed ${seed}, ${report.runs} inputs, ${report.accepted} accepted, ${seconds} s`);
if (report.mismatch !== undefined) {
  const { run, problem, input } = report.mismatch;
  console.error(`fuzz: input ${run}: ${problem}`);
  console.error(`text   ${JSON.stringify(new TextDecoder().decode(input))}`);
  console.error(`base64 ${Buffer.from(input).toString('base64')}`);
  console.error(`replay node scripts/fuzz.mjs --seed ${seed} --runs ${run + 1}`);
  process.exit(1);
}
