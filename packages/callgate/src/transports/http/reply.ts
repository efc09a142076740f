import { ServerResponse } from 'node:http';
import { errorAnswer } from '../../protocol/refusal.ts';

const NONE: readonly string[] = [];

/** A response, with the header fields that each answer to its request carries (those of CORS). */
export class Reply extends ServerResponse {
  extra: readonly string[] = NONE;
}

/** How a request is refused. */
export interface Refused {
  readonly status: number;
  /** JSON-RPC. */
  readonly code: number;
  readonly message: string;
  /** The id of the message as JSON, where it is known. */
  readonly idText?: string | undefined;
  readonly data?: object;
  /** Header fields, names and values in turn. */
  readonly fields?: readonly string[];
  /** The rest of what the client sends is not wanted. */
  readonly hangUp?: boolean;
}

/** Answers with one JSON text, head and body in one write. */
export function sendJson(reply: Reply, status: number, body: Uint8Array, fields: readonly string[] = NONE): void {
  if (reply.headersSent || reply.destroyed) return;
  const head = [
    'Content-Type',
    'application/json',
    'Content-Length',
    String(body.length),
    // What is listed depends on who asks.
    'Cache-Control',
    'no-store',
    'X-Content-Type-Options',
    'nosniff',
  ];
  if (fields.length > 0) head.push(...fields);
  if (reply.extra.length > 0) head.push(...reply.extra);
  reply.writeHead(status, head);
  reply.end(body);
}

export function sendRefusal(reply: Reply, refused: Refused): void {
  const { idText, code, message, data, fields = NONE } = refused;
  const more = refused.hangUp === true ? [...fields, 'Connection', 'close'] : fields;
  sendJson(reply, refused.status, errorAnswer(idText, code, message, data), more);
}

export function sendNothing(reply: Reply, status: number, fields: readonly string[] = NONE): void {
  if (reply.headersSent || reply.destroyed) return;
  const length = status === 204 ? NONE : ['Content-Length', '0'];
  reply.writeHead(status, [...length, ...fields, ...reply.extra]);
  reply.end();
}
