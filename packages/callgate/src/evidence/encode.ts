import type { DecisionRecord, EventRecord, EvidenceRecord, OutcomeRecord } from '../model/record.ts';
import type { Principal } from '../model/principal.ts';

/**
 * The text of one write-ahead record: a JSON array with a fixed place for every field, built by hand because this runs
 * on the call's path. `decode.ts` reads it back. The arguments travel beside it as raw bytes.
 */
export function encodeRecord(record: EvidenceRecord): string {
  switch (record.type) {
    case 'decision':
      return decisionText(record);
    case 'outcome':
      return outcomeText(record);
    default:
      return eventText(record);
  }
}

function decisionText(r: DecisionRecord): string {
  return (
    `["d",${number(r.time)},${number(r.mono)},${contextText(r)},${quote(r.direction)},${quote(r.method)},` +
    `${optional(r.tool)},${optional(r.target)},${once(r.rpcId)},${quote(r.rule)},${quote(r.effect)},` +
    `${optional(r.reason)},${optional(r.indeterminate)},${list(r.obligations)},${list(r.findings)},${list(r.labels)},` +
    `${r.argsTruncated === undefined ? 'null' : number(r.argsTruncated)}]`
  );
}

function outcomeText(r: OutcomeRecord): string {
  return (
    `["o",${number(r.time)},${number(r.mono)},${number(r.decision)},${quote(r.status)},${number(r.us)},` +
    `${number(r.bytes)},${optional(r.rule)},${optional(r.reason)},` +
    `${r.redactions === undefined ? 'null' : number(r.redactions)}]`
  );
}

function eventText(r: EventRecord): string {
  return `["e",${number(r.time)},${number(r.mono)},${quote(r.type)},${JSON.stringify(r.detail)}]`;
}

// What hardly ever changes between calls of one process is encoded once.
let lastPrincipal: Principal | undefined;
let principalText = '';
let lastServer = '';
let lastTransport = '';
let lastPolicy = '';
let lastClient: string | undefined;
let lastProtocol: string | undefined;
let context = '';

function contextText(r: DecisionRecord): string {
  if (
    context !== '' &&
    r.principal === lastPrincipal &&
    r.server === lastServer &&
    r.transport === lastTransport &&
    r.policy === lastPolicy &&
    r.client === lastClient &&
    r.protocol === lastProtocol
  )
    return context;
  if (r.principal !== lastPrincipal) {
    principalText = JSON.stringify(r.principal);
    lastPrincipal = r.principal;
  }
  lastServer = r.server;
  lastTransport = r.transport;
  lastPolicy = r.policy;
  lastClient = r.client;
  lastProtocol = r.protocol;
  context = `${quote(r.server)},${quote(r.transport)},${principalText},${optional(r.client)},${quote(r.policy)},${optional(r.protocol)}`;
  return context;
}

const QUOTED_MAX = 512;
const quoted = new Map<string, string>();

/** Names repeat from call to call: remember the JSON text of short strings, within a bound. */
function quote(text: string): string {
  if (text.length > 64) return JSON.stringify(text);
  const known = quoted.get(text);
  if (known !== undefined) return known;
  const fresh = JSON.stringify(text);
  if (quoted.size >= QUOTED_MAX) quoted.clear();
  quoted.set(text, fresh);
  return fresh;
}

function optional(text: string | undefined): string {
  return text === undefined ? 'null' : quote(text);
}

/** For what never repeats, and would only push out what does. */
function once(text: string | undefined): string {
  return text === undefined ? 'null' : JSON.stringify(text);
}

function list(items: readonly unknown[] | undefined): string {
  return items === undefined || items.length === 0 ? 'null' : JSON.stringify(items);
}

function number(value: number): string {
  return Number.isFinite(value) ? `${value}` : '0';
}
