import { text as readAll } from 'node:stream/consumers';
import { messageOf } from '../model/error.ts';
import type { Answered } from './exchange-client.ts';
import { secondsFlag } from './flag-values.ts';
import { withServers } from './servers-session.ts';
import { EXIT, flagValue, parseFlags, printable, type Io } from './terminal.ts';

const FLAGS = {
  args: 'json',
  timeout: 'seconds',
  config: 'file',
  policy: 'file',
  home: 'directory',
  json: true,
} as const;

/**
 * `callgate servers call <server> <tool>`: one call, judged and recorded like any other. The exit code is 1 when it was
 * refused or the tool failed.
 */
export async function serversCall(argv: readonly string[], io: Io): Promise<number> {
  const { values, switches, words } = parseFlags(argv, FLAGS);
  const [server, tool, ...more] = words;
  if (server === undefined || tool === undefined || more.length > 0) {
    throw flagValue(
      'servers call takes a server and a tool.',
      "Write: callgate servers call <server> <tool> --args '{}'",
    );
  }
  const args = readArguments(values['args'] === '-' ? await readAll(io.stdin) : (values['args'] ?? '{}'));
  const timeoutMs = secondsFlag('timeout', values['timeout'], 300_000);
  const answer = await withServers(values, [server], io, async (session) => {
    const client = session.client(server, timeoutMs);
    try {
      const hello = await client.initialize();
      return 'error' in hello ? hello : await client.request('tools/call', { name: tool, arguments: args });
    } finally {
      await client.close();
    }
  });
  io.stdout.write(`${switches.has('json') ? JSON.stringify(answer) : printable(textOf(answer))}\n`);
  return 'result' in answer && answer.result['isError'] !== true ? EXIT.ok : EXIT.failed;
}

function readArguments(text: string): object {
  let args: unknown;
  try {
    args = JSON.parse(text);
  } catch (error) {
    throw flagValue(`--args is no JSON: ${messageOf(error)}.`, `Write: --args '{"path": "README.md"}'`);
  }
  if (typeof args === 'object' && args !== null && !Array.isArray(args)) return args;
  throw flagValue('--args is no object.', `Write: --args '{"path": "README.md"}'`);
}

/** What the tool said: its texts as they are, anything else as JSON. */
function textOf(answer: Answered): string {
  if ('error' in answer) return `error ${answer.error.code}: ${answer.error.message}`;
  const { content, structuredContent } = answer.result;
  if (!Array.isArray(content) || content.length === 0)
    return JSON.stringify(structuredContent ?? answer.result, null, 2);
  return content
    .map((item: { readonly type?: unknown; readonly text?: unknown }) =>
      item.type === 'text' && typeof item.text === 'string' ? item.text : JSON.stringify(item),
    )
    .join('\n');
}
