import type { Call } from '../model/call.ts';
import type { Decision } from '../model/decision.ts';
import { CallgateError } from '../model/error.ts';
import { BASE_FILE, BASE_POLICY, basePolicy } from './base.ts';
import type { PolicyDocument } from './document.ts';
import { openEngine, type Verdict } from './engine.ts';
import type { FieldPath } from './field.ts';
import { type Issue, PolicyError } from './issue.ts';
import { isOperation } from './methods.ts';
import { suggest } from './nearest.ts';
import { unreachableRules } from './reachable.ts';
import { type CompiledRule, compileRule, type RuleSetting } from './rule.ts';
import type { Pattern } from './pattern.ts';
import { openTexts, type Report, type Texts } from './scope.ts';
import type { Named } from './target.ts';
import { lexicalPath } from './under.ts';
import { Unsure } from './truth.ts';

/** A policy file's name, for places, and its text. */
export interface PolicySource {
  readonly file: string;
  readonly text: string;
}

export interface CompileOptions {
  /** `PROJECT`, `HOME`, `env.NAME` ...: what `${...}` stands for. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Hex digest of a text. */
  sha256(text: string): string;
  /** Real path of a root of `under`, where it is a link; called while compiling only. */
  realPath?(path: string): string | undefined;
}

/** One part of what judges: it decides on a call or abstains. */
export interface PolicyLayer {
  /** `sha256:` and the digest of everything that decides. */
  readonly hash: string;
  /** The written rules, in order; not those of the base layer. */
  readonly rules: readonly CompiledRule[];
  consider(call: Call): Verdict;
  /** Fields of the arguments whose paths must be resolved before deciding. */
  pathsNeeded(named: Named): readonly FieldPath[];
  /** Whether a written rule could look at the arguments of such a call, or mask them. */
  needsArgs(server: string, method: string, tool?: string): boolean;
  /** Whether a written rule could judge the result of such a call; if not, results pass by the base layer. */
  needsResult(server: string, method: string, tool?: string): boolean;
  readonly needsAnnotations: boolean;
  readonly usesRates: boolean;
  /** Where a rule of a decision comes from: a file, the base layer, or "default". */
  layerOf(rule: string): string | undefined;
  /** For tests: how many plans are kept. */
  planCount(): number;
}

/** A whole policy: it decides on every call. */
export interface CompiledPolicy extends PolicyLayer {
  readonly name: string | undefined;
  readonly defaultEffect: 'deny' | 'allow' | 'ask';
  decide(call: Call): Decision;
}

/**
 * Compiles policy documents, read from `sources`, in order, into one policy with the built-in base layer below it. Loads
 * neither the YAML parser nor the pattern engine: `compilePattern` is handed in.
 * @throws PolicyError with every issue of every file
 */
export function compileDocuments(
  documents: readonly PolicyDocument[],
  sources: readonly PolicySource[],
  options: CompileOptions,
  compilePattern: (source: string) => Pattern,
): CompiledPolicy {
  const texts = openTexts(compilePattern);
  const issues = documents.flatMap((document) => [...document.issues]);
  if (documents.length === 0) throw new PolicyError([nothingToCompile()]);
  const used = new Map<string, string>();
  const rules: CompiledRule[] = [];
  const places: { document: PolicyDocument; index: number }[] = [];
  for (const document of documents) {
    const setting = settingOf(document, '', texts, options, used, issues);
    for (const [index, doc] of (document.policy.rules ?? []).entries()) {
      rules.push(compileRule(doc, ['rules', index], !document.broken.has(index), setting));
      places.push({ document, index });
    }
  }
  issues.push(...duplicateIds(documents), ...conflictingDefaults(documents));
  if (issues.length === 0) issues.push(...unreachableIssues(rules, places));
  if (issues.length > 0) throw new PolicyError(inOrder(issues));

  const defaultEffect =
    documents.map((document) => document.policy.default).find((effect) => effect !== undefined) ?? 'deny';
  return assemble({
    name: documents[0]?.policy.name,
    hash: hashOf(sources, used, options),
    defaultEffect,
    rules,
    base: compileBase(texts, options),
  });
}

/** The base layer, compiled with everything else; it is a constant, so it has no place to report to. */
function compileBase(texts: Texts, options: CompileOptions): readonly CompiledRule[] {
  const reportAt: RuleSetting['reportAt'] = () => (code, message) => {
    throw new CallgateError(code, `the base layer does not load: ${message}`);
  };
  const setting: RuleSetting = {
    file: BASE_FILE,
    prefix: 'base:',
    texts,
    home: options.variables['HOME'],
    expand: (text) => text,
    root: () => undefined,
    reportAt,
  };
  return basePolicy().rules.map((doc, index) => compileRule(doc, ['rules', index], true, setting));
}

interface Parts {
  readonly name: string | undefined;
  readonly hash: string;
  readonly defaultEffect: 'deny' | 'allow' | 'ask';
  readonly rules: readonly CompiledRule[];
  readonly base: readonly CompiledRule[];
}

function assemble(parts: Parts): CompiledPolicy {
  const layer = openLayer(parts.hash, parts.rules, parts.base, (named) => defaultDecision(named, parts.defaultEffect));
  return {
    ...layer,
    name: parts.name,
    defaultEffect: parts.defaultEffect,
    // The fallback of a whole policy decides, so nothing abstains.
    decide: (call) => layer.consider(call) as Decision,
  };
}

/** Opens a layer over rules; `fallback` is what it says when no rule decides. */
export function openLayer(
  hash: string,
  rules: readonly CompiledRule[],
  base: readonly CompiledRule[],
  fallback: (named: Named) => Verdict,
): PolicyLayer {
  const engine = openEngine([...rules, ...base], fallback);
  const written = new Map([...base, ...rules].map((rule) => [rule.name, rule.file]));
  const looksAtArgs = rules.filter(
    (rule) =>
      rule.usesSubject ||
      rule.paths.length > 0 ||
      rule.obligations.some((duty) => duty.kind === 'redact' && duty.on !== 'result'),
  );
  const judgesResults = rules.filter((rule) => rule.target.directions.has('result'));
  const isArgs = new Set(looksAtArgs);
  const isResult = new Set(judgesResults);
  const results = openAnswers((server, method, tool) =>
    engine.concerns('result', server, method, tool, (rule) => isResult.has(rule)),
  );
  const args = openAnswers(
    (server, method, tool) =>
      engine.concerns('call', server, method, tool, (rule) => isArgs.has(rule)) ||
      engine.concerns('request', server, method, tool, (rule) => isArgs.has(rule)),
  );
  return {
    hash,
    rules,
    consider: engine.judge,
    pathsNeeded: engine.pathsNeeded,
    needsArgs: (server, method, tool) => looksAtArgs.length > 0 && args(server, method, tool),
    needsResult: (server, method, tool) => judgesResults.length > 0 && results(server, method, tool),
    needsAnnotations: rules.some((rule) => rule.usesAnnotations),
    usesRates: rules.some((rule) => rule.obligations.some((duty) => duty.kind === 'rate')),
    layerOf: (rule) => written.get(rule) ?? (rule === 'default' ? 'default' : undefined),
    planCount: engine.planCount,
  };
}

const MAX_ANSWERS = 4_096;

/** Remembers yes or no for a server, method and tool; begins anew when too many were asked. */
function openAnswers(ask: (server: string, method: string, tool: string | undefined) => boolean) {
  let known = new Map<string, Map<string, Map<string | undefined, boolean>>>();
  let size = 0;
  return (server: string, method: string, tool: string | undefined): boolean => {
    const hit = known.get(server)?.get(method)?.get(tool);
    if (hit !== undefined) return hit;
    const answer = ask(server, method, tool);
    if (size >= MAX_ANSWERS) {
      known = new Map();
      size = 0;
    }
    let methods = known.get(server);
    if (methods === undefined) known.set(server, (methods = new Map()));
    let tools = methods.get(method);
    if (tools === undefined) methods.set(method, (tools = new Map()));
    tools.set(tool, answer);
    size++;
    return answer;
  };
}

/** What `default` says: only operations ever come to it with another effect than deny. */
function defaultDecision(named: Named, effect: 'deny' | 'allow' | 'ask'): Decision {
  const target = named.tool ?? named.prompt ?? named.uri;
  const what = target === undefined ? named.method : `${named.method} "${target.slice(0, 100)}"`;
  const isDefaulted = named.direction === 'call' && isOperation('call', named.method);
  return Object.freeze({
    effect: isDefaulted ? effect : 'deny',
    rule: 'default',
    reason: `no rule decides ${what} on server "${named.server.slice(0, 100)}"; the default is ${isDefaulted ? effect : 'deny'}`,
    obligations: [],
  });
}

function settingOf(
  document: PolicyDocument,
  prefix: string,
  texts: Texts,
  options: CompileOptions,
  used: Map<string, string>,
  issues: Issue[],
): RuleSetting {
  const home = options.variables['HOME'];
  const expand = (text: string, report: Report): string | undefined =>
    expandVariables(text, options.variables, used, report);
  return {
    file: document.file,
    prefix,
    texts,
    home,
    expand,
    root(text, report) {
      const expanded = expand(text, report);
      if (expanded === undefined) return undefined;
      const written = lexicalPath(expanded, home);
      if (written instanceof Unsure || !/^(?:\/|[A-Za-z]:\/)/.test(written)) {
        const why = written instanceof Unsure ? written.cause : 'it is not absolute';
        report('CG_POLICY_ROOT', `"${text}" cannot be a root: ${why}`, 'begin it with /, ~, ${HOME} or ${PROJECT}');
        return undefined;
      }
      const real = options.realPath?.(written);
      if (real !== undefined) used.set(`real path of ${written}`, real);
      return { written, real: real ?? written };
    },
    reportAt: (path) => (code, message, remedy, offset) => {
      issues.push(document.issueAt(path, code, message, remedy, offset));
    },
  };
}

/** Puts in `${NAME}`; `$${` is a literal `${`. */
function expandVariables(
  text: string,
  variables: CompileOptions['variables'],
  used: Map<string, string>,
  report: Report,
): string | undefined {
  let out = '';
  let at = 0;
  for (;;) {
    const open = text.indexOf('${', at);
    if (open < 0) return out + text.slice(at);
    if (open > at && text[open - 1] === '$') {
      out += `${text.slice(at, open - 1)}\${`;
      at = open + 2;
      continue;
    }
    const close = text.indexOf('}', open);
    const name = close < 0 ? '' : text.slice(open + 2, close);
    const value = valueOf(variables, name);
    if (value === undefined || value === '') {
      const known = Object.keys(variables).filter((key) => variables[key] !== undefined);
      const remedy = name.startsWith('env.')
        ? `set the environment variable ${name.slice(4)}`
        : suggest(name, known.slice(0, 20));
      report('CG_POLICY_VARIABLE', `\${${name}} is not set`, remedy);
      return undefined;
    }
    used.set(name, value);
    out += text.slice(at, open) + value;
    at = close + 1;
  }
}

/** `${env.NAME}` is also found where the environment was handed in without the prefix. */
function valueOf(variables: CompileOptions['variables'], name: string): string | undefined {
  if (Object.hasOwn(variables, name)) return variables[name];
  const bare = name.startsWith('env.') ? name.slice(4) : '';
  return Object.hasOwn(variables, bare) ? variables[bare] : undefined;
}

function duplicateIds(documents: readonly PolicyDocument[]): Issue[] {
  const first = new Map<string, { document: PolicyDocument; index: number }>();
  const issues: Issue[] = [];
  for (const document of documents) {
    for (const [index, { id }] of (document.policy.rules ?? []).entries()) {
      if (id === undefined) continue;
      const before = first.get(id);
      const report = (message: string, remedy: string): void => {
        issues.push(document.issueAt(['rules', index, 'id'], 'CG_POLICY_DUPLICATE_ID', message, remedy));
      };
      if (id === 'default') {
        report('the id "default" stands for the default effect', 'choose another id');
      } else if (before === undefined) {
        first.set(id, { document, index });
      } else {
        const other = before.document.issueAt(['rules', before.index, 'id'], '', '');
        report(`the id "${id}" is already taken`, `rename it; the other is at ${other.file}:${other.line}`);
      }
    }
  }
  return issues;
}

function conflictingDefaults(documents: readonly PolicyDocument[]): Issue[] {
  const named = documents.filter((document) => document.policy.default !== undefined);
  const first = named[0];
  return named
    .filter((document) => document.policy.default !== first?.policy.default)
    .map((document) =>
      document.issueAt(
        ['default'],
        'CG_POLICY_DEFAULT',
        `default is ${document.policy.default} here and ${first?.policy.default} in ${first?.file}`,
        'keep one of them',
      ),
    );
}

function unreachableIssues(
  rules: readonly CompiledRule[],
  places: readonly { document: PolicyDocument; index: number }[],
): Issue[] {
  return unreachableRules(rules).map(({ index, hiddenBy }) => {
    const { document, index: inFile } = places[index] as { document: PolicyDocument; index: number };
    const name = rules[index]?.name ?? '';
    const other = rules[hiddenBy]?.name ?? '';
    return document.issueAt(
      ['rules', inFile],
      'CG_POLICY_UNREACHABLE',
      `rule "${name}" is never reached: rule "${other}" before it decides on everything it matches`,
      `move "${name}" before "${other}", or remove it`,
    );
  });
}

function inOrder(issues: readonly Issue[]): readonly Issue[] {
  const files = [...new Set(issues.map((issue) => issue.file))];
  return issues.toSorted(
    (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}

function nothingToCompile(): Issue {
  const place = { file: '', line: 1, column: 1 };
  return { code: 'CG_POLICY_EMPTY', message: 'there is no policy to compile', ...place, place };
}

/** Over everything that decides: texts, what variables stood for, and the base layer; not file names. */
function hashOf(sources: readonly PolicySource[], used: ReadonlyMap<string, string>, options: CompileOptions): string {
  const variables = [...used].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const text = JSON.stringify({
    language: 1,
    policy: sources.map((source) => source.text),
    variables,
    base: BASE_POLICY,
  });
  return `sha256:${options.sha256(text)}`;
}
