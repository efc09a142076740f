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
  try {
    text = decoder.decode(bytes);
    JSON.parse(text);
  } catch {
    return undefined;
  }
  const dense = walk(text, depth);
  return dense === undefined ? undefined : { text, value: build(dense, { at: 0 }), dense };
}

/**
 * The value of text that is known to be JSON, without spaces. Only single strings and numbers are left to JSON.parse: some
 * versions of V8 give an escaped key the name of one they saw before (nodejs/node issue 63785).
 */
function build(text: string, cursor: { at: number }): unknown {
  const first = text[cursor.at]!;
  if (first === '{') {
    const members: [string, unknown][] = [];
    for (cursor.at++; text[cursor.at] !== '}'; cursor.at += text[cursor.at] === ',' ? 1 : 0) {
      const key = JSON.parse(token(text, cursor)) as string;
      cursor.at++;
      members.push([key, build(text, cursor)]);
    }
    cursor.at++;
    return Object.fromEntries(members);
  }
  if (first === '[') {
    const items: unknown[] = [];
    for (cursor.at++; text[cursor.at] !== ']'; cursor.at += text[cursor.at] === ',' ? 1 : 0)
      items.push(build(text, cursor));
    cursor.at++;
    return items;
  }
  return JSON.parse(token(text, cursor));
}

/** One string, number or word; the cursor moves behind it. */
function token(text: string, cursor: { at: number }): string {
  const start = cursor.at;
  if (text[start] === '"') {
    for (cursor.at++; text[cursor.at] !== '"';) cursor.at += text[cursor.at] === '\\' ? 2 : 1;
    cursor.at++;
  } else while (cursor.at < text.length && !',]}'.includes(text[cursor.at]!)) cursor.at++;
  return text.slice(start, cursor.at);
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
