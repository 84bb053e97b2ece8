import type { ErrorStyle } from '../auth/auth-faults.ts';
import { Fault } from '../fault.ts';

type Spelling = readonly [code: string, status: number];

/**
 * The errors that any AWS service may answer with, spelled per family.
 * Source: the "Common Error Types" page of each service's API reference, the AWS JSON protocol's use of status 400 for
 * everything that is the client's fault, and the S3 list of error codes.
 */
const SPELLINGS = {
  AccessDenied: row(
    ['AccessDeniedException', 400],
    ['AccessDenied', 403],
    ['AccessDeniedException', 403],
    ['AccessDenied', 403],
  ),
  ExpiredToken: row(
    ['ExpiredTokenException', 400],
    ['ExpiredToken', 403],
    ['ExpiredTokenException', 403],
    ['ExpiredToken', 400],
  ),
  IncompleteSignature: row(
    ['IncompleteSignatureException', 400],
    ['IncompleteSignature', 400],
    ['IncompleteSignatureException', 403],
    ['AuthorizationHeaderMalformed', 400],
  ),
  InternalFailure: row(
    ['InternalFailure', 500],
    ['InternalFailure', 500],
    ['InternalFailure', 500],
    ['InternalError', 500],
  ),
  InvalidAction: row(
    ['UnknownOperationException', 400],
    ['InvalidAction', 400],
    ['UnknownOperationException', 404],
    ['MethodNotAllowed', 405],
  ),
  InvalidClientTokenId: row(
    ['UnrecognizedClientException', 400],
    ['InvalidClientTokenId', 403],
    ['UnrecognizedClientException', 403],
    ['InvalidAccessKeyId', 403],
  ),
  MissingAuthenticationToken: row(
    ['MissingAuthenticationTokenException', 400],
    ['MissingAuthenticationToken', 403],
    ['MissingAuthenticationTokenException', 403],
    ['AccessDenied', 403],
  ),
  NotImplemented: row(
    ['NotImplementedException', 501],
    ['NotImplemented', 501],
    ['NotImplementedException', 501],
    ['NotImplemented', 501],
  ),
  RequestEntityTooLarge: row(
    ['RequestEntityTooLargeException', 413],
    ['RequestEntityTooLarge', 413],
    ['RequestEntityTooLargeException', 413],
    ['EntityTooLarge', 400],
  ),
  RequestTimeout: row(
    ['RequestTimeoutException', 408],
    ['RequestTimeout', 408],
    ['RequestTimeoutException', 408],
    ['RequestTimeout', 400],
  ),
  SerializationException: row(
    ['SerializationException', 400],
    ['MalformedInput', 400],
    ['SerializationException', 400],
    ['MalformedXML', 400],
  ),
  ServiceUnavailable: row(
    ['ServiceUnavailableException', 503],
    ['ServiceUnavailable', 503],
    ['ServiceUnavailableException', 503],
    ['SlowDown', 503],
  ),
  SignatureDoesNotMatch: row(
    ['InvalidSignatureException', 400],
    ['SignatureDoesNotMatch', 403],
    ['InvalidSignatureException', 403],
    ['SignatureDoesNotMatch', 403],
  ),
  ThrottlingException: row(
    ['ThrottlingException', 400],
    ['Throttling', 400],
    ['TooManyRequestsException', 429],
    ['SlowDown', 503],
  ),
  ValidationError: row(
    ['ValidationException', 400],
    ['ValidationError', 400],
    ['ValidationException', 400],
    ['InvalidArgument', 400],
  ),
} as const;

function row(json: Spelling, query: Spelling, restJson: Spelling, s3: Spelling): Record<ErrorStyle, Spelling> {
  return { json, query, 'rest-json': restJson, s3 };
}

export type CommonErrorName = keyof typeof SPELLINGS;

/** One of the errors common to all services; the wire spells it in the style of the service that answers. */
export function commonFault(name: CommonErrorName, message: string, cause?: unknown): Fault {
  return new Fault(name, message, { cause });
}

/** Code and status of a common error in a family's style, or undefined when the name is not a common one. */
export function spell(name: string, style: ErrorStyle): { code: string; status: number } | undefined {
  if (!Object.hasOwn(SPELLINGS, name)) return undefined;
  const [code, status] = SPELLINGS[name as CommonErrorName][style];
  return { code, status };
}

/** The answer to an operation that AWS has and Slipway does not have yet: never an empty success. */
export function notImplemented(service: string, operation: string): Fault {
  return commonFault('NotImplemented', `The operation ${service}:${operation} is not implemented by Slipway.`);
}
