import { ANY } from './charset.ts';
import type { Algebra, Regular } from './regular.ts';

/** The texts that a glob matches whole: `*` any run, `?` one character, `\` the next one literally. */
export function globLanguage(source: string, algebra: Algebra): Regular {
  const parts: Regular[] = [];
  for (let at = 0; at < source.length; at++) {
    const char = String.fromCodePoint(source.codePointAt(at) as number);
    if (char === '*') parts.push(algebra.all);
    else if (char === '?') parts.push(algebra.set(ANY));
    else if (char === '\\') {
      const next = String.fromCodePoint(source.codePointAt(at + 1) ?? 0x5c);
      parts.push(algebra.text(next));
      at += next.length;
    } else {
      parts.push(algebra.text(char));
      at += char.length - 1;
    }
  }
  return algebra.sequence(parts);
}
