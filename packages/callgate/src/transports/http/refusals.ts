import { INVALID_REQUEST, TOO_MANY_IN_FLIGHT } from '../../protocol/codes.ts';
import type { NoRoom } from './admission.ts';
import type { Challenge } from './options.ts';
import { type Reply, sendRefusal } from './reply.ts';

const RETRY_AFTER = ['Retry-After', '1'];

export function refuse(reply: Reply, status: number, message: string, hangUp = false): void {
  sendRefusal(reply, { status, code: INVALID_REQUEST, message, hangUp });
}

export function tooLarge(reply: Reply, most: number): void {
  refuse(reply, 413, `The request is larger than ${most} bytes.`);
}

export function noServer(reply: Reply): void {
  refuse(reply, 404, 'There is no such server here. MCP of all servers is at /mcp, of one at /mcp/<name>.');
}

export function notAllowed(reply: Reply, allow = 'POST, GET, DELETE'): void {
  sendRefusal(reply, {
    status: 405,
    code: INVALID_REQUEST,
    message: `That method is not allowed here; ${allow} are.`,
    fields: ['Allow', allow],
    hangUp: true,
  });
}

export function challenged(reply: Reply, { status, challenge, message }: Challenge): void {
  const fields = ['WWW-Authenticate', challenge];
  sendRefusal(reply, { status, code: INVALID_REQUEST, message, fields });
}

/** There is no room. */
export function full(reply: Reply, why: NoRoom, idText?: string, said?: string): void {
  const message = said ?? (why === 'all' ? 'Too much is going on.' : 'You have too much going on.');
  const status = why === 'all' ? 503 : 429;
  sendRefusal(reply, { status, code: TOO_MANY_IN_FLIGHT, message, idText, fields: RETRY_AFTER });
}
