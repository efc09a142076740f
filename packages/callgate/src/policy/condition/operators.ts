import type { Call } from '../../model/call.ts';
import type { Json } from '../../model/json.ts';
import type { Literal, MatcherDoc, NodePath, OneOrMany, OperatorDoc, TypedDoc } from '../document/document-types.ts';
import { type Branch, leaf } from './atoms.ts';
import { allStrings, type FieldPath, parseField, quantify, testField, typeName, valueAt } from './field.ts';
import { flow } from '../document/flow.ts';
import { MAX_GLOB_WORK } from './glob.ts';
import { compareNumbers, isNumeric, type Numeric } from './numbers.ts';
import { compileCidrs, compileHosts, type ReportElement } from './operators-typed.ts';
import { compileShell } from './shell.ts';
import { compileSql } from './sql.ts';
import { MAX_SCANNED, type Condition, type Report, type Scope } from './scope.ts';
import { allTrue, anyTrue, negate, type Truth, Unsure } from './truth.ts';
import { isUnder, type Root } from './under.ts';

/** Judges one value of a call; undefined is "missing". */
type Test = (value: Json | undefined, call: Call) => Truth;
type ReportAt = (path: NodePath) => Report;

/** Where an operator stands, for its causes and issues. */
interface At {
  readonly path: NodePath;
  readonly field: string;
  /** True when every element of an array must hold (allow), false when one is enough. */
  readonly all: boolean;
  readonly anyString: boolean;
  /** Undefined where it is no field of the arguments. */
  readonly fieldPath: FieldPath | undefined;
}

const NEVER: Test = () => new Unsure('the operator did not load');

/** The two spellings of "every text and key". */
export function isAnyString(field: string): boolean {
  return field === '*' || field === 'anyString';
}

/**
 * Compiles one entry of `args`: a field and its matcher. `all` says whether every element of an array must hold.
 */
export function compileField(
  field: string,
  doc: MatcherDoc,
  path: NodePath,
  scope: Scope,
  reportAt: ReportAt,
  all: boolean = scope.effect === 'allow',
): Branch {
  scope.uses('subject');
  const text = (): string => `args.${field}: ${flow(doc)}`;
  if (isAnyString(field)) {
    const at: At = { path, field: 'every text', all, anyString: true, fieldPath: [] };
    const test = compileMatcher(doc, at, scope, reportAt);
    const asked: Condition = (call) => {
      const strings = allStrings(call.args());
      return strings instanceof Unsure ? strings : quantify(strings, all, (element) => test(element, call));
    };
    return leaf(asked, path, text);
  }
  let fieldPath: FieldPath;
  try {
    fieldPath = parseField(field);
  } catch (cause) {
    reportAt(path)(
      'CG_POLICY_FIELD',
      `"${field}" is not a field: ${(cause as Error).message}`,
      'remove the empty part, or write a dot inside a key as \\.',
    );
    return leaf(() => new Unsure('the field did not load'), path, text);
  }
  const at: At = { path, field: `args.${field}`, all, anyString: false, fieldPath };
  const test = compileMatcher(doc, at, scope, reportAt);
  if (fieldPath.length === 1) {
    const lookup = scope.argument(fieldPath[0] as string);
    return leaf((call) => test(lookup(call), call), path, text, lookup);
  }
  return leaf(
    (call) => testField(call.args(), fieldPath, all, (value) => test(value, call)),
    path,
    text,
    (call) => valueAt(call.args(), fieldPath),
  );
}

/** Compiles a matcher for a value that is found otherwise than by a field of the arguments. */
export function compileValueTest(
  name: string,
  doc: MatcherDoc,
  path: NodePath,
  scope: Scope,
  reportAt: ReportAt,
  all: boolean,
): Test {
  return compileMatcher(doc, { path, field: name, all, anyString: false, fieldPath: undefined }, scope, reportAt);
}

function compileMatcher(doc: MatcherDoc, at: At, scope: Scope, reportAt: ReportAt): Test {
  if (typeof doc !== 'object' || doc === null || isNumeric(doc))
    return compileOperator('equals', { equals: doc }, at, scope, reportAt);
  const name = Object.keys(doc)[0] as keyof OperatorDoc | undefined;
  if (name === undefined) return NEVER;
  return compileOperator(name, doc, { ...at, path: [...at.path, name] }, scope, reportAt);
}

function compileOperator(name: keyof OperatorDoc, doc: OperatorDoc, at: At, scope: Scope, reportAt: ReportAt): Test {
  const report = reportAt(at.path);
  const element = (index: number): Report => reportAt([...at.path, index]);
  if (at.anyString && !ON_TEXT.has(name)) {
    report('CG_POLICY_OPERATOR', `${name} does not apply to every text`, `use one of: ${[...ON_TEXT].join(', ')}`);
    return NEVER;
  }
  switch (name) {
    case 'equals':
      return walk(equalTo([doc.equals as Literal], at, scope, report), at);
    case 'notEquals':
      return walk(not(equalTo([doc.notEquals as Literal], at, scope, report)), at);
    case 'in':
      return walk(equalTo(doc.in as readonly Literal[], at, scope, report, element), at);
    case 'notIn':
      return walk(not(equalTo(doc.notIn as readonly Literal[], at, scope, report, element)), at);
    case 'startsWith': {
      const by = scope.expand(doc.startsWith as string, report) ?? '';
      return walk(
        onText(at, (text) => text.startsWith(by)),
        at,
      );
    }
    case 'endsWith': {
      const by = scope.expand(doc.endsWith as string, report) ?? '';
      return walk(
        onText(at, (text) => text.endsWith(by)),
        at,
      );
    }
    case 'contains': {
      const by = scope.expand(doc.contains as string, report) ?? '';
      return walk(
        onText(at, (text) => text.includes(by)),
        at,
      );
    }
    case 'regex': {
      const pattern = scope.pattern(doc.regex as string, report);
      if (pattern === undefined) return NEVER;
      return walk(
        onText(at, (text) => (text.length > MAX_SCANNED ? tooLong(at) : pattern.test(text))),
        at,
      );
    }
    case 'glob': {
      const glob = scope.glob(doc.glob as string, report);
      if (glob === undefined) return NEVER;
      const most = MAX_GLOB_WORK / glob.source.length;
      return walk(
        onText(at, (text) => (text.length > most ? tooLong(at) : glob.test(text))),
        at,
      );
    }
    case 'lt':
      return walk(
        onNumber(at, doc.lt as Numeric, (order) => order < 0),
        at,
      );
    case 'le':
      return walk(
        onNumber(at, doc.le as Numeric, (order) => order <= 0),
        at,
      );
    case 'gt':
      return walk(
        onNumber(at, doc.gt as Numeric, (order) => order > 0),
        at,
      );
    case 'ge':
      return walk(
        onNumber(at, doc.ge as Numeric, (order) => order >= 0),
        at,
      );
    case 'exists': {
      const wanted = doc.exists === true;
      return (value) => (value !== undefined) === wanted;
    }
    case 'host':
      return walk(onText(at, naming(at, compileHosts(doc.host as OneOrMany<string>, report, element))), at);
    case 'cidr':
      return walk(onText(at, naming(at, compileCidrs(doc.cidr as OneOrMany<string>, report, element))), at);
    case 'shell': {
      const test = naming(at, compileShell(doc.shell as TypedDoc, at.all, scope, reportAt, at.path));
      const absent = missing(at);
      return (value) => (value === undefined ? absent : test(value));
    }
    case 'sql':
      return walk(onText(at, naming(at, compileSql(doc.sql as TypedDoc, at.all, scope, reportAt, at.path))), at);
    case 'under':
      return walk(underRoots(doc.under as string | readonly string[], at, scope, report, element), at);
    case 'not': {
      const whole = takesWhole(doc.not as MatcherDoc);
      // What is many below a `not` turns round: the elements of an array, statements, programs.
      const inner = not(compileMatcher(doc.not as MatcherDoc, { ...at, all: !at.all }, scope, reportAt));
      return whole ? inner : walk(inner, at);
    }
    case 'any':
    case 'all': {
      const all = name === 'all';
      const inner = compileMatcher(doc[name] as MatcherDoc, at, scope, reportAt);
      return (value, call) => {
        if (!Array.isArray(value)) return value === undefined ? missing(at) : wrongType(at, 'a list', value);
        return quantify(value as readonly Json[], all, (element) => inner(element, call));
      };
    }
    case 'anyOf':
    case 'allOf': {
      const parts = (doc[name] as readonly OperatorDoc[]).map((part, index) =>
        compileMatcher(part, { ...at, path: [...at.path, index] }, scope, reportAt),
      );
      const join = name === 'allOf' ? allTrue<Test> : anyTrue<Test>;
      const joined: Test = (value, call) => join(parts, (part) => part(value, call));
      return takesWhole(doc) ? joined : walk(joined, at);
    }
  }
}

const ON_TEXT: ReadonlySet<string> = new Set([
  'equals',
  'notEquals',
  'in',
  'notIn',
  'startsWith',
  'endsWith',
  'contains',
  'regex',
  'glob',
  'not',
  'anyOf',
  'allOf',
]);

/** Whether a matcher looks at an array as a whole, so that it is not given its elements one by one. */
function takesWhole(doc: MatcherDoc): boolean {
  if (typeof doc !== 'object' || doc === null || isNumeric(doc)) return false;
  if (Object.hasOwn(doc, 'any') || Object.hasOwn(doc, 'all') || Object.hasOwn(doc, 'exists')) return true;
  if (Object.hasOwn(doc, 'shell')) return true;
  if (doc.not !== undefined) return takesWhole(doc.not);
  return (doc.anyOf ?? doc.allOf ?? []).some(takesWhole);
}

/** An array given to a matcher of single values: every element for allow, one for everything else. */
function walk(test: Test, at: At): Test {
  const walked: Test = (value, call) => {
    if (!Array.isArray(value)) return test(value, call);
    if (value.length === 0) return new Unsure(`${at.field} is an empty list`);
    return quantify(value as readonly Json[], at.all, (element) => walked(element, call));
  };
  return walked;
}

function not(test: Test): Test {
  return (value, call) => negate(test(value, call));
}

function onText(at: At, test: (text: string) => Truth): Test {
  const absent = missing(at);
  return (value) =>
    typeof value === 'string' ? test(value) : value === undefined ? absent : wrongType(at, 'text', value);
}

/** A test whose errors say which field they are about. */
function naming<T>(at: At, test: (value: T) => Truth): (value: T) => Truth {
  return (value) => {
    const truth = test(value);
    return typeof truth === 'boolean' ? truth : new Unsure(`${at.field}: ${truth.cause}`);
  };
}

function onNumber(at: At, bound: Numeric, holds: (order: number) => boolean): Test {
  const absent = missing(at);
  return (value) => {
    if (value === undefined) return absent;
    if (!isNumeric(value)) return wrongType(at, 'a number', value);
    const order = compareNumbers(value, bound);
    return order instanceof Unsure ? order : holds(order);
  };
}

/** Equal to one of some literals. A value of a type that none of them has is an error, not "unequal". */
function equalTo(
  literals: readonly Literal[],
  at: At,
  scope: Scope,
  report: Report,
  element: ReportElement = () => report,
): Test {
  const absent = missing(at);
  const texts = new Set<string>();
  const numbers: Numeric[] = [];
  const others = new Set<boolean | null>();
  for (const [index, literal] of literals.entries()) {
    if (typeof literal === 'string') texts.add(scope.expand(literal, element(index)) ?? literal);
    else if (isNumeric(literal)) numbers.push(literal);
    else others.add(literal);
  }
  const onlyNull = others.size === 1 && others.has(null) && texts.size === 0 && numbers.length === 0;
  const wanted = texts.size > 0 ? 'text' : numbers.length > 0 ? 'a number' : 'true or false';
  return (value) => {
    if (value === undefined) return absent;
    if (typeof value === 'string' && texts.size > 0) return texts.has(value);
    if (isNumeric(value) && numbers.length > 0) return anyTrue(numbers, (number) => sameNumber(value, number));
    if (value === null || typeof value === 'boolean') {
      if (others.has(value)) return true;
      if (value !== null && (others.has(true) || others.has(false))) return false;
    }
    return onlyNull ? false : wrongType(at, wanted, value);
  };
}

function sameNumber(a: Numeric, b: Numeric): Truth {
  const order = compareNumbers(a, b);
  return order instanceof Unsure ? order : order === 0;
}

function underRoots(
  doc: string | readonly string[],
  at: At,
  scope: Scope,
  report: Report,
  element: ReportElement,
): Test {
  const written =
    typeof doc === 'string' ? [scope.root(doc, report)] : doc.map((root, index) => scope.root(root, element(index)));
  const roots = written.filter((root): root is Root => root !== undefined);
  if (scope.subject === 'result')
    report(
      'CG_POLICY_OPERATOR',
      'under looks at paths of arguments; a result has none that are resolved',
      'compare the text of the result with startsWith or glob',
    );
  if (at.fieldPath === undefined)
    report('CG_POLICY_OPERATOR', 'under looks at a path in the arguments of a call', 'name one field of args');
  else scope.paths.push(at.fieldPath);
  const absent = missing(at);
  return (value, call) => {
    if (value === undefined) return absent;
    if (typeof value !== 'string') return wrongType(at, 'text', value);
    const truth = isUnder(value, roots, call, scope.home);
    return truth instanceof Unsure ? new Unsure(`${at.field}: ${truth.cause}`) : truth;
  };
}

function missing(at: At): Unsure {
  return new Unsure(`${at.field} is missing`);
}

function wrongType(at: At, wanted: string, value: Json): Unsure {
  return new Unsure(`${at.field} is ${typeName(value)}, not ${wanted}`);
}

function tooLong(at: At): Unsure {
  return new Unsure(`${at.field} is too long to be searched`);
}
