import type { Call, Direction } from '../model/call.ts';
import type { MatchDoc, NameDoc, NodePath, OneOrMany } from './document/document-types.ts';
import { hasWildcard } from './condition/glob.ts';
import { nearest } from './document/nearest.ts';
import { isOperation, isResourceMethod, KNOWN_METHODS, RESOURCE_METHODS } from './methods.ts';
import type { Report, Texts } from './condition/scope.ts';
import { type Truth, Unsure } from './condition/truth.ts';
import { uriForms } from './condition/uri.ts';

/** Names that a rule matches. */
export interface Names {
  readonly exact: ReadonlySet<string>;
  readonly patterns: readonly NamePattern[];
  test(name: string): boolean;
}
export interface NamePattern {
  readonly kind: 'glob' | 'regex';
  readonly source: string;
  /** A glob that is a prefix and a star. */
  readonly prefix: string | undefined;
  test(name: string): boolean;
}

/** The compiled `match` of a rule. */
export interface Target {
  readonly directions: ReadonlySet<Direction>;
  readonly server: Names | undefined;
  readonly tool: Names | undefined;
  readonly prompt: Names | undefined;
  readonly resource: Names | undefined;
  readonly method: Names | undefined;
  readonly roles: Names | undefined;
  readonly annotations: readonly (readonly [Hint, boolean])[] | undefined;
}

export type Hint = 'readOnlyHint' | 'destructiveHint' | 'idempotentHint' | 'openWorldHint';

/** What of a call names its target. */
export type Named = Pick<Call, 'direction' | 'server' | 'method' | 'tool' | 'prompt' | 'uri'>;

type ReportAt = (path: NodePath) => Report;

/** What a server that leaves a hint out is taken to say (MCP specification, ToolAnnotations). */
const HINT_DEFAULTS: Readonly<Record<Hint, boolean>> = {
  readOnlyHint: false,
  destructiveHint: true,
  idempotentHint: false,
  openWorldHint: true,
};

/** Compiles a `match`; `path` is where it stands. */
export function compileTarget(match: MatchDoc, path: NodePath, texts: Texts, reportAt: ReportAt): Target {
  const names = (key: 'server' | 'tool' | 'prompt' | 'resource' | 'method' | 'roles'): Names | undefined =>
    match[key] === undefined ? undefined : compileNames(match[key], [...path, key], texts, reportAt);
  const annotations =
    match.annotations === undefined ? undefined : (Object.entries(match.annotations) as [Hint, boolean][]);
  const target: Target = {
    directions: directionsOf(match),
    server: names('server'),
    tool: names('tool'),
    prompt: names('prompt'),
    resource: names('resource'),
    method: names('method'),
    roles: names('roles'),
    annotations,
  };
  checkPossible(target, match, path, reportAt);
  return target;
}

function directionsOf(match: MatchDoc): ReadonlySet<Direction> {
  if (match.direction !== undefined) {
    return new Set(typeof match.direction === 'string' ? [match.direction] : match.direction);
  }
  return new Set<Direction>(match.method === undefined ? ['call'] : ['call', 'request']);
}

function compileNames(doc: OneOrMany<NameDoc>, path: NodePath, texts: Texts, reportAt: ReportAt): Names {
  const isList = Array.isArray(doc);
  const exact = new Set<string>();
  const patterns: NamePattern[] = [];
  for (const [index, name] of (isList ? (doc as readonly NameDoc[]) : [doc as NameDoc]).entries()) {
    const place = isList ? [...path, index] : path;
    if (typeof name !== 'string') {
      const source = name.regex;
      const pattern = source === undefined ? undefined : texts.pattern(source, reportAt([...place, 'regex']));
      if (pattern !== undefined)
        patterns.push({ kind: 'regex', source, prefix: undefined, test: (text) => pattern.test(text) });
    } else if (hasWildcard(name) || name.includes('${')) {
      const glob = texts.glob(name, reportAt(place));
      if (glob?.literal !== undefined) exact.add(glob.literal);
      else if (glob !== undefined) {
        patterns.push({ kind: 'glob', source: name, prefix: glob.isPrefix ? glob.prefix : undefined, test: glob.test });
      }
    } else {
      exact.add(name);
    }
  }
  const only = exact.size === 1 && patterns.length === 0 ? [...exact][0] : undefined;
  const test =
    only !== undefined
      ? (text: string) => text === only
      : (text: string) => exact.has(text) || patterns.some((pattern) => pattern.test(text));
  return { exact, patterns, test };
}

/** A rule that could match nothing is a mistake: say so at load. */
function checkPossible(target: Target, match: MatchDoc, path: NodePath, reportAt: ReportAt): void {
  const never = (key: string, message: string, remedy?: string, index?: number): void =>
    reportAt([...path, key, ...(index === undefined ? [] : [index])])('CG_POLICY_NEVER', message, remedy);
  const kinds = [target.tool ?? target.annotations, target.prompt, target.resource].filter(
    (kind) => kind !== undefined,
  );
  if (kinds.length > 1) {
    never(
      target.resource !== undefined ? 'resource' : 'prompt',
      'one message cannot name a tool, a prompt and a resource at once: this rule matches nothing',
      'write a rule for each',
    );
    return;
  }
  const implied = impliedMethods(target);
  if (implied !== undefined && !target.directions.has('call') && !target.directions.has('result')) {
    never('direction', `servers do not send ${implied[0]}: this rule matches nothing`, 'remove direction, or the name');
  }
  if (implied !== undefined && target.method !== undefined && !implied.some((method) => target.method?.test(method))) {
    never(
      'method',
      `the name implies method ${implied.join(', ')}, which this method excludes: the rule matches nothing`,
      'remove method',
    );
  }
  for (const method of target.method?.exact ?? []) {
    const meant = KNOWN_METHODS.includes(method) ? undefined : nearest(method, KNOWN_METHODS, 2);
    if (meant !== undefined)
      never(
        'method',
        `no revision of the protocol has a method "${method}"`,
        `did you mean "${meant}"?`,
        indexOf(match.method, method),
      );
  }
  if (match.annotations !== undefined && Object.keys(match.annotations).length === 0) return;
}

/** Where a name stands in a list; undefined where there is no list. */
export function indexOf(names: OneOrMany<NameDoc> | undefined, name: string): number | undefined {
  const index = Array.isArray(names) ? (names as readonly NameDoc[]).indexOf(name) : -1;
  return index < 0 ? undefined : index;
}

function impliedMethods(target: Target): readonly string[] | undefined {
  if (target.tool !== undefined || target.annotations !== undefined) return ['tools/call'];
  if (target.prompt !== undefined) return ['prompts/get'];
  return target.resource === undefined ? undefined : RESOURCE_METHODS;
}

/**
 * Whether the names of a message are those of a rule. `permissive` is true for allow: a missing name then never matches,
 * and every spelling of a URI must; for other rules a missing name matches, and one spelling is enough.
 */
export function matchesNames(target: Target, named: Named, permissive: boolean): boolean {
  if (!target.directions.has(named.direction)) return false;
  if (target.server !== undefined && !target.server.test(named.server)) return false;
  if (!coversMethod(target, named.direction, named.method)) return false;
  if (target.tool !== undefined) return named.tool === undefined ? !permissive : target.tool.test(named.tool);
  if (target.prompt !== undefined) return named.prompt === undefined ? !permissive : target.prompt.test(named.prompt);
  const { resource } = target;
  if (resource === undefined) return true;
  if (named.uri === undefined) return !permissive;
  const forms = uriForms(named.uri);
  return permissive ? forms.every((form) => resource.test(form)) : forms.some((form) => resource.test(form));
}

/** Whether a rule could match some message of this server, method and tool; unknown names count as possible. */
export function mayMatch(
  target: Target,
  direction: Direction,
  server: string,
  method: string,
  tool: string | undefined,
): boolean {
  if (!target.directions.has(direction) || !coversMethod(target, direction, method)) return false;
  if (target.server !== undefined && !target.server.test(server)) return false;
  return target.tool === undefined || tool === undefined || target.tool.test(tool);
}

/** Whether a rule's kind covers a method: the one it names, the one its target implies, or the operations. */
export function coversMethod(target: Target, direction: Direction, method: string): boolean {
  if (target.method !== undefined && !target.method.test(method)) return false;
  if (target.tool !== undefined || target.annotations !== undefined) return method === 'tools/call';
  if (target.prompt !== undefined) return method === 'prompts/get';
  if (target.resource !== undefined) return isResourceMethod(method);
  return target.method !== undefined || isOperation(direction, method);
}

/** Judges the annotations of a call; unknown where the operator does not trust the server for them. */
export function annotationsHold(wanted: readonly (readonly [Hint, boolean])[], call: Call): Truth {
  const claimed = call.annotations;
  if (claimed === undefined) return UNTRUSTED;
  return wanted.every(([hint, value]) => (claimed[hint] ?? HINT_DEFAULTS[hint]) === value);
}

/** A hint of a call, with the specification's default. */
export function hintOf(call: Call, hint: Hint): boolean | Unsure {
  return call.annotations === undefined ? UNTRUSTED : (call.annotations[hint] ?? HINT_DEFAULTS[hint]);
}

export const UNTRUSTED = new Unsure('annotations not trusted');
