import type { Finding } from '../model/finding.ts';
import { findAssigned, isReference, looksAssigned } from './assignments.ts';
import { compileKeywords } from './keywords.ts';
import { NAME_KEYWORDS, secretKind } from './secret-names.ts';
import { SECRET_RULES, type SecretRule } from './secret-rules.ts';
import { connectionPassword, pemBlock, authorizationValue } from './secret-shapes.ts';

/** What `mask` and `redact` leave behind; never a secret again. */
const MASK_PREFIX = '[secret:';

/** What a keyword leads to. */
type Lead =
  | {
      readonly kind: 'rule';
      readonly rule: number;
      /** The keyword as the pattern spells it. */
      readonly exact?: string;
    }
  | { readonly kind: 'name' | 'pem' | 'url' | 'scheme' | 'escape' };

const leads = new Map<string, Lead[]>();
for (const [number, rule] of SECRET_RULES.entries()) {
  for (const keyword of rule.keywords) {
    const exact = spelling(rule, keyword);
    addLead(keyword, exact === undefined ? { kind: 'rule', rule: number } : { kind: 'rule', rule: number, exact });
  }
}
for (const keyword of NAME_KEYWORDS) addLead(keyword, { kind: 'name' });
addLead('private key', { kind: 'pem' });
addLead('://', { kind: 'url' });
for (const scheme of ['bearer ', 'basic ', 'authorization']) addLead(scheme, { kind: 'scheme' });
// Escaped letters and slashes hide keywords from a byte pass: whoever reads the bytes must decode them.
addLead('\\u', { kind: 'escape' });
addLead('\\/', { kind: 'escape' });

const KEYWORDS = compileKeywords([...leads.keys()]);
const LEADS_OF = KEYWORDS.words.map((word) => leads.get(word)!);

/** How a pattern that minds case spells its keyword; undefined when that does not follow from its text. */
function spelling(rule: SecretRule, keyword: string): string | undefined {
  if (rule.pattern.flags.includes('i')) return undefined;
  const source = rule.pattern.source.replaceAll('\\', '');
  const at = source.toLowerCase().indexOf(keyword);
  return at < 0 ? undefined : source.slice(at, at + keyword.length);
}

function addLead(keyword: string, lead: Lead): void {
  const list = leads.get(keyword);
  if (list === undefined) leads.set(keyword, [lead]);
  else list.push(lead);
}

/**
 * Finds secrets in one string.
 * @returns findings in order of `start`, not overlapping; overlapping hits are merged under the surest rule.
 */
export function scanSecrets(text: string): Finding[] {
  const { table, column, accepting, width, ends, words } = KEYWORDS;
  const found: Finding[] = [];
  const scan = new Scan(text, found);
  const length = text.length;
  let state = 0;
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    state = code < 128 ? table[state + column[code]!]! : 0;
    if (state < accepting) continue;
    for (const word of ends[(state - accepting) / width]!) {
      const start = at + 1 - words[word]!.length;
      for (const lead of LEADS_OF[word]!) scan.follow(lead, start, at + 1);
    }
  }
  return found.length < 2 ? found : merge(found);
}

/**
 * Judges the string value of a member by the member's name (`password`, `api_key` ...).
 * @returns the whole value as one finding when the name promises a secret and the value can be one.
 */
export function scanMember(key: string, text: string): Finding[] {
  if (text.length < 6 || text.startsWith(MASK_PREFIX) || secretKind(key) === undefined || isReference(text)) return [];
  return [{ ruleId: 'named-secret', class: 'secret', start: 0, end: text.length, confidence: 0.7 }];
}

/**
 * Cheap test over JSON or plain text in UTF-8: false means that neither `scanSecrets` nor `scanMember` would find
 * anything in the decoded strings; true means look. Bytes with `\u` or `\/` escapes are always worth a look.
 */
export function mayHoldSecret(bytes: Uint8Array, start: number, end: number): boolean {
  const { table, column, accepting, width, ends, words } = KEYWORDS;
  let state = 0;
  for (let at = start; at < end; at++) {
    state = table[state + column[bytes[at]!]!]!;
    if (state < accepting) continue;
    for (const word of ends[(state - accepting) / width]!) {
      const from = at + 1 - words[word]!.length;
      for (const lead of LEADS_OF[word]!) if (mayLead(lead, bytes, start, from, at + 1, end)) return true;
    }
  }
  return false;
}

function mayLead(lead: Lead, bytes: Uint8Array, start: number, from: number, after: number, end: number): boolean {
  switch (lead.kind) {
    case 'rule': {
      const rule = SECRET_RULES[lead.rule]!;
      // `\n` before a token ends in a letter; only a real letter continues a word.
      const joined = from > start && isWordByte(bytes[from - 1]!) && !(from - 1 > start && bytes[from - 2] === 0x5c);
      return !(rule.starts !== undefined && joined) && (lead.exact === undefined || isSpelled(bytes, from, lead.exact));
    }
    case 'name':
      return looksAssigned(bytes, after, end);
    case 'url':
      return holdsBefore(bytes, after, Math.min(end, after + 400), 0x40);
    case 'pem':
    case 'scheme':
    case 'escape':
      return true;
  }
}

function isSpelled(bytes: Uint8Array, from: number, exact: string): boolean {
  for (let at = 0; at < exact.length; at++) if (bytes[from + at] !== exact.charCodeAt(at)) return false;
  return true;
}

function holdsBefore(bytes: Uint8Array, from: number, to: number, wanted: number): boolean {
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    if (byte === wanted) return true;
    if (byte <= 0x20 || byte === 0x22 || byte === 0x3c || byte === 0x3e) return false;
  }
  return false;
}

/** One pass over one text. Remembers how far each rule has matched, so that no match is walked twice. */
class Scan {
  readonly #text: string;
  readonly #found: Finding[];
  readonly #done: Int32Array = new Int32Array(SECRET_RULES.length);
  #namesDone = 0;
  #pemDone = 0;
  #pemEnds = -2;

  constructor(text: string, found: Finding[]) {
    this.#text = text;
    this.#found = found;
  }

  follow(lead: Lead, start: number, after: number): void {
    switch (lead.kind) {
      case 'rule':
        return this.#applyRule(lead.rule, start);
      case 'name': {
        if (start < this.#namesDone) return;
        const assigned = findAssigned(this.#text, start, after);
        this.#namesDone = assigned.done;
        return this.#addSpan('assigned-secret', assigned.value, 0.6);
      }
      case 'pem': {
        if (start < this.#pemDone) return;
        const block = pemBlock(this.#text, start, this.#pemEnds);
        if (block === undefined) return;
        this.#pemDone = block.end;
        this.#pemEnds = block.ends;
        if (block.start >= 0) this.#add('private-key', block.start, block.end, 0.97);
        return;
      }
      case 'url':
        return this.#addSpan('connection-password', connectionPassword(this.#text, start), 0.85);
      case 'scheme':
        return this.#addSpan('authorization-value', authorizationValue(this.#text, start), 0.8);
      case 'escape':
        return;
    }
  }

  #applyRule(number: number, keywordStart: number): void {
    if (keywordStart < this.#done[number]!) return;
    const rule = SECRET_RULES[number]!;
    const before = this.#before(rule, keywordStart);
    if (before < 0) return;
    rule.pattern.lastIndex = keywordStart;
    const match = rule.pattern.exec(this.#text);
    if (match === null) return;
    const end = keywordStart + match[0].length;
    const start = match[1] === undefined ? keywordStart - before : end - match[1].length;
    this.#done[number] = end;
    const verdict = rule.judge === undefined ? true : rule.judge(this.#text.slice(start, end));
    if (verdict === false) return;
    this.#add(rule.id, start, end, verdict === true ? rule.confidence : verdict);
    if (rule.id === 'aws-access-key') this.#addSpan('aws-secret-key', awsSecretNear(this.#text, end), 0.9);
  }

  /** How many units before the keyword belong to the secret; -1 when what is there does not fit. */
  #before(rule: SecretRule, keywordStart: number): number {
    if (rule.starts !== undefined && keywordStart > 0) {
      const code = this.#text.charCodeAt(keywordStart - 1);
      if (isWordByte(code) || (rule.starts === 'run' && (code === 0x5f || code === 0x2d))) return -1;
    }
    if (rule.before === undefined) return 0;
    const { pattern, max, min } = rule.before;
    let count = 0;
    while (count < max + 1 && count < keywordStart && pattern.test(this.#text[keywordStart - count - 1]!)) count++;
    return count > max || count < min ? -1 : count;
  }

  #addSpan(ruleId: string, span: { start: number; end: number } | undefined, confidence: number): void {
    if (span !== undefined) this.#add(ruleId, span.start, span.end, confidence);
  }

  #add(ruleId: string, start: number, end: number, confidence: number): void {
    if (this.#text.startsWith(MASK_PREFIX, start)) return;
    this.#found.push({ ruleId, class: 'secret', start, end, confidence });
  }
}

/** The 40-character secret that usually stands within a few lines of an AWS key id. */
function awsSecretNear(text: string, from: number): { start: number; end: number } | undefined {
  const to = Math.min(text.length, from + 240);
  let runStart = from;
  for (let at = from; at <= to; at++) {
    const code = at < to ? text.charCodeAt(at) : 0;
    if (at < text.length && (isWordByte(code) || code === 0x2b || code === 0x2f)) continue;
    if (at - runStart === 40 && isRandom(text.slice(runStart, at))) return { start: runStart, end: at };
    runStart = at + 1;
  }
  return undefined;
}

function isRandom(run: string): boolean {
  return /[a-z]/.test(run) && /[A-Z]/.test(run) && /[0-9+/]/.test(run) && new Set(run).size >= 16;
}

function isWordByte(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}

/** Joins overlapping findings; the surest rule gives its name. */
function merge(found: Finding[]): Finding[] {
  found.sort((a, b) => a.start - b.start || b.end - a.end);
  const merged: Finding[] = [];
  for (const next of found) {
    const last = merged.at(-1);
    if (last === undefined || next.start >= last.end) {
      merged.push(next);
      continue;
    }
    const surer = next.confidence > last.confidence ? next : last;
    merged[merged.length - 1] = { ...surer, start: last.start, end: Math.max(last.end, next.end) };
  }
  return merged;
}
