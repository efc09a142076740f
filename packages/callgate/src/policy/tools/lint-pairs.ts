import type { Found, LintedRule } from './lint.ts';
import { contradict, implies, isImpossible, typesOf } from './lint-values.ts';
import type { Fact } from './lint-facts.ts';
import { covers, coversNames } from '../reachable.ts';
import type { Names, Target } from '../target.ts';

/** Keys of a rule that the comparison of two rules knows; a rule with another one hides nothing. */
const KNOWN = new Set(
  'id description match args when effect reason obligations tags onError priority retryAfter'.split(' '),
);

/** Reports rules that never decide, because rules asked before them decide everything they match, and conditions that never hold. */
export function shadowed(rules: readonly LintedRule[], report: Found): ReadonlySet<LintedRule> {
  const hidden = new Set<LintedRule>();
  const before: LintedRule[] = [];
  for (const rule of [...rules].toSorted((a, b) => a.rank - b.rank)) {
    const dead = contradictionIn(rule);
    if (dead !== undefined) {
      hidden.add(rule);
      report(
        rule,
        'LINT-02',
        'error',
        dead.path,
        deadMessage(rule, dead.why),
        'correct the condition, or remove the rule',
      );
      continue;
    }
    if (rule.rule.effect === undefined) continue;
    const by = hiddenBy(rule, before);
    if (by === undefined) before.push(rule);
    else {
      hidden.add(rule);
      const names = by.map((other) => `"${other.rule.name}"`).join(', ');
      report(
        rule,
        'LINT-01',
        'error',
        [],
        `rule "${rule.rule.name}" never decides: ${names}, asked before it, decide${by.length === 1 ? 's' : ''} on everything it matches`,
        `move "${rule.rule.name}" before ${names}, or remove it`,
      );
    }
  }
  return hidden;
}

function deadMessage({ rule }: LintedRule, why: string): string {
  const rest = rule.effect === 'allow' ? 'it allows nothing' : 'it matches only what cannot be told';
  return `the conditions of rule "${rule.name}" are never true: ${why}; ${rest}`;
}

function contradictionIn({ facts }: LintedRule): { readonly path: Fact['path']; readonly why: string } | undefined {
  const byField = new Map<string, Fact[]>();
  for (const fact of facts) {
    if (isImpossible(fact.is)) return { path: fact.path, why: `${nameOf(fact)} leaves no value` };
    if (fact.key === FALSE_LITERAL) return { path: fact.path, why: 'when is false' };
    // Of many texts of a call, one may satisfy each.
    if (fact.field === '["*"]') continue;
    const others = byField.get(fact.field) ?? [];
    const other = others.find((earlier) => excludes(earlier, fact));
    if (other !== undefined)
      return {
        path: fact.path,
        why: `no value of ${nameOf(fact)} satisfies both ${spoken(other)} and ${spoken(fact)}`,
      };
    byField.set(fact.field, [...others, fact]);
  }
  return undefined;
}

const FALSE_LITERAL = '{"kind":"literal","value":false}';

function nameOf(fact: Fact): string {
  return (JSON.parse(fact.field) as string[]).join('.');
}

function spoken({ is, from }: Fact): string {
  const where = from === 'when' ? ' (in when)' : from === 'match' ? ' (in match)' : '';
  switch (is.kind) {
    case 'set':
      return `${is.values.length === 1 ? '' : 'one of '}${is.values.map(shown).join(', ')}${where}`;
    case 'notSet':
      return `not ${is.values.map(shown).join(', ')}${where}`;
    case 'range': {
      const low = is.low === undefined ? [] : [`${is.low.open ? '>' : '>='} ${shown(is.low.at)}`];
      const high = is.high === undefined ? [] : [`${is.high.open ? '<' : '<='} ${shown(is.high.at)}`];
      return `${[...low, ...high].join(' and ')}${where}`;
    }
    case 'exists':
      return `${is.wanted ? 'being there' : 'being absent'}${where}`;
    case 'under':
      return `under ${is.roots.join(', ')}${where}`;
    case 'other':
      return `its condition${where}`;
    default:
      return `${is.kind} ${shown(is.text)}${where}`;
  }
}

function shown(value: unknown): string {
  const text =
    typeof value === 'object' && value !== null && 'text' in value ? String(value.text) : JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

/** The rules that together decide on everything the rule matches: one, or one for each tool it names. */
function hiddenBy(rule: LintedRule, before: readonly LintedRule[]): readonly LintedRule[] | undefined {
  const whole = before.find((other) => hides(other, rule, rule.rule.target));
  if (whole !== undefined) return [whole];
  const { tool } = rule.rule.target;
  if (tool === undefined || tool.patterns.length > 0 || tool.exact.size < 2) return undefined;
  const by = new Set<LintedRule>();
  for (const name of tool.exact) {
    const one = { ...rule.rule.target, tool: only(name) };
    const other = before.find((earlier) => hides(earlier, rule, one));
    if (other === undefined) return undefined;
    by.add(other);
  }
  return [...by];
}

function only(name: string): Names {
  return { exact: new Set([name]), patterns: [], test: (text) => text === name };
}

/** Whether `outer` decides whenever `inner` would: polarity, arrays and errors considered. */
function hides(outer: LintedRule, inner: LintedRule, target: Target): boolean {
  if (!covers(outer.rule.target, target)) return false;
  if (Object.keys(outer.written.doc).some((key) => !KNOWN.has(key))) return false;
  const isAllow = outer.rule.effect === 'allow';
  const isOfAllow = inner.rule.effect === 'allow';
  // One spelling of a URI is enough for a deny, an allow wants them all; an error matches a deny and no allow.
  if (isAllow && !isOfAllow && (outer.rule.target.resource !== undefined || hasConditions(outer))) return false;
  const { roles, annotations } = outer.rule.target;
  if (roles !== undefined && (target.roles === undefined || !coversNames(roles, target.roles))) return false;
  const claimed = new Map(target.annotations ?? []);
  if (annotations?.some(([hint, value]) => claimed.get(hint) !== value) === true) return false;
  return outer.facts.every(
    (wanted) => wanted.from === 'match' || inner.facts.some((fact) => follows(fact, wanted, isOfAllow, isAllow)),
  );
}

function hasConditions({ rule }: LintedRule): boolean {
  return rule.condition !== undefined;
}

/** Whether the one fact brings the other with it. */
function follows(fact: Fact, wanted: Fact, isOfAllow: boolean, isAllow: boolean): boolean {
  if (fact.field !== wanted.field) return false;
  // Among all texts of a call: an allow wants each, a deny one; with none at all they differ.
  if (fact.field === '["*"]' && isOfAllow !== isAllow) return false;
  // args walks arrays, which when cannot compare; when compares null, which args cannot.
  if (fact.from !== wanted.from && [fact, wanted].some(isOfNull)) return false;
  if (fact.from !== wanted.from && (!isOfAllow || (fact.from === 'args' && isAllow))) return false;
  if (fact.from === wanted.from && fact.key === wanted.key) return true;
  if (isOfAllow) return implies(fact.is, wanted.is);
  // The inner rule also matches what is an error to it: that must be an error to the outer one too.
  const errsAlike = typesOf(fact.is) === typesOf(wanted.is) && (fact.is.kind === wanted.is.kind || isPlain(fact));
  return errsAlike && implies(fact.is, wanted.is);
}

/** Whether a fact may speak of null: a list is compared with null in when, its elements are in args. */
function isOfNull({ is }: Fact): boolean {
  return is.kind === 'notSet' || (is.kind === 'set' && is.values.includes(null));
}

function isPlain({ is }: Fact): boolean {
  return is.kind === 'set' || is.kind === 'prefix' || is.kind === 'suffix' || is.kind === 'contains';
}

/** Reports allow rules that win over a later deny or ask where both match, unless they are an exception to it. */
export function overlapping(rules: readonly LintedRule[], hidden: ReadonlySet<LintedRule>, report: Found): void {
  const ordered = rules
    .filter((rule) => rule.rule.effect !== undefined && !hidden.has(rule))
    .toSorted((a, b) => a.rank - b.rank);
  const allows: LintedRule[] = [];
  for (const rule of ordered) {
    if (rule.rule.effect === 'allow') {
      allows.push(rule);
      continue;
    }
    const over = allows.filter((allow) => mayOverlap(allow, rule) && !hides(rule, allow, allow.rule.target));
    const [first] = over;
    if (first === undefined) continue;
    const names = over.slice(0, 3).map((other) => `"${other.rule.name}"`);
    const more = over.length > 3 ? ` and ${over.length - 3} more` : '';
    report(
      rule,
      'LINT-03',
      'warning',
      [],
      `where ${names.join(', ')}${more} and "${rule.rule.name}" both match, the call is allowed: the allow is asked first`,
      `move "${rule.rule.name}" before "${first.rule.name}" if it should win, or exclude its cases there`,
    );
  }
}

function mayOverlap(a: LintedRule, b: LintedRule): boolean {
  return (
    targetsMeet(a.rule.target, b.rule.target) &&
    !a.facts.some((fact) => fact.from !== 'match' && b.facts.some((other) => excludes(fact, other)))
  );
}

/** Whether no value of a field makes both true. */
function excludes(a: Fact, b: Fact): boolean {
  if (a.field !== b.field || a.field === '["*"]') return false;
  // args asks the elements of a list, when the list itself, which is not null.
  const isNotNull = ({ is }: Fact): boolean => is.kind === 'notSet' && is.values.includes(null);
  if (a.from !== b.from && (isNotNull(a) || isNotNull(b))) return false;
  return contradict(a.is, b.is);
}

/** Whether some message may be named by both; conditions are not looked at. Conservative: a no is certain. */
export function targetsMeet(a: Target, b: Target): boolean {
  const kindOf = (target: Target): string | undefined =>
    target.tool !== undefined || target.annotations !== undefined
      ? 'tool'
      : target.prompt !== undefined
        ? 'prompt'
        : target.resource !== undefined
          ? 'resource'
          : undefined;
  const [kindA, kindB] = [kindOf(a), kindOf(b)];
  if (kindA !== undefined && kindB !== undefined && kindA !== kindB) return false;
  if (![...a.directions].some((direction) => b.directions.has(direction))) return false;
  const keys = ['server', 'tool', 'prompt', 'resource', 'method'] as const;
  return keys.every((key) => namesMeet(a[key], b[key])) && methodsMeet(a, kindB) && methodsMeet(b, kindA);
}

const METHOD_OF: Readonly<Record<string, string>> = {
  tool: 'tools/call',
  prompt: 'prompts/get',
  resource: 'resources/read',
};

/** A rule with a method of its own does not meet a rule for tools unless it is theirs. */
function methodsMeet(target: Target, otherKind: string | undefined): boolean {
  const method = otherKind === undefined ? undefined : METHOD_OF[otherKind];
  return target.method === undefined || method === undefined || target.method.test(method);
}

/** Whether some name is in both; two patterns meet unless what they begin with differs. */
function namesMeet(a: Names | undefined, b: Names | undefined): boolean {
  if (a === undefined || b === undefined) return true;
  if ([...a.exact].some((name) => b.test(name)) || [...b.exact].some((name) => a.test(name))) return true;
  return a.patterns.some((one) =>
    b.patterns.some((other) => {
      if (one.prefix === undefined || other.prefix === undefined) return true;
      return one.prefix.startsWith(other.prefix) || other.prefix.startsWith(one.prefix);
    }),
  );
}

/** Reports redactions of rules for calls that are always refused. */
export function unreachedRedactions(
  rules: readonly LintedRule[],
  defaultEffect: 'allow' | 'deny' | 'ask',
  report: Found,
): void {
  const deciding = rules.filter((rule) => rule.rule.effect !== undefined).toSorted((a, b) => a.rank - b.rank);
  for (const rule of rules) {
    const at = (rule.written.doc.obligations ?? []).findIndex((duty) => duty.redact !== undefined);
    if (at < 0 || rule.rule.effect === 'deny' || rule.rule.effect === 'defer') continue;
    const target = { ...rule.rule.target, directions: new Set(['call'] as const) };
    const refusing = refusalOf(target, deciding, defaultEffect);
    if (refusing === undefined) continue;
    report(
      rule,
      'LINT-14',
      'warning',
      ['obligations', at],
      `the redaction of rule "${rule.rule.name}" reaches nothing: ${refusing}`,
      'allow some of these calls, or remove the obligation',
    );
  }
}

/** What refuses every call of a target; undefined when something may pass. */
function refusalOf(target: Target, deciding: readonly LintedRule[], defaultEffect: string): string | undefined {
  for (const other of deciding) {
    const { effect, name, condition, target: theirs } = other.rule;
    if (!targetsMeet(theirs, target)) continue;
    if (effect !== 'deny' && effect !== 'defer') return undefined;
    if (condition === undefined && covers(theirs, target)) return `"${name}" refuses every call it is for`;
  }
  const isNamed = target.tool !== undefined || target.prompt !== undefined || target.resource !== undefined;
  return isNamed && defaultEffect === 'deny' ? 'no rule allows a call it is for, and the default is deny' : undefined;
}
