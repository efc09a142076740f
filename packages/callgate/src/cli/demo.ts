import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CallgateError } from '../model/error.ts';
import { openClient, type DemoAnswer, type DemoClient } from './demo/client.ts';
import { makeScene, steps, type Scene, type Step } from './demo/scene.ts';
import { EXIT, parseFlags, type Io } from './terminal.ts';

const SERVERS = {
  files: { package: '@modelcontextprotocol/server-filesystem', args: (scene: Scene) => [scene.root] },
  everything: { package: '@modelcontextprotocol/server-everything', args: () => ['stdio'] },
} as const;

/** What one call of the demo came to: the client's view beside the evidence's. */
interface Line {
  readonly step: Step;
  readonly verdict: string;
  readonly rule: string;
  /** Why not; of what was allowed, what came back. */
  readonly why: string;
}

/**
 * `callgate demo`: the gate in front of two real MCP servers, twelve real calls, then the log they left.
 * Resolves 0 when every call came out as it should and the log verifies, else 1.
 * Throws CG_DEMO_SERVERS when the servers are not installed.
 */
export async function demoCommand(argv: readonly string[], io: Io): Promise<number> {
  const flags = parseFlags(argv, { keep: true });
  const scene = makeScene();
  const say = (text = ''): void => void io.stdout.write(`${text}\n`);
  try {
    say('Callgate stands between a client and two real MCP servers (filesystem, everything).');
    say(`Policy: ${scene.policy}\n`);
    const answers = await playAll(scene, io);
    const lines = await explain(scene, answers, io);
    say(table(lines));
    say();
    say('The log of these decisions, checked from the bytes on disk:');
    const verified = await callgate(['audit', 'verify', '--home', scene.home], io);
    say(indent(verified.out || verified.err));
    const failed = lines.filter((line) => !line.verdict.startsWith(line.step.expect));
    for (const line of failed)
      say(`unexpected: ${line.step.tool} should have been ${line.step.expect}, was ${line.verdict}`);
    say(
      `\nNext: callgate init writes a policy here; callgate run -- <server command> puts the gate in front of your server.`,
    );
    return failed.length === 0 && verified.code === 0 ? EXIT.ok : EXIT.failed;
  } finally {
    if (!flags.switches.has('keep')) rmSync(scene.root, { recursive: true, force: true });
  }
}

async function playAll(scene: Scene, io: Io): Promise<{ step: Step; answer: DemoAnswer }[]> {
  const clients = new Map<Step['server'], DemoClient>();
  try {
    for (const server of ['files', 'everything'] as const) clients.set(server, await gated(server, scene, io));
    const answers: { step: Step; answer: DemoAnswer }[] = [];
    for (const step of steps(scene)) {
      const client = clients.get(step.server) as DemoClient;
      answers.push({ step, answer: await client.call(step.tool, step.args) });
    }
    return answers;
  } finally {
    for (const client of clients.values()) await client.close();
  }
}

function gated(server: Step['server'], scene: Scene, io: Io): Promise<DemoClient> {
  const { package: name, args } = SERVERS[server];
  const command = [...program(), 'run', '--policy', scene.policy, '--name', server, '--log-level', 'error', '--'];
  const env = { ...io.env, CALLGATE_HOME: scene.home };
  return openClient([...command, process.execPath, installed(name, io.cwd), ...args(scene)], env, scene.project);
}

/** Ourselves, as a command. */
function program(): string[] {
  return [process.execPath, process.argv[1] as string];
}

/** Finds a server's program among the installed packages, from the working directory and from ourselves upwards. */
function installed(name: string, cwd: string): string {
  for (const start of [cwd, dirname(fileURLToPath(import.meta.url))]) {
    for (let at = start; ; at = dirname(at)) {
      const program = join(at, 'node_modules', name, 'dist', 'index.js');
      if (existsSync(program)) return program;
      if (dirname(at) === at) break;
    }
  }
  throw new CallgateError('CG_DEMO_SERVERS', `The demo's server ${name} is not installed.`, {
    remedy: `Run: npm install ${Object.values(SERVERS)
      .map((server) => server.package)
      .join(' ')}`,
  });
}

/** Joins each answer with its record in the log. */
async function explain(scene: Scene, answers: readonly { step: Step; answer: DemoAnswer }[], io: Io): Promise<Line[]> {
  const logs = await callgate(['logs', '--home', scene.home, '--json', '--limit', '500'], io);
  const records = logs.out
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as LogLine)
    .filter((record) => record.method === 'tools/call');
  return answers.map(({ step, answer }) => {
    const at = records.findIndex((record) => record.serverName === step.server && record.toolName === step.tool);
    const [record] = at < 0 ? [] : records.splice(at, 1);
    return {
      step,
      verdict: verdictOf(record, answer),
      rule: record?.matchedRule ?? '(no record)',
      why: clip(record?.reason ?? answer.text),
    };
  });
}

/** What the demo reads of `callgate logs --json`. */
interface LogLine {
  readonly method?: string;
  readonly serverName: string;
  readonly toolName?: string;
  readonly decision: string;
  readonly matchedRule: string;
  readonly reason: string | null;
  readonly redactions: number;
}

function verdictOf(record: LogLine | undefined, answer: DemoAnswer): string {
  if (record === undefined) return 'not recorded';
  switch (record.decision) {
    case 'allow':
      if (record.redactions > 0) return 'redacted';
      return answer.ok ? 'allowed' : 'allowed (tool error)';
    case 'ask':
      return 'asked';
    default:
      return 'denied';
  }
}

function table(lines: readonly Line[]): string {
  const head = ['#', 'server', 'tool', 'with', 'verdict', 'rule', 'why, or what came back'];
  const rows = lines.map((line, index) => [
    String(index + 1),
    line.step.server,
    line.step.tool,
    line.step.shown,
    line.verdict,
    line.rule,
    line.why,
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] as string).length)),
  );
  const text = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join('  ')
      .trimEnd();
  return [text(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(text)].join('\n');
}

function clip(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length <= 72 ? line : `${line.slice(0, 71)}…`;
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}

function callgate(args: readonly string[], io: Io): Promise<{ code: number; out: string; err: string }> {
  const [command, ...first] = program();
  return new Promise((resolve, reject) => {
    const child = spawn(command as string, [...first, ...args], { env: io.env, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? EXIT.internal, out, err }));
  });
}
