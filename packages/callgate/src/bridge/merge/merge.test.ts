import { describe, expect, it } from 'vitest';
import { Client, META, serverOf, settled, type ScriptedServer, type Wire } from './testing.ts';

const names = (answer: Wire): string[] => answer.result!.tools!.map((tool) => tool.name!);
const textOf = (answer: Wire): string => answer.result!.content![0]!.text;

describe.each(['legacy', 'modern'] as const)('many servers for a %s client', (era) => {
  const begun = async (servers: readonly ScriptedServer[]) => {
    const client = new Client(era, servers);
    if (era === 'legacy') await client.hello();
    return client;
  };

  it('have one list, in the order of the config, with names of their own', async () => {
    const client = await begun([serverOf('fs', ['read', 'write']), serverOf('web', ['read'])]);
    const list = await client.ask('tools/list');
    expect(names(list)).toEqual(['fs__read', 'fs__write', 'web__read']);
    expect(list.result?.nextCursor).toBeUndefined();
    if (era === 'modern')
      expect(list.result).toMatchObject({ resultType: 'complete', cacheScope: 'private', ttlMs: 0 });
    else expect(Object.keys(list.result!)).toEqual(['tools']);
  });

  it('are called by their own names, under the id of the client', async () => {
    const [fs, web] = [serverOf('fs', ['read']), serverOf('web', ['read'])];
    const client = await begun([fs, web]);
    await client.ask('tools/list');
    expect(textOf(await client.ask('tools/call', { name: 'web__read', arguments: { a: 1 } }))).toBe('web:read');
    const [call] = web.asked('tools/call');
    expect(call!.params).toMatchObject({ name: 'read', arguments: { a: 1 } });
    if (era === 'modern') expect(call!.params?._meta).toEqual(META);
    expect(fs.asked('tools/call')).toEqual([]);
  });

  it('are called before any list by a name whose prefix tells all', async () => {
    const web = serverOf('web', ['read']);
    const client = await begun([serverOf('fs', []), web]);
    expect(textOf(await client.ask('tools/call', { name: 'web__read' }))).toBe('web:read');
    expect(web.asked('tools/list')).toEqual([]);
  });

  it('are listed first for a name that may be a shortened one', async () => {
    const client = await begun([serverOf('web', ['a.b'])]);
    const [exposed] = names(await (await begun([serverOf('web', ['a.b'])])).ask('tools/list'));
    expect(exposed).toMatch(/^web__a_b_[0-9a-f]{8}$/);
    expect(textOf(await client.ask('tools/call', { name: exposed! }))).toBe('web:a.b');
  });

  it('answer an unknown tool with invalid params', async () => {
    const client = await begun([serverOf('fs', ['read'])]);
    const answer = await client.ask('tools/call', { name: 'read' });
    expect(answer.error).toMatchObject({ code: -32602, message: 'Unknown tool: "read"' });
  });

  it('keep every byte of an entry but its name', async () => {
    const entry = String.raw`{ "x":12345678901234567890, "name" : "re\u0061d","inputSchema":{"type":"object"},"_meta":{"k":1.0} }`;
    const server = serverOf('fs', [], (request, self) => {
      if (request.method !== 'tools/list') return undefined;
      queueMicrotask(() => self.say(`{"jsonrpc":"2.0","id":${String(request.id)},"result":{"tools":[${entry}]}}`));
      return 'nothing';
    });
    const client = await begun([server]);
    client.begin('tools/list');
    await settled();
    const written = entry.replace(String.raw`"re\u0061d"`, '"fs__read"');
    expect(client.lines.some((line) => line.includes(`"tools":[${written}]`))).toBe(true);
  });
});
