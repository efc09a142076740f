/*
 * What a leaf may look like, for the verifier alone: shares nothing with the writer and uses no Node API. Every field
 * is named; an unknown one fails, because a verifier must not vouch for what it does not understand (audit.md §3).
 */

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === 'string';
const natural: Check = (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const integer: Check = (value) => typeof value === 'number' && Number.isSafeInteger(value);
const fraction: Check = (value) => typeof value === 'number' && value >= 0 && value <= 1;
const scalar: Check = (value) => ['string', 'number', 'boolean'].includes(typeof value);
const commitment: Check = (value) => typeof value === 'string' && /^[A-Za-z0-9_-]{43}$/.test(value);
const time: Check = (value) =>
  typeof value === 'string' &&
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value) &&
  !Number.isNaN(Date.parse(value));
const oneOf =
  (...words: readonly unknown[]): Check =>
  (value) =>
    words.includes(value);
const list =
  (item: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length > 0 && value.every(item);
const map =
  (item: Check): Check =>
  (value) =>
    isObject(value) && Object.values(value).every(item);

/** Exactly these members; those whose name ends in `?` may be absent. */
function shape(members: Readonly<Record<string, Check>>): Check {
  const required: string[] = [];
  const checks = new Map<string, Check>();
  for (const [name, check] of Object.entries(members)) {
    const bare = name.endsWith('?') ? name.slice(0, -1) : name;
    if (bare === name) required.push(name);
    checks.set(bare, check);
  }
  return (value) =>
    isObject(value) &&
    required.every((name) => Object.hasOwn(value, name)) &&
    Object.entries(value).every(([name, member]) => checks.get(name)?.(member) === true);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const common = { v: oneOf(1), type: text, id: text, seq: natural, time, 'cut?': map(commitment) };

const finding = shape({ class: text, confidence: fraction, end: natural, pointer: text, rule: text, start: natural });

const decision = shape({
  ...common,
  mono: integer,
  'args?': shape({
    bytes: natural,
    digest: commitment,
    'fields?': map(commitment),
    'form?': oneOf('text'),
    'omitted?': natural,
    'truncated?': natural,
  }),
  call: shape({
    'client?': text,
    direction: oneOf('call', 'result', 'request', 'answer'),
    'mcp?': text,
    method: text,
    'rpc_id?': text,
    server: text,
    'target?': text,
    'tool?': text,
    transport: text,
  }),
  'findings?': list(finding),
  'labels?': list(text),
  policy: shape({
    bundle: text,
    effect: text,
    'indeterminate?': text,
    'obligations?': list(text),
    'reason?': text,
    rule: text,
  }),
  who: shape({
    'agent?': text,
    assurance: oneOf('pop', 'bearer', 'asserted', 'same-user'),
    'chain?': list(text),
    id: text,
    'roles?': list(text),
    'user?': text,
  }),
});

const outcome = shape({
  ...common,
  mono: integer,
  refs: shape({ decision: natural }),
  result: shape({
    bytes: natural,
    'reason?': text,
    'redactions?': natural,
    'rule?': text,
    status: oneOf('ok', 'tool_error', 'error', 'cancelled', 'lost', 'denied', 'malformed'),
  }),
  us: shape({ total: natural }),
});

const unknownOutcome = shape({
  ...common,
  derived: natural,
  refs: shape({ decision: natural }),
  result: shape({ status: oneOf('unknown') }),
});

const recovery = shape({
  ...common,
  derived: natural,
  detail: shape({
    cause: oneOf('unclosed', 'torn', 'damaged', 'missing'),
    'segment?': natural,
    'bytes?': natural,
    'offset?': natural,
    'from?': natural,
    'to?': natural,
  }),
});

const event = shape({ ...common, mono: integer, detail: map(scalar) });

/** What order checking needs of a leaf. */
export interface LeafOrder {
  readonly process: string;
  readonly seq: number;
  /** Number among the process's derived leaves; undefined for a record of the process itself. */
  readonly derived: number | undefined;
  /** A recovery that says these sequences are lost. */
  readonly lost: { readonly from: number; readonly to: number } | undefined;
  readonly type: string;
}

/** Reads one leaf strictly. @returns what is wrong with it, as half a sentence, or what its order says. */
export function readLeaf(leafText: string): LeafOrder | string {
  let leaf: unknown;
  try {
    leaf = JSON.parse(leafText);
  } catch {
    return 'is not JSON';
  }
  if (!isObject(leaf)) return 'is not an object';
  if (leaf['v'] !== 1) return 'has a version that this verifier does not know';
  if (jcs(leaf) !== leafText) return 'is not in canonical form';
  const { type, id, seq, derived } = leaf;
  const check = checkFor(String(type), derived !== undefined);
  if (check === undefined) return `has the unknown type ${JSON.stringify(type)}`;
  if (!check(leaf)) return 'has a field that does not belong there, or lacks one';
  const [, process, mark, number] = /^([0-9a-z]{10})-(d?)(0|[1-9][0-9]*)$/.exec(String(id)) ?? [];
  if (process === undefined) return 'has an id of another form';
  const named = Number(number);
  if ((mark === 'd') !== (derived !== undefined) || named !== (derived ?? seq))
    return 'has an id that is not its sequence';
  const refs = leaf['refs'];
  if (isObject(refs) && Number(refs['decision']) >= Number(seq)) return 'refers to a decision that comes after it';
  const detail = leaf['detail'];
  const lost = type === 'recovery' && isObject(detail) && 'to' in detail;
  return {
    process,
    seq: Number(seq),
    derived: derived === undefined ? undefined : Number(derived),
    lost: lost ? { from: Number(detail['from']), to: Number(detail['to']) } : undefined,
    type: String(type),
  };
}

function checkFor(type: string, derived: boolean): Check | undefined {
  switch (type) {
    case 'decision':
      return decision;
    case 'outcome':
      return derived ? unknownOutcome : outcome;
    case 'recovery':
      return recovery;
    case 'policy_change':
    case 'session':
    case 'flood':
    case 'gap':
    case 'trust_change':
    case 'breaker':
      return event;
    default:
      return undefined;
  }
}

function jcs(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(jcs).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  return `{${Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${jcs(value[key])}`)
    .join(',')}}`;
}
