// The pinned clients, each installed below node_modules/.cache so that the project itself depends on none of them.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { run } from './processes.mjs';

const CACHE = resolve(import.meta.dirname, '../../node_modules/.cache/callgate-agents');
const INSTALL_MS = 300_000;
const HOST = `${process.platform}-${process.arch}`;
const LIBC =
  process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime === undefined ? '-musl' : '';

/** The Inspector wants a newer Node than the project does; npm has some as packages. */
const INSPECTOR_NODE = [22, 19];
const NODE = { 'linux-x64': '24.9.0' };

const CLAUDE = `@anthropic-ai/claude-code-${HOST}${LIBC}`;

/** What to install for a client, and how it is started from the directory that it is installed in. */
const PACKAGES = {
  inspector: {
    specs: ['@modelcontextprotocol/inspector@2.12.0'],
    command: async (dir) => [
      await newNode(),
      join(dir, '@modelcontextprotocol/inspector/clients/launcher/build/index.js'),
    ],
  },
  // The package of the platform holds the program; the other one would only put it in place with an install script.
  'claude-code': { specs: [`${CLAUDE}@2.1.197`], command: (dir) => [join(dir, CLAUDE, 'claude')] },
  codex: {
    specs: ['@openai/codex@0.169.0'],
    command: (dir) => [process.execPath, join(dir, '@openai/codex/bin/codex.js')],
  },
  'gemini-cli': {
    specs: ['@google/gemini-cli@0.61.0'],
    command: (dir) => [process.execPath, join(dir, '@google/gemini-cli/bundle/gemini.js')],
  },
};

/**
 * Installs a client if it is not there yet.
 * @param {string} name a key of the table above
 * @returns {Promise<string[]>} its command line, less its arguments
 * @throws NotInstallable with one line that says why
 */
export async function installed(name) {
  const { specs, command } = PACKAGES[name];
  return command(await install(name, specs));
}

/** No fault of Callgate: the client cannot be had on this machine. */
export class NotInstallable extends Error {}

async function install(name, specs) {
  const dir = join(CACHE, name);
  const stamp = join(dir, 'installed.json');
  const wanted = JSON.stringify(specs);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return join(dir, 'node_modules');
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'package.json'), '{ "private": true }\n');
  const npm = ['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--no-package-lock'];
  const { code, stderr } = await run([...npm, ...specs], { cwd: dir, env: process.env, ms: INSTALL_MS });
  if (code !== 0) {
    const why =
      stderr.split('\n').find((line) => /^npm (error|ERR!) (?!code|syscall|errno|A complete)/.test(line)) ??
      stderr.trim();
    throw new NotInstallable(
      code === undefined ? `npm took longer than ${INSTALL_MS / 1000} s` : `${specs.join(', ')}: ${why}`,
    );
  }
  writeFileSync(stamp, wanted);
  return join(dir, 'node_modules');
}

async function newNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > INSPECTOR_NODE[0] || (major === INSPECTOR_NODE[0] && minor >= INSPECTOR_NODE[1])) return process.execPath;
  const version = NODE[HOST];
  if (version === undefined)
    throw new NotInstallable(`it needs Node ${INSPECTOR_NODE.join('.')}, which npm does not have for ${HOST}`);
  const dir = await install(`node-${version}`, [`node-${HOST}@${version}`]);
  return join(dir, `node-${HOST}`, 'bin/node');
}
