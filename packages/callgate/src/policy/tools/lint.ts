import type { Place } from '../../model/error.ts';
import type { IncludedRole, PolicySource } from '../compile-documents.ts';
import { type PolicyDocument, readDocument } from '../document/document.ts';
import type { NodePath } from '../document/document-types.ts';
import { factsOf, type Fact } from './lint-facts.ts';
import { overlapping, shadowed, unreachedRedactions } from './lint-pairs.ts';
import { suspicious } from './lint-rules.ts';
import { openPlaces, type WrittenRule } from '../document/places.ts';
import type { CompiledRule } from '../rule.ts';

/** `error`: the rule does not do what it says. `warning`: it does more or less than is meant, as a rule. `note`: look at it. */
export type Severity = 'error' | 'warning' | 'note';

/** Something about a policy that loads and is probably not meant. */
export interface LintFinding {
  /** `LINT-01` ...: docs/policy-questions.md has a line for each. */
  readonly code: string;
  readonly severity: Severity;
  /** The rule it is about, or `roles.<name>` for a role. */
  readonly rule: string;
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
  readonly place: Place;
}

/** A rule with everything the checks ask of it. */
export interface LintedRule {
  readonly rule: CompiledRule;
  readonly written: WrittenRule;
  readonly facts: readonly Fact[];
  /** How strong it is among the matching rules: the lowest is asked first. */
  readonly rank: number;
}

/** Says that something is wrong at a part of a rule. */
export type Found = (
  rule: LintedRule,
  code: string,
  severity: Severity,
  path: NodePath,
  message: string,
  remedy: string,
) => void;

/** What the lint asks of a policy. */
export interface LintedPolicy {
  readonly rules: readonly CompiledRule[];
  readonly defaultEffect: 'allow' | 'deny' | 'ask';
  readonly combine?: 'first' | 'priority' | 'deny-overrides' | undefined;
  readonly includedRoles?: readonly IncludedRole[];
}

const MOST_FINDINGS = 1_000;
const GRAVITY = { error: 0, warning: 1, note: 2 } as const;

/**
 * Looks for what loads and is probably not meant: rules that never decide, conditions that never hold, allow rules wider
 * than they look. Conservative about the first two: what is named there is certain. `sources` are the texts of the rules.
 * @returns at most 1,000 findings, in the order of the files
 */
export function lint(policy: LintedPolicy, sources: readonly PolicySource[]): readonly LintFinding[] {
  const rules = lintedRules(policy, sources);
  const found: LintFinding[] = [];
  const report: Found = ({ rule, written }, code, severity, path, message, remedy) => {
    found.push({ code, severity, rule: rule.name, message, remedy, place: written.at(...path) });
  };
  const hidden = shadowed(rules, report);
  overlapping(rules, hidden, report);
  unreachedRedactions(rules, policy.defaultEffect, report);
  for (const rule of rules) suspicious(rule, report);
  found.push(...givenRoles(policy, sources));
  const order = new Map(sources.map((source, index) => [source.file, index]));
  // Where there are too many, the worst are kept.
  return found
    .toSorted((a, b) => GRAVITY[a.severity] - GRAVITY[b.severity])
    .slice(0, MOST_FINDINGS)
    .toSorted(
      (a, b) =>
        (order.get(a.place.file) ?? 0) - (order.get(b.place.file) ?? 0) ||
        a.place.line - b.place.line ||
        a.code.localeCompare(b.code),
    );
}

/** Who has a role is said by the policy, not by a pack: whoever writes the pack could make themselves an administrator. */
function givenRoles({ includedRoles = [] }: LintedPolicy, sources: readonly PolicySource[]): LintFinding[] {
  const read = new Map<string, PolicyDocument>();
  return includedRoles.flatMap(({ role, file, path, isFixed }) => {
    const source = sources.find((one) => one.file === file);
    if (isFixed || source === undefined) return [];
    let document = read.get(file);
    if (document === undefined) read.set(file, (document = readDocument(file, source.text)));
    const { place } = document.issueAt(path, '', '');
    return [
      {
        code: 'LINT-16',
        severity: 'warning',
        rule: `roles.${role}`,
        message: `an included file says who has the role "${role}": whoever can change that file can give it to anybody`,
        remedy: `declare "${role}" under roles: of your own file, which then counts alone, or include the file by its sha256`,
        place,
      },
    ];
  });
}

function lintedRules(policy: LintedPolicy, sources: readonly PolicySource[]): LintedRule[] {
  const writtenOf = openPlaces(sources);
  const out: LintedRule[] = [];
  for (const [index, rule] of policy.rules.entries()) {
    const written = writtenOf(rule);
    if (written !== undefined)
      out.push({ rule, written, facts: factsOf(written.doc, rule), rank: rankOf(policy, rule, index) });
  }
  return out;
}

const BY_EFFECT = { deny: 0, ask: 1, defer: 2, allow: 3 } as const;

/** Where the rule stands among those that match, by the way the policy combines them. */
function rankOf(policy: LintedPolicy, rule: CompiledRule, index: number): number {
  // Rules with a priority are in the order of their priorities.
  return policy.combine === 'deny-overrides' ? BY_EFFECT[rule.effect ?? 'allow'] * policy.rules.length + index : index;
}
