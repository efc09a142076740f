import { flagValue } from './terminal.ts';

/*
 * What flags of several commands say. Each takes the flag's name and its text, undefined where it is not given, and throws
 * CallgateError CG_USAGE_FLAG_VALUE for a text that says nothing.
 */

/** `10m` is ten minutes ago; everything else a date or a time, UTC unless it says otherwise. In ms since the epoch. */
export function timeFlag(name: string, text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const ago = /^([0-9]{1,9})([smhd])$/.exec(text);
  if (ago !== null) return now - Number(ago[1]) * (UNITS[ago[2] ?? ''] ?? 0);
  const time = /^[0-9]{4}-/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw flagValue(`--${name} is "${text}".`, 'Write 30s, 10m, 2h, 7d, or a time like 2026-03-01T10:00:00Z.');
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A whole number of a flag, from `least` up. */
export function countFlag(name: string, text: string | undefined, fallback: number, least: number): number {
  if (text === undefined) return fallback;
  const count = /^[0-9]{1,9}$/.test(text) ? Number(text) : -1;
  if (count >= least) return count;
  throw flagValue(`--${name} is "${text}".`, `Give a whole number from ${least} up.`);
}

/** Seconds of a flag, with up to three digits behind the point, in milliseconds. */
export function secondsFlag(name: string, text: string | undefined, fallbackMs: number): number {
  if (text === undefined) return fallbackMs;
  if (/^\d{1,4}(?:\.\d{1,3})?$/.test(text) && Number(text) > 0) return Number(text) * 1000;
  throw flagValue(`--${name} is "${text}".`, `Give seconds, such as --${name} 10.`);
}
