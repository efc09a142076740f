import { expect, it } from 'vitest';
import { probeEra, type ProbeOptions } from './probe.ts';
import { ManualClock, scripted, settled, type Script } from './testing.ts';

async function probe(script: Script, over: Partial<ProbeOptions> = {}, ms = 0) {
  const clock = new ManualClock();
  const client = { name: 'callgate', version: '0' };
  const { open, peers } = scripted(script);
  const found = probeEra(open, { clock, timeoutMs: 1000, silenceIsLegacy: true, client, ...over });
  await clock.pass(ms);
  return { found, peer: peers[0]!, clock };
}

const says =
  (answer: object): Script =>
  ({ id }) => ({ id, ...answer });

it.each<[string, Script, object]>([
  [
    'its revisions',
    says({ result: { supportedVersions: ['2026-07-28'] } }),
    { verdict: 'modern', revisions: ['2026-07-28'] },
  ],
  [
    'revisions of both eras',
    says({ result: { supportedVersions: ['2026-07-28', '2025-11-25'] } }),
    { verdict: 'both', revisions: ['2026-07-28', '2025-11-25'] },
  ],
  [
    'only revisions to come',
    says({ result: { supportedVersions: ['2031-01-01'] } }),
    { verdict: 'unknown', revisions: ['2031-01-01'] },
  ],
  [
    'that it has no such method',
    says({ error: { code: -32601, message: 'no' } }),
    { verdict: 'legacy', revisions: [] },
  ],
  [
    'that it was not initialized',
    says({ error: { code: -32600, message: 'no' } }),
    { verdict: 'legacy', revisions: [] },
  ],
  ['an empty result', says({ result: {} }), { verdict: 'legacy', revisions: [] }],
  [
    'which revisions it wants instead',
    says({ error: { code: -32022, message: 'no', data: { supported: ['2027-01-01'], requested: '2026-07-28' } } }),
    { verdict: 'unknown', revisions: ['2027-01-01'] },
  ],
])('knows a server by %s', async (_, script, expected) => {
  const { found, peer } = await probe(script);
  expect(await found).toEqual(expected);
  await settled();
  expect(peer.isClosed).toBe(true);
});

it('takes the silence of a process for a no, and that of an address for nothing', async () => {
  const silent: Script = () => undefined;
  expect(await (await probe(silent, {}, 1000)).found).toEqual({ verdict: 'legacy', revisions: [] });
  expect(await (await probe(silent, { silenceIsLegacy: false }, 1000)).found).toEqual({
    failure: { code: -31004, why: 'did not say in time what it speaks', kind: 'transport' },
  });
});

it.each([
  ['refused the request (HTTP 400)', 'refused', true],
  ['has no such place to talk to (HTTP 404)', 'refused', true],
  ['refused the credential that Callgate presents (HTTP 401)', 'refused', false],
  ['was asked too often (HTTP 429)', 'refused', false],
  ['failed (HTTP 500)', 'transport', false],
  ['could not be reached: connection refused', 'transport', false],
] as const)('reads "%s" as it is meant', async (why, kind, isLegacy) => {
  const { found, peer, clock } = await probe(() => undefined);
  const failure = { code: -31004, why, kind };
  peer.fail('callgate-probe', failure);
  expect(await found).toEqual(isLegacy ? { verdict: 'legacy', revisions: [] } : { failure });
  expect(clock.timers).toBe(0);
});

it('learns nothing of a process that ends', async () => {
  const { found, peer } = await probe(() => undefined);
  peer.end('ended with exit code 1');
  expect(await found).toMatchObject({ failure: { why: 'ended with exit code 1' } });
});

it('heeds neither notifications nor answers to others', async () => {
  const { found, peer } = await probe(() => undefined, {}, 0);
  peer.say({ method: 'notifications/message', params: {} });
  peer.say({ id: 'other', result: { supportedVersions: ['2025-11-25'] } });
  peer.say({ id: 'callgate-probe', result: { supportedVersions: ['2026-07-28'] } });
  expect(await found).toMatchObject({ verdict: 'modern' });
});
