import * as sdk from '@aws-sdk/client-sts';
import { compactVerify, createLocalJWKSet, decodeJwt, decodeProtectedHeader, errors, type JWTPayload } from 'jose';
import { arn } from '../../kernel/arn.ts';
import type { OpenIdProvider } from '../../kernel/auth/identity.ts';
import { isReservedNamespace } from '../../kernel/auth/key-namespaces.ts';
import type { Context } from '../../kernel/context.ts';
import { type Fault, fault } from '../../kernel/fault.ts';
import { keysOf } from './provider-keys.ts';

/** Signatures with a provider's public key, as AWS takes them; so neither `none` nor an HMAC with that key. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'];
/** Clocks of providers may be ahead by this. */
const SKEW_SECONDS = 60;

/** A verified ID token. */
export interface IdToken {
  readonly provider: OpenIdProvider;
  readonly subject: string;
  /** The audience that counts: `azp` where the token has one. */
  readonly audience: string;
  readonly claims: JWTPayload;
}

const invalid = (message: string): Fault => fault(sdk.InvalidIdentityTokenException, message);

/**
 * Verifies an ID token against the OIDC provider of its issuer in an account. What costs nothing is checked first: the
 * provider is asked for keys only for a token that might be good.
 * @throws InvalidIdentityToken, ExpiredToken, IDPCommunicationError
 */
export async function verifyIdToken(token: string, account: string, ctx: Context): Promise<IdToken> {
  const { header, claims } = decode(token);
  const { iss: issuer } = claims;
  if (typeof issuer !== 'string' || !/^https?:\/\//.test(issuer)) throw invalid('The ID Token has no issuer.');
  const provider = await ctx.identity.findOpenIdProvider(
    arn('iam', '', account, `oidc-provider/${issuer.replace(/^https?:\/\//, '')}`),
  );
  if (provider?.url !== issuer) throw invalid(`No OpenIDConnect provider found in your account for ${issuer}`);
  if (!ALGORITHMS.includes(header.alg ?? '')) throw invalid('The signature algorithm of the token is not supported.');
  checkTimes(claims, Math.floor(ctx.now().getTime() / 1000));
  const audience = audienceOf(claims, provider);
  if (typeof claims.sub !== 'string' || claims.sub === '') throw invalid('The ID Token has no subject.');
  const keys = await keysOf(ctx, provider, header.kid);
  try {
    await compactVerify(token, createLocalJWKSet(keys), { algorithms: ALGORITHMS });
  } catch (error) {
    if (!(error instanceof errors.JOSEError) && !(error instanceof TypeError)) throw error;
    throw Object.assign(
      invalid('Provided Token is not a valid token of its provider: the signature does not verify.'),
      {
        cause: error,
      },
    );
  }
  return { provider, subject: claims.sub, audience, claims };
}

function decode(token: string): { header: { alg?: string; kid?: string }; claims: JWTPayload } {
  try {
    if (token.split('.').length !== 3) throw new TypeError('a JWT has three parts');
    return { header: decodeProtectedHeader(token) as { alg?: string; kid?: string }, claims: decodeJwt(token) };
  } catch (error) {
    if (!(error instanceof errors.JOSEError) && !(error instanceof TypeError)) throw error;
    throw invalid('The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)');
  }
}

function checkTimes({ exp, iat, nbf }: JWTPayload, now: number): void {
  if (typeof exp !== 'number' || typeof iat !== 'number') throw invalid('Missing a required claim: exp or iat');
  if (now >= exp) {
    throw fault(
      sdk.ExpiredTokenException,
      `Token expired: current date/time ${now} must be before the expiration date/time ${exp}`,
    );
  }
  if (iat > now + SKEW_SECONDS || (typeof nbf === 'number' && nbf > now + SKEW_SECONDS)) {
    throw invalid('The ID Token is not valid yet.');
  }
}

/** Where a token names the party that it was made for (`azp`), that one must be registered. */
function audienceOf({ aud, azp }: JWTPayload & { azp?: unknown }, { clientIds }: OpenIdProvider): string {
  const candidates = typeof azp === 'string' ? [azp] : typeof aud === 'string' ? [aud] : (aud ?? []);
  const audience = candidates.find((one) => clientIds.includes(one));
  if (audience === undefined) throw invalid('Incorrect token audience');
  return audience;
}

/** Keys that later calls of the session see as well. */
const LASTING = ['aud', 'oaud', 'sub', 'amr', 'email'];

/**
 * The condition keys of a token, under the provider's name: `token.actions.githubusercontent.com:sub`. Every claim that is
 * a text, a number, a truth value or a list of texts is one.
 */
export function claimKeys({ provider, audience, claims }: IdToken): {
  all: Record<string, string | string[]>;
  lasting: Record<string, string | string[]>;
} {
  const prefix = provider.url.replace(/^https?:\/\//, '');
  const all: Record<string, string | string[]> = {};
  const lasting: Record<string, string | string[]> = {};
  if (isReservedNamespace(prefix)) return { all, lasting };
  const values: Record<string, unknown> = {
    ...claims,
    aud: audience,
    ...('azp' in claims ? { oaud: claims.aud } : {}),
  };
  for (const [name, value] of Object.entries(values)) {
    const text = keyValue(value);
    if (text === undefined) continue;
    all[`${prefix}:${name}`] = text;
    if (LASTING.includes(name)) lasting[`${prefix}:${name}`] = text;
  }
  return { all, lasting };
}

function keyValue(value: unknown): string | string[] | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  return undefined;
}
