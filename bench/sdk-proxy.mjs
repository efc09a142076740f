#!/usr/bin/env node
// A gateway as most are built: an SDK client behind, an SDK server in front, lists and calls handed through handlers.
//   sdk-proxy.mjs -- <command...>
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Server } from '@modelcontextprotocol/server';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';

const [command, ...args] = process.argv.slice(process.argv.indexOf('--') + 1);
const client = new Client({ name: 'sdk-proxy', version: '1' });
await client.connect(new StdioClientTransport({ command, args }));

const server = new Server({ name: 'sdk-proxy', version: '1' }, { capabilities: { tools: {} } });
server.setRequestHandler('tools/list', async (request) => client.listTools(request.params));
server.setRequestHandler('tools/call', async (request) => client.callTool(request.params));
server.onclose = () => process.exit(0);
client.onclose = () => process.exit(0);
process.stdin.on('end', () => process.exit(0));
await server.connect(new StdioServerTransport());
