import { describe, expect, it } from 'vitest';
import { serverNameOf } from './server-choice.ts';

describe('the name a server goes by when none is given', () => {
  it.each([
    ['npx', ['-y', '@modelcontextprotocol/server-filesystem', '.'], 'filesystem'],
    ['npx', ['-y', '@modelcontextprotocol/server-filesystem@2026.8.31'], 'filesystem'],
    ['node', ['/srv/node_modules/@modelcontextprotocol/server-memory/dist/index.js'], 'memory'],
    ['uvx', ['mcp-server-git', '--repository', '.'], 'git'],
    ['/usr/local/bin/github-mcp-server', ['stdio'], 'github'],
    ['node', ['./echo-server.mjs'], 'echo-server'],
    ['python3', ['-m', 'weather'], 'weather'],
    ['node', ['index.js'], 'node'],
    ['C:\\tools\\notes-mcp.exe', [], 'notes'],
    ['npx', ['-y', '@évil/スパイ'], 'server'],
  ])('%s %j is "%s"', (command, args, name) => {
    expect(serverNameOf(command, args)).toBe(name);
  });
});
