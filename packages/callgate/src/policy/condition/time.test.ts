import { describe, expect, test } from 'vitest';
import { compileZone, timeIn, WEEKDAYS } from './time.ts';

const ms = (iso: string): number => Date.parse(iso);

describe('the clock of a time zone', () => {
  test.each([
    ['UTC', '2026-01-05T09:30:00Z', { hour: 9, minute: 30, weekday: 'mon' }],
    ['Europe/Berlin', '2026-01-05T09:30:00Z', { hour: 10, minute: 30, weekday: 'mon' }],
    ['Europe/Berlin', '2026-07-05T22:30:00Z', { hour: 0, minute: 30, weekday: 'mon' }],
    ['Asia/Kolkata', '2026-01-05T18:40:59Z', { hour: 0, minute: 10, weekday: 'tue' }],
    ['America/New_York', '2026-01-05T00:00:00Z', { hour: 19, minute: 0, weekday: 'sun' }],
    ['Asia/Tokyo', '1969-12-31T23:59:59.999Z', { hour: 8, minute: 59, weekday: 'thu' }],
  ])('says in %s at %s what hangs on the wall there', (zone, iso, wall) => {
    expect(timeIn(zone)(ms(iso))).toEqual(wall);
  });

  test('jumps with summer time and repeats the hour when it ends', () => {
    const read = timeIn('Europe/Berlin');
    const hours = (from: string): (number | undefined)[] =>
      [0, 1, 2, 3].map((hour) => read(ms(from) + hour * 3_600_000)?.hour);
    expect(hours('2026-03-29T00:00:00Z')).toEqual([1, 3, 4, 5]);
    expect(hours('2026-10-25T00:00:00Z')).toEqual([2, 2, 3, 4]);
  });

  test('is read anew when the minute is another, in either direction', () => {
    const read = timeIn('UTC');
    expect([0, 59_999, 60_000, 0].map((at) => read(at)?.minute)).toEqual([0, 0, 1, 0]);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, 8.64e15 + 1, -8.7e15])('has no answer to %s', (at) => {
    expect(timeIn('UTC')(at)).toBeUndefined();
  });

  test('knows every day of the week by its three letters', () => {
    const days = [0, 1, 2, 3, 4, 5, 6].map((day) => timeIn('UTC')(ms('2026-01-05T00:00:00Z') + day * 86_400_000));
    expect(days.map((wall) => wall?.weekday)).toEqual([...WEEKDAYS]);
  });
});

describe('a zone that there is not', () => {
  test.each([
    ['Europe/Berln', 'Europe/Berlin'],
    ['berlin', 'Europe/Berlin'],
    ['Nowhere', 'IANA'],
    ['+02:00', 'IANA'],
    ['"', 'IANA'],
    ['Europe/Berlin\0', 'Europe/Berlin'],
    ['x'.repeat(10_000), 'IANA'],
  ])('is reported with what to write instead: %j', (zone, remedy) => {
    const issues: unknown[][] = [];
    expect(compileZone(zone, (...issue) => void issues.push(issue))).toBeUndefined();
    expect(issues).toEqual([
      ['CG_POLICY_TIME_ZONE', expect.stringContaining('there is no time zone'), expect.stringContaining(remedy)],
    ]);
  });
});
