import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Credentials } from './options.ts';
import { principalNamed, type TestDoor, testDoor } from './testing.ts';

let dir: string;
let at: TestDoor;
const seen: Credentials[] = [];

/** A certificate that signs itself. */
function certify(name: string): { cert: string; key: string } {
  const [cert, key] = [join(dir, `${name}.crt`), join(dir, `${name}.key`)];
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
  const files = ['-keyout', key, '-out', cert];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, ...files], { stdio: 'ignore' });
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

let server: { cert: string; key: string };
let client: { cert: string; key: string };
let stranger: { cert: string; key: string };
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tls-'));
  [server, client, stranger] = [certify('server'), certify('client'), certify('stranger')];
  at = await testDoor({
    tls: { ...server, ca: client.cert, requireClientCert: true },
    authenticate(credentials) {
      seen.push(credentials);
      return principalNamed(credentials.certificate?.subject.CN as string);
    },
  });
});
afterAll(async () => {
  await at.door.close();
  rmSync(dir, { recursive: true });
});

function get(own: { cert: string; key: string } | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { method: 'DELETE', ca: server.cert, ...own };
    const asking = request(`${at.door.url}/mcp`, options, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asking.on('error', reject);
    asking.end();
  });
}

it('hands on the certificate of a client that proved its key', async () => {
  expect(at.door.url).toMatch(/^https:/);
  expect(await get(client)).toBe(400);
  expect(seen.at(-1)?.certificate?.subject.CN).toBe('client');
});

it('lets in no client without a certificate, and none of another authority', async () => {
  const before = seen.length;
  await expect(get(undefined)).rejects.toThrow(/certificate|ECONNRESET|EPIPE|socket/);
  await expect(get(stranger)).rejects.toThrow(/alert|ECONNRESET|EPIPE|socket/);
  expect(seen).toHaveLength(before);
});
