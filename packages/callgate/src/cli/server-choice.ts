import type { Config } from '../config/index.ts';
import { CallgateError } from '../model/error.ts';

/** @param name what was asked for; undefined when nothing was */
export function noServer(name: string | undefined, known: readonly string[], config: Config): CallgateError {
  const what = name === undefined ? 'No server command was given.' : `There is no server "${name}" in the config.`;
  const untrusted = config.trust === 'untrusted' || config.trust === 'changed';
  return new CallgateError('CG_USAGE_COMMAND', what, {
    remedy: untrusted
      ? 'Servers of this project do not count until you trust it: callgate trust'
      : known.length > 0
        ? `Name one of the config's (${known.map((server) => `--name ${server}`).join(', ')}), or write a command after "--".`
        : COMMAND_REMEDY,
  });
}

export const COMMAND_REMEDY =
  'Write the server command after "--": callgate run -- npx -y @modelcontextprotocol/server-filesystem .';

/** Programs that run another program: the server is named by their argument. */
const RUNNERS = new Set('npx bunx uvx uv node python python3 deno bun tsx pnpm npm yarn docker sh bash'.split(' '));
/** Parts of a path that say nothing about whose server it is. */
const NAMELESS = /^(index|main|server|cli|app|dist|build|src|lib|bin|out|run|exec|dlx|x|)$/;

/** The name rules know the server by, when none is given: `npx -y @scope/server-files .` is `files`. */
export function serverNameOf(command: string, args: readonly string[]): string {
  const runner = plainName(command.split(/[/\\]/).at(-1) ?? command);
  const named = RUNNERS.has(runner) ? args.find((arg) => !arg.startsWith('-') && !NAMELESS.test(arg)) : undefined;
  const parts = (named ?? command).split(/[/\\]/).map(plainName);
  const name = parts.findLast((part) => !NAMELESS.test(part) && part !== 'node_modules') ?? runner;
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) ? name : 'server';
}

/** Without version, file ending and the words that every server's name has. */
function plainName(part: string): string {
  return part
    .replace(/(?<=.)@[^@]*$/, '')
    .replace(/\.([cm]?[jt]s|py|exe|cmd)$/, '')
    .replace(/^(mcp-)?server-(?=.)|^mcp-(?=.)|(?<=.)-mcp(-server)?$/g, '');
}
