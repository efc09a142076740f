import type { CompiledPolicy } from '../policy/index.ts';
import { ARRAY, NUMBER, OBJECT, STRING, TRUE, type Tape } from '../protocol/nodes.ts';
import { encodeUtf8, type Edit } from '../protocol/splice.ts';
import { decodeUtf8 } from '../protocol/text.ts';
import { elements, member, stringAt } from '../protocol/tape.ts';
import type { Open, Session } from './session.ts';

/** Lists whose entries a policy can hide: where they stand, what names them, and whether one may be shown. */
interface ListKind {
  readonly entries: string;
  readonly name: string;
  readonly notification: string;
  readonly isShown: (name: string, list: ListView) => boolean;
}

interface ListView {
  readonly session: Session;
  readonly policy: CompiledPolicy;
}

const KINDS: ReadonlyMap<string, ListKind> = new Map([
  [
    'tools/list',
    { entries: 'tools', name: 'name', notification: 'notifications/tools/list_changed', isShown: isToolShown },
  ],
  [
    'prompts/list',
    { entries: 'prompts', name: 'name', notification: 'notifications/prompts/list_changed', isShown: isPromptShown },
  ],
  [
    'resources/list',
    {
      entries: 'resources',
      name: 'uri',
      notification: 'notifications/resources/list_changed',
      isShown: isResourceShown,
    },
  ],
  [
    'resources/templates/list',
    {
      entries: 'resourceTemplates',
      name: 'uriTemplate',
      notification: 'notifications/resources/list_changed',
      isShown: isTemplateShown,
    },
  ],
]);

/** What is done with a resource: one that allows either is shown. */
const USES_OF_RESOURCES = ['resources/read', 'resources/subscribe'] as const;
/** A filtered list is good for no longer: what a policy hides changes with the policy. */
const LONGEST_TTL_MS = 60_000;

/** What the lists of a session were, so far. */
export class Lists {
  /** Lists of which an entry was hidden: all their later pages are private too. */
  readonly filtered = new Set<string>();
  readonly #seen = new Set<string>();
  readonly #declared = new Set<string>();
  #policy: CompiledPolicy | undefined;

  /** Notes which changes the server has said, in the result of `initialize`, that it tells of. */
  declared(tape: Tape, result: number): void {
    const capabilities = member(tape, result, 'capabilities');
    for (const { entries, notification } of KINDS.values()) {
      const tells = member(tape, member(tape, capabilities, entries), 'listChanged');
      if (tells >= 0 && tape.kinds[tells] === TRUE) this.#declared.add(notification);
    }
  }

  /** Notes a list that passes, judged by this policy. */
  passed(method: string, policy: CompiledPolicy): void {
    this.#seen.add(method);
    this.#policy = policy;
  }

  /** Messages that tell the client of lists that another policy judges than when it saw them; each once. */
  changedBy(policy: CompiledPolicy): readonly Uint8Array[] {
    if (this.#policy === undefined || this.#policy === policy) return NO_MESSAGES;
    const isSame = this.#policy.hash === policy.hash;
    this.#policy = policy;
    if (isSame) return NO_MESSAGES;
    const due = [...this.#seen].map((method) => KINDS.get(method)?.notification ?? '');
    return [...new Set(due)]
      .filter((name) => this.#declared.has(name))
      .map((method) => encodeUtf8(`${JSON.stringify({ jsonrpc: '2.0', method })}\n`));
  }
}

const NO_MESSAGES: readonly never[] = [];

/**
 * Takes out of a list what the principal could never use, by the same rules that judge the call. Every other byte stays as
 * the server wrote it. A list that lacks something is private to its client, and is not kept for long.
 * @param result node of the list's result
 * @returns the edits, and how many entries are hidden
 */
export function filterList(
  session: Session,
  open: Open,
  result: number,
): { readonly edits: readonly Edit[]; readonly hidden: number } {
  const kind = KINDS.get(open.method);
  const { tape, options, lists } = session;
  const own = result < 0 ? NONE : ownOnly(session, open, result);
  const unfiltered = own.length === 0 ? NOTHING : { edits: own, hidden: 0 };
  if (kind === undefined || result < 0 || options.filterLists === false) return unfiltered;
  const policy = options.policy();
  lists.passed(open.method, policy);
  const list = member(tape, result, kind.entries);
  if (list < 0 || tape.kinds[list] !== ARRAY) return unfiltered;
  const view: ListView = { session, policy };
  const nodes = [...elements(tape, list)];
  const isHidden = nodes.map((node) => {
    const name = nameOf(tape, node, kind.name);
    return name !== undefined && !kind.isShown(name, view);
  });
  const hidden = isHidden.filter(Boolean).length;
  if (hidden > 0) lists.filtered.add(open.method);
  if (!lists.filtered.has(open.method)) return unfiltered;
  const edits = [...removals(tape, nodes, isHidden), ...privacy(tape, result, open.modern)];
  return { edits: edits.toSorted((a, b) => a.start - b.start), hidden };
}

/**
 * Over HTTP a cache may stand between Callgate and its clients: what one principal was let see is not good for all, whatever
 * the server says.
 */
function ownOnly({ tape, options }: Session, open: Open, result: number): readonly Edit[] {
  if (options.transport !== 'http' || !(KINDS.has(open.method) || CACHEABLE.has(open.method))) return NONE;
  const scope = member(tape, result, 'cacheScope');
  if (scope < 0 || (tape.kinds[scope] === STRING && stringAt(tape, scope) === 'private')) return NONE;
  return [{ start: tape.starts[scope] as number, end: tape.ends[scope] as number, text: encodeUtf8('"private"') }];
}

const NONE: readonly Edit[] = [];
/** Besides lists (2026-07-28, `cacheScope`). */
const CACHEABLE: ReadonlySet<string> = new Set(['resources/read', 'server/discover']);

/** Edits of a message with those of its list; where one replaces all that another one changes, that is enough. */
export function mergeEdits(edits: readonly Edit[], list: readonly Edit[]): readonly Edit[] {
  if (list.length === 0) return edits;
  if (edits.length === 0) return list;
  const all = [...edits, ...list].toSorted((a, b) => a.start - b.start || b.end - a.end);
  const kept: Edit[] = [];
  let reached = -1;
  for (const edit of all) {
    // What is put in behind the last member stands in no other edit, though one may end there.
    if (edit.start < reached) continue;
    kept.push(edit);
    reached = edit.end;
  }
  return kept;
}

const NOTHING = { edits: [], hidden: 0 } as const;

function isToolShown(tool: string, { session, policy }: ListView): boolean {
  const { options, annotations } = session;
  const claimed = annotations.get(tool);
  return policy.visible({
    direction: 'call',
    server: options.server,
    method: 'tools/call',
    tool,
    principal: options.principal,
    ...(claimed === undefined ? {} : { annotations: claimed }),
  });
}

function isPromptShown(prompt: string, { session: { options }, policy }: ListView): boolean {
  const { server, principal } = options;
  return policy.visible({ direction: 'call', server, method: 'prompts/get', prompt, principal });
}

function isResourceShown(uri: string, { session: { options }, policy }: ListView): boolean {
  const { server, principal } = options;
  return USES_OF_RESOURCES.some((method) => policy.visible({ direction: 'call', server, method, uri, principal }));
}

/** By what all its resources begin with. */
function isTemplateShown(template: string, { session: { options }, policy }: ListView): boolean {
  const { server, principal } = options;
  const [prefix = ''] = template.split('{', 1);
  return USES_OF_RESOURCES.some((method) =>
    policy.visibleUnder({ direction: 'call', server, method, principal }, prefix),
  );
}

function nameOf(tape: Tape, node: number, key: string): string | undefined {
  if (tape.kinds[node] !== OBJECT) return undefined;
  const name = member(tape, node, key);
  return name >= 0 && tape.kinds[name] === STRING ? stringAt(tape, name) : undefined;
}

/** Each hidden entry goes with the comma before it, or, before the first that stays, with the one after it. */
function removals(tape: Tape, nodes: readonly number[], isHidden: readonly boolean[]): Edit[] {
  const firstKept = isHidden.indexOf(false);
  const edits: Edit[] = [];
  for (const [index, node] of nodes.entries()) {
    if (isHidden[index] !== true) continue;
    const isLeading = firstKept < 0 || index < firstKept;
    const before = nodes[index - 1];
    const after = nodes[index + 1];
    const start = isLeading || before === undefined ? (tape.starts[node] as number) : (tape.ends[before] as number);
    const end = isLeading && after !== undefined ? (tape.starts[after] as number) : (tape.ends[node] as number);
    edits.push({ start, end, text: EMPTY });
  }
  return edits;
}

/** `cacheScope` becomes private and `ttlMs` short; where the era has them and they are missing, they are added. */
function privacy(tape: Tape, result: number, isModern: boolean): Edit[] {
  const edits: Edit[] = [];
  const added: string[] = [];
  const put = (key: string, isFine: (node: number) => boolean, text: string): void => {
    const node = member(tape, result, key);
    if (node < 0) added.push(`"${key}":${text}`);
    else if (!isFine(node))
      edits.push({ start: tape.starts[node] as number, end: tape.ends[node] as number, text: encodeUtf8(text) });
  };
  put('cacheScope', (node) => tape.kinds[node] === STRING && stringAt(tape, node) === 'private', '"private"');
  put('ttlMs', (node) => isShort(tape, node), String(LONGEST_TTL_MS));
  if (!isModern || added.length === 0) return edits;
  // The object has members: its list at least.
  const at = (tape.ends[result] as number) - 1;
  return [...edits, { start: at, end: at, text: encodeUtf8(`,${added.join(',')}`) }];
}

function isShort(tape: Tape, node: number): boolean {
  if (tape.kinds[node] !== NUMBER) return false;
  const ttl = Number(decodeUtf8(tape.bytes, tape.starts[node], tape.ends[node]));
  return ttl >= 0 && ttl <= LONGEST_TTL_MS;
}

const EMPTY = new Uint8Array(0);
