import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import * as tls from 'node:tls';
import { Agent, buildConnector } from 'undici';
import { CallgateError, messageOf } from '../model/error.ts';
import type { DialGuard } from './guard.ts';

/** Looks a name up: every address it has, as `dns.lookup` with `all` does. */
export type Lookup = (
  host: string,
  options: { readonly all: true; readonly family?: number },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface AgentOptions {
  readonly guard: DialGuard;
  readonly tls?: {
    /** Certificate authorities beside those of the system, as PEM. */
    readonly ca?: string;
    /** The client's own certificate and key, as PEM. */
    readonly cert?: string;
    readonly key?: string;
    readonly passphrase?: string;
  };
  readonly connectMs?: number;
  /** Most connections to one origin; each open stream has one for itself, so that there is no bound unless one is set. */
  readonly connections?: number;
  /** `dns.lookup` unless a test says otherwise. */
  readonly lookup?: Lookup;
}

/** Why nothing was dialled. The message continues "could not be reached: ". */
export class DialRefused extends Error {
  readonly code = 'DIAL_REFUSED';
}

const CONNECT_MS = 10_000;
/** Hosts an agent keeps a way to; metadata of authorisation servers may name others. */
const MOST_ORIGINS = 64;

/**
 * An HTTP agent that dials only where its guard lets it: it looks a name up itself, judges every address, and connects to
 * those and no others, so that a name which changes between the look and the dial (DNS rebinding) gains nothing. It
 * follows no redirect, uses no proxy of the environment, and checks certificates whatever the environment says.
 * @throws CallgateError CG_NET_TLS when certificate or key cannot be used
 */
export function guardedAgent(options: AgentOptions): Agent {
  const { guard } = options;
  const secure = tlsOptions(options.tls);
  const connectors = new Map<string, buildConnector.connector>();
  return new Agent({
    ...(options.connections === undefined ? {} : { connections: options.connections }),
    pipelining: 1,
    allowH2: false,
    maxOrigins: MOST_ORIGINS,
    connect: (wanted, done) => {
      const port = Number(wanted.port) || (wanted.protocol === 'https:' ? 443 : 80);
      const refused = isAddress(wanted.hostname) ? guard.refuses(wanted.hostname, port, wanted.hostname) : undefined;
      if (refused !== undefined) return done(new DialRefused(refused), null);
      const key = `${wanted.protocol}//${wanted.hostname}:${port}`;
      let connector = connectors.get(key);
      if (connector === undefined) {
        connector = connectorFor(options, secure, wanted.hostname, port);
        connectors.set(key, connector);
      }
      connector(wanted, (error, socket) => {
        if (error !== null) return done(error, null);
        // What was judged is what was dialled; this holds it even against a defect of the libraries between.
        const reached = socket.remoteAddress;
        const why = reached === undefined ? 'it closed at once' : guard.refuses(wanted.hostname, port, reached);
        if (why === undefined) return done(null, socket);
        socket.destroy();
        done(new DialRefused(why), null);
      });
    },
  });
}

function connectorFor(
  options: AgentOptions,
  secure: tls.ConnectionOptions,
  hostname: string,
  port: number,
): buildConnector.connector {
  const lookup = options.lookup ?? systemLookup;
  return buildConnector({
    ...secure,
    timeout: options.connectMs ?? CONNECT_MS,
    autoSelectFamily: true,
    lookup: judgedLookup(lookup, options.guard, port),
  } as buildConnector.BuildOptions);
}

type NodeLookup = (
  host: string,
  options: { all?: boolean; family?: number | 'IPv4' | 'IPv6' },
  done: (error: Error | null, address: string | LookupAddress[], family?: number) => void,
) => void;

/** A look-up that answers only when every address may be dialled: one bad one among good ones is an attack. */
function judgedLookup(lookup: Lookup, guard: DialGuard, port: number): NodeLookup {
  return (host, wanted, done) => {
    lookup(
      host,
      { all: true, ...(typeof wanted.family === 'number' ? { family: wanted.family } : {}) },
      (error, addresses) => {
        if (error) return done(error, []);
        if (addresses.length === 0) return done(new DialRefused('its name has no address'), []);
        for (const { address } of addresses) {
          const why = guard.refuses(host, port, address);
          if (why !== undefined) return done(new DialRefused(why), []);
        }
        if (wanted.all === true) return done(null, addresses);
        done(null, addresses[0]!.address, addresses[0]!.family);
      },
    );
  };
}

const isAddress = (host: string) => host.includes(':') || /^[\d.]+$/.test(host);

/** The system's authorities stay trusted beside the operator's own. */
function tlsOptions(given: AgentOptions['tls'] = {}): tls.ConnectionOptions {
  const { ca, cert, key, passphrase } = given;
  const options: tls.ConnectionOptions = { rejectUnauthorized: true, minVersion: 'TLSv1.2' };
  if (ca !== undefined) options.ca = [...systemAuthorities(), ca];
  if (cert !== undefined) options.cert = cert;
  if (key !== undefined) options.key = key;
  if (passphrase !== undefined) options.passphrase = passphrase;
  if ((cert === undefined) !== (key === undefined))
    throw unusable('a client certificate needs its key, and a key its certificate');
  try {
    if (ca !== undefined || cert !== undefined) tls.createSecureContext(options);
  } catch (error) {
    throw unusable(messageOf(error));
  }
  return options;
}

function systemAuthorities(): readonly string[] {
  const ask = (tls as { getCACertificates?: (from: 'default') => string[] }).getCACertificates;
  return ask === undefined ? tls.rootCertificates : ask('default');
}

function unusable(why: string): CallgateError {
  return new CallgateError('CG_NET_TLS', `The certificates of a server cannot be used: ${why}.`, {
    remedy:
      'Give PEM files: the authority that signed the server, and the certificate and key of this client together.',
  });
}
