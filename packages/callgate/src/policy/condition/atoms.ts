import type { Call } from '../../model/call.ts';
import type { NodePath } from '../document/document-types.ts';
import type { Value } from './expression-values.ts';
import type { Condition } from './scope.ts';
import { allTrue, anyTrue, both, negate, type Truth } from './truth.ts';

/** One thing that a rule asks of a call: its roles, one entry of `args`, one leaf of `when` ... */
export interface Atom {
  /** As the policy has it. */
  readonly text: string;
  /** Where it stands in the document. */
  readonly path: NodePath;
  /** Judges a call as the rule does. Outside a decision, call the rule's `forget` after asking. */
  readonly test: Condition;
  /** What the test looks at, where that is one value; undefined when it is not there. */
  readonly operand?: (call: Call) => Value | undefined;
}

/** How the atoms of a rule are joined. */
export type ConditionTree =
  | { readonly kind: 'atom'; readonly atom: Atom }
  | { readonly kind: 'all' | 'any'; readonly of: readonly ConditionTree[] }
  | { readonly kind: 'not'; readonly of: ConditionTree };

/** A compiled condition with what it is made of; `tree` is called only when somebody asks for a trace. */
export interface Branch {
  readonly test: Condition;
  readonly tree: () => ConditionTree;
}

/** A leaf: its text is put together only for a trace, which may ask it by another closure than the rule does. */
export function leaf(
  test: Condition,
  path: NodePath,
  text: () => string,
  operand?: Atom['operand'],
  asked: Condition = test,
): Branch {
  const rest = operand === undefined ? {} : { operand };
  return { test, tree: () => ({ kind: 'atom', atom: { text: text(), path, test: asked, ...rest } }) };
}

/** All (or any) of some branches, by Kleene's logic. */
export function joined(kind: 'all' | 'any', branches: readonly Branch[]): Branch {
  const [only] = branches;
  if (only !== undefined && branches.length === 1) return only;
  const tests = branches.map((branch) => branch.test);
  return {
    test: kind === 'all' ? conjunction(tests) : (call) => anyTrue(tests, (test) => test(call)),
    tree: () => ({ kind, of: branches.map((branch) => branch.tree()) }),
  };
}

/** The opposite of a branch; an error stays one. */
export function negated(branch: Branch): Branch {
  const { test } = branch;
  return { test: (call) => negate(test(call)), tree: () => ({ kind: 'not', of: branch.tree() }) };
}

/** All of some conditions, two of them without a loop. */
export function conjunction(tests: readonly Condition[]): Condition {
  const [first, second] = tests;
  if (tests.length === 2 && first !== undefined && second !== undefined) return both(first, second);
  return (call) => allTrue(tests, (test) => test(call));
}

/** The atoms of a tree, in the order of the document. */
export function atomsOf(tree: ConditionTree | undefined): readonly Atom[] {
  if (tree === undefined) return [];
  if (tree.kind === 'atom') return [tree.atom];
  return tree.kind === 'not' ? atomsOf(tree.of) : tree.of.flatMap(atomsOf);
}

/** What a tree says when `ask` answers for its atoms: the same as the rule's condition does. */
export function judgeTree(tree: ConditionTree, ask: (atom: Atom) => Truth): Truth {
  switch (tree.kind) {
    case 'atom':
      return ask(tree.atom);
    case 'not':
      return negate(judgeTree(tree.of, ask));
    case 'all':
      return allTrue(tree.of, (part) => judgeTree(part, ask));
    case 'any':
      return anyTrue(tree.of, (part) => judgeTree(part, ask));
  }
}
