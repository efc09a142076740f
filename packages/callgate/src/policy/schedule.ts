import type { NodePath, ScheduleDoc } from './document/document-types.ts';
import type { Condition, Report } from './condition/scope.ts';
import { compileZone, type ReadClock, type Weekday, WEEKDAYS } from './condition/time.ts';
import { type Truth, Unsure } from './condition/truth.ts';

const DAY = 24 * 60;
const UNKNOWN_TIME = new Unsure('the time is not known');

/**
 * Compiles the `schedule` of a rule: true inside its hours, an error when the time of the call is not known. Hours whose end
 * lies before their beginning run into the next day, and belong to the day on which they begin.
 */
export function compileSchedule(doc: ScheduleDoc, path: NodePath, reportAt: (path: NodePath) => Report): Condition {
  const read = doc.timeZone === undefined ? undefined : compileZone(doc.timeZone, reportAt([...path, 'timeZone']));
  const from = minutesOf(doc.from ?? '00:00');
  const to = minutesOf(doc.to ?? '24:00');
  if (doc.days === undefined && doc.from === undefined && doc.to === undefined) {
    reportAt(path)('CG_POLICY_SCHEDULE', 'the schedule covers all the time', 'add days, from or to, or remove it');
  } else if (from === to || (from === DAY && doc.from !== undefined)) {
    reportAt(path)('CG_POLICY_SCHEDULE', 'the schedule has no hours: it ends where it begins', 'change from or to');
  }
  if (read === undefined) return () => UNKNOWN_TIME;
  const days: ReadonlySet<Weekday> = new Set(doc.days ?? WEEKDAYS);
  return (call) => (call.time === undefined ? UNKNOWN_TIME : holds(call.time, read, days, from, to));
}

function holds(time: number, read: ReadClock, days: ReadonlySet<Weekday>, from: number, to: number): Truth {
  const clock = read(time);
  if (clock === undefined) return UNKNOWN_TIME;
  const now = clock.hour * 60 + clock.minute;
  if (from < to) return now >= from && now < to && days.has(clock.weekday);
  if (now >= from) return days.has(clock.weekday);
  return now < to && days.has(dayBefore(clock.weekday));
}

function dayBefore(day: Weekday): Weekday {
  return WEEKDAYS[(WEEKDAYS.indexOf(day) + 6) % 7] as Weekday;
}

function minutesOf(text: string): number {
  return Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));
}
