// The gate in front of real servers, in the ways a client reaches it, and what its log says afterwards.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, start, stop } from './processes.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const CLI = process.env.GATE_UNDER_TEST ?? join(ROOT, 'packages/callgate/dist/cli.js');
const COMMAND_MS = 15_000;

/** The tool that is denied for one of its arguments stays listed; what the policy never lets pass is not. */
const POLICY = `version: 1
default: deny
rules:
  - id: no-chicago
    match: { server: everything, tool: get-structured-content }
    args:
      location: { in: [Chicago] }
    effect: deny
    reason: The weather of Chicago is for a person to look up.
  - id: harmless
    match: { server: everything, tool: [echo, get-sum, get-structured-content] }
    effect: allow
`;

/** Two calls that pass and one that is denied: `shows` is what the client is to be shown, `logs` what the log is to say. */
export const SCRIPT = [
  {
    tool: 'echo',
    args: { message: 'Through the gate, "quoted" & \u00fcml\u00e4ut' },
    shows: ['Through the gate, "quoted" & \u00fcml\u00e4ut'],
    logs: 'allow by harmless: ok',
  },
  { tool: 'get-sum', args: { a: 2, b: 40 }, shows: ['The sum of 2 and 40 is 42.'], logs: 'allow by harmless: ok' },
  {
    tool: 'get-structured-content',
    args: { location: 'Chicago' },
    shows: ['no-chicago', 'The weather of Chicago is for a person to look up.'],
    logs: 'deny by no-chicago: null',
  },
];
/** Offered by the server, hidden by the gate. */
export const HIDDEN = 'get-env';

/** How a client reaches the gate. `prefix` is what stands before the names of tools. */
export const WAYS = [
  { name: 'stdio: run -- command', prefix: '', eras: ['legacy'], open: openCommand },
  { name: 'stdio: run, two servers', prefix: 'everything__', eras: ['legacy', 'modern'], open: openMany },
  { name: 'http: serve', prefix: '', eras: ['legacy', 'modern'], open: openServe },
];

/** Writes policy and settings of a gate below a directory. `env` is that of every program of the run. */
export function layGate(dir, env) {
  const home = join(dir, 'gate');
  mkdirSync(home, { mode: 0o700 });
  writeFileSync(join(dir, 'policy.yaml'), POLICY);
  const memory = join(dir, 'memory.jsonl');
  writeFileSync(
    join(home, 'callgate.yaml'),
    JSON.stringify({
      version: 1,
      policy: join(dir, 'policy.yaml'),
      servers: {
        everything: commandOf(serverOf('everything', 'stdio')),
        memory: { ...commandOf(serverOf('memory')), env: { MEMORY_FILE_PATH: memory } },
      },
    }),
  );
  return { dir, home, env };
}

const commandOf = ([command, ...args]) => ({ command, args });

function serverOf(name, ...args) {
  const home = join(ROOT, 'node_modules/@modelcontextprotocol', `server-${name}`);
  const { bin } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
  return [process.execPath, join(home, Object.values(bin)[0]), ...args];
}

async function openCommand({ home }) {
  const server = serverOf('everything', 'stdio');
  const command = [process.execPath, CLI, 'run', '--home', home, '--name', 'everything', '--', ...server];
  return { reach: { command }, close: async () => [] };
}

async function openMany({ home }) {
  return { reach: { command: [process.execPath, CLI, 'run', '--home', home] }, close: async () => [] };
}

/** A gate that serves on a free port until it is closed; `close` says what was wrong with its end. */
async function openServe({ dir, home, env }) {
  const command = [process.execPath, CLI, 'serve', '--home', home, '--port', '0', '--name', 'everything'];
  const serving = start(command, { cwd: dir, env });
  const address = /http:\/\/127\.0\.0\.1:\d+\/mcp\b/;
  for (const end = Date.now() + COMMAND_MS; !address.test(serving.output.stdout); await sleep(20)) {
    if (serving.child.exitCode === null && Date.now() < end) continue;
    await stop(serving, 0);
    throw new Error(`serve did not start: ${serving.output.stderr.trim()}`);
  }
  const bearer = readFileSync(join(home, 'keys/serve.key'), 'utf8').trim();
  return {
    reach: { url: address.exec(serving.output.stdout)[0], bearer },
    async close() {
      const code = await stop(serving, COMMAND_MS);
      return code === 0 ? [] : [`serve ended with ${code ?? 'a signal'}: ${serving.output.stderr.trim()}`];
    },
  };
}

/** @returns what is wrong with the log of a gate after the script, a sentence each */
export async function faultsOfLog({ dir, home, env }) {
  const callgate = async (...args) =>
    run([process.execPath, CLI, ...args, '--home', home], { cwd: dir, env, ms: COMMAND_MS });
  const logs = await callgate('logs', '--json', '--limit', '1000');
  if (logs.code !== 0) return [`logs ended with ${logs.code}: ${logs.stderr.trim()}`];
  const calls = logs.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .filter(({ method }) => method === 'tools/call')
    .map((call) => [
      `${call.serverName}/${call.toolName}`,
      JSON.stringify(sorted(call.arguments)),
      `${call.decision} by ${call.matchedRule}: ${call.status}`,
    ]);
  const wanted = SCRIPT.map(({ tool, args, logs }) => [`everything/${tool}`, JSON.stringify(sorted(args)), logs]);
  const verify = await callgate('audit', 'verify');
  return [
    ...(JSON.stringify(calls) === JSON.stringify(wanted)
      ? []
      : [`the log has ${calls.map((c) => c.join(' ')).join('; ') || 'no calls'}`]),
    ...(verify.code === 0 ? [] : [`audit verify ended with ${verify.code}: ${(verify.stdout + verify.stderr).trim()}`]),
  ];
}

const sorted = (record) => Object.entries(record ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));

/** Whether a gate of this home was ended before it closed its log, which the log then says: some clients end servers roughly. */
export function isUnclosed({ home }) {
  const tiles = join(home, 'evidence/tile/entries');
  if (!existsSync(tiles)) return false;
  return readdirSync(tiles, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .some((entry) =>
      readFileSync(join(entry.parentPath ?? dirname(entry.path), entry.name)).includes('"type":"recovery"'),
    );
}
