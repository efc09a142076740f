import { decodeBase64, decodeEscapes, decodeUtf8 } from './ansi.ts';

/**
 * What a harmless program prints, worked out from its arguments and its input: the tools people hide commands with.
 * Undefined when nobody can tell.
 */
export function constantOutputOf(argv: readonly string[], input: string | undefined): string | undefined {
  const [path = '', ...args] = argv;
  const program = path.slice(path.lastIndexOf('/') + 1);
  switch (program) {
    case 'echo':
      return echo(args);
    case 'printf':
      return printf(args);
    case 'cat':
    case 'tee':
      return args.every((arg) => arg === '-') ? input : undefined;
    case 'rev':
      return args.length > 0 ? undefined : eachLine(input, (line) => Array.from(line).reverse().join(''));
    case 'tac':
      return args.length > 0 || input === undefined
        ? undefined
        : `${input.split('\n').toReversed().join('\n').trim()}\n`;
    case 'base64':
    case 'base32':
      return program === 'base64' &&
        args.every((arg) => /^-(?:d|D|di|id|-decode|-ignore-garbage|i)$/.test(arg)) &&
        args.length > 0
        ? bytesText(decodeBase64(input ?? '!'))
        : undefined;
    case 'openssl':
      return args.some((arg) => /^-?(?:base64|a)$/.test(arg)) &&
        args.includes('-d') &&
        !args.includes('-in') &&
        !args.includes('-out')
        ? bytesText(decodeBase64(input ?? '!'))
        : undefined;
    case 'xxd':
      return /^-(?:r -p|p -r|rp|pr|r -ps|ps -r)$/.test(args.join(' ')) ? hexText(input) : undefined;
    case 'tr':
      return translate(args, input);
    case 'which':
      return args.length === 1 && !args[0]!.startsWith('-') ? args[0] : undefined;
    case 'command':
    case 'type':
      return args.length === 2 && /^-[vpP]$/.test(args[0]!) ? args[1] : undefined;
    case 'pwd':
      return args.length === 0 ? '.' : undefined;
    default:
      return undefined;
  }
}

function echo(args: readonly string[]): string | undefined {
  let newline = '\n';
  let escapes = false;
  let at = 0;
  for (; /^-[neE]+$/.test(args[at] ?? ''); at++) {
    if (args[at]!.includes('n')) newline = '';
    if (args[at]!.includes('e')) escapes = true;
    else if (args[at]!.includes('E')) escapes = false;
  }
  const text = args.slice(at).join(' ');
  if (!escapes) return /\\(?:[abcefnrtvxuU0-9\\]|$)/.test(text) ? undefined : text + newline; // dash decodes what Bash prints
  const end = text.indexOf('\\c');
  return end >= 0 ? decodeEscapes(text.slice(0, end)) : decodeEscapes(text) + newline;
}

const MOST_ROUNDS = 1_000;

function printf(args: readonly string[]): string | undefined {
  const from = args[0] === '--' ? 1 : 0;
  const format = args[from];
  if (format === undefined || format.startsWith('-')) return undefined;
  const values = args.slice(from + 1);
  const pieces = format.match(/%%|%[^%a-zA-Z]*[a-zA-Z]|[^%]+|%/g) ?? [];
  const takes = pieces.filter((piece) => piece.startsWith('%') && piece !== '%%').length;
  let text = '';
  let next = 0;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    for (const piece of pieces) {
      if (piece === '%%') text += '%';
      else if (piece === '%s') text += values[next++] ?? '';
      else if (piece === '%b') text += decodeEscapes(values[next++] ?? '');
      else if (piece === '%c') text += (values[next++] ?? '').slice(0, 1);
      else if (piece === '%d' && /^-?\d{0,15}$/.test(values[next] ?? '')) text += values[next++] || '0';
      else if (piece.startsWith('%')) return undefined;
      else text += decodeEscapes(piece);
    }
    if (takes === 0 || next >= values.length) return text;
  }
  return undefined;
}

function eachLine(input: string | undefined, change: (line: string) => string): string | undefined {
  return input?.split('\n').map(change).join('\n');
}

const bytesText = (bytes: readonly number[] | undefined) => (bytes === undefined ? undefined : decodeUtf8(bytes));

function hexText(input: string | undefined): string | undefined {
  const digits = input?.replace(/\s+/g, '');
  if (digits === undefined || digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) return undefined;
  return decodeUtf8((digits.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16)));
}

function translate(args: readonly string[], input: string | undefined): string | undefined {
  if (input === undefined || args.length !== 2) return undefined;
  const deletes = args[0] === '-d';
  const from = characterSet(deletes ? args[1]! : args[0]!);
  const to = characterSet(deletes ? '' : args[1]!);
  if (from === undefined || to === undefined || (!deletes && to.length === 0)) return undefined;
  const map = new Map(from.map((char, index) => [char, deletes ? '' : (to[index] ?? to.at(-1)!)]));
  return Array.from(input, (char) => map.get(char) ?? char).join('');
}

/** `a-z`, `A-Za-z`, `\n`, `[:upper:]`; undefined for other classes. */
function characterSet(text: string): string[] | undefined {
  const plain = decodeEscapes(
    text.replaceAll('[:upper:]', 'A-Z').replaceAll('[:lower:]', 'a-z').replaceAll('[:space:]', ' \t\n'),
  );
  if (/\[[:=.]/.test(plain) || plain.startsWith('-')) return undefined;
  const chars = Array.from(plain);
  const set: string[] = [];
  for (let at = 0; at < chars.length; at++) {
    const [first, dash, last] = [chars[at]!.codePointAt(0)!, chars[at + 1], chars[at + 2]?.codePointAt(0)];
    if (dash !== '-' || last === undefined || last < first || last - first > 255) set.push(chars[at]!);
    else {
      for (let code = first; code <= last; code++) set.push(String.fromCodePoint(code));
      at += 2;
    }
  }
  return set;
}
