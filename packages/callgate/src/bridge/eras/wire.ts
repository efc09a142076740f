import type { Id } from '../../protocol/correlate.ts';
import { CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROTOCOL_VERSION } from '../../protocol/meta-keys.ts';
import { quoted } from '../../protocol/splice.ts';
import { encodeUtf8 } from '../../protocol/text.ts';

/** Keys of a request's `_meta` that say something of one hop only. */
export const PER_HOP: ReadonlySet<string> = new Set([PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES, LOG_LEVEL]);

/** Methods that may be answered with `input_required`. */
export const MAY_ASK: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);
/** Methods whose results say how long they may be kept. */
export const CACHEABLE: ReadonlySet<string> = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
]);
/** What a server may want of a client. */
export const ASKS: ReadonlySet<string> = new Set(['sampling/createMessage', 'elicitation/create', 'roots/list']);

/** From the least to the most severe (RFC 5424 section 6.2.1). */
export const LOG_LEVELS: readonly string[] = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
];

/** An id as JSON text. */
export function idText(id: Id): string {
  return typeof id === 'number' ? String(id) : quoted(id);
}

/** Text and bytes, one after the other. */
export function bytesOf(...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const pieces = parts.map((part) => (typeof part === 'string' ? encodeUtf8(part) : part));
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** A request; `params` is JSON text. */
export function requestLine(id: string, method: string, params?: string | Uint8Array): Uint8Array {
  const head = `{"jsonrpc":"2.0","id":${id},"method":${quoted(method)}`;
  return params === undefined ? bytesOf(head, '}') : bytesOf(head, ',"params":', params, '}');
}

/** A notification; `params` is JSON text. */
export function notificationLine(method: string, params?: string): Uint8Array {
  const head = `{"jsonrpc":"2.0","method":${quoted(method)}`;
  return bytesOf(params === undefined ? `${head}}` : `${head},"params":${params}}`);
}

/** A result; `result` is JSON text. */
export function resultLine(id: string, result: string | Uint8Array): Uint8Array {
  return bytesOf(`{"jsonrpc":"2.0","id":${id},"result":`, result, '}');
}

/** An error. @param data anything that JSON can say */
export function errorLine(id: string, code: number, message: string, data?: unknown): Uint8Array {
  const more = data === undefined ? '' : `,"data":${JSON.stringify(data)}`;
  return bytesOf(`{"jsonrpc":"2.0","id":${id},"error":{"code":${code},"message":${quoted(message)}${more}}}`);
}

/** `notifications/cancelled` of a request. */
export function cancelLine(id: Id, reason: string): Uint8Array {
  return notificationLine('notifications/cancelled', `{"requestId":${idText(id)},"reason":${quoted(reason)}}`);
}
