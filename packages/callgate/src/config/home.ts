import { lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { CallgateError } from '../model/error.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where the home is: `CALLGATE_HOME`, else `.callgate` in the user's directory. Touches no file.
 * @throws CallgateError CG_HOME_INVALID when the variable is empty or relative (one home = one judge; a relative one would
 * be another in each directory).
 */
export function homePath(env: Environment): string {
  const named = env['CALLGATE_HOME'];
  if (named === undefined) return join(env['HOME'] || homedir(), '.callgate');
  if (!isAbsolute(named)) {
    throw new CallgateError('CG_HOME_INVALID', `CALLGATE_HOME is "${named}", which is not an absolute path.`, {
      remedy: 'Set it to an absolute path, or unset it to use ~/.callgate.',
    });
  }
  return named;
}

/**
 * The home, made with mode 0700 at first use and checked each time. A symbolic link is resolved here, once; the returned
 * path has none.
 * @throws CallgateError CG_HOME_UNSAFE when others own it or may write to it, CG_HOME_UNUSABLE when it cannot be made.
 */
export function openHome(env: Environment): string {
  const path = homePath(env);
  try {
    makeDirectory(path);
  } catch (error) {
    throw new CallgateError('CG_HOME_UNUSABLE', `The home ${path} cannot be made: ${(error as Error).message}.`, {
      remedy: 'Make a directory of mode 0700 there, or set CALLGATE_HOME to one.',
      cause: error,
    });
  }
  return checkedHome(path);
}

/** Node's own `recursive` never returns where a parent is there and takes no directory, as /proc. */
function makeDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  if (dirname(path) !== path) makeDirectory(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another gate may have made it meanwhile.
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}

/** The home if it is there, checked as openHome does; undefined when there is none yet. */
export function existingHome(env: Environment): string | undefined {
  const path = homePath(env);
  const link = lstatSync(path, { throwIfNoEntry: false });
  return link === undefined ? undefined : checkedHome(path);
}

function checkedHome(path: string): string {
  const link = lstatSync(path);
  if (link.isSymbolicLink() && !isOurs(link) && link.uid !== 0)
    throw unsafe(`The link ${path} belongs to another user.`, `Remove ${path}.`);
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    throw new CallgateError('CG_HOME_UNUSABLE', `The home ${path} cannot be resolved: ${(error as Error).message}.`, {
      remedy: 'Mend or remove the link.',
    });
  }
  const stat = statSync(real);
  if (!stat.isDirectory()) {
    throw new CallgateError('CG_HOME_UNUSABLE', `The home ${real} is not a directory.`, {
      remedy: 'Move that file away, or set CALLGATE_HOME to another directory.',
    });
  }
  if (!isOurs(stat))
    throw unsafe(`The home ${real} belongs to another user.`, 'Set CALLGATE_HOME to a directory of yours.');
  if (hasModes() && (stat.mode & 0o022) !== 0) {
    throw unsafe(`The home ${real} may be written by others (mode ${mode(stat)}).`, `Run: chmod 700 '${real}'`);
  }
  const parent = statSync(dirname(real));
  // Without the sticky bit, whoever may write to the parent may put another home in this one's place.
  if (hasModes() && (parent.mode & 0o002) !== 0 && (parent.mode & 0o1000) === 0) {
    throw unsafe(
      `Anyone may replace the home: ${dirname(real)} has mode ${mode(parent)}.`,
      `Run: chmod o-w '${dirname(real)}'`,
    );
  }
  return real;
}

const hasModes = () => process.platform !== 'win32';

function isOurs(stat: Stats): boolean {
  return process.getuid === undefined || stat.uid === process.getuid();
}

function mode(stat: Stats): string {
  return (stat.mode & 0o7777).toString(8).padStart(4, '0');
}

function unsafe(message: string, remedy: string): CallgateError {
  return new CallgateError('CG_HOME_UNSAFE', message, { remedy });
}
