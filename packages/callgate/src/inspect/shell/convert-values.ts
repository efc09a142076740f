import type { Conversion } from './conversion.ts';
import { field, type GoNode, isSlice, isStruct, kindOf, list, stringOf, textOf } from './go.ts';
import type { Statement } from './tree.ts';

/** The commands inside nodes whose value nobody works out: arithmetic, tests, patterns. */
export function commandsInside(conversion: Conversion, nodes: readonly GoNode[], depth: number): Statement[] {
  const found: Statement[] = [];
  for (const node of nodes) collect(conversion, node, depth, found);
  return found;
}

function collect(conversion: Conversion, node: unknown, depth: number, into: Statement[]): void {
  if (!isStruct(node)) return;
  conversion.count(depth);
  const kind = kindOf(node);
  if (kind === 'CmdSubst' || kind === 'ProcSubst') {
    into.push(...conversion.script(node['Stmts'], depth + 1));
    return;
  }
  noticeLate(conversion, node);
  for (const key of Object.keys(node)) {
    if (key.startsWith('$')) continue;
    const value = node[key];
    if (isSlice(value)) for (const item of list(value)) collect(conversion, item, depth + 1, into);
    else if (isStruct(value)) collect(conversion, value, depth + 1, into);
  }
}

/** Whether a node evaluates a value once more. */
export function noticeLate(conversion: Conversion, node: GoNode): void {
  const op = node['Op'];
  switch (kindOf(node)) {
    case 'ArithmCmd':
    case 'ArithmExp':
    case 'LetClause':
      conversion.late.evaluates = true;
      return;
    case 'BinaryTest':
      if (typeof op === 'number' && op >= NUMBER_TESTS[0] && op <= NUMBER_TESTS[1]) conversion.late.evaluates = true;
      return;
    case 'UnaryTest':
      if (typeof op === 'number' && NAME_TESTS.includes(op)) conversion.late.evaluates = true;
      return;
    case 'ParamExp': {
      const [index, slice, change] = [field(node, 'Index'), field(node, 'Slice'), field(node, 'Exp')];
      const offsets = slice === undefined ? [] : [field(slice, 'Offset'), field(slice, 'Length')];
      const isPlain = [index, ...offsets].every((one) => one === undefined || isPlainIndex(one));
      if (node['Excl'] === true || !isPlain) conversion.late.evaluates = true;
      if (change?.['Op'] === TRANSFORM && lettersOf(field(change, 'Word')) === 'P') conversion.late.runs = true;
      return;
    }
    default:
  }
}

/** Every name inside arithmetic, `let` or a test: any of them may be assigned there. */
export function namesIn(conversion: Conversion, node: GoNode): string[] {
  const names = new Set<string>();
  const visit = (at: unknown, depth: number): void => {
    if (!isStruct(at)) return;
    conversion.count(depth);
    const kind = kindOf(at);
    if (kind === 'Lit') names.add(stringOf(at['Value']));
    if (kind === 'SglQuoted' && conversion.late.evaluates && /\$\(|`/.test(stringOf(at['Value'])))
      conversion.late.runs = true;
    for (const key of Object.keys(at)) {
      const value = key.startsWith('$') ? undefined : at[key];
      if (isSlice(value)) for (const item of list(value)) visit(item, depth + 1);
      else if (isStruct(value)) visit(value, depth + 1);
    }
  };
  visit(node, 0);
  return [...names];
}

/** `${a[0]}`, `${a[@]}`, `${s:1}`, `${s: -1}`: a number or a star, which means nothing but itself. */
export function isPlainIndex(node: GoNode): boolean {
  const word = kindOf(node) === 'UnaryArithm' ? field(node, 'X') : node;
  return /^(?:\d{1,9}|[@*])$/.test(lettersOf(word) ?? '');
}

/** The text of a word that is one literal; undefined for any other. */
function lettersOf(node: GoNode | undefined): string | undefined {
  const parts = node === undefined ? [] : list(node['Parts']);
  return parts.length === 1 && kindOf(parts[0]) === 'Lit' ? textOf(parts[0]) : undefined;
}

// Numbers of the library's tokens.
/** `${x@P}` and its like */
const TRANSFORM = 84;
/** `-v`, `-R`; `-eq` up to `-gt` */
const NAME_TESTS = [110, 111];
const NUMBER_TESTS = [116, 121] as const;
