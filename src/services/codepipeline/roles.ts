import * as sdk from '@aws-sdk/client-codepipeline';
import type * as stsSdk from '@aws-sdk/client-sts';
import type { Context } from '../../kernel/context.ts';
import { Fault, fault } from '../../kernel/fault.ts';
import { pipelineArn } from './resources.ts';

const SERVICE = 'codepipeline.amazonaws.com';
const MAX_SESSION_NAME = 64;

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
  for (const role of new Set([roleArn!, ...actionRoles])) {
    await ctx.authorize('iam:PassRole', role, { 'iam:PassedToService': SERVICE });
  }
  const sessionName = name!.slice(0, MAX_SESSION_NAME);
  const role = await refused(`CodePipeline is not authorized to perform AssumeRole on role ${roleArn}`, () =>
    ctx
      .asService(SERVICE, ctx.account, ctx.region)
      .as(roleArn!, { service: SERVICE, sessionName, sourceArn: pipelineArn(ctx, name!) }),
  );
  for (const actionRole of actionRoles) {
    await refused(`${roleArn} is not authorized to perform AssumeRole on role ${actionRole}`, () =>
      role.call<typeof stsSdk, 'AssumeRole'>('sts', 'AssumeRole', {
        RoleArn: actionRole,
        RoleSessionName: sessionName,
      }),
    );
  }
}

/** A role that cannot be assumed is the structure's fault; Terraform waits for new roles by these words. */
async function refused<T>(message: string, assume: () => Promise<T>): Promise<T> {
  try {
    return await assume();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw fault(sdk.InvalidStructureException, message);
  }
}
