import * as sdk from '@aws-sdk/client-iam';
import { type AuthorizationRequest, evaluate } from '../../kernel/auth/policy.ts';
import { type CompiledPolicy, type PolicyForm, parsePolicy } from '../../kernel/auth/policy-grammar.ts';
import { fault } from '../../kernel/fault.ts';
import type { NamedPolicy } from './named-policies.ts';
import { type PlacedStatement, placedStatements } from './policy-texts.ts';

/** A policy of a simulation with its text, so that answers can point into it. */
export interface PolicySource {
  readonly id: string;
  readonly type: sdk.PolicySourceType;
  readonly form: PolicyForm;
  readonly document: string;
  readonly policy: CompiledPolicy;
  /** Each statement by itself, compiled when it is first asked about. */
  statements?: { readonly placed: PlacedStatement; readonly policy: CompiledPolicy }[];
}

/** @throws InvalidInput for a document that is no policy */
export function compile(document: string, name: string, form: PolicyForm): CompiledPolicy {
  return parsePolicy(document, { form, name, fault: (message) => fault(sdk.InvalidInputException, message) });
}

export function policySource(
  document: string,
  id: string,
  type: sdk.PolicySourceType,
  form: PolicyForm = 'identity',
): PolicySource {
  return { id, type, form, document, policy: compile(document, id, form) };
}

/** A policy that hangs on the simulated user, group or role. */
export function sourceOfNamed({ name, arn, document, owner }: NamedPolicy): PolicySource {
  if (arn === undefined) return policySource(document, `${owner.kind}_${owner.name}_${name}`, owner.kind);
  return policySource(document, name, arn.startsWith('arn:aws:iam::aws:') ? 'aws-managed' : 'user-managed');
}

/** The statements on which a decision rests: those that deny where any does, else those that allow. */
export function matchedStatements(
  request: AuthorizationRequest,
  sources: readonly PolicySource[],
  resourceSource: PolicySource | undefined,
): sdk.Statement[] {
  const matched: { effect: 'Allow' | 'Deny'; statement: sdk.Statement }[] = [];
  for (const source of [...sources, ...(resourceSource === undefined ? [] : [resourceSource])]) {
    for (const { placed, policy } of statementsOf(source)) {
      if (!applies(request, policy, placed.effect, source.form)) continue;
      const statement = {
        SourcePolicyId: source.id,
        SourcePolicyType: source.type,
        StartPosition: placed.start,
        EndPosition: placed.end,
      };
      matched.push({ effect: placed.effect, statement });
    }
  }
  const denies = matched.filter(({ effect }) => effect === 'Deny');
  return (denies.length > 0 ? denies : matched).map(({ statement }) => statement);
}

function statementsOf(source: PolicySource) {
  source.statements ??= placedStatements(source.document).map((placed) => ({
    placed,
    policy: parsePolicy(placed.document, { form: source.form }),
  }));
  return source.statements;
}

/** Whether a policy of one statement decides the request, were it the only one. */
function applies(
  request: AuthorizationRequest,
  policy: CompiledPolicy,
  effect: 'Allow' | 'Deny',
  form: PolicyForm,
): boolean {
  const alone: AuthorizationRequest = {
    ...request,
    resourceAccount: request.principal.account,
    boundary: undefined,
    identityPolicies: form === 'identity' ? [policy] : [],
    resourcePolicy: form === 'identity' ? undefined : policy,
  };
  const { decision } = evaluate(alone);
  return effect === 'Allow' ? decision === 'allow' : decision === 'explicitDeny';
}
