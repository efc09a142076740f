/** A slow, separate opinion on what the scanner must accept: the host's own parsers and one plain walk. Tests only. */
declare const TextDecoder: new (
  label: string,
  options: { fatal: boolean; ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string };

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses strictly.
 * @param bytes one message
 * @param depth most containers inside each other
 * @returns the text, its value, and the text without white space; undefined when it must be refused
 */
export function strictParse(
  bytes: Uint8Array,
  depth = 128,
): { readonly text: string; readonly value: unknown; readonly dense: string } | undefined {
  let text: string;
  let value: unknown;
  try {
    text = decoder.decode(bytes);
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const dense = walk(text, depth);
  return dense === undefined ? undefined : { text, value, dense };
}

/** Walks text that is JSON: undefined for a duplicate key, a lone surrogate or too much depth, else without spaces. */
function walk(text: string, depth: number): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  let dense = '';
  let wantsKey = false;
  for (let i = 0; i < text.length;) {
    const character = text[i]!;
    if (character === '"') {
      let end = i + 1;
      while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
      const token = text.slice(i, end + 1);
      const decoded = JSON.parse(token) as string;
      if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(decoded)) return undefined;
      const keys = open.at(-1);
      if (wantsKey && keys !== undefined) {
        if (keys.has(decoded)) return undefined;
        keys.add(decoded);
        wantsKey = false;
      }
      dense += token;
      i = end + 1;
      continue;
    }
    if (character === '{' || character === '[') {
      open.push(character === '{' ? new Set() : undefined);
      if (open.length > depth) return undefined;
      wantsKey = character === '{';
    } else if (character === '}' || character === ']') open.pop();
    else if (character === ',') wantsKey = open.at(-1) !== undefined;
    if (!' \t\n\r'.includes(character)) dense += character;
    i++;
  }
  return dense;
}
