import { ANY, type CharSet, has, single } from './charset.ts';

/**
 * A regular language as an expression with intersection and complement, decided by derivatives (Brzozowski 1964; Owens,
 * Reppy and Turon 2009). Equal expressions are one object, so that the derivatives of one are finitely many.
 */
export type Regular =
  | { readonly kind: 'nothing' | 'empty'; readonly id: number; readonly nullable: boolean }
  | { readonly kind: 'set'; readonly set: CharSet; readonly id: number; readonly nullable: false }
  | { readonly kind: 'then'; readonly a: Regular; readonly b: Regular; readonly id: number; readonly nullable: boolean }
  | { readonly kind: 'star' | 'not'; readonly of: Regular; readonly id: number; readonly nullable: boolean }
  | {
      readonly kind: 'or' | 'and';
      readonly parts: readonly Regular[];
      readonly id: number;
      readonly nullable: boolean;
    };

/** What is beyond the bounds of a search. */
export class TooLarge extends Error {}

/** The time given to a search is over. */
export class OutOfTime extends Error {}

/** Asked now and then; throws OutOfTime. */
export type Deadline = () => void;

/** Longest list of expressions one algebra may hold. */
const MOST_EXPRESSIONS = 200_000;

/** Builds expressions; those of one algebra can be combined. Anything that takes long may throw OutOfTime. */
export class Algebra {
  readonly #deadline: Deadline;
  readonly #known = new Map<string, Regular>();
  readonly #derived = new Map<string, Regular>();
  readonly nothing: Regular = this.#intern('0', (id) => ({ kind: 'nothing', id, nullable: false }));
  /** The empty text. */
  readonly empty: Regular = this.#intern('1', (id) => ({ kind: 'empty', id, nullable: true }));
  readonly any: Regular = this.set(ANY);
  /** Every text. */
  readonly all: Regular = this.star(this.any);

  constructor(deadline: Deadline = () => undefined) {
    this.#deadline = deadline;
  }

  set(set: CharSet): Regular {
    if (set.length === 0) return this.nothing;
    return this.#intern(`[${set.join(';')}]`, (id) => ({ kind: 'set', set, id, nullable: false }));
  }

  text(text: string): Regular {
    const parts = Array.from(text, (char) => this.set(single(char.codePointAt(0) as number)));
    return this.sequence(parts);
  }

  sequence(parts: readonly Regular[]): Regular {
    return parts.reduceRight((rest, part) => this.then(part, rest), this.empty);
  }

  then(a: Regular, b: Regular): Regular {
    if (a.kind === 'nothing' || b.kind === 'nothing') return this.nothing;
    if (a.kind === 'empty') return b;
    if (b.kind === 'empty') return a;
    if (a.kind === 'then') return this.then(a.a, this.then(a.b, b));
    if (a === this.all && b === this.all) return this.all;
    if (a === this.all && b.kind === 'then' && b.a === this.all) return b;
    return this.#intern(`.${a.id},${b.id}`, (id) => ({ kind: 'then', a, b, id, nullable: a.nullable && b.nullable }));
  }

  star(of: Regular): Regular {
    if (of.kind === 'nothing' || of.kind === 'empty') return this.empty;
    if (of.kind === 'star') return of;
    return this.#intern(`*${of.id}`, (id) => ({ kind: 'star', of, id, nullable: true }));
  }

  not(of: Regular): Regular {
    if (of.kind === 'not') return of.of;
    return this.#intern(`!${of.id}`, (id) => ({ kind: 'not', of, id, nullable: !of.nullable }));
  }

  or(...parts: readonly Regular[]): Regular {
    return this.#join('or', parts);
  }

  and(...parts: readonly Regular[]): Regular {
    return this.#join('and', parts);
  }

  /** The rest of the texts that begin with `code`. */
  derive(of: Regular, code: number): Regular {
    switch (of.kind) {
      case 'nothing':
      case 'empty':
        return this.nothing;
      case 'set':
        return has(of.set, code) ? this.empty : this.nothing;
      default: {
        const key = `${of.id}/${code}`;
        const known = this.#derived.get(key);
        if (known !== undefined) return known;
        const derived = this.#derive(of, code);
        this.#derived.set(key, derived);
        if (this.#derived.size % 512 === 0) this.#deadline();
        return derived;
      }
    }
  }

  #derive(of: Exclude<Regular, { kind: 'nothing' | 'empty' | 'set' }>, code: number): Regular {
    switch (of.kind) {
      case 'then': {
        const first = this.then(this.derive(of.a, code), of.b);
        return of.a.nullable ? this.or(first, this.derive(of.b, code)) : first;
      }
      case 'star':
        return this.then(this.derive(of.of, code), of);
      case 'not':
        return this.not(this.derive(of.of, code));
      default:
        return this.#join(
          of.kind,
          of.parts.map((part) => this.derive(part, code)),
        );
    }
  }

  #join(kind: 'or' | 'and', given: readonly Regular[]): Regular {
    const isOr = kind === 'or';
    const parts = new Map<number, Regular>();
    for (const part of given.flatMap((one) => (one.kind === kind ? one.parts : [one]))) {
      if (part.kind === 'nothing') {
        if (isOr) continue;
        return this.nothing;
      }
      const isAll = part === this.all || (part.kind === 'not' && part.of.kind === 'nothing');
      if (isAll) {
        if (isOr) return this.all;
        continue;
      }
      parts.set(part.id, part);
    }
    for (const part of parts.values())
      if (part.kind === 'not' && parts.has(part.of.id)) return isOr ? this.all : this.nothing;
    const sorted = [...parts.values()].toSorted((a, b) => a.id - b.id);
    const [first] = sorted;
    if (first === undefined) return isOr ? this.nothing : this.all;
    if (sorted.length === 1) return first;
    const nullable = isOr ? sorted.some((part) => part.nullable) : sorted.every((part) => part.nullable);
    const key = `${isOr ? '|' : '&'}${sorted.map(({ id }) => id).join(',')}`;
    return this.#intern(key, (id) => ({ kind, parts: sorted, id, nullable }));
  }

  #intern(key: string, make: (id: number) => Regular): Regular {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size >= MOST_EXPRESSIONS) throw new TooLarge('the patterns are too large to be searched together');
    const made = make(this.#known.size);
    this.#known.set(key, made);
    return made;
  }
}

/** Whether a text is in the language. */
export function accepts(algebra: Algebra, language: Regular, text: string): boolean {
  let at = language;
  for (const char of text) at = algebra.derive(at, char.codePointAt(0) as number);
  return at.nullable;
}

/**
 * A shortest text of the language.
 * @param most how many states may be looked at
 * @returns undefined when the language is empty: a proof
 * @throws TooLarge when that cannot be told within the bounds
 */
export function exampleOf(algebra: Algebra, language: Regular, most = 20_000): string | undefined {
  const codes = representatives(language);
  const seen = new Set([language.id]);
  let front: { readonly at: Regular; readonly text: string }[] = [{ at: language, text: '' }];
  while (front.length > 0) {
    const next: typeof front = [];
    for (const { at, text } of front) {
      if (at.nullable) return text;
      for (const code of codes) {
        const to = algebra.derive(at, code);
        if (to.kind === 'nothing' || seen.has(to.id)) continue;
        if (seen.size >= most) throw new TooLarge(`more than ${most} states`);
        seen.add(to.id);
        next.push({ at: to, text: text + String.fromCodePoint(code) });
      }
    }
    front = next;
  }
  return undefined;
}

/** One code point of each class that no set of the expression tells apart, the most readable one first. */
export function representatives(language: Regular): readonly number[] {
  const cuts = new Set([0]);
  const seen = new Set<number>();
  const walk = (at: Regular): void => {
    if (seen.has(at.id)) return;
    seen.add(at.id);
    if (at.kind === 'set') for (const [from, to] of at.set) cuts.add(from).add(to + 1);
    else if (at.kind === 'then') {
      walk(at.a);
      walk(at.b);
    } else if (at.kind === 'star' || at.kind === 'not') walk(at.of);
    else if (at.kind === 'or' || at.kind === 'and') at.parts.forEach(walk);
  };
  walk(language);
  const sorted = [...cuts].filter((cut) => cut <= 0x10ffff).toSorted((a, b) => a - b);
  const picked = sorted.map((from, index) => readable(from, (sorted[index + 1] ?? 0x110000) - 1));
  return picked.filter((code) => code !== undefined).toSorted((a, b) => rank(a) - rank(b));
}

const READABLE = Array.from('axAX0-_./ ', (char) => char.codePointAt(0) as number);

function readable(from: number, to: number): number | undefined {
  const nice = READABLE.find((code) => code >= from && code <= to);
  if (nice !== undefined) return nice;
  if (from <= 0x7e && to >= 0x21) return Math.max(from, 0x21);
  // Half a surrogate pair is no text.
  if (from >= 0xd800 && from <= 0xdfff) return to > 0xdfff ? 0xe000 : undefined;
  return from;
}

function rank(code: number): number {
  const at = READABLE.indexOf(code);
  return at >= 0 ? at : code >= 0x21 && code <= 0x7e ? 100 + code : 1_000 + code;
}
