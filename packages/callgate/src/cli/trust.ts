import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { openHome } from '../config/home.ts';
import { includesOnDisk } from '../config/includes.ts';
import { ConfigError } from '../config/issues.ts';
import { readFileSet } from '../config/project.ts';
import type { FileSet } from '../config/project.ts';
import { changesOf, readTrust, recordTrust, revokeTrust, trustOf } from '../config/trust.ts';
import type { TrustRecord, TrustState } from '../config/trust.ts';
import { CallgateError } from '../model/error.ts';
import { readDocument } from '../policy/document/document.ts';
import type { RuleDoc } from '../policy/document/document-types.ts';
import { PolicyError } from '../policy/document/issue.ts';
import { spliceIncludes } from '../policy/includes.ts';
import { confirm, EXIT, parseFlags, printable, table, withHome } from './terminal.ts';
import type { Io } from './terminal.ts';

/**
 * `callgate trust [--show] [--yes <hash>] [--revoke]`: shows all that the project's files would bring into force, and
 * records their hash when the user accepts it, at a terminal or by naming the hash that was shown.
 */
export async function trustCommand(argv: string[], io: Io): Promise<number> {
  const flags = parseFlags(argv, { show: true, revoke: true, yes: 'hash', home: 'directory' });
  const extra = [...flags.words, ...(flags.rest ?? [])][0];
  if (extra !== undefined) {
    throw new CallgateError('CG_USAGE_ARGUMENT', `trust takes no "${extra}".`, {
      remedy: 'See: callgate trust --help',
    });
  }
  const home = openHome(withHome(io, flags.values['home']));
  const set = await readFileSet(io.cwd, home);
  if (set === undefined) throw nothingToTrust(io.cwd);
  if (flags.switches.has('revoke')) return revoke(home, set, io);
  const accepted = readTrust(home, set.root);
  if (set.files.length === 0) {
    if (accepted === undefined) throw nothingToTrust(set.root);
    throw new CallgateError('CG_TRUST_NOTHING', `The files you trusted in ${set.root} are gone.`, {
      remedy: 'What you trusted stays in force. Put the files back, or run: callgate trust --revoke',
    });
  }
  if (set.issues.length > 0) throw new ConfigError(set.issues);
  refuseBrokenIncludes(set);
  const state = trustOf(set, accepted);
  io.stdout.write(printable(description(set, state, accepted)));
  if (flags.switches.has('show')) return EXIT.ok;
  if (state === 'trusted') return EXIT.ok;
  await requireConsent(set, flags.values['yes'], io);
  recordTrust(home, set, new Date());
  io.stdout.write(`trusted ${set.hash}\nA change of these files ends it until you run callgate trust again.\n`);
  return EXIT.ok;
}

async function requireConsent(set: FileSet, named: string | undefined, io: Io): Promise<void> {
  if (named === set.hash) return;
  if (named !== undefined) {
    throw new CallgateError('CG_TRUST_MISMATCH', `The files have the hash ${set.hash}, not ${named}.`, {
      remedy: 'They may have changed since you looked. Look again with: callgate trust --show',
    });
  }
  if (await confirm('Trust this?', io)) return;
  throw new CallgateError('CG_TRUST_UNCONFIRMED', 'Nothing was trusted.', {
    remedy: `Answer y at a terminal, or run: callgate trust --yes ${set.hash}`,
  });
}

function revoke(home: string, set: FileSet, io: Io): number {
  const had = revokeTrust(home, set.root);
  io.stdout.write(
    had ? `revoked: the files of ${printable(set.root)} can only tighten now\n` : 'There was no trust to revoke.\n',
  );
  return EXIT.ok;
}

const STATE_TEXT: Readonly<Record<TrustState, string>> = {
  none: 'says nothing to Callgate',
  trusted: 'trusted, unchanged',
  untrusted: 'not trusted: it can only tighten',
  changed: 'changed since it was trusted: the change can only tighten',
};

/** Everything in the files that would do or permit something. */
function description(set: FileSet, state: TrustState, accepted: TrustRecord | undefined): string {
  const lines = [`Project ${set.root}: ${STATE_TEXT[state]}`, '', 'Files, each with its own hash:'];
  const differing = state === 'changed' && accepted !== undefined ? changesOf(set, accepted) : [];
  const changeOf = new Map(differing.map(({ name, change }) => [name, change]));
  const rows = set.files.map(({ name, sha256 }) => ['', onOneLine(name), `sha256:${sha256}`, changeOf.get(name) ?? '']);
  const gone = differing.filter(({ change }) => change === 'gone').map(({ name }) => ['', onOneLine(name), 'gone', '']);
  lines.push(table([...rows, ...gone]));
  lines.push(...section('Commands it would start', commands(set)));
  lines.push(...section('URLs', urls(set)));
  lines.push(...section('Files it would show servers', filesOf(set)));
  lines.push(...section('Environment variables it would set or read', variables(set)));
  lines.push(...section('Other settings', settings(set)));
  lines.push(...section('What its policy would let pass', permissions(set)));
  lines.push(...section('What its policy would change in calls and results', changes(set)));
  lines.push(
    '',
    'The hash of all these files together is what you accept. That of the policy, which callgate policy check,',
  );
  lines.push('callgate doctor and the log name, is another: of its rules and of what their ${...} stand for.');
  return `${lines.join('\n')}\n\nHash: ${set.hash}\n`;
}

function section(title: string, rows: readonly string[]): string[] {
  return ['', `${title}:`, ...(rows.length === 0 ? ['  none'] : rows.map((row) => `  ${onOneLine(row)}`))];
}

/** A value with line ends in it would write lines of its own here. */
function onOneLine(text: string): string {
  return text.replaceAll('\r', '\\r').replaceAll('\n', '\\n');
}

function commands(set: FileSet): string[] {
  return [...(set.document?.servers ?? [])].flatMap(([name, { keys }]) => {
    if (!keys.has('command')) return [];
    const args = (keys.get('args')?.value ?? []) as readonly string[];
    const words = [keys.get('command')?.value as string, ...args].map((word) =>
      /^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word),
    );
    const cwd = keys.get('cwd')?.value as string | undefined;
    return [`${name}: ${words.join(' ')}${cwd === undefined ? '' : ` (in ${cwd})`}`];
  });
}

/** A policy only compares with the URLs of its rules: one with a `*` is a pattern, which stands with its rule. */
function urls(set: FileSet): string[] {
  const found = set.files.flatMap((file) => {
    const all = file.text.match(/\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s"'<>)\]},]{1,500}/gi) ?? [];
    return file === set.config ? all : all.filter((url) => !url.includes('*'));
  });
  // As they are read: in the text of the file letters may stand as escapes.
  const read = [...(set.document?.servers.values() ?? [])].flatMap(
    ({ keys }) => (keys.get('url')?.value ?? []) as string,
  );
  return [...new Set([...read, ...found])];
}

/** Files whose text servers get or are convinced by, and where links lead. */
function filesOf(set: FileSet): string[] {
  return [...(set.document?.servers ?? [])].flatMap(([name, { keys }]) => {
    const headers = Object.entries((keys.get('headerFiles')?.value ?? {}) as Record<string, string>);
    const others = ['ca', 'cert', 'key'].flatMap((key): [string, string][] =>
      keys.has(key) ? [[key, keys.get(key)?.value as string]] : [],
    );
    return [...headers.map(([header, file]): [string, string] => [`header ${header}`, file]), ...others].map(
      ([what, file]) => `${name}: ${file} (${what})${leadingTo(resolve(set.root, file))}`,
    );
  });
}

function leadingTo(path: string): string {
  try {
    const real = realpathSync(path);
    return real === path ? '' : `, which is ${real}`;
  } catch {
    return '';
  }
}

function variables(set: FileSet): string[] {
  const given = [...(set.document?.servers ?? [])].flatMap(([name, { keys }]) =>
    ['env', 'headers', 'headerFiles'].flatMap((kind) =>
      Object.entries((keys.get(kind)?.value ?? {}) as Record<string, string>).map(
        ([key, value]) => `${key}=${value} (${kind === 'env' ? '' : `${kind} of `}server ${name})`,
      ),
    ),
  );
  const read = set.files.flatMap(({ name, text }) =>
    [text, ...(name === set.config?.name ? textsOf(set) : [])].flatMap((written) =>
      [...written.matchAll(/\$\{([^}\n]{1,200})\}/g)].map(([, key]) => `\${${key}} (read in ${name})`),
    ),
  );
  return [...new Set([...given, ...read])];
}

/** The texts of the config as they are read, whatever escapes they are written with. */
function textsOf({ document }: FileSet): string[] {
  const written = [
    ...(document?.settings.values() ?? []),
    ...[...(document?.servers.values() ?? [])].flatMap(({ keys }) => [...keys.values()]),
  ];
  return written.flatMap(({ value }) => (typeof value === 'object' ? Object.values<string>(value) : String(value)));
}

/** Keys of servers that stand in sections of their own. */
const SHOWN = new Set(['command', 'args', 'cwd', 'env', 'url', 'headers', 'headerFiles', 'ca', 'cert', 'key']);
const MEANS: Readonly<Record<string, (server: string) => string>> = {
  dial: () => ': private addresses that may be dialled for it',
  'trust.annotations': (server) => `: rules believe what ${server} says about its tools`,
};

function settings(set: FileSet): string[] {
  const ofServers = [...(set.document?.servers ?? [])].flatMap(([name, { keys }]) =>
    [...keys].flatMap(([key, { value }]) => {
      if (SHOWN.has(key) || value === false) return [];
      const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
      return [`servers.${name}.${key} = ${text}${MEANS[key]?.(name) ?? ''}`];
    }),
  );
  return [...[...(set.document?.settings ?? [])].map(([key, { value }]) => `${key} = ${String(value)}`), ...ofServers];
}

/** @throws PolicyError when the policy does not load: nobody can accept what nobody can read. */
function permissions(set: FileSet): string[] {
  if (set.policy === undefined) return [];
  return [set.policy, ...set.included].flatMap(({ path, text }, index) => {
    const { policy, issues } = readDocument(path, text);
    if (issues.length > 0) throw new PolicyError(issues);
    const isShadow = index === 0 && policy.mode === 'shadow';
    return [
      ...(isShadow ? ['mode: shadow: nothing of it applies, so that every call passes'] : []),
      ...(policy.default === undefined || policy.default === 'deny'
        ? []
        : [`default: ${policy.default}, for every call that no rule matches`]),
      ...Object.entries(policy.roles ?? {}).flatMap(([role, { members = [] }]) =>
        members.map((member) => `role ${role} for ${member}`),
      ),
      ...(policy.rules ?? []).filter(({ effect }) => effect === 'allow' || effect === 'ask').map(ruleLine),
    ];
  });
}

function ruleLine({ id, effect, match, args, when }: RuleDoc): string {
  const conditions = [
    args === undefined ? '' : ` args ${JSON.stringify(args)}`,
    when === undefined ? '' : ` when ${typeof when === 'string' ? when : JSON.stringify(when)}`,
  ].join('');
  return `${effect} ${id}: ${JSON.stringify(match)}${conditions}`;
}

/** @throws PolicyError for includes that will not load: outside the project, in a circle, not there */
function refuseBrokenIncludes({ root, policy }: FileSet): void {
  if (policy === undefined) return;
  const { documents } = spliceIncludes(
    [{ file: policy.path, text: policy.text }],
    readDocument,
    includesOnDisk({ root }),
  );
  const broken = documents
    .flatMap(({ issues }) => issues)
    .filter(({ code }) => code.startsWith('CG_POLICY_INCLUDE') || code === 'CG_POLICY_CYCLE');
  if (broken.length > 0) throw new PolicyError(broken);
}

const CHANGING = ['set', 'clamp', 'redact'] as const;

/** What rules put into messages, also those without an effect. */
function changes(set: FileSet): string[] {
  if (set.policy === undefined) return [];
  return [set.policy, ...set.included].flatMap(({ path, text }) =>
    (readDocument(path, text).policy.rules ?? []).flatMap(({ id, match, obligations = [] }) =>
      obligations.flatMap((duty) =>
        CHANGING.flatMap((kind) =>
          duty[kind] === undefined ? [] : [`${id}: ${JSON.stringify(match)} ${kind} ${JSON.stringify(duty[kind])}`],
        ),
      ),
    ),
  );
}

function nothingToTrust(directory: string): CallgateError {
  return new CallgateError('CG_TRUST_NOTHING', `${directory} has no callgate.yaml and no policy.yaml to trust.`, {
    remedy: 'Run it in the directory of the project, or write a config first: callgate init',
  });
}
