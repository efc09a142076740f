import * as fc from 'fast-check';
import { RE2JS } from 're2js';
import { describe, expect, it } from 'vitest';
import type { RedactObligation } from '../model/decision.ts';
import { findSecrets } from '../inspect/message-secrets.ts';
import { Scanner } from '../protocol/scan.ts';
import { splice } from '../protocol/splice.ts';
import { redactEdits, type Redaction } from './redact.ts';

const GITHUB = `${'gh'}${'p_'}${'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'}`;
const AWS = `${'AK'}${'IA'}${'QYLPMN5HHHFPZAM2'}`;
const PEM = `-----BEGIN ${'PRIVATE'} KEY-----\n${'MIIEvQIBADANBgkqhkiG9w0BAQEF'.repeat(4)}\n-----END ${'PRIVATE'} KEY-----`;

const secrets: RedactObligation = {
  kind: 'redact',
  on: 'both',
  classes: ['secret'],
  fields: [],
  replacement: '[redacted]',
  rule: 'r',
};

function fields(...paths: string[]): RedactObligation {
  return { ...secrets, classes: [], fields: paths.map((path) => path.split('.')) };
}

function pattern(source: string, replacement = '#'): RedactObligation {
  const re = RE2JS.compile(source);
  const by = {
    source,
    test: (text: string) => re.matcher(text).find(),
    replace: (text: string, with_: string) => re.matcher(text).replaceAll(with_),
  };
  return { ...secrets, classes: [], pattern: by, replacement };
}

function redact(
  json: string,
  ...obligations: RedactObligation[]
): { readonly json: string; readonly redaction: Redaction } {
  const scanner = new Scanner();
  const bytes = new TextEncoder().encode(json);
  expect(scanner.scan(bytes)).toBeUndefined();
  const redaction = redactEdits(scanner, 0, obligations);
  const edited = splice(bytes, 0, bytes.length, redaction.edits);
  expect(new Scanner().scan(edited)).toBeUndefined();
  return { json: new TextDecoder().decode(edited), redaction };
}

describe('redaction', () => {
  it.each<[string, string, RedactObligation[], string]>([
    [
      'cuts the secret and nothing else',
      `{ "t" : "see ${GITHUB}!", "n":1.0e2 }`,
      [secrets],
      '{ "t" : "see [redacted]!", "n":1.0e2 }',
    ],
    ['takes every secret of a string', `["${AWS} ${GITHUB}"]`, [secrets], '["[redacted] [redacted]"]'],
    [
      'sees through escapes and spells the rest anew',
      `["\\u0067hp_${GITHUB.slice(4)} \\u00e9"]`,
      [secrets],
      '["[redacted] é"]',
    ],
    ['takes what a name promises', '{"db":{"password":"hunter22"}}', [secrets], '{"db":{"password":"[redacted]"}}'],
    ['takes a key over several lines', JSON.stringify({ pem: PEM }), [secrets], '{"pem":"[redacted]"}'],
    [
      'walks text blocks, structured content, resources and error messages alike',
      `{"content":[{"type":"text","text":"${AWS}"},{"resource":{"text":"${AWS}"}}],"structuredContent":{"a":["${AWS}"]},"error":{"message":"${AWS}"}}`,
      [secrets],
      '{"content":[{"type":"text","text":"[redacted]"},{"resource":{"text":"[redacted]"}}],"structuredContent":{"a":["[redacted]"]},"error":{"message":"[redacted]"}}',
    ],
    [
      'replaces a field whatever it holds',
      '{"a":{"b":{"c":[1,2]}},"d":3}',
      [fields('a.b', 'd')],
      '{"a":{"b":"[redacted]"},"d":"[redacted]"}',
    ],
    [
      'walks lists and wildcards',
      '{"u":[{"e":"x","k":1},{"e":2}],"v":{"p":{"e":3}}}',
      [fields('u.e', 'v.*.e')],
      '{"u":[{"e":"[redacted]","k":1},{"e":"[redacted]"}],"v":{"p":{"e":"[redacted]"}}}',
    ],
    ['reaches one element by number', '{"u":["a","b"]}', [fields('u.1')], '{"u":["a","[redacted]"]}'],
    ['reaches the deepest of nested fields', '{"a":{"b":1}}', [fields('a'), fields('a.b')], '{"a":"[redacted]"}'],
    [
      'replaces pattern matches',
      '{"s":"id 123-45-6789, 987-65-4321"}',
      [pattern('\\d{3}-\\d{2}-\\d{4}')],
      '{"s":"id #, #"}',
    ],
    ['replaces a number that matches', '{"card":4111111111111111,"n":5}', [pattern('^\\d{16}$')], '{"card":"#","n":5}'],
    [
      'carries out every obligation',
      `{"s":"${AWS} 42","f":1}`,
      [secrets, pattern('42'), fields('f')],
      '{"s":"[redacted] #","f":"[redacted]"}',
    ],
    ['is content with nothing to do', '{"a":"b"}', [secrets, fields('x.y'), pattern('zzz')], '{"a":"b"}'],
  ])('%s', (_what, json, obligations, expected) => expect(redact(json, ...obligations).json).toBe(expected));

  it('reports a secret in a name instead of rewriting it', () => {
    expect(redact(`{"a":{"${GITHUB}":1}}`, secrets).redaction).toEqual({ edits: [], keyHit: '/a' });
    expect(redact('{"a":{"123-45-6789":1}}', pattern('\\d{3}-\\d{2}-\\d{4}')).redaction.keyHit).toBe('/a');
    expect(redact(`{"a":{"${GITHUB}":1}}`, secrets, fields('a')).json).toBe('{"a":"[redacted]"}');
  });

  it('refuses a class it cannot find instead of skipping it', () => {
    expect(() => redact('{}', { ...secrets, classes: ['secret', 'pii'] })).toThrow(
      expect.objectContaining({ code: 'CG_GATE_REDACT_CLASS' }),
    );
  });

  it('gives up the whole string when a replacement makes a new match', () => {
    const hostile = { ...secrets, replacement: `password=${'Abc123!xyz'}` };
    expect(redact(`["${AWS}"]`, hostile).redaction.edits).toHaveLength(1);
  });

  it('leaves no secret, valid JSON, and every other byte as it was (property)', () => {
    const secret = fc.constantFrom(
      GITHUB,
      AWS,
      PEM,
      `postgres://u:${'s3cretPass'}@db/x`,
      `password = "${'Tr0ub4dor&3'}"`,
    );
    const text = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 20 }),
      secret,
      fc.tuple(fc.string(), secret, fc.string()).map((parts) => parts.join(' ')),
    );
    const { json } = fc.letrec((tie) => ({
      json: fc.oneof(
        { maxDepth: 4 },
        text,
        fc.integer(),
        fc.array(tie('json'), { maxLength: 4 }),
        fc.dictionary(fc.stringMatching(/^[a-f]{1,3}$/), tie('json'), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(json, fc.constantFrom(0, 2), (value, indent) => {
        const before = JSON.stringify(value, null, indent);
        const { json: after, redaction } = redact(before, secrets);
        const scanner = new Scanner();
        scanner.scan(new TextEncoder().encode(after));
        let left = 0;
        findSecrets(scanner, 0, () => left++);
        const bytes = new TextEncoder().encode(before);
        const kept = redaction.edits.every((edit) => bytes[edit.start] === 0x22 && bytes[edit.end - 1] === 0x22);
        return left === 0 && kept && (redaction.edits.length > 0 || after === before);
      }),
      { numRuns: 300 },
    );
  });
});
