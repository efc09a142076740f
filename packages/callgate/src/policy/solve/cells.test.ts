import { describe, expect, it } from 'vitest';
import { cellsOf } from './cells.ts';
import { hintOfExpression, hintOfMatcher } from './hints.ts';

const same = (text: string): string => text;
const texts = (values: readonly unknown[]): string[] => values.filter((one): one is string => typeof one === 'string');

describe('the kinds of values of a field', () => {
  it('are told apart by bounds: below, at, between and above', () => {
    const { values } = cellsOf([hintOfExpression('args.n > 10', same), hintOfMatcher('n', { le: 20 }, same)]);
    expect(values.filter((one) => typeof one === 'number')).toEqual([9, 10, 15, 20, 21]);
  });

  it('are told apart by texts that no single test names', () => {
    const { values, unread } = cellsOf([
      hintOfMatcher('command', { regex: 'rm\\s+-rf' }, same),
      hintOfMatcher('command', { contains: 'rm -rf' }, same),
    ]);
    expect(unread.size).toBe(0);
    expect(texts(values).filter((text) => /rm\s+-rf/.test(text) && !text.includes('rm -rf'))).toHaveLength(1);
    expect(texts(values).filter((text) => text.includes('rm -rf'))).toHaveLength(1);
    expect(texts(values)).toHaveLength(3);
  });

  it('include missing, null, lists and objects', () => {
    const { values } = cellsOf([]);
    expect(values).toContain(undefined);
    expect(values).toContain(null);
    expect(values).toContainEqual([]);
  });

  it('are not complete where a pattern is not modelled', () => {
    expect(cellsOf([hintOfMatcher('a', { regex: '\\pL' }, same)]).unread.size).toBe(1);
  });
});

describe('what an atom looks at', () => {
  it.each([
    ['args.a.b == "x"', [['args', 'a', 'b']], true],
    ['args["a b"] in ["x", "y"]', [['args', 'a b']], true],
    ['tool == "run"', [['tool']], true],
    ['has(args.x)', [['args', 'x']], true],
    ['glob(args.x, "a*")', [['args', 'x']], true],
    [
      'args.a < args.b',
      [
        ['args', 'a'],
        ['args', 'b'],
      ],
      false,
    ],
    ['under(args.path, "/srv")', [['args', 'path']], false],
    ['args.list.exists(x, x == 1)', [['args', 'list'], ['x']], false],
    ['size(args.x) > 3', [['args', 'x']], false],
    ['hour("UTC") < 9', [], false],
  ] as const)('%s', (text, fields, isExact) => {
    const hint = hintOfExpression(text, same);
    expect(hint.fields).toEqual(fields);
    expect(hint.isExact).toBe(isExact);
  });
});
