import type * as sdk from '@aws-sdk/client-sts';
import type { AssumableRole } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';
import type { ConditionKeys, Operation, OperationName } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { roleCaller, roleResource } from './role-sessions.ts';
import { packedPolicySize, sessionPolicies, sessionSeconds } from './session-limits.ts';
import { sessionTags } from './session-tags.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export const AssumeRole: Op<'AssumeRole'> = {
  resource: async ({ RoleArn: roleArn }, ctx) => roleResource(roleArn, await ctx.identity.findRole(roleArn)),
  conditions: requestKeys,
  async handle(input, ctx) {
    const { RoleArn: roleArn, RoleSessionName: sessionName, SourceIdentity: requestedIdentity, Tags = [] } = input;
    if (ctx.caller.type === 'Root') throw commonFault('AccessDenied', 'Roles may not be assumed by root accounts.');
    refuseMfa(input);
    const role = await authorizedRole(ctx, roleArn);
    const tags = sessionTags(input, ctx.caller);
    await authorizeSession(ctx, role, input);
    const policies = await sessionPolicies(ctx, role.account, input);
    const packed = packedPolicySize(input.Policy, Tags);
    const sourceIdentity = keptIdentity(ctx) ?? requestedIdentity;
    const caller = roleCaller(
      role,
      {
        sessionName,
        sessionPolicies: policies.compiled,
        sourceIdentity,
        sessionTags: tags.tags,
        transitiveTagKeys: tags.transitiveKeys,
      },
      ctx,
    );
    const durationSeconds = sessionSeconds(input.DurationSeconds, role, ctx.caller);
    const session = { caller, sessionPolicies: policies.documents, durationSeconds };
    const credentials = await ctx.identity.openSession(session, ctx);
    return {
      Credentials: {
        AccessKeyId: credentials.accessKeyId,
        SecretAccessKey: credentials.secretAccessKey,
        SessionToken: credentials.sessionToken,
        Expiration: new Date(credentials.expiresAt),
      },
      AssumedRoleUser: { AssumedRoleId: caller.principalId, Arn: caller.arn },
      PackedPolicySize: packed,
      SourceIdentity: sourceIdentity,
    };
  },
};

/** The condition keys that a trust policy can ask for. */
function requestKeys(input: sdk.AssumeRoleRequest): ConditionKeys {
  const { ExternalId, RoleSessionName, SourceIdentity, Tags = [], TransitiveTagKeys = [] } = input;
  return {
    'sts:RoleSessionName': RoleSessionName!,
    ...(ExternalId === undefined ? {} : { 'sts:ExternalId': ExternalId }),
    ...(SourceIdentity === undefined ? {} : { 'sts:SourceIdentity': SourceIdentity }),
    ...Object.fromEntries(Tags.map(({ Key, Value }) => [`aws:RequestTag/${Key}`, Value!])),
    ...(Tags.length === 0 ? {} : { 'aws:TagKeys': Tags.map(({ Key }) => Key!) }),
    ...(TransitiveTagKeys.length === 0 ? {} : { 'sts:TransitiveTagKeys': TransitiveTagKeys }),
  };
}

/** The role may have gone since the call was authorised. */
async function authorizedRole(ctx: Context, roleArn: string): Promise<AssumableRole> {
  const role = await ctx.identity.findRole(roleArn);
  if (role === undefined) throw commonFault('AccessDenied', `${roleArn} cannot be assumed.`);
  return role;
}

/** Tags and a source identity are further rights, which the trust policy must give as well. */
async function authorizeSession(ctx: Context, role: AssumableRole, input: sdk.AssumeRoleRequest): Promise<void> {
  const resource = roleResource(role.arn, role);
  const keys = requestKeys(input);
  if (input.Tags !== undefined && input.Tags.length > 0) await ctx.authorize('sts:TagSession', resource, keys);
  const kept = keptIdentity(ctx);
  if (input.SourceIdentity === undefined) return;
  if (kept !== undefined && kept !== input.SourceIdentity) {
    throw commonFault('AccessDenied', 'The source identity of a session cannot be changed.');
  }
  await ctx.authorize('sts:SetSourceIdentity', resource, keys);
}

/** A source identity, once set, stays through all the roles that follow. */
function keptIdentity({ caller }: Context): string | undefined {
  return caller.type === 'AssumedRole' ? caller.sourceIdentity : undefined;
}

/** There are no MFA devices here, so no code can be right. */
function refuseMfa({ SerialNumber, TokenCode }: Pick<sdk.AssumeRoleRequest, 'SerialNumber' | 'TokenCode'>): void {
  if (SerialNumber === undefined && TokenCode === undefined) return;
  throw commonFault('AccessDenied', 'MultiFactorAuthentication failed with invalid MFA one time pass code.');
}
