import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** Of what is said on the socket. Another version is refused on both sides. */
export const PROTOCOL = 1;

/**
 * Both sides prove that they have the key of the home, and neither shows it: each says a number of its own, and answers
 * with a MAC over both numbers and the place they met at. Client and server prove in words of their own, so that nothing
 * that one has said can be said back to it; the place keeps what is said at one socket from being passed on to another.
 */
export interface Meeting {
  readonly key: Uint8Array;
  readonly socket: string;
}

export interface Hello {
  readonly protocol: number;
  readonly nonce: string;
}

export function hello(): Hello {
  return { protocol: PROTOCOL, nonce: randomBytes(32).toString('base64url') };
}

/** The nonce of a hello that can be gone on with; undefined when it is none, or of another protocol. */
export function nonceOf(said: Readonly<Record<string, unknown>>): string | undefined {
  const { protocol, nonce } = said;
  if (protocol !== PROTOCOL || typeof nonce !== 'string') return undefined;
  return /^[\w-]{43}$/.test(nonce) ? nonce : undefined;
}

export function proofOf(side: 'client' | 'server', { key, socket }: Meeting, server: string, client: string): string {
  const said = JSON.stringify(['callgate daemon', PROTOCOL, side, socket, server, client]);
  return createHmac('sha256', key).update(said).digest('base64url');
}

/** Whether `given` is what was to be proven; takes as long either way. */
export function isProof(expected: string, given: unknown): boolean {
  if (typeof given !== 'string') return false;
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
