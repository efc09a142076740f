import { ALIASES, COMMANDS } from './commands.ts';
import type { Command } from './commands.ts';
import { table } from './terminal.ts';
import { VERSION } from './version.ts';

/** `callgate --help`. */
export function overview(): string {
  return `callgate ${VERSION}: the gate between AI agents and the tools they call

Usage: callgate <command> [flags]
       callgate -- <command...>          the same as: callgate run -- <command...>

Commands:
${indented(COMMANDS.map(({ name, summary }) => [name, summary]))}

Flags everywhere:
${indented([
  ['--help', 'help of a command'],
  ['--version', 'the version'],
  ['--debug', 'stack traces with errors'],
])}

Start here:
  callgate demo
  callgate init
  callgate run -- npx -y @modelcontextprotocol/server-filesystem .

Exit codes: 0 done, 1 a check failed, 2 usage or an invalid file, 3 refused for safety, 70 a fault of Callgate.
run ends with the exit code of the server.
`;
}

/** `callgate <command> --help`, and `callgate <command> <verb> --help`; `rest` is what stands behind the command. */
export async function commandHelp(command: Command, rest: readonly string[] = []): Promise<string> {
  const verbs = (await command.verbs?.()) ?? [];
  const verb = verbs.find(({ name }) => name === rest[0]);
  return verb === undefined ? helpOf(command, command.name, verbs) : helpOf(verb, `${command.name} ${verb.name}`, []);
}

function helpOf(command: Command, name: string, verbs: readonly Command[]): string {
  const aliases = Object.keys(ALIASES).filter((alias) => ALIASES[alias] === command.name);
  const also = aliases.length === 0 ? '' : ` (also: ${aliases.join(', ')})`;
  const flags = command.flags.length === 0 ? '' : `\nFlags:\n${indented(command.flags)}\n`;
  const list = verbs.length === 0 ? '' : `\nVerbs:\n${indented(verbs.map((verb) => [verb.name, verb.summary]))}\n`;
  return `callgate ${name}: ${command.summary}${also}

Usage:
${command.usage.map((line) => `  ${line}`).join('\n')}
${list}${flags}
Example:
${command.examples.map((line) => `  ${line}`).join('\n')}
`;
}

function indented(rows: readonly (readonly string[])[]): string {
  return table(rows.map((row) => ['', ...row]));
}
