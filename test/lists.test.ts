import { renameSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { ALLOW_ALL, Bench, peer, SECRET, sleep } from './peers/gate.ts';
import { type RawClient } from './peers/raw-client.ts';

const tool = (name: string, rest = ''): string => `{"name":"${name}", "inputSchema" : {"type":"object"}${rest}}`;
const INITIALIZED = JSON.stringify({
  protocolVersion: '2025-11-25',
  capabilities: { tools: { listChanged: true }, prompts: {}, resources: { listChanged: false } },
  serverInfo: { name: 'lists', version: '1' },
});
const MODERN = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };

let bench: Bench;
let asked = 0;
afterEach(async () => bench.close());

async function start(
  policy: string | undefined,
  results: Readonly<Record<string, string>>,
  settings: Readonly<Record<string, string>> = {},
): Promise<RawClient> {
  bench = new Bench(policy);
  writeFileSync(bench.path('results.json'), JSON.stringify({ initialize: INITIALIZED, ...results }));
  const server = [process.execPath, peer('list-server.mjs'), bench.path('results.json')];
  return bench.connect(bench.gated(server, { policy: policy !== undefined }), { env: { ...bench.env, ...settings } });
}

/** The text of the result of a list, as the client got it. */
async function listed(client: RawClient, method: string, params: object = {}): Promise<string> {
  const id = `list-${++asked}`;
  await client.request(method, params, id);
  const line = client.answerTo(id)?.text ?? '';
  return line.slice(line.indexOf('"result":') + 9, -1);
}

const RULES = `version: 1
rules:
  - { id: read, match: { tool: "read*" }, effect: allow }
  - { id: careful, match: { tool: write }, args: { path: { startsWith: /tmp } }, effect: allow }
  - { id: ask, match: { tool: send }, effect: ask }
  - { id: mine, match: { prompt: mine }, effect: allow }
  - { id: files, match: { resource: "file:///project/*" }, effect: allow }
`;

describe('a list', () => {
  it('leaves out what is always denied; every other byte stays as the server wrote it', async () => {
    const entries = ['remove', 'read', 'drop', 'write', 'send', 'wipe'].map((name) => tool(name));
    const client = await start(RULES, {
      'tools/list': `{ "tools" : [ ${entries.join(' ,\t')} ], "nextCursor":"page\\u00202", "x":1e2 }`,
    });
    const kept = [tool('read'), tool('write'), tool('send')];
    expect(await listed(client, 'tools/list')).toBe(
      `{ "tools" : [ ${kept.join(' ,\t')} ], "nextCursor":"page\\u00202", "x":1e2 }`,
    );
    const [record] = (await bench.logs()).filter(({ method }) => method === 'tools/list');
    expect(record).toMatchObject({ decision: 'allow', status: 'ok', reason: '3 of the list hidden' });
    expect((await client.call('remove')).result?.isError).toBe(true);
    expect((await client.call('read')).result?.isError).toBeUndefined();
  });

  it.each([
    [['remove'], '[]'],
    [['remove', 'drop'], '[]'],
    [['read', 'remove', 'drop'], `[${tool('read')}]`],
    [['remove', 'drop', 'read'], `[${tool('read')}]`],
    [['remove', 'read', 'drop', 'read2', 'wipe'], `[${tool('read')},${tool('read2')}]`],
    [[], '[]'],
  ])('of %j is well-formed when what is denied has gone', async (names, kept) => {
    const client = await start(RULES, { 'tools/list': `{"tools":[${names.map((name) => tool(name)).join(',')}]}` });
    expect(await listed(client, 'tools/list')).toBe(`{"tools":${kept}}`);
  });

  it('of prompts, resources and templates is filtered by the same rules', async () => {
    const client = await start(RULES, {
      'prompts/list': '{"prompts":[{"name":"mine"},{"name":"theirs"}]}',
      'resources/list':
        '{"resources":[{"uri":"file:///etc/passwd","name":"p"},{"uri":"file:///project/a","name":"a"}]}',
      'resources/templates/list':
        '{"resourceTemplates":[{"uriTemplate":"file:///project/{x}","name":"x"},{"uriTemplate":"file:///{+y}","name":"y"}]}',
    });
    expect(await listed(client, 'prompts/list')).toBe('{"prompts":[{"name":"mine"}]}');
    expect(await listed(client, 'resources/list')).toBe('{"resources":[{"uri":"file:///project/a","name":"a"}]}');
    expect(await listed(client, 'resources/templates/list')).toContain('file:///{+y}');
  });

  it('that lacks something is private and short-lived, on later pages too', async () => {
    const page = (name: string): string => `{"tools":[${tool(name)}],"ttlMs":3600000,"cacheScope":"public"}`;
    const client = await start(RULES, { 'tools/list': page('remove') });
    expect(await listed(client, 'tools/list', { _meta: MODERN })).toBe(
      '{"tools":[],"ttlMs":60000,"cacheScope":"private"}',
    );
    await bench.close();

    const bare = await start(RULES, { 'tools/list': `{"tools":[${tool('remove')}]}` });
    expect(await listed(bare, 'tools/list', { _meta: MODERN })).toBe(
      '{"tools":[],"cacheScope":"private","ttlMs":60000}',
    );
    expect(await listed(bare, 'tools/list')).toBe('{"tools":[]}');
  });

  it.each([
    ['without a policy', undefined, {}],
    ['where everything is allowed', ALLOW_ALL, {}],
    ['where the setting says so', RULES, { CALLGATE_LISTS__FILTER: 'false' }],
  ])('stays as it is %s', async (_name, policy, settings) => {
    const text = `{"tools":[${tool('remove')} , ${tool('read')}],"ttlMs":3600000,"cacheScope":"public"}`;
    const client = await start(policy, { 'tools/list': text }, settings);
    expect(await listed(client, 'tools/list', { _meta: MODERN })).toBe(text);
  });

  it('with entries that have no proper name keeps them: nobody can call them', async () => {
    const odd = '{"tools":[7,{"name":7},{},null,{"name":"rem\\u006fve"}]}';
    const client = await start(RULES, { 'tools/list': odd });
    expect(await listed(client, 'tools/list')).toBe('{"tools":[7,{"name":7},{},null]}');
  });

  it('is redacted and filtered together', async () => {
    const client = await start(
      `${RULES}  - { id: strip, match: { method: tools/list, direction: result }, obligations: [{ redact: { classes: [secret] } }] }\n`,
      { 'tools/list': `{"tools":[${tool('remove', `,"d":"${SECRET}"`)},${tool('read', `,"d":"${SECRET}"`)}]}` },
    );
    expect(await listed(client, 'tools/list')).toBe(`{"tools":[${tool('read', ',"d":"[redacted]"')}]}`);
  });

  it('that another policy would show otherwise is announced to a client that has seen it, once', async () => {
    const client = await start(RULES, { 'tools/list': `{"tools":[${tool('remove')}]}` });
    expect(await listed(client, 'tools/list')).toBe('{"tools":[]}');
    await listed(client, 'resources/list');
    writeFileSync(`${bench.policy}.new`, ALLOW_ALL);
    renameSync(`${bench.policy}.new`, bench.policy);
    const announced = (): string[] =>
      client.lines.map(({ text }) => text).filter((text) => text.includes('list_changed'));
    for (let tries = 0; tries < 100 && announced().length === 0; tries++) {
      await sleep(50);
      await client.request('ping');
    }
    await client.request('ping');
    expect(announced()).toEqual(['{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}']);
    expect(await listed(client, 'tools/list')).toContain('remove');
  });
});
