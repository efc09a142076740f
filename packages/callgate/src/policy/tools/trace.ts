import type { Call } from '../../model/call.ts';
import type { Decision, Effect } from '../../model/decision.ts';
import { messageOf } from '../../model/error.ts';
import type { Place } from '../../model/error.ts';
import { type Atom, type ConditionTree, judgeTree } from '../condition/atoms.ts';
import { masked, maskedText } from './cases-call.ts';
import type { CompiledPolicy } from '../compile-documents.ts';
import type { CompiledRule } from '../rule.ts';
import { coversMethod, matchesNames } from '../target.ts';
import { timeIn } from '../condition/time.ts';
import { type Truth, Unsure } from '../condition/truth.ts';

/** What a condition came to. */
export type Told = true | false | 'error';

export interface AtomTrace {
  /** As the policy has it. */
  readonly text: string;
  readonly value: Told;
  /** Why it cannot be told. */
  readonly cause?: string;
  /** The value it looked at, as JSON, secrets masked; absent when it looks at none, or at what is not there. */
  readonly operand?: string;
}

export interface RuleTrace {
  readonly rule: string;
  readonly effect: Effect | undefined;
  /** `policy`, or the layer it belongs to. */
  readonly layer: string;
  readonly file: string;
  readonly line?: number;
  /** An error matches a rule that denies, asks or defers, and no allow. */
  readonly matched: Told;
  /** Why it does not match, or cannot be told. */
  readonly why?: string;
  /** Empty for a rule that names other messages: its conditions are not asked. */
  readonly atoms: readonly AtomTrace[];
  /** Whether the decision is this rule's. */
  readonly decided: boolean;
}

/** A decision and how it came about. */
export interface Trace {
  readonly decision: Decision;
  /** Every written rule, in the order they are asked. */
  readonly rules: readonly RuleTrace[];
}

/** Where a node of a rule stands; undefined for a rule of no text. */
export type PlaceOf = (rule: CompiledRule) => Place | undefined;

/**
 * Explains what a policy says about a call: asks every rule and every part of its conditions by the closures that decide.
 * The decision is the policy's own.
 */
export function trace(policy: CompiledPolicy, call: Call, placeOf: PlaceOf = () => undefined): Trace {
  const decision = policy.decide(call);
  const rules = policy.rules.map((rule) => traceRule(rule, call, decision, placeOf(rule)));
  return { decision, rules };
}

function traceRule(rule: CompiledRule, call: Call, decision: Decision, place: Place | undefined): RuleTrace {
  const head = {
    rule: rule.name,
    effect: rule.effect,
    layer: layerOf(rule.name),
    file: rule.file,
    ...(place === undefined ? {} : { line: place.line }),
  };
  const elsewhere = otherNames(rule, call);
  if (elsewhere !== undefined) return { ...head, matched: false, why: elsewhere, atoms: [], decided: false };
  try {
    const truth = ask(() => (rule.condition === undefined ? true : rule.condition(call)));
    const atoms = rule.atoms.map((atom) => traceAtom(rule, atom, call));
    const matched = told(truth);
    const why = truth instanceof Unsure ? truth.cause : truth ? undefined : failing(rule.tree, call);
    return {
      ...head,
      matched,
      ...(why === undefined ? {} : { why }),
      atoms,
      decided: decision.rule === rule.name && matched !== false,
    };
  } finally {
    rule.forget();
  }
}

function layerOf(name: string): string {
  return /^(organisation|project|home):/.exec(name)?.[1] ?? 'policy';
}

/** Which of the names of a call the rule is not for; undefined when it is for this message. */
export function otherNames({ target, effect }: CompiledRule, call: Call): string | undefined {
  if (matchesNames(target, call, effect === 'allow')) return undefined;
  const { direction, server, method } = call;
  if (!target.directions.has(direction)) return `it is for direction ${[...target.directions].join(', ')}`;
  if (target.server !== undefined && !target.server.test(server))
    return `it is for another server than ${quotedName(server)}`;
  if (!coversMethod(target, direction, method)) return `it is for other messages than ${quotedName(method)}`;
  if (target.tool !== undefined) return `it is for another tool than ${quotedName(call.tool)}`;
  if (target.prompt !== undefined) return `it is for another prompt than ${quotedName(call.prompt)}`;
  return `it is for another resource than ${quotedName(call.uri)}`;
}

/** A name of a call, cut and masked, in quotes. */
export function quotedName(name: string | undefined): string {
  return name === undefined ? 'none' : maskedText(name.length > 100 ? `${name.slice(0, 99)}…` : name, undefined);
}

/** The first part of a condition that makes it false. */
function failing(tree: ConditionTree | undefined, call: Call): string | undefined {
  if (tree === undefined) return undefined;
  if (tree.kind === 'all') {
    const part = tree.of.find((inner) => judged(inner, call) === false);
    return failing(part, call);
  }
  if (tree.kind === 'atom') return `not ${masked(tree.atom.text, undefined)}`;
  if (tree.kind === 'not')
    return tree.of.kind === 'atom' ? masked(tree.of.atom.text, undefined) : 'the opposite of a condition that holds';
  return `none of ${tree.of.length} alternatives`;
}

function judged(tree: ConditionTree, call: Call): Truth {
  return judgeTree(tree, (atom) => ask(() => atom.test(call)));
}

const LONGEST_OPERAND = 500;

/** What one part of a condition comes to, and the value it looked at. Call the rule's `forget` afterwards. */
export function traceAtom(rule: CompiledRule, atom: Atom, call: Call): AtomTrace {
  const truth = ask(() => atom.test(call));
  const value = told(truth);
  let operand: string | undefined;
  if (atom.operand !== undefined) {
    const found = ask(() => atom.operand!(call));
    if (found !== undefined && !(found instanceof Unsure)) {
      const text =
        atom.path.at(-1) === 'schedule'
          ? clockText(found, rule.doc.schedule?.timeZone)
          : maskedText(found, memberOf(atom));
      operand = text.length > LONGEST_OPERAND ? `${text.slice(0, LONGEST_OPERAND - 1)}…` : text;
    }
  }
  return {
    // A policy may hold a secret too, such as a token that calls must bring.
    text: masked(atom.text, undefined),
    value,
    ...(truth instanceof Unsure ? { cause: truth.cause } : {}),
    ...(operand === undefined ? {} : { operand }),
  };
}

/** When a schedule was asked, on the clock of its zone and in universal time. */
function clockText(ms: unknown, zone: string | undefined): string {
  if (typeof ms !== 'number' || !(Math.abs(ms) <= 8.64e15)) return String(ms);
  const utc = `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  const wall = zone === undefined ? undefined : ask(() => timeIn(zone)(ms));
  if (wall === undefined || wall instanceof Unsure) return utc;
  const two = (part: number): string => String(part).padStart(2, '0');
  return `${wall.weekday} ${two(wall.hour)}:${two(wall.minute)} in ${zone} (${utc})`;
}

/** The last name of the field that an entry of `args`, or a part of `when`, looks at. */
function memberOf({ path, text }: Atom): string | undefined {
  const at = path.indexOf('args');
  const field = at < 0 ? /\b(?:args|result)\.([\w.]+)/.exec(text)?.[1] : path[at + 1];
  return typeof field === 'string' ? field.split('.').findLast((part) => !/^\d+$/.test(part)) : undefined;
}

function told(truth: Truth): Told {
  return truth instanceof Unsure ? 'error' : truth;
}

/** What throws while it is judged is a fault, and told as one. */
function ask<T>(judge: () => T): T | Unsure {
  try {
    return judge();
  } catch (cause) {
    return new Unsure(messageOf(cause));
  }
}
