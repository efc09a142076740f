import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config, ConfigRequest, Source } from '../config/config.ts';
import { openHome } from '../config/home.ts';
import { loadConfig } from '../config/load.ts';
import { resolvePolicy } from '../config/policies.ts';
import { SERVER_KEYS } from '../config/settings.ts';
import { evidencePlace, rollbackFault } from '../evidence/mark.ts';
import { compileInForce } from '../gate/policy-in-force.ts';
import { databaseDriver } from '../state/database.ts';
import { CallgateError } from '../model/error.ts';
import type { Place } from '../model/error.ts';
import { isSecretName, MASK, maskArguments, maskText } from '../observe/mask.ts';
import { EXIT, parseFlags, printable, table, wantsColour, withHome } from './terminal.ts';
import type { Io } from './terminal.ts';
import { nodeTooOld, VERSION } from './version.ts';

/** `ok`; `note`: good to know; `bad`: something does not work, and `remedy` says how to mend it. */
interface Check {
  readonly name: string;
  readonly status: 'ok' | 'note' | 'bad';
  readonly message: string;
  readonly remedy?: string;
}

/** `callgate doctor [--json] [--config-show]`: can Callgate do its work here? Exit 0 when nothing is bad, else 1. */
export async function doctorCommand(argv: string[], io: Io): Promise<number> {
  const flags = parseFlags(argv, { json: true, 'config-show': true, config: 'file', home: 'directory' });
  const extra = [...flags.words, ...(flags.rest ?? [])][0];
  if (extra !== undefined) {
    throw new CallgateError('CG_USAGE_ARGUMENT', `doctor takes no "${extra}".`, {
      remedy: 'See: callgate doctor --help',
    });
  }
  const { checks, config } = await examine(flags.values, io);
  const shown = flags.switches.has('config-show') && config !== undefined ? configRows(config) : undefined;
  const isHealthy = checks.every(({ status }) => status !== 'bad');
  io.stdout.write(flags.switches.has('json') ? asJson(isHealthy, checks, shown) : asText(isHealthy, checks, shown, io));
  return isHealthy ? EXIT.ok : EXIT.failed;
}

async function examine(
  flags: ConfigRequest['flags'],
  io: Io,
): Promise<{ checks: Check[]; config: Config | undefined }> {
  const checks = [checkNode(), checkAssurance()];
  const home = attempt(checks, 'home', () => openHome(withHome(io, flags['home'])));
  if (home === undefined) return { checks, config: undefined };
  checks.push({ name: 'home', status: 'ok', message: `${home}, yours alone` });
  const request: ConfigRequest = { flags: { config: flags['config'] }, env: io.env, cwd: io.cwd, home };
  let usesRates = false;
  const config = await attempt(checks, 'config', () => loadConfig(request));
  if (config !== undefined) {
    checks.push(checkConfig(config), checkTrust(config));
    for (const message of config.notices) checks.push({ name: 'notice', status: 'note', message });
    const policy = await attempt(checks, 'policy', () => checkPolicy(config, request));
    if (policy !== undefined) checks.push(policy.check);
    usesRates = policy?.usesRates === true;
  }
  const evidence = config?.evidence.dir ?? evidencePlace(home).dir;
  checks.push(checkWritable('evidence', evidence), checkWritable('state', join(home, 'state')));
  checks.push(checkKeys(evidencePlace(home).keysDir), checkLog(home, evidence), await checkDatabase(usesRates));
  return { checks, config };
}

/** Runs a check; what it throws becomes one bad line for each issue. */
function attempt<T>(checks: Check[], name: string, action: () => T): T | undefined;
function attempt<T>(checks: Check[], name: string, action: () => Promise<T>): Promise<T | undefined>;
function attempt<T>(
  checks: Check[],
  name: string,
  action: () => T | Promise<T>,
): T | undefined | Promise<T | undefined> {
  const report = (error: unknown): undefined => {
    checks.push(...badLines(name, error));
    return undefined;
  };
  try {
    const result = action();
    return result instanceof Promise ? result.catch(report) : result;
  } catch (error) {
    return report(error);
  }
}

function badLines(name: string, error: unknown): Check[] {
  if (!(error instanceof CallgateError))
    return [bad(name, String(error), 'Run callgate doctor --debug and report it.')];
  const issues = (error as { issues?: readonly { message: string; remedy?: string; place?: Place }[] }).issues ?? [
    error,
  ];
  return issues.map(({ message, remedy, place }) => {
    const where = place === undefined ? '' : `${place.file}:${place.line}:${place.column}: `;
    return bad(name, `${where}${message}`, remedy ?? `Look up ${error.code} in docs/errors.md.`);
  });
}

function bad(name: string, message: string, remedy: string): Check {
  return { name, status: 'bad', message, remedy };
}

function checkNode(): Check {
  const { node } = process.versions;
  const major = Number(node.split('.')[0]);
  if (nodeTooOld(node) !== undefined) return bad('node', `Node ${node} is too old.`, 'Install Node 20.19 or newer.');
  if (major > 20) return { name: 'node', status: 'ok', message: `Node ${node}, Callgate ${VERSION}` };
  const message = `Node ${node}, Callgate ${VERSION}. Node 20 gets no security fixes since April 2026`;
  return { name: 'node', status: 'note', message, remedy: 'Move to Node 24 when you can; Callgate works on both.' };
}

function checkAssurance(): Check {
  const message =
    'same-user: the agent runs as the same user as Callgate, so it could reach the home and the keys. The built-in floor is a hurdle, not a boundary';
  return {
    name: 'assurance',
    status: 'note',
    message,
    remedy: 'For a boundary, run Callgate as another user or on another host.',
  };
}

function checkConfig(config: Config): Check {
  const files = new Set(
    Object.values(config.sources).flatMap(({ place }) => (place === undefined ? [] : [place.file])),
  );
  const message = files.size === 0 ? 'no file, defaults' : [...files].join(', ');
  return { name: 'config', status: 'ok', message };
}

function checkTrust({ trust, cwd }: Config): Check {
  const name = 'trust';
  switch (trust) {
    case 'none':
      return { name, status: 'ok', message: 'this directory says nothing to Callgate' };
    case 'trusted':
      return { name, status: 'ok', message: `you trusted the files of ${cwd}` };
    default: {
      const message = trust === 'changed' ? 'the files changed since you trusted them' : 'the files are not trusted';
      return { name, status: 'note', message, remedy: 'Look at them and accept them with: callgate trust' };
    }
  }
}

async function checkPolicy(config: Config, request: ConfigRequest): Promise<{ check: Check; usesRates: boolean }> {
  const { origin, sources, organisation, untrusted } = resolvePolicy(config);
  const { policy, notices } = await compileInForce(config, request);
  const above = organisation === undefined ? '' : `; above it ${organisation.file}`;
  const more = notices.slice(config.notices.length).map((notice) => ` ${notice}`);
  const usesRates = policy.usesRates || policy.usesLabels || policy.usesHistory;
  const name = 'policy';
  if (origin === 'observe' && untrusted !== undefined) {
    const message = `none that you trust: ${untrusted.file} can refuse, all else is allowed and recorded (policy hash ${policy.hash})${above}`;
    return {
      check: { name, status: 'note', message, remedy: 'Look at it and accept it with: callgate trust' },
      usesRates,
    };
  }
  if (origin === 'observe') {
    const message = `none: the built-in observe policy allows and records everything (policy hash ${policy.hash})${above}`;
    return { check: { name, status: 'note', message, remedy: 'Write one with: callgate init' }, usesRates };
  }
  const files = sources.map(({ file }) => file).join(', ');
  const message = `${files} (${origin}, policy hash ${policy.hash})${above}`;
  const check: Check =
    more.length === 0
      ? { name, status: 'ok', message }
      : {
          name,
          status: 'note',
          message: `${message}.${more.join('')}`,
          remedy: 'Set `mode: enforce` when it is ready',
        };
  return { check, usesRates };
}

function checkWritable(name: string, directory: string): Check {
  const probe = join(directory, `.doctor-${process.pid}`);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(probe, '', { flag: 'wx', mode: 0o600 });
    rmSync(probe);
    return { name, status: 'ok', message: `${directory} can be written` };
  } catch (error) {
    const remedy = `Make ${directory} a directory that you may write to, with space left on its disk.`;
    return bad(name, `${directory} cannot be written: ${(error as Error).message}.`, remedy);
  }
}

function checkKeys(directory: string): Check {
  const name = 'keys';
  if (!existsSync(directory)) return { name, status: 'ok', message: 'none yet, made at first use' };
  const files = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isFile());
  const open = files.map((file) => join(directory, file.name)).filter((path) => (statSync(path).mode & 0o077) !== 0);
  if (process.platform === 'win32' || open.length === 0) {
    return { name, status: 'ok', message: `${files.length} in ${directory}, readable by you alone` };
  }
  const remedy = `Run: chmod 600 ${open.map((path) => `'${path}'`).join(' ')}; others may have read ${open.length > 1 ? 'them' : 'it'}.`;
  return bad(name, `Others may read ${open.join(', ')}.`, remedy);
}

/** The cheap part of `audit verify`: is the signed head there and not behind what this home has seen? */
function checkLog(home: string, directory: string): Check {
  const name = 'log';
  try {
    const fault = rollbackFault({ ...evidencePlace(home), dir: directory });
    if (fault !== undefined)
      return bad(
        name,
        `The log was rolled back: ${fault}.`,
        'Put the newest log back from its backup; `callgate audit verify` says what is missing.',
      );
    const isEmpty = !existsSync(join(directory, 'checkpoint'));
    return {
      name,
      status: 'ok',
      message: isEmpty
        ? 'empty'
        : 'its head is not behind what this home has seen (callgate audit verify checks it all)',
    };
  } catch (error) {
    const remedy = error instanceof CallgateError ? error.remedy : undefined;
    return bad(name, (error as Error).message, remedy ?? 'Run: callgate audit verify');
  }
}

/** Found by asking for the modules alone; nothing is opened. */
async function checkDatabase(isNeeded: boolean): Promise<Check> {
  const name = 'database';
  const driver = await databaseDriver();
  if (driver !== undefined) return { name, status: 'ok', message: driver };
  const remedy = 'Move to Node 22.13 or newer, or run: npm install @photostructure/sqlite';
  if (isNeeded) return bad(name, 'No SQLite driver, and the policy has rules with a rate, which need one.', remedy);
  const message = 'no SQLite driver: rules with a rate need one, and logs are read without an index';
  return { name, status: 'note', message, remedy };
}

/** One row a setting: key, value, where it came from. No secret: variables are shown unfilled, values of env and headers not at all. */
function configRows(config: Config): (readonly [key: string, value: string, source: string])[] {
  return Object.entries(config.written).flatMap(([key, written]) => {
    const ending = Object.keys(SERVER_KEYS).find((name) => key.startsWith('servers.') && key.endsWith(`.${name}`));
    const server = ending === undefined ? undefined : key.slice(0, -ending.length - 1);
    const source = sourceText(config.sources[server ?? key]);
    if (ending !== 'env' && ending !== 'headers') return [[key, shownValue(key, written), source] as const];
    const names = Object.keys(JSON.parse(written) as object);
    return names.map((name) => [`${key}.${name}`, MASK, source] as const);
  });
}

function shownValue(key: string, written: string): string {
  if (written === '') return '(none)';
  if (isSecretName(key.slice(key.lastIndexOf('.') + 1))) return MASK;
  return key.startsWith('servers.') && key.endsWith('.args')
    ? maskArguments(JSON.parse(written) as string[]).join(' ')
    : maskText(written);
}

function sourceText(source: Source | undefined): string {
  if (source === undefined) return 'default';
  const where = source.place === undefined ? source.name : `${source.place.file}:${source.place.line}`;
  return where === undefined ? source.from : `${source.from} (${where})`;
}

type Rows = ReturnType<typeof configRows>;

function asJson(isHealthy: boolean, checks: readonly Check[], rows: Rows | undefined): string {
  const config = rows?.map(([key, value, source]) => ({ key, value, source }));
  return `${JSON.stringify({ ok: isHealthy, checks, ...(config === undefined ? {} : { config }) }, null, 2)}\n`;
}

const COLOUR: Readonly<Record<Check['status'], string>> = { ok: '32', note: '33', bad: '31' };

function asText(isHealthy: boolean, checks: readonly Check[], rows: Rows | undefined, io: Io): string {
  const hasColour = wantsColour(io.stdout, io.env);
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, status, message, remedy }) => {
    const mark = hasColour ? `\u001b[${COLOUR[status]}m${status.padEnd(4)}\u001b[0m` : status.padEnd(4);
    const line = `${mark}  ${name.padEnd(width)}  ${printable(message)}`;
    return remedy === undefined || status === 'ok'
      ? [line]
      : [line, `${' '.repeat(width + 8)}do: ${printable(remedy)}`];
  });
  const settings =
    rows === undefined ? '' : `\n${printable(table(rows.map(([key, value, source]) => [key, value, source])))}\n`;
  const end = isHealthy
    ? 'Callgate can do its work here.'
    : 'Something is wrong; the lines marked bad say how to mend it.';
  return `${lines.join('\n')}\n${settings}\n${end}\n`;
}
