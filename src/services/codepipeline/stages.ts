import * as sdk from '@aws-sdk/client-codepipeline';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { callerArn } from './callers.ts';
import { advance } from './engine.ts';
import { pipelineStateChange, stageStateChange } from './events.ts';
import { stageResource } from './resources.ts';
import { requireRoom, startExecution } from './start.ts';
import { executionById, findExecution, type Pipeline, pipelineByName, stageIndexOf, tables } from './store.ts';
import type { ExecutionRow } from './tables.ts';
import { dropForRetry } from './transitions.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Runs the failed actions of a stage again, or all of them. */
export const RetryStageExecution: Op<'RetryStageExecution'> = {
  resource: (input, ctx) => stageResource(ctx, input.pipelineName, input.stageName),
  async handle({ pipelineName, stageName, pipelineExecutionId: id, retryMode }, ctx) {
    await ctx.tx(async (tx) => {
      const pipeline = await pipelineByName(tx, ctx, pipelineName);
      stageIndexOf(pipeline, stageName);
      const execution = await findExecution(tx, pipeline.id, id);
      requireRetryable(pipeline, stageName, execution);
      await requireLatest(tx, pipeline, execution);
      await requireRoom(tx, pipeline);
      await dropForRetry(tx, execution, retryMode);
      await resume(tx, ctx, pipeline, execution);
      await advance(tx, ctx, pipeline);
    });
    return { pipelineExecutionId: id };
  },
};

function requireRetryable(
  pipeline: Pipeline,
  stageName: string,
  execution: ExecutionRow | undefined,
): asserts execution is ExecutionRow {
  const isRetryable =
    execution !== undefined &&
    (execution.status === 'Failed' || execution.status === 'Stopped') &&
    execution.version === pipeline.version &&
    execution.entered === 1 &&
    execution.stage_name === stageName;
  if (isRetryable) return;
  throw fault(
    sdk.StageNotRetryableException,
    `Unable to retry the stage '${stageName}': the execution has no failed or stopped actions in it, or the pipeline was changed since`,
  );
}

/** @throws NotLatestPipelineExecutionException where another execution entered the stage since */
async function requireLatest(tx: Tx, pipeline: Pipeline, execution: ExecutionRow): Promise<void> {
  if (execution.mode === 'PARALLEL') return;
  const latest = await tables(tx)
    .selectFrom('codepipeline_stage_executions')
    .select('execution_id')
    .where('pipeline_id', '=', pipeline.id)
    .where('stage_name', '=', execution.stage_name)
    .orderBy('entry', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (latest?.execution_id === execution.id) return;
  throw fault(
    sdk.NotLatestPipelineExecutionException,
    `The execution '${execution.id}' is not the latest one in the stage '${execution.stage_name}'`,
  );
}

async function resume(tx: Tx, ctx: Context, pipeline: Pipeline, execution: ExecutionRow): Promise<void> {
  const now = ctx.now().getTime();
  await tables(tx)
    .updateTable('codepipeline_executions')
    .set({ status: 'InProgress', active: 1, stop: null, stop_reason: null, auto_retried: 0, updated_at: now })
    .where('id', '=', execution.id)
    .execute();
  await tables(tx)
    .updateTable('codepipeline_stage_executions')
    .set((e) => ({
      status: 'InProgress',
      manual_retries: e('manual_retries', '+', 1),
      last_retry: 'ManualStageRetry',
      updated_at: now,
    }))
    .where('execution_id', '=', execution.id)
    .where('stage_name', '=', execution.stage_name)
    .execute();
  await tx.emit(pipelineStateChange(pipeline, execution, 'RESUMED'));
  await tx.emit(stageStateChange(pipeline, execution, execution.stage_name, 'RESUMED'));
}

/** Runs a stage again with what an earlier execution, which succeeded in it, worked with. */
export const RollbackStage: Op<'RollbackStage'> = {
  resource: (input, ctx) => stageResource(ctx, input.pipelineName, input.stageName),
  async handle({ pipelineName, stageName, targetPipelineExecutionId }, ctx) {
    const pipelineExecutionId = await ctx.tx(async (tx) => {
      const pipeline = await pipelineByName(tx, ctx, pipelineName);
      const stageIndex = stageIndexOf(pipeline, stageName);
      const target = await executionById(tx, pipeline, targetPipelineExecutionId);
      await requireRollback(tx, pipeline, stageIndex, stageName, target);
      const trigger = { type: 'ManualRollback', detail: callerArn(ctx) };
      return startExecution(tx, ctx, pipeline, { trigger, rollback: { stageIndex, target } });
    });
    return { pipelineExecutionId };
  },
};

async function requireRollback(
  tx: Tx,
  pipeline: Pipeline,
  stageIndex: number,
  stageName: string,
  target: ExecutionRow,
): Promise<void> {
  const unable = (reason: string) =>
    fault(sdk.UnableToRollbackStageException, `Unable to roll back the stage '${stageName}': ${reason}`);
  if (target.version !== pipeline.version) {
    throw fault(
      sdk.PipelineExecutionOutdatedException,
      `The execution '${target.id}' is outdated: the pipeline was changed since`,
    );
  }
  if (pipeline.declaration.executionMode === 'PARALLEL') throw unable('the pipeline is in PARALLEL mode');
  if (stageIndex === 0) throw unable('it is the source stage');
  if (target.type === 'ROLLBACK') throw unable('the target execution is a rollback itself');
  const runs = await tables(tx)
    .selectFrom('codepipeline_stage_executions')
    .selectAll()
    .where('pipeline_id', '=', pipeline.id)
    .where('stage_name', '=', stageName)
    .where((e) => e.or([e('execution_id', '=', target.id), e('status', 'in', ['InProgress', 'Stopping'])]))
    .execute();
  if (runs.some(({ status }) => status === 'InProgress' || status === 'Stopping')) throw unable('it is running');
  if (runs.length === 0 || runs[0]!.status !== 'Succeeded') throw unable('the target execution did not succeed in it');
}

/** Closes the gate in front of a stage, or behind it. */
export const DisableStageTransition: Op<'DisableStageTransition'> = {
  resource: (input, ctx) => stageResource(ctx, input.pipelineName, input.stageName),
  async handle({ pipelineName, stageName, transitionType, reason }, ctx) {
    await setTransition(ctx, pipelineName, stageName, transitionType, reason);
    return {};
  },
};

export const EnableStageTransition: Op<'EnableStageTransition'> = {
  resource: (input, ctx) => stageResource(ctx, input.pipelineName, input.stageName),
  async handle({ pipelineName, stageName, transitionType }, ctx) {
    await setTransition(ctx, pipelineName, stageName, transitionType, undefined);
    return {};
  },
};

/** @param reason why the gate closes; `undefined` opens it */
async function setTransition(
  ctx: Context,
  pipelineName: string,
  stageName: string,
  type: sdk.StageTransitionType,
  reason: string | undefined,
): Promise<void> {
  await ctx.tx(async (tx) => {
    const pipeline = await pipelineByName(tx, ctx, pipelineName);
    const index = stageIndexOf(pipeline, stageName) + (type === 'Outbound' ? 1 : 0);
    const stage = pipeline.declaration.stages![index];
    if (stage === undefined) {
      throw fault(
        sdk.StageNotFoundException,
        `No stage follows the stage '${stageName}' of pipeline '${pipelineName}'`,
      );
    }
    const gate = {
      enabled: reason === undefined ? 1 : 0,
      reason: reason ?? null,
      changed_by: callerArn(ctx),
      changed_at: ctx.now().getTime(),
    };
    await tables(tx)
      .insertInto('codepipeline_transitions')
      .values({ pipeline_id: pipeline.id, stage_name: stage.name!, ...gate })
      .onConflict((c) => c.columns(['pipeline_id', 'stage_name']).doUpdateSet(gate))
      .execute();
    await advance(tx, ctx, pipeline);
  });
}
