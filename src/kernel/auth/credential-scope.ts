import { type AuthProblem, authFault, type ErrorStyle } from './auth-faults.ts';

/** The five parts of `AKID/YYYYMMDD/region/service/aws4_request`. */
export interface CredentialScope {
  accessKeyId: string;
  /** `YYYYMMDD`. */
  date: string;
  region: string;
  service: string;
}

/** What the endpoint that a request came to expects of its signature. */
export interface SigningRules {
  style: ErrorStyle;
  /** Signing name of the service, as in the credential scope. */
  service: string;
  /** Regions that are answered here. */
  hasRegion(region: string): boolean;
  now: Date;
  /** The operation takes `UNSIGNED-PAYLOAD` though the service is not S3. */
  allowUnsignedPayload?: boolean;
}

const MINUTE_MS = 60_000;
const S3_SKEW_MS = 15 * MINUTE_MS;
const SKEW_MS = 5 * MINUTE_MS;
const EXPECTING = 'expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".';

/** Splits a credential from the right, so that an access key id may hold slashes; undefined unless it has five parts. */
export function splitCredential(credential: string): (CredentialScope & { terminator: string }) | undefined {
  const parts = credential.split('/');
  if (parts.length < 5) return undefined;
  const [date, region, service, terminator] = parts.slice(-4);
  const accessKeyId = parts.length === 5 ? parts[0]! : parts.slice(0, -4).join('/');
  if (accessKeyId === '' || !date || !region || !service || !terminator) return undefined;
  return { accessKeyId, date, region, service, terminator };
}

/**
 * Reads the credential and holds it against what the endpoint serves.
 * @param timestamp the request's time in ISO 8601 basic form; its day must be the scope's.
 */
export function checkCredential(
  credential: string,
  timestamp: string,
  form: 'header' | 'query',
  rules: SigningRules,
): CredentialScope {
  const { style } = rules;
  const shape: AuthProblem = form === 'header' ? 'malformed' : 'malformedQuery';
  const lead =
    form === 'header' ? 'The authorization header is malformed;' : 'Error parsing the X-Amz-Credential parameter;';
  const scope = splitCredential(credential);
  if (scope === undefined) {
    throw authFault(
      style,
      shape,
      style === 's3'
        ? `${lead} the Credential is mal-formed; ${EXPECTING}`
        : `Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '${credential}'`,
    );
  }
  const wrong = (s3Text: string, text: string, members?: Record<string, unknown>) =>
    style === 's3' ? authFault(style, shape, `${lead} ${s3Text}`, members) : authFault(style, 'scope', text);
  if (scope.terminator !== 'aws4_request') {
    throw wrong(
      `incorrect terminal "${scope.terminator}". This endpoint uses "aws4_request".`,
      `Credential should be scoped with a valid terminator: 'aws4_request', not '${scope.terminator}'.`,
    );
  }
  if (scope.service !== rules.service) {
    throw wrong(
      `incorrect service "${scope.service}". This endpoint belongs to "${rules.service}".`,
      `Credential should be scoped to correct service: '${rules.service}'.`,
    );
  }
  if (!rules.hasRegion(scope.region)) {
    throw wrong(`the region '${scope.region}' is wrong`, 'Credential should be scoped to a valid region.');
  }
  if (scope.date !== timestamp.slice(0, 8)) {
    throw wrong(
      `Invalid credential date "${scope.date}". This date is not the same as X-Amz-Date: "${timestamp.slice(0, 8)}".`,
      `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${scope.date}' != '${timestamp.slice(0, 8)}', from '${timestamp}'.`,
    );
  }
  return scope;
}

const BASIC = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/;

let lastTime = { text: '', ms: Number.NaN };

/** Epoch ms of `YYYYMMDDTHHMMSSZ`, NaN when it is not one or names a day that does not exist. */
export function parseBasicTime(text: string): number {
  // Requests come many a second, so most of them carry the time of the one before.
  if (text !== lastTime.text) lastTime = { text, ms: readBasicTime(text) };
  return lastTime.ms;
}

function readBasicTime(text: string): number {
  const match = BASIC.exec(text);
  if (match === null) return Number.NaN;
  const [, year, month, day, hour, minute, second] = match;
  // ISO parsing refuses hours beyond 23 but lets 30 February roll over, hence the comparison.
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) || new Date(ms).getUTCDate() !== Number(day) ? Number.NaN : ms;
}

/** `YYYYMMDDTHHMMSSZ` of an instant. */
export function formatBasicTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
}

/** The clock window of header-signed requests: 5 minutes, 15 for S3. */
export function checkSkew(timestamp: string, timeMs: number, rules: SigningRules): void {
  const now = rules.now.getTime();
  if (rules.style === 's3') {
    if (Math.abs(now - timeMs) <= S3_SKEW_MS) return;
    throw authFault('s3', 'skew', undefined, {
      RequestTime: timestamp,
      ServerTime: new Date(now).toISOString(),
      MaxAllowedSkewMilliseconds: S3_SKEW_MS,
    });
  }
  if (timeMs < now - SKEW_MS) throw authFault(rules.style, 'skew', expiredText(timestamp, now));
  if (timeMs > now + SKEW_MS) throw authFault(rules.style, 'skew', notYetText(timestamp, now));
}

function expiredText(timestamp: string, now: number): string {
  return `Signature expired: ${timestamp} is now earlier than ${formatBasicTime(now - SKEW_MS)} (${formatBasicTime(now)} - 5 min.)`;
}

function notYetText(timestamp: string, now: number): string {
  return `Signature not yet current: ${timestamp} is still later than ${formatBasicTime(now + SKEW_MS)} (${formatBasicTime(now)} + 5 min.)`;
}

/** The window of presigned requests: from 15 (S3) or 5 minutes before their date until `expiresSeconds` after it. */
export function checkExpiry(timestamp: string, timeMs: number, expiresSeconds: number, rules: SigningRules): void {
  const now = rules.now.getTime();
  const end = timeMs + expiresSeconds * 1000;
  if (now > end) {
    throw rules.style === 's3'
      ? authFault('s3', 'expired', undefined, {
          'X-Amz-Expires': expiresSeconds,
          Expires: new Date(end).toISOString(),
          ServerTime: new Date(now).toISOString(),
        })
      : authFault(
          rules.style,
          'expired',
          `Signature expired: ${timestamp} is now earlier than ${formatBasicTime(now - expiresSeconds * 1000)} (${formatBasicTime(now)} - ${expiresSeconds} sec.)`,
        );
  }
  if (timeMs > now + (rules.style === 's3' ? S3_SKEW_MS : SKEW_MS)) {
    throw rules.style === 's3'
      ? authFault('s3', 'notYet', undefined, {
          'X-Amz-Date': timestamp,
          ServerTime: new Date(now).toISOString(),
        })
      : authFault(rules.style, 'notYet', notYetText(timestamp, now));
  }
}
