// The clients: how each is told of the gate and of the model, and how its answer is read. A client's home is a directory of
// its own, its telemetry and updates are off.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './processes.mjs';

/** What every client calls the gate. */
export const SERVER = 'gw';

/**
 * @typedef {object} Bench
 * @property {string} dir where the client works
 * @property {string} home its home
 * @property {string} modelUrl the model's address
 * @property {{ command: string[] } | { url: string, bearer: string }} gate how the gate is reached
 * @property {readonly { tool: string, args: object }[]} script what is to be called, by the names that the gate offers
 * @property {Record<string, string>} env
 * @property {() => number} ms the time that is left
 */

/** An agent is given one prompt; what it was shown stands in the model's turns. The Inspector calls by itself. */
export const CLIENTS = [
  {
    name: 'inspector, legacy',
    package: 'inspector',
    era: 'legacy',
    drive: (command, bench) => inspect(command, bench, 'legacy'),
  },
  {
    name: 'inspector, modern',
    package: 'inspector',
    era: 'modern',
    drive: (command, bench) => inspect(command, bench, 'modern'),
  },
  { name: 'claude-code', package: 'claude-code', era: 'legacy', isAgent: true, drive: claudeCode },
  { name: 'codex', package: 'codex', era: 'legacy', isAgent: true, drive: codex },
  { name: 'gemini-cli', package: 'gemini-cli', era: 'legacy', isAgent: true, drive: geminiCli },
];

const PROMPT = 'Do what you have to do.';

async function claudeCode(command, { dir, home, modelUrl, gate, script, env, ms }) {
  const config = join(home, 'mcp.json');
  writeFileSync(config, JSON.stringify({ mcpServers: { [SERVER]: entryOf(gate) } }));
  const allowed = script.map(({ tool }) => `mcp__${SERVER}__${tool}`).join(',');
  return run([...command, '-p', PROMPT, '--mcp-config', config, '--strict-mcp-config', '--allowedTools', allowed], {
    cwd: dir,
    ms: ms(),
    env: {
      ...env,
      ANTHROPIC_BASE_URL: modelUrl,
      ANTHROPIC_API_KEY: 'none',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      DISABLE_ERROR_REPORTING: '1',
      DISABLE_TELEMETRY: '1',
      // Its first turn waits for the servers, and long enough for a busy machine.
      MCP_CONNECTION_NONBLOCKING: 'false',
      MCP_CONNECT_TIMEOUT_MS: '30000',
    },
  });
}

async function codex(command, { dir, home, modelUrl, gate, env, ms }) {
  const codexHome = join(home, '.codex');
  const server =
    'url' in gate
      ? [`url = ${toml(gate.url)}`, `http_headers = { Authorization = ${toml(`Bearer ${gate.bearer}`)} }`]
      : [`command = ${toml(gate.command[0])}`, `args = ${toml(gate.command.slice(1))}`];
  mkdirSync(codexHome);
  writeFileSync(
    join(codexHome, 'config.toml'),
    [
      'model = "scripted"',
      'model_provider = "scripted"',
      'approval_policy = "never"',
      'check_for_update_on_startup = false',
      '[analytics]',
      'enabled = false',
      '[model_providers.scripted]',
      'name = "scripted"',
      `base_url = ${toml(`${modelUrl}/v1`)}`,
      'wire_api = "responses"',
      'env_key = "MODEL_KEY"',
      `[mcp_servers.${SERVER}]`,
      ...server,
      'default_tools_approval_mode = "approve"',
      // Its first turn waits for a server that is required, and goes on without any other that is slow.
      'required = true',
      'startup_timeout_sec = 30',
      '',
    ].join('\n'),
  );
  return run([...command, 'exec', '--skip-git-repo-check', PROMPT], {
    cwd: dir,
    ms: ms(),
    env: { ...env, CODEX_HOME: codexHome, MODEL_KEY: 'none' },
  });
}

async function geminiCli(command, { dir, home, modelUrl, gate, env, ms }) {
  const { type: _, url, ...entry } = entryOf(gate);
  mkdirSync(join(home, '.gemini'));
  writeFileSync(
    join(home, '.gemini/settings.json'),
    JSON.stringify({
      security: { auth: { selectedType: 'gemini-api-key' } },
      general: { enableAutoUpdate: false, enableAutoUpdateNotification: false },
      privacy: { usageStatisticsEnabled: false },
      telemetry: { enabled: false },
      mcpServers: { [SERVER]: { ...entry, ...(url && { httpUrl: url }), trust: true } },
    }),
  );
  return run([...command, '-p', PROMPT, '-m', 'gemini-2.5-flash', '--approval-mode', 'yolo'], {
    cwd: dir,
    ms: ms(),
    env: {
      ...env,
      GOOGLE_GEMINI_BASE_URL: modelUrl,
      GEMINI_API_KEY: 'none',
      GEMINI_CLI_TRUST_WORKSPACE: 'true',
      GEMINI_TELEMETRY_ENABLED: 'false',
    },
  });
}

/** Lists, then makes each call of the script; `seen` is what it printed. An `isError` result is its exit code 5. */
async function inspect(command, { dir, home, gate, script, env, ms }, era) {
  const config = join(home, 'mcp.json');
  writeFileSync(config, JSON.stringify({ mcpServers: { [SERVER]: entryOf(gate) } }));
  const ask = async (...args) =>
    run(
      [...command, '--cli', '--config', config, '--server', SERVER, '--protocol-era', era, '--format', 'json', ...args],
      { cwd: dir, ms: ms(), env: { ...env, MCP_INSPECTOR_SECRET_STORE: 'memory' } },
    );
  const list = await ask('--method', 'tools/list');
  if (list.code !== 0) return list;
  const tools = JSON.parse(list.stdout).result.tools.map(({ name }) => name);
  const results = [];
  for (const { tool, args } of script) {
    const call = await ask('--method', 'tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(args));
    const seen = { tools, results };
    if (call.code !== 0 && call.code !== IS_ERROR) return { ...call, seen };
    const { content, isError = false } = JSON.parse(call.stdout).result;
    if (isError !== (call.code === IS_ERROR))
      return { ...call, seen, stderr: `isError: ${isError}, but exit ${call.code}` };
    results.push(content.map(({ text }) => text).join('\n'));
  }
  return { ...list, seen: { tools, results } };
}

const IS_ERROR = 5;

function entryOf(gate) {
  if ('url' in gate) return { type: 'http', url: gate.url, headers: { Authorization: `Bearer ${gate.bearer}` } };
  return { command: gate.command[0], args: gate.command.slice(1) };
}

/** Texts and lists of texts in JSON are TOML, too. */
const toml = (value) => JSON.stringify(value);
