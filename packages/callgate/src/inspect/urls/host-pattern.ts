import { readHost } from './host.ts';

/** A compiled host pattern: one host, or every subdomain of one. */
export interface HostPattern {
  readonly text: string;
  /** The canonical host, or the canonical domain of a wildcard. */
  readonly host: string;
  /** True for `*.example.com`: its subdomains of any depth, not example.com itself. */
  readonly subdomains: boolean;
  /** True when a stranger can register a name that the pattern matches: `*.com`, `*.co.uk`, `*.github.io`. */
  readonly wide: boolean;
}

/** Domains under which anyone gets a name: hosting, tunnels and wildcard DNS. A short list, not the public suffix list. */
const SHARED: ReadonlySet<string> = new Set(
  (
    'github.io gitlab.io pages.dev workers.dev vercel.app netlify.app herokuapp.com amazonaws.com s3.amazonaws.com ' +
    'cloudfront.net azurewebsites.net azureedge.net cloudapp.net windows.net core.windows.net blob.core.windows.net web.app firebaseapp.com ' +
    'appspot.com run.app googleapis.com storage.googleapis.com googleusercontent.com ngrok.io ngrok.app ngrok.dev ngrok-free.app ' +
    'ngrok-free.dev trycloudflare.com r2.dev fly.dev onrender.com railway.app up.railway.app deno.dev repl.co replit.app replit.dev ' +
    'glitch.me surge.sh blogspot.com wordpress.com myshopify.com sharepoint.com nip.io sslip.io xip.io 1u.ms ' +
    'oast.fun oast.pro oast.live oast.site interact.sh burpcollaborator.net oastify.com loca.lt serveo.net duckdns.org'
  ).split(' '),
);
const SECOND_LEVEL = /^(?:co|com|net|org|gov|edu|ac|or|ne|go|gob|gouv|mil|nom|id|ltd|plc|sch|me)\.[a-z]{2}$/;

/**
 * Compiles a host pattern: `example.com`, `*.example.com`, an address. Case, punycode and a final dot do not matter.
 * @throws SyntaxError that says what is wrong and what to write
 */
export function compileHostPattern(pattern: string): HostPattern {
  const subdomains = pattern.startsWith('*.');
  const base = subdomains ? pattern.slice(2) : pattern;
  const problem = problemOf(pattern, base);
  if (problem !== undefined) throw new SyntaxError(`host pattern ${JSON.stringify(pattern.slice(0, 80))} ${problem}`);
  const read = readHost(unbracketed(base));
  const reason =
    read.ambiguous ?? (subdomains && read.address !== undefined ? 'an address has no subdomains' : undefined);
  if (reason !== undefined) {
    throw new SyntaxError(`host pattern ${JSON.stringify(pattern.slice(0, 80))} is no host: ${reason}`);
  }
  return { text: pattern, host: read.host, subdomains, wide: subdomains && isShared(read.host) };
}

const isShared = (domain: string) => !domain.includes('.') || SHARED.has(domain) || SECOND_LEVEL.test(domain);

const unbracketed = (text: string) => (text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text);

function problemOf(pattern: string, base: string): string | undefined {
  if (pattern === '') return 'is empty: write a host such as example.com or *.example.com';
  if (pattern.length > 300) return 'is too long';
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(pattern)) return 'has a scheme: write the host alone';
  if (/[/?#\\]/.test(pattern)) return 'has a path or query: write the host alone';
  if (pattern.includes('@')) return 'has a user: write the host alone';
  if (pattern === '*') return 'matches every host: leave the condition out instead';
  if (base.includes('*')) return 'has a * that is not its whole first label: write *.example.com';
  if (/\s/.test(pattern)) return 'has white space';
  const unported = /^(?:\[.*\]|[^:]*):\d*$/.test(base);
  if (unported) return 'has a port: write the host alone';
  if (base === '' || base.startsWith('.') || base.includes('..')) return 'has an empty label';
  return undefined;
}

/**
 * Whether a host fits a compiled pattern.
 * @param host as `readUrl` gives it; other spellings are made canonical first, and what is no clear host fits nothing
 */
export function matchHost(host: string, pattern: HostPattern): boolean {
  const canonical = canonicalHost(host);
  if (canonical === undefined) return false;
  return pattern.subdomains
    ? canonical.endsWith(`.${pattern.host}`) && canonical !== pattern.host
    : canonical === pattern.host;
}

/** The one spelling of a host, brackets allowed; undefined when it is empty, no host, or read differently by two readers. */
export function canonicalHost(host: string): string | undefined {
  const read = readHost(unbracketed(host));
  return read.ambiguous === undefined ? read.host : undefined;
}
