/** URLs, hosts and addresses by their letters alone, as policy and findings ask about them. */
export { addressClass, type AddressClass } from './address-class.ts';
export { type Cidr, cidrContains, compileCidr } from './cidr.ts';
export { canonicalHost, compileHostPattern, type HostPattern, matchHost } from './host-pattern.ts';
export { type NameReading, readName } from './names.ts';
export { type ReadUrl, readUrl } from './read-url.ts';
