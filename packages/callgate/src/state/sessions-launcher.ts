import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { CallgateError } from '../model/error.ts';
import { thisHolder } from './holder.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** One process, as far as finding the agent needs it. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  /** With the pid, never the same twice. */
  readonly start: string;
  /** As it calls itself. */
  readonly name: string;
  /** Leads the session of a terminal: a shell that a person sits at. */
  readonly isTerminal: boolean;
}

const LONGEST_NAME = 256;
const MOST_STEPS = 16;

/**
 * What the session of a gate on stdio is known by, below its principal: `CALLGATE_SESSION` if whoever started the gate set
 * it, else the process of the agent, so that all servers which one agent starts share one session. Shells and package
 * runners between the two are stepped over (`npx callgate run` has an npm of its own for each server).
 *
 * Who sets the environment of a gate could as well set another home: the variable is the launcher's word, not the model's.
 * @throws CallgateError CG_CONFIG_BAD_VALUE when the variable is empty or too long
 */
export async function launcherConversation(env: Environment): Promise<string> {
  const named = env['CALLGATE_SESSION'];
  if (named !== undefined) {
    if (named.trim() === '' || named.length > LONGEST_NAME) {
      const what = named.length > LONGEST_NAME ? `longer than ${LONGEST_NAME} characters` : 'empty';
      throw new CallgateError('CG_CONFIG_BAD_VALUE', `CALLGATE_SESSION is ${what}.`, {
        remedy: 'Set it to a name of the conversation, or unset it: gates that one agent starts then share a session.',
      });
    }
    return `name:${named}`;
  }
  const { boot, ns, host } = thisHolder();
  const look = process.platform === 'linux' ? fromProc : await fromPs();
  const { pid, start } = agentAbove(process.ppid, look);
  return `process:${JSON.stringify([boot === '' ? host : boot, ns, pid, start])}`;
}

/** Programs that only start others. */
const STARTERS = new Set(
  'sh bash dash zsh ksh ash fish busybox env timeout nohup nice setsid script npm npx pnpm pnpx yarn bunx corepack uvx volta fnm mise asdf'.split(
    ' ',
  ),
);

/** The first process above that is more than a starter. One that cannot be looked at is taken for the agent. */
export function agentAbove(
  parent: number,
  look: (pid: number) => ProcessInfo | undefined,
): { readonly pid: number; readonly start: string } {
  let pid = parent;
  for (let step = 0; step < MOST_STEPS; step++) {
    const found = look(pid);
    if (found === undefined) return { pid, start: '' };
    const { start, name, isTerminal } = found;
    // `npm exec callga`: npm writes what it does behind its name.
    const isStarter = STARTERS.has(name.replace(/^-/, '').split(' ')[0] ?? '');
    if (!isStarter || isTerminal || found.parent <= 0) return { pid, start };
    pid = found.parent;
  }
  return { pid, start: look(pid)?.start ?? '' };
}

function fromProc(pid: number): ProcessInfo | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined;
  }
}

/** `/proc/<pid>/stat`: the name stands in brackets and may hold some itself. */
export function parseStat(stat: string): ProcessInfo | undefined {
  const open = stat.indexOf('(');
  const close = stat.lastIndexOf(')');
  const fields = stat.slice(close + 2).split(' ');
  const [pid, parent, session, terminal] = [stat.slice(0, open), fields[1], fields[3], fields[4]].map(Number);
  const start = fields[19];
  if (open < 0 || close < open || start === undefined) return undefined;
  if (![pid, parent, session, terminal].every(Number.isSafeInteger)) return undefined;
  const isTerminal = session === pid && terminal !== 0;
  return { pid: pid!, parent: parent!, start, name: stat.slice(open + 1, close), isTerminal };
}

/** Where there is no /proc. Without `ps` every parent is taken for the agent itself. */
async function fromPs(): Promise<(pid: number) => ProcessInfo | undefined> {
  if (process.platform === 'win32') return () => undefined;
  const text = await new Promise<string>((resolve) => {
    const args = ['-A', '-o', 'pid=,ppid=,stat=,tty=,lstart=,command='];
    execFile('/bin/ps', args, { timeout: 2000, maxBuffer: 16 << 20, env: { LC_ALL: 'C' } }, (error, stdout) =>
      resolve(error === null ? stdout : ''),
    );
  });
  const known = new Map(
    text.split('\n').flatMap((line): [number, ProcessInfo][] => {
      const info = parsePs(line);
      return info === undefined ? [] : [[info.pid, info]];
    }),
  );
  return (pid) => known.get(pid);
}

/** One line of `ps -o pid=,ppid=,stat=,tty=,lstart=,command=`; `lstart` is five words. */
export function parsePs(line: string): ProcessInfo | undefined {
  const words = line.trim().split(/\s+/);
  const [pid, parent] = words.slice(0, 2).map(Number);
  const [, , state, terminal] = words;
  if (words.length < 10 || !Number.isSafeInteger(pid) || !Number.isSafeInteger(parent)) return undefined;
  const isTerminal = state!.includes('s') && !/^\?+$|^-$/.test(terminal!);
  const [program = '', ...rest] = words.slice(9);
  const name = [program.slice(program.lastIndexOf('/') + 1), ...rest].join(' ');
  return { pid: pid!, parent: parent!, start: words.slice(4, 9).join(' '), name, isTerminal };
}
