import type { ConditionContext } from './conditions.ts';
import type { CompiledPolicy, CompiledStatement, PatternList } from './policy-grammar.ts';
import { isExempt, isNamed, matchPrincipal, type PrincipalIdentity, type PrincipalMatch } from './principals.ts';
import type { VariableResolver } from './wildcard.ts';

/** The kinds of policies that take part, in the words of AWS's denial messages. */
export type PolicyKind = 'identity' | 'boundary' | 'session' | 'resource';

/** What is asked: may this principal do this to that resource? */
export interface AuthorizationRequest {
  readonly principal: PrincipalIdentity;
  /** `codecommit:CreateRepository`. */
  readonly action: string;
  /** ARN, or `*` for actions that know no resource. */
  readonly resource: string;
  /** Account that owns the resource; `principal.account` where it is the same. */
  readonly resourceAccount: string;
  readonly context: ConditionContext;
  readonly identityPolicies: readonly CompiledPolicy[];
  readonly boundary?: CompiledPolicy | undefined;
  /** Present for sessions with a session policy; such a session may do what all of them allow, one being enough. */
  readonly sessionPolicies?: readonly CompiledPolicy[] | undefined;
  readonly resourcePolicy?: CompiledPolicy | undefined;
  /** For trust and key policies: without an Allow there nothing is allowed, whatever the identity's policies say. */
  readonly resourcePolicyDecides?: boolean | undefined;
  /** How a grant names the caller: as good as an Allow of the resource's policy, also across accounts. */
  readonly granted?: PrincipalMatch | undefined;
}

/** The decision and what it rests on. */
export type Evaluation =
  | { readonly decision: 'allow'; readonly by: PolicyKind | 'root'; readonly statement?: string | undefined }
  | {
      readonly decision: 'explicitDeny';
      readonly by: PolicyKind;
      readonly policy: string | undefined;
      readonly statement: string | undefined;
    }
  | { readonly decision: 'implicitDeny'; readonly by: PolicyKind };

interface Subject {
  readonly action: string;
  readonly resource: string;
  readonly context: ConditionContext;
}

/**
 * Decides a request by AWS's rules (IAM User Guide, "Policy evaluation logic"): an explicit deny anywhere wins; then,
 * inside one account, a resource policy that names the caller itself is enough, else identity policies, boundary and
 * session policies must all allow; across accounts both sides must allow. Pure.
 */
export function evaluate(request: AuthorizationRequest): Evaluation {
  const subject: Subject = {
    action: request.action.toLowerCase(),
    resource: request.resource,
    context: request.context,
  };
  return findDeny(request, subject) ?? decide(request, subject);
}

function findDeny(request: AuthorizationRequest, subject: Subject): Evaluation | undefined {
  const groups: [PolicyKind, readonly CompiledPolicy[]][] = [
    ['identity', request.identityPolicies],
    ['boundary', request.boundary ? [request.boundary] : NONE],
    ['session', request.sessionPolicies ?? NONE],
    ['resource', request.resourcePolicy ? [request.resourcePolicy] : NONE],
  ];
  for (const [by, policies] of groups) {
    for (const policy of policies) {
      for (const statement of policy.statements) {
        if (statement.effect === 'Deny' && applies(statement, subject, request.principal)) {
          return { decision: 'explicitDeny', by, policy: policy.name, statement: statement.sid };
        }
      }
    }
  }
  return undefined;
}

const NONE: readonly CompiledPolicy[] = [];

function decide(request: AuthorizationRequest, subject: Subject): Evaluation {
  const { principal, resourcePolicy } = request;
  const granted = closest(resourcePolicy && grantOf(resourcePolicy, subject, principal), request.granted);
  const byResource = (): Evaluation => ({ decision: 'allow', by: 'resource' });
  const noResourcePolicy: Evaluation = { decision: 'implicitDeny', by: 'resource' };
  if (principal.type === 'AWSService' || principal.type === 'Anonymous') {
    return granted === undefined ? noResourcePolicy : byResource();
  }
  // Everyone is everyone with an identity of AWS; a provider's word counts only where the provider is named.
  if (principal.type === 'Federated') return granted === 'self' ? byResource() : noResourcePolicy;
  const sameAccount = principal.account === request.resourceAccount;
  const resourceMustAllow = !sameAccount || request.resourcePolicyDecides === true;
  // A grant is given to one principal by name; his own account need not agree.
  const resourceSuffices = sameAccount || (request.granted !== undefined && request.granted !== 'account');
  if (resourceSuffices && (granted === 'self' || (granted === 'everyone' && principal.roleArn === undefined))) {
    return byResource();
  }
  // Naming the role (or everyone) spares a session its role's policies, but not its own limits.
  const identityIsSpared = resourceSuffices && (granted === 'role' || granted === 'everyone');
  if (principal.type !== 'Root' && !identityIsSpared && !someAllow(request.identityPolicies, subject, principal)) {
    return { decision: 'implicitDeny', by: 'identity' };
  }
  if (request.boundary && !allows(request.boundary, subject, principal)) {
    return { decision: 'implicitDeny', by: 'boundary' };
  }
  if (request.sessionPolicies && !someAllow(request.sessionPolicies, subject, principal)) {
    return { decision: 'implicitDeny', by: 'session' };
  }
  if (resourceMustAllow && granted === undefined) return noResourcePolicy;
  if (principal.type === 'Root') return { decision: 'allow', by: 'root' };
  return { decision: 'allow', by: identityIsSpared ? 'resource' : 'identity' };
}

function someAllow(policies: readonly CompiledPolicy[], subject: Subject, who: PrincipalIdentity): boolean {
  for (const policy of policies) if (allows(policy, subject, who)) return true;
  return false;
}

function allows(policy: CompiledPolicy, subject: Subject, who: PrincipalIdentity): boolean {
  for (const statement of policy.statements) {
    if (statement.effect === 'Allow' && applies(statement, subject, who)) return true;
  }
  return false;
}

const CLOSENESS: readonly PrincipalMatch[] = ['self', 'role', 'everyone', 'account'];

/** The closest way in which an Allow of a resource policy names the caller. */
function grantOf(policy: CompiledPolicy, subject: Subject, who: PrincipalIdentity): PrincipalMatch | undefined {
  let best: PrincipalMatch | undefined;
  for (const statement of policy.statements) {
    if (statement.effect !== 'Allow' || !applies(statement, subject, who)) continue;
    const { principals } = statement;
    if (principals === undefined) continue;
    const match = principals.negated ? 'everyone' : matchPrincipal(principals.element, who);
    best = closest(best, match);
  }
  return best;
}

function closest(one: PrincipalMatch | undefined, other: PrincipalMatch | undefined): PrincipalMatch | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return CLOSENESS.indexOf(other) < CLOSENESS.indexOf(one) ? other : one;
}

function applies(statement: CompiledStatement, subject: Subject, who: PrincipalIdentity): boolean {
  const { context } = subject;
  return (
    covers(statement.actions, subject.action, context.single, statement.effect) &&
    (statement.resources === undefined ||
      covers(statement.resources, subject.resource, context.single, statement.effect)) &&
    namesPrincipal(statement, who) &&
    statement.conditions.every((condition) => condition(context))
  );
}

/**
 * A pattern whose variable has no value matches nothing. Under `Not...` that would widen an Allow to everything, so
 * there the statement does not apply; a Deny applies.
 */
function covers(list: PatternList, text: string, resolve: VariableResolver, effect: 'Allow' | 'Deny'): boolean {
  let unknown = false;
  for (const pattern of list.patterns) {
    const result = pattern.matches(text, resolve);
    if (result === true) return !list.negated;
    if (result === undefined) unknown = true;
  }
  return list.negated && !(unknown && effect === 'Allow');
}

function namesPrincipal({ principals, effect }: CompiledStatement, who: PrincipalIdentity): boolean {
  if (principals === undefined) return true;
  if (!principals.negated) return matchPrincipal(principals.element, who) !== undefined;
  return effect === 'Deny' ? !isExempt(principals.element, who) : !isNamed(principals.element, who);
}

const KIND_NAMES: Readonly<Record<PolicyKind, readonly [noun: string, article: string]>> = {
  identity: ['identity-based policy', 'an identity-based policy'],
  boundary: ['permissions boundary', 'a permissions boundary'],
  session: ['session policy', 'a session policy'],
  resource: ['resource-based policy', 'a resource-based policy'],
};

/** How a service words its denials: whether it puts the resource in quotation marks, and names it where it is `*`. */
export interface DenialWording {
  readonly quotesResource?: boolean;
  readonly hidesStar?: boolean;
}

/**
 * The text of an AccessDenied fault in AWS's words (IAM User Guide, "Troubleshoot access denied error messages").
 */
export function deniedMessage(
  request: Pick<AuthorizationRequest, 'principal' | 'action' | 'resource'>,
  evaluation: Exclude<Evaluation, { decision: 'allow' }>,
  { quotesResource = false, hidesStar = false }: DenialWording = {},
): string {
  const { principal, action, resource } = request;
  if (principal.type === 'Federated') return `Not authorized to perform ${action}`;
  const named = quotesResource ? `"${resource}"` : resource;
  const on = hidesStar && resource === '*' ? '' : ` on resource: ${named}`;
  const who =
    principal.type === 'AWSService' ? `Service: ${principal.service}` : `User: ${principal.arn || 'anonymous'}`;
  const [noun, withArticle] = KIND_NAMES[evaluation.by];
  const why =
    evaluation.decision === 'explicitDeny'
      ? `with an explicit deny in ${withArticle}`
      : `because no ${noun} allows the ${action} action`;
  return `${who} is not authorized to perform: ${action}${on} ${why}`;
}
