import * as sdk from '@aws-sdk/client-kms';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { keyByName, namedKeyConditions } from './key-access.ts';
import { changeKeys } from './key-cache.ts';
import { onKey } from './key-operations.ts';
import { checkLockout, checkPolicy } from './key-policy-documents.ts';
import { keyRow, requireCustomerManaged, updateKey } from './key-states.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** The only name that a key policy can have. */
const POLICY_NAME = 'default';

function checkPolicyName(name: string | undefined): void {
  if (name !== undefined && name !== POLICY_NAME) throw fault(sdk.NotFoundException, 'No such policy exists');
}

export const GetKeyPolicy: Op<'GetKeyPolicy'> = {
  ...onKey('GetKeyPolicy'),
  async handle({ KeyId, PolicyName }, ctx) {
    const key = await keyByName(ctx, KeyId);
    checkPolicyName(PolicyName);
    return { Policy: key.policy, PolicyName: POLICY_NAME };
  },
};

export const PutKeyPolicy: Op<'PutKeyPolicy'> = {
  ...onKey('PutKeyPolicy'),
  conditions: async (input, ctx) => ({
    ...(await namedKeyConditions(ctx, input.KeyId)),
    'kms:BypassPolicyLockoutSafetyCheck': String(input.BypassPolicyLockoutSafetyCheck === true),
  }),
  async handle({ KeyId, PolicyName, Policy, BypassPolicyLockoutSafetyCheck }, ctx) {
    const { arn } = await keyByName(ctx, KeyId);
    checkPolicyName(PolicyName);
    const policy = checkPolicy(Policy);
    if (BypassPolicyLockoutSafetyCheck !== true) checkLockout(ctx, policy, arn);
    await changeKeys(ctx, async (tx) => {
      requireCustomerManaged(ctx, await keyRow(tx, arn), 'kms:PutKeyPolicy');
      await updateKey(tx, arn, { policy: Policy });
    });
    return {};
  },
};

export const ListKeyPolicies: Op<'ListKeyPolicies'> = {
  ...onKey('ListKeyPolicies'),
  async handle({ KeyId }, ctx) {
    await keyByName(ctx, KeyId);
    return { PolicyNames: [POLICY_NAME], Truncated: false };
  },
};
