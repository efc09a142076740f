import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readUrl } from './index.ts';

describe('reads clear URLs', () => {
  it.each<[text: string, scheme: string, host: string, port: number | undefined, path: string]>([
    ['http://example.com', 'http', 'example.com', 80, '/'],
    ['https://example.com/a/b?c=d#e', 'https', 'example.com', 443, '/a/b'],
    ['HTTPS://Example.COM.:8443/x/../y', 'https', 'example.com', 8443, '/y'],
    ['https://api.example.com/search?q=a b', 'https', 'api.example.com', 443, '/search'],
    ['https://example.com?q=http://other.example/', 'https', 'example.com', 443, '/'],
    ['https://example.com/login?next=//evil.example', 'https', 'example.com', 443, '/login'],
    ['https://example.com/@user', 'https', 'example.com', 443, '/@user'],
    ['https://example.com/a@b.c/d', 'https', 'example.com', 443, '/a@b.c/d'],
    ['https://example.com/?mail=a@b.example', 'https', 'example.com', 443, '/'],
    ['https://example.com/100%25', 'https', 'example.com', 443, '/100%25'],
    ['http://example.com:/', 'http', 'example.com', 80, '/'],
    ['http://example.com:00080/', 'http', 'example.com', 80, '/'],
    ['ws://example.com/socket', 'ws', 'example.com', 80, '/socket'],
    ['ftp://example.com/f', 'ftp', 'example.com', 21, '/f'],
    ['https://bücher.example/', 'https', 'xn--bcher-kva.example', 443, '/'],
    ['https://BÜCHER.example/', 'https', 'xn--bcher-kva.example', 443, '/'],
    ['https://xn--bcher-kva.example/', 'https', 'xn--bcher-kva.example', 443, '/'],
    ['https://例え.テスト/', 'https', 'xn--r8jz45g.xn--zckzah', 443, '/'],
    ['https://foo_bar.example.com/', 'https', 'foo_bar.example.com', 443, '/'],
    ['https://a--b.example/', 'https', 'a--b.example', 443, '/'],
    ['ssh://git@github.com/org/repo', 'ssh', 'github.com', 22, '/org/repo'],
    ['git+ssh://git@github.com/org/repo', 'git+ssh', 'github.com', undefined, '/org/repo'],
    ['git@github.com:org/repo.git', 'ssh', 'github.com', 22, 'org/repo.git'],
    ['github.com:org/repo.git', 'ssh', 'github.com', 22, 'org/repo.git'],
    ['redis://cache:6379/0', 'redis', 'cache', 6379, '/0'],
    ['gopher://Example.COM:70/_x', 'gopher', 'example.com', 70, '/_x'],
    ['postgres://u:p@db.example.com:5432/x', 'postgres', 'db.example.com', 5432, '/x'],
    ['s3://bucket/key', 's3', 'bucket', undefined, '/key'],
    ['//example.com/a', '', 'example.com', undefined, '/a'],
    ['example.com', '', 'example.com', undefined, ''],
    ['example.com.', '', 'example.com', undefined, ''],
    ['example.com/a/b', '', 'example.com', undefined, '/a/b'],
    ['example.com:8080', '', 'example.com', 8080, ''],
    ['example.com:8080/x?y', '', 'example.com', 8080, '/x'],
    ['localhost:3000', '', 'localhost', 3000, ''],
    ['localhost/x', '', 'localhost', undefined, '/x'],
    ['db01', '', 'db01', undefined, ''],
    ['ann@example.com', '', 'example.com', undefined, ''],
    ['mailto:ann@example.com', 'mailto', 'example.com', undefined, ''],
    ['mailto:ann@example.com,bob@example.com?subject=hi', 'mailto', 'example.com', undefined, ''],
    ['8.8.8.8', '', '8.8.8.8', undefined, ''],
    ['8.8.8.8:53', '', '8.8.8.8', 53, ''],
    ['2606:4700::1111', '', '2606:4700::1111', undefined, ''],
    ['[2606:4700::1111]:53/x', '', '2606:4700::1111', 53, '/x'],
    ['file:///etc/hosts', 'file', '', undefined, '/etc/hosts'],
    ['file:/etc/hosts', 'file', '', undefined, '/etc/hosts'],
    ['file://localhost/etc/hosts', 'file', '', undefined, '/etc/hosts'],
    ['file://server/share', 'file', 'server', undefined, '/share'],
    ['data:text/html,x', 'data', '', undefined, 'text/html,x'],
    ['javascript:alert(1)', 'javascript', '', undefined, 'alert(1)'],
    ['tel:12345x', 'tel', '', undefined, '12345x'],
    ['urn:isbn:1', 'urn', '', undefined, 'isbn:1'],
  ])('%j', (text, scheme, host, port, path) => {
    const { ambiguous, ...read } = readUrl(text);
    expect(ambiguous).toBeUndefined();
    expect(read).toMatchObject({ scheme, host, port, path });
  });
});

describe('finds the address in any notation', () => {
  it.each<[text: string, address: string, isPrivate: boolean]>([
    ['http://127.0.0.1/', '127.0.0.1', true],
    ['http://127.0.0.1./', '127.0.0.1', true],
    ['http://127.1', '127.0.0.1', true],
    ['http://127.0.1', '127.0.0.1', true],
    ['http://2130706433/', '127.0.0.1', true],
    ['http://0x7f000001/', '127.0.0.1', true],
    ['http://0x7F.1/', '127.0.0.1', true],
    ['http://0xA9.0xFE.0xA9.0xFE', '169.254.169.254', true],
    ['http://0xA9FEA9FE', '169.254.169.254', true],
    ['http://2852039166', '169.254.169.254', true],
    ['http://0/', '0.0.0.0', true],
    ['http://0.0.0.0:22', '0.0.0.0', true],
    ['http://[::]:80/', '::', true],
    ['http://[::1]/', '::1', true],
    ['http://[0000::1]:80/', '::1', true],
    ['http://[::ffff:127.0.0.1]', '127.0.0.1', true],
    ['http://[::ffff:7f00:1]', '127.0.0.1', true],
    ['http://[0:0:0:0:0:ffff:127.0.0.1]', '127.0.0.1', true],
    ['http://[::ffff:a9fe:a9fe]', '169.254.169.254', true],
    ['http://[::127.0.0.1]', '::7f00:1', true],
    ['http://[::216.58.214.206]', '::d83a:d6ce', false],
    ['http://[64:ff9b::a00:1]/', '64:ff9b::a00:1', true],
    ['http://[64:ff9b::808:808]/', '64:ff9b::808:808', false],
    ['http://[2002:7f00:1::]/', '2002:7f00:1::', true],
    ['http://[2002:808:808::1]/', '2002:808:808::1', false],
    ['http://[fd00:ec2::254]', 'fd00:ec2::254', true],
    ['http://[FE80::1]/', 'fe80::1', true],
    ['http://[2606:4700::1111]/', '2606:4700::1111', false],
    ['http://192.168.1.1:8080/admin', '192.168.1.1', true],
    ['http://172.31.255.255/', '172.31.255.255', true],
    ['http://172.32.0.1/', '172.32.0.1', false],
    ['http://100.64.0.1/', '100.64.0.1', true],
    ['http://100.100.100.200/latest/meta-data', '100.100.100.200', true],
    ['http://168.63.129.16/', '168.63.129.16', true],
    ['http://192.0.0.192/latest', '192.0.0.192', true],
    ['http://8.8.8.8/', '8.8.8.8', false],
    ['gopher://127.1:6379/_x', '127.0.0.1', true],
    ['redis://2130706433', '127.0.0.1', true],
    ['::1', '::1', true],
    ['127.1:80', '127.0.0.1', true],
  ])('%j is %s', (text, address, isPrivate) => {
    const read = readUrl(text);
    expect(read).toMatchObject({ host: address, address, private: isPrivate });
    expect(read.ambiguous).toBeUndefined();
  });
});

describe('knows names of the own machine and network', () => {
  it.each([
    'http://localhost/',
    'http://LOCALHOST./',
    'http://a.localhost/',
    'http://ip6-localhost/',
    'http://metadata.google.internal/computeMetadata/v1/',
    'http://metadata/',
    'http://instance-data/',
    'http://db.internal/',
    'http://printer.local/',
    'http://router.lan/',
    'http://intranet/',
    'http://x.localtest.me/',
    'http://127.0.0.1.nip.io/',
    'http://app-10-0-0-1.sslip.io/',
    'http://7f000001.nip.io/',
    'http://--1.sslip.io/',
    'http://8.8.8.8.10.0.0.1.nip.io/',
    'http://unreadable.xip.io/',
    'http://make-1.2.3.4-rebind-169.254-169.254-rr.1u.ms/',
    'http://7f000001.c0a80001.rbndr.us/',
    'file:///etc/passwd',
  ])('%s', (text) => expect(readUrl(text)).toMatchObject({ private: true }));
  it.each([
    'http://example.com/',
    'http://8.8.8.8.nip.io/',
    'http://notlocalhost.example/',
    'http://internal.example/',
  ])('%s needs a look-up', (text) => expect(readUrl(text).private).toBeUndefined());
});

describe('calls ambiguous what two programs could read differently', () => {
  it.each<[text: string, reason: RegExp]>([
    ['', /empty/],
    [' http://example.com/', /white space|control/],
    ['http://example.com/ ', /white space/],
    ['http://exa\nmple.com/', /control/],
    ['http://exa\tmple.com/', /control/],
    ['java\nscript:alert(1)', /control/],
    ['http://example.com\0.evil.example/', /control/],
    ['http://example.com/\r\nHost: evil', /control/],
    ['http://good@evil', /user/],
    ['http://bank.example@evil.example/', /user/],
    ['http://localhost@evil.example/', /user/],
    ['http://good:80@evil.example/', /user/],
    ['http://1.1.1.1:80@2.2.2.2/', /user/],
    ['ftp://bank.example:x@evil.example/', /looks like a host/],
    ['http://a@b@c/', /more than one @/],
    ['http://foo@evil.example:80@google.example/', /more than one @/],
    ['http://a:b%40bank.example@evil.example/', /percent escape/],
    ['http://a:b%2F@evil.example/', /percent escape/],
    ['http://127.1.1.1:80\\@127.2.2.2:80/', /backslash/],
    ['http://127.1.1.1:80:\\@@127.2.2.2:80/', /backslash/],
    ['http://127.1.1.1:80#\\@127.2.2.2:80/', /behind \? or #/],
    ['http://google.example#@evil.example/', /behind \? or #/],
    ['http://google.example?@evil.example/', /behind \? or #/],
    ['http:\\\\127.0.0.1', /backslash/],
    ['http:/\\example.com', /backslash/],
    ['\\\\server\\share', /backslash/],
    ['/\\example.com', /backslash/],
    ['http:/example.com', /two slashes/],
    ['http:example.com', /two slashes/],
    ['http:127.0.0.1/', /two slashes/],
    ['https:443', /two slashes/],
    ['http:///example.com', /two slashes/],
    ['http:////example.com', /two slashes/],
    ['///example.com', /slashes/],
    ['////example.com//', /slashes/],
    ['/path', /relative/],
    ['./x', /relative/],
    ['../x', /relative/],
    ['?q=1', /relative/],
    ['#top', /relative/],
    ['.', /relative/],
    ['docs/readme', /relative path/],
    ['http://①②⑦.⓪.⓪.①/', /fold/],
    ['http://１２７.0.0.1/', /fold/],
    ['http://ⓔⓧⓐⓜⓟⓛⓔ.ⓒⓞⓜ', /fold/],
    ['http://ｅxample.com/', /fold/],
    ['http://ſ.example/', /fold/],
    ['http://\u212a.example/', /fold/],
    ['http://google。com', /dots of another script/],
    ['http://127｡0｡0｡1/', /dots of another script/],
    ['//google%E3%80%82com', /percent/],
    ['http://faß.example/', /IDNA/],
    ['http://βόλος.example/', /IDNA/],
    ['http://exa\u00admple.com/', /invisible/],
    ['http://exa\u200bmple.com/', /invisible/],
    ['http://a.example／x.b.example', /look-alike/],
    ['http://evil.c℀.example.com', /fold/],
    ['http://%31%32%37.0.0.1/', /percent/],
    ['http://127.0.0.%31/', /percent/],
    ['http://exa%6dple.com/', /percent/],
    ['https://%09/google.com', /percent/],
    ['http+unix://%2Fvar%2Frun%2Fdocker.sock/x', /percent/],
    ['http://[fe80::1%25eth0]/', /zone/],
    ['fe80::1%eth0', /zone/],
    ['http://0177.0.0.1/', /leading zero/],
    ['http://0177.1/', /leading zero/],
    ['http://0251.254.169.254', /leading zero/],
    ['http://010.0.0.1/', /leading zero/],
    ['http://08.0.0.1/', /no host name|no address|leading/],
    ['http://425.510.425.510', /host/],
    ['http://7147006462', /host/],
    ['http://1.2.3.4.5/', /host/],
    ['http://0o177.0.0.1/', /host/],
    ['http://256.1.1.1/', /host/],
    ['http://[::1/', /host|port|refuse/],
    ['http://[::1]evil/', /port/],
    ['http://[1.2.3.4]/', /brackets/],
    ['http://[:::1]/', /IPv6/],
    ['http://[::1::]/', /IPv6/],
    ['http://::1/', /host|port/],
    ['http://example.com:99999/', /port/],
    ['http://example.com:8x/', /port/],
    ['http://example.com:80:80/', /port/],
    ['http://example.com:80+&@127.88.23.245:22/#+@google.example:80/', /user/],
    ['http://1.1.1.1 &@2.2.2.2# @3.3.3.3/', /@|user/],
    ['http://a..b/', /host name/],
    ['http://.example.com/', /host name/],
    ['http://example.com../', /host name/],
    ['http:///', /two slashes/],
    ['http://', /no host/],
    ['http://?x', /no host/],
    ['http://${HOST}/', /characters/],
    ['http://{{host}}/', /characters/],
    ['http://*.example.com/', /characters/],
    ['http://a,b/', /characters/],
    ['http://-x.example/', /host name/],
    [`http://${'a'.repeat(64)}.example/`, /host/],
    [`http://${'a.'.repeat(150)}example/`, /host/],
    [`http://example.com/${'a'.repeat(20_000)}`, /too long/],
    ['jar:http://127.0.0.1!/', /wraps/],
    ['view-source:http://127.0.0.1/', /wraps/],
    ['blob:https://example.com/1', /wraps/],
    ['URL:http://127.0.0.1/', /wraps/],
    ['foo:bar', /scheme/],
    ['ldap:example.com', /scheme/],
    ['file://C:/Windows', /WHATWG/],
    ['file:///\\evil/share', /backslash/],
    ['mailto:a@b.example,c@d.example', /several/],
    ['mailto:a@b.example?bcc=c@d.example', /header/],
    ['mailto:a@b@c.example', /quoted/],
    ['user:pw@host.example', /@/],
    ['hello world', /characters/],
    ['see http://example.com', /scheme|characters|no URL/],
    ['xn--a.example', /host/],
  ])('%j', (text, reason) => {
    const read = readUrl(text);
    expect(read.ambiguous).toMatch(reason);
    expect(read.private).not.toBe(false);
  });
  it('still names the host WHATWG readers reach', () => {
    expect(readUrl('http:/127.1')).toMatchObject({ host: '127.0.0.1', private: true });
    expect(readUrl('http://%31%32%37.0.0.1/')).toMatchObject({ host: '127.0.0.1', private: true });
    expect(readUrl('jar:http://127.0.0.1!/x')).toMatchObject({ host: '127.0.0.1', private: true });
  });
});

const hostile = fc.array(
  fc.constantFrom(
    ...'http https file : / // \\ @ # ? [ ] % %2e %40 . .. 127 0x7f 0177 1 ::1 ::ffff: localhost example.com nip.io é ß 。 ① \t \n \0 \u200b'.split(
      ' ',
    ),
    ' ',
    'evil.example',
    ':80',
  ),
  { maxLength: 14 },
);

describe('readUrl for any text', () => {
  it('never throws, and is never clearly public when ambiguous', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          hostile.map((parts) => parts.join('')),
        ),
        (text) => {
          const read = readUrl(text);
          expect(read.ambiguous !== undefined && read.private === false).toBe(false);
        },
      ),
      { numRuns: 2000 },
    );
  });
  it('finds the host a WHATWG reader finds wherever it is clear', () => {
    fc.assert(
      fc.property(hostile, fc.constantFrom('http://', 'https://', 'ftp://'), (parts, scheme) => {
        const text = scheme + parts.join('');
        const read = readUrl(text);
        if (read.ambiguous !== undefined) return;
        const theirs = new URL(text).hostname;
        expect(readUrl(theirs).host).toBe(read.host);
      }),
      { numRuns: 2000 },
    );
  });
  it('gives a canonical host that reads as itself', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          hostile.map((parts) => parts.join('')),
          fc.webUrl(),
          fc.ipV6(),
          fc.ipV4Extended(),
        ),
        (text) => {
          const read = readUrl(text);
          if (read.ambiguous !== undefined || read.host === '') return;
          const again = readUrl(read.host);
          expect(again).toMatchObject({ host: read.host });
          expect(again.ambiguous).toBeUndefined();
        },
      ),
      { numRuns: 2000 },
    );
  });
  it.each([
    'a',
    '.',
    '@',
    ':',
    '/',
    '%',
    '[',
    '0',
    'a.',
    'a@',
    '\\',
    '①',
    '\u0300',
    ' ',
    '?',
    '&',
    '\n',
    'a:',
    'mailto:?',
  ])('is quick on many %j', (unit) => {
    const start = performance.now();
    readUrl(`http://${unit.repeat(15_000 / unit.length)}`);
    readUrl(unit.repeat(1_000_000));
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
