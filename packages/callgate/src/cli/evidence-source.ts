import { resolve } from 'node:path';
import { existingHome } from '../config/home.ts';
import { loadConfig } from '../config/index.ts';
import { evidencePlace, readHead, readMark, sealNow, type EvidencePlace, type LogSource } from '../evidence/index.ts';
import { CallgateError } from '../model/error.ts';
import { withHome, type Io } from './terminal.ts';

/** What to do where no call was recorded. */
export const NOTHING_YET =
  'The log begins with the first session: put Callgate in front of a server with `callgate run -- <command>`.';

/**
 * Which log a command reads: `--evidence`, else the configured directory, else the home's own. Keys, mark and index are
 * used only when it is the log of this home; what a gate has not sealed yet is sealed first.
 */
export async function openSource(values: Readonly<Record<string, string>>, io: Io): Promise<LogSource> {
  const note = (text: string): void => void io.stderr.write(`callgate: ${text}\n`);
  const env = withHome(io, values['home']);
  const home = existingHome(env);
  const own = home === undefined ? undefined : await ownPlace(home, env, io, note);
  const named = values['evidence'];
  const dir = named === undefined ? own?.dir : resolve(io.cwd, named);
  if (dir === undefined)
    throw new CallgateError('CG_EVIDENCE_NO_LOG', 'There is no Callgate home yet, so there is no evidence.', {
      remedy: 'Run something through `callgate run` first, or name a log with --evidence.',
    });
  const place = own !== undefined && isOwn(own, dir) ? { ...own, dir } : undefined;
  const source = { dir, place, note };
  await sealPending(source);
  return source;
}

/** Seals what is pending. What cannot be sealed is said, and the log is read as it is. */
export async function sealPending({ place, note }: LogSource): Promise<void> {
  if (place === undefined) return;
  try {
    await sealNow(place);
  } catch (error) {
    const { message, remedy } = error as { message: string; remedy?: string };
    note(`The newest records may be missing. ${message}${remedy === undefined ? '' : ` ${remedy}`}`);
  }
}

async function ownPlace(home: string, env: Io['env'], io: Io, note: LogSource['note']): Promise<EvidencePlace> {
  const place = evidencePlace(home);
  try {
    const config = await loadConfig({ flags: {}, env, cwd: io.cwd, home });
    return { ...place, dir: config.evidence.dir ?? place.dir };
  } catch (error) {
    note(`The configuration cannot be read, so the log of the home is shown. ${(error as Error).message}`);
    return place;
  }
}

/** The home's own directory, or another that holds the very log that the home's mark knows. */
function isOwn(own: EvidencePlace, dir: string): boolean {
  if (own.dir === dir) return true;
  const mark = readMark(own.markFile);
  return mark !== undefined && readHead(dir)?.origin === mark.origin && readHead(own.dir)?.origin !== mark.origin;
}
