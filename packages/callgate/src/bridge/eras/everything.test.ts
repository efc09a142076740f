import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { afterEach, expect, it, vi } from 'vitest';
import type { Id } from '../../protocol/correlate.ts';
import { LineFramer } from '../../protocol/frame.ts';
import type { Link, LinkEvents } from '../../upstreams/link.ts';
import { asModern } from './as-modern.ts';
import { systemClock } from '../clock.ts';
import { probeEra } from './probe.ts';
import { sealOf } from './seal.ts';
import { clientOf, envelope, type Seen } from './testing.ts';

const require = createRequire(import.meta.url);
const PROGRAM = require.resolve('@modelcontextprotocol/server-everything/dist/index.js');

const running = new Set<{ close(): Promise<void> }>();
afterEach(async () => {
  await Promise.all([...running].map((link) => link.close()));
  running.clear();
});

/** The npm server "everything": a process a link. */
function everything(events: LinkEvents): Link {
  const child = spawn(process.execPath, [PROGRAM], { stdio: ['pipe', 'pipe', 'ignore'] });
  const framer = new LineFramer(10_000_000);
  const gone = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  child.stdout.on('data', (chunk: Buffer) =>
    framer.push(chunk, {
      line: (bytes, start, end) => events.message(bytes, start, end, undefined),
      oversize: (head, tail, length) => events.oversize(head, tail, length, undefined),
    }),
  );
  child.once('exit', () => events.ended('ended'));
  return {
    send: (bytes, start, end) => void child.stdin.write(Buffer.concat([bytes.subarray(start, end), Buffer.from('\n')])),
    get isFull() {
      return child.stdin.writableNeedDrain;
    },
    close: () => {
      child.kill('SIGKILL');
      return gone;
    },
  };
}

function modern() {
  const client = clientOf((events) =>
    asModern(
      {
        server: 'everything',
        principal: 'os:me',
        openLegacy: everything,
        correlates: false,
        seal: sealOf(randomBytes(32), (n) => randomBytes(n)),
        client: { name: 'callgate', version: '0' },
        clock: systemClock,
        random: (n) => randomBytes(n),
      },
      events,
    ),
  );
  running.add(client.link);
  let ids = 0;
  const ask = async (method: string, params: object, capabilities: object = {}): Promise<Seen> => {
    const id: Id = ++ids;
    client.send({ id, method, params: { ...params, ...envelope(capabilities) } });
    return await vi.waitFor(() => client.ear.answer(id) ?? expect.fail(`no answer to ${method}`), { timeout: 15_000 });
  };
  return { ...client, ask };
}

it('is of sessions, and says so when it is probed', { timeout: 20_000 }, async () => {
  const client = { name: 'callgate', version: '0' };
  const found = await probeEra(everything, { client, clock: systemClock, timeoutMs: 15_000, silenceIsLegacy: false });
  expect(found).toEqual({ verdict: 'legacy', revisions: [] });
});

it('serves a client of the newer era: discover, lists, calls, logs', { timeout: 30_000 }, async () => {
  const { ask } = modern();
  const discovered = await ask('server/discover', {});
  expect(discovered.result).toMatchObject({ resultType: 'complete', supportedVersions: ['2026-07-28'], ttlMs: 0 });
  expect(discovered.result!['capabilities']).not.toHaveProperty('tasks');
  const tools = await ask('tools/list', {});
  expect(tools.result).toMatchObject({ resultType: 'complete', ttlMs: 0, cacheScope: 'private' });
  const sum = await ask('tools/call', { name: 'get-sum', arguments: { a: 2, b: 3 } });
  expect(JSON.stringify(sum.result)).toContain('The sum of 2 and 3 is 5.');
  expect((await ask('ping', {})).error?.code).toBe(-32601);
});

it('asks through the bridge for a model and for a form, several clients at a time', { timeout: 30_000 }, async () => {
  const { ask } = modern();
  const can = { sampling: {}, elicitation: {} };
  const call = { name: 'trigger-sampling-request', arguments: { prompt: 'hi', maxTokens: 5 } };
  const [first, second] = await Promise.all([ask('tools/call', call, can), ask('tools/call', call, can)]);
  for (const asked of [first, second]) {
    expect(asked.result).toMatchObject({
      resultType: 'input_required',
      inputRequests: { 'sampling-1': { method: 'sampling/createMessage', params: { maxTokens: 5 } } },
    });
    const answer = { role: 'assistant', model: 'm', content: { type: 'text', text: `Hello ${asked.id}` } };
    const { requestState } = asked.result!;
    const done = await ask('tools/call', { ...call, requestState, inputResponses: { 'sampling-1': answer } }, can);
    expect(done.result?.['resultType']).toBe('complete');
    expect(JSON.stringify(done.result)).toContain(`Hello ${asked.id}`);
  }
  const form = { name: 'trigger-elicitation-request', arguments: {} };
  const asked = await ask('tools/call', form, can);
  const inputResponses = { 'elicitation-1': { action: 'decline' } };
  const done = await ask('tools/call', { ...form, requestState: asked.result!['requestState'], inputResponses }, can);
  expect(JSON.stringify(done.result)).toMatch(/declined/);
});

it('tells a listener of an update that it subscribed to', { timeout: 30_000 }, async () => {
  const { ask, send, ear } = modern();
  const uri = 'demo://resource/dynamic/text/1';
  send({
    id: 'l',
    method: 'subscriptions/listen',
    params: { notifications: { resourceSubscriptions: [uri] }, ...envelope() },
  });
  const acknowledged = () => ear.told('notifications/subscriptions/acknowledged')[0] ?? expect.fail('not acknowledged');
  const note = await vi.waitFor(acknowledged, { timeout: 15_000 });
  expect(note.params?.['notifications']).toEqual({ resourceSubscriptions: [uri] });
  await ask('tools/call', { name: 'toggle-subscriber-updates', arguments: {} });
  const updated = () => ear.told('notifications/resources/updated')[0] ?? expect.fail('not updated');
  const update = await vi.waitFor(updated, { timeout: 15_000 });
  expect(update.params).toEqual({ uri, _meta: { 'io.modelcontextprotocol/subscriptionId': 'l' } });
});
