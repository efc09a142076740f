import * as fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { formatAddress, parseAddress } from './address.ts';
import {
  addressClass,
  canonicalHost,
  cidrContains,
  compileCidr,
  compileHostPattern,
  matchHost,
  readName,
} from './index.ts';

describe('addressClass', () => {
  it.each([
    ['8.8.8.8', 'public'],
    ['1.1.1.1', 'public'],
    ['2606:4700::1111', 'public'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.255', 'loopback'],
    ['::1', 'loopback'],
    ['[::1]', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['10.0.0.1', 'private'],
    ['172.16.0.1', 'private'],
    ['172.15.255.255', 'public'],
    ['192.168.0.1', 'private'],
    ['fd12::1', 'private'],
    ['fec0::1', 'private'],
    ['64:ff9b:1::1', 'private'],
    ['100.64.0.1', 'cgnat'],
    ['100.128.0.1', 'public'],
    ['169.254.1.1', 'link-local'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['169.254.169.254', 'metadata'],
    ['169.254.170.2', 'metadata'],
    ['100.100.100.200', 'metadata'],
    ['fd00:ec2::254', 'metadata'],
    ['::ffff:169.254.169.254', 'metadata'],
    ['64:ff9b::a9fe:a9fe', 'metadata'],
    ['2002:a9fe:a9fe::', 'metadata'],
    ['224.0.0.1', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'reserved'],
    ['240.0.0.1', 'reserved'],
    ['192.0.2.1', 'reserved'],
    ['198.18.0.1', 'reserved'],
    ['203.0.113.9', 'reserved'],
    ['2001:db8::1', 'reserved'],
    ['4000::1', 'reserved'],
    ['100::1', 'reserved'],
    ['::ffff:10.0.0.1', 'private'],
    ['::ffff:0:10.0.0.1', 'private'],
    ['::10.0.0.1', 'private'],
    ['::0.0.0.2', 'unspecified'],
    ['64:ff9b::7f00:1', 'loopback'],
    ['2002:a00:1::1', 'private'],
    ['2001:0:4136:e378:8000:63bf:3fff:fdd2', 'reserved'],
    ['2001:0:808:808:0:0:f5ff:fffe', 'private'],
    ['2606:4700::5efe:a00:1', 'private'],
    ['2130706433', 'loopback'],
    ['0x7f.1', 'loopback'],
    ['010.0.0.1', 'reserved'],
    ['not an address', 'reserved'],
    ['', 'reserved'],
  ])('%s is %s', (address, of) => expect(addressClass(address)).toBe(of));
});

describe('addresses', () => {
  it('are read strictly', () => {
    for (const text of [
      '1.2.3',
      '01.2.3.4',
      '1.2.3.256',
      '1.2.3.4.5',
      ':',
      ':::',
      '1::2::3',
      '::12345',
      '1:2:3:4:5:6:7',
      '::1%x',
      '[::1]',
      '1.2.3.4:5',
      '::1.2.3',
      '1.2.3.4::',
      ' 1.2.3.4',
    ])
      expect(parseAddress(text), text).toBeUndefined();
  });
  it('read and print as another implementation does', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const address = parseAddress(text)!;
        // Its reading of `::0.0.0.0` drops the first twelve bytes.
        if (text.includes(':') && text.includes('.')) return;
        const other = ipaddr.process(text);
        expect([...address]).toEqual(other.toByteArray());
        expect(parseAddress(formatAddress(address))).toEqual(address);
        if (address.length === 4) expect(formatAddress(address)).toBe(other.toString());
      }),
      { numRuns: 1000 },
    );
  });
});

describe('cidr', () => {
  it.each<[cidr: string, address: string, holds: boolean]>([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['10.0.0.0/8', '[::ffff:10.1.2.3]', true],
    ['10.0.0.0/8', '64:ff9b::a00:1', false],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3', '10.1.2.4', false],
    ['127.0.0.0/8', '2130706433', true],
    ['127.0.0.0/8', '0177.0.0.1', false],
    ['::ffff:10.0.0.0/104', '10.9.9.9', true],
    ['0.0.0.0/0', '8.8.8.8', true],
    ['0.0.0.0/0', '::1', false],
    ['::/0', '8.8.8.8', false],
    ['::/0', '2606::1', true],
    ['::1/128', '::1', true],
    ['fd00::/8', 'fdff::1', true],
    ['192.168.1.128/25', '192.168.1.127', false],
    ['192.168.1.128/25', '192.168.1.129', true],
    ['private', '10.0.0.1', true],
    ['private', '127.0.0.1', false],
    ['private', '64:ff9b::a00:1', true],
    ['Loopback', '127.0.0.1', true],
    ['metadata', '169.254.169.254', true],
    ['link-local', '169.254.169.254', true],
    ['cgnat', '100.100.100.200', true],
    ['public', '169.254.169.254', false],
    ['public', '168.63.129.16', false],
    ['public', '8.8.8.8', true],
    ['internal', '10.0.0.1', true],
    ['internal', '169.254.169.254', true],
    ['internal', '8.8.8.8', false],
    ['internal', 'example.com', false],
    ['public', 'example.com', false],
  ])('%s, %s: %s', (cidr, address, holds) => expect(cidrContains(compileCidr(cidr), address)).toBe(holds));
  it.each<[text: string, message: RegExp]>([
    ['', /no address range/],
    ['10.0.0.0/33', /length above 32/],
    ['::/129', /length above 128/],
    ['10.0.0.1/8', /write 10\.0\.0\.0\/8/],
    ['fd00::1/8', /write fd00::\/8/],
    ['10.0.0.0/08', /leading zero/],
    ['10/8', /no address range/],
    ['010.0.0.0/8', /no address range/],
    ['10.0.0.0/', /no address range/],
    ['10.0.0.0/-1', /no address range/],
    ['10.0.0.0/8/8', /no address range/],
    ['fe80::1%eth0/64', /no address range/],
    ['::ffff:0:0/90', /wider/],
    ['everything', /no address range/],
    ['example.com', /no address range/],
  ])('refuses %j', (text, message) => expect(() => compileCidr(text)).toThrow(message));
  it('agrees with a comparison bit by bit', () => {
    const bitsOf = (text: string) =>
      parseAddress(text)!
        .map((byte) => byte.toString(2).padStart(8, '0'))
        .join('');
    fc.assert(
      fc.property(
        fc.oneof(fc.tuple(fc.ipV4(), fc.ipV4()), fc.tuple(fc.ipV6(), fc.ipV6())),
        fc.nat(128),
        fc.boolean(),
        ([a, b], length, near) => {
          const [one, width] = [parseAddress(a)!, parseAddress(a)!.length * 8];
          const bits = length % (width + 1);
          const network = formatAddress(
            one.map((byte, i) => byte & (255 << Math.max(0, 8 - Math.max(0, bits - 8 * i)))),
          );
          if (parseAddress(network)!.length !== one.length) return;
          const other = near ? a : b;
          const naive =
            bitsOf(other).length === width && bitsOf(other).slice(0, bits) === bitsOf(network).slice(0, bits);
          expect(cidrContains(compileCidr(`${network}/${bits}`), other)).toBe(naive);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('host patterns', () => {
  it.each<[pattern: string, host: string, fits: boolean]>([
    ['example.com', 'example.com', true],
    ['example.com', 'EXAMPLE.com.', true],
    ['Example.COM.', 'example.com', true],
    ['example.com', 'a.example.com', false],
    ['example.com', 'notexample.com', false],
    ['example.com', 'example.com.evil.example', false],
    ['*.example.com', 'a.example.com', true],
    ['*.example.com', 'a.b.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'notexample.com', false],
    ['*.example.com', '.example.com', false],
    ['bücher.example', 'xn--bcher-kva.example', true],
    ['*.bücher.example', 'a.xn--bcher-kva.example', true],
    ['127.0.0.1', '127.0.0.1', true],
    ['127.1', '127.0.0.1', true],
    ['[::1]', '::1', true],
    ['::1', '::1', true],
    ['::ffff:127.0.0.1', '127.0.0.1', true],
    ['localhost', 'localhost', true],
    ['example.com', '', false],
    ['example.com', 'exam%70le.com', false],
  ])('%s, %s: %s', (pattern, host, fits) => expect(matchHost(host, compileHostPattern(pattern))).toBe(fits));
  it.each([
    ['*.com', true],
    ['*.co.uk', true],
    ['*.github.io', true],
    ['*.nip.io', true],
    ['*.localhost', true],
    ['*.example.com', false],
    ['*.me.github.io', false],
    ['github.io', false],
    ['example.com', false],
  ])('%s is wide: %s', (pattern, wide) => expect(compileHostPattern(pattern).wide).toBe(wide));
  it.each<[pattern: string, message: RegExp]>([
    ['', /empty/],
    ['http://example.com', /scheme/],
    ['example.com/x', /path/],
    ['example.com?x', /path or query/],
    ['example.com:80', /port/],
    ['[::1]:80', /port/],
    ['a@example.com', /user/],
    ['*', /every host/],
    ['a.*.com', /first label/],
    ['a*.example.com', /first label/],
    ['*example.com', /first label/],
    ['*.*.com', /first label/],
    ['*.', /empty label/],
    ['.example.com', /empty label/],
    ['a..b', /empty label/],
    ['exa mple.com', /white space/],
    ['*.10.0.0.1', /no subdomains/],
    ['0177.0.0.1', /leading zero/],
    ['faß.example', /IDNA/],
    ['exam%70le.com', /percent/],
    ['a'.repeat(400), /too long/],
  ])('refuses %j', (pattern, message) => {
    expect(() => compileHostPattern(pattern)).toThrow(message);
    expect(() => compileHostPattern(pattern)).toThrow(SyntaxError);
  });
  it('never throw anything but SyntaxError', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        for (const compile of [compileHostPattern, compileCidr]) {
          try {
            compile(text);
          } catch (error) {
            expect(error).toBeInstanceOf(SyntaxError);
          }
        }
        matchHost(text, compileHostPattern('*.example.com'));
        cidrContains(compileCidr('internal'), text);
        addressClass(text);
      }),
    );
  });
});

describe('names', () => {
  it('tell the address they stand for', () => {
    expect(readName('localhost')).toEqual({ private: true, address: '127.0.0.1' });
    expect(readName('10-0-0-1.nip.io')).toEqual({ private: true, address: '10.0.0.1' });
    expect(readName('8.8.8.8.sslip.io')).toEqual({ private: undefined, address: '8.8.8.8' });
    expect(readName('metadata.google.internal').address).toBe('169.254.169.254');
  });
  it('are canonical in one spelling', () => {
    expect(['Example.COM.', '127.1', '[::1]', 'a b', ''].map(canonicalHost)).toEqual([
      'example.com',
      '127.0.0.1',
      '::1',
      undefined,
      undefined,
    ]);
  });
});
