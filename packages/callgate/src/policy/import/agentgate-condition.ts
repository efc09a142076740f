import { toRe2, matchesNothing } from './regex.ts';
import { celAnd, celField, celNot, celOr, celPattern } from './write.ts';

/** A condition of AgentGate (Rust). */
export type AgentgateCondition =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly AgentgateCondition[] }
  | { readonly kind: 'not'; readonly of: AgentgateCondition }
  | { readonly kind: 'field'; readonly field: string; readonly pattern: string }
  | { readonly kind: 'any'; readonly pattern: string }
  | { readonly kind: 'hour'; readonly op: string; readonly hour: number };

interface Token {
  readonly kind: 'word' | 'text' | 'number' | 'sign' | 'end';
  readonly text: string;
  readonly at: number;
}

const MAX_DEPTH = 60;

/**
 * Parses `expr = and { "or" and } ; and = not { "and" not } ; not = ("not" | "!") not | "(" expr ")" | atom`.
 * Texts stand in single quotes and have no escapes.
 * @throws SyntaxError that says what is wrong and at which character
 */
export function parseCondition(source: string): AgentgateCondition {
  const tokens = tokenize(source);
  let next = 0;
  let depth = 0;
  const peek = (): Token => tokens[next] as Token;
  const fail = (message: string): never => {
    throw new SyntaxError(`${message} (character ${peek().at + 1} of the condition)`);
  };
  const takeWord = (text: string): boolean => {
    const isHit = (peek().kind === 'word' || peek().kind === 'sign') && peek().text === text;
    if (isHit) next++;
    return isHit;
  };
  const take = (kind: Token['kind'], what: string): string => {
    const token = peek();
    if (token.kind !== kind) fail(`${what} is expected`);
    next++;
    return token.text;
  };
  const joined = (word: 'and' | 'or', part: () => AgentgateCondition): AgentgateCondition => {
    const parts = [part()];
    while (takeWord(word)) parts.push(part());
    return parts.length === 1 ? (parts[0] as AgentgateCondition) : { kind: word, parts };
  };
  const expression = (): AgentgateCondition => {
    if (++depth > MAX_DEPTH) fail('the condition is nested too deeply');
    const out = joined('or', () => joined('and', negation));
    depth--;
    return out;
  };
  const negation = (): AgentgateCondition => {
    if (takeWord('not') || takeWord('!')) {
      if (++depth > MAX_DEPTH) fail('the condition is nested too deeply');
      const of = negation();
      depth--;
      return { kind: 'not', of };
    }
    if (takeWord('(')) {
      const inner = expression();
      if (!takeWord(')')) fail('")" is missing');
      return inner;
    }
    return atom();
  };
  const atom = (): AgentgateCondition => {
    if (takeWord('arguments')) {
      if (takeWord('.')) {
        const field = take('word', 'the name of an argument');
        if (!takeWord('matches')) fail('"matches" is expected: only top-level arguments can be named');
        return { kind: 'field', field, pattern: take('text', 'a pattern in single quotes') };
      }
      if (!takeWord('contains_pattern')) fail('"." or "contains_pattern" is expected');
      return { kind: 'any', pattern: take('text', 'a pattern in single quotes') };
    }
    if (takeWord('time')) {
      if (!takeWord('.') || !takeWord('hour')) fail('only time.hour is known');
      const op = take('sign', '<, <=, >, >= or ==');
      if (!['<', '<=', '>', '>=', '=='].includes(op)) fail('<, <=, >, >= or == is expected');
      return { kind: 'hour', op, hour: Number(take('number', 'an hour')) };
    }
    return fail('arguments, time.hour, not or "(" is expected');
  };
  const out = expression();
  if (peek().kind !== 'end') fail(`"${peek().text}" is not expected`);
  return out;
}

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  if (source.length > 10_000) throw new SyntaxError('the condition is longer than 10,000 characters');
  for (let at = 0; at < source.length;) {
    const rest = source.slice(at, at + 200);
    const space = /^\s+/.exec(rest)?.[0];
    if (space !== undefined) {
      at += space.length;
      continue;
    }
    if (rest.startsWith("'")) {
      const close = source.indexOf("'", at + 1);
      if (close < 0) throw new SyntaxError(`a text is not closed (character ${at + 1} of the condition)`);
      tokens.push({ kind: 'text', text: source.slice(at + 1, close), at });
      at = close + 1;
      continue;
    }
    const word = /^[A-Za-z_][A-Za-z0-9_-]*/.exec(rest)?.[0];
    const number = /^[0-9]+/.exec(rest)?.[0];
    const sign = /^(?:<=|>=|==|[<>().!])/.exec(rest)?.[0];
    const text = word ?? number ?? sign;
    if (text === undefined) throw new SyntaxError(`"${rest[0]}" is not known (character ${at + 1} of the condition)`);
    tokens.push({ kind: word !== undefined ? 'word' : number !== undefined ? 'number' : 'sign', text, at });
    at += text.length;
  }
  tokens.push({ kind: 'end', text: 'the end', at: source.length });
  return tokens;
}

/**
 * Writes a condition as a `when`. An argument that is missing makes `matches` false, as an empty text does there; under
 * `not` it is an error here, so that a rule that allows does not match by it.
 * @throws SyntaxError for a pattern that RE2 does not know
 */
export function conditionToCel(condition: AgentgateCondition, permissive: boolean, isNegated = false): string {
  switch (condition.kind) {
    case 'and':
    case 'or': {
      const parts = condition.parts.map((part) => conditionToCel(part, permissive, isNegated));
      return condition.kind === 'and' ? celAnd(parts) : celOr(parts);
    }
    case 'not':
      return celNot(conditionToCel(condition.of, permissive, !isNegated));
    case 'hour':
      return `hour("UTC") ${condition.op} ${condition.hour}`;
    case 'any': {
      const pattern = toRe2(condition.pattern, 'rust', permissive !== isNegated);
      return `(has(args) && anyValue(args).exists(s, s.matches(${celPattern(pattern)})))`;
    }
    case 'field': {
      const pattern = toRe2(condition.pattern, 'rust', permissive !== isNegated);
      const field = celField([condition.field]);
      const matches = `${field}.matches(${celPattern(pattern)})`;
      if (isNegated) return matches;
      return matchesNothing(pattern) ? `(!has(${field}) || ${matches})` : `(has(${field}) && ${matches})`;
    }
  }
}

/** Every pattern that is looked for in all arguments at once. */
export function wholePatterns(condition: AgentgateCondition): readonly string[] {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return condition.parts.flatMap(wholePatterns);
    case 'not':
      return wholePatterns(condition.of);
    case 'any':
      return [condition.pattern];
    default:
      return [];
  }
}
