import type { HeaderSource } from './http-options.ts';

/** Names and values by turns, as undici takes them with the least work. */
export type HeaderList = string[];

/**
 * The headers of each request of a link, before those of the message. What the operator's source gives is read again only
 * when it gives another object.
 */
export function headerBase(source: HeaderSource | undefined, own: readonly string[]): () => HeaderList {
  const ask = typeof source === 'function' ? source : () => source ?? NONE;
  let known: Readonly<Record<string, string>> | undefined;
  let list: readonly string[] = [];
  return () => {
    const now = ask();
    if (now !== known) {
      known = now;
      list = [...own, ...Object.entries(now).flat()];
    }
    return [...list];
  };
}

const NONE: Readonly<Record<string, string>> = {};

export const POST_HEADERS = [
  'accept',
  'application/json, text/event-stream',
  'content-type',
  'application/json',
  'accept-encoding',
  'identity',
  'user-agent',
  'callgate',
];
export const STREAM_HEADERS = ['accept', 'text/event-stream', 'accept-encoding', 'identity', 'user-agent', 'callgate'];

const OPENING = '=?base64?';
const CLOSING = '?=';

/**
 * A text as the value of a header (2026-07-28, Streamable HTTP, "Value encoding"): as it is when it is plain visible ASCII,
 * else `=?base64?…?=` of its UTF-8.
 */
export function headerValue(text: string): string {
  const isPlain = /^[!-~](?:[\t -~]*[!-~])?$/.test(text) && !(text.startsWith(OPENING) && text.endsWith(CLOSING));
  return isPlain ? text : `${OPENING}${Buffer.from(text, 'utf8').toString('base64')}${CLOSING}`;
}

/** The text that a header value stands for; undefined when it is `=?base64?…?=` of no UTF-8 in Base64, strictly. */
export function textOfHeader(value: string): string | undefined {
  const isPlain = !value.startsWith(OPENING) || !value.endsWith(CLOSING);
  if (isPlain || value.length < OPENING.length + CLOSING.length) return value;
  const text = value.slice(OPENING.length, -CLOSING.length);
  const bytes = Buffer.from(text, 'base64');
  // Buffer skips what is no Base64; what comes back equal had nothing to skip.
  if (bytes.toString('base64') !== text) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Which member of the params `Mcp-Name` repeats (2026-07-28, Streamable HTTP, "Standard request headers"; SEP-2663). */
export const NAMED_BY: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/** A session id or revision of a server, if it may be sent back: visible ASCII of bounded length. */
export function tokenOf(text: string | undefined): string | undefined {
  return text !== undefined && text.length <= 1024 && /^[!-~]+$/.test(text) ? text : undefined;
}
