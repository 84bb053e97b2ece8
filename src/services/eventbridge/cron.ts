/** The fields of a cron expression, times in UTC. */
export interface CronFields {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly months: readonly number[];
  readonly years: readonly number[];
  /** True on the days that the day-of-month or the day-of-week field names. */
  readonly isDay: (year: number, month: number, day: number) => boolean;
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

/**
 * Reads the six fields of EventBridge's cron: minutes, hours, day of month, month, day of week, year.
 * @returns `undefined` where the text is not such an expression.
 * @see https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
 */
export function parseCron(text: string): CronFields | undefined {
  const fields = text.trim().split(/\s+/);
  if (fields.length !== 6) return undefined;
  const [minute, hour, monthDay, month, weekday, year] = fields as [string, string, string, string, string, string];
  // Exactly one of the two day fields decides; the other one says `?`.
  if ((monthDay === '?') === (weekday === '?')) return undefined;
  const minutes = values(minute, 0, 59);
  const hours = values(hour, 0, 23);
  const months = values(month, 1, 12, MONTHS);
  const years = values(year, 1970, 2199);
  const isDay = weekday === '?' ? monthDays(monthDay) : weekdays(weekday);
  if (!minutes || !hours || !months || !years || !isDay) return undefined;
  return { minutes, hours, months, years, isDay };
}

/** The numbers of a field of `*`, `5`, `1-5`, `0/15`, names and commas, ascending. */
function values(field: string, min: number, max: number, names: readonly string[] = []): number[] | undefined {
  const found = new Set<number>();
  for (const part of field.split(',')) {
    const range = rangeOf(part, min, max, names);
    if (range === undefined) return undefined;
    for (let value = range.from; value <= range.to; value += range.step) found.add(value);
  }
  return [...found].sort((a, b) => a - b);
}

function rangeOf(part: string, min: number, max: number, names: readonly string[]) {
  const match = /^(\*|[0-9A-Z]+)(?:-([0-9A-Z]+))?(?:\/([0-9]+))?$/i.exec(part);
  if (match === null) return undefined;
  const [, first, last, every] = match;
  const step = every === undefined ? 1 : Number(every);
  const from = first === '*' ? min : numberOf(first!, min, max, names);
  const open = first === '*' || every !== undefined ? max : from;
  const to = last === undefined ? open : numberOf(last, min, max, names);
  if (from === undefined || to === undefined || to < from || step < 1 || (first === '*' && last !== undefined)) {
    return undefined;
  }
  return { from, to, step };
}

function numberOf(text: string, min: number, max: number, names: readonly string[]): number | undefined {
  const named = names.indexOf(text.toUpperCase());
  if (named >= 0) return named + 1;
  if (!/^[0-9]+$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

type IsDay = CronFields['isDay'];

/** `L` is the last day, `15W` the weekday nearest to the 15th within its month. */
function monthDays(field: string): IsDay | undefined {
  if (field === 'L') return (year, month, day) => day === daysIn(year, month);
  const near = /^([0-9]{1,2})W$/.exec(field);
  if (near !== null) {
    const wanted = Number(near[1]);
    return wanted < 1 || wanted > 31 ? undefined : (year, month, day) => day === nearestWeekday(year, month, wanted);
  }
  const days = values(field, 1, 31);
  return days === undefined ? undefined : (_year, _month, day) => days.includes(day);
}

/** 1 is Sunday; `6L` the last Friday of the month, `SAT#3` its third Saturday. */
function weekdays(field: string): IsDay | undefined {
  const special = /^([0-9A-Z]+?)(?:(L)|#([1-5]))$/i.exec(field);
  if (special !== null) {
    const wanted = numberOf(special[1]!, 1, 7, WEEKDAYS);
    if (wanted === undefined) return undefined;
    if (special[2] !== undefined) {
      return (year, month, day) => weekdayOf(year, month, day) === wanted && day + 7 > daysIn(year, month);
    }
    const nth = Number(special[3]);
    return (year, month, day) => weekdayOf(year, month, day) === wanted && Math.ceil(day / 7) === nth;
  }
  const days = field.toUpperCase() === 'L' ? [7] : values(field, 1, 7, WEEKDAYS);
  return days === undefined ? undefined : (year, month, day) => days.includes(weekdayOf(year, month, day));
}

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

function weekdayOf(year: number, month: number, day: number): number {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 1;
}

function nearestWeekday(year: number, month: number, wanted: number): number {
  const day = Math.min(wanted, daysIn(year, month));
  switch (weekdayOf(year, month, day)) {
    case 7:
      return day > 1 ? day - 1 : day + 2;
    case 1:
      return day < daysIn(year, month) ? day + 1 : day - 2;
    default:
      return day;
  }
}

/** The first run after `now` (epoch milliseconds), `undefined` when the years are over. */
export function nextCronRun(cron: CronFields, now: number): number | undefined {
  const start = new Date(now);
  for (const year of cron.years) {
    if (year < start.getUTCFullYear()) continue;
    for (const month of cron.months) {
      const run = firstRunInMonth(cron, year, month, now);
      if (run !== undefined) return run;
    }
  }
  return undefined;
}

function firstRunInMonth(cron: CronFields, year: number, month: number, now: number): number | undefined {
  if (Date.UTC(year, month, 1) <= now) return undefined;
  for (let day = 1; day <= daysIn(year, month); day += 1) {
    if (Date.UTC(year, month - 1, day + 1) <= now || !cron.isDay(year, month, day)) continue;
    for (const hour of cron.hours) {
      for (const minute of cron.minutes) {
        const run = Date.UTC(year, month - 1, day, hour, minute);
        if (run > now) return run;
      }
    }
  }
  return undefined;
}
