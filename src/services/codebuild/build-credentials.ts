import { createHash } from 'node:crypto';
import type { TemporaryCredentials } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';
import type { Route } from '../../kernel/service.ts';
import type { Masker } from './masking.ts';

/** Path of the endpoint; no bucket can have this name, so it hides none. */
const PATH = '/_codebuild/credentials';
const TOKEN_BYTES = 32;
/** Credentials that expire sooner are made anew: SDKs ask a few minutes before the end. */
const RENEW_BEFORE_MS = 15 * 60_000;

/** The service role's credentials of one build, made when they are first wanted. */
export class BuildCredentials {
  readonly #make: () => Promise<TemporaryCredentials>;
  readonly #nowMs: () => number;
  readonly #masker: Masker;
  #current: Promise<TemporaryCredentials> | undefined;
  readonly roleArn: string;

  constructor(roleArn: string, make: () => Promise<TemporaryCredentials>, nowMs: () => number, masker: Masker) {
    this.roleArn = roleArn;
    this.#make = make;
    this.#nowMs = nowMs;
    this.#masker = masker;
  }

  async get(): Promise<TemporaryCredentials> {
    const current = await this.#current;
    if (current !== undefined && current.expiresAt - this.#nowMs() > RENEW_BEFORE_MS) return current;
    const made = this.#make();
    this.#current = made;
    try {
      const { secretAccessKey, sessionToken } = await made;
      this.#masker.add(secretAccessKey);
      this.#masker.add(sessionToken);
    } catch (error) {
      this.#current = undefined;
      throw error;
    }
    return made;
  }
}

/** Which token opens which build's credentials. Kept by hash, so that a look-up tells nothing about other tokens. */
export class CredentialTokens {
  readonly #byHash = new Map<string, BuildCredentials>();

  /** Makes the token of a build. It is good until {@link revoke}. */
  issue(ctx: Context, credentials: BuildCredentials): string {
    const token = ctx.ids.bytes(TOKEN_BYTES).toString('base64url');
    this.#byHash.set(hashOf(token), credentials);
    return token;
  }

  revoke(token: string): void {
    this.#byHash.delete(hashOf(token));
  }

  find(token: string): BuildCredentials | undefined {
    return this.#byHash.get(hashOf(token));
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

export function credentialsUrl(endpointUrl: string): string {
  return `${endpointUrl}${PATH}`;
}

/**
 * Where the SDKs in a build get the service role's credentials, as in a container of ECS.
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
 */
export function credentialsRoute(tokensOf: (ctx: Context) => CredentialTokens | undefined): Route {
  return {
    name: 'codebuild.credentials',
    matches: ({ path, method }) => path === PATH && method === 'GET',
    async handle({ request, response, ctx }) {
      const token = request.headers['authorization'] ?? '';
      const credentials = tokensOf(ctx)?.find(token);
      response.setHeader('content-type', 'application/json');
      response.setHeader('cache-control', 'no-store');
      if (credentials === undefined) {
        response
          .writeHead(401)
          .end(JSON.stringify({ code: 'AccessDenied', message: 'The token is of no running build.' }));
        return;
      }
      const { accessKeyId, secretAccessKey, sessionToken, expiresAt } = await credentials.get();
      response.end(
        JSON.stringify({
          RoleArn: credentials.roleArn,
          AccessKeyId: accessKeyId,
          SecretAccessKey: secretAccessKey,
          Token: sessionToken,
          Expiration: new Date(expiresAt).toISOString(),
        }),
      );
    },
  };
}
