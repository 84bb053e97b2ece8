import { createHash, timingSafeEqual } from 'node:crypto';
import type { Kernel } from '../runtime.ts';
import type { Service } from '../service.ts';
import type { HttpRequest } from '../wire/http.ts';
import { authFault, type ErrorStyle } from './auth-faults.ts';
import type { CredentialScope } from './credential-scope.ts';
import type { Caller, Credential } from './identity.ts';
import { EMPTY_HASH, type ParsedAuthorization } from './signed-request.ts';
import {
  deriveForNobody,
  hasAuthorization,
  parseAuthorization,
  type VerifiedSignature,
  verifySignature,
} from './sigv4.ts';

/** Outcome of authentication. Every handler gets its caller from here; there is no default identity. */
export interface Authenticated {
  readonly caller: Caller;
  readonly region: string;
  readonly parsed: ParsedAuthorization;
  readonly verified: VerifiedSignature;
}

const REGION = /^[a-z]{2}(-[a-z]+)+-\d$/;

/** True when the request carries a signature of any kind. */
export function isSigned(request: HttpRequest): boolean {
  return hasAuthorization(request);
}

/** Reads the signature and checks all that needs no secret. @throws in the service's style */
export function readAuthorization(kernel: Kernel, service: Service, request: HttpRequest): ParsedAuthorization {
  return parseAuthorization(request, {
    style: service.errorStyle,
    service: service.signingName,
    hasRegion: (region) => REGION.test(region),
    now: kernel.clock.now(),
  });
}

/**
 * Finds the key and verifies the signature.
 * @param bodyHash SHA-256 (hex) of a body that was read; for streams the claimed hash is verified here and the bytes later.
 */
export async function authenticate(
  kernel: Kernel,
  service: Service,
  request: HttpRequest,
  parsed: ParsedAuthorization,
  bodyHash: string | undefined,
): Promise<Authenticated> {
  const style = service.errorStyle;
  const found = findCredential(kernel, parsed.accessKeyId);
  const credential = await found;
  const secret = credential?.active === true ? credential.secretAccessKey : undefined;
  const hash = bodyHash ?? unreadHash(request, parsed, style);
  let verified: VerifiedSignature;
  try {
    verified = verifySignature(request, parsed, { style, secret, bodyHash: hash });
  } catch (error) {
    await noteRefusal(kernel, parsed, found);
    throw error;
  }
  checkToken(kernel, credential!, parsed.sessionToken, style);
  kernel.identity.noteUse(parsed.accessKeyId, parsed.service, parsed.region);
  return { caller: credential!.caller, region: parsed.region, parsed, verified };
}

/** What must have been signed of a body that is not read here, where the request does not state it. */
function unreadHash(request: HttpRequest, { payload }: ParsedAuthorization, style: ErrorStyle): string | undefined {
  if (payload.kind !== 'sha256' || payload.hash !== undefined) return undefined;
  const { headers } = request;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (hasBody) throw authFault(style, 'payloadHeader', 'The x-amz-content-sha256 header is required for this request.');
  return EMPTY_HASH;
}

/**
 * The credential behind an access key id, the root user's included; at once where nothing has to be read. Takes the kernel,
 * or a context. Whoever refuses its signature then tells {@link noteRefusal}.
 */
export function findCredential(
  { config, identity }: Pick<Kernel, 'config' | 'identity'>,
  accessKeyId: string,
): Credential | undefined | Promise<Credential | undefined> {
  if (accessKeyId !== config.rootAccessKeyId) return identity.findCredential(accessKeyId);
  return {
    accessKeyId,
    secretAccessKey: config.rootSecretAccessKey,
    active: true,
    caller: {
      type: 'Root',
      account: config.account,
      arn: `arn:aws:iam::${config.account}:root`,
      principalId: config.account,
      accessKeyId,
    },
  };
}

/**
 * The first refusal of a key costs a look-up in the database and a derived key, also where it was known already; the second
 * costs neither, also where there is none. @param found as it was found
 */
export async function noteRefusal(
  { identity }: Pick<Kernel, 'identity'>,
  scope: CredentialScope,
  found: ReturnType<typeof findCredential>,
): Promise<void> {
  const wasRead = found instanceof Promise;
  if (await identity.noteRefusal(scope.accessKeyId, wasRead)) deriveForNobody(scope);
}

/** Temporary keys come with their token, long-term keys with none. The signature has been verified already. */
function checkToken(kernel: Kernel, credential: Credential, token: string | undefined, style: ErrorStyle): void {
  const { sessionToken, expiresAt } = credential;
  if (sessionToken === undefined) {
    if (token !== undefined) throw authFault(style, 'invalidToken');
    return;
  }
  if (token === undefined || !sameText(token, sessionToken)) throw authFault(style, 'invalidToken');
  if (expiresAt !== undefined && kernel.clock.now().getTime() >= expiresAt) throw authFault(style, 'expiredToken');
}

/** Compares in a time that does not depend on where the texts differ. */
export function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
