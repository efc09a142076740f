import { canonicalise, canonicalString, wellFormed } from './canonical.ts';
import type { Committer } from './commit.ts';
import type { DecisionTuple, EventTuple, OutcomeTuple, RecordedFinding, RecordTuple } from './decode.ts';

/*
 * Leaves (audit.md §3): JCS text that follows from the write-ahead record alone. Keys are written in sorted order by
 * hand. What is too long for a leaf is cut, and the whole of it committed under `cut`.
 */

const LEAF_COMFORT = 8 * 1024;

interface Limits {
  readonly text: number;
  readonly items: number;
  readonly fields: number;
  readonly key: number;
}

const LIMITS: readonly Limits[] = [
  { text: 200, items: 16, fields: 32, key: 64 },
  { text: 64, items: 8, fields: 16, key: 32 },
  { text: 24, items: 3, fields: 8, key: 16 },
];

/** Why a process's records do not simply follow each other; leaf of type `recovery`. */
export interface Recovery {
  readonly cause: 'unclosed' | 'torn' | 'damaged' | 'missing';
  readonly segment?: number;
  /** Bytes cut behind the last valid frame, and where that was. */
  readonly bytes?: number;
  readonly offset?: number;
  /** Sequences from `from` up to and without `to` are lost. */
  readonly from?: number;
  readonly to?: number;
}

/** The leaf of one record. `committer` has been begun for it. */
export function leafOf(
  id: string,
  seq: number,
  record: RecordTuple,
  args: Buffer | undefined,
  committer: Committer,
): string {
  let leaf = '';
  for (const limits of LIMITS) {
    leaf = new LeafText(limits, committer).of(id, seq, record, args);
    if (leaf.length * 3 <= LEAF_COMFORT || Buffer.byteLength(leaf) <= LEAF_COMFORT) return leaf;
  }
  return leaf;
}

/** The leaf that says what recovery found. `n` counts the derived leaves of the process. */
export function recoveryLeaf(process: string, n: number, seq: number, time: number, found: Recovery): string {
  const detail = Object.entries(found)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `"${key}":${typeof value === 'string' ? canonicalString(value) : integer(Number(value))}`)
    .join(',');
  return `{"derived":${n},"detail":{${detail}},"id":"${process}-d${n}","seq":${seq},"time":"${iso(time)}","type":"recovery","v":1}`;
}

/** The outcome of a decision whose process ended before it knew: `unknown`, never a gap. */
export function unknownLeaf(process: string, n: number, seq: number, time: number, decision: number): string {
  return `{"derived":${n},"id":"${process}-d${n}","refs":{"decision":${decision}},"result":{"status":"unknown"},"seq":${seq},"time":"${iso(time)}","type":"outcome","v":1}`;
}

/** Whether an outcome must follow this decision: it let something go that gets an answer. */
export function owesOutcome(record: DecisionTuple): boolean {
  return record[15] === 'allow' && record[13] !== null && (record[9] === 'call' || record[9] === 'request');
}

class LeafText {
  readonly #limits: Limits;
  readonly #committer: Committer;
  readonly #cut: [pointer: string, commitment: string][] = [];

  constructor(limits: Limits, committer: Committer) {
    this.#limits = limits;
    this.#committer = committer;
  }

  of(id: string, seq: number, record: RecordTuple, args: Buffer | undefined): string {
    switch (record[0]) {
      case 'd':
        return this.#decision(id, seq, record, args);
      case 'o':
        return this.#outcome(id, seq, record);
      case 'e':
        return this.#event(id, seq, record);
    }
  }

  #decision(id: string, seq: number, r: DecisionTuple, args: Buffer | undefined): string {
    const [, time, mono, server, transport, who, client, policy, protocol, direction, method, tool, target, rpcId] = r;
    const [rule, effect, reason, indeterminate, obligations, findings, labels, truncated] = r.slice(14) as [
      string, string, string | null, string | null, readonly string[] | null,
      readonly RecordedFinding[] | null, readonly string[] | null, number | null,
    ]; // prettier-ignore
    const call =
      `{${this.#opt('client', '/call/client', client)}"direction":${this.#text('/call/direction', direction)},` +
      `${this.#opt('mcp', '/call/mcp', protocol)}"method":${this.#text('/call/method', method)},` +
      `${this.#opt('rpc_id', '/call/rpc_id', rpcId)}"server":${this.#text('/call/server', server)},` +
      `${this.#opt('target', '/call/target', target)}${this.#opt('tool', '/call/tool', tool)}` +
      `"transport":${this.#text('/call/transport', transport)}}`;
    const policyText =
      `{"bundle":${this.#text('/policy/bundle', policy)},"effect":${this.#text('/policy/effect', effect)}` +
      `${this.#more('indeterminate', '/policy/indeterminate', indeterminate)}` +
      `${this.#list('obligations', '/policy/obligations', obligations)}` +
      `${this.#more('reason', '/policy/reason', reason)},"rule":${this.#text('/policy/rule', rule)}}`;
    const whoText =
      `{${this.#opt('agent', '/who/agent', who.agent ?? null)}"assurance":${this.#text('/who/assurance', who.assurance)}` +
      `${this.#list('chain', '/who/chain', who.chain)},"id":${this.#text('/who/id', who.id)}` +
      `${this.#list('roles', '/who/roles', who.roles)}${this.#more('user', '/who/user', who.user ?? null)}}`;
    const argsText = args === undefined ? '' : `"args":${this.#args(args, truncated)},`;
    const found = this.#findings(findings);
    const labelText = this.#list('labels', '/labels', labels);
    return (
      `{${argsText}"call":${call}${this.#cuts()}${found},"id":"${id}"${labelText},"mono":${integer(mono)},` +
      `"policy":${policyText},"seq":${seq},"time":"${iso(time)}","type":"decision","v":1,"who":${whoText}}`
    );
  }

  #outcome(id: string, seq: number, r: OutcomeTuple): string {
    const [, time, mono, decision, status, us, bytes, rule, reason, redactions] = r;
    const result =
      `{"bytes":${integer(bytes)}${this.#more('reason', '/result/reason', reason)}` +
      `${redactions === null ? '' : `,"redactions":${integer(redactions)}`}` +
      `${this.#more('rule', '/result/rule', rule)},"status":${this.#text('/result/status', status)}}`;
    const cuts = this.#cuts();
    return (
      `{${cuts === '' ? '' : `${cuts.slice(1)},`}"id":"${id}","mono":${integer(mono)},"refs":{"decision":${integer(decision)}},` +
      `"result":${result},"seq":${seq},"time":"${iso(time)}","type":"outcome","us":{"total":${integer(us)}},"v":1}`
    );
  }

  #event(id: string, seq: number, r: EventTuple): string {
    const [, time, mono, type, detail] = r;
    const keys = Object.keys(detail).filter((key) => key.length <= 64 && wellFormed(key) === key);
    const members: string[] = [];
    for (const key of keys.toSorted().slice(0, 2 * this.#limits.items)) {
      const value = detail[key];
      const text =
        typeof value === 'string' ? this.#text(`/detail/${pointerStep(key)}`, value) : canonicalScalar(value);
      members.push(`${canonicalString(key)}:${text}`);
    }
    const cuts = this.#cuts();
    return (
      `{${cuts === '' ? '' : `${cuts.slice(1)},`}"detail":{${members.join(',')}},"id":"${id}","mono":${integer(mono)},` +
      `"seq":${seq},"time":"${iso(time)}","type":${this.#text('/type', type)},"v":1}`
    );
  }

  /** Commitments of the arguments: the whole, and each member of an object by itself. */
  #args(args: Buffer, truncated: number | null): string {
    const json = args.toString('utf8');
    const canonical = canonicalise(json);
    const digest = this.#committer.commit('', canonical?.whole ?? canonicalString(json));
    const fields: [pointer: string, commitment: string][] = [];
    let omitted = 0;
    for (const [key, text] of canonical?.members ?? []) {
      if (fields.length >= this.#limits.fields || key.length > this.#limits.key) {
        omitted++;
        continue;
      }
      const pointer = `/${pointerStep(key)}`;
      fields.push([pointer, this.#committer.commit(pointer, text)]);
    }
    const fieldText = fields.length === 0 ? '' : `,"fields":{${commitments(fields)}}`;
    const form = canonical === undefined ? ',"form":"text"' : '';
    const omittedText = omitted === 0 ? '' : `,"omitted":${omitted}`;
    const truncatedText = truncated === null ? '' : `,"truncated":${integer(truncated)}`;
    return `{"bytes":${args.length},"digest":"${digest}"${fieldText}${form}${omittedText}${truncatedText}}`;
  }

  #findings(findings: readonly RecordedFinding[] | null): string {
    if (findings === null || findings.length === 0) return '';
    const kept = findings.slice(0, this.#limits.items);
    const texts = kept.map(
      (f, i) =>
        `{"class":${this.#text(`/findings/${i}/class`, f.class)},"confidence":${canonicalScalar(f.confidence)},` +
        `"end":${integer(f.end)},"pointer":${this.#text(`/findings/${i}/pointer`, f.pointer)},` +
        `"rule":${this.#text(`/findings/${i}/rule`, f.rule)},"start":${integer(f.start)}}`,
    );
    if (kept.length < findings.length) this.#cutAt('/findings', JSON.stringify(findings));
    return `,"findings":[${texts.join(',')}]`;
  }

  #text(pointer: string, text: string): string {
    const limit = this.#limits.text;
    if (text.length <= limit) return cachedString(text);
    const clean = wellFormed(text);
    this.#cutAt(pointer, canonicalString(clean));
    return canonicalString(`${wellFormed(clean.slice(0, limit))}\u2026`);
  }

  /** `"name":"text",` or nothing. */
  #opt(name: string, pointer: string, text: string | null): string {
    return text === null ? '' : `"${name}":${this.#text(pointer, text)},`;
  }

  /** `,"name":"text"` or nothing. */
  #more(name: string, pointer: string, text: string | null): string {
    return text === null ? '' : `,"${name}":${this.#text(pointer, text)}`;
  }

  #list(name: string, pointer: string, items: readonly string[] | null): string {
    if (items === null || items.length === 0) return '';
    const kept = items.slice(0, this.#limits.items);
    if (kept.length < items.length) this.#cutAt(pointer, JSON.stringify(items.map((item) => wellFormed(item))));
    return `,"${name}":[${kept.map((item, i) => this.#text(`${pointer}/${i}`, item)).join(',')}]`;
  }

  #cutAt(pointer: string, canonical: string): void {
    this.#cut.push([pointer, this.#committer.commit(`cut:${pointer}`, canonical)]);
  }

  #cuts(): string {
    return this.#cut.length === 0 ? '' : `,"cut":{${commitments(this.#cut)}}`;
  }
}

/** Members `pointer: commitment`, in the order that JCS wants. */
function commitments(entries: [pointer: string, commitment: string][]): string {
  return entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([pointer, commitment]) => `${canonicalString(pointer)}:"${commitment}"`)
    .join(',');
}

const STRINGS_MAX = 1024;
const strings = new Map<string, string>();

/** Names repeat from leaf to leaf: remember their canonical text, within a bound. */
function cachedString(text: string): string {
  const known = strings.get(text);
  if (known !== undefined) return known;
  const fresh = canonicalString(text);
  if (strings.size >= STRINGS_MAX) strings.clear();
  strings.set(text, fresh);
  return fresh;
}

function pointerStep(key: string): string {
  return key.includes('~') || key.includes('/') ? key.replaceAll('~', '~0').replaceAll('/', '~1') : key;
}

function integer(value: number): string {
  const rounded = Math.round(value);
  return Number.isSafeInteger(rounded) ? String(rounded === 0 ? 0 : rounded) : '0';
}

function canonicalScalar(value: unknown): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value === 0 ? 0 : value) : '0';
  return value === true ? 'true' : 'false';
}

let lastMs = -1;
let lastIso = '';

/** RFC 3339 in UTC with milliseconds; years that this form cannot hold are set to its ends. */
function iso(time: number): string {
  const ms = Math.min(Math.max(Math.floor(time), 0), 253402300799999);
  if (ms !== lastMs) {
    lastMs = ms;
    lastIso = new Date(ms).toISOString();
  }
  return lastIso;
}
