import { authFault, type ErrorStyle } from './auth-faults.ts';
import type { QueryParameter } from './canonical.ts';
import type { CredentialScope, SigningRules } from './credential-scope.ts';
import type { HeaderIndex } from './wire-request.ts';

export const ALGORITHM = 'AWS4-HMAC-SHA256';
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';
export const EMPTY_HASH = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** What the signature says of the body; whoever reads the body must hold it against this. */
export type SignedPayload =
  /** The body's SHA-256 is signed. `hash` is what the client claims; without it the body's real hash must verify. */
  | { readonly kind: 'sha256'; readonly hash?: string }
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'streaming-signed' }
  | { readonly kind: 'streaming-signed-trailer' }
  | { readonly kind: 'streaming-unsigned-trailer' };

/** A signature as read from the request: well-formed and in scope, but NOT yet verified. */
export interface ParsedAuthorization extends CredentialScope {
  readonly form: 'header' | 'query';
  /** `YYYYMMDDTHHMMSSZ`. */
  readonly timestamp: string;
  /** Lower-case names, ascending, as they stand in the request: `host;x-amz-date`. */
  readonly signedHeaders: string;
  readonly signature: string;
  readonly sessionToken?: string;
  readonly payload: SignedPayload;
  /** Seconds that a presigned request is valid from its timestamp. */
  readonly expiresSeconds?: number;
  readonly headers: HeaderIndex;
  readonly parameters: readonly QueryParameter[];
}

/**
 * `SignedHeaders` must be lower case, ascending and without repetition, name only headers that are there, and hold
 * `host` and every `x-amz-*` header of the request: an unsigned one could change the operation after signing.
 */
export function checkSignedHeaders(signedHeaders: string, headers: HeaderIndex, style: ErrorStyle): void {
  const names = signedHeaders.split(';');
  let previous = '';
  let amzSigned = 0;
  let hostSigned = false;
  for (const name of names) {
    if (name <= previous || name !== name.toLowerCase()) {
      throw authFault(
        style,
        'malformed',
        'SignedHeaders must be lower case, in ascending order and without repetition.',
      );
    }
    previous = name;
    if (!headers.values.has(name)) throw authFault(style, 'signature');
    if (name === 'host') hostSigned = true;
    else if (name.startsWith('x-amz-')) amzSigned++;
  }
  if (!hostSigned) throw unsigned(['host'], style);
  let amzPresent = 0;
  for (const name of headers.values.keys()) if (name.startsWith('x-amz-')) amzPresent++;
  if (amzPresent === amzSigned) return;
  const missing = [...headers.values.keys()].filter(
    // S3 takes this one unsigned: its value is a line of the canonical request anyway.
    (name) =>
      name.startsWith('x-amz-') && !names.includes(name) && !(style === 's3' && name === 'x-amz-content-sha256'),
  );
  if (missing.length > 0) throw unsigned(missing, style);
}

function unsigned(names: string[], style: ErrorStyle): Error {
  if (style !== 's3' && names[0] === 'host') {
    return authFault(
      style,
      'unsignedHeaders',
      "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    );
  }
  return authFault(
    style,
    'unsignedHeaders',
    undefined,
    style === 's3' ? { HeadersNotSigned: names.join(', ') } : undefined,
  );
}

const STREAMING: Readonly<Record<string, SignedPayload>> = {
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD': { kind: 'streaming-signed' },
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER': { kind: 'streaming-signed-trailer' },
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER': { kind: 'streaming-unsigned-trailer' },
};

/** Turns `x-amz-content-sha256` into the one way in which the body may be read; anything unknown is refused. */
export function readPayload(method: string, claim: string | undefined, rules: SigningRules): SignedPayload {
  if (claim === undefined) {
    if (rules.style === 's3') throw authFault('s3', 'payloadHeader');
    return { kind: 'sha256' };
  }
  if (isSha256(claim)) return { kind: 'sha256', hash: claim };
  if (claim === UNSIGNED_PAYLOAD && (rules.style === 's3' || rules.allowUnsignedPayload)) return { kind: 'unsigned' };
  const streaming = rules.style === 's3' && (method === 'PUT' || method === 'POST') ? STREAMING[claim] : undefined;
  if (streaming !== undefined) return streaming;
  throw authFault(
    rules.style,
    'payloadHeader',
    rules.style === 's3'
      ? 'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.'
      : undefined,
  );
}

/** 64 lower-case hexadecimal digits. */
export function isSha256(text: string): boolean {
  return text.length === 64 && /^[0-9a-f]{64}$/.test(text);
}
