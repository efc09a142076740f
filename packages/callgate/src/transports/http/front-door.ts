import { createServer, IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { CallgateError } from '../../model/error.ts';
import { INVALID_REQUEST } from '../../protocol/codes.ts';
import { errorAnswer } from '../../protocol/refusal.ts';
import { decodeUtf8 } from '../../protocol/splice.ts';
import { Door, type Load } from './door.ts';
import type { HttpOptions } from './options.ts';
import { Reply, sendRefusal } from './reply.ts';

export type { Challenge, Credentials, Health, HttpLimits, HttpOptions, Opening, TlsOptions } from './options.ts';

/** A door that is open. */
export interface FrontDoor {
  /** Where it is, without a path: `http://127.0.0.1:4100`. */
  readonly url: string;
  readonly port: number;
  /** What is going on; all zero when nobody has anything going. */
  load(): Load;
  /** Takes no more, ends streams and exchanges, and cuts what is left after `limits.closeMs`. */
  close(): Promise<void>;
}

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
  server.timeout = door.limits.stalledMs;
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
  // Upgrades are not listened for: clients that offer HTTP/2 in passing get their answer in this protocol.
  server.on('connect', (_request, socket: Duplex) => socket.destroy());
  try {
    await listening(server, options);
  } catch (error) {
    await door.close();
    throw error;
  }
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
      const isPort = error.code === 'EADDRINUSE' || error.code === 'EACCES';
      reject(
        new CallgateError('CG_HTTP_LISTEN', `Callgate cannot listen on ${host} port ${port}: ${why}.`, {
          remedy: isPort
            ? 'Choose another port with serve.port or --port.'
            : 'Choose an address of this machine with serve.host or --host.',
          cause: error,
        }),
      );
    });
    server.listen(port, host, resolve);
  });
  server.removeAllListeners('error');
}

/** Given to connections that still read when everything behind the door is over. */
const LAST_WORDS_MS = 200;

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
  // What is left reads the end of an answer, or never asked anything, which does not count as idle.
  await Promise.race([closed, late, delay(LAST_WORDS_MS)]);
  server.closeAllConnections();
  await closed;
  clearTimeout(cut);
}
