import { arn, parseArn } from '../../kernel/arn.ts';
import type { AssumableRole, RoleCaller, SessionFederation } from '../../kernel/auth/identity.ts';
import type { CompiledPolicy } from '../../kernel/auth/policy-grammar.ts';
import type { Context } from '../../kernel/context.ts';
import type { ResourceRef } from '../../kernel/service.ts';
import { tagsOf } from '../../kernel/tags.ts';

/** What makes one session of a role different from another. */
export interface RoleSession {
  readonly sessionName: string;
  readonly sessionPolicies?: readonly CompiledPolicy[];
  readonly sourceIdentity?: string | undefined;
  readonly sessionTags?: Readonly<Record<string, string>>;
  readonly transitiveTagKeys?: readonly string[];
  readonly invokedBy?: string;
  readonly mfaAuthenticatedAt?: number | undefined;
  readonly federation?: SessionFederation;
}

/** The caller that a session of the role is. */
export function roleCaller(role: AssumableRole, session: RoleSession, ctx: Context): RoleCaller {
  const {
    sessionName,
    sessionPolicies = [],
    sourceIdentity,
    sessionTags = {},
    transitiveTagKeys = [],
    invokedBy,
    mfaAuthenticatedAt,
    federation,
  } = session;
  return {
    type: 'AssumedRole',
    account: role.account,
    arn: arn('sts', '', role.account, `assumed-role/${role.name}/${sessionName}`),
    principalId: `${role.id}:${sessionName}`,
    roleArn: role.arn,
    roleName: role.name,
    roleId: role.id,
    sessionName,
    issuedAt: ctx.now().getTime(),
    sessionPolicies,
    ...(sourceIdentity === undefined ? {} : { sourceIdentity }),
    ...(Object.keys(sessionTags).length === 0 ? {} : { sessionTags }),
    ...(transitiveTagKeys.length === 0 ? {} : { transitiveTagKeys }),
    ...(invokedBy === undefined ? {} : { invokedBy }),
    ...(mfaAuthenticatedAt === undefined ? {} : { mfaAuthenticatedAt }),
    ...(federation === undefined ? {} : { federation }),
  };
}

/**
 * The role as the resource of `sts:AssumeRole`: its trust policy decides. A role that does not exist trusts nobody, and is
 * told from one that trusts others by nothing.
 */
export function roleResource(roleArn: string, role: AssumableRole | undefined, ctx: Context): ResourceRef {
  const account = role?.account ?? parseArn(roleArn)?.account;
  return {
    arn: roleArn,
    policyDecides: true,
    ...(account === undefined ? {} : { account }),
    ...(role === undefined ? {} : { policy: role.trustPolicy, tags: () => tagsOf(ctx, roleArn) }),
  };
}
