import type { Era } from '../../bridge/exchange.ts';
import { HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, UNSUPPORTED_VERSION } from '../../protocol/codes.ts';
import { textMember } from '../../protocol/members.ts';
import type { Message, Refusal } from '../../protocol/message.ts';
import { CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION } from '../../protocol/meta-keys.ts';
import { LEGACY_REVISIONS, MODERN_REVISION, MODERN_REVISIONS } from '../../protocol/revisions.ts';
import { OBJECT, type Scanner } from '../../protocol/scan.ts';
import { decodeUtf8 } from '../../protocol/splice.ts';
import { member } from '../../protocol/tape.ts';
import { NAMED_BY, textOfHeader } from '../../upstreams/http-headers.ts';
import type { Head } from './head.ts';

/** A message that is refused for what surrounds it; always with status 400. */
export interface Misfit extends Refusal {
  readonly data?: object;
}

/** The era of a message: what it says of itself goes before its header. */
export function eraOf(message: Message, head: Head): Era {
  const claim = message.protocolVersion;
  if (message.method === 'initialize') return claim !== undefined && isModern(claim) ? 'modern' : 'legacy';
  return claim !== undefined || isModern(head.version) ? 'modern' : 'legacy';
}

/** Whether a version is of 2026-07-28 or later. */
export function isModern(version: string | undefined): boolean {
  return version !== undefined && version.length === 10 && isDate(version) && version >= MODERN_REVISION;
}

/** Whether a client of a session may name this version; `agreed` is what its session agreed on. */
export function isKnownLegacy(version: string, agreed: string | undefined): boolean {
  return version === agreed || LEGACY_REVISIONS.includes(version);
}

/**
 * What is wrong with a message since 2026-07-28: its envelope, then the headers that repeat it. The body is the truth.
 * @returns undefined when nothing is
 */
export function misfitOf(tape: Scanner, message: Message, head: Head): Misfit | undefined {
  if (message.kind === 'result' || message.kind === 'error') {
    return misfit(
      tape,
      message,
      INVALID_REQUEST,
      'answer_posted',
      'Answers are not posted; they travel in inputResponses.',
    );
  }
  const claim = message.protocolVersion;
  if (message.kind === 'request') {
    const problem = envelopeProblem(tape, message);
    if (problem !== undefined) return misfit(tape, message, INVALID_PARAMS, 'envelope', problem);
  }
  if (head.version !== undefined && claim !== undefined && head.version !== claim) {
    return mismatch(
      tape,
      message,
      `MCP-Protocol-Version says ${shown(head.version)}, and the message says ${shown(claim)}.`,
    );
  }
  if (head.method !== undefined && head.method !== message.method) {
    return mismatch(
      tape,
      message,
      `Mcp-Method says ${shown(head.method)}, and the message says ${shown(message.method)}.`,
    );
  }
  const version = claim ?? head.version;
  if (version !== undefined && !MODERN_REVISIONS.includes(version)) {
    const data = { supported: MODERN_REVISIONS, requested: version };
    return {
      ...misfit(tape, message, UNSUPPORTED_VERSION, 'version', `Version ${shown(version)} is not supported.`),
      data,
    };
  }
  return message.kind === 'request' ? standardHeaders(tape, message, head) : undefined;
}

/** What is wrong with the head of an initialize, which 2026-07-28 has no more. */
export function initializeMisfitOf(tape: Scanner, message: Message, head: Head): Misfit | undefined {
  if (!isModern(head.version)) return undefined;
  return mismatch(tape, message, `MCP-Protocol-Version says ${shown(head.version)}, which has no initialize.`);
}

function envelopeProblem(tape: Scanner, message: Message): string | undefined {
  const meta = member(tape, message.params, '_meta');
  if (meta < 0 || tape.kinds[meta] !== OBJECT) return 'The params have no _meta, which each request carries.';
  if (message.protocolVersion === undefined) return `The _meta has no "${PROTOCOL_VERSION}".`;
  const capabilities = member(tape, meta, CLIENT_CAPABILITIES);
  if (capabilities < 0) return `The _meta has no "${CLIENT_CAPABILITIES}".`;
  if (tape.kinds[capabilities] !== OBJECT) return `The _meta's "${CLIENT_CAPABILITIES}" must be an object.`;
  const info = member(tape, meta, CLIENT_INFO);
  if (info >= 0 && tape.kinds[info] !== OBJECT) return `The _meta's "${CLIENT_INFO}" must be an object.`;
  return undefined;
}

function standardHeaders(tape: Scanner, message: Message, head: Head): Misfit | undefined {
  if (head.version === undefined) return mismatch(tape, message, 'The header MCP-Protocol-Version is missing.');
  if (head.method === undefined) return mismatch(tape, message, 'The header Mcp-Method is missing.');
  const source = NAMED_BY.get(message.method as string);
  if (source === undefined) return undefined;
  const named = message.name ?? message.uri ?? textMember(tape, message.params, source);
  if (head.name === undefined) {
    return named === undefined ? undefined : mismatch(tape, message, 'The header Mcp-Name is missing.');
  }
  const decoded = textOfHeader(head.name);
  if (decoded === undefined) return mismatch(tape, message, 'The header Mcp-Name is not encoded as it should be.');
  if (named !== undefined && decoded !== named) {
    return mismatch(tape, message, `Mcp-Name says ${shown(decoded)}, and the message says ${shown(named)}.`);
  }
  return undefined;
}

/** Headers and message differ. */
export function mismatch(tape: Scanner, message: Message, why: string): Misfit {
  return misfit(tape, message, HEADER_MISMATCH, 'header_mismatch', why);
}

function misfit(tape: Scanner, message: Message, code: number, reason: string, why: string): Misfit {
  const form = message.kind === 'result' || message.kind === 'error' ? 'response' : message.kind;
  const idText = message.idStart < 0 ? undefined : decodeUtf8(tape.bytes, message.idStart, message.idEnd);
  return { refused: true, code, reason, message: why, idText, offset: 0, form };
}

/** A client's own words, short. */
function shown(text: string | undefined): string {
  const words = text ?? 'nothing';
  return JSON.stringify(words.length > 80 ? `${words.slice(0, 80)}…` : words);
}

function isDate(text: string): boolean {
  for (let i = 0; i < 10; i++) {
    const isDash = i === 4 || i === 7;
    if (isDash ? text[i] !== '-' : text[i]! < '0' || text[i]! > '9') return false;
  }
  return true;
}
