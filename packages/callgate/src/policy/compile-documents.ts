import type { Call } from '../model/call.ts';
import type { Decision } from '../model/decision.ts';
import { CallgateError } from '../model/error.ts';
import { BASE_FILE, BASE_POLICY, basePolicy } from './base.ts';
import type { Combine, NodePath } from './document/document-types.ts';
import type { PolicyDocument } from './document/document.ts';
import { type FindInclude, MAX_RULES } from './includes.ts';
import { type Issue, PolicyError } from './document/issue.ts';
import { openLayer, type PolicyLayer } from './layer.ts';
import { isOperation } from './methods.ts';
import { suggest } from './document/nearest.ts';
import { compileRoles, type DeclaredRole, PLAIN_ROLES, type RoleTable } from './roles.ts';
import { type CompiledRule, compileRule, type RuleSetting } from './rule.ts';
import type { Pattern } from './condition/pattern.ts';
import { openTexts, type Report, type Texts } from './condition/scope.ts';
import type { Named } from './target.ts';
import { lexicalPath } from './condition/under.ts';
import { Unsure } from './condition/truth.ts';
import { isHopeless, type Static } from './visible.ts';
import { documentKey, duplicateIds, type PlacedRule, unreachableIssues } from './document-conflicts.ts';

export type { PolicyLayer } from './layer.ts';

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
  /** Finds what `extends` and `imports` name; without it a policy cannot include other files. */
  readonly include?: FindInclude;
  /** For tools that change a policy to see what notices: a rule that is never reached is no error. */
  readonly allowUnreachable?: boolean;
}

/** A role that an included file declares with members or with roles in it. */
export interface IncludedRole {
  readonly role: string;
  readonly file: string;
  readonly path: NodePath;
  /** Whether the file cannot change unseen: it is included by its hash. */
  readonly isFixed: boolean;
}

/** A whole policy: it decides on every call. */
export interface CompiledPolicy extends PolicyLayer {
  readonly name: string | undefined;
  readonly defaultEffect: 'deny' | 'allow' | 'ask';
  /** Whether `default` is written; a layer above others decides by it only then. */
  readonly isDefaultWritten: boolean;
  /** shadow: it is to be evaluated and recorded beside what applies, not applied. */
  readonly mode: 'enforce' | 'shadow';
  /** Roles that an included file gives to principals, where no file above it says who has them. */
  readonly includedRoles: readonly IncludedRole[];
  decide(call: Call): Decision;
  /** Whether a list may show it to this principal: false when every call of it would be denied. */
  visible(known: Static): boolean;
  /** The same for a resource template, by the text that its URIs begin with. */
  visibleUnder(known: Static, prefix: string): boolean;
}

/**
 * Compiles policy documents, read from `sources`, in order (spliceIncludes), into one policy with the built-in base layer
 * below it. Loads neither the YAML parser nor the pattern engine: `compilePattern` is handed in.
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
  const crowded = tooManyRules(documents);
  if (crowded !== undefined) throw new PolicyError([crowded]);
  const used = new Map<string, string>();
  const combine = documentKey(documents, 'combine', issues) ?? 'first';
  const reportIn =
    (document: PolicyDocument): RuleSetting['reportAt'] =>
    (path) =>
    (code, message, remedy, offset) => {
      issues.push(document.issueAt(path, code, message, remedy, offset));
    };
  const roles = compileRoles(declaredRoles(documents, reportIn), texts);
  const placed: PlacedRule[] = [];
  for (const document of documents) {
    const reportAt = reportIn(document);
    const setting = settingOf(document, '', texts, options, used, roles, reportAt);
    for (const [index, doc] of (document.policy.rules ?? []).entries()) {
      if (document.replaced?.has(doc.id) === true) continue;
      if (doc.priority !== undefined && combine !== 'priority') {
        const remedy = 'add `combine: priority`, or remove it';
        reportAt(['rules', index, 'priority'])(
          'CG_POLICY_PRIORITY',
          `priority does nothing with combine: ${combine}`,
          remedy,
        );
      }
      const rule = compileRule(doc, ['rules', index], !document.broken.has(index), setting);
      placed.push({ rule, document, index, priority: doc.priority ?? Number.POSITIVE_INFINITY });
    }
  }
  issues.push(...duplicateIds(documents));
  const effect = documentKey(documents, 'default', issues);
  const mode =
    documentKey(
      documents.filter(({ part }) => part === undefined),
      'mode',
      issues,
    ) ?? 'enforce';
  const asked = combine === 'priority' ? placed.toSorted((a, b) => a.priority - b.priority || 0) : placed;
  if (issues.length === 0 && options.allowUnreachable !== true) issues.push(...unreachableIssues(asked, combine));
  if (issues.length > 0) throw new PolicyError(inOrder(issues));

  return assemble({
    name: documents[0]?.policy.name,
    hash: hashOf(sources, used, options),
    defaultEffect: effect ?? 'deny',
    isDefaultWritten: effect !== undefined,
    mode,
    combine,
    includedRoles: includedRoles(documents),
    rules: asked.map(({ rule }) => rule),
    base: compileBase(texts, options),
  });
}

/** Roles of all files; one that is declared twice is as the file nearest to the first has it. */
function declaredRoles(
  documents: readonly PolicyDocument[],
  reportIn: (document: PolicyDocument) => RuleSetting['reportAt'],
): ReadonlyMap<string, DeclaredRole> {
  const declared = new Map<string, DeclaredRole>();
  for (const document of documents) {
    for (const [name, doc] of Object.entries(document.policy.roles ?? {})) {
      if (!declared.has(name)) declared.set(name, { doc, path: ['roles', name], reportAt: reportIn(document) });
    }
  }
  return declared;
}

function includedRoles(documents: readonly PolicyDocument[]): readonly IncludedRole[] {
  const found: IncludedRole[] = [];
  const declared = new Set<string>();
  for (const { policy, part, isFixed, file } of documents) {
    for (const [role, { members, includes }] of Object.entries(policy.roles ?? {})) {
      const gives = (members ?? []).length + (includes ?? []).length > 0;
      if (part !== undefined && gives && !declared.has(role))
        found.push({ role, file, path: ['roles', role], isFixed: isFixed === true });
      declared.add(role);
    }
  }
  return found;
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
    roles: PLAIN_ROLES,
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
  readonly isDefaultWritten: boolean;
  readonly mode: 'enforce' | 'shadow';
  readonly combine: Combine;
  readonly includedRoles: readonly IncludedRole[];
  readonly rules: readonly CompiledRule[];
  readonly base: readonly CompiledRule[];
}

function assemble(parts: Parts): CompiledPolicy {
  const { hash, name, defaultEffect, isDefaultWritten, mode, combine, includedRoles, rules, base } = parts;
  const layer = openLayer({ hash, rules, base, combine }, (named) => defaultDecision(named, defaultEffect));
  return {
    ...layer,
    name,
    defaultEffect,
    isDefaultWritten,
    mode,
    includedRoles,
    visible: (known) => !isHopeless(layer.possible(known)),
    visibleUnder: (known, prefix) => !isHopeless(layer.possibleUnder(known, prefix)),
    // The fallback of a whole policy decides, so nothing abstains.
    decide: (call) => layer.consider(call) as Decision,
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
  roles: RoleTable,
  reportAt: RuleSetting['reportAt'],
): RuleSetting {
  const home = options.variables['HOME'];
  const expand = (text: string, report: Report): string | undefined =>
    expandVariables(text, options.variables, used, report);
  return {
    file: document.file,
    prefix,
    texts,
    roles,
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
    reportAt,
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
      const remedy = name.startsWith('env.')
        ? `set the environment variable ${name.slice(4)}`
        : suggest(name, ['PROJECT', 'HOME', 'CALLGATE_HOME']);
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

function inOrder(issues: readonly Issue[]): readonly Issue[] {
  const files = [...new Set(issues.map((issue) => issue.file))];
  return issues.toSorted(
    (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}

/** At the file with which there are too many: compiling them would hold up whoever waits. */
function tooManyRules(documents: readonly PolicyDocument[]): Issue | undefined {
  let count = 0;
  const full = documents.find(({ policy }) => (count += policy.rules?.length ?? 0) > MAX_RULES);
  return full?.issueAt(
    ['rules'],
    'CG_POLICY_TOO_LARGE',
    `with this file the policy has more than ${MAX_RULES} rules`,
    'name several tools in one rule, or use globs: tool: [a, b, "read_*"]',
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
