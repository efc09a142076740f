import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, realServer } from './peers/gate.ts';

/** One thing a client does; its result is compared between direct and gated. */
type Step = (client: Client) => Promise<unknown>;

let bench: Bench;
let files: string;
beforeEach(() => {
  bench = new Bench();
  files = bench.path('files');
});
afterEach(() => bench.remove());

/** Runs the steps in a fresh client and a fresh directory; gives every result and every notification. */
async function session(command: readonly string[], steps: Record<string, Step>): Promise<Record<string, unknown>> {
  rmSync(files, { recursive: true, force: true });
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, 'note.txt'), 'grüße\n');
  const client = new Client(
    { name: 'end-to-end', version: '1' },
    { capabilities: { roots: { listChanged: true }, sampling: {}, elicitation: { form: {}, url: {} } } },
  );
  const asked: unknown[] = [];
  client.setRequestHandler('sampling/createMessage', async (request) => {
    asked.push(request.params);
    return { role: 'assistant', model: 'fixed', stopReason: 'endTurn', content: { type: 'text', text: 'sampled' } };
  });
  client.setRequestHandler('elicitation/create', async (request) => {
    asked.push(withoutVolatile(request.params));
    return { action: 'accept', content: { name: 'Ada', check: true } };
  });
  client.setRequestHandler('roots/list', async () => {
    asked.push('roots');
    return { roots: [{ uri: `file://${files}`, name: 'files' }] };
  });
  const [file = '', ...args] = command;
  await client.connect(
    new StdioClientTransport({
      command: file,
      args,
      env: { ...bench.env, MEMORY_FILE_PATH: join(files, 'memory.jsonl') },
      stderr: 'ignore',
    }),
  );
  const results: Record<string, unknown> = {
    server: client.getServerVersion(),
    capabilities: client.getServerCapabilities(),
    instructions: client.getInstructions(),
  };
  for (const [name, step] of Object.entries(steps)) {
    results[name] = await step(client).catch((error: unknown) => `threw ${String(error)}`);
  }
  // This one asks for roots by itself, a moment after it was initialized.
  const until = Date.now() + 5000;
  while (steps === everything && !asked.includes('roots') && Date.now() < until)
    await new Promise((r) => setTimeout(r, 20));
  results['asked'] = asked.map((one) => JSON.stringify(one)).sort();
  await client.close();
  return withoutVolatile(results) as Record<string, unknown>;
}

/** Times, pids and generated ids differ between any two runs of a server. */
function withoutVolatile(value: unknown): unknown {
  const text = JSON.stringify(value)
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/\w{3} \w{3} \d\d \d{4} [\d:]+ GMT[+-]\d{4} \([^)]*\)/g, 'TIME')
    .replaceAll(/\d{1,2}:\d\d:\d\d ?[AP]M/g, 'TIME')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UUID');
  return JSON.parse(text);
}

const call =
  (name: string, args: Record<string, unknown> = {}): Step =>
  async (client) =>
    client.callTool({ name, arguments: args });

const everything: Record<string, Step> = {
  tools: async (client) => client.listTools(),
  resources: async (client) => client.listResources(),
  templates: async (client) => client.listResourceTemplates(),
  prompts: async (client) => client.listPrompts(),
  ping: async (client) => client.ping(),
  echo: call('echo', { message: 'hällo' }),
  sum: call('get-sum', { a: 2, b: 40 }),
  image: call('get-tiny-image'),
  structured: call('get-structured-content', { location: 'New York' }),
  annotated: call('get-annotated-message', { messageType: 'error', includeImage: true }),
  links: call('get-resource-links', { count: 3 }),
  reference: call('get-resource-reference', { resourceType: 'Text', resourceId: 1 }),
  'long, with progress': async (client) => {
    const progress: unknown[] = [];
    const result = await client.callTool(
      { name: 'trigger-long-running-operation', arguments: { duration: 0.2, steps: 2 } },
      { onprogress: (one) => progress.push(one) },
    );
    // The SDK may lose the notification that comes together with the result; the transparency test counts them.
    return { result, hasProgressed: progress.length > 0 };
  },
  sampling: call('trigger-sampling-request', { prompt: 'why', maxTokens: 5 }),
  elicitation: call('trigger-elicitation-request'),
  roots: call('get-roots-list'),
  'no such tool': call('nothing-of-the-kind'),
  'wrong arguments': call('get-sum', { a: 'x' }),
  resource: async (client) => {
    const { resources } = await client.listResources();
    return client.readResource({ uri: resources[0]?.uri ?? 'none' });
  },
  'no such resource': async (client) => client.readResource({ uri: 'demo://nothing' }),
  'simple prompt': async (client) => client.getPrompt({ name: 'simple-prompt' }),
  'prompt with arguments': async (client) =>
    client.getPrompt({ name: 'args-prompt', arguments: { city: 'Bonn', state: 'NRW' } }),
  completion: async (client) =>
    client.complete({
      ref: { type: 'ref/prompt', name: 'completable-prompt' },
      argument: { name: 'department', value: 'E' },
    }),
  level: async (client) => client.setLoggingLevel('error'),
};

const filesystem = (): Record<string, Step> => ({
  tools: async (client) => client.listTools(),
  roots: call('list_allowed_directories'),
  write: call('write_file', { path: join(files, 'new.txt'), content: 'line 1\nline 2\n' }),
  read: call('read_text_file', { path: join(files, 'note.txt') }),
  edit: call('edit_file', { path: join(files, 'new.txt'), edits: [{ oldText: 'line 2', newText: 'line two' }] }),
  list: call('list_directory', { path: files }),
  tree: call('directory_tree', { path: files }),
  search: call('search_files', { path: files, pattern: '*.txt' }),
  move: call('move_file', { source: join(files, 'new.txt'), destination: join(files, 'moved.txt') }),
  many: call('read_multiple_files', { paths: [join(files, 'moved.txt'), join(files, 'none.txt')] }),
  outside: call('read_text_file', { path: '/etc/hostname' }),
});

const memory: Record<string, Step> = {
  tools: async (client) => client.listTools(),
  create: call('create_entities', {
    entities: [
      { name: 'Ada', entityType: 'person', observations: ['counts'] },
      { name: 'Engine', entityType: 'machine', observations: [] },
    ],
  }),
  relate: call('create_relations', { relations: [{ from: 'Ada', to: 'Engine', relationType: 'programs' }] }),
  observe: call('add_observations', { observations: [{ entityName: 'Ada', contents: ['writes'] }] }),
  search: call('search_nodes', { query: 'writes' }),
  open: call('open_nodes', { names: ['Engine'] }),
  graph: call('read_graph'),
  forget: call('delete_entities', { entityNames: ['Engine'] }),
};

const thinking: Record<string, Step> = {
  tools: async (client) => client.listTools(),
  first: call('sequentialthinking', { thought: 'one', nextThoughtNeeded: true, thoughtNumber: 1, totalThoughts: 2 }),
  branch: call('sequentialthinking', {
    thought: 'two',
    nextThoughtNeeded: false,
    thoughtNumber: 2,
    totalThoughts: 2,
    branchFromThought: 1,
    branchId: 'b',
  }),
  wrong: call('sequentialthinking', { thought: 1 }),
};

describe('the SDK client sees the same through the gate as without it', () => {
  it.each([
    ['everything', () => realServer('everything', 'stdio'), () => everything, 20],
    ['filesystem', () => realServer('filesystem', files), filesystem, 8],
    ['memory', () => realServer('memory'), () => memory, 7],
    ['sequential-thinking', () => realServer('sequential-thinking'), () => thinking, 3],
  ])('in front of %s', async (name, server, steps, working) => {
    const direct = await session(server(), steps());
    const gated = await session(bench.gated(server()), steps());
    expect(gated).toEqual(direct);
    if (name === 'everything') expect(direct['asked']).toHaveLength(3);
    expect(Object.values(direct).filter((result) => typeof result !== 'string').length).toBeGreaterThanOrEqual(working);
  });
});
