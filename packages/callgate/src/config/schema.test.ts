import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { configSchema } from './schema.ts';
import { environmentName, OTHER_VARIABLES, SERVER_KEYS, SETTINGS } from './settings.ts';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
/** The formatter pads cells. */
const firstCell = (line: string) => line.split('|')[1]?.trim();

describe('the committed files about settings', () => {
  it('schema/config.schema.json is what the table says', () => {
    expect(JSON.parse(read('../../schema/config.schema.json'))).toEqual(configSchema());
  });

  it('docs/config.md names every setting with its variable, default and values', () => {
    const lines = read('../../../../docs/config.md').split('\n');
    for (const [key, setting] of Object.entries(SETTINGS)) {
      const line = lines.find((text) => firstCell(text) === `\`${key}\``);
      expect(line, key).toContain(`\`${environmentName(key)}\``);
      if (setting.type !== 'text') expect(line, key).toContain(`\`${setting.fallback}\``);
      if (setting.type === 'choice') for (const value of setting.values) expect(line, key).toContain(value);
    }
    for (const key of Object.keys(SERVER_KEYS))
      expect(
        lines.some((text) => firstCell(text) === `\`${key}\``),
        key,
      ).toBe(true);
    for (const name of Object.keys(OTHER_VARIABLES))
      expect(
        lines.some((text) => text.includes(`\`${name}\``)),
        name,
      ).toBe(true);
  });
});
