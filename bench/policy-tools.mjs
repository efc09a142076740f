// What compiling, patterns and the tools of `callgate policy` cost.
import { createHash } from 'node:crypto';
import { median } from './proc.mjs';

const OPTIONS = { variables: {}, sha256: (text) => createHash('sha256').update(text).digest('hex') };
const now = () => performance.now();

/** @returns one row for the report for each figure */
export function measurePolicyTools({ compilePolicy, compilePattern, compileGlob, lint, differences }, budget) {
  const sourceOf = (rules) => ({ file: 'bench.yaml', text: `version: 1\nrules:\n${rules.join('\n')}\n` });
  const compile = (rules) => compilePolicy([sourceOf(rules)], OPTIONS);

  const glob = compileGlob('*a*a*a*a*a*a*a*a*b');
  const pattern = compilePattern('(a+)+$');
  const hostile = 'a'.repeat(100_000);
  const thousand = Array.from(
    { length: 1000 },
    (_, i) =>
      `  - { id: r${i}, match: { tool: tool_${i} }, args: { text: ${i % 10 === 0 ? `{ regex: "^a${i}[0-9]+(b|c)*$" }` : `{ startsWith: "t${i}" }`} }, effect: allow }`,
  );
  const linted = Array.from(
    { length: 200 },
    (_, i) =>
      `  - { id: r${i}, match: { tool: [tool_${i}, "read_${i % 7}_*"] }, args: { path: { startsWith: "/srv/${i}/" }, n: { le: ${i} } }, effect: ${i % 3 === 0 ? 'deny' : 'allow'} }`,
  );
  const twenty = (shift) =>
    compile(
      Array.from(
        { length: 20 },
        (_, i) =>
          `  - { id: r${i}, match: { tool: "srv${i % 4}.*" }, args: { amount: { lt: ${i * 10 + shift} }, path: { startsWith: "/srv/${i}" }, to: { in: [a, b${i}] } }, effect: ${i % 5 === 4 ? 'deny' : 'allow'} }`,
      ),
    );
  const before = twenty(10);
  const after = twenty(11);
  const policy = compile(linted);
  const sources = [sourceOf(linted)];
  return [
    budget(
      'glob *a*a*a*a*a*a*a*a*b on 100 KB',
      msOf(() => glob.test(hostile)),
      'ms',
      50,
      '≤',
      '',
    ),
    budget(
      'pattern (a+)+$ on 100 KB',
      msOf(() => pattern.test(`${hostile}!`)),
      'ms',
      50,
      '≤',
      '',
    ),
    budget(
      'compile 1,000 rules with 100 patterns',
      msOf(() => compile(thousand)),
      'ms',
      150,
      '≤',
      'YAML read with it',
    ),
    budget('lint on 200 rules', msOf(() => lint(policy, sources)) / 1000, 's', 5, '≤', ''),
    budget(
      'diff on 2 × 20 rules',
      msOf(() => differences(before, after, { compile: OPTIONS, now, withinMs: 10_000 })) / 1000,
      's',
      2,
      '≤',
      `${differences(before, after, { compile: OPTIONS, now, withinMs: 10_000 }).witnesses.length} changes found`,
    ),
  ];
}

/** Median milliseconds of five runs, after one to warm up. */
function msOf(run) {
  const times = [];
  for (let i = 0; i < 6; i++) {
    const started = now();
    run();
    if (i > 0) times.push(now() - started);
  }
  return median(times);
}
