import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';

/** For tests: where a gate would be started. */
export interface Place {
  /** The directory around the others, its links followed. */
  readonly base: string;
  readonly home: string;
  /** A project's directory, empty. */
  readonly cwd: string;
}

const bases: string[] = [];
afterEach(() => {
  for (const base of bases.splice(0)) rmSync(base, { recursive: true, force: true });
});

/** Makes a place that is gone after the test. A home `later` is only named: what is tested makes it. */
export function openPlace(home: 'made' | 'later' = 'made'): Place {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'callgate-place-')));
  bases.push(base);
  const place = { base, home: join(base, 'home'), cwd: join(base, 'project') };
  mkdirSync(place.cwd);
  if (home === 'made') mkdirSync(place.home, { mode: 0o700 });
  return place;
}
