import { type Conversion, startConversion } from './conversion.ts';
import { commandsInside, isPlainIndex, namesIn, noticeLate } from './convert-values.ts';
import { wordOf } from './convert-words.ts';
import { field, type GoNode, kindOf, list, textOf } from './go.ts';
import type { Assignment, Command, LateText, Redirect, Script, Statement } from './tree.ts';

/**
 * Turns the statements of the library into our tree. Walks the Go structs directly: the library's own wrappers cost
 * five times the parse.
 * @returns the script, and what of it is evaluated late.
 * @throws TooComplex when there are too many parts, or they are nested too deeply.
 */
export function convert(statements: unknown): { script: Script; late: LateText } {
  const conversion = startConversion(scriptOf);
  const script = conversion.script(statements, 0);
  return { script, late: conversion.late };
}

function scriptOf(conversion: Conversion, statements: unknown, depth: number): Script {
  return list(statements).map((statement) => statementOf(conversion, statement, depth + 1));
}

function statementOf(conversion: Conversion, node: GoNode, depth: number): Statement {
  conversion.count(depth);
  return {
    command: commandOf(conversion, field(node, 'Cmd'), depth),
    redirects: list(node['Redirs']).map((redirect) => redirectOf(conversion, redirect, depth)),
    background: node['Background'] === true || node['Coprocess'] === true,
  };
}

function redirectOf(conversion: Conversion, node: GoNode, depth: number): Redirect {
  conversion.count(depth);
  const word = wordOf(conversion, field(node, 'Word'), depth);
  const body = field(node, 'Hdoc');
  // A quoted delimiter keeps the document as it is written.
  const place = word.some((part) => part.kind === 'text' && part.quoted) ? 'raw' : 'document';
  const op = OPERATORS.get(node['Op']) ?? '?';
  return { op, word, ...(body !== undefined && { body: wordOf(conversion, body, depth, place) }) };
}

function commandOf(conversion: Conversion, node: GoNode | undefined, depth: number): Command | undefined {
  conversion.count(depth);
  const inner = depth + 1;
  switch (kindOf(node)) {
    case undefined:
      return undefined;
    case 'CallExpr':
      return {
        kind: 'simple',
        assignments: assignmentsOf(conversion, node!, 'Assigns', inner),
        words: list(node!['Args']).map((word) => wordOf(conversion, word, inner)),
      };
    case 'DeclClause':
      return declarationOf(conversion, node!, inner);
    case 'BinaryCmd':
      return binaryOf(conversion, node!, inner);
    case 'Block':
      return { kind: 'group', script: conversion.script(node!['Stmts'], inner), subshell: false };
    case 'Subshell':
      return { kind: 'group', script: conversion.script(node!['Stmts'], inner), subshell: true };
    case 'IfClause':
      return { kind: 'branches', words: [], scripts: ifScripts(conversion, node!, inner) };
    case 'WhileClause':
      return {
        kind: 'branches',
        words: [],
        scripts: [conversion.script(node!['Cond'], inner), conversion.script(node!['Do'], inner)],
      };
    case 'CaseClause':
      return {
        kind: 'branches',
        words: [wordOf(conversion, field(node!, 'Word'), inner)],
        scripts: list(node!['Items']).map((item) => [
          ...commandsInside(conversion, list(item['Patterns']), inner),
          ...conversion.script(item['Stmts'], inner),
        ]),
      };
    case 'ForClause':
      return loopOf(conversion, node!, inner);
    case 'FuncDecl':
      return {
        kind: 'function',
        name: textOf(field(node!, 'Name')),
        script: [statementOf(conversion, field(node!, 'Body')!, inner)],
      };
    case 'TimeClause':
    case 'CoprocClause': {
      const statement = field(node!, 'Stmt');
      const script = statement === undefined ? [] : [statementOf(conversion, statement, inner)];
      return { kind: 'group', script, subshell: kindOf(node) === 'CoprocClause' };
    }
    default:
      noticeLate(conversion, node!);
      return { kind: 'values', script: commandsInside(conversion, [node!], inner), sets: namesIn(conversion, node!) };
  }
}

function assignmentsOf(conversion: Conversion, node: GoNode, key: string, depth: number): Assignment[] {
  return list(node[key]).map((assign) => assignmentOf(conversion, assign, depth));
}

function assignmentOf(conversion: Conversion, node: GoNode, depth: number): Assignment {
  conversion.count(depth);
  const value = field(node, 'Value');
  const array = field(node, 'Array');
  const index = field(node, 'Index');
  const name = textOf(field(node, 'Name'));
  const append = node['Append'] === true;
  if (index !== undefined && !isPlainIndex(index)) conversion.late.evaluates = true;
  if (array !== undefined || index !== undefined) {
    const elements = array === undefined ? [node] : list(array['Elems']);
    const words = elements.map((element) => wordOf(conversion, field(element, 'Value'), depth));
    const inIndex = index === undefined ? [] : commandsInside(conversion, [index], depth);
    return { name, append, array: inIndex.length > 0 ? [...words, [{ kind: 'opaque', script: inIndex }]] : words };
  }
  if (node['Naked'] === true && name !== '') return { name, append };
  return { name, append, value: wordOf(conversion, value, depth) };
}

function declarationOf(conversion: Conversion, node: GoNode, depth: number): Command {
  const all = assignmentsOf(conversion, node, 'Args', depth);
  return {
    kind: 'declare',
    variant: textOf(field(node, 'Variant')),
    flags: all.filter(({ name }) => name === '').map(({ value }) => value ?? []),
    assignments: all.filter(({ name }) => name !== ''),
  };
}

/** `a | b | c` and `a && b || c` lean to the left, thousands deep; they become flat lists without recursion. */
function binaryOf(conversion: Conversion, node: GoNode, depth: number): Command {
  const isChain = (op: unknown) => op === AND || op === OR;
  const chain = isChain(node['Op']);
  const links: { join: '&&' | '||'; statement: Statement }[] = [];
  let at = node;
  for (;;) {
    const join = at['Op'] === OR ? '||' : '&&';
    links.push({ join, statement: statementOf(conversion, field(at, 'Y')!, depth) });
    const left = field(at, 'X')!;
    const leftCommand = field(left, 'Cmd');
    const same = kindOf(leftCommand) === 'BinaryCmd' && isChain(leftCommand!['Op']) === chain;
    if (!same || list(left['Redirs']).length > 0) {
      links.push({ join: '&&', statement: statementOf(conversion, left, depth) });
      break;
    }
    at = leftCommand!;
  }
  links.reverse();
  return chain ? { kind: 'chain', links } : { kind: 'pipeline', stages: links.map(({ statement }) => statement) };
}

function ifScripts(conversion: Conversion, node: GoNode, depth: number): Script[] {
  const scripts: Script[] = [];
  for (let at: GoNode | undefined = node; at !== undefined; at = field(at, 'Else')) {
    scripts.push(conversion.script(at['Cond'], depth), conversion.script(at['Then'], depth));
  }
  return scripts;
}

function loopOf(conversion: Conversion, node: GoNode, depth: number): Command {
  const loop = field(node, 'Loop');
  const body = conversion.script(node['Do'], depth);
  if (kindOf(loop) !== 'WordIter') {
    conversion.late.evaluates = true;
    return { kind: 'branches', words: [], scripts: [[...commandsInside(conversion, [loop!], depth), ...body]] };
  }
  const items = list(loop!['Items']).map((word) => wordOf(conversion, word, depth));
  return { kind: 'loop', name: textOf(field(loop!, 'Name')), items, script: body };
}

// Numbers of the library's tokens.
const OPERATORS: ReadonlyMap<unknown, string> = new Map(
  ['>', '>>', '<', '<>', '<&', '>&', '>|', '<<', '<<-', '<<<', '&>', '&>>'].map((op, index) => [54 + index, op]),
);
const AND = 10;
const OR = 11;
