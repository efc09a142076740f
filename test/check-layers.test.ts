import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkLayers } from '../scripts/check-layers.mjs';

let src: string;
beforeEach(() => {
  src = mkdtempSync(join(tmpdir(), 'layers-'));
});
afterEach(() => rmSync(src, { recursive: true }));

function breachesOf(file: string, text: string): string[] {
  mkdirSync(dirname(join(src, file)), { recursive: true });
  writeFileSync(join(src, file), text);
  return checkLayers(src);
}

it.each([
  ['a lower room', 'gate/judge.ts', "import { a } from '../policy/a.ts';"],
  ['its own room', 'gate/judge.ts', "import { a } from './facts.ts';"],
  ['a package', 'policy/load.ts', "import { parse } from 'yaml';"],
  ['observe from cli', 'cli/run.ts', "const log = await import('../observe/log.ts');"],
  ['Node from a room that may', 'evidence/log.ts', "import { open } from 'node:fs';"],
  [
    'words that only look like imports',
    'model/a.ts',
    "// import '../cli/run.ts'\nexport const a = \"import '../cli/run.ts'\";",
  ],
  ['a RegExp of a literal', 'inspect/a.ts', "export const a = new RegExp('a+', 'y');"],
  ['console in cli', 'cli/logs.ts', "console.log('x');"],
  ['tests', 'model/a.test.ts', "import { a } from '../cli/run.ts'; console.log(a);"],
])('lets pass %s', (_what, file, text) => {
  expect(breachesOf(file, text)).toEqual([]);
});

it.each([
  [
    'an upward import',
    'policy/a.ts',
    "\nimport { a } from '../gate/a.ts';",
    'a.ts:2:19 policy imports upward from gate',
  ],
  ['an upward type import', 'model/a.ts', "import type { A } from '../policy/a.ts';", 'policy'],
  ['an upward import() type', 'model/a.ts', "export type A = import('../policy/a.ts').A;", 'upward'],
  ['an upward re-export', 'model/a.ts', "export * from '../policy/a.ts';", 'upward'],
  ['an upward dynamic import', 'state/a.ts', "export const a = () => import('../evidence/a.ts');", 'upward'],
  ['a room on the same step', 'evidence/a.ts', "import '../upstreams/a.ts';", 'same step'],
  ['observe from below cli', 'gate/a.ts', "import '../observe/log.ts';", 'only cli'],
  ['Node in a pure room', 'policy/a.ts', "import 'node:fs';", 'no Node API'],
  ['an unknown room', 'util/a.ts', 'export {};', 'no step'],
  ['a RegExp of a variable', 'inspect/a.ts', 'export const a = (b: string) => new RegExp(b);', 'RegExp'],
  ['a RegExp of a composed text', 'inspect/a.ts', 'export const a = (b: string) => RegExp(`a${b}`);', 'RegExp'],
  ['eval', 'state/a.ts', "eval('1');", 'eval'],
  ['the Function constructor', 'state/a.ts', "new Function('return 1');", 'Function'],
  ['globalThis.Function', 'state/a.ts', "globalThis.Function('return 1');", 'Function'],
  ['console below cli', 'gate/a.ts', "console.error('x');", 'console'],
])('refuses %s', (_what, file, text, message) => {
  const breaches = breachesOf(file, text);
  expect(breaches).toHaveLength(1);
  expect(breaches[0]).toContain(message);
});
