import type { Effect, Obligation } from '../model/decision.ts';
import type { NodePath, RuleDoc } from './document/document-types.ts';
import { type Atom, atomsOf, type Branch, type ConditionTree, joined, leaf } from './condition/atoms.ts';
import type { FieldPath } from './condition/field.ts';
import { flow } from './document/flow.ts';
import { compileObligations, durationMs } from './obligations.ts';
import { compileField } from './condition/operators.ts';
import { compileWhen } from './condition/when.ts';
import type { Condition, Fact, Report, Scope, Texts } from './condition/scope.ts';
import type { RoleTable } from './roles.ts';
import { compileSchedule } from './schedule.ts';
import { checkTags } from './document/tags.ts';
import { annotationsHold, compileTarget, indexOf, type Target } from './target.ts';
import { Unsure } from './condition/truth.ts';
import type { Root } from './condition/under.ts';

/** One rule, compiled. */
export interface CompiledRule {
  /** Id with the layer's prefix, as decisions name it. */
  readonly name: string;
  readonly effect: Effect | undefined;
  readonly reason: string;
  readonly description: string | undefined;
  readonly tags: readonly string[];
  readonly onError: 'deny' | 'ask';
  readonly target: Target;
  /** All of roles, annotations, args and when; undefined when the match alone decides. */
  readonly condition: Condition | undefined;
  /** How the condition is made of atoms, for traces; undefined when there is none. Put together when first asked for. */
  readonly tree: ConditionTree | undefined;
  readonly atoms: readonly Atom[];
  readonly obligations: readonly Obligation[];
  /** Of a rule that defers. */
  readonly retryAfterMs?: number;
  readonly paths: readonly FieldPath[];
  readonly usesSubject: boolean;
  readonly usesAnnotations: boolean;
  /** What the conditions look at beyond names and principal: the gate fetches no more than that. */
  readonly facts: ReadonlySet<Fact>;
  readonly file: string;
  /** What it was compiled from; for tools that analyse the policy. */
  readonly doc: RuleDoc;
  /** Where it stands in its file. */
  readonly path: NodePath;
  /** Ends a decision: what the conditions remembered of a call is dropped. */
  readonly forget: () => void;
}

/** What rules are compiled with. */
export interface RuleSetting {
  readonly file: string;
  readonly prefix: string;
  readonly texts: Texts;
  readonly roles: RoleTable;
  readonly home: string | undefined;
  readonly expand: (text: string, report: Report) => string | undefined;
  readonly root: (text: string, report: Report) => Root | undefined;
  readonly reportAt: (path: NodePath) => Report;
}

/** Compiles one rule; `isWhole` is false when parts of it did not load, so that what is missing is not reported twice. */
export function compileRule(doc: RuleDoc, path: NodePath, isWhole: boolean, setting: RuleSetting): CompiledRule {
  const { texts, reportAt } = setting;
  const target = compileTarget(doc.match ?? {}, [...path, 'match'], texts, reportAt);
  const name = `${setting.prefix}${doc.id ?? '?'}`;
  const facts = new Set<Fact>(target.annotations === undefined ? [] : ['annotations']);
  const paths: FieldPath[] = [];
  const scope: Scope = {
    effect: doc.effect,
    subject: subjectOf(target),
    rolesOf: setting.roles.rolesOf,
    home: setting.home,
    argument: texts.arguments.lookup,
    readers: texts.readers,
    expand: setting.expand,
    root: setting.root,
    pattern: texts.pattern,
    glob: texts.glob,
    paths,
    uses: (fact) => void facts.add(fact),
  };
  if (isWhole) checkSense(doc, path, target, reportAt);
  if (target.roles !== undefined) {
    const at = [...path, 'match', 'roles'];
    setting.roles.check(target.roles, reportAt(at), (role) => {
      const index = indexOf(doc.match.roles, role);
      return reportAt(index === undefined ? at : [...at, index]);
    });
  }
  checkTags(doc.tags ?? [], [...path, 'tags'], reportAt);
  const parts = conditionParts(doc, path, target, scope, reportAt, isWhole);
  const branch = parts.length === 0 ? undefined : joined('all', parts);
  let tree: ConditionTree | undefined;
  const obligations = compileObligations(
    doc.obligations ?? [],
    name,
    target.directions,
    [...path, 'obligations'],
    scope,
    reportAt,
  );
  return {
    name,
    doc,
    effect: doc.effect,
    reason: doc.reason ?? usualReason(name, doc.effect),
    description: doc.description,
    tags: doc.tags ?? [],
    onError: doc.onError ?? 'deny',
    target,
    condition: branch?.test,
    get tree() {
      return (tree ??= branch?.tree());
    },
    get atoms() {
      return atomsOf(this.tree);
    },
    obligations,
    ...(doc.effect === 'defer' ? { retryAfterMs: durationMs(doc.retryAfter ?? DEFAULT_RETRY_AFTER) } : {}),
    paths,
    usesSubject: facts.has('subject'),
    usesAnnotations: facts.has('annotations'),
    facts,
    file: setting.file,
    path,
    forget: texts.forget,
  };
}

const DEFAULT_RETRY_AFTER = '60s';

/** What a rule's conditions look at: arguments on the way there, the result on the way back. */
function subjectOf(target: Target): Scope['subject'] {
  const there = target.directions.has('call') || target.directions.has('request');
  const back = target.directions.has('result') || target.directions.has('answer');
  return there && back ? 'none' : back ? 'result' : 'args';
}

function checkSense(doc: RuleDoc, path: NodePath, target: Target, reportAt: RuleSetting['reportAt']): void {
  if (doc.effect === undefined && (doc.obligations ?? []).length === 0) {
    reportAt(path)(
      'CG_POLICY_NO_EFFECT',
      `rule "${doc.id}" has neither an effect nor obligations: it would do nothing`,
      'add `effect: allow`, deny or ask',
    );
  }
  if (doc.onError !== undefined && doc.effect !== undefined) {
    reportAt([...path, 'onError'])(
      'CG_POLICY_ON_ERROR',
      `onError is for rules without an effect; rule "${doc.id}" has ${doc.effect}`,
      'remove it: on an error allow does not match, and deny, ask and defer do',
    );
  }
  const refuses = doc.effect === 'deny' || doc.effect === 'defer';
  if (refuses && doc.obligations?.some((duty) => duty.log === undefined && duty.alert === undefined) === true) {
    reportAt([...path, 'obligations'])(
      'CG_POLICY_OBLIGATION',
      `rule "${doc.id}" refuses the call: nothing passes that its obligations could apply to, except log and alert`,
      'put them on a rule without an effect, or remove them',
    );
  }
  if (doc.retryAfter !== undefined && doc.effect !== 'defer') {
    reportAt([...path, 'retryAfter'])(
      'CG_POLICY_VALUE',
      `retryAfter is for rules with effect: defer, and rule "${doc.id}" has ${doc.effect ?? 'none'}`,
      'remove it, or write `effect: defer`',
    );
  }
  if (doc.args !== undefined && subjectOf(target) !== 'args') {
    reportAt([...path, 'args'])(
      'CG_POLICY_DIRECTION',
      'args looks at the arguments of a call, and this rule also covers results or answers',
      'write `when:` with result..., such as `anyString(result).exists(s, s.contains("..."))`',
    );
  }
}

function conditionParts(
  doc: RuleDoc,
  path: NodePath,
  target: Target,
  scope: Scope,
  reportAt: RuleSetting['reportAt'],
  isWhole: boolean,
): Branch[] {
  const parts: Branch[] = [];
  const { roles, annotations } = target;
  if (roles !== undefined)
    parts.push(
      leaf(
        (call) => scope.rolesOf(call.principal).some((role) => roles.test(role)),
        [...path, 'match', 'roles'],
        () => `roles: ${flow(doc.match.roles)}`,
        (call) => scope.rolesOf(call.principal),
      ),
    );
  if (doc.schedule !== undefined) {
    scope.uses('time');
    parts.push(
      leaf(
        compileSchedule(doc.schedule, [...path, 'schedule'], reportAt),
        [...path, 'schedule'],
        () => `schedule: ${flow(doc.schedule)}`,
        (call) => call.time,
      ),
    );
  }
  if (annotations !== undefined) {
    const isEffectless = scope.effect === undefined;
    parts.push(
      leaf(
        (call) => {
          const truth = annotationsHold(annotations, call);
          return isEffectless && truth instanceof Unsure ? true : truth;
        },
        [...path, 'match', 'annotations'],
        () => `annotations: ${flow(doc.match.annotations)}`,
      ),
    );
  }
  for (const [field, matcher] of Object.entries(doc.args ?? {})) {
    parts.push(compileField(field, matcher, [...path, 'args', field], scope, reportAt));
  }
  if (doc.when !== undefined) parts.push(compileWhen(doc.when, [...path, 'when'], scope, reportAt, isWhole));
  return parts;
}

function usualReason(name: string, effect: Effect | undefined): string {
  switch (effect) {
    case 'allow':
      return `rule ${name} allows it`;
    case 'ask':
      return `rule ${name} wants a person to approve it`;
    case 'defer':
      return `rule ${name} puts it off`;
    default:
      return `rule ${name} denies it`;
  }
}
