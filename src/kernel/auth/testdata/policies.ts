import { ConditionContext, type ConditionKeys } from '../conditions.ts';
import { type AuthorizationRequest, type Evaluation, evaluate } from '../policy.ts';
import { type CompiledPolicy, type PolicyForm, parsePolicy } from '../policy-grammar.ts';
import type { PrincipalIdentity } from '../principals.ts';

export const ACCOUNT = '123456789012';
export const OTHER_ACCOUNT = '999999999999';

export const ALICE: PrincipalIdentity = {
  type: 'IAMUser',
  account: ACCOUNT,
  arn: `arn:aws:iam::${ACCOUNT}:user/alice`,
  principalId: 'AIDAEXAMPLEALICE0001',
};
export const SESSION: PrincipalIdentity = {
  type: 'AssumedRole',
  account: ACCOUNT,
  arn: `arn:aws:sts::${ACCOUNT}:assumed-role/Build/run-1`,
  roleArn: `arn:aws:iam::${ACCOUNT}:role/service/Build`,
  principalId: 'AROAEXAMPLEBUILD0001',
};
export const ROOT: PrincipalIdentity = { type: 'Root', account: ACCOUNT, arn: `arn:aws:iam::${ACCOUNT}:root` };
export const SERVICE: PrincipalIdentity = {
  type: 'AWSService',
  account: ACCOUNT,
  arn: '',
  service: 'codebuild.amazonaws.com',
};
export const ANONYMOUS: PrincipalIdentity = { type: 'Anonymous', account: '', arn: '' };

type Statement = Record<string, unknown>;

/** A policy of one or more statements; `Effect`, `Action` and `Resource` have defaults where the form wants them. */
export function policy(form: PolicyForm, ...statements: Statement[]): CompiledPolicy {
  const Statement = statements.map((statement) => ({
    Effect: 'Allow',
    ...('NotAction' in statement ? {} : { Action: form === 'trust' ? 'sts:AssumeRole' : '*' }),
    ...('NotResource' in statement || form === 'trust' ? {} : { Resource: '*' }),
    ...statement,
  }));
  return parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement }), { form });
}

export const identity = (...statements: Statement[]) => policy('identity', ...statements);
export const resource = (...statements: Statement[]) => policy('resource', ...statements);

export interface Question extends Partial<Omit<AuthorizationRequest, 'context'>> {
  keys?: ConditionKeys;
}

/** Asks with defaults: Alice, GetObject on one object of her own account, no policies at all. */
export function ask({ keys = {}, ...question }: Question): Evaluation {
  return evaluate({
    principal: ALICE,
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::bucket/key',
    resourceAccount: ACCOUNT,
    identityPolicies: [],
    context: new ConditionContext(keys),
    ...question,
  });
}

export const allowed = (question: Question) => ask(question).decision === 'allow';
