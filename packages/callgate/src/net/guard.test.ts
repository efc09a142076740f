import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dialGuard } from './guard.ts';
import { guardFor, readTarget } from './target.ts';

describe('what may be dialled', () => {
  it.each([
    ['10.0.0.1', 'private'],
    ['172.16.0.1', 'private'],
    ['192.168.1.1', 'private'],
    ['127.0.0.1', 'this machine'],
    ['127.8.8.8', 'this machine'],
    ['0.0.0.0', 'unspecified'],
    ['169.254.1.1', 'link-local'],
    ['169.254.169.254', 'metadata'],
    ['100.64.0.1', 'carrier'],
    ['100.100.100.200', 'metadata'],
    ['224.0.0.1', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'reserved'],
    ['::', 'unspecified'],
    ['::1', 'this machine'],
    ['fe80::1', 'link-local'],
    ['fc00::1', 'private'],
    ['fd00:ec2::254', 'metadata'],
    ['ff02::1', 'multicast'],
    ['::ffff:10.0.0.1', 'private'],
    ['::ffff:169.254.169.254', 'metadata'],
    ['::ffff:7f00:1', 'this machine'],
    ['::127.0.0.1', 'this machine'],
    ['64:ff9b::a00:1', 'private'],
    ['64:ff9b::169.254.169.254', 'metadata'],
    ['2002:7f00:1::', 'this machine'],
    ['2002:a9fe:a9fe::1', 'metadata'],
    ['2001:0:a00:1::1', 'private'],
    ['fe80::1%eth0', 'link-local'],
    ['not an address', 'reserved'],
  ])('is not %s', (address, word) => {
    expect(dialGuard().refuses('mcp.example.com', 443, address)).toContain(word);
  });

  it.each(['93.184.216.34', '2606:2800:220:1::1', '::ffff:93.184.216.34'])('is %s', (address) => {
    expect(dialGuard().refuses('mcp.example.com', 443, address)).toBeUndefined();
  });

  it.each(['db.internal', 'printer.local', 'wiki', 'metadata.google.internal', 'x.localhost'])(
    'is not the name %s, whatever its address',
    (name) => {
      expect(dialGuard().refuses(name, 443, '93.184.216.34')).toContain('own network');
    },
  );

  it.each<[string, string[], string, string, boolean]>([
    ['a network', ['10.1.0.0/16'], 'mcp.example.com', '10.1.2.3', true],
    ['a network, beside it', ['10.1.0.0/16'], 'mcp.example.com', '10.2.0.1', false],
    ['an address', ['127.0.0.1'], '127.0.0.1', '127.0.0.1', true],
    ['an address in brackets', ['[::1]'], '::1', '::1', true],
    ['a name', ['mcp.corp.example'], 'mcp.corp.example', '10.2.0.1', true],
    ['a name, and another', ['mcp.corp.example'], 'mcp2.corp.example', '10.2.0.1', false],
    ['a domain', ['*.corp.example'], 'a.corp.example', '10.2.0.1', true],
    ['a domain, not the domain itself', ['*.corp.example'], 'corp.example', '10.2.0.1', false],
    ['a name in capitals with a dot', ['MCP.internal.'], 'mcp.internal', '10.2.0.1', true],
    ['a private name by its network', ['10.2.0.0/24'], 'mcp.internal', '10.2.0.1', true],
    ['localhost', ['localhost'], 'localhost', '::1', true],
    ['a name that leads to metadata', ['mcp.corp.example'], 'mcp.corp.example', '169.254.169.254', false],
    ['a name that leads to a link-local address', ['mcp.corp.example'], 'mcp.corp.example', '169.254.7.7', false],
    ['everything, and yet not metadata', ['0.0.0.0/0', '::/0'], 'a.example', '169.254.169.254', false],
    ['everything, and yet not carried metadata', ['0.0.0.0/0', '::/0'], 'a.example', '::ffff:a9fe:a9fe', false],
    ['metadata by its very address', ['169.254.169.254'], 'a.example', '169.254.169.254', true],
    ['a link-local network', ['169.254.7.0/24'], 'a.example', '169.254.7.7', true],
  ])('opened: %s', (_, allow, host, address, isOpen) => {
    expect(dialGuard(allow).refuses(host, 443, address) === undefined).toBe(isOpen);
  });

  it.each([
    '10.1.0.0/33',
    '10.1.2.3/16',
    '300.1.1.1',
    'private',
    'internal',
    'https://a.example',
    '*.com',
    '*.nip.io',
    '*',
    '',
  ])('cannot open %j', (entry) => {
    expect(() => dialGuard([entry])).toThrow(expect.objectContaining({ code: 'CG_NET_ALLOW' }));
  });

  it('is never a private address under a name that was not opened', () => {
    const byte = fc.nat(255);
    const inside = fc.tuple(fc.constantFrom('10', '127', '0', '224'), byte, byte, byte).map((parts) => parts.join('.'));
    const wrapped = inside.chain((v4) => fc.constantFrom(v4, `::ffff:${v4}`, `64:ff9b::${v4}`, `::${v4}`));
    fc.assert(
      fc.property(wrapped, (address) => dialGuard(['other.example']).refuses('a.example', 443, address) !== undefined),
    );
  });
});

describe('the URL of a server', () => {
  it('opens its own literal loopback host, for that port alone', () => {
    for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
      const target = readTarget(`http://${host}:3000/mcp`);
      const guard = guardFor(target);
      const address = host === '[::1]' ? '::1' : '127.0.0.1';
      expect(guard.refuses(target.host, 3000, address)).toBeUndefined();
      expect(guard.refuses(target.host, 3001, address)).toContain('this machine');
      expect(guard.refuses('mcp.example.com', 3000, address)).toContain('this machine');
      expect(guard.refuses(target.host, 3000, '10.0.0.1')).toContain('private');
    }
  });

  it.each([
    ['http://0x7f.1:3000/', 'http://127.0.0.1:3000'],
    ['http://2130706433:3000/', 'http://127.0.0.1:3000'],
    ['http://127.0.0.1:3000/', 'http://127.0.0.1:3000'],
  ])('%s is read as WHATWG has it', (url, origin) => {
    expect(readTarget(url).origin).toBe(origin);
  });

  it.each<[string, string[]]>([
    ['http://mcp.example.com/', []],
    ['http://10.0.0.1/', []],
    ['https://10.0.0.1/', []],
    ['https://169.254.169.254/latest', []],
    ['https://[fd00:ec2::254]/', []],
    ['https://[::ffff:10.0.0.1]/', []],
    ['http://0177.0.0.1/', []],
    ['http://127.0.0.1.nip.io/', []],
    ['https://user:pass@mcp.example.com/', []],
    ['https://exa%6dple.com/', []],
    ['https://a.example\\@b.example/', []],
    ['ftp://a.example/', []],
    ['file:///etc/passwd', []],
    ['//a.example/', []],
    ['', []],
    ['http://mcp.corp.example/', ['10.0.0.0/8']],
  ])('cannot be %s', (url, allow) => {
    expect(() => guardFor(readTarget(url), allow)).toThrow(expect.objectContaining({ code: 'CG_NET_URL' }));
  });

  it.each<[string, string[]]>([
    ['https://mcp.example.com/mcp?x=1', []],
    ['http://mcp.corp.example/', ['mcp.corp.example']],
    ['http://10.1.2.3:8080/', ['10.1.0.0/16']],
    ['https://10.1.2.3/', ['10.1.2.3']],
  ])('can be %s', (url, allow) => {
    expect(() => guardFor(readTarget(url), allow)).not.toThrow();
  });

  it('is not shown when it cannot be used: it may hold a secret', () => {
    try {
      readTarget('https://u:hunter2@a.example/?token=hunter3');
      expect.unreachable();
    } catch (error) {
      expect(String(error)).not.toMatch(/hunter/);
    }
  });
});
