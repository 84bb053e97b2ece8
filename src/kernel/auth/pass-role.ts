import { parseArn } from '../arn.ts';
import type { Context } from '../context.ts';
import { commonFault } from '../wire/errors.ts';

export interface PassedRole {
  readonly roleArn: string;
  /** Who will work as the role: `codebuild.amazonaws.com`. */
  readonly service: string;
  /** ARN of the resource that keeps the role. */
  readonly resource: string;
  /** Whether the role may be another account's: a pipeline's action works as one that trusts the pipeline's own role. */
  readonly otherAccounts?: boolean;
}

/**
 * Every operation that hands a role to a service asks this first: the caller needs `iam:PassRole`, since whoever chooses
 * the role that a service works as has that role's rights. His own policies alone decide.
 * Source: IAM User Guide, "Grant a user permissions to pass a role to an AWS service".
 * @throws AccessDenied
 */
export async function requirePassRole(ctx: Context, passed: PassedRole): Promise<void> {
  const { roleArn, service, resource, otherAccounts } = passed;
  if (otherAccounts !== true && parseArn(roleArn)?.account !== ctx.account) {
    throw commonFault('AccessDenied', 'Cross-account pass role is not allowed.');
  }
  await ctx.authorize(
    'iam:PassRole',
    { arn: roleArn, account: ctx.account },
    { 'iam:PassedToService': service, 'iam:AssociatedResourceArn': resource },
  );
}
