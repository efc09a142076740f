const MAX_DECODING = 4;

/**
 * The spellings under which a server may take a URI: as written, and with percent-encoding decoded and `.`, `..`, doubled
 * slashes and backslashes resolved. An allow rule must match all of them, any other rule one, so that
 * `file:///project/%2e%2e/secret` passes no rule for `file:///project/*`.
 */
export function uriForms(uri: string): readonly string[] {
  if (uri !== last.uri) last = { uri, forms: formsOf(uri) };
  return last.forms;
}

/** Every rule asks for the same URI. */
let last: { readonly uri: string; readonly forms: readonly string[] } = { uri: '', forms: formsOf('') };

function formsOf(uri: string): readonly string[] {
  const forms = [uri];
  let decoded = uri;
  for (let round = 0; round < MAX_DECODING; round++) {
    const normal = resolvePathOf(decoded);
    if (!forms.includes(normal)) forms.push(normal);
    const next = decodePercent(decoded);
    if (next === decoded) break;
    decoded = next;
    if (!forms.includes(decoded)) forms.push(decoded);
  }
  return forms;
}

function decodePercent(text: string): string {
  return text.replace(/%[0-9A-Fa-f]{2}/g, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));
}

function resolvePathOf(uri: string): string {
  const at = uri.indexOf('://');
  const scheme = at < 0 ? '' : uri.slice(0, at + 3).toLowerCase();
  const rest = (at < 0 ? uri : uri.slice(at + 3)).replaceAll('\\', '/');
  const slash = rest.indexOf('/');
  if (slash < 0) return scheme + rest;
  const out: string[] = [];
  const segments = rest.slice(slash + 1).split('/');
  for (const [index, segment] of segments.entries()) {
    if (segment === '..') out.pop();
    else if (segment !== '.' && (segment !== '' || index === segments.length - 1)) out.push(segment);
  }
  return `${scheme}${rest.slice(0, slash)}/${out.join('/')}`;
}
