import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { request } from 'undici';
import { guardedAgent, type AgentOptions } from './agent.ts';
import { dialGuard } from './guard.ts';

const hasOpenssl = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!hasOpenssl)('a connection with TLS', () => {
  let dir = '';
  let port = 0;
  let close = (): void => undefined;
  const pem = (name: string) => readFileSync(join(dir, name), 'utf8');
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' });

  /** A key and a certificate, signed by the authority of the test. */
  function issue(name: string, extension: string): void {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`];
    writeFileSync(join(dir, `${name}.ext`), extension);
    openssl('req', ...key, '-subj', `/CN=${name}`, '-out', `${name}.csr`);
    const authority = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'];
    openssl('x509', '-req', '-in', `${name}.csr`, ...authority, '-extfile', `${name}.ext`, '-out', `${name}.pem`);
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'callgate-tls-'));
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key'];
    openssl('req', '-x509', ...key, '-subj', '/CN=test authority', '-days', '2', '-out', 'ca.pem');
    issue('server', 'subjectAltName=DNS:mcp.example');
    issue('client', 'extendedKeyUsage=clientAuth');
    const options = { key: pem('server.key'), cert: pem('server.pem'), ca: pem('ca.pem'), requestCert: true };
    const server = createServer({ ...options, rejectUnauthorized: false }, (incoming, response) => {
      response.end(String((incoming.socket as unknown as { authorized: boolean }).authorized));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
    close = () => {
      server.closeAllConnections();
      server.close();
    };
  });
  afterAll(() => {
    close();
    rmSync(dir, { recursive: true });
  });

  async function reach(tls: AgentOptions['tls'], host = 'mcp.example'): Promise<string> {
    const lookup: AgentOptions['lookup'] = (_host, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]);
    const agent = guardedAgent({ guard: dialGuard(['127.0.0.1']), lookup, ...(tls && { tls }) });
    try {
      const { body } = await request(`https://${host}:${port}/`, { dispatcher: agent });
      return await body.text();
    } catch (error) {
      return String((error as { code?: string }).code);
    } finally {
      await agent.destroy();
    }
  }

  it('is not made to a server of an authority that is not trusted', async () => {
    expect(await reach(undefined)).toMatch(/UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET_ISSUER/);
  });

  it('is not made so by the environment', async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      expect(await reach(undefined)).toMatch(/UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET_ISSUER/);
    } finally {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    }
  });

  it('is made with the authority that the operator named, for the name in the certificate alone', async () => {
    expect(await reach({ ca: pem('ca.pem') })).toBe('false');
    expect(await reach({ ca: pem('ca.pem') }, 'other.example')).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(await reach({ ca: pem('ca.pem') }, '127.0.0.1')).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  });

  it('shows the certificate of the client', async () => {
    expect(await reach({ ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key') })).toBe('true');
  });
});
