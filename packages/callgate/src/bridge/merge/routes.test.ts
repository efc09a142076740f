import { describe, expect, it } from 'vitest';
import { Client, META, serverOf, settled, type Answering, type Fields, type ScriptedServer } from './testing.ts';

const LEGACY_CAPABILITIES = { tools: {}, resources: { subscribe: true }, prompts: {}, logging: {}, tasks: {} };

/** A server with resources too. */
const library = (
  name: string,
  uris: readonly string[],
  templates: readonly string[] = [],
  more: Answering = () => undefined,
) =>
  serverOf(name, [], (request, self) => {
    const said = more(request, self);
    if (said !== undefined) return said;
    switch (request.method) {
      case 'initialize':
        return { result: { protocolVersion: '2025-11-25', capabilities: LEGACY_CAPABILITIES } };
      case 'resources/list':
        return { result: { resources: uris.map((uri) => ({ uri, name: 'n' })) } };
      case 'resources/templates/list':
        return { result: { resourceTemplates: templates.map((uriTemplate) => ({ uriTemplate, name: 'n' })) } };
      case 'prompts/list':
        return { result: { prompts: [{ name: 'greet' }] } };
      case 'resources/read':
      case 'resources/subscribe':
      case 'prompts/get':
      case 'completion/complete':
      case 'logging/setLevel':
      case 'tasks/get':
        return { result: { by: name } };
      default:
        return undefined;
    }
  });
const legacy = async (servers: readonly ScriptedServer[], over: ConstructorParameters<typeof Client>[2] = {}) => {
  const client = new Client('legacy', servers, over);
  await client.hello();
  return client;
};
const byOf = (answer: { readonly result?: Fields }): unknown => answer.result?.['by'];

describe('resources of many servers', () => {
  it('keep their URIs, which are read where they are listed; one that two have is told apart by its server', async () => {
    const [a, b] = [library('a', ['x:1']), library('b', ['x:1', 'x:2'])];
    const client = await legacy([a, b]);
    const list = await client.ask('resources/list');
    expect(list.result!.resources!.map(({ uri }) => uri)).toEqual(['x:1', 'b+x:1', 'x:2']);
    expect(byOf(await client.ask('resources/read', { uri: 'x:1' }))).toBe('a');
    expect(byOf(await client.ask('resources/subscribe', { uri: 'b+x:1' }))).toBe('b');
    expect(b.asked('resources/subscribe')[0]?.params).toEqual({ uri: 'x:1' });
    b.say({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'x:1' } });
    a.say({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'x:1' } });
    expect(client.told('notifications/resources/updated').map(({ params }) => params!.uri)).toEqual(['b+x:1', 'x:1']);
  });

  it('are found by template, after the lists were read once', async () => {
    const [a, b] = [library('a', ['x:1']), library('b', [], ['file:///{path}'])];
    const client = await legacy([a, b]);
    expect(byOf(await client.ask('resources/read', { uri: 'file:///p' }))).toBe('b');
    expect(byOf(await client.ask('resources/read', { uri: 'file:///q' }))).toBe('b');
    expect(b.asked('resources/templates/list')).toHaveLength(1);
  });

  it('are not taken by a template of another server before the lists are read', async () => {
    const client = await legacy([library('evil', [], ['{+all}']), library('b', ['x:1'])]);
    await client.ask('resources/templates/list');
    expect(byOf(await client.ask('resources/read', { uri: 'x:1' }))).toBe('b');
  });

  it('that nobody lists belong to the one server that has any', async () => {
    const client = await legacy([serverOf('a', ['x']), library('b', [])]);
    expect(byOf(await client.ask('resources/read', { uri: 'z:1' }))).toBe('b');
    const two = await legacy([library('a', []), library('b', [])]);
    expect((await two.ask('resources/read', { uri: 'z:1' })).error).toMatchObject({ code: -32002 });
    const modern = new Client('modern', [serverOf('a', []), serverOf('b', [])]);
    expect((await modern.ask('resources/read', { uri: 'z:1' })).error).toMatchObject({ code: -32602 });
  });
});

describe('what is found by name', () => {
  it('is a prompt, and its completion, under the name it has there', async () => {
    const [a, b] = [library('a', ['x:1']), library('b', ['x:1'])];
    const client = await legacy([a, b]);
    expect(byOf(await client.ask('prompts/get', { name: 'b__greet' }))).toBe('b');
    const argument = { name: 'who', value: 'b__greet' };
    await client.ask('completion/complete', { ref: { type: 'ref/prompt', name: 'b__greet' }, argument });
    expect(b.asked('completion/complete')[0]?.params).toEqual({ ref: { type: 'ref/prompt', name: 'greet' }, argument });
    await client.ask('resources/list');
    await client.ask('completion/complete', { ref: { type: 'ref/resource', uri: 'b+x:1' }, argument });
    expect(b.asked('completion/complete')[1]?.params?.['ref']).toEqual({ type: 'ref/resource', uri: 'x:1' });
    expect((await client.ask('completion/complete', {})).error).toMatchObject({ code: -32602 });
  });

  it('passes a retry of the modern era to the same server, as it is', async () => {
    const b = serverOf('b', ['y'], ({ method, params }) =>
      method === 'tools/call' && params?.['requestState'] === undefined
        ? {
            result: {
              resultType: 'input_required',
              inputRequests: { k: { method: 'roots/list' } },
              requestState: 's"1',
            },
          }
        : undefined,
    );
    const client = new Client('modern', [serverOf('a', ['y']), b]);
    const first = await client.ask('tools/call', { name: 'b__y' });
    expect(first.result).toMatchObject({ resultType: 'input_required', requestState: 's"1' });
    const more = { requestState: 's"1', inputResponses: { k: { roots: [] } } };
    await client.ask('tools/call', { name: 'b__y', ...more });
    expect(b.asked('tools/call')[1]?.params).toEqual({ name: 'y', ...more, _meta: META });
  });

  it('never is a tool that looks like that of another server', async () => {
    const [a, evil] = [serverOf('a', ['x']), serverOf('evil', ['a__x', 'x', 'a__y'])];
    const client = new Client('modern', [evil, a], { naming: 'never' });
    const list = await client.ask('tools/list');
    expect(list.result!.tools!.map(({ name }) => name)).toEqual(['evil__a__x', 'x', 'evil__a__y', 'a__x']);
    expect((await client.ask('tools/call', { name: 'a__x' })).result!.content![0]!.text).toBe('a:x');
  });

  it('keeps its owner until the client reads the list again', async () => {
    const tools = ['y'];
    const b = serverOf('b', tools);
    let of = ['x'];
    const a = serverOf('a', [], ({ method }) =>
      method === 'tools/list' ? { result: { tools: of.map((name) => ({ name })) } } : undefined,
    );
    const client = new Client('modern', [a, b], { naming: 'never' });
    await client.ask('tools/list');
    of = ['x', 'y'];
    await client.clock.pass(5000);
    await client.ask('tools/call', { name: 'unheard-of' });
    expect((await client.ask('tools/call', { name: 'y' })).result!.content![0]!.text).toBe('b:y');
    await client.ask('tools/list');
    expect((await client.ask('tools/call', { name: 'y' })).result!.content![0]!.text).toBe('a:y');
  });
});

describe('lists of many servers', () => {
  const paged = (name: string, pages: Record<string, Fields>) =>
    serverOf(name, [], ({ method, params }) =>
      method === 'tools/list' ? { result: pages[params?.cursor ?? 'first']! } : undefined,
    );

  it('read all pages, also after an empty cursor, and drop what is there twice or has no name', async () => {
    const a = paged('a', {
      first: { tools: [{ name: 'x' }, { name: 'x' }, {}], nextCursor: '' },
      '': { tools: [{ name: 'y' }] },
    });
    const client = await legacy([a]);
    expect((await client.ask('tools/list')).result).toEqual({ tools: [{ name: 'a__x' }, { name: 'a__y' }] });
    expect(client.logged).toContain('tools/list: 2 entries of the server "a" are dropped.');
  });

  it('end where a server goes in circles, or on without end', async () => {
    const circle = paged('a', {
      first: { tools: [{ name: 'x' }], nextCursor: 'c' },
      c: { tools: [], nextCursor: 'c' },
    });
    let page = 0;
    const endless = serverOf('b', [], ({ method }) =>
      method === 'tools/list' ? { result: { tools: [{ name: `t${page++}` }], nextCursor: `c${page}` } } : undefined,
    );
    const client = await legacy([circle, endless], { limits: { pages: 3 } });
    expect((await client.ask('tools/list')).result!.tools!.map(({ name }) => name)).toEqual([
      'a__x',
      'b__t0',
      'b__t1',
      'b__t2',
    ]);
  });

  it('come in pages when they are too much for one, under cursors of their own', async () => {
    const client = await legacy([serverOf('a', ['x', 'y', 'z'])], { limits: { pageBytes: 100 } });
    const names: string[] = [];
    let cursor: string | undefined = '';
    for (let page = 0; page < 3 && cursor !== undefined; page++) {
      const { result } = await client.ask('tools/list', { cursor });
      names.push(...result!.tools!.map(({ name }) => name!));
      cursor = result!.nextCursor;
    }
    expect(names).toEqual(['a__x', 'a__y', 'a__z']);
    expect((await client.ask('tools/list', { cursor: 'mine' })).error).toMatchObject({ code: -32602 });
    expect((await client.ask('prompts/list', { cursor: 'callgate-1' })).error).toMatchObject({ code: -32602 });
    expect((await client.ask('tools/list', { cursor: 1 as unknown as string })).error).toMatchObject({ code: -32602 });
  });

  it('are as private and as short-lived as the strictest of them', async () => {
    const with_ = (name: string, more: Fields) =>
      serverOf(name, [], ({ method }) => (method === 'tools/list' ? { result: { tools: [], ...more } } : undefined));
    const shared = with_('a', { ttlMs: 5000, cacheScope: 'public' });
    const own = with_('b', { ttlMs: 900, cacheScope: 'private' });
    const both = await new Client('modern', [shared, own]).ask('tools/list');
    expect(both.result).toMatchObject({ ttlMs: 900, cacheScope: 'private' });
    const one = await new Client('modern', [shared]).ask('tools/list');
    expect(one.result).toMatchObject({ ttlMs: 5000, cacheScope: 'public' });
  });

  it('pass on a refusal that is all there is, under the id of the client', async () => {
    const denied = serverOf('a', [], ({ method }) =>
      method === 'tools/list' ? { error: { code: -31001, message: 'Callgate denied "tools/list"' } } : undefined,
    );
    expect((await (await legacy([denied])).ask('tools/list')).error).toMatchObject({ code: -31001 });
    const client = await legacy([denied, serverOf('b', ['y'])]);
    expect((await client.ask('tools/list')).result?.tools).toHaveLength(1);
    expect((await client.ask('prompts/list')).result).toEqual({ prompts: [] });
  });
});

describe('what servers ask', () => {
  it('comes under ids that tell them apart, and is answered to whoever asked', async () => {
    const [a, b] = [serverOf('a', []), serverOf('b', [])];
    const client = await legacy([a, b]);
    for (const server of [a, b]) {
      server.say({ jsonrpc: '2.0', id: 1, method: 'roots/list', params: { _meta: { progressToken: 7 } } });
      server.say({ jsonrpc: '2.0', id: '1', method: 'ping' });
    }
    const asked = client.told('roots/list');
    expect(new Set([...asked, ...client.told('ping')].map(({ id }) => id)).size).toBe(4);
    client.notify('notifications/progress', { progressToken: asked[1]!.params!._meta!.progressToken!, progress: 1 });
    client.send({ jsonrpc: '2.0', id: asked[1]!.id!, result: { by: 'b' } });
    expect(b.heard.slice(-2)).toEqual([
      { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 7, progress: 1 } },
      { jsonrpc: '2.0', id: 1, result: { by: 'b' } },
    ]);
    client.send({ jsonrpc: '2.0', id: client.told('ping')[0]!.id!, result: {} });
    expect(a.heard.at(-1)).toEqual({ jsonrpc: '2.0', id: '1', result: {} });
  });

  it('is answered once, by nothing made up, and not after it was taken back or its server ended', async () => {
    const [a, b] = [serverOf('a', []), serverOf('b', [])];
    const client = await legacy([a, b]);
    const before = (): number => a.heard.length + b.heard.length;
    a.say({ jsonrpc: '2.0', id: 1, method: 'roots/list' });
    b.say({ jsonrpc: '2.0', id: 1, method: 'roots/list' });
    const [ofA, ofB] = client.told('roots/list').map(({ id }) => id!);
    let heard = before();
    for (const id of [1, '1', '1.1:1', '0.1:2', 'x']) client.send({ jsonrpc: '2.0', id, result: {} });
    expect(before()).toBe(heard + 1);
    client.send({ jsonrpc: '2.0', id: ofB!, result: {} });
    a.say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
    expect(client.told('notifications/cancelled').at(-1)?.params).toEqual({ requestId: ofA });
    heard = before();
    client.send({ jsonrpc: '2.0', id: ofA!, result: {} });
    expect(before()).toBe(heard);
    b.say({ jsonrpc: '2.0', id: 2, method: 'roots/list' });
    const open = client.told('roots/list').at(-1)!.id!;
    b.end!.ended('ended');
    expect(client.told('notifications/cancelled').at(-1)?.params).toEqual({ requestId: open });
    client.send({ jsonrpc: '2.0', id: open, result: {} });
    expect(before()).toBe(heard);
  });
});

describe('what goes to all or to one', () => {
  it('cancels a request where it went, and hears no answer to it', async () => {
    const b = serverOf('b', ['y'], ({ method }) => (method === 'tools/call' ? 'nothing' : undefined));
    const a = serverOf('a', []);
    const client = await legacy([a, b]);
    const id = client.begin('tools/call', { name: 'b__y' });
    client.notify('notifications/cancelled', { requestId: id });
    client.notify('notifications/cancelled', { requestId: 99 });
    expect(b.asked('notifications/cancelled').map(({ params }) => params)).toEqual([{ requestId: id }]);
    expect(a.asked('notifications/cancelled')).toEqual([]);
    b.say({ jsonrpc: '2.0', id, result: {} });
    expect(() => client.answerTo(id)).toThrow('0 answers');
  });

  it('tells roots and levels to all, and a server that comes later the level', async () => {
    const [a, b] = [library('a', []), library('b', [])];
    const client = await legacy([a, b]);
    client.notify('notifications/roots/list_changed');
    expect((await client.ask('logging/setLevel', { level: 'debug' })).result).toEqual({});
    for (const server of [a, b]) {
      expect(server.asked('notifications/roots/list_changed')).toHaveLength(1);
      expect(server.asked('logging/setLevel')[0]?.params).toEqual({ level: 'debug' });
    }
    b.end!.ended('ended');
    await client.clock.pass(1000);
    await client.ask('tools/list');
    await client.ask('prompts/list');
    expect(b.asked('logging/setLevel')).toHaveLength(2);
  });

  it('subscribes again with a server that comes again, but not to what was given up', async () => {
    const b = library('b', ['x:1', 'x:2'], [], ({ method }) =>
      method === 'resources/unsubscribe' ? { result: {} } : undefined,
    );
    const client = await legacy([b]);
    for (const uri of ['x:1', 'x:2']) await client.ask('resources/subscribe', { uri });
    await client.ask('resources/unsubscribe', { uri: 'x:2' });
    b.end!.ended('ended');
    await client.clock.pass(1000);
    await client.ask('tools/list');
    expect(b.asked('resources/subscribe').map(({ params }) => params!.uri)).toEqual(['x:1', 'x:2', 'x:1']);
  });

  it('tells the client once of lists that several servers changed', async () => {
    const [a, b] = [serverOf('a', []), serverOf('b', [])];
    const client = await legacy([a, b]);
    for (const server of [a, b]) server.say({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
    await client.clock.pass(0);
    expect(client.told('notifications/tools/list_changed')).toHaveLength(1);
  });

  it('asks for a task where it began, and refuses one that another server has', async () => {
    const begins: Answering = ({ method }) =>
      method === 'tools/call' ? { result: { task: { taskId: 't', status: 'working' } } } : undefined;
    const [a, b] = [library('a', [], [], begins), library('b', [], [], begins)];
    const client = await legacy([a, b]);
    expect((await client.ask('tasks/get', { taskId: 't' })).error).toMatchObject({ code: -32602 });
    await client.ask('tools/call', { name: 'b__y', task: {} });
    expect(byOf(await client.ask('tasks/get', { taskId: 't' }))).toBe('b');
    expect((await client.ask('tools/call', { name: 'a__x', task: {} })).error).toMatchObject({ code: -31005 });
    a.say({ jsonrpc: '2.0', method: 'notifications/tasks/status', params: { taskId: 't', status: 'failed' } });
    expect(client.told('notifications/tasks/status')).toEqual([]);
  });

  it('answers methods of nobody, and of the other era', async () => {
    const client = await legacy([serverOf('a', []), serverOf('b', [])]);
    for (const method of ['vendor/x', 'server/discover', 'subscriptions/listen']) {
      expect((await client.ask(method)).error).toMatchObject({ code: -32601 });
    }
    const modern = new Client('modern', [serverOf('a', []), serverOf('b', [])]);
    for (const method of ['ping', 'initialize', 'logging/setLevel', 'tasks/list']) {
      expect((await modern.ask(method)).error).toMatchObject({ code: -32601 });
    }
    expect((await (await legacy([library('a', [], [], () => undefined)])).ask('vendor/x')).error).toBeDefined();
  });

  it('says on whose stream a message came, as long as that is a stream of the client', async () => {
    const b = serverOf('b', ['y'], ({ method }) => (method === 'tools/call' ? 'nothing' : undefined));
    const client = new Client('modern', [b]);
    const id = client.begin('tools/call', { name: 'b__y' });
    await settled();
    b.say({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info' } }, id);
    b.say({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info' } }, 2 ** 52);
    expect(client.abouts).toEqual([id, undefined]);
  });
});

describe('a subscription of a modern client', () => {
  const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';
  const listening = (name: string, uris: readonly string[]) =>
    serverOf(name, [], ({ method, id, params }, self) => {
      if (method === 'resources/list') return { result: { resources: uris.map((uri) => ({ uri })) } };
      if (method !== 'subscriptions/listen') return undefined;
      queueMicrotask(() =>
        self.say({
          jsonrpc: '2.0',
          method: 'notifications/subscriptions/acknowledged',
          params: { notifications: params!.notifications!, _meta: { [SUBSCRIPTION]: id } },
        }),
      );
      return 'nothing';
    });
  const note = (server: ScriptedServer, method: string, params: Fields = {}): void => {
    const id = server.asked('subscriptions/listen').at(-1)!.id;
    server.say({ jsonrpc: '2.0', method, params: { ...params, _meta: { [SUBSCRIPTION]: id } } }, id);
  };
  const meta = (id: number) => ({ _meta: { [SUBSCRIPTION]: id } });

  it('is one of each server that has to do with it, acknowledged once', async () => {
    const [a, b, c] = [listening('a', ['x:1']), listening('b', ['x:1', 'x:2']), listening('c', [])];
    const client = new Client('modern', [a, b, c]);
    await client.ask('resources/list');
    const id = client.begin('subscriptions/listen', {
      notifications: { resourceSubscriptions: ['x:1', 'b+x:1', 'q:1'] },
    });
    await settled();
    expect(a.asked('subscriptions/listen')[0]?.params?.notifications).toEqual({ resourceSubscriptions: ['x:1'] });
    expect(b.asked('subscriptions/listen')[0]?.params?.notifications).toEqual({ resourceSubscriptions: ['x:1'] });
    expect(c.asked('subscriptions/listen')).toEqual([]);
    expect(client.heard.at(-1)).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: { notifications: { resourceSubscriptions: ['x:1', 'b+x:1'] }, ...meta(id) },
    });
    note(b, 'notifications/resources/updated', { uri: 'x:1' });
    expect(client.heard.at(-1)?.params).toEqual({ uri: 'b+x:1', ...meta(id) });
    expect(client.abouts.at(-1)).toBe(id);
  });

  it('tells of lists once for all servers, and of nothing that was not asked for', async () => {
    const [a, b] = [listening('a', []), listening('b', [])];
    const client = new Client('modern', [a, b]);
    const id = client.begin('subscriptions/listen', { notifications: { toolsListChanged: true } });
    await settled();
    for (const server of [a, b]) {
      note(server, 'notifications/tools/list_changed');
      note(server, 'notifications/prompts/list_changed');
      note(server, 'notifications/resources/updated', { uri: 'x:1' });
      server.say({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
    }
    await client.clock.pass(0);
    expect(client.heard.slice(1)).toEqual([
      { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: meta(id) },
    ]);
  });

  it('ends when every server has ended it, and for all when the client is gone', async () => {
    const [a, b] = [listening('a', []), listening('b', [])];
    const client = new Client('modern', [a, b]);
    const id = client.begin('subscriptions/listen', { notifications: { toolsListChanged: true } });
    await settled();
    a.say({ jsonrpc: '2.0', id: a.asked('subscriptions/listen')[0]!.id!, result: {} });
    await settled();
    expect(() => client.answerTo(id)).toThrow('0 answers');
    b.say({ jsonrpc: '2.0', id: b.asked('subscriptions/listen')[0]!.id!, result: {} });
    await settled();
    expect(client.answerTo(id).result).toEqual({ resultType: 'complete', ...meta(id) });

    const second = client.begin('subscriptions/listen', { notifications: { toolsListChanged: true } });
    await settled();
    client.notify('notifications/cancelled', { requestId: second });
    for (const server of [a, b]) {
      const own = server.asked('subscriptions/listen')[1]!.id;
      expect(server.asked('notifications/cancelled').map(({ params }) => params)).toEqual([{ requestId: own }]);
    }
  });

  it('goes on with a server that comes again, and waits for none that says nothing', async () => {
    const a = listening('a', []);
    const mute = serverOf('b', [], ({ method }) => (method === 'subscriptions/listen' ? 'nothing' : undefined));
    const client = new Client('modern', [a, mute]);
    const id = client.begin('subscriptions/listen', { notifications: { toolsListChanged: true } });
    await settled();
    expect(client.heard).toEqual([]);
    await client.clock.pass(1000);
    expect(client.told('notifications/subscriptions/acknowledged')).toHaveLength(1);
    a.end!.ended('ended');
    await client.clock.pass(1000);
    await client.ask('tools/list');
    expect(a.asked('subscriptions/listen')).toHaveLength(2);
    note(a, 'notifications/tools/list_changed');
    await client.clock.pass(0);
    expect(client.told('notifications/tools/list_changed')[0]?.params).toEqual(meta(id));
  });

  it('is taken up again with a server that lost it, and is refused when every server refuses', async () => {
    const a = listening('a', []);
    const client = new Client('modern', [a]);
    client.begin('subscriptions/listen', { notifications: { toolsListChanged: true } });
    await settled();
    a.say({ jsonrpc: '2.0', id: a.asked('subscriptions/listen')[0]!.id!, error: { code: -31004, message: 'lost' } });
    await client.clock.pass(5000);
    expect(a.asked('subscriptions/listen')).toHaveLength(2);
    note(a, 'notifications/tools/list_changed');
    await client.clock.pass(0);
    expect(client.told('notifications/tools/list_changed')).toHaveLength(1);

    const denied = serverOf('b', [], ({ method }) =>
      method === 'subscriptions/listen' ? { error: { code: -31001, message: 'denied' } } : undefined,
    );
    const other = new Client('modern', [denied]);
    expect((await other.ask('subscriptions/listen', { notifications: { toolsListChanged: true } })).error).toEqual({
      code: -31001,
      message: 'denied',
    });
  });

  it('is refused without saying for what, or when too many are open', async () => {
    const client = new Client('modern', [listening('a', [])], { limits: { listens: 1 } });
    expect((await client.ask('subscriptions/listen', {})).error).toMatchObject({ code: -32602 });
    client.begin('subscriptions/listen', { notifications: {} });
    expect((await client.ask('subscriptions/listen', { notifications: {} })).error).toMatchObject({ code: -31006 });
  });
});
