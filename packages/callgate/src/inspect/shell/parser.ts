import { restoreGlobals } from './globals.ts';
// @ts-expect-error the package has no types; the part used is declared below.
import * as library from 'mvdan-sh';
import { TooComplex } from './conversion.ts';
import { convert } from './convert.ts';
import { field, type GoNode } from './go.ts';
import { LONGEST_TEXT, type ParsedShell } from './tree.ts';

restoreGlobals();

const MOST_SEPARATORS = 4_000;

/**
 * Parses a Bash command line into our tree. Only Bash: it reads all of POSIX, and a text only another dialect accepts
 * is one whose meaning here nobody could vouch for.
 * @returns the script, or why there is none: not shell, too long, too deep. Never throws.
 */
export function parseShell(text: string): ParsedShell {
  const refused = refusal(text);
  if (refused !== undefined) return { unparsed: refused };
  try {
    const file = parser.Parse(text, '').__internal_object__;
    return convert(field(file, 'Stmts'));
  } catch (error) {
    // A failed parse leaves Go state behind; the next text gets a parser that has seen nothing.
    parser = syntax.NewParser();
    return { unparsed: wording(error) };
  }
}

interface Syntax {
  NewParser(...options: readonly unknown[]): { Parse(text: string, name: string): { __internal_object__: GoNode } };
}

const loaded = library as unknown as { default?: { syntax: Syntax }; syntax?: Syntax };
const syntax = (loaded.default?.syntax ?? loaded.syntax)!;
let parser = syntax.NewParser();

function refusal(text: string): string | undefined {
  if (text.length > LONGEST_TEXT) return `it is longer than ${LONGEST_TEXT} characters`;
  if (text.includes('\0')) return 'it holds a NUL character';
  let separators = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x3b || code === 0x26 || code === 0x7c || code === 0x0a || code === 0x60 || code === 0x24)
      separators++;
  }
  return separators > MOST_SEPARATORS ? `it has more than ${MOST_SEPARATORS} separators and expansions` : undefined;
}

/** The library throws Go errors (an object with `Error()`), JavaScript errors for panics and for an exhausted stack. */
function wording(error: unknown): string {
  if (error instanceof TooComplex) return error.message;
  if (error instanceof RangeError) return 'it is nested too deeply';
  const goError = error as { Error?: () => unknown } | null;
  if (typeof goError === 'object' && goError !== null && typeof goError.Error === 'function') {
    return `it is not shell: ${String(goError.Error()).slice(0, 200)}`;
  }
  return 'the shell parser failed on it';
}
