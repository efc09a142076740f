// Runs the frozen sets of the official MCP suite and prints a table; exits 0 when every scored scenario passes:
//
//   node scripts/conformance.mjs --url http://127.0.0.1:4200/mcp [--set 2026-07-28]       a server, or a gate before one
//   node scripts/conformance.mjs --client 'node client.mjs' [--set ...] [--only REGEX]    a client; the URL is appended
//
// What the suite writes goes below .conformance/ (--out names another directory). `--all` lists what passed, too.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { clientSet, failuresAmong, scenariosOf, serverSet, SETS } from '../test/conformance/suite.mjs';

const text = { type: 'string' };
const { values } = parseArgs({
  options: { url: text, client: text, set: text, only: text, out: text, all: { type: 'boolean' } },
});
const sets = values.set === undefined ? SETS : [values.set];
const only = new RegExp(values.only ?? '');
if ((values.url === undefined) === (values.client === undefined) || !sets.every((set) => SETS.includes(set))) {
  console.error(`conformance: needs --url URL or --client COMMAND; --set is ${SETS.join(' or ')}.`);
  process.exit(2);
}

let isGood = true;
for (const set of sets) {
  const leg = values.url === undefined ? 'client' : 'server';
  const out = resolve(values.out ?? '.conformance', `${leg}-${String(set)}`);
  const results =
    leg === 'server'
      ? await serverSet(values.url, set, out)
      : await clientSet(values.client, set, out, (name) => only.test(name));
  report(set, leg, results);
}
process.exitCode = isGood ? 0 : 1;

function report(set, leg, results) {
  const { scored, unscored } = scenariosOf(set, leg);
  const asked = leg === 'client' ? scored.filter((name) => only.test(name)) : scored;
  const failures = failuresAmong(asked, results);
  const width = Math.max(...[...scored, ...unscored].map((name) => name.length)) + 2;
  const sum = { passed: 0, failed: 0, warned: 0 };
  console.log(`\n${leg} set ${set}`);
  for (const [name, { passed, failed, warned }] of [...results].sort(([a], [b]) => a.localeCompare(b))) {
    sum.passed += passed.length;
    sum.failed += failed.length;
    sum.warned += warned.length;
    if (!values.all && failed.length + warned.length === 0) continue;
    const counts = `${passed.length} passed, ${failed.length} failed, ${warned.length} warned`;
    console.log(`  ${name.padEnd(width)}${counts}${scored.includes(name) ? '' : ' (not scored)'}`);
    for (const line of [...failed, ...warned]) console.log(`    ${line.slice(0, 220)}`);
  }
  const missing = failures.filter((name) => !results.has(name));
  if (missing.length > 0) console.log(`  did not run: ${missing.join(', ')}`);
  console.log(`  scored: ${asked.length - failures.length} of ${asked.length} scenarios`);
  console.log(`  checks: ${sum.passed} passed, ${sum.failed} failed, ${sum.warned} warned`);
  isGood &&= failures.length === 0;
}
