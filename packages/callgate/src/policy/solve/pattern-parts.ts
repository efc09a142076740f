import {
  ANY,
  type CharSet,
  complementOf,
  DIGIT,
  foldCase,
  hasForeignCase,
  single,
  SPACE,
  unionOf,
  WORD,
} from './charset.ts';

/** What the analysis does not model; the pattern itself may be good. */
export class Unmodelled extends Error {}

/** A part of a pattern: characters, or a place between two. */
export type Part =
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'place'; readonly at: 'start' | 'end' | 'boundary' | 'inside' }
  | { readonly kind: 'repeat'; readonly of: Part; readonly min: number; readonly max: number }
  | { readonly kind: 'sequence'; readonly parts: readonly Part[] }
  | { readonly kind: 'choice'; readonly options: readonly Part[] };

const MOST_REPEATS = 200;

/**
 * Reads an RE2 pattern.
 * @throws Unmodelled for Unicode classes, multi-line anchors, letters beyond ASCII in either case, and whatever is no RE2
 */
export function readPattern(source: string): Part {
  return new Reader(source).whole();
}

class Reader {
  readonly #source: string;
  #at = 0;
  #fold = false;
  #dotAll = false;

  constructor(source: string) {
    this.#source = source;
  }

  whole(): Part {
    const whole = this.#choice();
    if (this.#at < this.#source.length) throw new Unmodelled(`"${this.#source[this.#at]}" is not expected`);
    return whole;
  }

  #choice(): Part {
    const options = [this.#sequence()];
    while (this.#take('|')) options.push(this.#sequence());
    return options.length === 1 ? (options[0] as Part) : { kind: 'choice', options };
  }

  #sequence(): Part {
    const parts: Part[] = [];
    while (this.#at < this.#source.length && !/[|)]/.test(this.#source[this.#at] as string)) {
      const part = this.#atom();
      if (part !== undefined) parts.push(this.#repeated(part));
    }
    return parts.length === 1 ? (parts[0] as Part) : { kind: 'sequence', parts };
  }

  #atom(): Part | undefined {
    const char = this.#next();
    switch (char) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'set', set: this.#folded(this.#class()) };
      case '.':
        return { kind: 'set', set: this.#dotAll ? ANY : complementOf(single(0x0a)) };
      case '^':
        return { kind: 'place', at: 'start' };
      case '$':
        return { kind: 'place', at: 'end' };
      case '\\':
        return this.#escape();
      default:
        return { kind: 'set', set: this.#folded(single(char.codePointAt(0) as number)) };
    }
  }

  #group(): Part | undefined {
    const before = [this.#fold, this.#dotAll] as const;
    if (this.#take('?')) {
      const flags = /^([a-z]*)(?:-([a-z]+))?([:)])|^P?<(\w+)>/i.exec(this.#source.slice(this.#at));
      if (flags === null) throw new Unmodelled('this kind of group');
      this.#at += flags[0].length;
      if (flags[4] === undefined) {
        this.#setFlags(flags[1] ?? '', true);
        this.#setFlags(flags[2] ?? '', false);
        // `(?i)` holds for the rest of the group around it.
        if (flags[3] === ')') return undefined;
      }
    }
    const inner = this.#choice();
    if (!this.#take(')')) throw new Unmodelled('a group without its end');
    [this.#fold, this.#dotAll] = before;
    return inner;
  }

  #setFlags(flags: string, value: boolean): void {
    for (const flag of flags) {
      if (flag === 'i') this.#fold = value;
      else if (flag === 's') this.#dotAll = value;
      else throw new Unmodelled(`the flag ${flag}`);
    }
  }

  #repeated(part: Part): Part {
    let out = part;
    for (;;) {
      const rest = this.#source.slice(this.#at);
      const count = /^(?:[*+?]|\{(\d{1,4})(?:(,)(\d{0,4}))?\})\??/.exec(rest);
      if (count === null) return out;
      this.#at += count[0].length;
      const [min, max] =
        count[1] === undefined
          ? rest[0] === '*'
            ? [0, Infinity]
            : rest[0] === '+'
              ? [1, Infinity]
              : [0, 1]
          : [
              Number(count[1]),
              count[2] === undefined ? Number(count[1]) : count[3] === '' ? Infinity : Number(count[3]),
            ];
      if (min > MOST_REPEATS || (max !== Infinity && max > MOST_REPEATS)) throw new Unmodelled('so many repetitions');
      out = { kind: 'repeat', of: out, min, max };
    }
  }

  #escape(): Part {
    const char = this.#next();
    const places: Readonly<Record<string, Part & { kind: 'place' }>> = {
      A: { kind: 'place', at: 'start' },
      z: { kind: 'place', at: 'end' },
      b: { kind: 'place', at: 'boundary' },
      B: { kind: 'place', at: 'inside' },
    };
    if (Object.hasOwn(places, char)) return places[char] as Part;
    if (char === 'Q') {
      const end = this.#source.indexOf('\\E', this.#at);
      const text = this.#source.slice(this.#at, end < 0 ? undefined : end);
      this.#at = end < 0 ? this.#source.length : end + 2;
      const parts = Array.from(text, (one): Part => ({
        kind: 'set',
        set: this.#folded(single(one.codePointAt(0) as number)),
      }));
      return { kind: 'sequence', parts };
    }
    return { kind: 'set', set: this.#folded(this.#escapedSet(char)) };
  }

  #escapedSet(char: string): CharSet {
    const classes: Readonly<Record<string, CharSet>> = {
      d: DIGIT,
      D: complementOf(DIGIT),
      w: WORD,
      W: complementOf(WORD),
      s: SPACE,
      S: complementOf(SPACE),
    };
    if (Object.hasOwn(classes, char)) return classes[char] as CharSet;
    const controls: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, f: 12, v: 11, a: 7 };
    if (Object.hasOwn(controls, char)) return single(controls[char] as number);
    if (char === 'x') {
      const hex = /^(?:([0-9a-f]{2})|\{([0-9a-f]{1,6})\})/i.exec(this.#source.slice(this.#at));
      if (hex === null) throw new Unmodelled('this escape');
      this.#at += hex[0].length;
      return single(Number.parseInt(hex[1] ?? (hex[2] as string), 16));
    }
    if (/[A-Za-z0-9]/.test(char)) throw new Unmodelled(`\\${char}`);
    return single(char.codePointAt(0) as number);
  }

  #class(): CharSet {
    const negated = this.#take('^');
    let set: CharSet = [];
    for (let isFirst = true; isFirst || this.#source[this.#at] !== ']'; isFirst = false) {
      if (this.#at >= this.#source.length) throw new Unmodelled('a class without its end');
      const posix = /^\[:(\^?)(\w+):\]/.exec(this.#source.slice(this.#at));
      if (posix !== null) {
        this.#at += posix[0].length;
        const named = posixClass(posix[2] as string);
        set = unionOf(set, posix[1] === '' ? named : complementOf(named));
        continue;
      }
      const from = this.#classItem();
      const isRange = this.#source[this.#at] === '-' && this.#source[this.#at + 1] !== ']';
      if (!isRange) {
        set = unionOf(set, from);
        continue;
      }
      this.#at++;
      const to = this.#classItem();
      set = unionOf(set, [[(from[0] as readonly [number, number])[0], (to[0] as readonly [number, number])[0]]]);
    }
    this.#at++;
    if (this.#fold && hasForeignCase(set)) throw new Unmodelled('letters beyond ASCII in either case');
    const folded = this.#fold ? foldCase(set) : set;
    return negated ? complementOf(folded) : folded;
  }

  #classItem(): CharSet {
    const char = this.#next();
    return char === '\\' ? this.#escapedSet(this.#next()) : single(char.codePointAt(0) as number);
  }

  #folded(set: CharSet): CharSet {
    if (!this.#fold) return set;
    if (hasForeignCase(set)) throw new Unmodelled('letters beyond ASCII in either case');
    return foldCase(set);
  }

  #next(): string {
    const code = this.#source.codePointAt(this.#at);
    if (code === undefined) throw new Unmodelled('the end of the pattern');
    const char = String.fromCodePoint(code);
    this.#at += char.length;
    return char;
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }
}

const LOWER: CharSet = [[0x61, 0x7a]];
const UPPER: CharSet = [[0x41, 0x5a]];

function posixClass(name: string): CharSet {
  const named: Readonly<Record<string, CharSet>> = {
    alnum: unionOf(DIGIT, LOWER, UPPER),
    alpha: unionOf(LOWER, UPPER),
    ascii: [[0, 0x7f]],
    blank: unionOf(single(9), single(32)),
    cntrl: unionOf([[0, 0x1f]], single(0x7f)),
    digit: DIGIT,
    graph: [[0x21, 0x7e]],
    lower: LOWER,
    print: [[0x20, 0x7e]],
    punct: unionOf([[0x21, 0x2f]], [[0x3a, 0x40]], [[0x5b, 0x60]], [[0x7b, 0x7e]]),
    space: unionOf([[9, 13]], single(32)),
    upper: UPPER,
    word: WORD,
    xdigit: unionOf(DIGIT, [[0x41, 0x46]], [[0x61, 0x66]]),
  };
  if (!Object.hasOwn(named, name)) throw new Unmodelled(`the class [:${name}:]`);
  return named[name] as CharSet;
}
