import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SHELL_CLASSES } from './index.ts';
import { claims, judge } from './testing.ts';

const page = readFileSync(new URL('../../../../../docs/policy-operators.md', import.meta.url), 'utf8');
const section = page.split('\n### The facts of a command line\n')[1]?.split('\n## ')[0] ?? '';
const rows = [...section.matchAll(/^\| `(\w+)` \| `(.+?)` \| /gm)].map(
  ([, fact = '', line = '']) => [fact, line.replaceAll('\\|', '|')] as const,
);

describe('the table of facts in docs/policy-operators.md', () => {
  it('has a row for each', () => {
    expect(rows.map(([fact]) => fact)).toEqual([...SHELL_CLASSES, 'dynamic']);
  });

  it.each(rows)('%s holds for %s', (fact, line) => {
    expect(judge(line).dynamic ? [...claims(line), 'dynamic'] : claims(line)).toContain(fact);
  });
});
