import { setImmediate } from 'node:timers/promises';
import type * as sdk from '@aws-sdk/client-iam';
import { parseArn } from '../../kernel/arn.ts';
import { ConditionContext, type ConditionKeys } from '../../kernel/auth/conditions.ts';
import { type AuthorizationRequest, type Evaluation, evaluate } from '../../kernel/auth/policy.ts';
import type { CompiledPolicy } from '../../kernel/auth/policy-grammar.ts';
import type { PrincipalIdentity } from '../../kernel/auth/principals.ts';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { compileDocument } from './documents.ts';
import { listPage } from './markers.ts';
import { namedPolicies, subjectOf } from './named-policies.ts';
import { policiesOfGroup, policiesOfRole, policiesOfUser } from './owner-policies.ts';
import { contextKeysOf } from './policy-texts.ts';
import { compile, matchedStatements, type PolicySource, policySource, sourceOfNamed } from './simulated-statements.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const DECISIONS = { allow: 'allowed', explicitDeny: 'explicitDeny', implicitDeny: 'implicitDeny' } as const;
/** An identity that stands in nobody's way, so that the other side alone decides. */
const EVERYTHING = compileDocument(
  '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}',
  'identity',
);

type SimulationInput = Pick<
  sdk.SimulateCustomPolicyRequest,
  | 'ActionNames'
  | 'ResourceArns'
  | 'ContextEntries'
  | 'PermissionsBoundaryPolicyInputList'
  | 'ResourcePolicy'
  | 'ResourceOwner'
  | 'CallerArn'
  | 'Marker'
  | 'MaxItems'
>;

export const SimulatePrincipalPolicy: Op<'SimulatePrincipalPolicy'> = {
  resource: ({ PolicySourceArn: source }) => source,
  async handle(input, ctx) {
    const source = input.PolicySourceArn;
    const subject = await subjectOf(ctx, source);
    const find = { user: policiesOfUser, group: policiesOfGroup, role: policiesOfRole }[subject.kind];
    const policies = (await find(ctx, subject.row.id)) ?? { identity: [] };
    const own = (await namedPolicies(ctx, subject)).map(sourceOfNamed);
    const boundary = compileAll(input.PermissionsBoundaryPolicyInputList)[0] ?? policies.boundary;
    const principal = principalOfArn(input.CallerArn ?? source, ctx);
    return simulate(ctx, input, {
      principal,
      sources: [...own, ...sourcesOf(input.PolicyInputList)],
      boundary,
      keys: { ...tagKeys(policies.tags), ...principalKeys(principal) },
    });
  },
};

export const SimulateCustomPolicy: Op<'SimulateCustomPolicy'> = {
  resource: () => '*',
  handle(input, ctx) {
    const boundary = compileAll(input.PermissionsBoundaryPolicyInputList)[0];
    const principal = principalOfArn(input.CallerArn ?? `arn:aws:iam::${ctx.account}:user/simulated`, ctx);
    return simulate(ctx, input, { principal, sources: sourcesOf(input.PolicyInputList), boundary, keys: {} });
  },
};

function compileAll(documents: readonly string[] = []): CompiledPolicy[] {
  return documents.map((document, index) => compile(document, `PolicyInputList.${index + 1}`, 'identity'));
}

function sourcesOf(documents: readonly string[] = []): PolicySource[] {
  return documents.map((document, index) => policySource(document, `PolicyInputList.${index + 1}`, 'none'));
}

function principalOfArn(arn: string, ctx: Context): PrincipalIdentity {
  const { account = ctx.account, resource = '' } = parseArn(arn) ?? {};
  return resource.startsWith('role/')
    ? { type: 'AssumedRole', account, arn, roleArn: arn }
    : { type: 'IAMUser', account, arn };
}

function principalKeys({ type, arn, account }: PrincipalIdentity): ConditionKeys {
  const name = arn.slice(arn.lastIndexOf('/') + 1);
  return {
    'aws:PrincipalArn': arn,
    'aws:PrincipalAccount': account,
    ...(type === 'IAMUser'
      ? { 'aws:username': name, 'aws:PrincipalType': 'User' }
      : { 'aws:PrincipalType': 'AssumedRole' }),
  };
}

function tagKeys(tags: Readonly<Record<string, string>> = {}): ConditionKeys {
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [`aws:PrincipalTag/${key}`, value]));
}

interface Simulation {
  readonly principal: PrincipalIdentity;
  readonly sources: readonly PolicySource[];
  readonly boundary: CompiledPolicy | undefined;
  readonly keys: ConditionKeys;
}

async function simulate(ctx: Context, input: SimulationInput, simulation: Simulation) {
  const { principal, sources, boundary, keys } = simulation;
  const given = (input.ContextEntries ?? []).map((entry) => [entry.ContextKeyName ?? '', entry.ContextKeyValues ?? []]);
  const context = new ConditionContext(keys, Object.fromEntries(given));
  const resource = input.ResourcePolicy;
  const resourceSource =
    resource === undefined ? undefined : policySource(resource, 'ResourcePolicy', 'resource', 'resource');
  const identityPolicies = sources.map(({ policy }) => policy);
  const texts = [
    ...[...sources, ...(resourceSource === undefined ? [] : [resourceSource])].map(({ document }) => document),
    ...(input.PermissionsBoundaryPolicyInputList ?? []),
  ];
  const missing = [...new Set(texts.flatMap(contextKeysOf))].filter(
    (key) => context.values(key.toLowerCase()) === undefined,
  );
  const owner = parseArn(input.ResourceOwner ?? '')?.account;
  const { ActionNames: actions = [], ResourceArns: resources = ['*'] } = input;
  const resultAt = (index: number): Answer => {
    const action = actions[Math.floor(index / resources.length)]!;
    const target = resources[index % resources.length]!;
    const request: AuthorizationRequest = {
      principal,
      action,
      resource: target,
      resourceAccount: owner ?? (parseArn(target)?.account || principal.account),
      context,
      identityPolicies,
      boundary,
      resourcePolicy: resourceSource?.policy,
    };
    const matched = matchedStatements(request, sources, resourceSource);
    return { index, result: resultOf(request, evaluate(request), matched, missing) };
  };
  // A request of 200 KB has millions of pairs: only those of the page are evaluated, and others get their turn meanwhile.
  const fetch = async (after: string | undefined, limit: number) => {
    const start = after === undefined ? 0 : Number(after) + 1;
    const end = Math.min(start + limit, actions.length * resources.length);
    const answers: Answer[] = [];
    for (let index = start; index < end; index++) {
      answers.push(resultAt(index));
      await setImmediate();
    }
    return answers;
  };
  const scope = `simulation ${JSON.stringify([actions, resources])}`;
  const { items, truncation } = await listPage(ctx, scope, input, fetch, ({ index }) => String(index));
  return { EvaluationResults: items.map(({ result }) => result), ...truncation };
}

interface Answer {
  /** Place among all pairs of an action and a resource. */
  index: number;
  result: sdk.EvaluationResult;
}

function resultOf(
  request: AuthorizationRequest,
  evaluation: Evaluation,
  matched: sdk.Statement[],
  missing: string[],
): sdk.EvaluationResult {
  const boundaryDetail =
    request.boundary === undefined
      ? {}
      : { PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: !isByBoundary(evaluation) } };
  const EvalDecision = DECISIONS[evaluation.decision];
  const isAcross = request.resourceAccount !== request.principal.account;
  const details = isAcross ? { EvalDecisionDetails: sidesOf(request) } : {};
  const specific: sdk.ResourceSpecificResult = {
    EvalResourceName: request.resource,
    EvalResourceDecision: EvalDecision,
    MatchedStatements: matched,
    MissingContextValues: missing,
    ...details,
    ...boundaryDetail,
  };
  return {
    EvalActionName: request.action,
    EvalResourceName: request.resource,
    EvalDecision,
    MatchedStatements: matched,
    MissingContextValues: missing,
    // Inside one account they are empty, and not there where no resource is named.
    ...(request.resource === '*' ? details : { EvalDecisionDetails: {}, ...details }),
    ...(request.resource === '*' ? {} : { ResourceSpecificResults: [specific] }),
    ...boundaryDetail,
  };
}

/** What each of two accounts says: the request is allowed when both allow it. */
function sidesOf(request: AuthorizationRequest): Record<string, sdk.PolicyEvaluationDecisionType> {
  const { account } = request.principal;
  const caller = evaluate({ ...request, resourceAccount: account, resourcePolicy: undefined });
  const owner = evaluate({ ...request, identityPolicies: [EVERYTHING], boundary: undefined });
  return { 'IAM Policy': DECISIONS[caller.decision], 'Resource Policy': DECISIONS[owner.decision] };
}

function isByBoundary(evaluation: Evaluation): boolean {
  return evaluation.decision !== 'allow' && evaluation.by === 'boundary';
}
