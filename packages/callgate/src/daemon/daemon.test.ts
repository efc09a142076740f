import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { CallgateError } from '../model/error.ts';
import { memorySessions } from '../state/sessions.ts';
import { connectDaemon } from './client.ts';
import { frameOf, FrameReader } from './frames.ts';
import { daemonKey, daemonPlace, openPlace, outsideHome } from './place.ts';
import { hello, proofOf } from './proof.ts';
import { startDaemon, type Daemon, type DaemonParts } from './server.ts';
import { sessionService } from './services.ts';

let home: string;
const open: { close(): unknown }[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cg-daemon-'));
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
  for (const dir of outsideHome(daemonPlace(home))) rmSync(dir, { recursive: true, force: true });
  rmSync(home, { recursive: true, force: true });
});

async function start(over: Partial<DaemonParts> = {}): Promise<Daemon> {
  const daemon = await startDaemon({
    home,
    version: '1.2.3',
    services: { echo: (asked) => asked, fail: () => Promise.reject(new CallgateError('CG_X', 'No such thing.')) },
    mayStop: true,
    warn: () => undefined,
    ...over,
  });
  open.push(daemon);
  return daemon;
}

async function client() {
  const found = await connectDaemon(home, { timeoutMs: 2000 });
  if (found === undefined) throw new Error('there is no daemon');
  open.push(found);
  return found;
}

/** A peer that says what it likes. */
async function raw(): Promise<Socket & { readonly isGone: Promise<string>; readonly said: Buffer[] }> {
  const socket = connect(daemonPlace(home).socket) as Socket & { isGone: Promise<string>; said: Buffer[] };
  socket.said = [];
  socket.on('data', (chunk: Buffer) => socket.said.push(chunk));
  socket.on('error', () => undefined);
  socket.isGone = new Promise((resolve) => socket.once('close', () => resolve('gone')));
  await new Promise((resolve) => socket.once('data', resolve));
  open.push({ close: () => socket.destroy() });
  return socket;
}

const later = (ms: number): Promise<string> => new Promise((resolve) => setTimeout(resolve, ms, 'there'));

describe('the daemon of a home', () => {
  it('is not there until it is started, and answers then', async () => {
    expect(await connectDaemon(home)).toBeUndefined();
    const daemon = await start();
    const one = await client();
    expect([one.pid, one.version]).toEqual([process.pid, '1.2.3']);
    expect(await one.ask('status')).toMatchObject({ pid: process.pid, version: '1.2.3', clients: 1 });
    expect(await one.ask('echo', { a: ['💥', 'x'.repeat(100_000)] })).toEqual({ a: ['💥', 'x'.repeat(100_000)] });
    expect(daemon.clients).toBe(1);
  });

  it('answers many at a time, each its own', async () => {
    await start({
      services: { wait: async ({ n }) => later(Math.random() * 30).then(() => n) },
    });
    const clients = await Promise.all(Array.from({ length: 10 }, client));
    const asked = clients.flatMap((one, c) =>
      Array.from({ length: 20 }, async (_, n) => (await one.ask('wait', { n: c * 100 + n })) === c * 100 + n),
    );
    expect((await Promise.all(asked)).every(Boolean)).toBe(true);
  });

  test.each([
    ['fail', 'CG_X', 'No such thing.'],
    ['constructor', 'CG_DAEMON_REFUSED', 'no service "constructor"'],
    ['__proto__', 'CG_DAEMON_REFUSED', 'no service'],
  ])('says of %s that it cannot', async (service, code, message) => {
    await start();
    await expect((await client()).ask(service)).rejects.toThrow(expect.objectContaining({ code }) as Error);
    await expect((await client()).ask(service)).rejects.toThrow(message);
  });

  it('gives up on a service that takes too long', async () => {
    await start({ services: { never: () => new Promise(() => undefined) }, limits: { answerMs: 30 } });
    await expect((await client()).ask('never')).rejects.toThrow('no answer within 30 ms');
  });

  it('takes so many requests of one client at a time', async () => {
    await start({ services: { wait: () => later(50) }, limits: { atOnce: 2 } });
    const one = await client();
    const ends = await Promise.allSettled([1, 2, 3].map(async () => one.ask('wait')));
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
  });

  it('is one', async () => {
    await start();
    await expect(start()).rejects.toThrow(`has a daemon already: process ${process.pid}`);
    expect(await (await client()).ask('echo')).toEqual({});
  });

  it('ends when it is told to, and leaves nothing but its key', async () => {
    const daemon = await start();
    expect(await (await client()).ask('stop')).toEqual({ stopping: true });
    await daemon.ended;
    expect(await connectDaemon(home)).toBeUndefined();
    expect(readdirSync(join(home, 'run'))).toEqual([]);
    await start();
    expect(await (await client()).ask('echo')).toEqual({});
  });

  it('is not told to end where it is a part of something larger', async () => {
    await start({ mayStop: false });
    await expect((await client()).ask('stop')).rejects.toThrow('ends with it');
  });

  it('tells those who wait that it has ended', async () => {
    const daemon = await start({ services: { never: () => new Promise(() => undefined) } });
    const one = await client();
    const [asked] = await Promise.allSettled([one.ask('never'), daemon.close()]);
    expect(asked).toMatchObject({ reason: { message: 'The daemon ended before it answered.' } });
    await expect(one.ask('status')).rejects.toThrow('is gone');
  });

  it('answers what is asked about a session, and the gates of the home see it', async () => {
    const sessions = memorySessions();
    await start({
      services: {
        sessions: sessionService(
          () => Promise.resolve(sessions),
          () => 1000,
        ),
      },
    });
    const one = await client();
    const key = { principal: 'os:me', conversation: 'c' };
    expect(await one.ask('sessions', { ...key, add: ['secret'], called: 'read' })).toEqual({ labels: ['secret'] });
    expect(await one.ask('sessions', { ...key, within: 60_000 })).toEqual({
      labels: ['secret'],
      history: [['read', 1]],
    });
    expect(sessions.open(key).labels(1000)).toEqual(['secret']);
    for (const bad of [{}, { principal: 1 }, { ...key, add: 'x' }, { ...key, add: [1] }, { ...key, within: -1 }])
      await expect(one.ask('sessions', bad)).rejects.toThrow('of a request about a session');
  });
});

describe('who has not proven itself', () => {
  const impatient = { proofMs: 200, frameMs: 200 };

  test.each<[string, () => Buffer]>([
    ['a proof under another key', () => proven(randomBytes(32))],
    ['a proof of the server’s own kind', () => proven(undefined, 'server')],
    ['a proof for another socket', () => proven(undefined, 'client', '/elsewhere')],
    ['no proof', () => frameOf(hello())],
    ['a proof that is no text', () => frameOf({ ...hello(), proof: { length: 43 } })],
    ['another version', () => frameOf({ ...hello(), protocol: 2 })],
    ['a nonce of another form', () => frameOf({ protocol: 1, nonce: 'x', proof: 'x' })],
    ['a request', () => frameOf({ id: 1, ask: 'status' })],
    ['garbage', () => randomBytes(4000)],
    ['HTTP', () => Buffer.from('POST / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a frame that is too large', () => Buffer.from([0, 1, 0, 0])],
  ])('is let go with %s, and learns nothing', async (_what, message) => {
    await start({ limits: impatient });
    const peer = await raw();
    const before = peer.said.length;
    theirNonce = [...new FrameReader().push(peer.said[0]!)][0]!['nonce'] as string;
    peer.write(message());
    expect(await peer.isGone).toBe('gone');
    expect(peer.said.length).toBe(before);
    expect(await (await client()).ask('echo')).toEqual({});
  });

  let theirNonce = '';
  function proven(key = daemonKey(daemonPlace(home))!, side: 'client' | 'server' = 'client', socket?: string): Buffer {
    const mine = hello();
    const meeting = { key, socket: socket ?? daemonPlace(home).socket };
    return frameOf({ ...mine, proof: proofOf(side, meeting, theirNonce, mine.nonce) });
  }

  it('is let go when it says nothing, or a byte at a time', async () => {
    await start({ limits: impatient });
    const [silent, slow] = [await raw(), await raw()];
    const drip = setInterval(() => slow.write(Buffer.from([0])), 20);
    expect(await Promise.race([Promise.all([silent.isGone, slow.isGone]), later(3000)])).toEqual(['gone', 'gone']);
    clearInterval(drip);
    expect(await (await client()).ask('echo')).toEqual({});
  });

  it('does not hold more places than there are, and they are free again', async () => {
    await start({ limits: { ...impatient, connections: 3 } });
    const held = [await raw(), await raw(), await raw()];
    expect(await connectDaemon(home)).toBeUndefined();
    await Promise.all(held.map(async ({ isGone }) => isGone));
    expect(await (await client()).ask('echo')).toEqual({});
  });

  it('is let go later, too: a frame that has begun must end', async () => {
    await start({ limits: impatient });
    const peer = await raw();
    theirNonce = [...new FrameReader().push(peer.said[0]!)][0]!['nonce'] as string;
    peer.write(proven());
    await new Promise((resolve) => peer.once('data', resolve));
    expect(await Promise.race([peer.isGone, later(400)])).toBe('there');
    peer.write(Buffer.from([0, 0, 1, 0, 0x7b]));
    expect(await peer.isGone).toBe('gone');
  });

  test.each<[string, unknown]>([
    ['a request without a number', { ask: 'echo' }],
    ['a request with a fraction', { id: 1.5, ask: 'echo' }],
    ['a request for nothing', { id: 1 }],
  ])('and who says %s', async (_what, message) => {
    await start();
    const peer = await raw();
    theirNonce = [...new FrameReader().push(peer.said[0]!)][0]!['nonce'] as string;
    peer.write(Buffer.concat([proven(), frameOf(message)]));
    expect(await peer.isGone).toBe('gone');
  });
});

describe('what is not the daemon of the home', () => {
  /** Something else that listens where the daemon would. */
  async function impostor(onConnect: (socket: Socket) => void): Promise<void> {
    const place = daemonPlace(home);
    openPlace(place);
    daemonKey(place);
    const server: Server = createServer((socket) => {
      socket.on('error', () => undefined);
      onConnect(socket);
    });
    await new Promise<void>((resolve) => server.listen(place.socket, resolve));
    open.push(server);
  }

  test.each<[string, (socket: Socket) => void, string]>([
    ['says nothing', () => undefined, 'did not answer in time'],
    ['says garbage', (socket) => socket.write(randomBytes(2000)), 'said what is no message'],
    ['speaks another version', (s) => s.write(frameOf({ ...hello(), protocol: 9 })), 'another version'],
    [
      'gives the proof back that it was given',
      (socket) => {
        const reader = new FrameReader();
        socket.write(frameOf(hello()));
        socket.on('data', (chunk: Buffer) => {
          for (const { proof } of reader.push(chunk)) socket.write(frameOf({ proof, version: '1', pid: 1 }));
        });
      },
      'did not prove that it belongs to this home',
    ],
  ])('is found out when it %s', async (_what, say, why) => {
    await impostor(say);
    await expect(connectDaemon(home, { timeoutMs: 300 })).rejects.toThrow(why);
  });

  it('is a daemon with another key', async () => {
    await start();
    writeFileSync(daemonPlace(home).key, randomBytes(32), { mode: 0o600 });
    await expect(connectDaemon(home, { timeoutMs: 1000 })).rejects.toThrow('it has another key');
  });
});

describe('the place of a daemon', () => {
  it('is for its user alone', async () => {
    await start();
    const { socket, key } = daemonPlace(home);
    const modes = [dirname(socket), socket, key].map((path) => lstatSync(path).mode & 0o777);
    expect(modes).toEqual([0o700, 0o600, 0o600]);
  });

  test.each<[string, () => void, string]>([
    ['whose directory is open to others', () => mkdirSync(join(home, 'run'), { mode: 0o755 }), 'chmod 700'],
    ['whose directory is a link', () => symlinkSync(tmpdir(), join(home, 'run')), 'Remove'],
    ['whose directory is a file', () => writeFileSync(join(home, 'run'), ''), 'Remove'],
    [
      'whose socket is a file',
      () => {
        mkdirSync(join(home, 'run'), { mode: 0o700 });
        writeFileSync(join(home, 'run', 'daemon.sock'), '');
      },
      'Remove',
    ],
    [
      'whose socket is a link',
      () => {
        mkdirSync(join(home, 'run'), { mode: 0o700 });
        symlinkSync('/run/elsewhere.sock', join(home, 'run', 'daemon.sock'));
      },
      'Remove',
    ],
    [
      'whose key others may read',
      () => {
        mkdirSync(join(home, 'keys'));
        writeFileSync(join(home, 'keys', 'daemon.key'), randomBytes(32));
        chmodSync(join(home, 'keys', 'daemon.key'), 0o644);
      },
      'a new one is made',
    ],
    [
      'whose key is cut',
      () => {
        mkdirSync(join(home, 'keys'));
        writeFileSync(join(home, 'keys', 'daemon.key'), 'x', { mode: 0o600 });
      },
      'a new one is made',
    ],
  ])('is refused %s', async (_what, spoil, remedy) => {
    spoil();
    const refusal = { code: 'CG_DAEMON_UNSAFE', remedy: expect.stringContaining(remedy) as string };
    await expect(start()).rejects.toThrow(expect.objectContaining(refusal) as Error);
    expect(existsSync(join(home, 'run', 'daemon.lock'))).toBe(false);
  });

  it.runIf(process.getuid?.() === 0)('is refused whose directory belongs to somebody else', async () => {
    const { chownSync } = await import('node:fs');
    mkdirSync(join(home, 'run'), { mode: 0o700 });
    chownSync(join(home, 'run'), 1234, 1234);
    await expect(start()).rejects.toThrow('belongs to another user');
    await expect(connectDaemon(home)).rejects.toThrow('belongs to another user');
  });

  it('is taken over from a daemon that died: its socket is replaced', async () => {
    openPlace(daemonPlace(home));
    const { socket } = daemonPlace(home);
    const dead = createServer();
    // A socket that nobody listens at any more: moved away before it is closed, which removes it.
    await new Promise<void>((resolve) => dead.listen(`${socket}.old`, resolve));
    const { renameSync } = await import('node:fs');
    renameSync(`${socket}.old`, socket);
    await new Promise((resolve) => dead.close(resolve));
    expect(existsSync(socket)).toBe(true);
    expect(await connectDaemon(home)).toBeUndefined();
    await start();
    expect(await (await client()).ask('echo')).toEqual({});
  });

  it('is below /tmp where the path of the home is too long for a socket, checked alike', async () => {
    home = join(home, 'x'.repeat(120));
    mkdirSync(home, { mode: 0o700 });
    const place = daemonPlace(home);
    const [outside] = outsideHome(place);
    expect(place.socket).toMatch(/^\/tmp\/callgate-\d+-[0-9a-f]{24}\/daemon\.sock$/);
    expect(outside).toBe(dirname(place.socket));
    await start();
    expect(await (await client()).ask('echo')).toEqual({});
    chmodSync(outside!, 0o755);
    await expect(connectDaemon(home)).rejects.toThrow('is open to others (mode 755)');
    chmodSync(outside!, 0o700);
  });

  it('ends a daemon whose socket somebody removed: another one is free to begin', async () => {
    const daemon = await start({ limits: { lookMs: 50 } });
    unlinkSync(daemon.socket);
    expect(await Promise.race([daemon.ended.then(() => 'ended'), later(3000)])).toBe('ended');
    await start();
    expect(await (await client()).ask('echo')).toEqual({});
  });

  it('that somebody else has taken since is left alone by the daemon that had it', async () => {
    const first = await start({ limits: { lookMs: 200 } });
    rmSync(join(home, 'run'), { recursive: true });
    const second = await start();
    await first.ended;
    expect(existsSync(second.socket)).toBe(true);
    expect(await (await client()).ask('status')).toMatchObject({ clients: 1 });
  });

  it('that cannot be looked at any more ends the daemon, and not the process that it is a part of', async () => {
    const warnings: string[] = [];
    const daemon = await start({ limits: { lookMs: 20 }, mayStop: false, warn: (message) => warnings.push(message) });
    rmSync(join(home, 'run'), { recursive: true });
    symlinkSync('run', join(home, 'run'));
    await daemon.ended;
    expect(warnings).toEqual(['The socket of the daemon is gone; it ends.']);
  });
});

it('a daemon without clients ends after its time, and not before its last one has gone', async () => {
  const daemon = await start({ idleMs: 100, limits: { lookMs: 30 } });
  const one = await client();
  expect(await Promise.race([daemon.ended.then(() => 'ended'), later(400)])).toBe('there');
  one.close();
  expect(await Promise.race([daemon.ended.then(() => 'ended'), later(3000)])).toBe('ended');
});
