import * as sdk from '@aws-sdk/client-codepipeline';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { callerArn } from './callers.ts';
import { settle } from './outcome.ts';
import { actionResource } from './resources.ts';
import { type Pipeline, pipelineByName, stageIndexOf, tables } from './store.ts';
import type { ActionRow } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Answers an approval request: once, by its own token, before its time is over (P4). */
export const PutApprovalResult: Op<'PutApprovalResult'> = {
  resource: (input, ctx) => actionResource(ctx, input.pipelineName, input.stageName, input.actionName),
  async handle({ pipelineName, stageName, actionName, token, result }, ctx) {
    const approvedAt = ctx.now();
    await ctx.tx(async (tx) => {
      const pipeline = await pipelineByName(tx, ctx, pipelineName);
      requireAction(pipeline, stageName, actionName);
      const row = await requestByToken(tx, pipeline, stageName, actionName, token);
      requireOpen(ctx, pipeline, row);
      const by = callerArn(ctx);
      const { status, summary = '' } = result;
      await settle(
        tx,
        ctx,
        row.id,
        status === 'Approved'
          ? { status: 'Succeeded', summary, externalId: token }
          : {
              status: 'Failed',
              code: 'JobFailed',
              message: `Rejected by ${by}${summary === '' ? '' : `: ${summary}`}`,
              summary,
              externalId: token,
            },
        { updated_by: by },
      );
    });
    return { approvedAt };
  },
};

function requireAction(pipeline: Pipeline, stageName: string, actionName: string): void {
  const stage = pipeline.declaration.stages![stageIndexOf(pipeline, stageName)]!;
  if (stage.actions!.some(({ name }) => name === actionName)) return;
  throw fault(
    sdk.ActionNotFoundException,
    `Stage '${stageName}' of pipeline '${pipeline.name}' does not have an action with name '${actionName}'`,
  );
}

/** @throws InvalidApprovalTokenException where the token is not one of this very action */
async function requestByToken(
  tx: Tx,
  pipeline: Pipeline,
  stageName: string,
  actionName: string,
  token: string,
): Promise<ActionRow> {
  const row = await tables(tx)
    .selectFrom('codepipeline_action_executions')
    .selectAll()
    .where('pipeline_id', '=', pipeline.id)
    .where('stage_name', '=', stageName)
    .where('action_name', '=', actionName)
    .where('token', '=', token)
    .executeTakeFirst();
  if (row !== undefined) return row;
  throw fault(
    sdk.InvalidApprovalTokenException,
    `The approval token is not valid for the action '${actionName}' in the stage '${stageName}'`,
  );
}

function requireOpen(ctx: Context, pipeline: Pipeline, row: ActionRow): void {
  const answered = row.status === 'Succeeded' || (row.status === 'Failed' && row.updated_by !== null);
  if (answered) {
    throw fault(
      sdk.ApprovalAlreadyCompletedException,
      `The approval action '${row.action_name}' has already been approved or rejected`,
    );
  }
  if (row.version !== pipeline.version || row.status === 'Abandoned') {
    throw fault(
      sdk.InvalidApprovalTokenException,
      `The pipeline ${pipeline.name} has been updated, and the approval request you responded to is now out of date.`,
    );
  }
  if (row.status !== 'InProgress' || row.deadline <= ctx.now().getTime()) {
    throw fault(sdk.InvalidApprovalTokenException, 'The approval request has expired');
  }
}
