import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { request, type Agent } from 'undici';
import { guardedAgent, type Lookup } from './agent.ts';
import { dialGuard } from './guard.ts';
import { guardFor, readTarget } from './target.ts';

const open: { close(): unknown }[] = [];
afterEach(() => Promise.all(open.splice(0).map((one) => one.close())));

async function listen(): Promise<{ port: number; hits: () => number }> {
  let hits = 0;
  const server = createServer((_, response) => {
    hits++;
    response.end('hello');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  });
  return { port: (server.address() as AddressInfo).port, hits: () => hits };
}

function agentWith(allow: readonly string[], answers: readonly (readonly string[])[] = []): Agent {
  let asked = 0;
  const lookup: Lookup = (_host, _options, done) => {
    const addresses = answers[Math.min(asked++, answers.length - 1)] ?? [];
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  const agent = guardedAgent({ guard: dialGuard(allow), lookup, connectMs: 500 });
  open.push({ close: () => agent.destroy() });
  return agent;
}

const outcome = async (agent: Agent, url: string): Promise<string> => {
  try {
    const { statusCode, body } = await request(url, { dispatcher: agent });
    await body.text();
    return String(statusCode);
  } catch (error) {
    return (error as Error & { code?: string }).code ?? String(error);
  }
};

describe('a guarded agent', () => {
  it('refuses literal addresses that are not opened, in every spelling', async () => {
    const { port, hits } = await listen();
    const agent = agentWith([]);
    for (const host of [
      '127.0.0.1',
      '0x7f.1',
      '2130706433',
      '0177.0.0.1',
      '127.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '0.0.0.0',
    ]) {
      expect(await outcome(agent, `http://${host}:${port}/`), host).toBe('DIAL_REFUSED');
    }
    expect(hits()).toBe(0);
  });

  it('refuses a name when any of its addresses is not opened', async () => {
    const { port, hits } = await listen();
    for (const addresses of [['127.0.0.1'], ['93.184.216.34', '127.0.0.1'], ['::1'], ['::ffff:7f00:1'], []]) {
      expect(await outcome(agentWith([], [addresses]), `http://a.example:${port}/`)).toBe('DIAL_REFUSED');
    }
    expect(hits()).toBe(0);
  });

  it('dials what it judged: a name that changes between the look and the dial gains nothing', async () => {
    const { port, hits } = await listen();
    // Public at first, then the own machine. 192.0.2.1 is judged like any opened address, and nothing answers there.
    const agent = agentWith(['192.0.2.1'], [['192.0.2.1'], ['127.0.0.1']]);
    expect(await outcome(agent, `http://a.example:${port}/`)).not.toBe('200');
    expect(await outcome(agent, `http://a.example:${port}/`)).toBe('DIAL_REFUSED');
    expect(hits()).toBe(0);
  });

  it('dials opened names and networks', async () => {
    const { port, hits } = await listen();
    expect(await outcome(agentWith(['a.example'], [['127.0.0.1']]), `http://a.example:${port}/`)).toBe('200');
    expect(await outcome(agentWith(['127.0.0.0/8'], [['127.0.0.1']]), `http://b.example:${port}/`)).toBe('200');
    expect(hits()).toBe(2);
  });

  it('opens the port that the operator wrote, and no other of the own machine', async () => {
    const { port } = await listen();
    const other = await listen();
    const agent = guardedAgent({ guard: guardFor(readTarget(`http://127.0.0.1:${port}/mcp`)) });
    open.push({ close: () => agent.destroy() });
    expect(await outcome(agent, `http://127.0.0.1:${port}/`)).toBe('200');
    expect(await outcome(agent, `http://127.0.0.1:${other.port}/`)).toBe('DIAL_REFUSED');
    expect(other.hits()).toBe(0);
  });

  it('uses no proxy of the environment', async () => {
    const { port, hits } = await listen();
    const proxy = await listen();
    const before = { ...process.env };
    Object.assign(process.env, {
      HTTP_PROXY: `http://127.0.0.1:${proxy.port}`,
      http_proxy: `http://127.0.0.1:${proxy.port}`,
      NODE_USE_ENV_PROXY: '1',
    });
    try {
      expect(await outcome(agentWith(['127.0.0.1']), `http://127.0.0.1:${port}/`)).toBe('200');
    } finally {
      process.env = before;
    }
    expect([hits(), proxy.hits()]).toEqual([1, 0]);
  });

  it.each([
    ['a broken authority', { ca: 'nonsense', cert: 'nonsense', key: 'nonsense' }],
    ['a certificate without its key', { cert: 'x' }],
    ['a key without its certificate', { key: 'x' }],
  ])('is not made with %s', (_, tls) => {
    expect(() => guardedAgent({ guard: dialGuard(), tls })).toThrow(expect.objectContaining({ code: 'CG_NET_TLS' }));
  });
});
