import { expandBraces } from './braces.ts';
import type { Change, Part, Script, Word } from './tree.ts';
import { constantWord, NO_COMMANDS, type ShellWord, UNKNOWN, unknownWord, type Variables } from './variables.ts';

/** What expansion needs from whoever walks the tree. */
export interface Expander {
  readonly variables: Variables;
  /** Walks a substitution: its constant output if it has one, and the commands in it. */
  output(script: Script, fed?: boolean): { readonly text: string | undefined; readonly from: readonly number[] };
  /** Counts text made; throws when there is too much. */
  spend(characters: number): void;
  /** Told of every word made; `isValue` when it is assigned or redirected, not an argument. */
  made(text: string, isValue: boolean): void;
}

/** Expands a command word or argument: braces, variables, substitutions, then splitting. Globs stay as written. */
export function expandFields(word: Word, expander: Expander): ShellWord[] {
  const words = expandBraces(word);
  // Too many to list: one word nobody knows, with the commands inside it walked once.
  if (words === undefined) return [{ ...unknownWord(expandOne(word, expander).from), glob: true }];
  return words.flatMap((alternative) => new FieldBuilder(expander, true).build(alternative));
}

/** Expands where nothing is split: assignments, redirection targets, here-documents. */
export function expandOne(word: Word, expander: Expander): ShellWord {
  return new FieldBuilder(expander, false).build(word)[0] ?? constantWord('');
}

class FieldBuilder {
  readonly #expander: Expander;
  readonly #splits: boolean;
  readonly #fields: ShellWord[] = [];
  #text = '';
  #dynamic = false;
  #glob = false;
  #from: readonly number[] = NO_COMMANDS;
  #content: string | undefined;
  /** Something stands in the field, if only `""`. */
  #open = false;

  constructor(expander: Expander, splits: boolean) {
    this.#expander = expander;
    this.#splits = splits;
  }

  build(word: Word): ShellWord[] {
    for (const part of word) this.#part(part);
    if (this.#open || !this.#splits) this.#close();
    return this.#fields;
  }

  #part(part: Part): void {
    switch (part.kind) {
      case 'text':
        this.#add(constantWord(part.text), part.quoted);
        if (part.quoted) this.#open = true;
        return;
      case 'variable':
        this.#variable(part);
        return;
      case 'output': {
        const { text, from } = this.#expander.output(part.script);
        const known = text?.replace(/\n+$/, '');
        this.#value(known === undefined ? unknownWord(from) : { ...constantWord(known), from }, part.quoted);
        return;
      }
      case 'process': {
        const { text, from } = this.#expander.output(part.script, part.fed);
        this.#add({ ...constantWord('/dev/fd/63'), from: part.fed ? NO_COMMANDS : from }, true);
        this.#content = part.fed ? undefined : text;
        this.#open = true;
        return;
      }
      case 'opaque':
        this.#add(unknownWord(this.#expander.output(part.script).from), true);
        this.#open = true;
    }
  }

  #variable(part: Part & { kind: 'variable' }): void {
    if ((part.name === '@' || part.name === '*') && part.change === undefined) {
      const { positional } = this.#expander.variables;
      if (positional === 'unknown') this.#value(unknownWord(), part.quoted);
      else {
        positional.forEach((word, index) => {
          if (index > 0 && this.#splits) this.#close();
          this.#value(word, part.quoted);
        });
      }
      return;
    }
    this.#value(variableValue(part.name, part.change, this.#expander), part.quoted);
  }

  /** Adds the value of an expansion: outside quotes it is split. */
  #value(value: ShellWord, quoted: boolean): void {
    if (quoted || !this.#splits) {
      this.#add(value, quoted);
      if (quoted) this.#open = true;
      return;
    }
    const separators = this.#expander.variables.get('IFS') ?? constantWord(' \t\n');
    if (separators.dynamic) this.#dynamic = true;
    const pieces = splitBy(value.text, separators.dynamic ? ' \t\n' : separators.text);
    pieces.forEach((piece, index) => {
      if (index > 0 && this.#open) this.#close();
      if (piece !== '') this.#add({ ...value, text: piece }, false);
    });
  }

  #add(value: ShellWord, quoted: boolean): void {
    this.#expander.spend(value.text.length);
    this.#text += value.text;
    this.#dynamic ||= value.dynamic;
    this.#glob ||= value.glob || (!quoted && /[*?[]/.test(value.text));
    if (value.from.length > 0) this.#from = this.#from.length > 0 ? [...this.#from, ...value.from] : value.from;
    if (value.text !== '') this.#open = true;
  }

  #close(): void {
    this.#expander.spend(1);
    this.#expander.made(this.#text, !this.#splits);
    const content = this.#content === undefined ? undefined : { content: this.#content };
    this.#fields.push({ text: this.#text, dynamic: this.#dynamic, glob: this.#glob, from: this.#from, ...content });
    this.#text = '';
    this.#dynamic = this.#glob = this.#open = false;
    this.#from = NO_COMMANDS;
    this.#content = undefined;
  }
}

/** The pieces between separators; a leading or trailing separator leaves an empty piece, which ends the field there. */
function splitBy(text: string, separators: string): string[] {
  const pieces: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (!separators.includes(text[at]!)) continue;
    if (at > start || at === 0) pieces.push(text.slice(start, at));
    start = at + 1;
  }
  pieces.push(text.slice(start));
  return pieces;
}

function variableValue(name: string, change: Change | undefined, expander: Expander): ShellWord {
  const { variables } = expander;
  const value = positionalValue(name, variables) ?? variables.get(name);
  if (change === undefined) return value ?? unknownWord();
  switch (change.kind) {
    case 'default':
    case 'assign': {
      const other = expandOne(change.word, expander);
      if (value !== undefined && !value.dynamic && (value.text !== '' || !change.empty)) return value;
      // Unset as far as the text goes; the environment may still know it.
      const chosen = { ...other, dynamic: true };
      if (change.kind === 'assign') variables.set(name, chosen);
      return value === undefined || value.text === ''
        ? value === undefined
          ? chosen
          : other
        : unknownWord(other.from);
    }
    case 'alternative': {
      const other = expandOne(change.word, expander);
      if (value === undefined || value.dynamic) return unknownWord(other.from);
      return value.text === '' && change.empty ? constantWord('') : other;
    }
    case 'require':
      expandOne(change.word, expander);
      return value ?? unknownWord();
    case 'slice':
      return slice(name, value, change, expander);
    case 'replace':
      return replace(value, change, expander);
    case 'trim':
      return trim(value, change, expander);
    case 'lower':
    case 'upper':
      if (value === undefined || value.dynamic) return value ?? unknownWord();
      return { ...value, text: change.kind === 'lower' ? value.text.toLowerCase() : value.text.toUpperCase() };
    case 'opaque':
      return unknownWord(expander.output(change.script).from);
  }
}

function positionalValue(name: string, variables: Variables): ShellWord | undefined {
  if (!/^[1-9]\d{0,3}$/.test(name)) return undefined;
  const { positional } = variables;
  return positional === 'unknown' ? unknownWord() : (positional[Number(name) - 1] ?? constantWord(''));
}

function slice(
  name: string,
  value: ShellWord | undefined,
  change: Change & { kind: 'slice' },
  expander: Expander,
): ShellWord {
  const offset = numberOf(expandOne(change.offset, expander));
  const length = change.length === undefined ? Number.MAX_SAFE_INTEGER : numberOf(expandOne(change.length, expander));
  // `${HOME:0:1}` is a slash on every machine.
  const text = /^(?:HOME|PWD|OLDPWD)$/.test(name) && !expander.variables.isSet(name) ? `/${UNKNOWN}` : value?.text;
  if (text === undefined || offset === undefined || length === undefined) return unknownWord(value?.from);
  const known = text.indexOf(UNKNOWN) < 0 ? text : text.slice(0, text.indexOf(UNKNOWN));
  const start = offset < 0 ? text.length + offset : offset;
  const end = length < 0 ? text.length + length : start + length;
  if (known !== text && (offset < 0 || end > known.length)) return unknownWord(value?.from);
  if (value?.dynamic === true && known === text) return unknownWord(value.from);
  return { ...constantWord(text.slice(Math.max(start, 0), end)), from: value?.from ?? NO_COMMANDS };
}

function numberOf(word: ShellWord): number | undefined {
  const text = word.text.trim();
  return !word.dynamic && /^-?\d{1,6}$/.test(text) ? Number(text) : undefined;
}

function replace(value: ShellWord | undefined, change: Change & { kind: 'replace' }, expander: Expander): ShellWord {
  const from = expandOne(change.from, expander);
  const to = expandOne(change.to, expander);
  const isPlain =
    value !== undefined && !value.dynamic && !from.dynamic && !to.dynamic && !/[*?[\\]|^[#%/]/.test(from.text);
  if (!isPlain || from.text === '') return unknownWord([...(value?.from ?? []), ...to.from]);
  const at = value.text.indexOf(from.text);
  if (change.all) return { ...value, text: bounded(value.text.split(from.text), to.text, expander) };
  if (at < 0) return value;
  return { ...value, text: value.text.slice(0, at) + to.text + value.text.slice(at + from.text.length) };
}

function bounded(pieces: readonly string[], glue: string, expander: Expander): string {
  expander.spend(pieces.length * glue.length);
  return pieces.join(glue);
}

function trim(value: ShellWord | undefined, change: Change & { kind: 'trim' }, expander: Expander): ShellWord {
  const pattern = expandOne(change.word, expander);
  if (value === undefined || value.dynamic || pattern.dynamic || /[*?[\\]/.test(pattern.text)) {
    return unknownWord([...(value?.from ?? []), ...pattern.from]);
  }
  const { text } = value;
  if (change.end)
    return text.endsWith(pattern.text) ? { ...value, text: text.slice(0, text.length - pattern.text.length) } : value;
  return text.startsWith(pattern.text) ? { ...value, text: text.slice(pattern.text.length) } : value;
}
