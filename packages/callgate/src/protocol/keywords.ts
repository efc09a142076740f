import type { Tape } from './nodes.ts';
import { ESCAPED } from './nodes.ts';
import { stringAt, textIs } from './tape.ts';
import { encodeUtf8 } from './text.ts';

/** Not one of the words. */
export const OTHER = -1;
/** One of the words in other letters: some parsers would take it for the word. */
export const VARIANT = -2;

/**
 * Compiles a list of structural keys.
 * @param words the keys as the protocol writes them
 * @returns the index of the word that a KEY is, else OTHER or VARIANT. Variants are those of parsers that ignore case:
 *   ASCII letters, and what Unicode folds to one (U+017F, U+212A, U+0130, U+0131); and of those that stop at a NUL
 */
export function keywords(words: readonly string[]): (tape: Tape, key: number) => number {
  const encoded = words.map(encodeUtf8);
  const longest = Math.max(...words.map((word) => word.length));
  const folded = new Set(words.map(fold));
  /** Bytes that a word or a variant of one may begin with. */
  const openers = new Uint8Array(256).fill(1, 0x80);
  openers[0x5c] = 1;
  for (const word of words) {
    const first = word.charCodeAt(0);
    openers[first] = 1;
    if (first >= 0x61 && first <= 0x7a) openers[first - 0x20] = 1;
  }
  return (tape, key) => {
    const start = tape.starts[key]! + 1;
    const length = tape.ends[key]! - 1 - start;
    if (length === 0 || openers[tape.bytes[start]!] === 0) return OTHER;
    const escaped = tape.flags[key] === ESCAPED;
    for (let i = 0; i < encoded.length; i++) {
      if (!escaped && encoded[i]!.length !== length) continue;
      if (textIs(tape, key, encoded[i]!)) return i;
    }
    if (length > longest * 6) return OTHER;
    return folded.has(fold(stringAt(tape, key))) ? VARIANT : OTHER;
  };
}

function fold(text: string): string {
  let folded = '';
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // What ends its strings at a NUL reads no further.
    if (unit === 0) break;
    if (unit >= 0x41 && unit <= 0x5a) folded += String.fromCharCode(unit + 0x20);
    else if (unit === 0x17f) folded += 's';
    else if (unit === 0x212a) folded += 'k';
    else if (unit === 0x130 || unit === 0x131) folded += 'i';
    else folded += text[i];
  }
  return folded;
}
