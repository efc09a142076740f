import { describe, expect, test } from 'vitest';
import { ExactNumber, type Json } from '../../model/json.ts';
import { callOf, type CallParts, issuesOf, policyOf } from '../testing.ts';

type Truth = true | false | 'error';

function truth(when: string, parts: CallParts = {}, match = '{method: tools/call, direction: call}'): Truth {
  const rule = (effect: string): string =>
    ` - {id: r, match: ${match}, when: ${JSON.stringify(when)}, effect: ${effect}}`;
  const allowed = policyOf(rule('allow')).decide(callOf(parts)).rule === 'r';
  const denied = policyOf(rule('deny')).decide(callOf(parts)).rule === 'r';
  if (allowed !== denied) return denied ? 'error' : expect.unreachable('allow matched and deny did not');
  return allowed;
}

const args: Json = {
  a: 'text',
  n: 5,
  d: 0.1,
  t: true,
  f: false,
  z: null,
  l: ['x', 'y'],
  o: { b: { c: 1 }, 'a key': 2 },
  big: new ExactNumber('12345678901234567890'),
};

describe('an expression', () => {
  test.each<[string, Truth]>([
    ['true', true],
    ['!true', false],
    ['args.a == "text"', true],
    ["args.a == 'text'", true],
    ['args.a != "text"', false],
    ['args.a == 5', 'error'],
    ['args.a != 5', 'error'],
    ['args.z == null', true],
    ['args.a == null', false],
    ['args.n == 5.0', true],
    ['args.n < 5', false],
    ['args.n <= 5', true],
    ['args.n > 4 && args.n >= 5', true],
    ['4 < args.n', true],
    ['args.a < "u"', true],
    ['args.a < 5', 'error'],
    ['args.t', true],
    ['!args.f', true],
    ['args.n', 'error'],
    ['args.missing', 'error'],
    ['args.missing == 1 || true', true],
    ['true || args.missing == 1', true],
    ['args.missing == 1 && false', false],
    ['false && args.missing == 1', false],
    ['args.missing == 1 && true', 'error'],
    ['args.missing == 1 || false', 'error'],
    ['!(args.missing == 1)', 'error'],
    ['has(args.missing)', false],
    ['has(args.o.b.c)', true],
    ['has(args.a.b.c)', false],
    ['has(args.z)', true],
    ['has(args.constructor)', false],
    ['has(args.o.__proto__)', false],
    ['!has(args.missing) || args.missing == 1', true],
    ['args.o.b.c == 1', true],
    ['args["a"] == "text"', true],
    ['args.o["a key"] == 2', true],
    ['args.l[0] == "x"', true],
    ['args.l[2] == "x"', 'error'],
    ['args.l["x"] == "x"', 'error'],
    ['args.a in ["text", "other"]', true],
    ['args.a in ["other"]', false],
    ['args.a in []', false],
    ['args.n in ["5"]', 'error'],
    ['"x" in args.l', true],
    ['"b" in args.o', true],
    ['"toString" in args.o', false],
    ['"x" in args.a', 'error'],
    ['args.l == ["x", "y"]', true],
    ['args.l == ["x"]', false],
    ['args.o == args.o', 'error'],
    ['args.n + 1 == 6', true],
    ['args.n * 2 - 1 == 9', true],
    ['-args.n == -5', true],
    ['args.d + 0.2 == 0.3', true],
    ['args.a + "x" == "textx"', 'error'],
    ['args.big > 12345678901234567889', true],
    ['args.big == 12345678901234567890', true],
    ['args.big == 12345678901234567891', false],
    ['args.big + 1 == 12345678901234567891', true],
    ['args.n > 3 ? args.t : args.f', true],
    ['args.missing ? true : true', 'error'],
    ['size(args.l) == 2', true],
    ['args.l.size() == 2', true],
    ['size("a😀") == 2', true],
    ['size(args.o) == 2', true],
    ['size(args.n) == 1', 'error'],
    ['args.a.startsWith("te")', true],
    ['args.a.endsWith("xt")', true],
    ['args.a.contains("ex")', true],
    ['args.l.contains("x")', 'error'],
    ['args.a.matches("^t.xt$")', true],
    ['args.a.matches(r"^\\w+$")', true],
    ['args.n.matches("5")', 'error'],
    ['args.l.exists(x, x == "y")', true],
    ['args.l.exists(x, x == "z")', false],
    ['args.l.exists(x, x == 1)', 'error'],
    ['args.l.all(x, x.matches("[xy]"))', true],
    ['args.l.all(x, x == "x")', false],
    ['args.l.all(x, args.l.exists(y, y == x))', true],
    ['args.a.exists(x, true)', 'error'],
    ['[1, 2].exists(x, x == args.n)', false],
    ['anyString(args).exists(s, s.contains("key"))', true],
    ['anyString(args).exists(s, s == "nothing")', false],
    ['glob(args.a, "t*t")', true],
    ['glob(args.n, "t*t")', 'error'],
    ['tool == "run"', true],
    ['server == "s" && method == "tools/call" && direction == "call"', true],
    ['prompt == "x"', 'error'],
    ['has(prompt)', false],
    ['principal.id == "agent"', true],
    ['"support" in principal.roles', true],
    ['"admin" in principal.roles', false],
    ['principal.assurance == "same-user"', true],
    ['principal.user == "x"', 'error'],
    ['annotations.readOnlyHint', 'error'],
    ['// a comment\n args.n == 5', true],
  ])('%s is %s', (when, expected) => {
    expect(truth(when, { args, roles: ['support'] })).toBe(expected);
  });

  test('reads annotations where they are trusted, with the defaults of the specification', () => {
    expect(truth('annotations.readOnlyHint', { annotations: { readOnlyHint: true } })).toBe(true);
    expect(truth('annotations.readOnlyHint', { annotations: {} })).toBe(false);
    expect(truth('annotations.destructiveHint', { annotations: {} })).toBe(true);
  });

  test('looks at results in rules for results', () => {
    const match = '{direction: result, tool: run}';
    const parts: CallParts = {
      direction: 'result',
      args: { isError: false, content: [{ type: 'text', text: 'token' }] },
    };
    expect(truth('result.isError', parts, match)).toBe(false);
    expect(truth('anyString(result).exists(s, s == "token")', parts, match)).toBe(true);
  });

  test('judges paths by their real place', () => {
    const match = '{tool: run}';
    expect(truth('under(args.p, "${PROJECT}")', { args: { p: '/project/x' } }, match)).toBe(true);
    expect(truth('under(args.p, ["/a", "/b"])', { args: { p: '/b/../c' } }, match)).toBe(false);
    expect(truth('args.l.all(p, under(p, "/b"))', { args: { l: ['/b/1', '/b/2'] } }, match)).toBe(true);
    expect(truth('under(args.p, "/b")', { args: { p: '/b/x' }, links: { '/b/x': null } }, match)).toBe('error');
  });

  test('stops a walk that takes too many steps', () => {
    const l = Array.from({ length: 400 }, (_, index) => index);
    expect(truth('args.l.all(x, args.l.all(y, x + y >= 0))', { args: { l } })).toBe('error');
    expect(truth('args.l.all(x, x >= 0)', { args: { l } })).toBe(true);
  });
});

describe('what does not load', () => {
  test.each([
    ['args.x =', /"=" is not part/, /==/],
    ['args.x = 1', /"=" is not part/, /==/],
    ['args.x / 2 == 1', /"\/"/, /multiply/],
    ['args.l.map(x, x)', /"map"/, /exists/],
    ['args.l.filter(x, x)', /"filter"/, /exists/],
    ['startsWith(args.a, "x")', /is a method/, /x\.startsWith/],
    ['args.a.has()', /is a function/, /has\(x\)/],
    ['args.a.startwith("x")', /no method "startwith"/, /startsWith/],
    ['arg.x == 1', /no fact "arg"/, /args/],
    ['task == 1', /not part of this version/, /principal.id/],
    ['result.x == 1', /no result yet/, /direction: result/],
    ['principal.role == "x"', /no "role"/, /roles/],
    ['annotations.readonly', /no "readonly"/, /readOnlyHint/],
    ['args.a.matches(args.b)', /written out/, /never taken/],
    ['args.a.matches("(?=x)")', /lookahead/, undefined],
    ['glob(args.a, args.b)', /written out/, undefined],
    ['under(tool, "/x")', /field of args/, undefined],
    ['under(args.p, "x")', /not absolute/, undefined],
    ['under(args.p, "${NOPE}")', /NOPE/, undefined],
    ['1 < args.n < 3', /do not chain/, /&&/],
    ['args.n', undefined, undefined],
    ['"text"', /not a condition/, /truthiness/],
    ['args.n + 1', /not a condition/, undefined],
    ['5 && true', /not a condition/, undefined],
    ['"open', /not closed/, undefined],
    ['"\\d"', /not an escape/, /r"/],
    ['"""x"""', /triple/, undefined],
    ['1u == 1', /not a number/, undefined],
    ['0x10 == 16', /not a number/, undefined],
    ['{"a": 1}', /"\{"/, /maps/],
    ['(true', /not closed/, undefined],
    ['true)', /not expected/, undefined],
    ['', /empty text/, undefined],
    ['args.', /name must follow/, undefined],
    ['args.l.exists(1, true)', /a name and a condition/, undefined],
    ['args.l.exists(tool, true)', /already a fact/, undefined],
    ['(('.repeat(40) + 'true' + '))'.repeat(40), /nested/, undefined],
    ['!'.repeat(70) + 'true', /nested/, undefined],
    ['true' + ' || true'.repeat(6_000), /20000|5000/, undefined],
  ])('%s', (when, message, remedy) => {
    const issues = issuesOf(
      `version: 1\nrules:\n - {id: r, match: {tool: run}, when: ${JSON.stringify(when)}, effect: allow}`,
    );
    if (message === undefined) return expect(issues).toEqual([]);
    expect(issues).toHaveLength(1);
    expect(issues[0]?.message).toMatch(message);
    if (remedy !== undefined) expect(issues[0]?.remedy).toMatch(remedy);
  });

  test('is placed at its column', () => {
    const text =
      'version: 1\nrules:\n  - id: r\n    match: { tool: run }\n    when: args.a == 1 && args.b = 2\n    effect: allow\n';
    expect(issuesOf(text)).toMatchObject([{ code: 'CG_POLICY_WHEN', line: 5, column: 33 }]);
  });
});
