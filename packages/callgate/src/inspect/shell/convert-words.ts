import { decodeEscapes } from './ansi.ts';
import type { Conversion } from './conversion.ts';
import { commandsInside, noticeLate } from './convert-values.ts';
import { field, type GoNode, kindOf, list, stringOf, textOf } from './go.ts';
import type { Change, Part, Statement, Word } from './tree.ts';

/** What a backslash means: outside quotes, inside double quotes, in a here-document, in one with a quoted delimiter. */
type Place = 'plain' | 'double' | 'document' | 'raw';

/** A word as its parts; none when there is no word. */
export function wordOf(conversion: Conversion, node: GoNode | undefined, depth: number, place: Place = 'plain'): Word {
  const parts: Part[] = [];
  if (node !== undefined) addParts(conversion, list(node['Parts']), depth, place, parts);
  return parts;
}

function addParts(conversion: Conversion, nodes: readonly GoNode[], depth: number, place: Place, into: Part[]): void {
  conversion.count(depth);
  const quoted = place !== 'plain';
  for (const node of nodes) {
    conversion.count(depth);
    switch (kindOf(node)) {
      case 'Lit':
        unescape(textOf(node), place, into);
        break;
      case 'SglQuoted': {
        const text = stringOf(node['Value']);
        into.push({
          kind: 'text',
          text: node['Dollar'] === true ? decodeEscapes(text).split('\0')[0]! : text,
          quoted: true,
        });
        break;
      }
      case 'DblQuoted':
        into.push({ kind: 'text', text: '', quoted: true });
        addParts(conversion, list(node['Parts']), depth + 1, 'double', into);
        break;
      case 'ParamExp':
        into.push(variableOf(conversion, node, depth + 1, quoted));
        break;
      case 'CmdSubst':
        into.push({ kind: 'output', script: conversion.script(node['Stmts'], depth + 1), quoted });
        break;
      case 'ProcSubst':
        into.push({ kind: 'process', script: conversion.script(node['Stmts'], depth + 1), fed: node['Op'] === FED });
        break;
      default:
        noticeLate(conversion, node);
        into.push({ kind: 'opaque', script: commandsInside(conversion, [node], depth + 1) });
    }
  }
}

function variableOf(conversion: Conversion, node: GoNode, depth: number, quoted: boolean): Part {
  noticeLate(conversion, node);
  const name = textOf(field(node, 'Param'));
  const change = changeOf(conversion, node, depth);
  return change === undefined ? { kind: 'variable', name, quoted } : { kind: 'variable', name, quoted, change };
}

function changeOf(conversion: Conversion, node: GoNode, depth: number): Change | undefined {
  const index = field(node, 'Index');
  if (node['Excl'] === true || node['Length'] === true || node['Width'] === true || index !== undefined) {
    return { kind: 'opaque', script: index === undefined ? [] : commandsInside(conversion, [index], depth) };
  }
  const slice = field(node, 'Slice');
  if (slice !== undefined) {
    const [offset, length] = [field(slice, 'Offset'), field(slice, 'Length')];
    if (kindOf(offset) !== 'Word' || (length !== undefined && kindOf(length) !== 'Word')) {
      return { kind: 'opaque', script: commandsInside(conversion, [slice], depth) };
    }
    const offsetWord = wordOf(conversion, offset, depth);
    return { kind: 'slice', offset: offsetWord, ...(length && { length: wordOf(conversion, length, depth) }) };
  }
  const replace = field(node, 'Repl');
  if (replace !== undefined) {
    const [from, to] = [
      wordOf(conversion, field(replace, 'Orig'), depth),
      wordOf(conversion, field(replace, 'With'), depth),
    ];
    return { kind: 'replace', all: replace['All'] === true, from, to };
  }
  const expansion = field(node, 'Exp');
  if (expansion === undefined) return undefined;
  const op = expansion['Op'];
  const word = wordOf(conversion, field(expansion, 'Word'), depth);
  const known = EXPANSIONS.get(op);
  if (known !== undefined) return { kind: known[0], empty: known[1], word };
  if (op === 81 && word.length === 0) return { kind: 'upper' };
  if (op === 83 && word.length === 0) return { kind: 'lower' };
  if (typeof op === 'number' && op >= 76 && op <= 79) return { kind: 'trim', end: op < 78, word };
  return { kind: 'opaque', script: wordScript(word) };
}

/** A word that is only expanded, as a statement whose command does nothing with it. */
function wordScript(word: Word): Statement[] {
  return word.flatMap((part) =>
    part.kind === 'output' || part.kind === 'process' || part.kind === 'opaque' ? [...part.script] : [],
  );
}

/** Backslashes of a literal: what they protect becomes a quoted part. */
function unescape(text: string, place: Place, into: Part[]): void {
  const quoted = place !== 'plain';
  if (place === 'raw' || !text.includes('\\')) {
    into.push({ kind: 'text', text, quoted });
    return;
  }
  const special = place === 'double' ? '$`"\\' : '$`\\';
  let plain = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    const next = text[at + 1];
    if (char !== '\\' || next === undefined) plain += char;
    else if (next === '\n') at++;
    else if (quoted) {
      if (special.includes(next)) at++;
      plain += special.includes(next) ? next : char;
    } else {
      if (plain !== '') into.push({ kind: 'text', text: plain, quoted: false });
      into.push({ kind: 'text', text: next, quoted: true });
      plain = '';
      at++;
    }
  }
  if (plain !== '') into.push({ kind: 'text', text: plain, quoted });
}

// Numbers of the library's tokens.
/** `>(` */
const FED = 67;
const EXPANSIONS: ReadonlyMap<unknown, ['default' | 'alternative' | 'assign' | 'require', boolean]> = new Map([
  [68, ['alternative', false]],
  [69, ['alternative', true]],
  [70, ['default', false]],
  [71, ['default', true]],
  [72, ['require', false]],
  [73, ['require', true]],
  [74, ['assign', false]],
  [75, ['assign', true]],
]);
