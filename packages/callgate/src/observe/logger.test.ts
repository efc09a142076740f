import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createLogger } from './logger.ts';
import type { LoggerOptions, LogLevel } from './logger.ts';
import { maskText } from './mask.ts';

function capture(options: Partial<LoggerOptions> & { isTTY?: boolean } = {}) {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  if (options.isTTY) Object.assign(stream, { isTTY: true });
  const logger = createLogger({ stream, level: 'debug', format: 'pretty', env: {}, now: () => 0, ...options });
  return { lines, logger };
}

const LEVELS: LogLevel[] = ['error', 'warn', 'info', 'debug'];

describe('the log', () => {
  it.each(LEVELS)('at level %s writes that level and what is graver', (level) => {
    const { lines, logger } = capture({ level });
    for (const at of LEVELS) logger[at](at);
    expect(lines).toHaveLength(LEVELS.indexOf(level) + 1);
  });

  it('follows a changed level', () => {
    const { lines, logger } = capture({ level: 'error' });
    logger.setLevel('debug');
    logger.debug('now');
    expect(lines).toEqual(['callgate debug: now\n']);
  });

  it('is one JSON object a line', () => {
    const { lines, logger } = capture({ format: 'json' });
    logger.warn('two\nlines', { tool: 'a b', level: 'forged', big: 12345678901234567890n });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[^\n]*\n$/);
    expect(JSON.parse(lines[0]!)).toEqual({
      tool: 'a b',
      big: '12345678901234567890',
      time: '1970-01-01T00:00:00.000Z',
      level: 'warn',
      message: 'two\nlines',
    });
  });

  it('colours a terminal only, and not with NO_COLOR', () => {
    const coloured = (options: Parameters<typeof capture>[0]) => {
      const { lines, logger } = capture(options);
      logger.error('x');
      return lines[0]!.includes('\u001b');
    };
    expect(coloured({})).toBe(false);
    expect(coloured({ isTTY: true })).toBe(true);
    expect(coloured({ isTTY: true, env: { NO_COLOR: '1' } })).toBe(false);
    expect(coloured({ isTTY: true, env: { TERM: 'dumb' } })).toBe(false);
    expect(coloured({ isTTY: true, format: 'json' })).toBe(false);
  });

  it.each(['token', 'API_KEY', 'apiKey', 'Authorization', 'db_password', 'clientSecret', 'passphrase', 'Cookie'])(
    'masks the value of %s at any depth',
    (name) => {
      for (const format of ['pretty', 'json'] as const) {
        const { lines, logger } = capture({ format });
        logger.info('x', { [name]: 'hunter22', inner: { list: [{ [name]: ['hunter22'] }] } });
        expect(lines[0]).not.toContain('hunter22');
        expect(lines[0]).toContain('***');
      }
    },
  );

  it.each([
    'https://user:hunter22@host/x',
    'Authorization: Bearer hunter22hunter22',
    '--token=hunter22',
    'password: "hunter22"',
    'ghp_hunter22hunter22hunter22hunter22',
  ])('masks the secret in "%s"', (text) => {
    expect(maskText(`before ${text} after`)).not.toContain('hunter22');
  });

  it('lets no control or bidirectional character out', () => {
    const { lines, logger } = capture();
    logger.warn('a\u001b[2Jb\r\ncallgate error: forged\u202e', { tool: 'x\u0007\u009b' });
    expect(lines[0]).toBe(
      'callgate warn: a\\u{1b}[2Jb\\u{d}\\u{a}callgate error: forged\\u{202e} tool=x\\u{7}\\u{9b}\n',
    );
  });

  it('bounds what it writes and survives circles', () => {
    const circle: Record<string, unknown> = { list: Array(1000).fill('x') };
    circle['self'] = circle;
    const { lines, logger } = capture({ format: 'json' });
    logger.warn('y'.repeat(1_000_000), { circle, error: new Error('why') });
    expect(lines[0]!.length).toBeLessThan(4000);
    expect(JSON.parse(lines[0]!)).toMatchObject({ error: { message: 'why' }, circle: { self: '…' } });
  });

  it('does not throw when the stream does', () => {
    const stream = {
      write: () => {
        throw new Error('gone');
      },
    } as unknown as NodeJS.WritableStream;
    expect(() => createLogger({ stream, level: 'warn', format: 'pretty', env: {} }).warn('x')).not.toThrow();
  });
});
