import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../../model/json.ts';
import { type CompiledPolicy, compilePolicy } from '../../compile.ts';
import { learnPolicy, type Learned, type LearnOptions } from './learn.ts';
import { ReplayCall, type Recorded } from '../replay.ts';
import { OPTIONS, type RecordedParts, recordOf } from '../../testing.ts';

const PLACE: LearnOptions = { project: '/project', home: '/home/user', sha256: (text) => OPTIONS.sha256(text) };

let count = 0;

/** A call of the server `files`, a second after the one before. */
function record(parts: RecordedParts = {}): Recorded {
  const index = count++;
  const time = Date.parse('2026-03-01T10:00:00Z') + index * 1000;
  return recordOf({ index, id: `aaaaaaaaaa-${index}`, time, mono: index * 1_000_000, server: 'files', ...parts });
}

const learn = (records: readonly Recorded[], more: Partial<LearnOptions> = {}): Learned =>
  learnPolicy(records, { ...PLACE, ...more });
const compile = (text: string): CompiledPolicy => compilePolicy([{ file: 'learned.yaml', text }], OPTIONS);
const decide = (policy: CompiledPolicy, recorded: Recorded): string =>
  policy.decide(new ReplayCall(recorded, { cwd: '/project', labels: [], history: () => 0, trustsAnnotations: false }))
    .effect;

/** Learns from calls with these arguments, and says what the policy decides on others. */
function learned(...seen: readonly Json[]): { allows(args: Json): boolean; readonly text: string } {
  const { text } = learn(seen.map((args) => record({ args })));
  const policy = compile(text);
  return { text, allows: (args) => decide(policy, record({ args })) === 'allow' };
}

describe('a learned policy', () => {
  it('counts every record it read, once', () => {
    const records = [
      record({ args: { n: 1 } }),
      record({ args: { n: 2 }, effect: 'deny', status: undefined }),
      record({ args: {}, effect: 'deny', status: undefined, truncated: 5 }),
      record({ args: {}, direction: 'result' }),
      record({ args: {}, direction: 'request', method: 'sampling/createMessage' }),
      record({ args: {}, method: 'tools/list' }),
      record({ args: {}, method: 'odd/method', effect: 'deny' }),
      record({ args: { n: 3 }, status: 'tool_error' }),
      record({ args: { n: 1 }, effect: 'deny', reason: 'The limit of a rule is spent.' }),
    ];
    const { learned: from, leftOut, read, text } = learn(records);
    const left = [...leftOut.values()].reduce((sum, count) => sum + count, 0);
    expect([from, left, read]).toEqual([1, 8, 9]);
    expect(text).toContain('#   1: refused (deny), not whole: nothing was compared with them\n');
    expect(text).toContain('#   1: lists and the like, which pass without a rule\n');
  });

  it('names paths of the project and the home by their variables', () => {
    const policy = learned(
      { path: '/project/a' },
      { path: '/home/user/.netrc' },
      { path: '/project' },
      { path: '/projects/x' },
      { path: '/project/${PROJECT}/b' },
    );
    for (const line of [
      '"${PROJECT}/a"',
      '"${HOME}/.netrc"',
      '"${PROJECT}"',
      '"/projects/x"',
      '"${PROJECT}/$${PROJECT}/b"',
    ])
      expect(policy.text).toContain(`- ${line} #`);
    expect([policy.allows({ path: '/project/${PROJECT}/b' }), policy.allows({ path: '/project//project/b' })]).toEqual([
      true,
      false,
    ]);
  });

  it('says of prose that it is text, and how long', () => {
    const policy = learned({ message: 'one' }, { message: 'two words' }, { message: 'three of them' });
    expect(policy.text).toContain('glob(args.message, \\"*\\") && size(args.message) <= 64');
    expect([
      policy.allows({ message: 'a\nb' }),
      policy.allows({ message: ['a'] }),
      policy.allows({ message: '' }),
    ]).toEqual([true, false, true]);
  });

  it('allows what was called, and no other tool, server, member or value', () => {
    const { text } = learn([record({ args: { mode: 'fast' } })]);
    const policy = compile(text);
    expect(decide(policy, record({ args: { mode: 'fast' } }))).toBe('allow');
    expect(decide(policy, record({ args: { mode: 'slow' } }))).toBe('deny');
    expect(decide(policy, record({ args: { mode: 'fast', force: true } }))).toBe('deny');
    expect(decide(policy, record({ args: {} }))).toBe('deny');
    expect(decide(policy, record({ args: { mode: 'fast' }, tool: 'other' }))).toBe('deny');
    expect(decide(policy, record({ args: { mode: 'fast' }, server: 'other' }))).toBe('deny');
  });

  it('cites its evidence', () => {
    const calls = [record({ args: { mode: 'fast' } }), record({ args: { mode: 'fast' } })];
    const { text } = learn(calls);
    expect(text).toContain('tool run on files: 2 calls, 1 different one, 2026-03-01T');
    expect(text).toContain(calls[0]?.id);
    expect(text).toContain(calls[1]?.id);
  });

  it('is the same text for the same records in another order of tools', () => {
    const a = record({ tool: 'a', args: { n: 1 } });
    const b = record({ tool: 'b', args: { n: 1 } });
    const rules = (text: string): string => text.slice(text.indexOf('rules:'));
    expect(rules(learn([a, b]).text)).toBe(rules(learn([b, a]).text));
  });

  it.each<[string, Json[], Json[], Json[]]>([
    [
      'a directory of three files stands for all below it',
      [{ path: '/project/src/a' }, { path: '/project/src/b' }, { path: 'src/c' }],
      [{ path: '/project/src/d' }, { path: '/project/src/x/y' }, { path: 'src/e' }],
      [
        { path: '/project/a' },
        { path: '/project/src/../../etc/passwd' },
        { path: '/project/srcs/a' },
        { path: '/project/src%2f..' },
      ],
    ],
    [
      'two files are two files',
      [{ path: '/project/src/a' }, { path: '/project/src/b' }],
      [{ path: '/project/src/a' }],
      [{ path: '/project/src/c' }, { path: '/project/src' }],
    ],
    [
      'the project itself is never meant by its files',
      [{ path: '/project/a' }, { path: '/project/b' }, { path: '/project/c' }],
      [{ path: '/project/b' }],
      [{ path: '/project/d' }, { path: '/project/.env' }],
    ],
    [
      'nothing outside the project is generalised',
      [
        { path: '/etc/a' },
        { path: '/etc/b' },
        { path: '/etc/c' },
        { path: '/home/user/x' },
        { path: '~/y' },
        { path: '/home/user/z' },
      ],
      [{ path: '/etc/a' }, { path: '~/y' }],
      [{ path: '/etc/d' }, { path: '/home/user/w' }, { path: '~/w' }],
    ],
    [
      'nothing hidden is generalised',
      [{ path: '/project/.ssh/a' }, { path: '/project/.ssh/b' }, { path: '/project/.ssh/c' }],
      [{ path: '/project/.ssh/a' }],
      [{ path: '/project/.ssh/d' }],
    ],
    [
      'numbers are a range once there are three',
      [{ count: 1 }, { count: 5 }, { count: 9 }],
      [{ count: 7 }],
      [{ count: 0 }, { count: 10 }, { count: '7' }],
    ],
    ['two numbers are two numbers', [{ count: 1 }, { count: 9 }], [{ count: 9 }], [{ count: 5 }]],
    [
      'numbers that name something are never a range',
      [{ account_id: 1 }, { account_id: 2 }, { account_id: 4 }, { account_id: 5 }],
      [{ account_id: 4 }],
      [{ account_id: 3 }],
    ],
    [
      'prose is free up to about its length',
      [{ message: 'one' }, { message: 'two' }, { message: 'three words here' }],
      [{ message: 'anything else' }],
      [{ message: 'x'.repeat(65) }, { message: 5 }, { message: ['x'.repeat(500)] }],
    ],
    [
      'addresses are never generalised, whatever the field is called',
      [{ message: 'a@x.example' }, { message: 'b@x.example' }, { message: 'c@x.example' }],
      [{ message: 'a@x.example' }],
      [{ message: 'evil@x.example' }, { message: 'hello' }],
    ],
    [
      'addresses are never generalised, with a name before them',
      [{ message: 'Ann <a@x.example>' }, { message: 'Bob <b@x.example>' }, { message: 'c@x.example, d@x.example' }],
      [{ message: 'Bob <b@x.example>' }],
      [{ message: 'Eve <e@x.example>' }],
    ],
    [
      'URLs are never generalised',
      [{ url: 'https://a.example/1' }, { url: 'https://a.example/2' }, { url: 'https://a.example/3' }],
      [{ url: 'https://a.example/2' }],
      [{ url: 'https://a.example/4' }, { url: 'https://b.example/1' }],
    ],
    [
      'hosts are exact',
      [{ host: 'a.example.com' }, { host: 'b.example.com' }, { host: 'c.example.com' }],
      [{ host: 'b.example.com' }],
      [{ host: 'd.example.com' }, { host: 'x.a.example.com' }, { host: 'example.com' }],
    ],
    [
      'commands are never generalised',
      [{ command: 'ls src' }, { command: 'ls lib' }, { command: 'ls test' }],
      [{ command: 'ls lib' }],
      [{ command: 'ls /' }, { command: 'ls lib; rm -rf /' }],
    ],
    [
      'SQL in a field of prose is a command',
      [{ query: 'SELECT 1' }, { query: 'SELECT 2' }, { query: 'SELECT 3' }],
      [{ query: 'SELECT 2' }],
      [{ query: 'DROP TABLE t' }],
    ],
    [
      'accounts are never generalised',
      [{ text: 'DE89 3704 0044 0532 0130 00' }, { text: 'x y' }, { text: 'y z' }],
      [{ text: 'x y' }],
      [{ text: 'GB29 NWBK 6016 1331 9268 19' }],
    ],
    ['truths are what was seen', [{ force: false }], [{ force: false }], [{ force: true }, { force: 'false' }]],
    [
      'lists hold what was seen in them',
      [{ to: ['a', 'b'] }, { to: ['c'] }],
      [{ to: ['a', 'c'] }, { to: [] }],
      [{ to: ['d'] }, { to: ['a', 'd'] }, { to: 'a' }],
    ],
    ['an empty list stays empty', [{ to: [] }], [{ to: [] }], [{ to: ['a'] }]],
    [
      'objects have no other members, nor their elements',
      [{ o: { a: 1 }, l: [{ n: 'x' }, { n: 'y' }] }],
      [{ o: { a: 1 }, l: [{ n: 'y' }] }],
      [
        { o: { a: 1, b: 2 }, l: [{ n: 'x' }] },
        { o: [{ a: 1, b: 2 }], l: [{ n: 'x' }] },
        { o: { a: 1 }, l: [{ n: 'x', m: 1 }] },
        { o: { a: 1 }, l: [{ n: 'z' }] },
        { o: { a: 1 }, l: [[{ n: 'x', m: 1 }]] },
      ],
    ],
    ['null is a value', [{ a: null }], [{ a: null }], [{ a: 'x' }, { a: 0 }, {}]],
    ['no members are no members', [{}], [{}], [{ a: 1 }]],
  ])('%s', (_what, seen, allowed, denied) => {
    const policy = learned(...seen);
    for (const args of [...seen, ...allowed]) expect(policy.allows(args), JSON.stringify(args)).toBe(true);
    for (const args of denied) expect(policy.allows(args), JSON.stringify(args)).toBe(false);
  });

  it('learns a call without arguments as such', () => {
    const params = record({ args: { name: 'run', _meta: { progressToken: 1 } } });
    const policy = compile(learn([params]).text);
    expect(decide(policy, params)).toBe('allow');
    expect(decide(policy, record({ args: { path: '/etc/passwd' } }))).toBe('deny');
  });

  it('learns prompts and resources by their names', () => {
    const prompt = record({ method: 'prompts/get', target: 'review', args: { lang: 'en' } });
    const resource = record({
      method: 'resources/read',
      target: 'file:///project/a*',
      args: { uri: 'file:///project/a*' },
    });
    const records = [prompt, resource].map(({ tool: _tool, ...rest }) => rest);
    const policy = compile(learn(records).text);
    for (const one of records) expect(decide(policy, one)).toBe('allow');
    expect(decide(policy, { ...(records[1] as Recorded), target: 'file:///project/ab' })).toBe('deny');
    expect(decide(policy, { ...(records[1] as Recorded), method: 'resources/subscribe' })).toBe('deny');
  });

  it.each<[string, Partial<Recorded>, RegExp]>([
    ['denied', { effect: 'deny', status: undefined }, /refused \(deny\)/],
    ['asked', { effect: 'ask', status: undefined }, /refused \(ask\)/],
    ['deferred', { effect: 'defer', status: undefined }, /refused \(defer\)/],
    ['failed', { status: 'tool_error' }, /ended otherwise than well/],
    ['lost', { status: 'lost' }, /ended otherwise than well/],
    ['unfinished', { status: undefined }, /without a known end/],
    ['cut', { truncated: 10 }, /not whole/],
    ['forgotten', { principal: undefined, args: undefined }, /forgotten/],
    ['tainted', { labels: ['untrusted'] }, /tainted/],
    ['flagged', { findings: [{ rule: 'aws', class: 'secret', pointer: '/a', confidence: 1 }] }, /flagged/],
  ])('leaves out what was %s, and counts it', (_what, over, comment) => {
    const { args: _args, ...rest } = over;
    const one = 'args' in over ? { ...record(rest), args: undefined } : record({ ...rest, args: { mode: 'x' } });
    const { text, learned: calls } = learn([one]);
    expect(calls).toBe(0);
    expect(text).toMatch(comment);
    expect(decide(compile(text), record({ args: { mode: 'x' } }))).toBe('deny');
  });

  it.each([
    [{ password: 'hunter2' }],
    [{ api_key: 'x' }],
    [{ value: 'Ab3dEf6hIj9kLm2nOp5qRs8tUv1w' }],
    [{ note: '[secret:aws-key]' }],
  ])('leaves out what looks like a credential: %j', (args) => {
    const { text, learned: calls } = learn([record({ args })]);
    expect(calls).toBe(0);
    for (const value of Object.values(args)) expect(text).not.toContain(value);
  });

  it('does not generalise over a call that was refused', () => {
    const seen = ['a', 'b', 'c'].map((name) => record({ args: { path: `/project/src/${name}` } }));
    const refused = record({ args: { path: '/project/src/secret' }, effect: 'deny', status: undefined });
    const policy = compile(learn([...seen, refused]).text);
    for (const one of seen) expect(decide(policy, one)).toBe('allow');
    expect(decide(policy, refused)).toBe('deny');
  });

  it('does not put seen values together into a call that was refused', () => {
    const seen = [record({ args: { from: 'a', to: 'x' } }), record({ args: { from: 'b', to: 'y' } })];
    const refused = record({ args: { from: 'a', to: 'y' }, effect: 'ask', status: undefined });
    const policy = compile(learn([...seen, refused]).text);
    for (const one of seen) expect(decide(policy, one)).toBe('allow');
    expect(decide(policy, refused)).toBe('deny');
  });

  it('leaves out what was refused at another time, but not for a limit alone', () => {
    const args = { mode: 'x' };
    const twin = record({ args, effect: 'deny', status: undefined });
    expect(learn([record({ args }), twin]).learned).toBe(0);
    expect(learn([record({ args }), { ...twin, reason: 'The limit of a rule is spent.' }]).learned).toBe(1);
  });

  it('asks for tools without a record, and believes trusted servers alone', () => {
    const annotations = { servers: ['files', 'other'], trusted: new Set(['files']) };
    const { text } = learn([record({ args: { mode: 'x' } })], { annotations });
    const policy = compile(text);
    const call = (server: string, tool: string, hints?: object): string =>
      policy.decide({
        direction: 'call',
        server,
        method: 'tools/call',
        tool,
        principal: { id: 'me', roles: [], chain: [], assurance: 'same-user' },
        ...(hints === undefined ? {} : { annotations: hints }),
        args: () => ({ mode: 'y' }),
        realPath: (path) => path,
      }).effect;
    expect(call('files', 'new', { readOnlyHint: true })).toBe('allow');
    expect(call('files', 'new', {})).toBe('ask');
    expect(call('files', 'new')).toBe('ask');
    expect(call('files', 'new', { readOnlyHint: false, destructiveHint: true })).toBe('ask');
    expect(call('other', 'new', { readOnlyHint: true })).toBe('ask');
    expect(call('files', 'run', { readOnlyHint: true })).toBe('deny');
    expect(call('third', 'new', { readOnlyHint: true })).toBe('deny');
  });
});

describe('whoever can call tools while it is learned', () => {
  const honest = ['a', 'b', 'c'].map((name) => record({ args: { path: `/project/src/${name}` } }));

  it.each([
    '/etc/passwd',
    '/project/secrets/key',
    '/project/.env',
    '/',
    '/project',
    '/home/user',
    '../../etc/shadow',
    '~/.ssh/id',
  ])('widens no directory by %s, which stands in a line of its own with its count', (path) => {
    const outlier = record({ args: { path } });
    const { text } = learn([...honest, outlier]);
    const policy = compile(text);
    const written = path.replace(/^\/project(?=\/|$)/, '$${PROJECT}').replace(/^\/home\/user(?=\/|$)/, '$${HOME}');
    expect(text).toContain(`- ${JSON.stringify(written)} # 1 call; first ${outlier.id}`);
    expect(text).toContain('under: "${PROJECT}/src" # 3 calls, 3 files');
    for (const other of ['/etc/shadow', '/project/secrets/other', '/project/x', '/home/user/x', '/x'])
      expect(decide(policy, record({ args: { path: other } }))).toBe('deny');
  });

  it('widens no directory by a link that leads out of the project, nor by one that is gone', () => {
    const records = ['link', 'gone', 'src'].flatMap((dir) =>
      ['a', 'b', 'c'].map((name) => record({ args: { path: `/project/${dir}/${name}` } })),
    );
    const real = new Map([
      ['/project', '/project'],
      ['/project/src', '/project/src'],
      ['/project/link', '/etc'],
    ]);
    const { text } = learn(records, { realPath: (path) => real.get(path) });
    expect(text.match(/under: .*/g)).toEqual([expect.stringContaining('"${PROJECT}/src"')]);
    expect(text).toContain('- "${PROJECT}/link/a" # 1 call');
  });

  it('widens no host, no range and no list without a line that says so', () => {
    const hosts = ['a.example.com', 'b.example.com', 'evil.example'].map((host) => record({ args: { host } }));
    const { text } = learn(hosts);
    expect(text).toContain(`- "evil.example" # 1 call; first ${hosts[2]?.id}`);
    const amounts = [1, 2, 3, 4, 1_000_000].map((amount) => record({ args: { amount } }));
    const policy = compile(learn(amounts).text);
    expect(decide(policy, record({ args: { amount: 500 } }))).toBe('deny');
    expect(learn(amounts).text).toContain(`- 1000000 # 1 call; first ${amounts[4]?.id}`);
    const often = [...amounts, ...amounts.slice(4), ...amounts.slice(4)];
    expect(decide(compile(learn(often).text), record({ args: { amount: 500 } }))).toBe('deny');
  });

  it('cannot break out of comments, texts or names', () => {
    const evil = 'x"\n  - id: evil\n    match: { tool: "*" }\n    effect: allow\n#\u2028\u0085${HOME} $${HOME} \\';
    const records = [
      record({ args: { note: evil } }),
      record({ args: { note: 'a' }, tool: evil.replaceAll('${HOME}', '') }),
      record({ args: { note: 'a' }, server: 'a"\n- b*' }),
      record({ args: { [evil]: 'a' } }),
    ];
    const { text } = learn(records);
    const policy = compile(text);
    expect(policy.rules.every(({ name }) => name.startsWith('learned/'))).toBe(true);
    expect(decide(policy, records[0] as Recorded)).toBe('allow');
    expect(decide(policy, record({ tool: 'anything', args: {} }))).toBe('deny');
    expect(decide(policy, record({ server: 'a"\n- bX', args: { note: 'a' } }))).toBe('deny');
  });

  it('cannot make a policy too long to load', () => {
    const honest = record({ tool: 'a', args: { mode: 'x' } });
    const flood = Array.from({ length: 1200 }, (_, n) =>
      record({
        tool: `t${n % 12}`,
        args: { [`k${n % 24}`]: `${n}`.padEnd(480, 'x'), [`l${n % 24}`]: `${n}`.padEnd(480, 'y') },
      }),
    );
    const { text, leftOut } = learn([honest, ...flood]);
    expect(text.length).toBeLessThan(1_000_000);
    expect(leftOut.get('beyond the size of a policy file')).toBeGreaterThan(0);
    expect(decide(compile(text), honest)).toBe('allow');
  });

  it('gains nothing by many values: what is beyond the list is left out', () => {
    const many = Array.from({ length: 300 }, (_, n) => record({ args: { url: `https://evil.example/${n}` } }));
    const often = [1, 2].map(() => record({ args: { url: 'https://good.example/' } }));
    const { text, learned: calls } = learn([...many, ...often]);
    expect(calls).toBe(101);
    expect(text).toContain('201: beyond the number of values');
    expect(decide(compile(text), often[0] as Recorded)).toBe('allow');
  });
});

describe('learning from any traffic', () => {
  const scalar = fc.oneof(
    fc.constantFrom(
      'a',
      'b',
      'fast',
      '/project/src/a',
      '/project/src/b',
      'src/c',
      '/etc/passwd',
      'https://a.example/x',
      'a@b.c',
      '',
      '${HOME}',
      '*',
      'null',
      '1',
    ),
    fc.string({ maxLength: 20 }),
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc.integer({ min: -5, max: 50 }),
    fc.double({ noDefaultInfinity: true, noNaN: true }),
    fc.boolean(),
    fc.constant(null),
  );
  const value = fc.oneof(
    { weight: 6, arbitrary: scalar },
    { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }) },
    { weight: 1, arbitrary: fc.dictionary(fc.constantFrom('n', 'm.x'), scalar, { maxKeys: 2 }) },
    {
      weight: 1,
      arbitrary: fc.array(fc.dictionary(fc.constantFrom('n', '0'), scalar, { maxKeys: 2 }), { maxLength: 2 }),
    },
  );
  const key = fc.oneof(
    fc.constantFrom('path', 'message', 'n', 'amount', 'a.b', 'in', 'url', '*', 'host', 'id'),
    fc.string({ maxLength: 4 }),
  );
  const call = fc.record({
    args: fc.dictionary(key, value, { maxKeys: 3 }),
    tool: fc.constantFrom('read', 'write', 'x*'),
    effect: fc.constantFrom('allow' as const, 'allow' as const, 'allow' as const, 'deny' as const, 'ask' as const),
  });

  it('gives a policy that loads, allows as many calls as it says, and none that was refused', () => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 12 }), (calls) => {
        const records = calls.map(({ args, tool, effect }) =>
          record({ args: args as Json, tool, effect, status: effect === 'allow' ? 'ok' : undefined }),
        );
        const result = learn(records);
        const policy = compile(result.text);
        const allowed = records.filter((one) => decide(policy, one) === 'allow');
        expect(allowed.every(({ effect }) => effect === 'allow')).toBe(true);
        expect(allowed.length).toBeGreaterThanOrEqual(result.learned);
        const left = [...result.leftOut].reduce((sum, [, n]) => sum + n, 0);
        expect([result.learned + left, result.read]).toEqual([records.length, records.length]);
      }),
      { numRuns: 300 },
    );
  });
});
