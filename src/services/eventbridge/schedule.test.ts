import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nextRun, parseSchedule } from './schedule.ts';

const at = (text: string): number => Date.parse(`${text}Z`);

describe('rate', () => {
  for (const text of [
    'rate(1 minute)',
    'rate(5 minutes)',
    'rate(1 hour)',
    'rate(2 hours)',
    'rate(1 day)',
    'rate(30 days)',
  ]) {
    test(text, () => assert.notEqual(parseSchedule(text), undefined));
  }
  const refused = [
    'rate(10 minute)',
    'rate(1 minutes)',
    'rate()',
    'rate(10)',
    'rate(0 minutes)',
    'rate(-1 minutes)',
    'rate(10 MINUTES)',
    'rate( 10 minutes )',
    ' rate(10 minutes)',
    'rate(1.5 hours)',
    'every(1 day)',
  ];
  for (const text of refused) test(`refused: ${text}`, () => assert.equal(parseSchedule(text), undefined));

  test('counts from the anchor and skips what was missed', () => {
    const schedule = parseSchedule('rate(5 minutes)')!;
    const minute = 60_000;
    assert.equal(nextRun(schedule, 0, 0), 5 * minute);
    assert.equal(nextRun(schedule, 0, 5 * minute), 10 * minute);
    assert.equal(nextRun(schedule, 0, 61 * minute), 65 * minute);
    assert.equal(nextRun(schedule, 10 * minute, 0), 15 * minute, 'P6: a clock that went back');
  });
});

describe('cron', () => {
  const table: [string, string, string | undefined][] = [
    ['cron(0 12 * * ? *)', '2026-01-01T11:59:59', '2026-01-01T12:00'],
    ['cron(0 12 * * ? *)', '2026-01-01T12:00:00', '2026-01-02T12:00'],
    ['cron(0/15 * * * ? *)', '2026-01-01T00:01', '2026-01-01T00:15'],
    ['cron(5,35 14 * * ? *)', '2026-01-01T14:05', '2026-01-01T14:35'],
    ['cron(0/30 20-23 ? * MON-FRI *)', '2026-01-02T23:30', '2026-01-05T20:00'],
    ['cron(0 8 1 * ? *)', '2026-12-01T08:00', '2027-01-01T08:00'],
    ['cron(0 2 ? * SAT#3 *)', '2026-01-01T00:00', '2026-01-17T02:00'],
    ['cron(15 10 ? * 6L 2026-2027)', '2026-01-01T00:00', '2026-01-30T10:15'],
    ['cron(0 0 L 2 ? *)', '2027-03-01T00:00', '2028-02-29T00:00'],
    ['cron(0 0 1W 8 ? 2026)', '2026-01-01T00:00', '2026-08-03T00:00'],
    ['cron(0 0 15W 3 ? 2026)', '2026-01-01T00:00', '2026-03-16T00:00'],
    ['cron(0 0 31 * ? *)', '2026-04-01T00:00', '2026-05-31T00:00'],
    ['cron(0 0 * JAN ? 2026)', '2026-02-01T00:00', undefined],
    ['cron(* * ? * 1 *)', '2026-01-03T23:59:30', '2026-01-04T00:00'],
  ];
  for (const [text, now, expected] of table) {
    test(`${text} after ${now}`, () => {
      const next = nextRun(parseSchedule(text)!, 0, at(now));
      assert.equal(
        next === undefined ? undefined : new Date(next).toISOString(),
        expected === undefined ? undefined : `${expected}:00.000Z`,
      );
    });
  }
  const refused = [
    'cron(0 1 * * * *)',
    'cron(0 1 ? * ? *)',
    'cron(7 20 * * NOT *)',
    'cron(INVALID)',
    'cron(0 dummy ? * MON-FRI *)',
    'cron(71 8 1 * ? *)',
    'cron(0 0 32 * ? *)',
    'cron(0 0 1 13 ? *)',
    'cron(0 0 1 * ?)',
    'cron(5-1 0 1 * ? *)',
    'cron(0/0 0 1 * ? *)',
  ];
  for (const text of refused) test(`refused: ${text}`, () => assert.equal(parseSchedule(text), undefined));
});
