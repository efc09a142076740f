import type { IncomingMessage } from 'node:http';
import { accepted, type Head, isJson } from './head.ts';
import { full, refuse, tooLarge } from './refusals.ts';
import type { Reply } from './reply.ts';

/**
 * Reads the body of a POST, after its head was found to promise what can be read: JSON, plain, and not too much.
 * @param wantsBoth whether the client must take JSON as well as a stream
 * @param hold makes room for bytes; false when there is none
 * @param done gets the whole body; not called when the request was refused or broke off
 */
export function readBody(
  request: IncomingMessage,
  reply: Reply,
  head: Head,
  mostBytes: number,
  wantsBoth: boolean,
  hold: (bytes: number) => boolean,
  done: (body: Buffer) => void,
): void {
  if (!isJson(head.contentType ?? '')) return refuse(reply, 415, 'The Content-Type must be application/json.', true);
  if (head.contentEncoding !== undefined && head.contentEncoding.trim().toLowerCase() !== 'identity') {
    return refuse(reply, 415, 'Compressed requests are not accepted.', true);
  }
  const forms = accepted(head.accept ?? '*/*');
  if (wantsBoth && (!forms.json || !forms.stream)) {
    return refuse(reply, 406, 'Accept must allow application/json and text/event-stream.', true);
  }
  if (head.contentLength !== undefined && Number(head.contentLength) > mostBytes) return tooLarge(reply, mostBytes);
  if (head.expect !== undefined) reply.writeContinue();
  const chunks: Buffer[] = [];
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
    // What is refused is read and forgotten: a client that is cut off while it writes does not see why.
    if (reply.headersSent) return;
    if (length <= mostBytes && hold(chunk.length)) {
      chunks.push(chunk);
      return;
    }
    chunks.length = 0;
    if (length > mostBytes) tooLarge(reply, mostBytes);
    else full(reply, 'all');
  });
  request.on('end', () => {
    if (reply.headersSent || reply.destroyed) return;
    done(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length));
  });
}
