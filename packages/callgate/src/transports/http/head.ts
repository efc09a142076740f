/** What of a request's head is used. A field that is absent is undefined. */
export interface Head {
  host: string | undefined;
  origin: string | undefined;
  authorization: string | undefined;
  agentKey: string | undefined;
  contentType: string | undefined;
  contentLength: string | undefined;
  contentEncoding: string | undefined;
  transferEncoding: string | undefined;
  accept: string | undefined;
  session: string | undefined;
  version: string | undefined;
  method: string | undefined;
  name: string | undefined;
  lastEventId: string | undefined;
  expect: string | undefined;
  /** Fields `Mcp-Param-*` by their names in lower case. */
  params: Map<string, string> | undefined;
}

type Field = Exclude<keyof Head, 'params'>;

/** Fields by their names on the wire, in lower case. */
const NAMES: readonly (readonly [string, Field])[] = [
  ['host', 'host'],
  ['origin', 'origin'],
  ['authorization', 'authorization'],
  ['x-agent-key', 'agentKey'],
  ['content-type', 'contentType'],
  ['content-length', 'contentLength'],
  ['content-encoding', 'contentEncoding'],
  ['transfer-encoding', 'transferEncoding'],
  ['accept', 'accept'],
  ['mcp-session-id', 'session'],
  ['mcp-protocol-version', 'version'],
  ['mcp-method', 'method'],
  ['mcp-name', 'name'],
  ['last-event-id', 'lastEventId'],
  ['expect', 'expect'],
];
/** The same, and as most clients write them, so that hardly a name is folded. */
const FIELDS: ReadonlyMap<string, Field> = new Map([
  ...NAMES,
  ...NAMES.map(([name, field]) => [name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase()), field] as const),
  ['MCP-Protocol-Version', 'version'],
]);

/**
 * Reads the fields that matter, each of which may stand once: two readers could take different ones of two.
 * @param raw names and values in turn, as they came
 * @returns the name of a field that stands twice, or the head
 */
export function readHead(raw: readonly string[]): Head | string {
  const head: Head = {
    host: undefined,
    origin: undefined,
    authorization: undefined,
    agentKey: undefined,
    contentType: undefined,
    contentLength: undefined,
    contentEncoding: undefined,
    transferEncoding: undefined,
    accept: undefined,
    session: undefined,
    version: undefined,
    method: undefined,
    name: undefined,
    lastEventId: undefined,
    expect: undefined,
    params: undefined,
  };
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    const field = FIELDS.get(name) ?? FIELDS.get(name.toLowerCase());
    if (field === undefined) {
      const lower = name.toLowerCase();
      if (!lower.startsWith('mcp-param-')) continue;
      head.params ??= new Map();
      if (head.params.has(lower)) return lower;
      head.params.set(lower, raw[i + 1] as string);
      continue;
    }
    // Accept is a list (RFC 9110 section 5.3): its lines are one.
    const before = head[field];
    if (before !== undefined && field !== 'accept') return name.toLowerCase();
    head[field] = before === undefined ? (raw[i + 1] as string) : `${before}, ${raw[i + 1] as string}`;
  }
  return head;
}

const MOST_SPELLINGS = 64;

/** Remembers what was said about the few spellings that clients use. */
function remembered<T>(judge: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const verdict = judge(text);
    if (known.size < MOST_SPELLINGS && text.length < 200) known.set(text, verdict);
    return verdict;
  };
}

/** Whether a Content-Type says JSON in UTF-8. Its parameters besides the charset do not matter. */
export const isJson = remembered((text: string): boolean => {
  const [type = '', ...parameters] = text.split(';');
  if (type.trim().toLowerCase() !== 'application/json') return false;
  return parameters.every((parameter) => {
    const [name = '', value = ''] = parameter.split('=');
    if (name.trim().toLowerCase() !== 'charset') return true;
    const charset = value.trim().toLowerCase();
    return charset === 'utf-8' || charset === '"utf-8"' || charset === 'utf8';
  });
});

/** Which of the two forms of answers an Accept allows. */
export const accepted = remembered((text: string): { readonly json: boolean; readonly stream: boolean } => ({
  json: allows(text, 'application', 'json'),
  stream: allows(text, 'text', 'event-stream'),
}));

/** RFC 9110 section 12.5.1: the most specific range decides, and a weight of 0 forbids. */
function allows(accept: string, type: string, subtype: string): boolean {
  let best = -1;
  let isAllowed = false;
  for (const part of accept.split(',')) {
    const [range = '', ...parameters] = part.split(';');
    const [major = '', minor = ''] = range.trim().toLowerCase().split('/');
    const rank =
      major === '*' && minor === '*' ? 0 : major !== type ? -1 : minor === '*' ? 1 : minor === subtype ? 2 : -1;
    if (rank < 0 || rank < best) continue;
    best = rank;
    isAllowed = !parameters.some((parameter) => {
      const [name = '', value = ''] = parameter.split('=');
      return name.trim().toLowerCase() === 'q' && Number(value.trim()) === 0;
    });
  }
  return isAllowed;
}

/** The host of a Host field, without its port, in lower case; undefined when it is none. */
export function hostOf(field: string): string | undefined {
  if (field.startsWith('[')) {
    const end = field.indexOf(']');
    return end > 0 && isPort(field.slice(end + 1)) ? field.slice(0, end + 1).toLowerCase() : undefined;
  }
  const colon = field.indexOf(':');
  const name = (colon < 0 ? field : field.slice(0, colon)).toLowerCase();
  if (name === '' || (colon >= 0 && !isPort(field.slice(colon)))) return undefined;
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

function isPort(text: string): boolean {
  if (text === '') return true;
  if (text[0] !== ':' || text.length > 6) return false;
  for (let i = 1; i < text.length; i++) if (text[i]! < '0' || text[i]! > '9') return false;
  return true;
}
