import type { Place } from '../model/error.ts';

const MAX_OPEN_BRACKETS = 64;
const MAX_INDENT = 256;
const MAX_LINE = 4096;

/**
 * Looks at YAML text before the parser does. The parser recurses: 10,000 opening brackets end the whole process, not just the
 * parse, and a line of 100,000 nested entries costs seconds. Counts brackets whether quoted or not.
 * @returns what is too much and where; undefined when the text may be parsed.
 */
export function yamlExcess(text: string, file: string): { readonly what: string; readonly place: Place } | undefined {
  let open = 0;
  let line = 1;
  let lineStart = 0;
  let isIndent = true;
  for (let index = 0; index < text.length; index++) {
    const char = text[index]!;
    const column = index - lineStart + 1;
    const place = { file, line, column };
    if (char === '\n') {
      line++;
      lineStart = index + 1;
      isIndent = true;
      continue;
    }
    if (column > MAX_LINE) return { what: `A line is longer than ${MAX_LINE} characters.`, place };
    if (char === '[' || char === '{') open++;
    if (char === ']' || char === '}') open = Math.max(0, open - 1);
    if (open > MAX_OPEN_BRACKETS) return { what: `More than ${MAX_OPEN_BRACKETS} brackets are open.`, place };
    isIndent &&= char === ' ' || char === '\t' || char === '-' || char === '?' || char === ':';
    if (isIndent && column > MAX_INDENT) return { what: `A line is indented by more than ${MAX_INDENT}.`, place };
  }
  return undefined;
}
