import * as sdk from '@aws-sdk/client-sts';
import type { JWTPayload } from 'jose';
import { parseArn } from '../../kernel/arn.ts';
import type { WebIdentityCaller } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName, ValidInput } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { openFederatedSession, proofKeys, proofOf, withProof } from './federated-session.ts';
import { claimKeys, verifyIdToken } from './id-token.ts';
import { roleResource } from './role-sessions.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Temporary credentials of a role for the bearer of an OIDC token: how GitHub Actions and GitLab sign in. */
export const AssumeRoleWithWebIdentity: Op<'AssumeRoleWithWebIdentity'> = {
  identify,
  resource: async ({ RoleArn: roleArn }, ctx) => roleResource(roleArn, await ctx.identity.findRole(roleArn), ctx),
  conditions: (_input, ctx) => proofKeys(proofOf(ctx)),
  content: ['WebIdentityToken'],
  async handle(input, ctx) {
    const proof = proofOf(ctx);
    const { provider, webIdentity } = proof.federation;
    const session = await openFederatedSession(ctx, input.RoleArn, input, proof);
    return {
      Credentials: session.credentials,
      SubjectFromWebIdentityToken: webIdentity!.attributes['sub']!,
      AssumedRoleUser: { AssumedRoleId: session.caller.principalId, Arn: session.caller.arn },
      PackedPolicySize: session.packed,
      Provider: provider,
      Audience: webIdentity!.attributes['aud']!,
      SourceIdentity: session.caller.sourceIdentity,
    };
  },
};

type TokenInput = ValidInput<sdk.AssumeRoleWithWebIdentityRequest>;

/** Who the token says it is. The provider stands in the account of the role. */
async function identify(
  { RoleArn: roleArn, RoleSessionName: sessionName, WebIdentityToken: token, ProviderId: oauth }: TokenInput,
  ctx: Context,
): Promise<WebIdentityCaller> {
  if (oauth !== undefined) {
    throw commonFault('NotImplemented', 'OAuth 2.0 access tokens (ProviderId) are not implemented by Slipway.');
  }
  const role = parseArn(roleArn);
  if (role?.service !== 'iam' || !role.resource.startsWith('role/')) {
    throw commonFault('ValidationError', 'Request ARN is invalid');
  }
  const verified = await verifyIdToken(token, role.account, ctx);
  const { provider, audience, subject, claims } = verified;
  const keys = claimKeys(verified);
  const caller: WebIdentityCaller = {
    type: 'WebIdentityUser',
    account: role.account,
    provider: provider.arn,
    principalId: `${provider.arn}:${audience}:${subject}`,
    userName: subject,
    identityProvider: provider.arn,
    keys: keys.all,
  };
  return withProof(caller, {
    sessionName,
    ...sessionClaims(claims),
    federation: {
      provider: provider.arn,
      keys: keys.lasting,
      webIdentity: { federatedProvider: provider.arn, attributes: { aud: audience, sub: subject } },
    },
  });
}

const TAGS = 'https://aws.amazon.com/tags';
const SOURCE_IDENTITY = 'https://aws.amazon.com/source_identity';

/**
 * Session tags and source identity in a token, nested or flat.
 * Source: IAM User Guide, "Passing session tags using AssumeRoleWithWebIdentity".
 * @throws InvalidIdentityToken for claims of another form
 */
function sessionClaims(claims: JWTPayload): {
  tags: sdk.Tag[];
  transitiveTagKeys: string[];
  sourceIdentity: string | undefined;
} {
  const nested = (claims[TAGS] ?? {}) as { principal_tags?: unknown; transitive_tag_keys?: unknown };
  const principalTags = nested.principal_tags ?? claims[`${TAGS}/principal_tags`] ?? {};
  const transitive = nested.transitive_tag_keys ?? claims[`${TAGS}/transitive_tag_keys`] ?? [];
  const sourceIdentity = claims[SOURCE_IDENTITY];
  const wrong = (what: string) => fault(sdk.InvalidIdentityTokenException, `The ${what} of the token cannot be read.`);
  if (typeof principalTags !== 'object' || Array.isArray(principalTags)) throw wrong('session tags');
  const tags = Object.entries(principalTags as Record<string, unknown>).map(([Key, value]) => {
    const Value = Array.isArray(value) && value.length === 1 ? value[0] : value;
    if (typeof Value !== 'string') throw wrong('session tags');
    return { Key, Value };
  });
  const isList = Array.isArray(transitive) && transitive.every((key) => typeof key === 'string');
  if (!isList) throw wrong('transitive tag keys');
  const isIdentity = typeof sourceIdentity === 'string' && /^[\w+=,.@-]{2,64}$/.test(sourceIdentity);
  if (sourceIdentity !== undefined && !isIdentity) throw wrong('source identity');
  return { tags, transitiveTagKeys: transitive, sourceIdentity: sourceIdentity as string | undefined };
}
