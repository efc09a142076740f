import type { Id } from './correlate.ts';
import { quoted } from './splice.ts';
import { encodeUtf8 } from './text.ts';

// Messages of our own, as bytes without a newline. What they hold is given as JSON text, so that what a peer wrote goes on
// as it was written.

/** A request. @param params JSON text */
export function requestLine(id: Id, method: string, params?: string | Uint8Array): Uint8Array {
  const head = `{"jsonrpc":"2.0","id":${idText(id)},"method":${quoted(method)}`;
  return params === undefined ? bytesOf(head, '}') : bytesOf(head, ',"params":', params, '}');
}

/** A notification. @param params JSON text */
export function notificationLine(method: string, params?: string): Uint8Array {
  const head = `{"jsonrpc":"2.0","method":${quoted(method)}`;
  return bytesOf(params === undefined ? `${head}}` : `${head},"params":${params}}`);
}

/** A `notifications/cancelled` of a request. */
export function cancelLine(id: Id, reason?: string): Uint8Array {
  const why = reason === undefined ? '' : `,"reason":${quoted(reason)}`;
  return notificationLine('notifications/cancelled', `{"requestId":${idText(id)}${why}}`);
}

/** The answer to a request. @param result JSON text */
export function resultLine(id: Id, result: string | Uint8Array): Uint8Array {
  return bytesOf(`{"jsonrpc":"2.0","id":${idText(id)},"result":`, result, '}');
}

/** The answer to a request that failed. @param data more about it; anything that JSON can say */
export function errorLine(id: Id, code: number, message: string, data?: unknown): Uint8Array {
  const more = data === undefined ? '' : `,"data":${JSON.stringify(data)}`;
  return bytesOf(`{"jsonrpc":"2.0","id":${idText(id)},"error":{"code":${code},"message":${quoted(message)}${more}}}`);
}

/** An id as JSON text. */
export function idText(id: Id): string {
  return typeof id === 'number' ? String(id) : quoted(id);
}

/** Texts and bytes, one after the other. */
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
