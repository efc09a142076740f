import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import type { Evidence } from '../evidence/index.ts';
import { Judge, type JudgeOptions } from '../gate/judge.ts';
import { LineFramer } from '../protocol/frame.ts';
import { describeEnd, type ProcessEnd, type ProcessUpstream } from '../upstreams/process.ts';
import { Outlet } from './outlet.ts';

export interface StdioOptions extends Omit<JudgeOptions, 'toServer' | 'toClient' | 'transport'> {
  readonly input: Readable;
  readonly output: Writable;
  readonly upstream: ProcessUpstream;
  readonly maxMessageBytes: number;
  readonly durability: 'batch' | 'strict';
}

/** How long a client that has ended its input is given to read the answers to what it asked. */
const DRAIN_MS = 5000;
const OUTCOME_DELAY_MS = 10;
/** Of one chunk, so many lines leave together: the other side works on them while we judge the next. */
const LINES_AT_ONCE = 8;

/**
 * Runs one stdio session: client on our stdin and stdout, server in a process of its own. Each chunk read is judged
 * line by line; its evidence is handed to the kernel (`batch`) or to the disk (`strict`) before a call leaves.
 * Resolves with the server's end once both sides are done; never rejects.
 */
export async function runStdio(options: StdioOptions): Promise<ProcessEnd> {
  const { input, upstream, evidence } = options;
  const strict = options.durability === 'strict';
  const toServer = new Outlet(upstream.stdin, () => input.resume());
  const toClient = new Outlet(options.output, () => upstream.stdout.resume());
  const judge = new Judge({ ...options, transport: 'stdio', toServer, toClient });
  const session: Session = {
    judge,
    toServer,
    toClient,
    evidence,
    strict,
    passUnrecorded: options.pass.unrecorded,
    warn: options.warn,
    outcomesDue: undefined,
  };

  let calls = 0;
  let answers = 0;
  const fromClient = new LineFramer(options.maxMessageBytes);
  const clientSink = {
    line(bytes: Uint8Array, start: number, end: number) {
      judge.line('client', bytes, start, end);
      if (++calls % LINES_AT_ONCE === 0) releaseCalls(session);
    },
    oversize: (head: Uint8Array, tail: Uint8Array, length: number) => judge.oversize('client', head, tail, length),
  };
  input.on('data', (chunk: Buffer) => {
    fromClient.push(chunk, clientSink);
    releaseCalls(session);
    if (toServer.isFull) input.pause();
  });
  const clientEnded = new Promise<void>((resolve) => {
    input.once('end', resolve);
    input.once('error', () => resolve());
    input.once('close', resolve);
    // A client that no longer reads is gone too.
    options.output.once('error', () => resolve());
    options.output.once('close', resolve);
  });

  const fromServer = new LineFramer(options.maxMessageBytes);
  const serverSink = {
    line(bytes: Uint8Array, start: number, end: number) {
      judge.line('server', bytes, start, end);
      if (++answers % LINES_AT_ONCE === 0) releaseAnswers(session);
    },
    oversize: (head: Uint8Array, tail: Uint8Array, length: number) => judge.oversize('server', head, tail, length),
  };
  upstream.stdout.on('data', (chunk: Buffer) => {
    fromServer.push(chunk, serverSink);
    releaseAnswers(session);
    if (toClient.isFull) upstream.stdout.pause();
  });

  let isAsked = false;
  void clientEnded.then(async () => {
    isAsked = true;
    fromClient.end(clientSink);
    releaseCalls(session);
    await toServer.flushed();
    upstream.stdin.end();
    await answersRead(judge, upstream);
    await upstream.stop();
  });

  const end = await upstream.ended;
  fromServer.end(serverSink);
  judge.serverEnded(describeEnd(end), isAsked);
  judge.close();
  toClient.release();
  clearTimeout(session.outcomesDue);
  writeOutcomes(session);
  await toClient.flushed();
  return end;
}

interface Session {
  readonly judge: Judge;
  readonly toServer: Outlet;
  readonly toClient: Outlet;
  readonly evidence: Evidence;
  readonly strict: boolean;
  readonly passUnrecorded: boolean;
  warn(message: string): void;
  /** Set while outcomes wait to be written. */
  outcomesDue: NodeJS.Timeout | undefined;
}

/** Calls leave only after their decisions are written; if those cannot be, they are answered instead. */
function releaseCalls(session: Session): void {
  const { judge, toServer, toClient, evidence } = session;
  const takeBack = judge.settle();
  try {
    evidence.flush();
  } catch (error) {
    session.warn(error instanceof Error ? error.message : String(error));
    if (!session.passUnrecorded) {
      toServer.discard();
      takeBack(error);
    }
  }
  if (!session.strict) {
    toServer.release();
    toClient.release();
    return;
  }
  const durable = evidence.synced();
  // With nothing left to release nobody else hears of it; the calls were answered above.
  durable.catch(() => undefined);
  toServer.releaseAfter(durable, (error) => {
    session.warn(error instanceof Error ? error.message : String(error));
    takeBack(error);
    toClient.release();
  });
  toClient.release();
}

/**
 * Answers leave at once: the call is done and its decision is in the log. The outcome follows with the next decision,
 * or a few milliseconds later; a crash in between leaves it `unknown`.
 */
function releaseAnswers(session: Session): void {
  session.toClient.release();
  session.toServer.release();
  session.outcomesDue ??= setTimeout(() => {
    session.outcomesDue = undefined;
    writeOutcomes(session);
  }, OUTCOME_DELAY_MS);
}

function writeOutcomes(session: Session): void {
  try {
    session.evidence.flush();
  } catch (error) {
    session.warn(error instanceof Error ? error.message : String(error));
  }
}

async function answersRead(judge: Judge, upstream: ProcessUpstream): Promise<void> {
  const until = Date.now() + DRAIN_MS;
  let ended = false;
  void upstream.ended.then(() => (ended = true));
  while (judge.awaited > 0 && !ended && Date.now() < until) await new Promise((r) => setTimeout(r, 20));
}

/**
 * Our stdout as a stream that never blocks. `process.stdout` writes synchronously to pipes: a client that does not
 * read would stop the whole gate.
 */
export function openOutput(fd: number, fallback: Writable): Writable {
  const kind = fstatSync(fd);
  return kind.isFIFO() || kind.isSocket() ? new Socket({ fd, readable: false, writable: true }) : fallback;
}
