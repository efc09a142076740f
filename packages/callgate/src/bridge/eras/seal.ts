import { createCipheriv, createDecipheriv } from 'node:crypto';
import { CallgateError } from '../../model/error.ts';

/** Makes text that only this key can read and that nobody else can alter. */
export interface Seal {
  seal(text: string): string;
  /** @returns undefined for anything that this key did not seal */
  open(sealed: string): string | undefined;
}

const NONCE = 12;
const TAG = 16;
/** Far more than any state of ours. */
const LONGEST = 8192;
const PURPOSE = Buffer.from('callgate requestState 1');

/**
 * A seal of AES-256-GCM (NIST SP 800-38D) with a fresh nonce each time, as base64url.
 * @param key 32 bytes, for this purpose alone
 * @param random that many unpredictable bytes
 * @throws CallgateError CG_BRIDGE_SEAL_KEY when the key has another length
 */
export function sealOf(key: Uint8Array, random: (bytes: number) => Uint8Array): Seal {
  if (key.length !== 32) {
    throw new CallgateError('CG_BRIDGE_SEAL_KEY', `The key that seals parked calls has ${key.length} bytes, not 32.`, {
      remedy: 'This is a defect of Callgate; please report it.',
    });
  }
  return {
    seal(text) {
      const nonce = random(NONCE);
      const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG });
      cipher.setAAD(PURPOSE);
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url');
    },
    open(sealed) {
      if (sealed.length > LONGEST) return undefined;
      const bytes = Buffer.from(sealed, 'base64url');
      // The decoder skips what is no base64url, and the last character has bits to spare: one spelling only.
      if (bytes.length < NONCE + TAG || bytes.toString('base64url') !== sealed) return undefined;
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE), { authTagLength: TAG });
      decipher.setAAD(PURPOSE);
      decipher.setAuthTag(bytes.subarray(NONCE, NONCE + TAG));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(NONCE + TAG)), decipher.final()]).toString('utf8');
      } catch {
        return undefined;
      }
    },
  };
}
