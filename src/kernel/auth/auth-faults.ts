import { Fault } from '../fault.ts';

/**
 * How a service spells an authentication error. Services answer the same mistake with different codes and statuses:
 * AWS JSON with 400 and `...Exception` names, REST-JSON with the same names and 403, Query with 403 and short names,
 * S3 with its own set.
 */
export type ErrorStyle = 's3' | 'json' | 'rest-json' | 'query';

/** What went wrong, independent of the protocol. */
export type AuthProblem =
  | 'missing' // no signature at all
  | 'malformed' // an Authorization header that cannot be read
  | 'malformedQuery' // the same for the query form
  | 'badUri' // a path or query string that cannot be decoded
  | 'twoForms' // header and query form at once
  | 'unsupportedAlgorithm'
  | 'signature' // wrong signature, wrong scope, unsigned headers
  | 'scope' // region, service, date or terminator of the credential scope
  | 'unsignedHeaders'
  | 'skew' // header form, outside the clock window
  | 'expired' // query form, past its X-Amz-Expires
  | 'notYet' // query form, from the future
  | 'payload' // body differs from its signed hash
  | 'payloadHeader' // x-amz-content-sha256 absent or not a known value
  | 'unknownKey'
  | 'invalidToken' // session token that does not belong to the key
  | 'expiredToken';

type Spelling = readonly [code: string, status: number, message: string];

const INVALID_TOKEN = 'The security token included in the request is invalid.';
const EXPIRED_TOKEN = 'The security token included in the request is expired';
const MISMATCH =
  'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.';
const NOT_SIGNED = 'There were headers present in the request which were not signed';

function coralTable(status: 400 | 403): Record<AuthProblem, Spelling> {
  const signature: Spelling = ['InvalidSignatureException', status, MISMATCH];
  const incomplete: Spelling = ['IncompleteSignatureException', status, 'The request signature is incomplete.'];
  return {
    missing: ['MissingAuthenticationTokenException', status, 'Missing Authentication Token'],
    malformed: incomplete,
    malformedQuery: incomplete,
    badUri: ['MalformedQueryString', 404, 'The query string contains a syntax error.'],
    twoForms: incomplete,
    unsupportedAlgorithm: incomplete,
    signature,
    scope: signature,
    unsignedHeaders: ['InvalidSignatureException', status, NOT_SIGNED],
    skew: signature,
    expired: signature,
    notYet: signature,
    payload: signature,
    payloadHeader: signature,
    unknownKey: ['UnrecognizedClientException', status, INVALID_TOKEN],
    invalidToken: ['UnrecognizedClientException', status, INVALID_TOKEN],
    expiredToken: ['ExpiredTokenException', status, EXPIRED_TOKEN],
  };
}

const MISMATCH_QUERY: Spelling = ['SignatureDoesNotMatch', 403, MISMATCH];
const INCOMPLETE_QUERY: Spelling = ['IncompleteSignature', 400, 'The request signature is incomplete.'];
const MALFORMED_S3: Spelling = ['AuthorizationHeaderMalformed', 400, 'The authorization header is malformed'];

/** Codes, statuses and default texts; the callers replace the text where it carries values. */
const SPELLINGS: Record<ErrorStyle, Record<AuthProblem, Spelling>> = {
  json: coralTable(400),
  'rest-json': coralTable(403),
  query: {
    missing: ['MissingAuthenticationToken', 403, 'Request is missing Authentication Token'],
    malformed: INCOMPLETE_QUERY,
    malformedQuery: INCOMPLETE_QUERY,
    badUri: ['MalformedQueryString', 404, 'The query string contains a syntax error.'],
    twoForms: INCOMPLETE_QUERY,
    unsupportedAlgorithm: INCOMPLETE_QUERY,
    signature: MISMATCH_QUERY,
    scope: MISMATCH_QUERY,
    unsignedHeaders: ['SignatureDoesNotMatch', 403, NOT_SIGNED],
    skew: MISMATCH_QUERY,
    expired: MISMATCH_QUERY,
    notYet: MISMATCH_QUERY,
    payload: MISMATCH_QUERY,
    payloadHeader: MISMATCH_QUERY,
    unknownKey: ['InvalidClientTokenId', 403, INVALID_TOKEN],
    invalidToken: ['InvalidClientTokenId', 403, INVALID_TOKEN],
    expiredToken: ['ExpiredToken', 403, EXPIRED_TOKEN],
  },
  s3: {
    missing: ['AccessDenied', 403, 'Access Denied'],
    malformed: MALFORMED_S3,
    malformedQuery: ['AuthorizationQueryParametersError', 400, 'The query string authentication is malformed'],
    badUri: ['InvalidURI', 400, "Couldn't parse the specified URI."],
    twoForms: [
      'InvalidArgument',
      400,
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
    ],
    unsupportedAlgorithm: [
      'InvalidRequest',
      400,
      'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
    ],
    signature: [
      'SignatureDoesNotMatch',
      403,
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    ],
    scope: MALFORMED_S3,
    unsignedHeaders: ['AccessDenied', 403, NOT_SIGNED],
    skew: ['RequestTimeTooSkewed', 403, 'The difference between the request time and the current time is too large.'],
    expired: ['AccessDenied', 403, 'Request has expired'],
    notYet: ['AccessDenied', 403, 'Request is not valid yet'],
    payload: [
      'XAmzContentSHA256Mismatch',
      400,
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ],
    payloadHeader: ['InvalidRequest', 400, 'Missing required header for this request: x-amz-content-sha256'],
    unknownKey: ['InvalidAccessKeyId', 403, 'The AWS Access Key Id you provided does not exist in our records.'],
    invalidToken: ['InvalidToken', 400, 'The provided token is malformed or otherwise invalid.'],
    expiredToken: ['ExpiredToken', 400, 'The provided token has expired.'],
  },
};

/** The fault for `problem` as a service of that style words it; `message` replaces the default text. */
export function authFault(
  style: ErrorStyle,
  problem: AuthProblem,
  message?: string,
  members?: Record<string, unknown>,
): Fault {
  const [code, status, text] = SPELLINGS[style][problem];
  return new Fault(code, message ?? text, { status, ...(members ? { members } : {}) });
}
