import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto';
import { CallgateError } from '../model/error.ts';
import { readSecret } from './keys.ts';

/** The key that signs a log's heads, and the log's name. */
export interface SigningKey {
  readonly origin: string;
  /** `<name>+<key id>+<base64 of algorithm and public key>` (C2SP signed-note). */
  readonly vkey: string;
  readonly keyId: Buffer;
  readonly secret: KeyObject;
}

const ED25519 = 1;
const DER_HEAD = 12;

/** A new Ed25519 key for a new log, with the bytes to keep it by. */
export function makeSigningKey(): { key: SigningKey; file: string } {
  const origin = `callgate.local/${randomBytes(4).toString('hex')}`;
  const { privateKey } = generateKeyPairSync('ed25519');
  const secret = privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64');
  return { key: signingKey(origin, privateKey), file: `${JSON.stringify({ v: 1, origin, secret })}\n` };
}

/** Reads the signing key; undefined when there is none. @throws CallgateError CG_EVIDENCE_KEY_UNREADABLE */
export function readSigningKey(path: string): SigningKey | undefined {
  const bytes = readSecret(path);
  if (bytes === undefined) return undefined;
  try {
    const { origin, secret } = JSON.parse(bytes.toString('utf8')) as { origin: string; secret: string };
    return signingKey(origin, createPrivateKey({ key: Buffer.from(secret, 'base64'), format: 'der', type: 'pkcs8' }));
  } catch (cause) {
    throw new CallgateError('CG_EVIDENCE_KEY_UNREADABLE', `The signing key ${path} cannot be read.`, {
      remedy: 'Put it back from a backup: without it the log cannot go on under its name.',
      cause,
    });
  }
}

/** A signed checkpoint (C2SP tlog-checkpoint): origin, size, root, empty line, signature. */
export function signCheckpoint(key: SigningKey, size: number, root: Buffer): string {
  const body = `${key.origin}\n${size}\n${root.toString('base64')}\n`;
  const signature = Buffer.concat([key.keyId, sign(null, Buffer.from(body), key.secret)]);
  return `${body}\n\u2014 ${key.origin} ${signature.toString('base64')}\n`;
}

function signingKey(origin: string, secret: KeyObject): SigningKey {
  const raw = createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(DER_HEAD);
  const typed = Buffer.concat([Buffer.of(ED25519), raw]);
  const keyId = hash('sha256', Buffer.concat([Buffer.from(`${origin}\n`), typed]), 'buffer').subarray(0, 4);
  return { origin, secret, keyId, vkey: `${origin}+${keyId.toString('hex')}+${typed.toString('base64')}` };
}
