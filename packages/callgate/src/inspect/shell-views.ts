/**
 * How a shell could read a command, cheaply: quotes, escapes and expansions that split words without changing them are
 * taken out, so that `call""gate`, `c\allgate`, `$'\x63allgate'` and `a=call; ${a}gate` read as what they run.
 * A hurdle, not a parser: arithmetic, arrays, here-documents and encoders are beyond it.
 * @param text a command or script.
 * @param variables values of well-known variables, names in upper case.
 * @returns the different readings, at most four.
 */
export function shellViews(text: string, variables: ReadonlyMap<string, string>): string[] {
  const folded = isAscii(text) ? text : text.normalize('NFKC').replace(/[\u00ad\u200b-\u200f\u2060\ufeff]/g, '');
  if (!/["'\\`$^%=]/.test(folded)) return [folded];
  const expanded = expandVariables(decodeAnsiC(folded), withAssignments(folded, variables));
  const views = new Set<string>();
  for (const slashed of expanded.includes('\\') ? [false, true] : [false]) {
    for (const ticked of expanded.includes('`') ? [false, true] : [false]) views.add(strip(expanded, slashed, ticked));
  }
  return [...views];
}

/** Replaces `$NAME`, `${NAME...}`, `%NAME%` and `$env:NAME` for the names given; nameless expansions become nothing. */
export function expandVariables(text: string, variables: ReadonlyMap<string, string>): string {
  if (!/[$%]/.test(text)) return text;
  return text
    .replace(/\$\{[!#]?([A-Za-z_]\w{0,63})[^}]{0,200}\}/g, (whole: string, name: string) => {
      return (
        variables.get(name.toUpperCase()) ?? (whole.includes(':-') || whole.includes(':=') ? defaultOf(whole) : '')
      );
    })
    .replace(
      /\$(?:env:)?([A-Za-z_]\w{0,63})/gi,
      (whole: string, name: string) => variables.get(name.toUpperCase()) ?? whole,
    )
    .replace(
      /%([A-Za-z_]\w{0,63})(?::~[^%]{0,20})?%/g,
      (whole: string, name: string) => variables.get(name.toUpperCase()) ?? whole,
    )
    .replace(/\$(?:\{\}|\(\s{0,8}\)|[@*!#0-9-])/g, '');
}

function defaultOf(expansion: string): string {
  return expansion.slice(expansion.search(/:[-=]/) + 2, -1);
}

const MOST_ASSIGNMENTS = 32;

/** `NAME=value` in the text joins the variables; a value may use earlier ones. */
function withAssignments(text: string, variables: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const found = new Map([...variables, ['IFS', ' ']]);
  let count = 0;
  for (const match of text.matchAll(/(?:^|[\s;&|({])([A-Za-z_]\w{0,31})=(["']?)([^\s;&|"']{0,120})\2/g)) {
    if (++count > MOST_ASSIGNMENTS) break;
    found.set(match[1]!.toUpperCase(), expandVariables(match[3]!, found));
  }
  return found;
}

/** `$'\x63'`, `$'\143'`, `$'\u0063'` and the same inside `printf` and `echo -e`. */
function decodeAnsiC(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(
    /\\(?:x([0-9a-f]{1,2})|u([0-9a-f]{4})|0?([0-3]?[0-7]{2}))/gi,
    (whole, hex?: string, unicode?: string, octal?: string) => {
      const code =
        hex !== undefined
          ? Number.parseInt(hex, 16)
          : unicode !== undefined
            ? Number.parseInt(unicode, 16)
            : Number.parseInt(octal ?? '', 8);
      return code >= 0x20 && code !== 0x7f ? String.fromCharCode(code) : whole;
    },
  );
}

function strip(text: string, slashed: boolean, ticked: boolean): string {
  return text
    .replace(/\\\r?\n/g, '')
    .replace(/\\/g, slashed ? '/' : '')
    .replace(/\$(?=["'])/g, '')
    .replace(/["'^]/g, '')
    .replace(/`/g, ticked ? '' : ';');
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 127) return false;
  return true;
}
