import type { Config } from '../config/index.ts';
import { CallgateError } from '../model/error.ts';

/**
 * There is no such server, or none at all.
 * @param name what was asked for; undefined when nothing was
 * @param command the one that wants a server
 */
export function noServer(
  name: string | undefined,
  config: Config,
  command: 'run' | 'serve' | 'servers',
): CallgateError {
  const known = Object.keys(config.servers);
  const untrusted = UNTRUSTED[config.trust];
  const what = name === undefined ? (untrusted ?? NONE[command]) : `There is no server "${name}" in the config.`;
  const why = name === undefined || untrusted === undefined ? '' : `${untrusted} `;
  const remedy =
    untrusted !== undefined
      ? `${why}Look at them, then accept them: callgate trust`
      : known.length > 0
        ? `The config has: ${known.join(', ')}. See: callgate servers list`
        : `${ADD_SERVER}${command === 'servers' ? '.' : `, or write its command after "--": callgate ${command} ${EXAMPLE}`}`;
  return new CallgateError('CG_USAGE_COMMAND', what, { remedy });
}

const UNTRUSTED: Readonly<Partial<Record<Config['trust'], string>>> = {
  untrusted: 'You have not trusted the files of this project, so its servers do not count.',
  changed: 'The files of this project changed since you trusted them, so its servers do not count.',
};
const NONE = {
  run: 'No server command was given, and the config has no server.',
  serve: 'No server was given, and the config has none.',
  servers: 'The config has no server.',
} as const;
const ADD_SERVER = 'Add one under servers in callgate.yaml';
const EXAMPLE = '-- npx -y @modelcontextprotocol/server-filesystem .';

export const COMMAND_REMEDY = `Write the server command after "--": callgate run ${EXAMPLE}`;

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
