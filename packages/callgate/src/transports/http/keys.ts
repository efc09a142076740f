import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { CallgateError, messageOf } from '../../model/error.ts';
import type { Principal } from '../../model/principal.ts';
import type { Challenge, Credentials } from './options.ts';

const FORM = /^cgk_[A-Za-z0-9_-]{43}$/;

/**
 * The bearer key of a home, made at first use with mode 0600. The key itself is stored: the person must be able to give it
 * to a client.
 * @param home an absolute path
 * @throws CallgateError CG_HTTP_KEY when it cannot be read or made, is no key, or may be read by others
 */
export function homeKey(home: string): string {
  const dir = join(home, 'keys');
  const path = join(dir, 'serve.key');
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    chmodSync(dir, 0o700);
    makeKey(path);
    return readKey(path);
  } catch (error) {
    if (error instanceof CallgateError) throw error;
    throw new CallgateError('CG_HTTP_KEY', `The key ${path} cannot be read or made: ${messageOf(error)}.`, {
      remedy: 'Mend the rights of the home, or remove the file to have a new key made.',
      cause: error,
    });
  }
}

/** Who authenticates by bearer keys (in ASCII, as `homeKey` makes them): in Authorization, or in X-Agent-Key. */
export function bearerKeys(
  keys: readonly string[],
  anonymous = false,
): (credentials: Credentials) => Principal | Challenge {
  const known = keys.map((key) => {
    const bytes = Buffer.from(key, 'utf8');
    return { bytes, shown: Buffer.alloc(bytes.length), principal: principalOf(`key:${nameOf(key)}`, 'bearer') };
  });
  const nobody = principalOf('anonymous', 'asserted');
  return ({ authorization, agentKey }) => {
    if (authorization === undefined && agentKey === undefined) return anonymous ? nobody : challenge();
    const bearer = authorization === undefined ? undefined : bearerOf(authorization);
    if (authorization !== undefined && bearer === undefined) return challenge('invalid_request', NO_BEARER);
    // Two that differ are two callers.
    if (bearer !== undefined && agentKey !== undefined && bearer !== agentKey)
      return challenge('invalid_request', TWO_KEYS);
    const key = (bearer ?? agentKey) as string;
    let found: Principal | undefined;
    // All are compared, so that the time says nothing of which. It may say how long a key is: everybody knows.
    for (const { bytes, shown, principal } of known) {
      const isAsLong = key.length === bytes.length && shown.write(key, 'utf8') === bytes.length;
      if (isAsLong && timingSafeEqual(bytes, shown)) found = principal;
    }
    return found ?? challenge('invalid_token');
  };
}

const WANTED = 'A key is wanted: Authorization: Bearer <key>. Callgate says at its start where the key lies.';
const NO_BEARER = 'The Authorization field is not understood; write: Authorization: Bearer <key>.';
const TWO_KEYS = 'Authorization and X-Agent-Key hold two keys; send one.';
const NOT_VALID = 'The key is not valid. Callgate says at its start where the key lies.';

function challenge(error?: string, message = error === undefined ? WANTED : NOT_VALID): Challenge {
  const more = error === undefined ? '' : `, error="${error}"`;
  return {
    status: 401,
    challenge: `Bearer realm="callgate"${more}`,
    message,
  };
}

function principalOf(id: string, assurance: Principal['assurance']): Principal {
  return { id, roles: [], chain: [], assurance };
}

function bearerOf(authorization: string): string | undefined {
  const space = authorization.indexOf(' ');
  if (space < 0 || authorization.slice(0, space).toLowerCase() !== 'bearer') return undefined;
  const token = authorization.slice(space + 1);
  return token !== '' && !token.includes(' ') ? token : undefined;
}

/** What a key is called in records. */
function nameOf(key: string): string {
  return hash('sha256', key, 'hex').slice(0, 8);
}

/** Whole or not at all: two that start at once end up with one key. */
function makeKey(path: string): void {
  const draft = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeSync(file, `cgk_${randomBytes(32).toString('base64url')}\n`);
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    closeSync(file);
    unlinkSync(draft);
  }
}

function readKey(path: string): string {
  const file = openSync(path, 'r');
  try {
    const { mode, uid } = fstatSync(file);
    if ((mode & 0o077) !== 0 || (process.getuid !== undefined && uid !== process.getuid() && uid !== 0)) {
      throw new CallgateError('CG_HTTP_KEY', `Others may read the key ${path}.`, {
        remedy: `Remove ${path}, so that a new key is made, and give clients the new one.`,
      });
    }
    const key = readFileSync(file, 'utf8').trim();
    if (FORM.test(key)) return key;
    throw new CallgateError('CG_HTTP_KEY', `The file ${path} holds no key of Callgate.`, {
      remedy: 'Remove it, so that a new key is made, and give clients the new one.',
    });
  } finally {
    closeSync(file);
  }
}
