import * as sdk from '@aws-sdk/client-kms';
import { principalOf } from '../../kernel/auth/authorize.ts';
import { ConditionContext } from '../../kernel/auth/conditions.ts';
import { evaluate } from '../../kernel/auth/policy.ts';
import { type CompiledPolicy, parsePolicy } from '../../kernel/auth/policy-grammar.ts';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { callerConditions } from './key-conditions.ts';

/** AWS's limit on a key policy, in bytes. */
const MAX_POLICY_BYTES = 32 * 1024;

/** The policy of a key made by the API without one: IAM policies of the account decide. */
export function defaultPolicy(account: string): string {
  return JSON.stringify(
    {
      Version: '2012-10-17',
      Id: 'key-default-1',
      Statement: [
        {
          Sid: 'Enable IAM User Permissions',
          Effect: 'Allow',
          Principal: { AWS: `arn:aws:iam::${account}:root` },
          Action: 'kms:*',
          Resource: '*',
        },
      ],
    },
    null,
    2,
  );
}

/** The policy of an AWS managed key. Source: KMS Developer Guide, "AWS managed keys". @param service `s3` */
export function managedPolicy(account: string, region: string, service: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Id: `auto-${service}-1`,
    Statement: [
      {
        Sid: `Allow access through ${service} for all principals in the account that are authorized to use it`,
        Effect: 'Allow',
        Principal: { AWS: '*' },
        Action: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:DescribeKey'],
        Resource: '*',
        Condition: {
          StringEquals: { 'kms:CallerAccount': account, 'kms:ViaService': `${service}.${region}.amazonaws.com` },
        },
      },
      {
        Sid: 'Allow direct access to key metadata to the account',
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${account}:root` },
        Action: ['kms:Describe*', 'kms:Get*', 'kms:List*', 'kms:RevokeGrant'],
        Resource: '*',
      },
    ],
  });
}

/** Checks a key policy. @throws MalformedPolicyDocumentException, LimitExceededException */
export function checkPolicy(document: string): CompiledPolicy {
  if (Buffer.byteLength(document) > MAX_POLICY_BYTES) {
    throw fault(sdk.LimitExceededException, `The key policy exceeds the limit of ${MAX_POLICY_BYTES} bytes.`);
  }
  return parsePolicy(document, {
    form: 'resource',
    fault: (message) => fault(sdk.MalformedPolicyDocumentException, message),
  });
}

const ANYTHING = parsePolicy(
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] }),
  { form: 'identity' },
);

/**
 * The lockout safety check: under the new policy its author must be able to change it again, by himself or by IAM
 * policies of his account.
 * @throws MalformedPolicyDocumentException
 */
export function checkLockout(ctx: Context, policy: CompiledPolicy, keyArn: string): void {
  const evaluation = evaluate({
    principal: principalOf(ctx.caller),
    action: 'kms:PutKeyPolicy',
    resource: keyArn,
    resourceAccount: ctx.account,
    context: new ConditionContext(callerConditions(ctx), principalConditions(ctx)),
    identityPolicies: [ANYTHING],
    resourcePolicy: policy,
    resourcePolicyDecides: true,
  });
  if (evaluation.decision === 'allow') return;
  throw fault(
    sdk.MalformedPolicyDocumentException,
    'The new key policy will not allow you to update the key policy in the future.',
  );
}

function principalConditions({ caller }: Context): Record<string, string> {
  if (!('arn' in caller)) return {};
  const arn = caller.type === 'AssumedRole' ? caller.roleArn : caller.arn;
  return { 'aws:PrincipalArn': arn, 'aws:PrincipalAccount': caller.account };
}
