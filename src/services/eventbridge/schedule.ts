import { type CronFields, nextCronRun, parseCron } from './cron.ts';

/** When a scheduled rule runs. */
export type Schedule = { readonly everyMs: number } | { readonly cron: CronFields };

const UNIT_MS: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/**
 * Reads `rate(5 minutes)` or `cron(0 12 * * ? *)`.
 * @returns `undefined` where EventBridge would not take the text.
 * @see https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
 */
export function parseSchedule(expression: string): Schedule | undefined {
  const rate = /^rate\(([0-9]{1,9}) (minute|hour|day)(s?)\)$/.exec(expression);
  if (rate !== null) {
    const count = Number(rate[1]);
    const isPlural = rate[3] === 's';
    return count < 1 || isPlural === (count === 1) ? undefined : { everyMs: count * UNIT_MS[rate[2]!]! };
  }
  const cron = /^cron\((.*)\)$/.exec(expression);
  const fields = cron === null ? undefined : parseCron(cron[1]!);
  return fields === undefined ? undefined : { cron: fields };
}

/**
 * The first run after `now`, in epoch milliseconds; `undefined` when there is none any more.
 * @param anchor when the rule was written: a rate counts from there, so a restart does not shift it.
 */
export function nextRun(schedule: Schedule, anchor: number, now: number): number | undefined {
  if ('cron' in schedule) return nextCronRun(schedule.cron, now);
  const runs = Math.max(0, Math.floor((now - anchor) / schedule.everyMs)) + 1;
  return anchor + runs * schedule.everyMs;
}
