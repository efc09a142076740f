import type { Exposed, NamedServer, Owned } from './names.ts';

const LONGEST_URI = 2048;
const MOST_PARTS = 16;

/**
 * What the URIs of each server begin with where the URI alone would be another server's: `<server>+`.
 * @param sha256 in hex
 */
export function tagsOf(servers: readonly NamedServer[], sha256: (text: string) => string): readonly string[] {
  const tags: string[] = [];
  for (const { name } of servers) {
    const isScheme = /^[A-Za-z][A-Za-z0-9.-]*$/.test(name);
    let tag = isScheme ? `${name}+` : `s${sha256(name).slice(0, 8)}+`;
    if (tags.includes(tag)) tag = `s${sha256(name).slice(0, 32)}+`;
    tags.push(tag);
  }
  return tags;
}

/**
 * URIs stay as they are, as far as they are one server's. Where two have one, the first of the config has it; one that
 * begins like a tag is never shown as it is, or a server could take the URI of another.
 */
export function exposeUris(tags: readonly string[], lists: readonly (readonly string[])[]): Exposed {
  const owners = new Map<string, Owned>();
  const of = tags.map(() => new Map<string, string>());
  for (const [server, uris] of lists.entries()) {
    for (const uri of new Set(uris)) {
      const isTaken = owners.has(uri) || tags.some((tag) => uri.startsWith(tag));
      const exposed = isTaken ? tags[server]! + uri : uri;
      owners.set(exposed, { server, name: uri });
      of[server]!.set(uri, exposed);
    }
  }
  return { owners, of };
}

/** Reads a URI that begins with a tag. */
export function ownedByTag(tags: readonly string[], uri: string): Owned | undefined {
  const server = tags.findIndex((tag) => uri.startsWith(tag));
  return server < 0 ? undefined : { server, name: uri.slice(tags[server]!.length) };
}

/**
 * Whether a URI may be an expansion of a template (RFC 6570). Expressions stand for any characters, `{x}` for none of `/?#`;
 * what it says decides on whom to ask, never on what is allowed. Takes time in proportion to URI and parts.
 */
export function matchesTemplate(template: string, uri: string): boolean {
  if (uri.length > LONGEST_URI || template.length > LONGEST_URI) return false;
  const parts = partsOf(template);
  if (parts === undefined) return false;
  let reached = new Uint8Array(uri.length + 1);
  reached[0] = 1;
  for (const part of parts) {
    const next = new Uint8Array(uri.length + 1);
    if (typeof part === 'string') {
      for (let at = 0; at <= uri.length; at++) {
        if (reached[at] === 1 && uri.startsWith(part, at)) next[at + part.length] = 1;
      }
    } else {
      let isOpen = false;
      for (let at = 0; at <= uri.length; at++) {
        if (isOpen && !part.isWide && '/?#'.includes(uri[at - 1]!)) isOpen = false;
        isOpen ||= reached[at] === 1;
        if (isOpen) next[at] = 1;
      }
    }
    reached = next;
  }
  return reached[uri.length] === 1;
}

/** Literals, and expressions; undefined when the template is none, or too much. */
function partsOf(template: string): readonly (string | { readonly isWide: boolean })[] | undefined {
  const parts: (string | { readonly isWide: boolean })[] = [];
  let at = 0;
  while (at < template.length) {
    if (parts.length >= MOST_PARTS) return undefined;
    const open = template.indexOf('{', at);
    if (open !== at) parts.push(template.slice(at, open < 0 ? undefined : open));
    if (open < 0) break;
    const close = template.indexOf('}', open);
    if (close < 0) return undefined;
    const expression = template.slice(open + 1, close);
    parts.push({ isWide: /^[+#./;?&]/.test(expression) || expression.includes('*') || expression.includes(',') });
    at = close + 1;
  }
  return parts;
}
