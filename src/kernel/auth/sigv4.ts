import { createHmac, hash, type KeyObject, timingSafeEqual } from 'node:crypto';
import { authFault, type ErrorStyle } from './auth-faults.ts';
import {
  BadEscape,
  canonicalHeaderValue,
  canonicalPath,
  canonicalQuery,
  canonicalS3Path,
  parseQuery,
  type QueryParameter,
} from './canonical.ts';
import {
  type CredentialScope,
  checkCredential,
  checkSkew,
  formatBasicTime,
  parseBasicTime,
  type SigningRules,
  splitCredential,
} from './credential-scope.ts';
import { hasQueryAuthorization, parseQueryAuthorization } from './presign.ts';
import {
  ALGORITHM,
  checkSignedHeaders,
  isSha256,
  type ParsedAuthorization,
  readPayload,
  type SignedPayload,
  UNSIGNED_PAYLOAD,
} from './signed-request.ts';
import { signingKey } from './signing-key.ts';
import { type HeaderIndex, indexHeaders, type WireRequest } from './wire-request.ts';

/** Outcome of a verification; the chunk decoder goes on from here. */
export interface VerifiedSignature {
  readonly key: KeyObject;
  readonly seedSignature: string;
  readonly timestamp: string;
  /** `YYYYMMDD/region/service/aws4_request`. */
  readonly scope: string;
}

/** Headers whose meaning a second copy would change. */
const SINGLE_HEADERS = [
  'host',
  'authorization',
  'date',
  'content-type',
  'content-length',
  'content-encoding',
  'x-amz-date',
  'x-amz-content-sha256',
  'x-amz-decoded-content-length',
  'x-amz-security-token',
  'x-amz-target',
  'x-amz-trailer',
];

/**
 * Service and region named by a request's signature, without checking anything: for routing only.
 * Undefined when the request carries no SigV4 signature.
 */
export function peekScope(request: WireRequest): CredentialScope | undefined {
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    if (request.rawHeaders[i]!.toLowerCase() !== 'authorization') continue;
    const credential = /^AWS4-HMAC-SHA256.*?\bCredential=([^,\s]+)/.exec(request.rawHeaders[i + 1]!);
    return credential ? splitCredential(credential[1]!) : undefined;
  }
  if (!request.query.includes('X-Amz-Credential=')) return undefined;
  const found = readQuery(request.query)?.find(({ name }) => name === 'X-Amz-Credential');
  return found && splitCredential(found.value);
}

/** The parameters of a query string; undefined when it cannot be decoded. */
function readQuery(query: string): QueryParameter[] | undefined {
  try {
    return parseQuery(query);
  } catch (error) {
    if (error instanceof BadEscape) return undefined;
    throw error;
  }
}

/** True when the request carries a signature of either form (or an attempt at one). */
export function hasAuthorization(request: WireRequest): boolean {
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    if (request.rawHeaders[i]!.toLowerCase() === 'authorization') return true;
  }
  return hasQueryAuthorization(readQuery(request.query) ?? []);
}

/**
 * Reads and checks everything about a request's signature that needs no secret: exactly one form, no repeated
 * parameter, scope, clock window, and that `host` and every `x-amz-*` header are signed.
 * @throws the fault that a service of `rules.style` answers.
 */
export function parseAuthorization(request: WireRequest, rules: SigningRules): ParsedAuthorization {
  const headers = indexHeaders(request.rawHeaders);
  const parameters = readQuery(request.query);
  if (parameters === undefined) throw authFault(rules.style, 'badUri');
  if (headers.repeated.size > 0) refuseRepeated(headers, rules.style);
  const authorization = headers.values.get('authorization');
  const presigned = hasQueryAuthorization(parameters);
  if (authorization === undefined && !presigned) throw authFault(rules.style, 'missing');
  if (authorization !== undefined && presigned) throw authFault(rules.style, 'twoForms');
  return authorization === undefined
    ? parseQueryAuthorization(request, headers, parameters, rules)
    : parseHeaderAuthorization(request, authorization, headers, parameters, rules);
}

function refuseRepeated(headers: HeaderIndex, style: ErrorStyle): void {
  for (const name of SINGLE_HEADERS) {
    if (headers.repeated.has(name)) {
      throw authFault(style, 'malformed', `The '${name}' header must appear exactly once.`);
    }
  }
}

function parseHeaderAuthorization(
  request: WireRequest,
  authorization: string,
  headers: HeaderIndex,
  parameters: readonly QueryParameter[],
  rules: SigningRules,
): ParsedAuthorization {
  const { credential, signedHeaders, signature } = readAuthorization(authorization, headers, rules.style);
  const { timestamp, timeMs } = readTimestamp(headers, authorization, rules.style);
  const scope = checkCredential(credential, timestamp, 'header', rules);
  checkSkew(timestamp, timeMs, rules);
  checkSignedHeaders(signedHeaders, headers, rules.style);
  return {
    form: 'header',
    accessKeyId: scope.accessKeyId,
    date: scope.date,
    region: scope.region,
    service: scope.service,
    timestamp,
    signedHeaders,
    signature,
    sessionToken: headers.values.get('x-amz-security-token'),
    payload: readPayload(request.method, headers.values.get('x-amz-content-sha256'), rules),
    headers,
    parameters,
  };
}

interface AuthorizationParts {
  credential: string;
  signedHeaders: string;
  signature: string;
}

/** Reads `AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...`: each exactly once and nothing else. */
function readAuthorization(text: string, headers: HeaderIndex, style: ErrorStyle): AuthorizationParts {
  const blank = text.indexOf(' ');
  if ((blank < 0 ? text : text.slice(0, blank)) !== ALGORITHM) throw wrongScheme(text, headers, style);
  const found: Record<string, string> = {};
  for (const piece of text.slice(blank + 1).split(',')) {
    const pair = piece.trim();
    const equals = pair.indexOf('=');
    const key = pair.slice(0, Math.max(equals, 0));
    const isKnown = key === 'Credential' || key === 'SignedHeaders' || key === 'Signature';
    if (!isKnown || key in found) {
      throw authFault(
        style,
        'malformed',
        style === 's3'
          ? 'The authorization header is malformed; the authorization header requires three components: Credential, SignedHeaders, and Signature.'
          : `'${pair}' not a valid key=value pair (missing equal-sign) in Authorization header: '${text}'.`,
      );
    }
    found[key] = pair.slice(equals + 1);
  }
  const { Credential: credential, SignedHeaders: signedHeaders, Signature: signature } = found;
  if (!credential || !signedHeaders || !signature) throw incomplete(found, headers, text, style);
  return { credential, signedHeaders, signature };
}

function wrongScheme(text: string, headers: HeaderIndex, style: ErrorStyle): Error {
  const scheme = text.split(' ', 1)[0]!;
  if (scheme.startsWith('AWS')) {
    return style === 's3'
      ? authFault(style, 'unsupportedAlgorithm')
      : authFault(style, 'unsupportedAlgorithm', `Unsupported AWS 'algorithm': '${scheme}'.`);
  }
  return style === 's3'
    ? authFault('s3', 'unsupportedAlgorithm', 'Unsupported Authorization Type')
    : incomplete({}, headers, text, style);
}

/** AWS lists everything that is absent in one message. */
function incomplete(
  found: Record<string, string>,
  headers: HeaderIndex,
  authorization: string,
  style: ErrorStyle,
): Error {
  if (style === 's3') {
    return authFault(
      's3',
      'malformed',
      'The authorization header is malformed; the authorization header requires three components: Credential, SignedHeaders, and Signature.',
    );
  }
  const missing = ['Credential', 'Signature', 'SignedHeaders']
    .filter((part) => !found[part])
    .map((part) => `Authorization header requires '${part}' parameter.`);
  if (!headers.values.has('x-amz-date') && !headers.values.has('date')) {
    missing.push("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
  }
  // The scheme only: the rest may be a password or a token that a client sent to the wrong place.
  return authFault(style, 'malformed', `${missing.join(' ')} Authorization=${authorization.split(' ', 1)[0]}`);
}

const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** The request's time: `x-amz-date`, else `date` in ISO 8601 basic or HTTP form. */
function readTimestamp(
  headers: HeaderIndex,
  authorization: string,
  style: ErrorStyle,
): { timestamp: string; timeMs: number } {
  const amzDate = headers.values.get('x-amz-date');
  const text = amzDate ?? headers.values.get('date');
  if (text === undefined) {
    if (style === 's3') {
      throw authFault('s3', 'missing', 'AWS authentication requires a valid Date or x-amz-date header');
    }
    throw incomplete({ Credential: '-', Signature: '-', SignedHeaders: '-' }, headers, authorization, style);
  }
  const isHttpDate = amzDate === undefined && HTTP_DATE.test(text);
  const timeMs = isHttpDate ? Date.parse(text) : parseBasicTime(text);
  if (Number.isNaN(timeMs)) {
    throw style === 's3'
      ? authFault('s3', 'missing', 'AWS authentication requires a valid Date or x-amz-date header')
      : authFault(
          style,
          'malformed',
          `Date must be in ISO-8601 'basic format'. Got '${text}'. See http://en.wikipedia.org/wiki/ISO_8601`,
        );
  }
  return { timestamp: isHttpDate ? formatBasicTime(timeMs) : text, timeMs };
}

/** The line of the canonical request that stands for the body. */
function payloadLine(payload: SignedPayload, bodyHash: string | undefined, style: ErrorStyle): string {
  switch (payload.kind) {
    case 'sha256':
      if (bodyHash !== undefined && payload.hash !== undefined && payload.hash !== bodyHash) {
        throw authFault(style, 'payload');
      }
      if (payload.hash === undefined && bodyHash === undefined) {
        throw new TypeError('verifySignature needs the hash of the body: the request does not state it');
      }
      return payload.hash ?? bodyHash!;
    case 'unsigned':
      return UNSIGNED_PAYLOAD;
    case 'streaming-signed':
      return 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
    case 'streaming-signed-trailer':
      return 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER';
    case 'streaming-unsigned-trailer':
      return 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
  }
}

/** The canonical request that the client must have signed. */
export function canonicalRequest(
  request: WireRequest,
  parsed: ParsedAuthorization,
  style: ErrorStyle,
  payload: string,
): string {
  const path = style === 's3' ? s3Path(request.path) : canonicalPath(request.path);
  let headerLines = '';
  for (const name of parsed.signedHeaders.split(';')) {
    headerLines += `${name}:${canonicalHeaderValue(parsed.headers.values.get(name)!)}\n`;
  }
  return `${request.method}\n${path}\n${canonicalQuery(parsed.parameters)}\n${headerLines}\n${parsed.signedHeaders}\n${payload}`;
}

function s3Path(path: string): string {
  try {
    return canonicalS3Path(path);
  } catch (error) {
    if (error instanceof BadEscape) throw authFault('s3', 'badUri');
    throw error;
  }
}

/** SHA-256 in hex of a string that holds one byte per character. */
export function hashWire(text: string): string {
  return hash('sha256', /[^\x00-\x7f]/.test(text) ? Buffer.from(text, 'latin1') : text, 'hex');
}

/** Stands in for the secret of a key that does not exist, so that both take the same time. */
const NO_SECRET = 'there-is-no-such-key';

/** Derives what a refusal derives whose key is not there, once for each key and scope. */
export function deriveForNobody({ accessKeyId, date, region, service }: CredentialScope): KeyObject {
  return signingKey(`refused ${accessKeyId}`, NO_SECRET, date, region, service);
}

/**
 * Verifies a parsed signature.
 * @param options.secret the secret of `parsed.accessKeyId`, or undefined when there is no such active key: the same work
 *   is done and the fault for an unknown key thrown.
 * @param options.bodyHash SHA-256 (hex) of the body where it was read already; without it the claim of the client is
 *   verified and the body must be held against `parsed.payload` by whoever reads it (`payloadFault`).
 */
export function verifySignature(
  request: WireRequest,
  parsed: ParsedAuthorization,
  options: { style: ErrorStyle; secret: string | undefined; bodyHash?: string | undefined },
): VerifiedSignature {
  const { style, secret } = options;
  const scope = `${parsed.date}/${parsed.region}/${parsed.service}/aws4_request`;
  const canonical = canonicalRequest(request, parsed, style, payloadLine(parsed.payload, options.bodyHash, style));
  const stringToSign = `${ALGORITHM}\n${parsed.timestamp}\n${scope}\n${hashWire(canonical)}`;
  const { accessKeyId, date, region, service } = parsed;
  const key = secret === undefined ? deriveForNobody(parsed) : signingKey(accessKeyId, secret, date, region, service);
  const matches = signatureMatches(key, stringToSign, parsed.signature);
  if (secret === undefined) throw authFault(style, 'unknownKey', undefined, keyMember(style, parsed));
  if (!matches) {
    throw authFault(
      style,
      'signature',
      undefined,
      style === 's3'
        ? {
            ...keyMember(style, parsed),
            StringToSign: stringToSign,
            SignatureProvided: parsed.signature,
            CanonicalRequest: canonical,
          }
        : undefined,
    );
  }
  return { key, seedSignature: parsed.signature, timestamp: parsed.timestamp, scope };
}

function keyMember(style: ErrorStyle, parsed: ParsedAuthorization): Record<string, unknown> | undefined {
  return style === 's3' ? { AWSAccessKeyId: parsed.accessKeyId } : undefined;
}

/** HMAC-SHA-256 of `stringToSign` against a hex signature, in constant time; a malformed signature never matches. */
export function signatureMatches(key: KeyObject, stringToSign: string, signature: string): boolean {
  const expected = createHmac('sha256', key).update(stringToSign).digest();
  const isHex = isSha256(signature);
  return timingSafeEqual(expected, isHex ? Buffer.from(signature, 'hex') : Buffer.alloc(32)) && isHex;
}

/** The fault for a body that is not the one that was signed. */
export function payloadFault(style: ErrorStyle, claimed: string, computed: string): Error {
  return authFault(
    style,
    'payload',
    undefined,
    style === 's3' ? { ClientComputedContentSHA256: claimed, S3ComputedContentSHA256: computed } : undefined,
  );
}
