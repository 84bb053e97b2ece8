import * as sdk from '@aws-sdk/client-codepipeline';
import type * as stsSdk from '@aws-sdk/client-sts';
import { requirePassRole } from '../../kernel/auth/pass-role.ts';
import type { Context } from '../../kernel/context.ts';
import { fault, isFault } from '../../kernel/fault.ts';
import { pipelineArn } from './resources.ts';

/** This service as trust policies and audit records name it. */
export const SERVICE = 'codepipeline.amazonaws.com';

/** Where a pipeline is and what it is called. */
export interface PipelinePlace {
  readonly account: string;
  readonly region: string;
  readonly pipelineName: string;
}

/** Name of the sessions that a pipeline's roles are assumed in; STS takes 2 to 64 characters. */
function sessionNameOf(pipelineName: string): string {
  return pipelineName.slice(0, 64).padEnd(2, '-');
}

/** A context that works as the pipeline's role. @throws AccessDenied */
export function assumePipelineRole(ctx: Context, place: PipelinePlace, roleArn: string): Promise<Context> {
  return ctx.asService(SERVICE, place.account, place.region).as(roleArn, {
    service: SERVICE,
    sessionName: sessionNameOf(place.pipelineName),
    sourceArn: pipelineArn(place, place.pipelineName),
  });
}

/**
 * A context that works as an action's own role. The pipeline's role assumes it, so it needs `sts:AssumeRole` on it, and
 * the action's role has to trust the pipeline's.
 * @throws AccessDenied
 */
export async function assumeActionRole(pipelineRole: Context, place: PipelinePlace, roleArn: string): Promise<Context> {
  const sessionName = sessionNameOf(place.pipelineName);
  const { AssumedRoleUser: user } = await pipelineRole.call<typeof stsSdk, 'AssumeRole'>('sts', 'AssumeRole', {
    RoleArn: roleArn,
    RoleSessionName: sessionName,
  });
  const [roleId] = user!.AssumedRoleId!.split(':');
  return pipelineRole.withCaller({
    type: 'AssumedRole',
    account: pipelineRole.account,
    arn: user!.Arn!,
    principalId: user!.AssumedRoleId!,
    roleArn,
    roleName: roleArn.split('/').at(-1)!,
    roleId: roleId!,
    sessionName,
    issuedAt: pipelineRole.now().getTime(),
    sessionPolicies: [],
    invokedBy: SERVICE,
  });
}

/**
 * Checks the roles of a declaration: the caller may pass each of them, CodePipeline may assume the pipeline's, and that
 * one those of the actions.
 * @throws AccessDenied, InvalidStructureException
 */
export async function requireRoles(
  ctx: Context,
  { name, roleArn, stages = [] }: sdk.PipelineDeclaration,
): Promise<void> {
  const actionRoles = new Set(stages.flatMap(({ actions = [] }) => actions.flatMap((action) => action.roleArn ?? [])));
  const resource = pipelineArn(ctx, name!);
  for (const role of new Set([roleArn!, ...actionRoles])) {
    await requirePassRole(ctx, { roleArn: role, service: SERVICE, resource, otherAccounts: role !== roleArn });
  }
  const place = { account: ctx.account, region: ctx.region, pipelineName: name! };
  const role = await assumed(`CodePipeline is not authorized to perform AssumeRole on role ${roleArn}`, () =>
    assumePipelineRole(ctx, place, roleArn!),
  );
  for (const actionRole of actionRoles) {
    await assumed(`${roleArn} is not authorized to perform AssumeRole on role ${actionRole}`, () =>
      assumeActionRole(role, place, actionRole),
    );
  }
}

/** A role that cannot be assumed is the structure's fault; Terraform waits for new roles by these words. */
async function assumed<T>(message: string, assume: () => Promise<T>): Promise<T> {
  try {
    return await assume();
  } catch (error) {
    if (!isFault(error, 'AccessDenied')) throw error;
    throw fault(sdk.InvalidStructureException, message);
  }
}
