import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checksumHolds } from './checksum.ts';
import { compileKeywords, holdsKeyword } from './keywords.ts';
import { secretKind } from './secret-names.ts';
import { mayHoldSecret, scanMember, scanSecrets } from './secrets.ts';

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** Random-looking text, the same each time; put together here so that no scanner of repositories finds it. */
function noise(length: number, alphabet = LETTERS, seed = 7): string {
  let text = '';
  let state = seed;
  for (let at = 0; at < length; at++) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    text += alphabet[Math.floor((state / 2_147_483_648) * alphabet.length)];
  }
  return text;
}
const join = (...parts: string[]): string => parts.join('');
const hex = (length: number): string => noise(length, '0123456789abcdef');
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

function scanBytes(text: string): boolean {
  const bytes = new TextEncoder().encode(text);
  return mayHoldSecret(bytes, 0, bytes.length);
}

const secrets: readonly (readonly [rule: string, secret: string])[] = [
  ['aws-access-key', join('AK', 'IA', noise(16, UPPER))],
  ['github-token', join('gh', 'p_', noise(36))],
  ['github-token', join('gh', 's_', noise(36))],
  ['github-fine-grained-pat', join('github', '_pat_', noise(22), '_', noise(59))],
  ['gitlab-token', join('gl', 'pat-', noise(20))],
  ['slack-token', join('xo', 'xb-', '781236542736-2364535789652-', noise(24))],
  ['slack-webhook', join('T', noise(43))],
  ['stripe-key', join('sk', '_live_', noise(24))],
  ['stripe-key', join('rk', '_live_', noise(24))],
  ['openai-key', join('sk', '-proj-', noise(48))],
  ['sk-key', join('sk', '-', noise(48))],
  ['anthropic-key', join('sk', '-ant-api03-', noise(93), 'AA')],
  ['google-api-key', join('AI', 'za', noise(35))],
  ['npm-token', join('np', 'm_', noise(36))],
  ['pypi-token', join('py', 'pi-AgEIcHlwaS5vcmc', noise(60))],
  ['sendgrid-key', join('S', 'G.', noise(22), '.', noise(43))],
  ['twilio-key', join('S', 'K', hex(32))],
  ['huggingface-token', join('h', 'f_', noise(34, LETTERS.slice(0, 52)))],
  ['digitalocean-token', join('do', 'p_v1_', hex(64))],
  ['databricks-token', join('da', 'pi', hex(32))],
  ['shopify-token', join('shp', 'at_', hex(32))],
  ['telegram-bot-token', join('123456789:', 'AA', noise(33))],
  ['jwt', join('ey', 'J', noise(33), '.ey', 'J', noise(40), '.', noise(43))],
  ['vault-token', join('hv', 's.', noise(90))],
  ['age-secret-key', join('AGE-SECRET', '-KEY-1', 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L'.repeat(2).slice(0, 58))],
  ['mailchimp-key', join(hex(32), '-us12')],
  ['terraform-token', join(noise(14), '.atlas', 'v1.', noise(64))],
];

describe('finds', () => {
  it.each(secrets)('%s: exactly, wherever it stands', (rule, secret) => {
    const carriers =
      rule === 'slack-webhook'
        ? ['https://hooks.slack.com/services/@']
        : ['@', 'use @ now', '"@"', '(@),', 'line\n@\nline', 'x=@'];
    for (const carrier of carriers) {
      const text = carrier.replace('@', secret);
      const found = scanSecrets(text);
      expect(found, text).toHaveLength(1);
      expect(text.slice(found[0]!.start, found[0]!.end)).toBe(secret);
      if (!carrier.startsWith('x=')) expect(found[0]!.ruleId).toBe(rule);
      expect(scanBytes(text)).toBe(true);
      expect(scanBytes(JSON.stringify({ text }))).toBe(true);
    }
  });

  it.each([
    ['password = "Tr0ub4dor&3"', 'Tr0ub4dor&3'],
    ["db_password: 'hunter2hunter'", 'hunter2hunter'],
    [join('API_KEY=', noise(24)), noise(24)],
    [join('{\\"client_secret\\":\\"', noise(30), '\\"}'), noise(30)],
    [join('System.setProperty("GITHUB_TOKEN", "', noise(30), '")'), noise(30)],
    [join('<apiToken>\n  ', noise(30), '\n</apiToken>'), noise(30)],
    [join('var authToken string = "', noise(30), '"'), noise(30)],
    [join('postgres://app:', 's3cr/et', '@db.internal:5432/x'), 's3cr/et'],
    [join('redis://:', 'abcdef123', '@cache'), 'abcdef123'],
    [join('Authorization: Bearer ', noise(40)), noise(40)],
    [join('"authorization": "Basic ', 'dXNlcjpwYXNzMTIz', '"'), 'dXNlcjpwYXNzMTIz'],
    [join('Authorization: Bot ', noise(30)), noise(30)],
    [join('DefaultEndpointsProtocol=https;AccountKey=', noise(86), '==;'), join(noise(86), '==')],
    [join('curl -u admin:', 's3cretPw', ' https://x'), 's3cretPw'],
  ])('what stands behind a telling name: %s', (text, secret) => {
    const found = scanSecrets(text);
    expect(found.map((each) => text.slice(each.start, each.end))).toEqual([secret]);
    expect(scanBytes(JSON.stringify({ text }))).toBe(true);
  });

  it('the secret beside an AWS key id', () => {
    const text = `AK${'IA'}${noise(16, UPPER)}\n${noise(40)}`;
    expect(scanSecrets(text).map((each) => each.ruleId)).toEqual(['aws-access-key', 'aws-secret-key']);
  });

  it('private keys in lines, in one line, and cut off', () => {
    const begin = `-----BEGIN RSA ${'PRIVATE'} KEY-----`;
    const end = `-----END RSA ${'PRIVATE'} KEY-----`;
    for (const text of [
      `a ${begin}\n${noise(64)}\n${end} b`,
      `${begin}\\n${noise(64)}\\n${end}`,
      `${begin}\n${noise(64)}\n`,
    ]) {
      const [found, ...more] = scanSecrets(text);
      expect(more).toEqual([]);
      expect(text.slice(found!.start, found!.end)).toContain(noise(64));
    }
    expect(scanSecrets(`${begin}\n...\n${end}`)).toEqual([]);
  });

  it('leaves no tail of a secret longer than anyone expects', () => {
    const long = noise(9000);
    for (const text of [`api_token=${long}`, `api_token = "${long}"`, `Authorization: Bearer ${long}`]) {
      expect(scanSecrets(text).at(-1)!.end, text.slice(0, 30)).toBe(text.endsWith('"') ? text.length - 1 : text.length);
    }
  });

  it('raises the confidence of a token whose checksum holds', () => {
    const body = noise(30);
    expect(checksumHolds(`ghp_${body}000000`)).toBe(false);
    // The published example of the scheme: CRC-32 of the body in base 62.
    expect(checksumHolds(join('ghp_', '0'.repeat(30), crcOf('0'.repeat(30))))).toBe(true);
  });
});

/** The same sum by the textbook, bit by bit. */
function crcOf(text: string): string {
  let crc = 0xffffffffn;
  for (const unit of text) {
    crc ^= BigInt(unit.charCodeAt(0));
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0xedb88320n : crc >> 1n;
  }
  crc ^= 0xffffffffn;
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  let out = '';
  for (let digit = 0; digit < 6; digit++, crc /= 62n) out = digits[Number(crc % 62n)]! + out;
  return out;
}

describe('does not find', () => {
  it.each([
    join('gh', 'p_', 'x'.repeat(36)),
    join('AK', 'IA', 'X'.repeat(16)),
    'a task-force of risk-averse desk-workers',
    'password: ${DB_PASSWORD}',
    'password: <your password>',
    'token: process.env.TOKEN',
    'password = "changeme"',
    'api_key = "your-api-key-here"',
    'the password must be long; the secret is patience',
    join('next_page_token: ', noise(30)),
    'max_tokens: 40961234',
    'access_token_url=https://example.com/oauth/access_token1',
    join('public_token = "', noise(30), '"'),
    'https://example.com:8080/@scope/name',
    'http://user:password@example.com',
    'git@github.com:owner/repo.git',
    'Bearer authentication is used here',
    'Authorization: Bearer $TOKEN',
    '3f786850e387550fdab836ed7e6dc881de23001b',
    '123e4567-e89b-12d3-a456-426614174000',
    join('sha512-', noise(86), '=='),
    '[secret:github-token]',
    'password: [secret:assigned-secret]',
  ])('%s', (text) => expect(scanSecrets(text)).toEqual([]));
});

describe('names', () => {
  it.each([
    'password',
    'dbPassword',
    'DB_PASSWD',
    'userPwd',
    'apiKey',
    'API-Key',
    'x-api-key',
    'client_secret',
    'accessToken',
    'GITHUB_TOKEN',
    'token2',
    'privateKey',
    'authtoken',
    'Cookie',
    'secret_access_key',
    'APIToken',
  ])('%s promises a secret', (name) => {
    expect(secretKind(name)).toBeDefined();
    expect(scanMember(name, 'abcdef')).toEqual([
      { ruleId: 'named-secret', class: 'secret', start: 0, end: 6, confidence: 0.7 },
    ]);
    expect(scanBytes(JSON.stringify({ [name]: 'abcdef' }))).toBe(true);
    expect(scanBytes(JSON.stringify({ [name]: ['abcdef'] }, null, 2))).toBe(true);
  });

  it.each([
    'name',
    'tokens',
    'max_tokens',
    'tokenizer',
    'progressToken',
    'nextPageToken',
    'publicKey',
    'secretName',
    'token_type',
    'passwordLength',
    'tokenId',
    'cursor',
    'key',
    'passenger',
  ])('%s does not', (name) => expect(scanMember(name, 'abcdef')).toEqual([]));

  it('are not taken for values that are references, masks or too short', () => {
    for (const value of ['${X}', '[secret:named-secret]', '********', 'abc'])
      expect(scanMember('password', value)).toEqual([]);
    for (const value of ['$ecret1', '<hunter2>', '[hunter2]', '{abc123}'])
      expect(scanMember('password', value)).toHaveLength(1);
  });
});

describe('the prefilter', () => {
  it('passes over ordinary JSON', () => {
    for (const json of [
      '{"path":"/src/risk.ts","limit":10}',
      '{"max_tokens":100,"token":5}',
      '{"text":"a desk and a task"}',
      '{"secret":true}',
    ]) {
      expect(scanBytes(json), json).toBe(false);
    }
  });

  it('stops at escapes that hide letters', () => {
    expect(scanBytes('{"a":"\\u0067hp_"}')).toBe(true);
    expect(scanBytes('{"a":"https:\\/\\/u:p@h"}')).toBe(true);
  });

  it('is true wherever a scan of the decoded text finds something (property)', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc.constantFrom(...secrets.map(([, secret]) => secret)),
      fc.constantFrom(
        'password',
        'token',
        ' = ',
        ': ',
        '"',
        "'",
        '://',
        'a:bcd@e',
        'Bearer ',
        '\n',
        '\\',
        '=>',
        ',',
        'Abc123!xyz',
        '>',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const text = pieces.join('').replace(/[\ud800-\udfff]/gu, '');
        const found = scanSecrets(text);
        for (let at = 1; at < found.length; at++) if (found[at]!.start < found[at - 1]!.end) return false;
        return found.length === 0 || (scanBytes(text) && scanBytes(JSON.stringify([text])));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('keywords', () => {
  it('are found exactly where a plain search finds them (property)', () => {
    const word = fc.stringMatching(/^[abAB:_]{1,4}$/);
    fc.assert(
      fc.property(
        fc.uniqueArray(word, { minLength: 1, maxLength: 6, selector: (each) => each.toLowerCase() }),
        fc.stringMatching(/^[abAB:_x]{0,20}$/),
        (words, text) => {
          const bytes = new TextEncoder().encode(text);
          const expected = words.some((each) => text.toLowerCase().includes(each.toLowerCase()));
          return holdsKeyword(compileKeywords(words), bytes, 0, bytes.length) === expected;
        },
      ),
    );
  });
});

describe('size', () => {
  it.each([
    join('gh', 'p_'),
    'eyJ.',
    `-----BEGIN ${'PRIVATE'} KEY-----`,
    'password=',
    'apikey',
    '://a:b',
    'discord',
    'curl -u ',
    'secret_',
  ])(
    'ten megabytes of %j end',
    (unit) => {
      const text = unit.repeat(Math.ceil(1e7 / unit.length));
      expect(scanSecrets(text).length).toBeGreaterThanOrEqual(0);
    },
    60_000,
  );
});
