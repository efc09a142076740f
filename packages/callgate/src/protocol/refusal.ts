import { encodeUtf8, quoted } from './splice.ts';

/**
 * A JSON-RPC error as a line.
 * @param idText the id as JSON text; `null` is written when it is unknown
 * @param code a code of codes.ts
 * @param message a sentence
 * @param data more about it; JSON
 * @returns UTF-8 with a newline
 */
export function errorAnswer(idText: string | undefined, code: number, message: string, data?: object): Uint8Array {
  const more = data === undefined ? '' : `,"data":${JSON.stringify(data)}`;
  return encodeUtf8(
    `{"jsonrpc":"2.0","id":${idText ?? 'null'},"error":{"code":${code},"message":${quoted(message)}${more}}}\n`,
  );
}

/** How a server left a request without an answer. @param how `ended with exit code 1`, or why there never was a server */
export function unanswered(how: string): string {
  return /^(could not|cannot) /.test(how) ? how : `${how} before it answered`;
}

/**
 * The refusal of a `tools/call` as a result, so that the model reads the reason.
 * @param idText the id as JSON text
 * @param text what the model shall read
 * @param modern whether the request was of 2026-07-28 or later, where every result has a `resultType`
 * @returns UTF-8 with a newline
 */
export function toolRefusal(idText: string | undefined, text: string, modern: boolean): Uint8Array {
  const type = modern ? '"resultType":"complete",' : '';
  return encodeUtf8(
    `{"jsonrpc":"2.0","id":${idText ?? 'null'},"result":{${type}"content":[{"type":"text","text":${quoted(text)}}],"isError":true}}\n`,
  );
}
