import { dirname, resolve } from 'node:path';
import type { ServerConfig, Source, SourceKind } from './config.ts';
import type { Written } from './document.ts';
import type { Issue } from './issues.ts';
import type { ConfigFile, Fill, Layer } from './layers.ts';
import { isAsStrict, SERVER_KEYS, SETTINGS } from './settings.ts';
import type { Value } from './settings.ts';

export interface Resolved {
  readonly values: Readonly<Record<string, Value | undefined>>;
  readonly sources: Record<string, Source>;
  readonly written: Record<string, string>;
  /** A trusted project's policy that a lock in the home keeps from replacing the home's. */
  readonly policyHeldBack: boolean;
}

/** The value of every setting: the highest layer that has one and may. */
export function resolveAll(layers: readonly Layer[], lock: readonly string[], issues: Issue[]): Resolved {
  const values = Object.create(null) as Record<string, Value | undefined>;
  const sources = Object.create(null) as Record<string, Source>;
  const written = Object.create(null) as Record<string, string>;
  let policyHeldBack = false;
  for (const [key, setting] of Object.entries(SETTINGS)) {
    const isLocked = lock.some((locked) => key === locked || key.startsWith(`${locked}.`));
    let value: Value | undefined = setting.type === 'text' ? undefined : setting.fallback;
    let source: Source = { from: 'default' };
    let text = value === undefined ? '' : String(value);
    for (const layer of layers) {
      const next = layer.values.get(key);
      if (next === undefined) continue;
      const strict = isAsStrict(setting, next.value, value);
      if (setting.type === 'text' && setting.homeOnly === true && layer.from !== 'home') {
        issues.push(homeOnlyIssue(key, next.source));
        continue;
      }
      if (layer.tightenOnly && (!strict || next.value === value)) continue;
      if (isLocked && layer.from !== 'home' && !strict) {
        if (key === 'policy' && layer.from === 'project') policyHeldBack = true;
        else issues.push(lockedIssue(key, next.source, value));
        continue;
      }
      value = next.value;
      source = next.source;
      text = next.written;
    }
    values[key] = value;
    sources[key] = source;
    written[key] = text;
  }
  return { values, sources, written, policyHeldBack };
}

function homeOnlyIssue(key: string, source: Source): Issue {
  return {
    code: 'CG_CONFIG_LOCKED',
    message: `${key} counts in the home file alone${source.name === undefined ? '' : `, not in ${source.name}`}.`,
    remedy: `Move it to callgate.yaml in the home.`,
    ...(source.place === undefined ? {} : { place: source.place }),
  };
}

function lockedIssue(key: string, source: Source, value: Value | undefined): Issue {
  const what = source.name ?? 'This file';
  return {
    code: 'CG_CONFIG_LOCKED',
    message: `${what} would weaken ${key}, which the home file locks${value === undefined ? '' : ` at ${value}`}.`,
    remedy: `Take it out, or take ${key} out of lock in the home's callgate.yaml.`,
    ...(source.place === undefined ? {} : { place: source.place }),
  };
}

export interface Servers {
  readonly servers: Record<string, ServerConfig>;
  readonly sources: Record<string, Source>;
  readonly written: Record<string, string>;
}

/** The servers of the home, and over them those of the trusted project or the file of --config. */
export function resolveServers(
  home: ConfigFile | undefined,
  above: ConfigFile | undefined,
  aboveFrom: SourceKind,
  lock: readonly string[],
  fill: Fill,
  issues: Issue[],
): Servers {
  const servers = Object.create(null) as Record<string, ServerConfig>;
  const sources = Object.create(null) as Record<string, Source>;
  const written = Object.create(null) as Record<string, string>;
  for (const file of [home, above]) {
    for (const [name, server] of file?.document.servers ?? []) {
      const source: Source = { from: file === home ? 'home' : aboveFrom, place: server.place };
      if (file !== home && (lock.includes('servers') || lock.includes(`servers.${name}`))) {
        issues.push(lockedIssue(`servers.${name}`, source, undefined));
        continue;
      }
      servers[name] = fillServer(server.keys, dirname(file!.path), fill);
      sources[`servers.${name}`] = source;
      for (const key of Object.keys(written)) if (key.startsWith(`servers.${name}.`)) delete written[key];
      for (const [key, { value }] of server.keys) {
        written[`servers.${name}.${key}`] = typeof value === 'string' ? value : JSON.stringify(value);
      }
    }
  }
  return { servers, sources, written };
}

/**
 * A server that stands in no file, with every other setting at its default.
 * @param keys what is said of it, under the keys that a file has
 */
export function serverOf(
  keys:
    | { readonly command: string; readonly args: readonly string[] }
    | { readonly url: string; readonly headers: Readonly<Record<string, string>> },
): ServerConfig {
  const written = Object.entries(keys).map(([key, value]): [string, Written] => [key, { value, place: NOWHERE }]);
  return fillServer(new Map(written), '', (_written, text) => text);
}

const NOWHERE = { file: '', line: 0, column: 0 };

function fallbackOf(key: string): Value | undefined {
  const setting = SERVER_KEYS[key];
  return setting !== undefined && 'fallback' in setting ? setting.fallback : undefined;
}

function fillServer(keys: ReadonlyMap<string, Written>, base: string, fill: Fill): ServerConfig {
  const text = (key: string) => {
    const written = keys.get(key);
    return written === undefined ? undefined : fill(written, written.value as string);
  };
  const path = (key: string) => {
    const written = text(key);
    return written === undefined ? undefined : resolve(base, written);
  };
  const list = (key: string) => {
    const written = keys.get(key);
    return ((written?.value ?? []) as readonly string[]).map((item) => fill(written!, item));
  };
  const map = (key: string, read: (value: string) => string = (value) => value) => {
    const filled = Object.create(null) as Record<string, string>;
    const written = keys.get(key);
    for (const [name, value] of Object.entries((written?.value ?? {}) as Record<string, string>))
      filled[name] = read(fill(written!, value));
    return filled;
  };
  const plain = (key: string): unknown => keys.get(key)?.value ?? fallbackOf(key);
  const prefix = text('prefix');
  const shared = {
    era: plain('era') as ServerConfig['era'],
    ...(prefix === undefined ? {} : { prefix }),
    timeoutMs: (plain('timeout') as number) * 1000,
    trust: { annotations: plain('trust.annotations') as boolean },
  };
  const url = text('url');
  if (url !== undefined) {
    const [ca, cert, key] = [path('ca'), path('cert'), path('key')];
    return {
      kind: 'url',
      url,
      transport: plain('transport') as 'streamable' | 'sse',
      headers: map('headers'),
      headerFiles: map('headerFiles', (file) => resolve(base, file)),
      dial: list('dial'),
      tls: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) },
      ...shared,
    };
  }
  const cwd = path('cwd');
  return {
    kind: 'command',
    command: text('command') ?? '',
    args: list('args'),
    env: map('env'),
    ...(cwd === undefined ? {} : { cwd }),
    maxProcesses: plain('maxProcesses') as number,
    ...shared,
  };
}
