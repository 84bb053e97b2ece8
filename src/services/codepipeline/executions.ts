import * as sdk from '@aws-sdk/client-codepipeline';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { startTrigger } from './callers.ts';
import { advance } from './engine.ts';
import { pipelineStateChange, stageStateChange } from './events.ts';
import { invalidToken } from './pipelines.ts';
import { pipelineResource } from './resources.ts';
import { artifactRevisions, sourceActionsOf, sourceRevisions } from './revisions.ts';
import { startExecution } from './start.ts';
import { executionById, findExecution, type Pipeline, pipelineByName, tables } from './store.ts';
import type { ExecutionRow } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const PAGE = 100;

/** Starts an execution; a token that was used before gives back the execution that it started. */
export const StartPipelineExecution: Op<'StartPipelineExecution'> = {
  resource: (input, ctx) => pipelineResource(ctx, input.name),
  async handle({ name, clientRequestToken: token, variables, sourceRevisions: revisions }, ctx) {
    const pipelineExecutionId = await ctx.tx(async (tx) => {
      const pipeline = await pipelineByName(tx, ctx, name);
      checkVariables(pipeline, variables ?? []);
      checkRevisions(pipeline, revisions ?? []);
      const start = { trigger: startTrigger(ctx), token, variables, sourceRevisions: revisions };
      return startExecution(tx, ctx, pipeline, start);
    });
    return { pipelineExecutionId };
  },
};

function checkVariables({ declaration }: Pipeline, variables: readonly sdk.PipelineVariable[]): void {
  const declared = new Set((declaration.variables ?? []).map(({ name }) => name));
  const unknown = variables.filter(({ name }) => !declared.has(name)).map(({ name }) => name);
  if (unknown.length > 0) {
    throw commonFault('ValidationError', `The pipeline does not declare the variables: ${unknown.join(', ')}`);
  }
}

const REVISION_TYPES: Readonly<Record<string, readonly string[]>> = {
  CodeCommit: ['COMMIT_ID'],
  S3: ['S3_OBJECT_VERSION_ID', 'S3_OBJECT_KEY'],
};

function checkRevisions({ declaration }: Pipeline, revisions: readonly sdk.SourceRevisionOverride[]): void {
  const sources = declaration.stages![0]!.actions!;
  for (const { actionName, revisionType, revisionValue } of revisions) {
    const source = sources.find(({ name }) => name === actionName);
    if (source === undefined)
      throw commonFault('ValidationError', `${actionName} is not a source action of the pipeline`);
    const { provider } = source.actionTypeId!;
    if (!REVISION_TYPES[provider!]!.includes(revisionType!)) {
      throw commonFault('ValidationError', `${revisionType} is not a revision type of ${provider} source actions`);
    }
    if (revisionType === 'COMMIT_ID' && !/^[0-9a-f]{40}$/.test(revisionValue!)) {
      throw commonFault('ValidationError', `${revisionValue} is not a full commit id`);
    }
  }
}

/** Stops an execution: after what runs, or at once. */
export const StopPipelineExecution: Op<'StopPipelineExecution'> = {
  resource: (input, ctx) => pipelineResource(ctx, input.pipelineName),
  async handle({ pipelineName, pipelineExecutionId: id, abandon = false, reason }, ctx) {
    await ctx.tx(async (tx) => {
      const pipeline = await pipelineByName(tx, ctx, pipelineName);
      const execution = await findExecution(tx, pipeline.id, id);
      checkStoppable(execution, abandon);
      const now = ctx.now().getTime();
      const stopping = { ...execution, stop_reason: reason ?? null };
      await tables(tx)
        .updateTable('codepipeline_executions')
        .set({
          stop: abandon ? 'abandon' : 'wait',
          stop_reason: stopping.stop_reason,
          status: 'Stopping',
          updated_at: now,
        })
        .where('id', '=', id)
        .execute();
      if (execution.stop === null) {
        await tx.emit(pipelineStateChange(pipeline, stopping, 'STOPPING'));
        if (execution.entered === 1)
          await tx.emit(stageStateChange(pipeline, stopping, execution.stage_name, 'STOPPING'));
      }
      await tables(tx)
        .updateTable('codepipeline_stage_executions')
        .set({ status: 'Stopping', updated_at: now })
        .where('execution_id', '=', id)
        .where('status', '=', 'InProgress')
        .execute();
      await advance(tx, ctx, pipeline);
    });
    return { pipelineExecutionId: id };
  },
};

function checkStoppable(execution: ExecutionRow | undefined, abandon: boolean): asserts execution is ExecutionRow {
  if (execution === undefined || execution.active === 0) {
    throw fault(
      sdk.PipelineExecutionNotStoppableException,
      'Unable to stop the pipeline execution: it is not in progress',
    );
  }
  if (execution.stop === 'abandon' || (execution.stop === 'wait' && !abandon)) {
    throw fault(sdk.DuplicatedStopRequestException, 'The pipeline execution is already in a Stopping state');
  }
}

export const GetPipelineExecution: Op<'GetPipelineExecution'> = {
  resource: (input, ctx) => pipelineResource(ctx, input.pipelineName),
  async handle({ pipelineName, pipelineExecutionId }, ctx) {
    const pipeline = await pipelineByName(ctx, ctx, pipelineName);
    const execution = await executionById(ctx, pipeline, pipelineExecutionId);
    const sources = await sourceActionsOf(ctx, [execution.id]);
    return {
      pipelineExecution: {
        pipelineName,
        pipelineVersion: execution.version,
        pipelineExecutionId: execution.id,
        status: execution.status as sdk.PipelineExecutionStatus,
        statusSummary: execution.status_summary ?? undefined,
        artifactRevisions: artifactRevisions(sources),
        variables: JSON.parse(execution.variables) as sdk.ResolvedPipelineVariable[],
        ...runFacts(execution),
      },
    };
  },
};

function runFacts(execution: ExecutionRow) {
  return {
    trigger: { triggerType: execution.trigger_type as sdk.TriggerType, triggerDetail: execution.trigger_detail },
    executionMode: execution.mode as sdk.ExecutionMode,
    executionType: execution.type as sdk.ExecutionType,
    ...(execution.rollback_target === null
      ? {}
      : { rollbackMetadata: { rollbackTargetPipelineExecutionId: execution.rollback_target } }),
  };
}

/** Lists the executions, the newest first. */
export const ListPipelineExecutions: Op<'ListPipelineExecutions'> = {
  resource: (input, ctx) => pipelineResource(ctx, input.pipelineName),
  async handle({ pipelineName, maxResults: limit = PAGE, nextToken, filter }, ctx) {
    const pipeline = await pipelineByName(ctx, ctx, pipelineName);
    const stageName = filter?.succeededInStage?.stageName;
    const scope = `ListPipelineExecutions ${pipeline.id} ${stageName ?? ''}`;
    const before = cursorOf<number>(ctx, scope, nextToken, invalidToken);
    const rows = await selectExecutions(ctx, pipeline, stageName, before, limit + 1);
    const { items, token } = page(ctx, scope, rows, limit, ({ sequence }) => sequence);
    const sources = await sourceActionsOf(
      ctx,
      items.map(({ id }) => id),
    );
    return {
      pipelineExecutionSummaries: items.map((execution) => ({
        pipelineExecutionId: execution.id,
        status: execution.status as sdk.PipelineExecutionStatus,
        statusSummary: execution.status_summary ?? undefined,
        startTime: new Date(execution.started_at),
        lastUpdateTime: new Date(execution.updated_at),
        sourceRevisions: sourceRevisions(execution, sources),
        ...(execution.stop === null ? {} : { stopTrigger: { reason: execution.stop_reason ?? undefined } }),
        ...runFacts(execution),
      })),
      nextToken: token,
    };
  },
};

function selectExecutions(
  ctx: Context,
  pipeline: Pipeline,
  stageName: string | undefined,
  before: number | undefined,
  limit: number,
): Promise<ExecutionRow[]> {
  return tables(ctx)
    .selectFrom('codepipeline_executions')
    .selectAll()
    .where('pipeline_id', '=', pipeline.id)
    .$if(before !== undefined, (query) => query.where('sequence', '<', before!))
    .$if(stageName !== undefined, (query) =>
      query
        .where('version', '=', pipeline.version)
        .where('id', 'in', (e) =>
          e
            .selectFrom('codepipeline_stage_executions')
            .select('execution_id')
            .where('pipeline_id', '=', pipeline.id)
            .where('stage_name', '=', stageName!)
            .where('status', '=', 'Succeeded'),
        ),
    )
    .orderBy('sequence', 'desc')
    .limit(limit)
    .execute();
}
