import { parseArn } from '../arn.ts';
import type { Context } from '../context.ts';
import type { ConditionKeys, ResourceRef, ResourceTags } from '../service.ts';
import { commonFault } from '../wire/errors.ts';
import { ConditionContext, type ConditionKeys as Keys } from './conditions.ts';
import type { Caller, CallerPolicies, IdentitySource, SessionCaller } from './identity.ts';
import { type AuthorizationRequest, type DenialWording, deniedMessage, evaluate } from './policy.ts';
import type { CompiledPolicy } from './policy-grammar.ts';
import type { PrincipalIdentity } from './principals.ts';

export interface CallAuthorization {
  action: string;
  /** Each of them must be allowed. */
  resources: readonly ResourceRef[];
  conditions: ConditionKeys;
}

const NO_POLICIES: CallerPolicies = { identity: [] };

/** Allows the call on every one of its resources, or throws AccessDenied in AWS's words. */
export async function authorizeCall(identity: IdentitySource, ctx: Context, call: CallAuthorization): Promise<void> {
  const { caller } = ctx;
  const known = caller.type === 'IAMUser' || caller.type === 'AssumedRole' || caller.type === 'FederatedUser';
  const policies = known ? await identity.policiesOf(caller) : NO_POLICIES;
  const principal = principalOf(caller);
  // Made once, when the first policy asks for a key.
  let made: Keys | undefined;
  const global = () => {
    made ??= globalKeys(ctx, policies);
    return made;
  };
  for (const resource of call.resources) {
    const resourceAccount = resource.account ?? (parseArn(resource.arn)?.account || caller.account);
    const tags = await resourceTags(resource, policies);
    const looked = await lookedUpKeys(resource, policies);
    const request: AuthorizationRequest = {
      principal,
      action: call.action,
      resource: resource.arn,
      resourceAccount,
      context: new ConditionContext(
        global,
        resourceKeys(resourceAccount, tags),
        looked,
        (resource.keys ?? NO_KEYS) as Keys,
        () => inOneOrder(call.conditions as Keys),
      ),
      identityPolicies: policies.identity,
      boundary: policies.boundary,
      sessionPolicies: policies.session,
      resourcePolicy: resource.policy,
      resourcePolicyDecides: resource.policyDecides,
      granted: resource.granted,
    };
    const evaluation = evaluate(request);
    if (evaluation.decision !== 'allow') {
      throw commonFault('AccessDenied', deniedMessage(request, evaluation, wordingOf(call.action)));
    }
  }
}

/** Services whose denials say nothing of the resource where the action knows none; the others say `*`. */
const SILENT_SERVICES: ReadonlySet<string> = new Set(['s3', 'codebuild', 'codecommit', 'cloudtrail']);

function wordingOf(action: string): DenialWording {
  const service = action.slice(0, action.indexOf(':'));
  return { quotesResource: service === 's3', hidesStar: SILENT_SERVICES.has(service) };
}

/** Tags that have to be looked up are so only when a policy asks for one: most do not, and every call passes here. */
async function resourceTags(
  { tags, policy }: ResourceRef,
  policies: CallerPolicies,
): Promise<ResourceTags | undefined> {
  if (typeof tags !== 'function') return tags;
  return someAsks(policy, policies, (one) => one.asksForResourceTags) ? tags() : undefined;
}

const NO_KEYS: Keys = {};

async function lookedUpKeys({ lazyKeys, policy }: ResourceRef, policies: CallerPolicies): Promise<Keys> {
  if (lazyKeys === undefined) return NO_KEYS;
  const { beginning } = lazyKeys;
  return someAsks(policy, policies, (one) => one.asksFor(beginning)) ? lazyKeys.read() : NO_KEYS;
}

function someAsks(
  resourcePolicy: CompiledPolicy | undefined,
  policies: CallerPolicies,
  asks: (policy: CompiledPolicy) => boolean,
): boolean {
  if (resourcePolicy !== undefined && asks(resourcePolicy)) return true;
  if (policies.boundary !== undefined && asks(policies.boundary)) return true;
  return policies.identity.some(asks) || policies.session?.some(asks) === true;
}

/** The caller in the forms in which policies name principals. */
export function principalOf(caller: Caller): PrincipalIdentity {
  switch (caller.type) {
    case 'AWSService':
      return { type: 'AWSService', account: caller.account, arn: '', service: caller.service };
    case 'Anonymous':
      return { type: 'Anonymous', account: '', arn: '' };
    case 'WebIdentityUser':
    case 'SAMLUser':
      return { type: 'Federated', account: caller.account, arn: '', federated: caller.provider };
    case 'FederatedUser':
      // Its maker stands to it as the role to a session: what a policy gives him is narrowed by the session's policies.
      return {
        type: 'FederatedUser',
        account: caller.account,
        arn: caller.arn,
        roleArn: caller.maker.arn,
        principalId: caller.maker.principalId,
      };
    case 'AssumedRole':
      return {
        type: 'AssumedRole',
        account: caller.account,
        arn: caller.arn,
        roleArn: caller.roleArn,
        principalId: caller.roleId,
      };
    default:
      return { type: caller.type, account: caller.account, arn: caller.arn, principalId: caller.principalId };
  }
}

/**
 * The global condition keys of a call. ConditionContext indexes them only when a policy asks.
 * Source: IAM User Guide, "AWS global condition context keys".
 */
function globalKeys(ctx: Context, policies: CallerPolicies): Keys {
  const { caller } = ctx;
  const now = ctx.now();
  const keys: Record<string, string | readonly string[] | undefined> = {
    'aws:CurrentTime': now.toISOString(),
    'aws:EpochTime': String(Math.floor(now.getTime() / 1000)),
    'aws:RequestedRegion': ctx.region,
    'aws:SecureTransport': String(ctx.publicUrl.startsWith('https:')),
    'aws:UserAgent': ctx.userAgent,
    'aws:Referer': ctx.referer,
    'aws:ViaAWSService': String(ctx.calledVia.length > 0),
    // A service that works as a role has no network address of its own.
    'aws:SourceIp': /^[0-9a-f.:]+$/i.test(ctx.sourceIp) ? ctx.sourceIp : undefined,
  };
  if (ctx.calledVia.length > 0) {
    keys['aws:CalledVia'] = ctx.calledVia;
    keys['aws:CalledViaFirst'] = ctx.calledVia[0];
    keys['aws:CalledViaLast'] = ctx.calledVia.at(-1);
  }
  for (const [key, value] of Object.entries(policies.tags ?? {})) keys[`aws:PrincipalTag/${key}`] = value;
  if (caller.type === 'Anonymous') {
    keys['aws:PrincipalType'] = 'Anonymous';
    keys['aws:userid'] = 'anonymous';
  } else if (caller.type === 'AWSService') {
    keys['aws:PrincipalIsAWSService'] = 'true';
    keys['aws:PrincipalServiceName'] = caller.service;
    keys['aws:PrincipalServiceNamesList'] = [caller.service];
    keys['aws:SourceAccount'] = caller.account;
    keys['aws:SourceArn'] = caller.sourceArn;
  } else if (caller.type === 'WebIdentityUser' || caller.type === 'SAMLUser') {
    keys['aws:FederatedProvider'] = caller.provider;
    Object.assign(keys, caller.keys);
  } else {
    keys['aws:PrincipalIsAWSService'] = 'false';
    keys['aws:PrincipalAccount'] = caller.account;
    keys['aws:PrincipalArn'] = caller.type === 'AssumedRole' ? caller.roleArn : caller.arn;
    keys['aws:PrincipalType'] = PRINCIPAL_TYPES[caller.type];
    keys['aws:userid'] = caller.principalId;
    if (caller.type === 'IAMUser') keys['aws:username'] = caller.userName;
    sessionKeys(caller, now, keys);
  }
  return keys;
}

const PRINCIPAL_TYPES: Readonly<Record<SessionCaller['type'], string>> = {
  Root: 'Account',
  IAMUser: 'User',
  AssumedRole: 'AssumedRole',
  FederatedUser: 'FederatedUser',
};

/**
 * The keys that only temporary credentials bring. Those of AssumeRole do not say whether a code of an MFA device was shown
 * (IAM User Guide, "Secure API access with MFA"); with long-term keys the MFA keys are not there at all.
 */
function sessionKeys(
  caller: SessionCaller,
  now: Date,
  keys: Record<string, string | readonly string[] | undefined>,
): void {
  if (caller.issuedAt === undefined) return;
  keys['aws:TokenIssueTime'] = new Date(caller.issuedAt).toISOString();
  const codeShownAt = caller.type === 'IAMUser' || caller.type === 'Root' ? caller.mfaAuthenticatedAt : undefined;
  keys['aws:MultiFactorAuthPresent'] = String(codeShownAt !== undefined);
  if (codeShownAt !== undefined) {
    keys['aws:MultiFactorAuthAge'] = String(Math.floor((now.getTime() - codeShownAt) / 1000));
  }
  if (caller.type !== 'AssumedRole') return;
  keys['aws:SourceIdentity'] = caller.sourceIdentity;
  if (caller.federation === undefined) return;
  keys['aws:FederatedProvider'] = caller.federation.provider;
  Object.assign(keys, caller.federation.keys);
}

function resourceKeys(account: string, tags: ResourceTags | undefined): Keys {
  const keys: Record<string, string | undefined> = { 'aws:ResourceAccount': account };
  for (const [key, value] of Object.entries(tags ?? {})) keys[`aws:ResourceTag/${key}`] = value;
  return inOneOrder(keys);
}

/**
 * Tags may differ by the case of their keys alone, and policies see one of them. It is the same one in the request that
 * sets them and in the resource that has them, or a caller would choose by their order which of them is looked at.
 */
function inOneOrder(keys: Keys): Keys {
  return Object.fromEntries(Object.entries(keys).sort(([a], [b]) => (a < b ? -1 : 1)));
}
