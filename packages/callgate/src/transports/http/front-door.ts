import { randomBytes } from 'node:crypto';
import { createServer, IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Era, Exchange } from '../../bridge/exchange.ts';
import { CallgateError, messageOf } from '../../model/error.ts';
import type { Principal } from '../../model/principal.ts';
import { INVALID_REQUEST, TOO_MANY_IN_FLIGHT } from '../../protocol/codes.ts';
import type { Refusal } from '../../protocol/message.ts';
import { readMessage } from '../../protocol/message.ts';
import { errorAnswer } from '../../protocol/refusal.ts';
import { cancelOf } from '../../protocol/renumber.ts';
import { Scanner } from '../../protocol/scan.ts';
import { decodeUtf8 } from '../../protocol/splice.ts';
import { Admission, type NoRoom, type Ticket, type Visitor } from './admission.ts';
import type { Call, Client, Hall } from './call.ts';
import { eraOf, isKnownLegacy, isModern, type Misfit, misfitOf } from './envelope.ts';
import { blankLineEnds } from './event-stream.ts';
import { type Guard, makeGuard, PREFLIGHT } from './guard.ts';
import { accepted, type Head, isJson, readHead } from './head.ts';
import { LegacySession } from './legacy-session.ts';
import { ModernClient } from './modern-client.ts';
import { type Challenge, DEFAULT_LIMITS, type HttpLimits, type HttpOptions } from './options.ts';
import { INTERNAL_ERROR, Reply, sendNothing, sendRefusal } from './reply.ts';

export type { Challenge, Credentials, Health, HttpLimits, HttpOptions, Opening, TlsOptions } from './options.ts';
export { DEFAULT_LIMITS } from './options.ts';

/** A door that is open. */
export interface FrontDoor {
  /** Where it is, without a path: `http://127.0.0.1:4100`. */
  readonly url: string;
  readonly port: number;
  /** What is going on; all zero when nobody has anything going. */
  load(): { readonly sessions: number; readonly shares: number; readonly streams: number; readonly principals: number };
  /** Takes no more, ends streams and exchanges, and cuts what is left after `limits.closeMs`. */
  close(): Promise<void>;
}

const SWEEP_MS = 1000;
const RETRY_AFTER = ['Retry-After', '1'];

/**
 * Opens the front door for clients that speak MCP over HTTP, in both eras: Streamable HTTP of 2025-03-26 and later with
 * sessions, of 2026-07-28 without, and on request HTTP+SSE of 2024-11-05. It reads and bounds what comes, says who sends
 * it, and hands whole messages to exchanges under ids of its own; it judges nothing.
 *
 * `POST|GET|DELETE /mcp[/<server>]`, `GET /sse[/<server>]` and `POST /messages` when switched on, `GET /health`, `GET /ready`.
 *
 * @throws CallgateError CG_HTTP_LISTEN when the port cannot be had
 */
export async function serveHttp(options: HttpOptions): Promise<FrontDoor> {
  const door = new Door(options);
  const { tls } = options;
  const settings = {
    IncomingMessage,
    ServerResponse: Reply,
    maxHeaderSize: door.limits.headerBytes,
    headersTimeout: door.limits.headersTimeoutMs,
    requestTimeout: door.limits.requestTimeoutMs,
    keepAliveTimeout: door.limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(1000, door.limits.requestTimeoutMs),
    insecureHTTPParser: false,
    requireHostHeader: true,
    noDelay: true,
  };
  const server = (tls === undefined
    ? createServer<typeof IncomingMessage, typeof Reply>(settings)
    : createTlsServer<typeof IncomingMessage, typeof Reply>({
        ...settings,
        cert: tls.cert,
        key: tls.key,
        ...(tls.ca === undefined ? {} : { ca: tls.ca }),
        requestCert: tls.ca !== undefined,
        rejectUnauthorized: tls.requireClientCert === true,
        minVersion: 'TLSv1.2',
      })) as unknown as Server;
  server.maxConnections = door.limits.connections;
  server.on('request', (request: IncomingMessage, reply: Reply) => door.take(request, reply));
  // A client that waits for "100 Continue" gets it only when its head was found good.
  server.on('checkContinue', (request: IncomingMessage, reply: Reply) => door.take(request, reply));
  server.on('checkExpectation', (_request: IncomingMessage, reply: Reply) => {
    sendRefusal(reply, {
      status: 417,
      code: INVALID_REQUEST,
      message: 'That expectation cannot be met.',
      hangUp: true,
    });
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => unreadable(error, socket));
  server.on('upgrade', (_request, socket: Duplex) => socket.destroy());
  server.on('connect', (_request, socket: Duplex) => socket.destroy());
  await listening(server, options);
  server.on('error', (error: Error) => options.warn(`The front door failed: ${error.message}.`));
  const { port } = server.address() as AddressInfo;
  const name = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${name}:${port}`,
    port,
    load: () => door.load(),
    close: () => closeAll(server, door),
  };
}

/** One request on its way in. */
interface Arrival {
  readonly reply: Reply;
  readonly head: Head;
  readonly server: string | undefined;
  readonly principal: Principal;
  readonly visitor: Visitor;
  readonly ticket: Ticket;
  call: Call | undefined;
}

class Door {
  readonly limits: HttpLimits;
  readonly #options: HttpOptions;
  readonly #guard: Guard;
  readonly #scanner: Scanner;
  readonly #hall: Hall;
  readonly #sessions = new Map<string, LegacySession>();
  /** Modern conversations: by principal, then by server. */
  readonly #shares = new Map<string, Map<string | undefined, ModernClient>>();
  readonly #sweep: NodeJS.Timeout;
  #isClosing = false;

  constructor(options: HttpOptions) {
    this.#options = options;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    const { depth, keys } = this.limits;
    this.#guard = makeGuard(options.host, options.allowedHosts, options.allowedOrigins);
    this.#scanner = new Scanner({ depth, keys });
    this.#hall = {
      limits: this.limits,
      admission: new Admission(this.limits),
      scanner: new Scanner({ depth: 1000 }),
      waiting: new Set(),
      streams: new Set(),
      closing: new Set(),
      mono: () => options.mono?.() ?? performance.now(),
      warn: (message) => options.warn(message),
    };
    this.#sweep = setInterval(() => this.#tend(), SWEEP_MS);
    this.#sweep.unref();
  }

  load(): ReturnType<FrontDoor['load']> {
    let shares = 0;
    for (const byServer of this.#shares.values()) shares += byServer.size;
    const { streams, admission } = this.#hall;
    return { sessions: this.#sessions.size, shares, streams: streams.size, principals: admission.visitors };
  }

  /** Takes one request. What it holds is checked from the outside in, and nothing of the body is read before it is known who asks. */
  take(request: IncomingMessage, reply: Reply): void {
    try {
      this.#take(request, reply);
    } catch (error) {
      this.#failed(reply, error);
    }
  }

  #take(request: IncomingMessage, reply: Reply): void {
    const head = readHead(request.rawHeaders);
    if (typeof head === 'string') return refuse(reply, 400, `The field ${head} stands twice.`, true);
    const path = pathOf(request.url ?? '');
    const problem = this.#guard.originProblem(head);
    if (problem !== undefined) return refuse(reply, 403, problem, true);
    if (path === '/health' || path === '/ready') return this.#health(request, reply, path);
    const wrongHost = this.#guard.hostProblem(head);
    if (wrongHost !== undefined) return refuse(reply, 403, wrongHost, true);
    reply.extra = this.#guard.corsFields(head);
    const route = routeOf(path);
    if (route === undefined) return refuse(reply, 404, 'There is nothing here. MCP is at /mcp.', true);
    if (request.method === 'OPTIONS') {
      return head.origin === undefined ? notAllowed(reply) : sendNothing(reply, 204, PREFLIGHT);
    }
    if (this.#isClosing) return full(reply, 'all', undefined, 'Callgate is shutting down.');
    const principal = this.#options.authenticate({
      authorization: head.authorization,
      agentKey: head.agentKey,
      certificate: certificateOf(request.socket),
      remoteAddress: request.socket.remoteAddress,
    });
    if ('status' in principal) return challenged(reply, principal);
    const visitor = this.#hall.admission.visitorOf(principal);
    const ticket = this.#hall.admission.enter(visitor);
    if (typeof ticket === 'string') return full(reply, ticket);
    const arrival: Arrival = { reply, head, server: route.server, principal, visitor, ticket, call: undefined };
    reply.on('close', () => this.#left(arrival));
    switch (request.method) {
      case 'POST':
        return this.#post(request, arrival);
      case 'GET':
        return this.#get(arrival);
      case 'DELETE':
        return this.#delete(arrival);
      default:
        return notAllowed(reply);
    }
  }

  /** The response has left whole, or the client has hung up. */
  #left(arrival: Arrival): void {
    const { call, ticket } = arrival;
    ticket.isClosed = true;
    if (call !== undefined && !ticket.isAnswered) {
      try {
        call.client.hungUp(call);
      } catch (error) {
        this.#options.warn(`A request could not be taken back: ${messageOf(error)}`);
      }
    }
    this.#hall.admission.settle(ticket);
  }

  #post(request: IncomingMessage, arrival: Arrival): void {
    const { reply, head } = arrival;
    const { bodyBytes } = this.limits;
    if (!isJson(head.contentType ?? '')) return refuse(reply, 415, 'The Content-Type must be application/json.', true);
    if (head.contentEncoding !== undefined && head.contentEncoding.trim().toLowerCase() !== 'identity') {
      return refuse(reply, 415, 'Compressed requests are not accepted.', true);
    }
    const forms = accepted(head.accept ?? '*/*');
    if (!forms.json || !forms.stream) {
      return refuse(reply, 406, 'Accept must allow application/json and text/event-stream.', true);
    }
    if (head.contentLength !== undefined && Number(head.contentLength) > bodyBytes) return tooLarge(reply, bodyBytes);
    if (head.expect !== undefined) reply.writeContinue();
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > bodyBytes) {
        chunks.length = 0;
        if (!reply.headersSent) tooLarge(reply, bodyBytes);
      } else chunks.push(chunk);
    });
    request.on('end', () => {
      if (reply.headersSent || reply.destroyed) return;
      try {
        this.#message(arrival, chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length));
      } catch (error) {
        this.#failed(reply, error);
      }
    });
  }

  #message(arrival: Arrival, body: Buffer): void {
    const { head, reply } = arrival;
    // Line ends are space in JSON, and the end of a message for a server that reads lines.
    blankLineEnds(body, 0, body.length);
    const message = readMessage(this.#scanner, body, 0, body.length);
    if ('refused' in message) return this.#malformed(arrival, message);
    const era: Era = eraOf(message, head);
    if (era === 'modern') {
      const misfit = misfitOf(this.#scanner, message, head);
      if (misfit !== undefined) return this.#malformed(arrival, misfit);
      // Hanging up cancels; a note could only mean one of many that share an id.
      if (message.cancelled !== undefined) return sendNothing(reply, 202);
      const client = this.#shareOf(arrival);
      if (client === undefined) return noServer(reply);
      if (message.kind !== 'request') return this.#forward(client, arrival, body);
      if (client.exchange?.isFull === true) return full(reply, 'all', this.#idText(message.idStart, message.idEnd));
      if (message.method === 'subscriptions/listen') {
        const noRoom = this.#hall.admission.asStream(arrival.ticket);
        if (noRoom !== undefined) return full(reply, noRoom, this.#idText(message.idStart, message.idEnd));
      }
      arrival.call = client.begin(reply, arrival.ticket, this.#scanner, message, 0, body.length);
      return;
    }
    if (message.method === 'initialize' && message.kind === 'request') {
      if (isModern(head.version)) {
        return refuse(reply, 400, 'MCP-Protocol-Version names a revision that has no initialize.');
      }
      const session = this.#openSession(arrival);
      if (typeof session === 'string') return full(reply, session, this.#idText(message.idStart, message.idEnd));
      if (session === undefined) return noServer(reply);
      arrival.call = session.begin(reply, arrival.ticket, this.#scanner, message, 0, body.length);
      return;
    }
    const session = this.#sessionOf(arrival);
    if (session === undefined) return;
    if (message.kind !== 'request') {
      if (message.cancelled === undefined) return this.#forward(session, arrival, body);
      const number = session.numberOf(message.cancelled);
      // Its answer has left already, or it never was.
      if (number === undefined) return sendNothing(reply, 202);
      return this.#forward(session, arrival, cancelOf(this.#scanner, message, 0, body.length, number));
    }
    const idText = this.#idText(message.idStart, message.idEnd);
    if (session.isOpenId(message.id as string | number)) {
      const why = 'The id belongs to a request that is still open.';
      return sendRefusal(reply, { status: 400, code: INVALID_REQUEST, message: why });
    }
    if (session.exchange?.isFull === true) return full(reply, 'all', idText);
    arrival.call = session.begin(reply, arrival.ticket, this.#scanner, message, 0, body.length);
  }

  #forward(client: Client, arrival: Arrival, bytes: Uint8Array): void {
    if (client.exchange?.isFull === true) return full(arrival.reply, 'all');
    client.lastUsed = this.#hall.mono();
    client.exchange?.receive(bytes, 0, bytes.length);
    sendNothing(arrival.reply, 202);
  }

  #malformed(arrival: Arrival, refusal: Refusal | Misfit): void {
    const { reply, head, visitor, server } = arrival;
    const { idText, code, message } = refusal;
    const session = head.session === undefined ? undefined : this.#sessions.get(head.session);
    const isTheirs = session !== undefined && session.visitor === visitor && session.server === server;
    const client = isTheirs ? session : this.#shares.get(visitor.key)?.get(server);
    client?.exchange?.malformed(refusal);
    const data = 'data' in refusal && refusal.data !== undefined ? { data: refusal.data } : {};
    sendRefusal(reply, { status: 400, code, message, idText, ...data });
  }

  #get(arrival: Arrival): void {
    const { reply, head, ticket } = arrival;
    if (isModern(head.version)) return notAllowed(reply, 'POST');
    if (!accepted(head.accept ?? '*/*').stream) return refuse(reply, 406, 'Accept must allow text/event-stream.');
    const session = this.#sessionOf(arrival);
    if (session === undefined) return;
    const noRoom = this.#hall.admission.asStream(ticket);
    if (noRoom !== undefined) return full(reply, noRoom);
    const outcome = session.attach(reply, head.lastEventId);
    if (outcome === 'taken') return refuse(reply, 409, 'This session has a stream already.');
    if (outcome === 'unknown') return refuse(reply, 400, 'Last-Event-ID is no event of this session.');
  }

  #delete(arrival: Arrival): void {
    if (isModern(arrival.head.version)) return notAllowed(arrival.reply, 'POST');
    const session = this.#sessionOf(arrival);
    if (session === undefined) return;
    session.close();
    sendNothing(arrival.reply, 204);
  }

  /** The session a request names, if it is this principal's and this server's; else the request is answered. */
  #sessionOf(arrival: Arrival): LegacySession | undefined {
    const { head, reply, visitor, server } = arrival;
    if (head.session === undefined) {
      refuse(reply, 400, 'The field Mcp-Session-Id is missing; begin with initialize.');
      return undefined;
    }
    const session = this.#sessions.get(head.session);
    // Another's session is no other answer than none: ids are not to be found by trying.
    if (session === undefined || session.visitor !== visitor || session.server !== server || session.hasEnded) {
      refuse(reply, 404, 'There is no such session; begin with initialize.');
      return undefined;
    }
    if (head.version !== undefined && !isKnownLegacy(head.version, session.revision)) {
      refuse(reply, 400, 'MCP-Protocol-Version names a version that is not known.');
      return undefined;
    }
    return session;
  }

  #openSession(arrival: Arrival): LegacySession | NoRoom | undefined {
    const { admission } = this.#hall;
    const { visitor, server, principal } = arrival;
    const noRoom = admission.openSession(visitor);
    if (noRoom !== undefined) return noRoom;
    const id = randomBytes(24).toString('base64url');
    const session = new LegacySession(this.#hall, visitor, server, id, () => {
      this.#sessions.delete(id);
      admission.closeSession(visitor);
    });
    try {
      session.exchange = this.#open({ server, principal, era: 'legacy', end: session, session: newName() });
    } finally {
      if (session.exchange === undefined) session.ended('is unknown');
    }
    if (session.exchange === undefined || session.hasEnded) return undefined;
    this.#sessions.set(id, session);
    return session;
  }

  #shareOf(arrival: Arrival): ModernClient | undefined {
    const { visitor, server, principal } = arrival;
    const mine = this.#shares.get(visitor.key);
    const known = mine?.get(server);
    if (known !== undefined) return known;
    const share = new ModernClient(this.#hall, visitor, server, () => {
      const all = this.#shares.get(visitor.key);
      if (all?.get(server) !== share) return;
      all.delete(server);
      if (all.size === 0) this.#shares.delete(visitor.key);
      visitor.shares--;
      this.#hall.admission.forget(visitor);
    });
    const exchange = this.#open({ server, principal, era: 'modern', end: share, session: newName() });
    if (exchange === undefined || share.hasEnded) return undefined;
    share.exchange = exchange;
    visitor.shares++;
    const all = mine ?? new Map<string | undefined, ModernClient>();
    if (mine === undefined) this.#shares.set(visitor.key, all);
    all.set(server, share);
    return share;
  }

  #open(opening: Parameters<HttpOptions['open']>[0]): Exchange | undefined {
    return this.#options.open(opening);
  }

  #health(request: IncomingMessage, reply: Reply, path: string): void {
    if (request.method !== 'GET' && request.method !== 'HEAD') return notAllowed(reply, 'GET');
    const { live, ready, servers } = this.#options.health();
    const isGood = path === '/health' ? live : ready && !this.#isClosing;
    const body = Buffer.from(JSON.stringify({ status: isGood ? 'ok' : 'unavailable', servers }));
    const head = [
      'Content-Type',
      'application/json',
      'Content-Length',
      String(body.length),
      'Cache-Control',
      'no-store',
    ];
    reply.writeHead(isGood ? 200 : 503, head);
    reply.end(request.method === 'HEAD' ? undefined : body);
  }

  /** Once a second for all: keep-alives, requests that wait for long, and what nobody uses any more. */
  #tend(): void {
    const now = this.#hall.mono();
    const { streamAfterMs, keepAliveMs, sessionIdleMs } = this.limits;
    for (const call of this.#hall.waiting) {
      if (now - call.since < streamAfterMs) break;
      call.client.linger(call);
    }
    for (const stream of this.#hall.streams) {
      if (!stream.isOpen) this.#hall.streams.delete(stream);
      else if (now - stream.lastWrite >= keepAliveMs) stream.keepAlive(now);
    }
    const since = now - sessionIdleMs;
    for (const session of this.#sessions.values()) if (session.isIdle(since)) session.close();
    for (const byServer of this.#shares.values()) {
      for (const share of byServer.values()) if (share.lastUsed < since && share.calls.size === 0) share.close();
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#sweep);
    for (const session of this.#sessions.values()) session.close();
    for (const byServer of this.#shares.values()) for (const share of byServer.values()) share.close();
    for (const stream of this.#hall.streams) stream.end();
    await Promise.all(this.#hall.closing);
  }

  #idText(start: number, end: number): string {
    return decodeUtf8(this.#scanner.bytes, start, end);
  }

  #failed(reply: Reply, error: unknown): void {
    this.#options.warn(`A request failed inside Callgate: ${messageOf(error)}`);
    if (reply.headersSent) reply.destroy();
    else sendRefusal(reply, { status: 500, code: INTERNAL_ERROR, message: 'Callgate failed; its log says why.' });
  }
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

function routeOf(path: string): { readonly server: string | undefined } | undefined {
  if (path === '/mcp') return { server: undefined };
  if (!path.startsWith('/mcp/')) return undefined;
  try {
    const server = decodeURIComponent(path.slice(5));
    return server === '' || server.includes('/') ? undefined : { server };
  } catch {
    return undefined;
  }
}

function certificateOf(socket: Socket): ReturnType<TLSSocket['getPeerCertificate']> | undefined {
  const { authorized, getPeerCertificate } = socket as Partial<TLSSocket>;
  return authorized === true && getPeerCertificate !== undefined ? getPeerCertificate.call(socket) : undefined;
}

/** Names a conversation in records. */
function newName(): string {
  return randomBytes(12).toString('base64url');
}

function refuse(reply: Reply, status: number, message: string, hangUp = false): void {
  sendRefusal(reply, { status, code: INVALID_REQUEST, message, hangUp });
}

function tooLarge(reply: Reply, most: number): void {
  refuse(reply, 413, `The request is larger than ${most} bytes.`);
}

function noServer(reply: Reply): void {
  refuse(reply, 404, 'There is no such server here.');
}

function notAllowed(reply: Reply, allow = 'POST, GET, DELETE'): void {
  sendRefusal(reply, {
    status: 405,
    code: INVALID_REQUEST,
    message: `Here goes ${allow}.`,
    fields: ['Allow', allow],
    hangUp: true,
  });
}

function challenged(reply: Reply, { status, challenge, message }: Challenge): void {
  const fields = ['WWW-Authenticate', challenge];
  sendRefusal(reply, { status, code: INVALID_REQUEST, message, fields });
}

function full(reply: Reply, why: NoRoom, idText?: string, said?: string): void {
  const message = said ?? (why === 'all' ? 'Too much is going on.' : 'You have too much going on.');
  const status = why === 'all' ? 503 : 429;
  sendRefusal(reply, { status, code: TOO_MANY_IN_FLIGHT, message, idText, fields: RETRY_AFTER });
}

/** Bytes that are no HTTP request, or not in time. */
function unreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, message] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'The request took too long to arrive.']
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'The header fields are too large.']
        : ['400 Bad Request', 'The request is no valid HTTP.'];
  const body = decodeUtf8(errorAnswer(undefined, INVALID_REQUEST, message));
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  // Whatever follows on this connection is not to be read: where one request ends is in doubt.
  socket.end(head + body, () => socket.destroy());
}

async function listening(server: Server, { host, port }: HttpOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'the port is in use' : error.message;
      reject(
        new CallgateError('CG_HTTP_LISTEN', `Callgate cannot listen on ${host} port ${port}: ${why}.`, {
          remedy: 'Choose another port with serve.port or --port.',
          cause: error,
        }),
      );
    });
    server.listen(port, host, resolve);
  });
  server.removeAllListeners('error');
}

async function closeAll(server: Server, door: Door): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  let cut: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    cut = setTimeout(() => {
      server.closeAllConnections();
      resolve();
    }, door.limits.closeMs);
  });
  server.closeIdleConnections();
  await Promise.race([door.close(), late]);
  server.closeIdleConnections();
  await Promise.race([closed, late]);
  clearTimeout(cut);
}
