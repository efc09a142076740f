// The client that the client sets of the official suite drive: `node client.mjs URL`. The suite names the scenario, the
// revision and what to call in MCP_CONFORMANCE_*. Without OAuth: who calls is not this client's business.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const {
  MCP_CONFORMANCE_SCENARIO: scenario,
  MCP_CONFORMANCE_PROTOCOL_VERSION: revision = '2025-11-25',
  MCP_CONFORMANCE_CONTEXT: context = '{}',
} = process.env;

/** What each scenario has a client do, once connected. Those of the suite that are not here list the tools. */
const SCENARIOS = {
  initialize: (client) => client.listTools(),
  tools_call: (client) => client.callTool({ name: 'add_numbers', arguments: { a: 2, b: 3 } }),
  'elicitation-sep1034-client-defaults': (client) => callAll(client, ['test_client_elicitation_defaults']),
  'sse-retry': (client) => callAll(client, ['test_reconnection']),
  'request-metadata': (client) => client.listTools(),
  'sep-2322-client-request-state': askedOver,
  'http-standard-headers': useEverything,
  'http-custom-headers': callWhatIsSaid,
  'http-invalid-tool-headers': callListed,
  'json-schema-2020-12-preservation': sendSchemaBack,
};

const client = new Client(
  { name: 'conformance-client', version: '1.0.0' },
  {
    capabilities: { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} },
    versionNegotiation: { mode: revision < '2026' ? 'legacy' : 'auto' },
  },
);
client.setRequestHandler('elicitation/create', ({ params }) => ({
  action: 'accept',
  content: Object.hasOwn(params.requestedSchema?.properties ?? {}, 'confirmed') ? { confirmed: true } : {},
}));
client.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///conformance' }] }));
client.setRequestHandler('sampling/createMessage', () => ({
  role: 'assistant',
  model: 'none',
  content: { type: 'text', text: 'An answer.' },
}));

await client.connect(new StreamableHTTPClientTransport(new URL(process.argv.at(-1))));
await (SCENARIOS[scenario] ?? SCENARIOS.initialize)(client);
await client.close();

async function callAll(client, names) {
  await client.listTools();
  for (const name of names) await client.callTool({ name, arguments: {} });
}

/** While one call waits for its answer another is made, which must know nothing of the first. */
async function askedOver(client) {
  await client.listTools();
  await Promise.all(
    ['test_mrtr_echo_state', 'test_mrtr_unrelated', 'test_mrtr_no_state', 'test_mrtr_no_result_type'].map((name) =>
      client.callTool({ name, arguments: {} }),
    ),
  );
}

async function useEverything(client) {
  const { tools } = await client.listTools();
  for (const { name } of tools) await client.callTool({ name, arguments: {} });
  const { resources } = await client.listResources();
  for (const { uri } of resources) await client.readResource({ uri });
  const { prompts } = await client.listPrompts();
  for (const { name } of prompts) await client.getPrompt({ name });
}

async function callWhatIsSaid(client) {
  await client.listTools();
  for (const call of JSON.parse(context).toolCalls) await client.callTool(call);
}

/** Calls what it is offered; each tool is its own matter. */
async function callListed(client) {
  const { tools } = await client.listTools();
  for (const { name, inputSchema } of tools) {
    const args = Object.keys(inputSchema.properties ?? {}).map((key) => [key, 'x']);
    await client.callTool({ name, arguments: Object.fromEntries(args) }).catch(() => {});
  }
}

async function sendSchemaBack(client) {
  const { tools } = await client.listTools();
  const schema = tools.find(({ name }) => name === 'json_schema_2020_12_tool').inputSchema;
  await client.callTool({ name: 'json_schema_echo', arguments: { schema } });
}
