import { parseBare } from '../policy/load.ts';
import { documentCache } from './document-cache.ts';
import type { ConfigDocument, Written } from './document.ts';
import type { Issue } from './issues.ts';
import type { TextFile } from './read.ts';

type Server = ConfigDocument['servers'] extends ReadonlyMap<string, infer S> ? S : never;

/** A document as JSON can hold it. */
interface Kept {
  readonly settings: readonly (readonly [string, Written<string | number | boolean>])[];
  readonly servers: readonly (readonly [string, Omit<Server, 'keys'> & { keys: (readonly [string, Written])[] }])[];
  readonly lock: ConfigDocument['lock'];
}

/**
 * A callgate.yaml as `parseConfig` reads it; one that has not changed since it was found good is not parsed again.
 * @param cache what the home has kept
 * @throws nothing: what is wrong is in `issues`, and with any the document must not be used
 */
export async function readConfigDocument(
  file: TextFile,
  home: string,
  cache = documentCache(home, 'config'),
): Promise<{ document: ConfigDocument; issues: Issue[] }> {
  // The places of a document name its file.
  const key = `${file.path}\0${file.text}`;
  const json = cache?.get(key);
  const known = json === undefined ? undefined : thawed(json);
  if (known !== undefined) return { document: known, issues: [] };
  const { parseConfig } = await import('./document.ts');
  const parsed = await parseConfig(file);
  if (parsed.issues.length === 0) cache?.put(key, JSON.stringify(frozen(parsed.document)));
  return parsed;
}

function frozen({ settings, servers, lock }: ConfigDocument): Kept {
  return {
    settings: [...settings],
    servers: [...servers].map(([name, server]) => [name, { ...server, keys: [...server.keys] }]),
    lock,
  };
}

function thawed(json: string): ConfigDocument | undefined {
  const kept = parseBare(json) as Kept | undefined;
  if (kept === undefined) return undefined;
  return {
    settings: new Map(kept.settings),
    servers: new Map(kept.servers.map(([name, server]) => [name, { ...server, keys: new Map(server.keys) }])),
    lock: kept.lock,
  };
}
