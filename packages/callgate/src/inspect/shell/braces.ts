import type { Part, Word } from './tree.ts';

const MOST_WORDS = 256;
const MOST_BRACES = 256;
type Atom = string | Part;

/** Expands `{a,b}` and `{1..3}`; undefined when it would make more than 256 words. */
export function expandBraces(word: Word): readonly Word[] | undefined {
  const mayExpand = word.some((part) => part.kind === 'text' && !part.quoted && part.text.includes('{'));
  if (!mayExpand) return [word];
  const atoms = word.flatMap((part): Atom[] => (part.kind === 'text' && !part.quoted ? Array.from(part.text) : [part]));
  if (atoms.filter((atom) => atom === '{').length > MOST_BRACES) return undefined;
  return expand(atoms)?.map(joinAtoms);
}

function expand(atoms: readonly Atom[]): Atom[][] | undefined {
  for (let open = atoms.indexOf('{'); open >= 0; open = atoms.indexOf('{', open + 1)) {
    const choices = choicesAt(atoms, open);
    if (choices === undefined) continue;
    const after = expand(atoms.slice(choices.end));
    if (after === undefined) return undefined;
    const before = atoms.slice(0, open);
    const results: Atom[][] = [];
    for (const choice of choices.list) {
      const middles = expand(choice);
      if (middles === undefined || results.length + middles.length * after.length > MOST_WORDS) return undefined;
      for (const middle of middles) for (const rest of after) results.push([...before, ...middle, ...rest]);
    }
    return results;
  }
  return [[...atoms]];
}

function choicesAt(atoms: readonly Atom[], open: number): { list: Atom[][]; end: number } | undefined {
  const commas: number[] = [];
  let depth = 0;
  for (let at = open; at < atoms.length; at++) {
    const atom = atoms[at];
    if (atom === '{') depth++;
    else if (atom === ',' && depth === 1) commas.push(at);
    else if (atom === '}' && --depth === 0) {
      const list = commas.length > 0 ? cut(atoms, open, commas, at) : sequence(atoms.slice(open + 1, at));
      return list === undefined ? undefined : { list, end: at + 1 };
    }
  }
  return undefined;
}

function cut(atoms: readonly Atom[], open: number, commas: readonly number[], close: number): Atom[][] {
  const edges = [open, ...commas, close];
  return edges.slice(1).map((edge, index) => atoms.slice(edges[index]! + 1, edge));
}

/** `1..9`, `a..e`, `1..9..2`; a longer one is left as it is written, which no program is called. */
function sequence(atoms: readonly Atom[]): Atom[][] | undefined {
  const characters = atoms.filter((atom) => typeof atom === 'string');
  if (atoms.length > 40 || characters.length < atoms.length) return undefined;
  const match = /^(?:(-?\d{1,9})\.\.(-?\d{1,9})|([A-Za-z])\.\.([A-Za-z]))(?:\.\.(-?\d{1,9}))?$/.exec(
    characters.join(''),
  );
  if (match === null) return undefined;
  const letters = match[3] !== undefined;
  const first = letters ? match[3]!.charCodeAt(0) : Number(match[1]);
  const last = letters ? match[4]!.charCodeAt(0) : Number(match[2]);
  const step = Math.abs(Number(match[5] ?? 1)) || 1;
  if (Math.abs(last - first) / step >= MOST_WORDS) return undefined;
  const items: Atom[][] = [];
  const up = last >= first;
  for (let at = first; up ? at <= last : at >= last; at += up ? step : -step) {
    items.push(Array.from(letters ? String.fromCharCode(at) : String(at)));
  }
  return items;
}

function joinAtoms(atoms: readonly Atom[]): Word {
  const parts: Part[] = [];
  let text = '';
  for (const atom of atoms) {
    if (typeof atom === 'string') {
      text += atom;
      continue;
    }
    if (text !== '') parts.push({ kind: 'text', text, quoted: false });
    text = '';
    parts.push(atom);
  }
  if (text !== '') parts.push({ kind: 'text', text, quoted: false });
  return parts;
}
