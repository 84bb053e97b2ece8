import type * as sdk from '@aws-sdk/client-sts';
import type { AssumableRole, FederatedCaller, RoleCaller, SessionFederation } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';
import type { ConditionKeys } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { openCredentials } from './credentials.ts';
import { roleCaller, roleResource } from './role-sessions.ts';
import { packedPolicySize, sessionPolicies, sessionSeconds } from './session-limits.ts';
import { sessionTags, tagKeys } from './session-tags.ts';

/** What the proof of an identity provider says of the session to be made. */
export interface Proof {
  readonly sessionName: string;
  readonly tags: readonly sdk.Tag[];
  readonly transitiveTagKeys: readonly string[];
  readonly sourceIdentity: string | undefined;
  readonly federation: SessionFederation;
  /** Longest life of the session by the proof, in seconds. */
  readonly maxSeconds?: number;
}

interface FederatedInput {
  readonly Policy?: string | undefined;
  readonly PolicyArns?: sdk.PolicyDescriptorType[] | undefined;
  readonly DurationSeconds?: number | undefined;
}

/** The keys of the proof by which a trust policy decides, beside those of the claims themselves. */
export function proofKeys({ sessionName, tags, transitiveTagKeys, sourceIdentity }: Proof): ConditionKeys {
  return {
    'sts:RoleSessionName': sessionName,
    ...tagKeys(tags),
    ...(transitiveTagKeys.length === 0 ? {} : { 'sts:TransitiveTagKeys': [...transitiveTagKeys] }),
    ...(sourceIdentity === undefined ? {} : { 'sts:SourceIdentity': sourceIdentity }),
  };
}

/**
 * Makes the session of a role for somebody whom a provider vouches for; the caller has been authorised to assume it.
 * @throws AccessDenied where the trust policy does not allow tags or a source identity, ValidationError
 */
export async function openFederatedSession(
  ctx: Context,
  roleArn: string,
  input: FederatedInput,
  proof: Proof,
): Promise<{ caller: RoleCaller; credentials: sdk.Credentials; packed: number | undefined }> {
  const role = await ctx.identity.findRole(roleArn);
  if (role === undefined) throw commonFault('AccessDenied', `${roleArn} cannot be assumed.`);
  await authorizeExtras(ctx, role, proof);
  const { tags, sourceIdentity, sessionName, federation } = proof;
  const checked = sessionTags({ Tags: [...tags], TransitiveTagKeys: [...proof.transitiveTagKeys] }, ctx.caller);
  const policies = await sessionPolicies(ctx, role.account, input);
  const packed = packedPolicySize(input.Policy, tags);
  const caller = roleCaller(
    role,
    {
      sessionName,
      sessionPolicies: policies.compiled,
      sourceIdentity,
      sessionTags: checked.tags,
      transitiveTagKeys: checked.transitiveKeys,
      federation,
    },
    ctx,
  );
  const seconds = sessionSeconds(input.DurationSeconds, role, ctx.caller);
  const durationSeconds = Math.min(seconds, proof.maxSeconds ?? seconds);
  const credentials = await openCredentials({ caller, sessionPolicies: policies.documents, durationSeconds }, ctx);
  return { caller, credentials, packed };
}

async function authorizeExtras(ctx: Context, role: AssumableRole, proof: Proof): Promise<void> {
  const resource = roleResource(role.arn, role, ctx);
  const keys = proofKeys(proof);
  if (proof.tags.length > 0) await ctx.authorize('sts:TagSession', resource, keys);
  if (proof.sourceIdentity !== undefined) await ctx.authorize('sts:SetSourceIdentity', resource, keys);
}

const proofs = new WeakMap<FederatedCaller, Proof>();

/** Keeps what a proof says beside the caller that it makes, until the call is over. */
export function withProof<C extends FederatedCaller>(caller: C, proof: Proof): C {
  proofs.set(caller, proof);
  return caller;
}

/** What the caller's proof says. */
export function proofOf({ caller }: Context): Proof {
  const proof = caller.type === 'WebIdentityUser' || caller.type === 'SAMLUser' ? proofs.get(caller) : undefined;
  if (proof === undefined) throw new TypeError('the caller came without a proof');
  return proof;
}
