import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, received, SECRET, sleep, within, type LogRecord } from './peers/gate.ts';
import { type RawClient, textOf, type Message } from './peers/raw-client.ts';

const ALL = '  - { id: all, match: { method: "*" }, effect: allow }\n';

let bench: Bench;
afterEach(async () => bench.close());

/** A gate with these rules before one that allows everything, in front of the echo server. */
async function start(
  rules: string,
  more: {
    readonly again?: boolean;
    readonly server?: readonly string[];
    readonly flags?: readonly string[];
    readonly session?: string;
  } = {},
): Promise<RawClient> {
  if (more.again !== true) bench = new Bench(`version: 1\nrules:\n${rules}\n${ALL}`);
  const flags = more.flags === undefined ? {} : { flags: more.flags };
  const env = { ...bench.env, ...(more.session === undefined ? {} : { CALLGATE_SESSION: more.session }) };
  return bench.connect(bench.gated(more.server ?? bench.echo(), { name: 'fx', ...flags }), { env });
}

/** The `tools/call` lines that arrived at the server. */
const arrived = (): string[] => received(bench.path('seen')).filter((line) => line.includes('"tools/call"'));
const isRefused = (answer: Message): boolean => answer.result?.isError === true || answer.error !== undefined;
/** What stands in clear in the records, once all gates have ended. */
async function evidence(): Promise<string> {
  await bench.disconnect();
  expect((await bench.callgate('audit', 'verify')).code).toBe(0);
  const entries = join(bench.home, 'evidence', 'tile', 'entries');
  const files = readdirSync(entries, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  return files.map((file) => readFileSync(join(file.parentPath, file.name), 'latin1')).join('\n');
}
async function recordsOf(rule: string): Promise<readonly LogRecord[]> {
  await bench.disconnect();
  return (await bench.logs()).filter((record) => record.matchedRule === rule);
}

describe('set and clamp', () => {
  it('put values into the arguments and leave every other byte as it came', async () => {
    const client = await start(`
  - id: dry
    match: { tool: args }
    obligations:
      - set: { dry_run: true, "options.limit": 10, "options.deep.x": "é\\"" }
      - clamp: { count: { min: 1, max: 100 }, "options.size": { max: 5 } }`);
    client.send(
      '{"jsonrpc":"2.0", "id":7,"method":"tools/call","params":{"_meta":{"x":1.0e2},"name":"args","arguments":{ "big":12345678901234567890 ,"count":1e9,"options":{"size" : 7},"u":"\\u00e9" }} }',
    );
    const answer = await client.until(() => client.answerTo(7));
    expect(answer).toBeDefined();
    expect(arrived()).toEqual([
      Buffer.from(
        '{"jsonrpc":"2.0", "id":7,"method":"tools/call","params":{"_meta":{"x":1.0e2},"name":"args","arguments":{ "big":12345678901234567890 ,"count":100,"options":{"size" : 5,"limit":10,"deep":{"x":"é\\""}},"u":"\\u00e9","dry_run":true }} }',
      ).toString('latin1'),
    ]);
    const [record] = (await recordsOf('all')).filter(({ toolName }) => toolName === 'args');
    expect(record?.arguments).toMatchObject({ options: { size: 7 } });
    expect(await evidence()).toContain('"obligations":["set:dry","clamp:dry","edited:args"]');
  });

  it('come before a redaction, which sees what they have left', async () => {
    const client = await start(`
  - id: mask
    match: { tool: args }
    obligations: [{ redact: { classes: [secret] } }]
  - id: put
    match: { tool: args }
    obligations: [{ set: { token: "${SECRET}", note: plain } }, { clamp: { n: { max: 3 } } }]`);
    const answer = await client.call('args', { n: 9, key: SECRET });
    expect(JSON.parse(textOf(answer))).toEqual({ n: 3, key: '[redacted]', token: '[redacted]', note: 'plain' });
  });

  it('make arguments that a call has not', async () => {
    const client = await start('  - { id: put, match: { tool: args }, obligations: [{ set: { a.b: 1 } }] }');
    const answer = await client.request('tools/call', { name: 'args' });
    expect(textOf(answer)).toBe('{"a":{"b":1}}');
  });

  it.each([
    ['text in place of a number', { n: 'many' }],
    ['text where an object should be', { o: 'x', n: 1 }],
    ['nothing where an object should be', { o: null, n: 1 }],
  ])('refuse a call with %s, which does not arrive', async (_what, args) => {
    const client = await start(
      '  - { id: shape, match: { tool: args }, obligations: [{ set: { o.k: 1 } }, { clamp: { n: { max: 5 } } }] }',
    );
    const answer = await client.call('args', args);
    expect(textOf(answer)).toMatch(/denied the call of "args" \(rule "shape"\).*cannot be changed/);
    expect(arrived()).toEqual([]);
  });

  it('refuse a call on which two rules disagree', async () => {
    const client = await start(`
  - { id: one, match: { tool: args }, obligations: [{ set: { a: 1 } }] }
  - { id: two, match: { tool: args }, obligations: [{ set: { a: 2 } }] }`);
    expect(textOf(await client.call('args'))).toMatch(/rules "one" and "two" set a differently/);
    expect(arrived()).toEqual([]);
  });

  it('cannot be used to put keys of prototypes into arguments, and keep those that came', async () => {
    const client = await start('  - { id: put, match: { tool: args }, obligations: [{ set: { a: 1 } }] }');
    client.send(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"args","arguments":{"__proto__":{"b":2}}}}',
    );
    await client.until(() => client.answerTo(1));
    expect(arrived()).toEqual([
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"args","arguments":{"__proto__":{"b":2},"a":1}}}',
    ]);
  });

  it('hold bounds of what the server asks for', async () => {
    const server = `
      const say = (message) => console.log(JSON.stringify({ jsonrpc: '2.0', ...message }));
      require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
        const { id, method, result } = JSON.parse(line);
        if (method === 'initialize')
          say({ id, result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } } });
        if (method === 'notifications/initialized')
          say({ id: 's1', method: 'sampling/createMessage', params: { messages: [], maxTokens: 100000 } });
      });`;
    const client = await start(
      '  - { id: few, match: { direction: request, method: sampling/createMessage }, effect: allow, obligations: [{ clamp: { maxTokens: { max: 500 } } }] }',
      { server: [process.execPath, '-e', server] },
    );
    const asked = await client.until(() =>
      client.lines.find((line) => line.message?.method === 'sampling/createMessage'),
    );
    expect(asked?.message?.params).toEqual({ messages: [], maxTokens: 500 });
  });
});

describe('budget', () => {
  const REFUNDS =
    '  - { id: refunds, match: { tool: [args, fail, late, nope, exit] }, effect: allow, obligations: [{ budget: { key: [principal, day], amount: args.amount, max: 2000 } }] }';

  it('is never overspent by calls that run at once: of 20 of 150 each, 13 pass a budget of 2000', async () => {
    const client = await start(REFUNDS);
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => client.call('late', { ms: 50, amount: 150 })),
    );
    expect(answers.filter((answer) => !isRefused(answer))).toHaveLength(13);
    expect(arrived()).toHaveLength(13);
    const refused = answers.find(isRefused) as Message;
    expect(textOf(refused)).toMatch(/denied the call of "late" \(rule "refunds"\).* 50 is left, and this takes 150/);
    expect(isRefused(await client.call('args', { amount: 50 }))).toBe(false);
    expect(textOf(await client.call('args', { amount: '0.01' }))).toMatch(/ 0 is left/);
  });

  it('gets back what a call that fails was to spend', async () => {
    const client = await start(REFUNDS);
    for (let n = 0; n < 3; n++) {
      expect(textOf(await client.call('fail', { amount: 1500 }))).toBe('this tool always fails');
      expect((await client.call('nope', { amount: 1500 })).error?.code).toBe(-32602);
    }
    expect(isRefused(await client.call('args', { amount: 2000 }))).toBe(false);
    expect(isRefused(await client.call('args', { amount: 1 }))).toBe(true);
  });

  it('is one for two gates of a home, and outlives them', async () => {
    const one = await start(REFUNDS);
    const two = await start('', { again: true });
    const answers = await Promise.all(
      [...Array(20)].map(async (_, n) => (n % 2 === 0 ? one : two).call('late', { ms: 20, amount: 150 })),
    );
    expect(answers.filter((answer) => !isRefused(answer))).toHaveLength(13);
    await Promise.all([one.close(), two.close()]);
    const three = await start('', { again: true });
    expect(isRefused(await three.call('args', { amount: 150 }))).toBe(true);
    expect(isRefused(await three.call('args', { amount: 50 }))).toBe(false);
  });

  it('stays spent when nobody knows what became of the call', async () => {
    const client = await start(REFUNDS);
    client.send(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"late","arguments":{"ms":60000,"amount":900}}}',
    );
    client.notify('notifications/cancelled', { requestId: 1 });
    expect((await client.call('exit', { code: 0, amount: 900 })).error).toBeDefined();
    await client.ended;
    const next = await start('', { again: true });
    expect(textOf(await next.call('args', { amount: 300 }))).toMatch(/ 200 is left/);
  });

  it.each([
    ['missing', {}],
    ['negative', { amount: -100 }],
    ['text', { amount: 'lots' }],
    ['a list', { amount: [1] }],
    ['null', { amount: null }],
    ['beyond all numbers', { amount: '9'.repeat(200) }],
  ])('refuses a call whose amount is %s, and stays as it was', async (_what, args) => {
    const client = await start(REFUNDS);
    expect(textOf(await client.call('args', args))).toMatch(/What it spends of the budget cannot be told/);
    expect(isRefused(await client.call('args', { amount: 2000 }))).toBe(false);
  });

  it('takes of several budgets all or nothing', async () => {
    const client = await start(`
  - id: both
    match: { tool: args }
    effect: allow
    obligations:
      - budget: { key: [tool], amount: args.a, max: 100 }
      - budget: { key: [server, month], amount: args.b, max: 100 }`);
    expect(isRefused(await client.call('args', { a: 60, b: 150 }))).toBe(true);
    expect(isRefused(await client.call('args', { a: 150, b: 60 }))).toBe(true);
    expect(isRefused(await client.call('args', { a: 100, b: 100 }))).toBe(false);
    expect(textOf(await client.call('args', { a: 0, b: 1 }))).toMatch(/\(server, month\) 0 is left/);
  });

  it('adds decimals exactly, as numbers and as text', async () => {
    const client = await start(
      '  - { id: cents, match: { tool: args }, effect: allow, obligations: [{ budget: { amount: args.amount, max: 0.3 } }] }',
    );
    for (const amount of [0.1, '0.10', 0.1]) expect(isRefused(await client.call('args', { amount }))).toBe(false);
    expect(isRefused(await client.call('args', { amount: '0.000000000000000001' }))).toBe(true);
  });

  it('is not reserved from when a rate is spent', async () => {
    const client = await start(
      '  - { id: few, match: { tool: args }, effect: allow, obligations: [{ rate: { max: 1, per: 1h, key: [session] } }, { budget: { amount: args.amount, max: 100 } }] }',
    );
    expect(isRefused(await client.call('args', { amount: 10 }))).toBe(false);
    for (let n = 0; n < 3; n++)
      expect(textOf(await client.call('args', { amount: 90 }))).toMatch(/limit of rule "few" is spent/);
    await client.close();
    const next = await start('', { again: true, session: 'next' });
    expect(isRefused(await next.call('args', { amount: 90 }))).toBe(false);
  });

  it('is charged once for a call that is retried with answers of the client', async () => {
    const server = `
      const say = (message) => console.log(JSON.stringify({ jsonrpc: '2.0', ...message }));
      require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
        const { id, method, params } = JSON.parse(line);
        if (method === 'initialize')
          say({ id, result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } } });
        if (method !== 'tools/call') return;
        if (params.inputResponses) say({ id, result: { resultType: 'complete', content: [{ type: 'text', text: 'paid' }] } });
        else say({ id, result: { resultType: 'input_required', requestState: 'state-' + id, inputRequests: { sure: { method: 'elicitation/create', params: { message: 'Sure?' } } } } });
      });`;
    const client = await start(
      '  - { id: pay, match: { tool: pay }, effect: allow, obligations: [{ budget: { amount: args.amount, max: 100 } }] }\n  - { id: asking, match: { direction: request, method: elicitation/create }, effect: allow }',
      { server: [process.execPath, '-e', server] },
    );
    const pay = async (amount: number, more: object = {}) =>
      client.request('tools/call', { name: 'pay', arguments: { amount }, ...more });
    const first = await pay(60);
    expect(first.result?.resultType).toBe('input_required');
    expect(textOf(await pay(60))).toMatch(/ 40 is left/);
    const retry = { inputResponses: { sure: { action: 'accept' } }, requestState: first.result?.requestState };
    expect(textOf(await pay(60, retry))).toBe('paid');
    expect(textOf(await pay(60, retry))).toMatch(/ 40 is left/);
    expect((await pay(40)).result?.resultType).toBe('input_required');
  });
});

describe('defer', () => {
  const LATER =
    '  - { id: later, match: { tool: args }, effect: defer, retryAfter: 30s, reason: The nightly job runs }';

  it('refuses for now and says when to try again', async () => {
    const client = await start(LATER);
    expect(textOf(await client.call('args'))).toMatch(
      /deferred the call of "args" \(rule "later"\)\. The nightly job runs\. Try again in 30 s\./,
    );
    expect(arrived()).toEqual([]);
    expect(await recordsOf('later')).toMatchObject([{ decision: 'defer' }]);
  });

  it('says so in the data of an error, with a code of its own', async () => {
    const client = await start('  - { id: later, match: { method: resources/read }, effect: defer }');
    const { error } = await client.request('resources/read', { uri: 'file:///x' });
    expect(error).toMatchObject({ code: -31009, data: { rule: 'later', retryAfterMs: 60_000 } });
  });
});

describe('rate', () => {
  it('lets a burst go at once, and then one at a time', async () => {
    const client = await start(
      '  - { id: bucket, match: { tool: args }, effect: allow, obligations: [{ rate: { max: 30, per: 1m, burst: 2, key: [user] } }] }',
    );
    const first = await Promise.all([1, 2, 3, 4].map(async () => client.call('args')));
    expect(first.map(isRefused)).toEqual([false, false, true, true]);
    await sleep(2100);
    expect([isRefused(await client.call('args')), isRefused(await client.call('args'))]).toEqual([false, true]);
  });

  it('holds in several windows at once', async () => {
    const client = await start(
      '  - { id: windows, match: { tool: args }, effect: allow, obligations: [{ rate: { max: 2, per: 1s } }, { rate: { max: 3, per: 1h } }] }',
    );
    const first = await Promise.all([1, 2, 3].map(async () => client.call('args')));
    expect(first.map(isRefused)).toEqual([false, false, true]);
    await sleep(1100);
    expect([isRefused(await client.call('args')), isRefused(await client.call('args'))]).toEqual([false, true]);
    expect(textOf(await client.call('args'))).toMatch(/Try again in 3[0-9]{3} s/);
  });

  it('of a session is one for all gates that an agent starts', async () => {
    const client = await start(
      '  - { id: once, match: { tool: args }, effect: allow, obligations: [{ rate: { max: 1, per: 1h, key: [session] } }] }',
    );
    expect([isRefused(await client.call('args')), isRefused(await client.call('args'))]).toEqual([false, true]);
    const other = await start('', { again: true });
    expect(isRefused(await other.call('args'))).toBe(true);
  });
});

describe('sandbox, label, log and alert', () => {
  it('a call that may only run in a sandbox does not run', async () => {
    const client = await start(
      '  - { id: confined, match: { tool: args }, effect: allow, obligations: [{ sandbox: { profile: strict } }] }',
    );
    expect(textOf(await client.call('args'))).toMatch(
      /\(rule "confined"\).*only run in a sandbox \(profile "strict"\)/,
    );
    expect(arrived()).toEqual([]);
  });

  it('a label that a result leaves is seen by the calls after it', async () => {
    const client = await start(`
  - { id: taint, match: { direction: result, tool: give }, obligations: [{ label: { add: [untrusted] } }] }
  - { id: no-exfiltration, match: { tool: args }, when: "'untrusted' in labels", effect: deny }`);
    expect(isRefused(await client.call('args'))).toBe(false);
    expect(isRefused(await client.call('give', { value: 'x' }))).toBe(false);
    expect(textOf(await client.call('args'))).toMatch(/rule "no-exfiltration"/);
  });

  it('a call that is refused leaves no label', async () => {
    const client = await start(`
  - { id: mark, match: { tool: fail }, obligations: [{ label: { add: [marked] } }] }
  - { id: no, match: { tool: fail }, effect: deny }
  - { id: only-unmarked, match: { tool: args }, when: "'marked' in labels", effect: deny }`);
    expect(isRefused(await client.call('fail'))).toBe(true);
    expect(isRefused(await client.call('args'))).toBe(false);
  });

  it('are told on stderr and named in the evidence, whether the call passes or not', async () => {
    const client = await start(
      `
  - { id: watch, match: { tool: args }, obligations: [{ log: { message: somebody looks } }] }
  - { id: alarm, match: { tool: fork }, effect: deny, obligations: [{ alert: { severity: critical, message: somebody forks } }] }`,
      { flags: ['--log-level', 'info'] },
    );
    expect(isRefused(await client.call('args'))).toBe(false);
    expect(isRefused(await client.call('fork'))).toBe(true);
    await within(5000, () => client.stderr.includes('somebody forks'));
    expect(client.stderr).toMatch(
      /info: Rule "watch" matched tools\/call "args" \(call\) on server "fx", which passes\. somebody looks/,
    );
    expect(client.stderr).toMatch(
      /warn: Alert \(critical\): Rule "alarm" matched tools\/call "fork".* is refused\. somebody forks/,
    );
    expect(await evidence()).toMatch(/"obligations":\["alert:alarm"\]/);
    expect(await evidence()).toMatch(/"obligations":\["log:watch"\]/);
  });
});
