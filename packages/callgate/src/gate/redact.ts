import type { RedactObligation } from '../model/decision.ts';
import { CallgateError } from '../model/error.ts';
import type { Finding } from '../model/finding.ts';
import { findSecrets, secretsOf } from '../inspect/message-secrets.ts';
import { ARRAY, KEY, NUMBER, OBJECT, STRING, type Tape } from '../protocol/nodes.ts';
import { decodeUtf8, quoteJson, type Edit } from '../protocol/splice.ts';
import { member, members, elements, stringAt, walkStrings } from '../protocol/tape.ts';

/** What has to change in a message. */
export interface Redaction {
  /** In order, not overlapping; each replaces one whole JSON value. */
  readonly edits: readonly Edit[];
  /**
   * Pointer of the object with a member name that holds what must go (never the name itself: it would reach who must not
   * see it). Names are never rewritten: the caller denies.
   */
  readonly keyHit?: string;
}

/** A replacement may itself complete a pattern; after this many rounds the whole string goes. */
const ROUNDS = 3;

/**
 * Says which bytes to replace so that nothing the obligations name is left below a node: secrets, fields, patterns.
 * Works on the decoded strings wherever they stand (text blocks, structured content, resources, error messages).
 * A secret that is itself encoded (base64, JSON inside a string's escapes, ...) is not looked for here.
 * @param tape what was scanned
 * @param node the arguments, params, result or error
 * @throws CallgateError CG_GATE_REDACT_CLASS for a class nothing here can find
 */
export function redactEdits(tape: Tape, node: number, obligations: readonly RedactObligation[]): Redaction {
  checkClasses(obligations);
  const bySecret = obligations.filter((obligation) => obligation.classes.includes('secret'));
  const byPattern = obligations.filter((obligation) => obligation.pattern !== undefined);
  const fields = fieldNodes(tape, node, obligations);
  const secrets = new Map<number, readonly Finding[]>();
  if (bySecret.length > 0) findSecrets(tape, node, (at, _text, findings) => secrets.set(at, findings));
  if (fields.size === 0 && secrets.size === 0 && byPattern.length === 0) return { edits: [] };

  const edits: Edit[] = [];
  const end = tape.nexts[node]!;
  for (let at = node; at < end;) {
    const replacement = fields.get(at);
    if (replacement !== undefined) {
      edits.push(replace(tape, at, replacement));
      at = tape.nexts[at]!;
      continue;
    }
    const kind = tape.kinds[at];
    if (kind === KEY) {
      if (secrets.has(at) || matchesPattern(tape, at, byPattern))
        return { edits: [], keyHit: objectAround(tape, node, at) };
    } else if (kind === STRING && (secrets.has(at) || byPattern.length > 0)) {
      const text = stringAt(tape, at);
      const clean = redactText(text, nameOf(tape, node, at), secrets.get(at), bySecret[0], byPattern);
      if (clean !== text) edits.push(replace(tape, at, clean));
    } else if (kind === NUMBER && byPattern.length > 0) {
      const text = decodeUtf8(tape.bytes, tape.starts[at], tape.ends[at]);
      const hit = byPattern.find((obligation) => obligation.pattern!.test(text));
      if (hit !== undefined) edits.push(replace(tape, at, hit.replacement));
    }
    at++;
  }
  return { edits };
}

function checkClasses(obligations: readonly RedactObligation[]): void {
  for (const obligation of obligations) {
    const unknown = obligation.classes.find((name) => name !== 'secret');
    if (unknown === undefined) continue;
    throw new CallgateError(
      'CG_GATE_REDACT_CLASS',
      `Rule "${obligation.rule}" redacts the class "${unknown}", which this version cannot find.`,
      { remedy: 'Use the class "secret", or name fields or a pattern.' },
    );
  }
}

/** The nodes that the obligations' fields name; an outer one covers those inside it. */
function fieldNodes(tape: Tape, node: number, obligations: readonly RedactObligation[]): Map<number, string> {
  const found = new Map<number, string>();
  for (const { fields, replacement } of obligations) {
    for (const field of fields) {
      if (field.length > 0) collect(tape, node, field, 0, (at) => found.has(at) || found.set(at, replacement));
    }
  }
  return found;
}

/** `*` stands for every member or element; elements of an array are also walked without a segment of their own. */
function collect(
  tape: Tape,
  node: number,
  field: readonly string[],
  depth: number,
  found: (at: number) => unknown,
): void {
  if (depth === field.length) {
    found(node);
    return;
  }
  const segment = field[depth]!;
  if (tape.kinds[node] === OBJECT) {
    if (segment === '*') for (const key of members(tape, node)) collect(tape, key + 1, field, depth + 1, found);
    else {
      const at = member(tape, node, segment);
      if (at >= 0) collect(tape, at, field, depth + 1, found);
    }
  } else if (tape.kinds[node] === ARRAY) {
    let index = 0;
    for (const element of elements(tape, node)) {
      if (segment === '*' || segment === String(index)) collect(tape, element, field, depth + 1, found);
      else collect(tape, element, field, depth, found);
      index++;
    }
  }
}

/** Replaces secrets, then pattern matches, until neither is left. */
function redactText(
  text: string,
  name: string | undefined,
  found: readonly Finding[] | undefined,
  bySecret: RedactObligation | undefined,
  byPattern: readonly RedactObligation[],
): string {
  let clean = text;
  let findings = found ?? [];
  for (let round = 0; round < ROUNDS; round++) {
    if (bySecret !== undefined) clean = cutOut(clean, findings, bySecret.replacement);
    for (const obligation of byPattern) {
      if (obligation.pattern!.test(clean)) clean = obligation.pattern!.replace(clean, obligation.replacement);
    }
    if (bySecret === undefined || clean === text) return clean;
    findings = secretsOf(clean, name).filter(
      (finding) => clean.slice(finding.start, finding.end) !== bySecret.replacement,
    );
    if (findings.length === 0) return clean;
  }
  return bySecret?.replacement ?? clean;
}

function cutOut(text: string, findings: readonly Finding[], replacement: string): string {
  let clean = '';
  let from = 0;
  for (const finding of findings) {
    clean += text.slice(from, finding.start) + replacement;
    from = finding.end;
  }
  return clean + text.slice(from);
}

function matchesPattern(tape: Tape, at: number, byPattern: readonly RedactObligation[]): boolean {
  if (byPattern.length === 0) return false;
  const text = stringAt(tape, at);
  return byPattern.some((obligation) => obligation.pattern!.test(text));
}

function nameOf(tape: Tape, node: number, at: number): string | undefined {
  return at > node && tape.kinds[at - 1] === KEY ? stringAt(tape, at - 1) : undefined;
}

/** Names above the first hit were looked at before it, and are clean. */
function objectAround(tape: Tape, node: number, wanted: number): string {
  let found = '';
  walkStrings(tape, node, (at, pointer) => {
    if (at === wanted) found = pointer();
  });
  return found.replace(/\/~key$/, '').replace(/\/[^/]*$/, '');
}

function replace(tape: Tape, at: number, text: string): Edit {
  return { start: tape.starts[at]!, end: tape.ends[at]!, text: quoteJson(text) };
}
