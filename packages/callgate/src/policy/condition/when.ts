import { type Branch, joined, leaf, negated } from './atoms.ts';
import type { MatcherDoc, NodePath, OperatorDoc, WhenDoc, WhenMap } from '../document/document-types.ts';
import { compileExpression, compileFact } from './expression.ts';
import { typeName } from './field.ts';
import { flow } from '../document/flow.ts';
import { suggest } from '../document/nearest.ts';
import { isNumeric } from './numbers.ts';
import { compileField, compileValueTest } from './operators.ts';
import type { Report, Scope } from './scope.ts';
import { Unsure } from './truth.ts';

type ReportAt = (path: NodePath) => Report;

/** How deep `all`, `any` and `not` may nest. */
const MAX_DEPTH = 32;

/**
 * Compiles `when`: a text in the CEL subset, or the same as a map of `all`, `any`, `not` and comparisons, through the
 * operators of `args`. What is wrong is reported; what is missing only where all of the document was read.
 */
export function compileWhen(doc: WhenDoc, path: NodePath, scope: Scope, reportAt: ReportAt, isWhole: boolean): Branch {
  return compileNode(doc, path, { scope, reportAt, isWhole, all: scope.effect === 'allow', depth: 0 });
}

interface Place {
  readonly scope: Scope;
  readonly reportAt: ReportAt;
  readonly isWhole: boolean;
  /** Whether every element of an array must hold; the other way round below a `not`. */
  readonly all: boolean;
  readonly depth: number;
}

function compileNode(doc: WhenDoc, path: NodePath, place: Place): Branch {
  const report = place.reportAt(path);
  if (typeof doc === 'string') return compileExpression(doc, place.scope, path, report);
  const broken = leaf(
    () => new Unsure('the condition did not load'),
    path,
    () => flow(doc),
  );
  if (place.depth >= MAX_DEPTH) {
    report('CG_POLICY_WHEN', `the condition is nested deeper than ${MAX_DEPTH}`, 'split the rule');
    return broken;
  }
  const inner = { ...place, depth: place.depth + 1 };
  const keys = Object.keys(doc);
  const [first = ''] = keys;
  const isComparison = keys.some((key) => key === 'field' || key === 'op' || key === 'value');
  if (isComparison ? keys.includes('all') || keys.includes('any') || keys.includes('not') : keys.length > 1) {
    report(
      'CG_POLICY_TWO_OPERATORS',
      `a condition says one thing, and this one says ${keys.join(' and ')}`,
      'put them under all: [...] or any: [...]',
    );
    return broken;
  }
  if (isComparison) return compileComparison(doc, path, place) ?? broken;
  switch (first) {
    case 'all':
    case 'any': {
      const parts = (doc[first] ?? []).map((part, index) => compileNode(part, [...path, first, index], inner));
      return parts.length === 0 ? broken : joined(first, parts);
    }
    case 'not':
      return doc.not === undefined
        ? broken
        : negated(compileNode(doc.not, [...path, 'not'], { ...inner, all: !place.all }));
    default:
      // What was there did not load, and is reported already.
      return broken;
  }
}

/** The operators of a comparison by their names there: what each is in `args`, and the values it takes. */
const OPERATORS: Readonly<Record<string, readonly [keyof OperatorDoc, Takes]>> = {
  eq: ['equals', 'scalar'],
  ne: ['notEquals', 'scalar'],
  in: ['in', 'scalars'],
  not_in: ['notIn', 'scalars'],
  startswith: ['startsWith', 'text'],
  endswith: ['endsWith', 'text'],
  contains: ['contains', 'text'],
  regex: ['regex', 'text'],
  glob: ['glob', 'text'],
  lt: ['lt', 'number'],
  le: ['le', 'number'],
  gt: ['gt', 'number'],
  ge: ['ge', 'number'],
  exists: ['exists', 'flag'],
  under: ['under', 'texts'],
  host: ['host', 'texts'],
  cidr: ['cidr', 'texts'],
  shell: ['shell', 'map'],
  sql: ['sql', 'map'],
  equals: ['equals', 'scalar'],
  notEquals: ['notEquals', 'scalar'],
  notIn: ['notIn', 'scalars'],
  startsWith: ['startsWith', 'text'],
  endsWith: ['endsWith', 'text'],
};
type Takes = 'scalar' | 'scalars' | 'text' | 'texts' | 'number' | 'flag' | 'map';
const TAKES: Readonly<Record<Takes, string>> = {
  scalar: 'a text, number, true, false or null',
  scalars: 'a list of texts and numbers',
  text: 'a text',
  texts: 'a text or a list of texts',
  number: 'a number',
  flag: 'true or false',
  map: 'a map',
};

const SAMPLES: Readonly<Record<Takes, string>> = {
  scalar: '"x"',
  scalars: '["x", "y"]',
  text: '"x"',
  texts: '["x", "y"]',
  number: '10',
  flag: 'true',
  map: '{ destructive: true }',
};

/** `{ field, op, value }`; undefined when it does not load. */
function compileComparison(doc: WhenMap, path: NodePath, { scope, reportAt, isWhole, all }: Place): Branch | undefined {
  const { field, op } = doc;
  if (field === undefined || op === undefined) {
    const missing = field === undefined ? 'field' : 'op';
    if (isWhole) {
      const remedy = 'write { field: "args.a", op: eq, value: 1 }';
      reportAt(path)('CG_POLICY_MISSING_KEY', `the comparison has no ${missing}`, remedy);
    }
    return undefined;
  }
  const known = Object.hasOwn(OPERATORS, op) ? OPERATORS[op] : undefined;
  if (known === undefined) {
    const names = Object.keys(OPERATORS).slice(0, 19);
    reportAt([...path, 'op'])('CG_POLICY_UNKNOWN_OPERATOR', `there is no operator "${op}"`, suggest(op, names));
    return undefined;
  }
  const [name, takes] = known;
  const value = doc.value === undefined && name === 'exists' ? true : doc.value;
  if (!isTaken(value, takes)) {
    if (value === undefined && !isWhole) return undefined;
    reportAt(value === undefined ? path : [...path, 'value'])(
      'CG_POLICY_TYPE',
      `${op} takes ${TAKES[takes]}, found ${value === undefined ? 'nothing' : typeName(value)}`,
      `write { field: ${field}, op: ${op}, value: ${SAMPLES[takes]} }`,
    );
    return undefined;
  }
  const matcher = { [name]: value } as MatcherDoc;
  // Issues of the operator stand at the value; the shape of the document has no place for an operator's name here.
  const issuesAt: ReportAt = (at) => reportAt([...path, 'value', ...at.slice(path.length + 1)]);
  const shown = `${field} ${op} ${flow(value)}`;
  const root = field.startsWith('result.') ? 'result' : field.startsWith('args.') ? 'args' : undefined;
  if (root !== undefined) {
    if (compileFact(root, scope, reportAt([...path, 'field'])) === undefined) return undefined;
    const branch = compileField(field.slice(root.length + 1), matcher, path, scope, issuesAt, all);
    return renamed(branch, shown);
  }
  const lookup = compileFact(field, scope, reportAt([...path, 'field']));
  if (lookup === undefined) return undefined;
  const test = compileValueTest(field, matcher, path, scope, issuesAt, all);
  return leaf(
    (call) => {
      const found = lookup(call);
      return found instanceof Unsure ? found : test(found, call);
    },
    path,
    () => shown,
    lookup,
  );
}

function renamed(branch: Branch, text: string): Branch {
  const { test, tree } = branch;
  return {
    test,
    tree: () => {
      const made = tree();
      return made.kind === 'atom' ? { kind: 'atom', atom: { ...made.atom, text } } : made;
    },
  };
}

function isTaken(value: unknown, takes: Takes): boolean {
  switch (takes) {
    case 'text':
      return typeof value === 'string';
    case 'number':
      return isNumeric(value);
    case 'flag':
      return typeof value === 'boolean';
    case 'scalar':
      return isScalar(value);
    case 'scalars':
      return Array.isArray(value) && value.length > 0 && value.every(isScalar);
    case 'texts':
      return (
        typeof value === 'string' ||
        (Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string'))
      );
    case 'map':
      return typeof value === 'object' && value !== null && !Array.isArray(value) && !isNumeric(value);
  }
}

function isScalar(value: unknown): boolean {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || isNumeric(value);
}
