import { addressClass, canonicalHost, readName } from '../inspect/urls/index.ts';
import type { AddressClass } from '../inspect/urls/index.ts';
import { compileOpened } from './allow.ts';

/** Where the own machine's servers are written with a host that says so. */
export interface OwnPort {
  /** As `canonicalHost` has it. */
  readonly host: string;
  readonly port: number;
}

/** Judges where Callgate may connect to. */
export interface DialGuard {
  /**
   * Why an address may not be dialled for a host and port; undefined when it may.
   * @param host the name it was looked up by, or the address itself, as in a URL
   * @param address the address
   */
  refuses(host: string, port: number, address: string): string | undefined;
  /** Whether plain http may go there: only to what the operator opened, or wrote as a server of the own machine. */
  mayBePlain(host: string, port: number): boolean;
}

/** An address of these is no place that a name may lead to, however well known the name. */
const NEVER_BY_NAME: readonly AddressClass[] = ['link-local', 'metadata', 'multicast', 'reserved', 'unspecified'];

/**
 * Refuses every address but public ones, after name and spelling: private networks, the own machine, link-local, cloud
 * metadata, carriers' NAT, multicast; also where IPv6 carries one of them (mapped, 6to4, NAT64, Teredo). An opened name
 * opens private, loopback and carriers' addresses; link-local and the like need their address or network; metadata needs
 * its very address, so that no wide network lets it in by accident.
 * @param allow what the operator opens; see `compileOpened`
 * @param own servers that the operator wrote with a literal loopback host: opened for exactly that host and port
 * @throws CallgateError CG_NET_ALLOW
 */
export function dialGuard(allow: readonly string[] = [], own: readonly OwnPort[] = []): DialGuard {
  const opened = compileOpened(allow);
  const isOwn = (host: string, port: number) => own.some((one) => one.host === host && one.port === port);

  const refuses = (written: string, port: number, address: string): string | undefined => {
    const host = canonicalHost(written);
    if (host === undefined) return 'its host can be read in two ways';
    const of = addressClass(address);
    if (of === 'metadata') return opened.exactly(address) ? undefined : refusal(of);
    if (opened.address(address)) return undefined;
    if (of === 'loopback' && isOwn(host, port)) return undefined;
    if (NEVER_BY_NAME.includes(of)) return refusal(of);
    if (opened.name(host)) return undefined;
    if (of !== 'public') return refusal(of);
    const isLiteral = canonicalHost(address) === host;
    return !isLiteral && readName(host).private === true
      ? 'its name is one of an own network, which dial does not open'
      : undefined;
  };

  return {
    refuses,
    mayBePlain(written, port) {
      const host = canonicalHost(written);
      return host !== undefined && (isOwn(host, port) || opened.name(host) || opened.address(host));
    },
  };
}

const refusal = (of: AddressClass) => `its address is ${WORDS[of]}, which dial does not open`;

const WORDS: Readonly<Record<AddressClass, string>> = {
  public: 'public',
  loopback: 'of this machine',
  private: 'of a private network',
  'link-local': 'link-local',
  metadata: "a cloud's metadata service",
  cgnat: "of a carrier's network",
  multicast: 'multicast',
  reserved: 'reserved',
  unspecified: 'unspecified',
};
