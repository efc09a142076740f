import { isSecretName, MASK, maskText } from './mask.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** What a line is about, besides its sentence. Values of secret-looking keys are masked. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes diagnostics. Handed to whoever needs it; nothing below cli imports it. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** The same logger at another level; a reloaded config may change it. */
  setLevel(level: LogLevel): void;
}

export interface LoggerOptions {
  /** stderr: stdout of `run` belongs to the protocol. */
  readonly stream: NodeJS.WritableStream;
  readonly level: LogLevel;
  readonly format: 'pretty' | 'json';
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now?: () => number;
}

const RANK: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };
const COLOUR: Readonly<Record<LogLevel, string>> = { error: '31', warn: '33', info: '36', debug: '2' };
const MAX_TEXT = 2048;
const MAX_DEPTH = 4;
const MAX_ITEMS = 50;

/**
 * A logger to one stream. `pretty`: a sentence and `key=value`s, coloured only on a terminal without NO_COLOR. `json`: one
 * object a line. A line never throws, never holds a secret by name or look, and never a raw control character.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { stream, format, env, now = Date.now } = options;
  let level = options.level;
  const isTerminal = (stream as { isTTY?: boolean }).isTTY === true;
  const hasColour = isTerminal && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  const write = (at: LogLevel) => (message: string, fields?: LogFields) => {
    if (RANK[at] > RANK[level]) return;
    try {
      stream.write(
        format === 'json' ? jsonLine(at, message, fields, now()) : prettyLine(at, message, fields, hasColour),
      );
    } catch {
      // Logging must not stop a call; a closed stderr is no reason to.
    }
  };
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    setLevel: (next) => (level = next),
  };
}

function jsonLine(level: LogLevel, message: string, fields: LogFields | undefined, time: number): string {
  const shown = fields === undefined ? {} : (masked(fields, 0, new Set()) as Record<string, unknown>);
  return `${JSON.stringify({ ...shown, time: new Date(time).toISOString(), level, message: short(message) })}\n`;
}

function prettyLine(level: LogLevel, message: string, fields: LogFields | undefined, hasColour: boolean): string {
  const name = hasColour ? `\u001b[${COLOUR[level]}m${level}\u001b[0m` : level;
  const shown = fields === undefined ? {} : (masked(fields, 0, new Set()) as Record<string, unknown>);
  const pairs = Object.entries(shown).map(([key, value]) => ` ${visible(key)}=${visible(asText(value))}`);
  return `callgate ${name}: ${visible(short(message))}${pairs.join('')}\n`;
}

function asText(value: unknown): string {
  if (typeof value === 'string') return value === '' || /[\s"=]/.test(value) ? JSON.stringify(value) : value;
  return JSON.stringify(value) ?? String(value);
}

function masked(value: unknown, depth: number, seen: Set<unknown>): unknown {
  if (typeof value === 'string') return short(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return String(value).slice(0, 40);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return describeError(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (depth >= MAX_DEPTH || seen.has(value)) return '…';
  seen.add(value);
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => masked(item, depth + 1, seen));
  const out = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value).slice(0, MAX_ITEMS)) {
    out[key] = isSecretName(key) && item !== undefined && item !== null ? MASK : masked(item, depth + 1, seen);
  }
  return out;
}

function describeError(error: Error): Record<string, unknown> {
  const code: unknown = (error as { code?: unknown }).code;
  return { ...(typeof code !== 'string' ? {} : { code }), message: short(error.message) };
}

function short(text: string): string {
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${text.length} characters)` : text;
  return maskText(cut);
}

/** Tool and server names may try to rewrite the terminal or forge a line: no control or bidirectional character gets out. */
function visible(text: string): string {
  let out = '';
  for (const char of text) {
    const unit = char.codePointAt(0)!;
    const isControl = unit < 0x20 || (unit >= 0x7f && unit <= 0x9f) || unit === 0x2028 || unit === 0x2029;
    const reorders =
      (unit >= 0x200e && unit <= 0x200f) || (unit >= 0x202a && unit <= 0x202e) || (unit >= 0x2066 && unit <= 0x2069);
    out += isControl || reorders ? `\\u{${unit.toString(16)}}` : char;
  }
  return out;
}
