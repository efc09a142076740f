import { closeSync, constants, fstatSync, openSync, readFileSync, statSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import { MAX_POLICY_BYTES, sha256 } from './read.ts';

export interface FileWatch {
  close(): void;
}

const DEBOUNCE_MS = 50;
const POLL_MS = 500;

/**
 * Calls `onChange` with the files whose content has changed: written in place, replaced by rename, made or removed. Watches
 * the directories (a rename replaces the inode that a file watch holds on to) and looks every 500 ms as well, for file
 * systems that tell nothing. Does not keep the process alive.
 * @param files absolute paths; they need not exist.
 * @param onChange its errors are the caller's: it must not throw.
 * @param polled files in directories that are written all the time: looked at, their directory not watched.
 */
export function watchFiles(
  files: readonly string[],
  onChange: (changed: readonly string[]) => void,
  polled: readonly string[] = [],
): FileWatch {
  const known = new Map([...files, ...polled].map((file) => [file, look(file, undefined)]));
  let pending: NodeJS.Timeout | undefined;
  const compare = () => {
    pending = undefined;
    const changed: string[] = [];
    for (const [file, before] of known) {
      const now = look(file, before);
      if (now === before) continue;
      known.set(file, now);
      if (now.content !== before.content) changed.push(file);
    }
    if (changed.length > 0) onChange(changed);
  };
  const soon = () => {
    pending ??= setTimeout(compare, DEBOUNCE_MS).unref();
  };
  const directories = grouped(files);
  const watchers = [...directories].flatMap(([directory, names]) => watchDirectory(directory, names, soon));
  const poll = setInterval(compare, POLL_MS).unref();
  return {
    close() {
      clearTimeout(pending);
      clearInterval(poll);
      for (const watcher of watchers) watcher.close();
    },
  };
}

function grouped(files: readonly string[]): Map<string, Set<string>> {
  const directories = new Map<string, Set<string>>();
  for (const file of files) {
    const names = directories.get(dirname(file)) ?? new Set();
    directories.set(dirname(file), names.add(basename(file)));
  }
  return directories;
}

/** None when the directory is not there or the system has no watches left: the poll sees the change then. */
function watchDirectory(directory: string, names: ReadonlySet<string>, onEvent: () => void): FSWatcher[] {
  try {
    const watcher = watch(directory, { persistent: false }, (_event, name) => {
      if (name === null || names.has(name)) onEvent();
    });
    watcher.on('error', () => watcher.close());
    return [watcher];
  } catch {
    return [];
  }
}

interface Look {
  readonly stat: string;
  readonly content: string;
}

/**
 * Never waits and reads no more than a loader would take: what a named pipe, a device or an endless file is, the loader
 * says.
 */
function contentOf(file: string, stat: string): string {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const now = fstatSync(descriptor);
    return now.isFile() && now.size <= MAX_POLICY_BYTES ? sha256(readFileSync(descriptor)) : `unread ${stat}`;
  } finally {
    closeSync(descriptor);
  }
}

/** The content's hash; read again only when the file's times, size or inode say so. */
function look(file: string, before: Look | undefined): Look {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    const stat = `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    return stat === before?.stat ? before : { stat, content: contentOf(file, stat) };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    return code === before?.stat ? before : { stat: code, content: code };
  }
}
