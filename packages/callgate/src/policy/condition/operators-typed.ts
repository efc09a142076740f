import {
  type Cidr,
  cidrContains,
  compileCidr,
  compileHostPattern,
  type HostPattern,
  matchHost,
  readName,
  readUrl,
} from '../../inspect/urls/index.ts';
import { readAddress } from '../../inspect/urls/address-class.ts';
import { formatAddress } from '../../inspect/urls/address.ts';
import { messageOf } from '../../model/error.ts';
import type { OneOrMany } from '../document/document-types.ts';
import type { Report } from './scope.ts';
import { type Truth, Unsure } from './truth.ts';

/** Judges a text. */
export type TextTest = (text: string) => Truth;

/** Reports at one element of a list, where elements have places of their own. */
export type ReportElement = (index: number) => Report;

/** Longest text that is read as a URL, shown in a cause. */
const LONGEST_SHOWN = 100;

/** Compiles `host`: whether the host of a URL is one of these, `*.example.com` standing for its subdomains. */
export function compileHosts(doc: OneOrMany<string>, report: Report, element?: ReportElement): TextTest {
  const patterns = each(
    doc,
    compileHostPattern,
    'the host',
    'write the host alone: api.example.com, or *.example.com',
    report,
    element,
  );
  return (text) => {
    const host = hostOf(text);
    return host instanceof Unsure ? host : patterns.some((pattern) => matchHost(host, pattern));
  };
}

/** The one host that every program finds in a text, in its canonical spelling. */
export function hostOf(text: string): string | Unsure {
  const read = readUrl(text);
  if (read.ambiguous !== undefined) return new Unsure(`the URL is ambiguous: ${read.ambiguous}`);
  if (read.host === '') return new Unsure('the URL names no host');
  return SCHEMES.has(read.scheme)
    ? read.host
    : new Unsure(
        `the URL has the scheme "${read.scheme.slice(0, LONGEST_SHOWN)}:", which may do more than ask its host`,
      );
}

/** Schemes that only speak to their host. `javascript://host/%0a…` runs code, `file://host/x` reads a file, `gopher:` says anything. */
const SCHEMES = new Set(['', 'http', 'https', 'ws', 'wss', 'ftp', 'ftps', 'sftp', 'ssh', 'git']);

/** Compiles `cidr`: whether an address, or the address in a URL, lies in one of these ranges or classes. */
export function compileCidrs(doc: OneOrMany<string>, report: Report, element?: ReportElement): TextTest {
  const ranges = each(
    doc,
    compileCidr,
    'the range',
    'write 10.0.0.0/8, fd00::/8, one address, or a class such as internal',
    report,
    element,
  );
  return (text) => {
    const address = addressOf(text);
    return address instanceof Unsure ? address : ranges.some((range) => cidrContains(range, address));
  };
}

/** The address that a text is, or that the host of a URL is. A name is none, except where every machine agrees on it. */
function addressOf(text: string): string | Unsure {
  if (text.length <= LONGEST_SHOWN && text.includes(':')) {
    const bare = readAddress(text);
    if (bare !== undefined) return formatAddress(bare);
  }
  const read = readUrl(text);
  if (read.ambiguous !== undefined) return new Unsure(`the address is ambiguous: ${read.ambiguous}`);
  if (read.host === '') return new Unsure('there is no address');
  const address = read.address ?? readName(read.host).address;
  return address ?? new Unsure(`"${read.host.slice(0, LONGEST_SHOWN)}" is a name: only a look-up tells its address`);
}

function each<T extends HostPattern | Cidr>(
  doc: OneOrMany<string>,
  compile: (text: string) => T,
  what: string,
  remedy: string,
  report: Report,
  element: ReportElement = () => report,
): readonly T[] {
  const out: T[] = [];
  for (const [index, text] of (typeof doc === 'string' ? [doc] : doc).entries()) {
    try {
      out.push(compile(text));
    } catch (cause) {
      const say = typeof doc === 'string' ? report : element(index);
      say('CG_POLICY_VALUE', `${what} "${text.slice(0, LONGEST_SHOWN)}" does not load: ${messageOf(cause)}`, remedy);
    }
  }
  return out;
}
