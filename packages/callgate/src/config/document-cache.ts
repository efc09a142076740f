import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DocumentCache } from '../policy/load.ts';

/** The build that reads; put in when the program is bundled. Another build may read the same text otherwise. */
declare const CALLGATE_BUILD: string | undefined;

/** More than one policy with all that it may include has. */
const MOST_FILES = 128;
/** With the number of a process behind it: what one that was killed left half written. */
const NAME = /^(?:policy|config)-[0-9a-f]{64}\.json(?:\.\d+)?$/;

/**
 * The documents of a home as they were read, in `<home>/cache`: starting with unchanged files parses no YAML.
 * A file is its digest and the JSON; what is damaged or cannot be read or written counts as not there.
 * @param build undefined: nothing is kept (from source, where the reader may change at any time)
 */
export function documentCache(
  home: string,
  kind: 'policy' | 'config',
  build: string | undefined = typeof CALLGATE_BUILD === 'string' ? CALLGATE_BUILD : undefined,
): DocumentCache | undefined {
  if (build === undefined) return undefined;
  const directory = join(home, 'cache');
  const fileOf = (text: string): string => join(directory, `${kind}-${digest(`${build}\0${text}`)}.json`);
  return {
    get(text) {
      try {
        const content = readFileSync(fileOf(text), 'utf8');
        const json = content.slice(65);
        return content.slice(0, 65) === `${digest(json)}\n` ? json : undefined;
      } catch {
        return undefined;
      }
    },
    put(text, json) {
      const target = fileOf(text);
      const fresh = `${target}.${process.pid}`;
      try {
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        writeFileSync(fresh, `${digest(json)}\n${json}`, { mode: 0o600, flag: 'wx' });
        renameSync(fresh, target);
        dropOldest(directory);
      } catch {
        drop(fresh);
      }
    },
  };
}

function dropOldest(directory: string): void {
  const files = readdirSync(directory).filter((name) => NAME.test(name));
  if (files.length <= MOST_FILES) return;
  const aged = files.map((name) => ({ name, time: statSync(join(directory, name)).mtimeMs }));
  for (const { name } of aged.toSorted((a, b) => b.time - a.time).slice(MOST_FILES)) drop(join(directory, name));
}

function drop(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // It can neither be written nor removed: it is not used.
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
