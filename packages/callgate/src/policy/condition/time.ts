import { nearest } from '../document/nearest.ts';
import type { Report } from './scope.ts';

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** The clock on the wall of a time zone. */
export interface WallClock {
  /** 0 to 23. */
  readonly hour: number;
  readonly minute: number;
  readonly weekday: Weekday;
}

/** Reads a time (ms since the epoch) off the wall; undefined for what is no time. */
export type ReadClock = (ms: number) => WallClock | undefined;

/** What a time in ms may be: the range of ECMAScript dates. */
const MAX_MS = 8.64e15;
const MINUTE = 60_000;
const clocks = new Map<string, ReadClock>();
const MAX_CLOCKS = 512;

/**
 * The clock of an IANA time zone, summer time included. Remembers the last minute it was asked for.
 * @throws RangeError when there is no such zone
 */
export function timeIn(zone: string): ReadClock {
  const known = clocks.get(zone);
  if (known !== undefined) return known;
  // Offsets such as +02:00 are known to some runtimes only, so they are known to none here.
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(zone)) throw new RangeError('a time zone is written Area/City, or UTC');
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    hour: '2-digit',
    minute: '2-digit',
    weekday: 'short',
  });
  let lastMinute = Number.NaN;
  let last: WallClock | undefined;
  const read: ReadClock = (ms) => {
    if (!(Math.abs(ms) <= MAX_MS)) return undefined;
    const minute = Math.floor(ms / MINUTE);
    if (minute !== lastMinute) {
      last = wallClock(format, minute * MINUTE);
      lastMinute = minute;
    }
    return last;
  };
  if (clocks.size >= MAX_CLOCKS) clocks.clear();
  clocks.set(zone, read);
  return read;
}

/** As `timeIn`, for a zone that a policy names: an unknown one is reported as CG_POLICY_TIME_ZONE. */
export function compileZone(zone: string, report: Report): ReadClock | undefined {
  try {
    return timeIn(zone);
  } catch {
    report('CG_POLICY_TIME_ZONE', `there is no time zone "${zone.slice(0, 80)}"`, zoneRemedy(zone));
    return undefined;
  }
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: MINUTE, h: 60 * MINUTE, d: 1_440 * MINUTE };
/** A longer window would keep a history for ever. */
const MAX_WINDOW = 366 * 1_440 * MINUTE;

/** `30s`, `10m`, `1h`, `1d` in ms; undefined for anything else, or more than 366 days. */
export function durationOf(text: string): number | undefined {
  const match = /^([1-9][0-9]{0,8})([smhd])$/.exec(text);
  if (match === null) return undefined;
  const ms = Number(match[1]) * (UNITS[match[2] as string] as number);
  return ms <= MAX_WINDOW ? ms : undefined;
}

function wallClock(format: Intl.DateTimeFormat, ms: number): WallClock | undefined {
  let hour = -1;
  let minute = -1;
  let weekday: Weekday | undefined;
  for (const { type, value } of format.formatToParts(ms)) {
    if (type === 'hour') hour = Number(value);
    else if (type === 'minute') minute = Number(value);
    else if (type === 'weekday') weekday = WEEKDAYS.find((day) => day === value.toLowerCase());
  }
  return weekday === undefined || !(hour >= 0 && hour <= 23) || !(minute >= 0) ? undefined : { hour, minute, weekday };
}

/** `berlin` and `Europe/Berln` both come to Europe/Berlin. */
function zoneRemedy(zone: string): string {
  const zones = ['UTC', ...Intl.supportedValuesOf('timeZone')];
  const typed = zone.toLowerCase();
  const guess = zones.find((name) => name.slice(name.lastIndexOf('/') + 1).toLowerCase() === typed);
  const meant = guess ?? nearest(zone, zones);
  return meant === undefined
    ? 'write a name of the IANA list, such as "Europe/Berlin" or "UTC"'
    : `did you mean "${meant}"?`;
}
