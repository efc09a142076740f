import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { messageOf } from '../../model/error.ts';
import type { Principal } from '../../model/principal.ts';
import { INTERNAL_ERROR } from '../../protocol/codes.ts';
import { type Message, readMessage, type Refusal } from '../../protocol/message.ts';
import { cancelOf } from '../../protocol/renumber.ts';
import { Scanner } from '../../protocol/scan.ts';
import { decodeUtf8 } from '../../protocol/splice.ts';
import { Admission, type Ticket, type Usage } from './admission.ts';
import type { Call, Client, DoorContext } from './call.ts';
import { eraOf, initializeMisfitOf, isKnownLegacy, isModern, type Misfit, misfitOf, mismatch } from './envelope.ts';
import { blankLineEnds } from './event-stream.ts';
import { Clients } from './clients.ts';
import { type Guard, makeGuard, PREFLIGHT } from './guard.ts';
import { accepted, type Head, readHead } from './head.ts';
import type { LegacySession } from './legacy-session.ts';
import { DEFAULT_LIMITS, type HttpLimits, type HttpOptions } from './options.ts';
import { challenged, full, noServer, notAllowed, refuse } from './refusals.ts';
import { type Reply, sendJson, sendNothing, sendRefusal } from './reply.ts';
import { pathOf, routeOf } from './routes.ts';
import type { SessionClient } from './session-client.ts';
import type { SseSession } from './sse-session.ts';
import { readBody } from './upload.ts';

const SWEEP_MS = 1000;

/** What is going on at a door. */
export interface Load {
  readonly sessions: number;
  readonly conversations: number;
  readonly streams: number;
  readonly principals: number;
}

/** One request on its way in. */
interface Arrival {
  readonly reply: Reply;
  readonly head: Head;
  readonly server: string | undefined;
  readonly principal: Principal;
  readonly usage: Usage;
  readonly ticket: Ticket;
  /** Of a POST to /messages. */
  sse: SseSession | undefined;
  call: Call | undefined;
}

/** What stands behind the port: takes requests one by one, and keeps the clients that have something going. */
export class Door {
  readonly limits: HttpLimits;
  readonly #options: HttpOptions;
  readonly #guard: Guard;
  readonly #scanner: Scanner;
  readonly #context: DoorContext;
  readonly #clients: Clients;
  readonly #sweep: NodeJS.Timeout;
  #isClosing = false;

  constructor(options: HttpOptions) {
    this.#options = options;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    const { depth, keys } = this.limits;
    this.#guard = makeGuard(options.host, options.allowedHosts, options.allowedOrigins);
    this.#scanner = new Scanner({ depth, keys });
    this.#context = {
      limits: this.limits,
      admission: new Admission(this.limits),
      scanner: new Scanner({ depth: 1000, keys: 0x400000 }),
      waiting: new Set(),
      streams: new Set(),
      closing: new Set(),
      mono: () => options.mono?.() ?? performance.now(),
      warn: (message) => options.warn(message),
    };
    this.#clients = new Clients(this.#context, (opening) => options.open(opening));
    this.#sweep = setInterval(() => this.#tend(), SWEEP_MS);
    this.#sweep.unref();
  }

  load(): Load {
    const { streams, admission } = this.#context;
    const { sessions, conversations } = this.#clients;
    return { sessions, conversations, streams: streams.size, principals: admission.principals };
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
    const route = routeOf(path, this.#options.legacySse === true);
    if (route === undefined) {
      const isSse = path === '/sse' || path.startsWith('/sse/');
      return refuse(reply, 404, `There is nothing here. MCP is at /mcp${isSse ? '; serve.sse opens /sse' : ''}.`, true);
    }
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
    const usage = this.#context.admission.usageOf(principal);
    const ticket = this.#context.admission.enter(usage);
    if (typeof ticket === 'string') return full(reply, ticket);
    const arrival: Arrival = {
      reply,
      head,
      server: route.server,
      principal,
      usage,
      ticket,
      sse: undefined,
      call: undefined,
    };
    reply.on('close', () => this.#left(arrival));
    if (route.kind === 'sse') return request.method === 'GET' ? this.#getSse(arrival) : notAllowed(reply, 'GET');
    if (route.kind === 'messages') return this.#postSse(request, arrival);
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
    this.#context.admission.settle(ticket);
  }

  #post(request: IncomingMessage, arrival: Arrival): void {
    const { admission } = this.#context;
    const { reply, head, ticket, sse } = arrival;
    const hold = (bytes: number): boolean => admission.hold(ticket, bytes);
    readBody(request, reply, head, this.limits.bodyBytes, sse === undefined, hold, (body) => {
      try {
        this.#message(arrival, body);
      } catch (error) {
        this.#failed(reply, error);
      }
    });
  }

  #message(arrival: Arrival, body: Buffer): void {
    const { head, reply } = arrival;
    const message = readMessage(this.#scanner, body, 0, body.length);
    if ('refused' in message) return this.#malformed(arrival, message);
    // Line ends are space in JSON that was read, and the end of a message for a server that reads lines.
    blankLineEnds(body, 0, body.length);
    if (arrival.sse !== undefined) return this.#converse(arrival.sse, arrival, message, body, undefined);
    if (eraOf(message, head) === 'modern') {
      const misfit = misfitOf(this.#scanner, message, head);
      if (misfit !== undefined) return this.#malformed(arrival, misfit);
      // Hanging up cancels; a note could only mean one of many that share an id.
      if (message.cancelled !== undefined) return sendNothing(reply, 202);
      const client = this.#clients.modern(arrival) ?? this.#clients.openModern(arrival);
      if (client === undefined) return noServer(reply);
      if (message.kind !== 'request') return this.#forward(client, arrival, body);
      const problem = client.paramHeaders.problem(this.#scanner, message, head);
      if (problem !== undefined) return this.#malformed(arrival, mismatch(this.#scanner, message, problem));
      if (client.exchange?.isFull === true) return full(reply, 'all', this.#idText(message.idStart, message.idEnd));
      if (message.method === 'subscriptions/listen') {
        const noRoom = this.#context.admission.asStream(arrival.ticket);
        if (noRoom !== undefined) return full(reply, noRoom, this.#idText(message.idStart, message.idEnd));
      }
      arrival.call = client.begin(reply, arrival.ticket, this.#scanner, message, 0, body.length);
      return;
    }
    if (message.method === 'initialize' && message.kind === 'request') {
      const misfit = initializeMisfitOf(this.#scanner, message, head);
      if (misfit !== undefined) return this.#malformed(arrival, misfit);
      const session = this.#clients.openSession(arrival);
      if (typeof session === 'string') return full(reply, session, this.#idText(message.idStart, message.idEnd));
      if (session === undefined) return noServer(reply);
      arrival.call = session.begin(reply, arrival.ticket, this.#scanner, message, 0, body.length);
      return;
    }
    const session = this.#sessionOf(arrival);
    if (session !== undefined) this.#converse(session, arrival, message, body, reply);
  }

  /** One message of a client that has a session; `waits` is the response that its answer goes to, if any. */
  #converse(session: SessionClient, arrival: Arrival, message: Message, body: Buffer, waits: Reply | undefined): void {
    const { reply, ticket } = arrival;
    if (message.kind !== 'request') {
      if (message.cancelled === undefined) return this.#forward(session, arrival, body);
      const number = session.numberOf(message.cancelled);
      // Its answer has left already, or it never was.
      if (number === undefined) return sendNothing(reply, 202);
      return this.#forward(session, arrival, cancelOf(this.#scanner, message, 0, body.length, number));
    }
    if (session.isOpenId(message.id as string | number)) {
      return refuse(reply, 400, 'The id belongs to a request that is still open.');
    }
    if (session.exchange?.isFull === true) {
      return full(reply, 'all', this.#idText(message.idStart, message.idEnd));
    }
    const call = session.begin(waits, ticket, this.#scanner, message, 0, body.length);
    if (waits === undefined) sendNothing(reply, 202);
    else arrival.call = call;
  }

  #forward(client: Client, arrival: Arrival, bytes: Uint8Array): void {
    if (client.exchange?.isFull === true) return full(arrival.reply, 'all');
    client.lastUsed = this.#context.mono();
    client.exchange?.receive(bytes, 0, bytes.length);
    sendNothing(arrival.reply, 202);
  }

  #malformed(arrival: Arrival, refusal: Refusal | Misfit): void {
    const { reply, head } = arrival;
    const { idText, code, message } = refusal;
    const client = arrival.sse ?? this.#clients.session(head.session, arrival) ?? this.#clients.modern(arrival);
    if (client?.exchange === undefined) this.#options.malformed?.(arrival, refusal);
    else client.exchange.malformed(refusal);
    const data = 'data' in refusal && refusal.data !== undefined ? { data: refusal.data } : {};
    sendRefusal(reply, { status: 400, code, message, idText, ...data });
  }

  #get(arrival: Arrival): void {
    const { reply, head, ticket } = arrival;
    if (isModern(head.version)) return notAllowed(reply, 'POST');
    if (!accepted(head.accept ?? '*/*').stream) return refuse(reply, 406, 'Accept must allow text/event-stream.');
    const session = this.#sessionOf(arrival);
    if (session === undefined) return;
    const noRoom = this.#context.admission.asStream(ticket);
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

  #getSse(arrival: Arrival): void {
    const { reply, head, ticket } = arrival;
    if (!accepted(head.accept ?? '*/*').stream) return refuse(reply, 406, 'Accept must allow text/event-stream.');
    const noRoom = this.#context.admission.asStream(ticket);
    if (noRoom !== undefined) return full(reply, noRoom);
    const opened = this.#clients.openSse(arrival);
    if (typeof opened === 'string') return full(reply, opened);
    if (opened === undefined) return noServer(reply);
    reply.once('close', () => opened.session.close());
    opened.session.start(reply, `/messages?sessionId=${opened.id}`);
  }

  #postSse(request: IncomingMessage, arrival: Arrival): void {
    if (request.method !== 'POST') return notAllowed(arrival.reply, 'POST');
    const id = new URLSearchParams((request.url ?? '').slice('/messages'.length)).get('sessionId');
    const session = this.#clients.sseSession(id, arrival.usage);
    if (session === undefined) {
      return refuse(arrival.reply, 404, 'There is no such session; open /sse first.', true);
    }
    arrival.sse = session;
    this.#post(request, arrival);
  }

  /** The session a request names, if it is this principal's and this server's; else the request is answered. */
  #sessionOf(arrival: Arrival): LegacySession | undefined {
    const { head, reply } = arrival;
    if (head.session === undefined) {
      refuse(reply, 400, 'The field Mcp-Session-Id is missing; begin with initialize.');
      return undefined;
    }
    const session = this.#clients.session(head.session, arrival);
    if (session === undefined) {
      refuse(reply, 404, 'There is no such session; begin with initialize.');
      return undefined;
    }
    if (head.version !== undefined && !isKnownLegacy(head.version, session.revision)) {
      refuse(reply, 400, 'MCP-Protocol-Version names a version that is not known.');
      return undefined;
    }
    return session;
  }

  #health(request: IncomingMessage, reply: Reply, path: string): void {
    if (request.method !== 'GET' && request.method !== 'HEAD') return notAllowed(reply, 'GET');
    const { live, ready, servers } = this.#options.health();
    const isGood = path === '/health' ? live : ready && !this.#isClosing;
    const body = Buffer.from(JSON.stringify({ status: isGood ? 'ok' : 'unavailable', servers }));
    sendJson(reply, isGood ? 200 : 503, body);
  }

  /** Once a second for all: keep-alives, requests that wait for long, and what nobody uses any more. */
  #tend(): void {
    const now = this.#context.mono();
    const { streamAfterMs, keepAliveMs, sessionIdleMs } = this.limits;
    for (const call of this.#context.waiting) {
      if (now - call.since < streamAfterMs) break;
      call.client.linger(call);
    }
    for (const stream of this.#context.streams) {
      if (!stream.isOpen) this.#context.streams.delete(stream);
      else if (now - stream.lastWrite >= keepAliveMs) stream.keepAlive(now);
    }
    this.#clients.endIdle(now - sessionIdleMs);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#sweep);
    this.#clients.close();
    for (const stream of this.#context.streams) stream.end();
    await Promise.all(this.#context.closing);
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

function certificateOf(socket: Socket): ReturnType<TLSSocket['getPeerCertificate']> | undefined {
  const { authorized, getPeerCertificate } = socket as Partial<TLSSocket>;
  return authorized === true && getPeerCertificate !== undefined ? getPeerCertificate.call(socket) : undefined;
}
