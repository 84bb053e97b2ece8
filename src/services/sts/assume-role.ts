import type * as sdk from '@aws-sdk/client-sts';
import type { AssumableRole, Caller } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';
import type { ConditionKeys, Operation, OperationName } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { openCredentials } from './credentials.ts';
import { refuseFederatedUser } from './long-term.ts';
import { mfaKeys, showMfaCode } from './mfa.ts';
import { roleCaller, roleResource } from './role-sessions.ts';
import { packedPolicySize, sessionPolicies, sessionSeconds } from './session-limits.ts';
import { sessionTags, tagKeys, transitiveTags } from './session-tags.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export const AssumeRole: Op<'AssumeRole'> = {
  resource: async ({ RoleArn: roleArn }, ctx) => roleResource(roleArn, await ctx.identity.findRole(roleArn), ctx),
  conditions: async (input, ctx) => ({ ...requestKeys(input, ctx), ...(await mfaKeys(input, ctx)) }),
  content: ['TokenCode'],
  async handle(input, ctx) {
    const { RoleArn: roleArn, RoleSessionName: sessionName, SourceIdentity: requestedIdentity, Tags = [] } = input;
    if (ctx.caller.type === 'Root') throw commonFault('AccessDenied', 'Roles may not be assumed by root accounts.');
    refuseFederatedUser(ctx, 'AssumeRole');
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
        mfaAuthenticatedAt: (await showMfaCode(input, ctx)) ?? mfaOf(ctx.caller),
      },
      ctx,
    );
    const durationSeconds = sessionSeconds(input.DurationSeconds, role, ctx.caller);
    const session = { caller, sessionPolicies: policies.documents, durationSeconds };
    const credentials = await openCredentials(session, ctx);
    if (role.account !== ctx.account) recordForOwner(ctx, role, input);
    return {
      Credentials: credentials,
      AssumedRoleUser: { AssumedRoleId: caller.principalId, Arn: caller.arn },
      PackedPolicySize: packed,
      SourceIdentity: sourceIdentity,
    };
  },
};

/** The condition keys that a trust policy can ask for; what the calling session hands on is asked for with the rest. */
function requestKeys(input: sdk.AssumeRoleRequest, ctx: Context): ConditionKeys {
  const { ExternalId, RoleSessionName, TransitiveTagKeys = [] } = input;
  const sourceIdentity = input.SourceIdentity ?? keptIdentity(ctx);
  const transitiveKeys = [...TransitiveTagKeys, ...Object.keys(transitiveTags(ctx.caller))];
  return {
    'sts:RoleSessionName': RoleSessionName!,
    ...(ExternalId === undefined ? {} : { 'sts:ExternalId': ExternalId }),
    ...(sourceIdentity === undefined ? {} : { 'sts:SourceIdentity': sourceIdentity }),
    ...tagKeys(passedTags(input, ctx)),
    ...(transitiveKeys.length === 0 ? {} : { 'sts:TransitiveTagKeys': transitiveKeys }),
  };
}

/** The tags of the request and those that the calling session hands on. */
function passedTags({ Tags = [] }: sdk.AssumeRoleRequest, { caller }: Context): sdk.Tag[] {
  const inherited = Object.entries(transitiveTags(caller)).map(([Key, Value]) => ({ Key, Value }));
  return [...Tags, ...inherited];
}

/** The role may have gone since the call was authorised. */
async function authorizedRole(ctx: Context, roleArn: string): Promise<AssumableRole> {
  const role = await ctx.identity.findRole(roleArn);
  if (role === undefined) throw commonFault('AccessDenied', `${roleArn} cannot be assumed.`);
  return role;
}

/**
 * Tags and a source identity are further rights, which the trust policy must give as well; also for those that come from
 * the session before: else whoever is let in could bring tags that he has chosen in a role of his own.
 * Source: IAM User Guide, "Permissions required to add session tags", "Permissions required to set a source identity".
 */
async function authorizeSession(ctx: Context, role: AssumableRole, input: sdk.AssumeRoleRequest): Promise<void> {
  const resource = roleResource(role.arn, role, ctx);
  const keys = { ...requestKeys(input, ctx), ...(await mfaKeys(input, ctx)) };
  if (passedTags(input, ctx).length > 0) await ctx.authorize('sts:TagSession', resource, keys);
  const kept = keptIdentity(ctx);
  if (kept !== undefined && input.SourceIdentity !== undefined && kept !== input.SourceIdentity) {
    throw commonFault('AccessDenied', 'The source identity of a session cannot be changed.');
  }
  if ((input.SourceIdentity ?? kept) !== undefined) await ctx.authorize('sts:SetSourceIdentity', resource, keys);
}

/** A source identity, once set, stays through all the roles that follow. */
function keptIdentity({ caller }: Context): string | undefined {
  return caller.type === 'AssumedRole' ? caller.sourceIdentity : undefined;
}

function mfaOf(caller: Caller): number | undefined {
  return 'mfaAuthenticatedAt' in caller ? caller.mfaAuthenticatedAt : undefined;
}

/** The account of the role has the call in its trail as well, with no more of the caller than his account. */
function recordForOwner(ctx: Context, role: AssumableRole, { RoleArn, RoleSessionName }: sdk.AssumeRoleRequest): void {
  ctx.record({
    eventSource: 'sts.amazonaws.com',
    eventName: 'AssumeRole',
    readOnly: true,
    account: role.account,
    resources: [role.arn],
    requestParameters: { roleArn: RoleArn, roleSessionName: RoleSessionName },
  });
}
