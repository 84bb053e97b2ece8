import type { TimestampFormat } from './shape.ts';

const EPOCH = /^-?\d{1,14}(\.\d{1,9})?$/;
const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/i;
/** The three forms of RFC 9110, section 5.6.7: IMF-fixdate, RFC 850 and asctime. */
const HTTP_DATES = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
];
const ASCTIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/** Reads a timestamp as text: epoch seconds, RFC 3339 or an HTTP date; undefined when it is none of them. */
export function parseTimestamp(text: string): Date | undefined {
  if (EPOCH.test(text)) return valid(new Date(Number(text) * 1000));
  if (RFC_3339.test(text) || HTTP_DATES.some((form) => form.test(text))) return valid(new Date(text));
  return ASCTIME.test(text) ? valid(new Date(`${text} GMT`)) : undefined;
}

function valid(date: Date): Date | undefined {
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** A timestamp as text in one of the formats of a model. */
export function writeTimestamp(date: Date, format: TimestampFormat): string {
  switch (format) {
    case 'date-time':
      return rfc3339(date);
    case 'http-date':
      return date.toUTCString();
    case 'epoch-seconds':
      return String(date.getTime() / 1000);
  }
}

/** RFC 3339 without a zero fraction, as AWS writes it. */
function rfc3339(date: Date): string {
  return date.toISOString().replace('.000Z', 'Z');
}

/** How XML has times. Source: AWS's answers, as the examples of its CLI show them. */
export type XmlTimes =
  /** IAM and STS: `2026-11-21T01:02:03Z`. */
  | 'seconds'
  /** S3: `2026-11-21T01:02:03.000Z`. The fraction is always there, as strict readers want it. */
  | 'milliseconds';

/** A time in the text of an XML element. */
export function writeXmlTime(date: Date, times: XmlTimes): string {
  const text = date.toISOString();
  return times === 'milliseconds' ? text : text.replace(/\.\d+Z$/, 'Z');
}
