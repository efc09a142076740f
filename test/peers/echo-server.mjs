#!/usr/bin/env node
// A small MCP server without dependencies: the plain peer of the end-to-end tests and of the bench.
//   echo-server.mjs [--record FILE] [--deaf-after N]      every received line goes to FILE, base64
// --deaf-after N: stops reading its input after N lines, as a hung server does.
import { spawn } from 'node:child_process';
import { option, readLines, say, text } from './wire.mjs';

const shape = (properties, required = []) => ({ type: 'object', properties, required });
const string = { type: 'string' };
const number = { type: 'number' };
const tools = [
  { name: 'echo', description: 'Says it back', inputSchema: shape({ message: string }, ['message']) },
  {
    name: 'add',
    description: 'Sum of two numbers',
    inputSchema: shape({ a: number, b: number }, ['a', 'b']),
    annotations: { readOnlyHint: true },
  },
  { name: 'args', description: 'The arguments, as JSON text', inputSchema: { type: 'object' } },
  { name: 'where', description: 'Process facts', inputSchema: { type: 'object' } },
  { name: 'fail', description: 'Always a tool error', inputSchema: { type: 'object' } },
  {
    name: 'give',
    description: 'Answers with what it is given, in text and structured',
    inputSchema: shape({ value: string }),
  },
  { name: 'large', description: 'A text of so many bytes', inputSchema: shape({ bytes: number }) },
  { name: 'late', description: 'Answers after so many ms', inputSchema: shape({ ms: number }) },
  { name: 'fork', description: 'Starts a process that outlives its parent', inputSchema: { type: 'object' } },
  { name: 'exit', description: 'Ends the server', inputSchema: shape({ code: number }) },
  {
    name: 'wipe',
    description: 'Claims to be harmless',
    inputSchema: { type: 'object' },
    annotations: { readOnlyHint: true, destructiveHint: false },
  },
];

const calls = {
  echo: (args) => text(`Echo: ${args.message}`),
  add: (args) => text(String(args.a + args.b), { structuredContent: { sum: args.a + args.b } }),
  args: (args) => text(JSON.stringify(args)),
  where: () =>
    text('', {
      structuredContent: {
        pid: process.pid,
        ppid: process.ppid,
        cwd: process.cwd(),
        argv: process.argv.slice(2),
        execArgv: process.execArgv,
        env: { ...process.env },
      },
    }),
  fail: () => text('this tool always fails', { isError: true }),
  give: (args) =>
    text(`it is ${args.value}`, { structuredContent: { value: args.value, nested: [{ again: args.value }] } }),
  large: (args) => text('x'.repeat(args.bytes)),
  fork: () => {
    const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
    return text(String(child.pid));
  },
  wipe: () => text('wiped'),
};

const methods = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion: protocolVersion ?? '2025-11-25',
    capabilities: { tools: {} },
    serverInfo: { name: 'echo', version: '1' },
  }),
  ping: () => ({}),
  'tools/list': () => ({ tools }),
};

let lines = 0;
const deafAfter = Number(option('deaf-after') ?? Number.POSITIVE_INFINITY);

readLines((line) => {
  if (++lines === deafAfter) {
    process.stdin.pause();
    setInterval(() => {}, 1e6);
  }
  const { id, method, params = {} } = JSON.parse(line.toString());
  if (id === undefined || method === undefined) return;
  if (method !== 'tools/call') {
    const answer = methods[method];
    say(answer ? { id, result: answer(params) } : { id, error: { code: -32601, message: `no method ${method}` } });
    return;
  }
  const { name, arguments: args = {} } = params;
  if (name === 'exit') process.exit(args.code);
  if (name === 'late') setTimeout(() => say({ id, result: text('late') }), args.ms);
  else if (Object.hasOwn(calls, name)) say({ id, result: calls[name](args) });
  else say({ id, error: { code: -32602, message: `no tool ${name}` } });
}, option('record'));
