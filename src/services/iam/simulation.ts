import { setImmediate } from 'node:timers/promises';
import * as sdk from '@aws-sdk/client-iam';
import { parseArn } from '../../kernel/arn.ts';
import { ConditionContext, type ConditionKeys } from '../../kernel/auth/conditions.ts';
import { type AuthorizationRequest, type Evaluation, evaluate } from '../../kernel/auth/policy.ts';
import { type CompiledPolicy, parsePolicy } from '../../kernel/auth/policy-grammar.ts';
import type { PrincipalIdentity } from '../../kernel/auth/principals.ts';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { listPage } from './markers.ts';
import { type OwnerPolicies, policiesOfGroup, policiesOfRole, policiesOfUser } from './owner-policies.ts';
import { entityArn, entityByName } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

type SimulationInput = Pick<
  sdk.SimulateCustomPolicyRequest,
  | 'ActionNames'
  | 'ResourceArns'
  | 'ContextEntries'
  | 'ResourcePolicy'
  | 'ResourceOwner'
  | 'CallerArn'
  | 'Marker'
  | 'MaxItems'
>;

export const SimulatePrincipalPolicy: Op<'SimulatePrincipalPolicy'> = {
  resource: ({ PolicySourceArn: source }) => source,
  async handle(input, ctx) {
    const { policies, principal } = await simulatedEntity(ctx, input.PolicySourceArn);
    const identity = [...policies.identity, ...compileAll(input.PolicyInputList)];
    const boundary = compileAll(input.PermissionsBoundaryPolicyInputList)[0] ?? policies.boundary;
    return simulate(ctx, input, principal, identity, boundary, {
      ...tagKeys(policies.tags),
      ...principalKeys(principal),
    });
  },
};

export const SimulateCustomPolicy: Op<'SimulateCustomPolicy'> = {
  resource: () => '*',
  handle(input, ctx) {
    const boundary = compileAll(input.PermissionsBoundaryPolicyInputList)[0];
    const principal = principalOfArn(input.CallerArn ?? `arn:aws:iam::${ctx.account}:user/simulated`, ctx);
    return simulate(ctx, input, principal, compileAll(input.PolicyInputList), boundary, {});
  },
};

function compileAll(documents: readonly string[] = []): CompiledPolicy[] {
  return documents.map((document, index) =>
    parsePolicy(document, {
      form: 'identity',
      name: `PolicyInputList.${index + 1}`,
      fault: (message) => fault(sdk.InvalidInputException, message),
    }),
  );
}

/** User, group or role whose policies are asked. @throws NoSuchEntity or InvalidInput */
async function simulatedEntity(
  ctx: Context,
  source: string,
): Promise<{ policies: OwnerPolicies; principal: PrincipalIdentity }> {
  const { account, service, resource = '' } = parseArn(source) ?? {};
  const [kind, ...path] = resource.split('/');
  const known = kind === 'user' || kind === 'group' || kind === 'role';
  if (!known || service !== 'iam' || account !== ctx.account) {
    throw fault(
      sdk.InvalidInputException,
      `Invalid Entity Arn: ${source} does not clearly define entity type and name.`,
    );
  }
  const entity = await entityByName(ctx, ctx.account, kind, path.at(-1) ?? '');
  if (entityArn(kind, entity) !== source) {
    throw fault(sdk.NoSuchEntityException, `The ${kind} with name ${path.join('/')} cannot be found.`);
  }
  const find = { user: policiesOfUser, group: policiesOfGroup, role: policiesOfRole }[kind];
  return { policies: (await find(ctx, entity.id)) ?? { identity: [] }, principal: principalOfArn(source, ctx) };
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

async function simulate(
  ctx: Context,
  input: SimulationInput,
  principal: PrincipalIdentity,
  identityPolicies: readonly CompiledPolicy[],
  boundary: CompiledPolicy | undefined,
  keys: ConditionKeys,
) {
  const given = (input.ContextEntries ?? []).map((entry) => [entry.ContextKeyName ?? '', entry.ContextKeyValues ?? []]);
  const context = new ConditionContext(keys, Object.fromEntries(given));
  const resourcePolicy =
    input.ResourcePolicy === undefined
      ? undefined
      : parsePolicy(input.ResourcePolicy, {
          form: 'resource',
          fault: (message) => fault(sdk.InvalidInputException, message),
        });
  const owner = parseArn(input.ResourceOwner ?? '')?.account;
  const { ActionNames: actions = [], ResourceArns: resources = ['*'] } = input;
  const resultAt = (index: number): Answer => {
    const action = actions[Math.floor(index / resources.length)]!;
    const resource = resources[index % resources.length]!;
    const resourceAccount = owner ?? (parseArn(resource)?.account || principal.account);
    const request: AuthorizationRequest = {
      principal,
      action,
      resource,
      resourceAccount,
      context,
      identityPolicies,
      boundary,
      resourcePolicy,
    };
    return { index, result: resultOf(request, evaluate(request)) };
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

function resultOf(request: AuthorizationRequest, evaluation: Evaluation): sdk.EvaluationResult {
  const decision = { allow: 'allowed', explicitDeny: 'explicitDeny', implicitDeny: 'implicitDeny' } as const;
  return {
    EvalActionName: request.action,
    EvalResourceName: request.resource,
    EvalDecision: decision[evaluation.decision],
    MatchedStatements: [],
    MissingContextValues: [],
    ...(request.boundary === undefined
      ? {}
      : { PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: !isByBoundary(evaluation) } }),
  };
}

function isByBoundary(evaluation: Evaluation): boolean {
  return evaluation.decision !== 'allow' && evaluation.by === 'boundary';
}
