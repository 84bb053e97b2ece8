import { authFault } from './auth-faults.ts';
import type { QueryParameter } from './canonical.ts';
import { checkCredential, checkExpiry, parseBasicTime, type SigningRules } from './credential-scope.ts';
import {
  ALGORITHM,
  checkSignedHeaders,
  EMPTY_HASH,
  type ParsedAuthorization,
  readPayload,
  UNSIGNED_PAYLOAD,
} from './signed-request.ts';
import type { HeaderIndex, WireRequest } from './wire-request.ts';

/** Parameters of the query form. Each may appear once, spelt exactly so. */
const PARAMETERS = [
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Expires',
  'X-Amz-SignedHeaders',
  'X-Amz-Security-Token',
  'X-Amz-Signature',
] as const;

type ParameterName = (typeof PARAMETERS)[number];

/** A week, the longest that a presigned request may live. */
const MAX_EXPIRES_SECONDS = 604_800;
const REQUIRED: readonly ParameterName[] = PARAMETERS.filter((name) => name !== 'X-Amz-Security-Token');
const BY_LOWER_CASE = new Map<string, ParameterName>(PARAMETERS.map((name) => [name.toLowerCase(), name]));
const INCOMPLETE =
  'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.';

/** True when the parameters carry any part of a query signature, in any case, or one of signature version 2. */
export function hasQueryAuthorization(parameters: readonly QueryParameter[]): boolean {
  return parameters.some(({ name }) => BY_LOWER_CASE.has(name.toLowerCase()) || name === 'AWSAccessKeyId');
}

/**
 * Reads and checks a presigned request (query form), as `parseAuthorization` does for the header form.
 * @throws `AuthorizationQueryParametersError` and its kin, in the words of `rules.style`.
 */
export function parseQueryAuthorization(
  request: WireRequest,
  headers: HeaderIndex,
  parameters: readonly QueryParameter[],
  rules: SigningRules,
): ParsedAuthorization {
  const found = collect(parameters, rules);
  if (REQUIRED.some((name) => !found.get(name))) throw authFault(rules.style, 'malformedQuery', INCOMPLETE);
  const get = (name: ParameterName) => found.get(name)!;
  if (get('X-Amz-Algorithm') !== ALGORITHM) {
    throw authFault(rules.style, 'malformedQuery', `X-Amz-Algorithm only supports "${ALGORITHM}"`);
  }
  const timestamp = get('X-Amz-Date');
  const timeMs = parseBasicTime(timestamp);
  if (Number.isNaN(timeMs)) {
    throw authFault(
      rules.style,
      'malformedQuery',
      "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
    );
  }
  const expiresSeconds = readExpires(get('X-Amz-Expires'), rules);
  const scope = checkCredential(get('X-Amz-Credential'), timestamp, 'query', rules);
  checkExpiry(timestamp, timeMs, expiresSeconds, rules);
  const signedHeaders = get('X-Amz-SignedHeaders');
  checkSignedHeaders(signedHeaders, headers, rules.style);
  return {
    form: 'query',
    accessKeyId: scope.accessKeyId,
    date: scope.date,
    region: scope.region,
    service: scope.service,
    timestamp,
    signedHeaders,
    signature: get('X-Amz-Signature'),
    sessionToken: readToken(found.get('X-Amz-Security-Token'), headers, rules),
    payload: readPresignedPayload(request, headers, parameters, rules),
    expiresSeconds,
    headers,
    parameters,
  };
}

/** The seven parameters by name; a repeated one or a twin that differs in case is refused. */
function collect(parameters: readonly QueryParameter[], rules: SigningRules): Map<ParameterName, string> {
  const found = new Map<ParameterName, string>();
  for (const { name, value } of parameters) {
    const known = BY_LOWER_CASE.get(name.toLowerCase());
    if (known === undefined) continue;
    if (known !== name || found.has(known)) {
      throw authFault(rules.style, 'malformedQuery', `The ${known} parameter must appear exactly once.`);
    }
    found.set(known, value);
  }
  if (found.size > 0) return found;
  // Signature version 2.
  throw rules.style === 's3'
    ? authFault('s3', 'unsupportedAlgorithm')
    : authFault(rules.style, 'malformedQuery', INCOMPLETE);
}

function readExpires(text: string, rules: SigningRules): number {
  const refuse = (message: string) => authFault(rules.style, 'malformedQuery', message);
  if (!/^-?\d{1,9}$/.test(text)) {
    throw /^-?\d+$/.test(text) && !text.startsWith('-')
      ? refuse(
          'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
        )
      : refuse('X-Amz-Expires should be a number');
  }
  const seconds = Number(text);
  if (seconds < 0) throw refuse('X-Amz-Expires must be non-negative');
  if (seconds < 1) throw refuse('X-Amz-Expires must be at least 1 second');
  if (seconds > MAX_EXPIRES_SECONDS) {
    throw refuse(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    );
  }
  return seconds;
}

function readToken(parameter: string | undefined, headers: HeaderIndex, rules: SigningRules): string | undefined {
  const header = headers.values.get('x-amz-security-token');
  if (parameter !== undefined && header !== undefined) throw authFault(rules.style, 'twoForms');
  return parameter ?? header;
}

/**
 * S3 does not sign the body of a presigned request unless a hash is stated, in the query string or in a header. Other
 * services sign it: the hash of the body (mostly empty) must verify. The chunked modes have no query form.
 */
function readPresignedPayload(
  request: WireRequest,
  headers: HeaderIndex,
  parameters: readonly QueryParameter[],
  rules: SigningRules,
): ParsedAuthorization['payload'] {
  const stated = parameters.filter(({ name }) => name.toLowerCase() === 'x-amz-content-sha256');
  const header = headers.values.get('x-amz-content-sha256');
  if (stated.length > 1 || (stated.length === 1 && header !== undefined && header !== stated[0]!.value)) {
    throw authFault(rules.style, 'malformedQuery', 'The X-Amz-Content-Sha256 parameter must appear exactly once.');
  }
  const claim = stated[0]?.value ?? header ?? (rules.style === 's3' ? UNSIGNED_PAYLOAD : undefined);
  const payload = readPayload(request.method, claim, rules);
  if (payload.kind !== 'sha256' && payload.kind !== 'unsigned') {
    throw authFault(rules.style, 'malformedQuery', 'A presigned request cannot have a chunked payload.');
  }
  if (
    payload.kind === 'sha256' &&
    payload.hash === undefined &&
    (request.method === 'GET' || request.method === 'HEAD')
  ) {
    return { kind: 'sha256', hash: EMPTY_HASH };
  }
  return payload;
}
