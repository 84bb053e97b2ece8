/**
 * Canonical forms of SigV4 (AWS General Reference, "Create a signed AWS API request"). All strings here hold one byte
 * per character, as Node's HTTP parser hands them out, so that what is signed is what was on the wire.
 */

/** Thrown by the canonical functions for a broken percent escape; callers turn it into their own fault. */
export class BadEscape extends Error {}

const HEX = '0123456789ABCDEF';

/** Bytes that SigV4 leaves alone: letters, digits, `-`, `.`, `_`, `~`. */
const UNRESERVED = new Uint8Array(256);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~') {
  UNRESERVED[char.charCodeAt(0)] = 1;
}

const ESCAPED: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  UNRESERVED[byte] ? String.fromCharCode(byte) : `%${HEX[byte >> 4]}${HEX[byte & 15]}`,
);

const NOTHING_TO_ENCODE = /^[A-Za-z0-9\-._~]*$/;
const NOTHING_TO_ENCODE_IN_PATH = /^[A-Za-z0-9\-._~/]*$/;

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** The byte of the escape `%XX` at `at`. */
function escapedByte(text: string, at: number): number {
  const high = hexDigit(text.charCodeAt(at + 1));
  const low = hexDigit(text.charCodeAt(at + 2));
  if (high < 0 || low < 0) throw new BadEscape('bad percent escape');
  return high * 16 + low;
}

/** Undoes percent escapes; `plusIsSpace` as in a query string. Gives one character per byte. */
export function percentDecode(text: string, plusIsSpace: boolean): string {
  if (NOTHING_TO_ENCODE.test(text)) return text;
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 37) {
      out += String.fromCharCode(escapedByte(text, i));
      i += 2;
    } else if (code === 43 && plusIsSpace) out += ' ';
    else out += text[i];
  }
  return out;
}

function percentEncode(bytes: string, keepSlash: boolean): string {
  let out = '';
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes.charCodeAt(i);
    out += code === 47 && keepSlash ? '/' : ESCAPED[code & 255];
  }
  return out;
}

/**
 * S3: every byte of the key is encoded exactly once, however the client spelt it; dots and double slashes are part of
 * the key, and an escaped slash stays one, as every signer signs it.
 */
export function canonicalS3Path(path: string): string {
  if (path === '') return '/';
  if (NOTHING_TO_ENCODE_IN_PATH.test(path)) return path;
  let out = '';
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code === 37) {
      out += ESCAPED[escapedByte(path, i)];
      i += 2;
    } else out += code === 47 ? '/' : ESCAPED[code & 255];
  }
  return out;
}

/** All other services: dot segments and empty segments go, then the path as sent is encoded once more. */
export function canonicalPath(path: string): string {
  if (path === '' || path === '/') return '/';
  const kept: string[] = [];
  const segments = path.split('/');
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  const normal = `/${kept.join('/')}${path.endsWith('/') && kept.length > 0 ? '/' : ''}`;
  return NOTHING_TO_ENCODE_IN_PATH.test(normal) ? normal : percentEncode(normal, true);
}

/** One query parameter: decoded name and value (one character per byte) and both in canonical spelling. */
export interface QueryParameter {
  name: string;
  value: string;
  canonicalName: string;
  canonicalValue: string;
}

/** Splits a raw query string (without `?`). A parameter without `=` has the empty value. */
export function parseQuery(query: string): QueryParameter[] {
  if (query === '') return [];
  const parameters: QueryParameter[] = [];
  for (const piece of query.split('&')) {
    if (piece === '') continue;
    const equals = piece.indexOf('=');
    const name = percentDecode(equals < 0 ? piece : piece.slice(0, equals), true);
    const value = equals < 0 ? '' : percentDecode(piece.slice(equals + 1), true);
    parameters.push({
      name,
      value,
      canonicalName: NOTHING_TO_ENCODE.test(name) ? name : percentEncode(name, false),
      canonicalValue: NOTHING_TO_ENCODE.test(value) ? value : percentEncode(value, false),
    });
  }
  return parameters;
}

function byNameThenValue(a: QueryParameter, b: QueryParameter): number {
  if (a.canonicalName !== b.canonicalName) return a.canonicalName < b.canonicalName ? -1 : 1;
  if (a.canonicalValue === b.canonicalValue) return 0;
  return a.canonicalValue < b.canonicalValue ? -1 : 1;
}

/** Parameters sorted by encoded name, then value; `X-Amz-Signature` is never part of what is signed. */
export function canonicalQuery(parameters: readonly QueryParameter[]): string {
  if (parameters.length === 0) return '';
  let out = '';
  for (const { canonicalName, canonicalValue } of [...parameters].sort(byNameThenValue)) {
    if (canonicalName === 'X-Amz-Signature') continue;
    out += `${out === '' ? '' : '&'}${canonicalName}=${canonicalValue}`;
  }
  return out;
}

/** A header value as it is signed: ends trimmed, runs of blanks as one blank. */
export function canonicalHeaderValue(value: string): string {
  if (value.includes('  ') || value.includes('\t')) return value.replace(/[ \t]+/g, ' ').trim();
  return value.trim();
}
