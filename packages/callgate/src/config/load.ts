import { realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CallgateError } from '../model/error.ts';
import type { Config, ServeConfig, ConfigRequest, PolicySource } from './config.ts';
import { readConfigDocument } from './config-document.ts';
import { ConfigError } from './issues.ts';
import type { Issue } from './issues.ts';
import { environmentLayer, fileLayer, flagLayer, projectLayer, tightening, withPolicyBeside } from './layers.ts';
import type { ConfigFile, Fill, Layer } from './layers.ts';
import { filesToWatch, INCLUDE_WORDS, isInside, leadsOut, readFileSet } from './project.ts';
import type { FileSet } from './project.ts';
import { readTextFile, sha256 } from './read.ts';
import { resolveAll, resolveServers } from './resolve.ts';
import type { Resolved, Servers } from './resolve.ts';
import { changesOf, changesText, readTrust, trustOf, trustPath } from './trust.ts';
import type { TrustRecord, TrustState } from './trust.ts';
import { fillIn } from './values.ts';

/**
 * Loads the settings: flag > environment > project file (trusted) > home file > default. Reads each file once.
 * @throws ConfigError with every issue found; a bad file never means defaults. CallgateError when a file cannot be read.
 */
export async function loadConfig(request: ConfigRequest): Promise<Config> {
  const issues: Issue[] = [];
  const notices: string[] = [];
  const cwd = realpathSync(request.cwd);
  const variables = { ...request.env, PROJECT: cwd };
  const fill: Fill = (written, text) => {
    const filled = fillIn(text, variables);
    for (const name of filled.unset) {
      const remedy = `Set ${name}, or write $\${${name}} for the plain text.`;
      issues.push({
        code: 'CG_CONFIG_UNSET_VARIABLE',
        message: `\${${name}} has no value.`,
        remedy,
        place: written.place,
      });
    }
    return filled.text;
  };

  const homeFile = await readConfigFile(join(request.home, 'callgate.yaml'), request.home, issues);
  const homeLayer = withPolicyBeside(fileLayer('home', homeFile, fill), request.home);
  const named = request.flags['config'] ?? request.env['CALLGATE_CONFIG'];
  const chosen = named === undefined ? undefined : await readChosenFile(resolve(cwd, named), request.home, issues);
  const chosenFile = fileLayer('file', chosen, fill);
  const chosenLayer = chosen === undefined ? chosenFile : withPolicyBeside(chosenFile, dirname(chosen.path));
  const set = named === undefined ? await readFileSet(cwd, request.home) : undefined;
  const accepted = set === undefined ? undefined : readTrust(request.home, set.root);
  const trust = set === undefined ? 'none' : trustOf(set, accepted);
  issues.push(...(set?.issues ?? []));
  notices.push(...(set?.notices ?? []));

  const projectFile = trust === 'trusted' ? fileOf(set) : undefined;
  const layers: Layer[] = [
    homeLayer,
    ...(trust === 'changed' ? [tightening(await acceptedFile(set!, accepted!, request.home))] : []),
    ...(trust === 'changed' || trust === 'untrusted' ? [tightening(fileOf(set))] : []),
    projectLayer(set, accepted, trust, projectFile, fill),
    chosenLayer,
    environmentLayer(request.env, cwd, issues),
    flagLayer(request.flags, cwd, issues),
  ];
  const lock = homeFile?.document.lock.map(({ key }) => key) ?? [];
  refuseForeignLocks([projectFile, chosen], issues);
  const resolved = resolveAll(layers, lock, issues);
  const above = chosen === undefined ? 'project' : 'file';
  const servers = resolveServers(homeFile, chosen ?? projectFile, above, lock, fill, issues);
  if (set !== undefined) refuseLinksOut(set.root, servers, issues);
  if (issues.length > 0) throw new ConfigError(issues);
  return assemble({ request, cwd, set, accepted, trust, resolved, servers, notices, chosen: chosen?.path });
}

async function readConfigFile(path: string, home: string, issues: Issue[]): Promise<ConfigFile | undefined> {
  const file = readTextFile(path);
  if (file === undefined) return undefined;
  const parsed = await readConfigDocument(file, home);
  issues.push(...parsed.issues);
  return { path, document: parsed.document };
}

async function readChosenFile(path: string, home: string, issues: Issue[]): Promise<ConfigFile> {
  const file = await readConfigFile(path, home, issues);
  if (file !== undefined) return file;
  throw new CallgateError('CG_CONFIG_UNREADABLE', `The config file ${path} is not there.`, {
    remedy: 'Name a file that exists, or leave --config out.',
  });
}

function fileOf(set: FileSet | undefined): ConfigFile | undefined {
  return set?.config === undefined || set.document === undefined
    ? undefined
    : { path: set.config.path, document: set.document };
}

/** The callgate.yaml as the user accepted it, when it has changed since. */
async function acceptedFile(set: FileSet, accepted: TrustRecord, home: string): Promise<ConfigFile | undefined> {
  const text = accepted.files.find(({ name }) => name === 'callgate.yaml')?.text;
  if (text === undefined) return undefined;
  const path = join(set.root, 'callgate.yaml');
  const { document } = await readConfigDocument({ path, text, sha256: '' }, home);
  return { path, document };
}

function refuseForeignLocks(files: readonly (ConfigFile | undefined)[], issues: Issue[]): void {
  for (const file of files) {
    const first = file?.document.lock[0];
    if (first === undefined) continue;
    const remedy = 'Move it to callgate.yaml in the home.';
    issues.push({
      code: 'CG_CONFIG_LOCKED',
      message: 'lock counts in the home file alone.',
      remedy,
      place: first.place,
    });
  }
}

/** A link is no part of what was accepted: where it leads, and what a server then gets to read, could change after that. */
function refuseLinksOut(root: string, { servers, sources }: Servers, issues: Issue[]): void {
  for (const [name, server] of Object.entries(servers)) {
    const source = sources[`servers.${name}`];
    if (server.kind !== 'url' || source?.from !== 'project') continue;
    const { ca, cert, key } = server.tls;
    for (const file of [...Object.values(server.headerFiles), ca, cert, key]) {
      if (file === undefined || !leadsOut(root, file)) continue;
      issues.push({
        code: 'CG_CONFIG_BAD_VALUE',
        message: `${file}, which servers.${name} names, is a link that leads out of the project.`,
        remedy: 'Name the file where it lies: callgate trust shows that.',
        ...(source.place === undefined ? {} : { place: source.place }),
      });
    }
  }
}

interface Parts {
  readonly request: ConfigRequest;
  readonly cwd: string;
  readonly set: FileSet | undefined;
  readonly accepted: TrustRecord | undefined;
  readonly trust: TrustState;
  readonly resolved: Resolved;
  readonly servers: Servers;
  readonly notices: readonly string[];
  readonly chosen: string | undefined;
}

function assemble(parts: Parts): Config {
  const { request, cwd, set, trust, resolved, servers } = parts;
  const { values } = resolved;
  const policy = values['policy'] as string | undefined;
  const dir = values['evidence.dir'] as string | undefined;
  const organisation = values['organisation.policy'] as string | undefined;
  const policies = projectPolicies(parts);
  const watched = new Set([join(request.home, 'callgate.yaml'), join(request.home, 'policy.yaml')]);
  for (const file of set === undefined ? [] : filesToWatch(set)) watched.add(file);
  for (const file of [policy, organisation, parts.chosen]) if (file !== undefined) watched.add(file);
  return {
    home: request.home,
    cwd,
    ...(policy === undefined ? {} : { policy }),
    evidence: {
      durability: values['evidence.durability'] as Config['evidence']['durability'],
      required: values['evidence.required'] as boolean,
      ...(dir === undefined ? {} : { dir }),
    },
    servers: servers.servers,
    refusal: values['refusal'] as Config['refusal'],
    limits: {
      messageBytes: values['limits.messageBytes'] as number,
      depth: values['limits.depth'] as number,
      keys: values['limits.keys'] as number,
      inFlight: values['limits.inFlight'] as number,
      perMinute: values['limits.perMinute'] as number,
      toolPerMinute: values['limits.toolPerMinute'] as number,
      principalPerMinute: values['limits.principalPerMinute'] as number,
    },
    breaker: {
      transportErrors: values['breaker.transportErrors'] as number,
      toolErrors: values['breaker.toolErrors'] as number,
      window: values['breaker.window'] as number,
      pause: values['breaker.pause'] as number,
    },
    log: {
      level: values['log.level'] as Config['log']['level'],
      format: values['log.format'] as Config['log']['format'],
    },
    fail: values['fail'] as Config['fail'],
    lists: { filter: values['lists.filter'] as boolean },
    serve: serveOf(values),
    organisation: organisation === undefined ? {} : { policy: organisation },
    trust,
    sources: Object.assign(resolved.sources, servers.sources),
    written: Object.assign(resolved.written, servers.written),
    ...policies,
    notices: [...parts.notices, ...noticesOf(parts, policies)],
    watched: [...watched],
    polled: [trustPath(request.home)],
  };
}

function serveOf(values: Resolved['values']): ServeConfig {
  const text = (key: string) => values[`serve.${key}`] as string | undefined;
  const number = (key: string) => values[`serve.${key}`] as number;
  const list = (key: string) =>
    (text(key) ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  const [tlsCert, tlsKey, clientCa] = [text('tlsCert'), text('tlsKey'), text('clientCa')];
  return {
    host: text('host') ?? '127.0.0.1',
    port: number('port'),
    auth: text('auth') as ServeConfig['auth'],
    hosts: list('hosts'),
    origins: list('origins'),
    ...(tlsCert && { tlsCert }),
    ...(tlsKey && { tlsKey }),
    ...(clientCa && { clientCa }),
    sse: values['serve.sse'] as boolean,
    names: text('names') as ServeConfig['names'],
    sessions: number('sessions'),
    sessionIdle: number('sessionIdle'),
    inFlight: number('inFlight'),
  };
}

interface ProjectPolicies {
  readonly policyText?: PolicySource;
  readonly untrustedPolicy?: PolicySource;
}

/** Which text of the project is the policy, and which may only tighten. */
function projectPolicies({ set, accepted, trust, resolved }: Parts): ProjectPolicies {
  const now = set?.policy === undefined ? undefined : sourceOf(set.policy.path, set.policy.text, set.included);
  if (set === undefined || trust === 'none') return {};
  if (trust === 'trusted') {
    if (now === undefined) return {};
    return resolved.policyHeldBack ? { untrustedPolicy: now } : { policyText: now };
  }
  const old = accepted?.files.find(({ name }) => name === accepted.policy);
  const before = (accepted?.files ?? []).map(({ name, text }) => ({ path: resolve(set.root, name), text }));
  const oldSource = old === undefined ? undefined : sourceOf(resolve(set.root, old.name), old.text, before);
  const isNew = now !== undefined && (now.text !== old?.text || set.included.some((file) => !isAmong(file, before)));
  const tightens = isNew && isInside(set.root, now.file) ? now : undefined;
  return {
    ...(oldSource === undefined || resolved.policyHeldBack ? {} : { policyText: oldSource }),
    ...(tightens === undefined ? {} : { untrustedPolicy: tightens }),
  };
}

interface PathAndText {
  readonly path: string;
  readonly text: string;
  readonly sha256?: string;
}

/** A policy of the project with all that it may include. */
function sourceOf(file: string, text: string, included: readonly PathAndText[]): PolicySource {
  const may = INCLUDE_WORDS.test(text) ? included : [];
  const files = may.map((other) => ({
    file: other.path,
    text: other.text,
    sha256: other.sha256 ?? sha256(other.text),
  }));
  return files.length === 0 ? { file, text } : { file, text, included: files };
}

function isAmong(file: PathAndText, files: readonly PathAndText[]): boolean {
  return files.some(({ path, text }) => path === file.path && text === file.text);
}

function noticesOf({ set, accepted, trust, resolved }: Parts, { untrustedPolicy }: ProjectPolicies): string[] {
  const notices: string[] = [];
  // A policy that a flag or variable names is the user's own word: what the project says of policies does not count then.
  const isChosen = ['flag', 'environment'].includes(resolved.sources['policy']?.from ?? '');
  const isPolicy = (name: string): boolean => name !== set?.config?.name;
  const counting = set?.files.filter(({ name }) => !(isChosen && isPolicy(name))) ?? [];
  if (trust === 'untrusted' && counting.length > 0) {
    const names = counting.map(({ name }) => name).join(', ');
    notices.push(`${names} in ${set!.root} can only tighten until you trust it. Look at it with: callgate trust`);
    const isLeftOut = !isChosen && set!.policy !== undefined && untrustedPolicy === undefined;
    if (isLeftOut) notices.push(`${set!.policy!.name} lies outside the project and does not count until then.`);
  }
  if (trust === 'changed') {
    const changes = changesOf(set!, accepted!).filter(({ name }) => !(isChosen && name !== 'callgate.yaml'));
    const what = changes.length === 0 ? '' : `${changesText(changes)} in ${set!.root} since you trusted it: `;
    if (what !== '')
      notices.push(
        `${what}what you trusted stays in force, the change can only tighten. Look at it with: callgate trust`,
      );
  }
  if (resolved.policyHeldBack) notices.push(`The home locks policy: the policy of ${set!.root} can only tighten.`);
  if (resolved.values['fail'] === 'open') notices.push('fail is open: calls pass when Callgate itself is at fault.');
  if (resolved.values['evidence.required'] === false) {
    notices.push('evidence.required is false: calls pass when their evidence cannot be written.');
  }
  return notices;
}
