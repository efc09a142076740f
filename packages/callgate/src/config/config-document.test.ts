import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfigDocument } from './config-document.ts';
import { documentCache } from './document-cache.ts';
import { parseConfig } from './document.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cg-config-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const FULL = `version: 1
policy: ./policy.yaml
evidence: { durability: strict, required: true }
limits: { messageBytes: 1048576 }
servers:
  files:
    command: npx
    args: [-y, server]
    env: { TOKEN: "\${TOKEN}", __proto__: x }
    trust: { annotations: true }
  other: { command: other }
lock: [policy]
`;
const fileOf = (text: string, path = '/p/callgate.yaml') => ({ path, text, sha256: '' });
const open = () => documentCache(home, 'config', 'b')!;

describe('a callgate.yaml', () => {
  it('is remembered as it was read, with every place', async () => {
    const parsed = await parseConfig(fileOf(FULL));
    expect(parsed.issues).toEqual([]);
    await readConfigDocument(fileOf(FULL), home, open());
    expect(open().get(`/p/callgate.yaml\0${FULL}`)).toBeDefined();
    const { document, issues } = await readConfigDocument(fileOf(FULL), home, open());
    expect(issues).toEqual([]);
    expect(document).toEqual(parsed.document);
    const env = document.servers.get('files')!.keys.get('env')!.value as Readonly<Record<string, string>>;
    expect(Object.entries(env)).toEqual([
      ['TOKEN', '${TOKEN}'],
      ['__proto__', 'x'],
    ]);
  });

  it('is another one at another path: its places name the file', async () => {
    await readConfigDocument(fileOf(FULL), home, open());
    const { document } = await readConfigDocument(fileOf(FULL, '/q/callgate.yaml'), home, open());
    expect(document.settings.get('policy')?.place.file).toBe('/q/callgate.yaml');
  });

  it('is not remembered when something is wrong with it', async () => {
    const bad = fileOf('polcy: x\n');
    const first = await readConfigDocument(bad, home, open());
    expect(first.issues).toHaveLength(1);
    expect(await readConfigDocument(bad, home, open())).toEqual(first);
  });
});
