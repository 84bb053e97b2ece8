import type * as sdk from '@aws-sdk/client-codepipeline';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import type { FoundRevision } from './providers/provider.ts';
import { pipelineResource } from './resources.ts';
import { type Pipeline, pipelineByName, tables } from './store.ts';
import type { ActionRow, ExecutionRow, TransitionRow } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Shows where the pipeline's executions are: stage by stage, action by action, the latest of each. */
export const GetPipelineState: Op<'GetPipelineState'> = {
  resource: (input, ctx) => pipelineResource(ctx, input.name),
  async handle({ name }, ctx) {
    const pipeline = await pipelineByName(ctx, ctx, name);
    const gates = await tables(ctx)
      .selectFrom('codepipeline_transitions')
      .selectAll()
      .where('pipeline_id', '=', pipeline.id)
      .execute();
    const waiting = await tables(ctx)
      .selectFrom('codepipeline_executions')
      .selectAll()
      .where('active', '=', 1)
      .where('pipeline_id', '=', pipeline.id)
      .where('entered', '=', 0)
      .orderBy('sequence')
      .execute();
    const stages = pipeline.declaration.stages!;
    const stageStates: sdk.StageState[] = [];
    for (const stage of stages) stageStates.push(await stageState(ctx, pipeline, stage, gates, waiting));
    return {
      pipelineName: name,
      pipelineVersion: pipeline.version,
      stageStates,
      created: new Date(pipeline.created_at),
      updated: new Date(pipeline.updated_at),
    };
  },
};

async function stageState(
  ctx: Context,
  pipeline: Pipeline,
  { name, actions = [] }: sdk.StageDeclaration,
  gates: readonly TransitionRow[],
  waiting: readonly ExecutionRow[],
): Promise<sdk.StageState> {
  const inbound = waiting.filter(({ stage_name }) => stage_name === name).map(inboundExecution);
  const actionStates: sdk.ActionState[] = [];
  for (const action of actions) {
    actionStates.push(actionState(action, await latestRun(ctx, pipeline.id, name!, action.name!)));
  }
  return {
    stageName: name,
    ...(inbound.length === 0 ? {} : { inboundExecution: inbound.at(-1), inboundExecutions: inbound }),
    inboundTransitionState: transitionState(gates.find(({ stage_name }) => stage_name === name)),
    actionStates,
    ...(await latestStageExecution(ctx, pipeline.id, name!)),
  };
}

function inboundExecution(execution: ExecutionRow): sdk.StageExecution {
  return {
    pipelineExecutionId: execution.id,
    status: execution.status as sdk.StageExecutionStatus,
    type: execution.type as sdk.ExecutionType,
  };
}

function transitionState(gate: TransitionRow | undefined): sdk.TransitionState {
  if (gate === undefined) return { enabled: true };
  return {
    enabled: gate.enabled === 1,
    lastChangedBy: gate.changed_by,
    lastChangedAt: new Date(gate.changed_at),
    disabledReason: gate.reason ?? undefined,
  };
}

async function latestStageExecution(
  ctx: Context,
  pipelineId: string,
  stageName: string,
): Promise<Pick<sdk.StageState, 'latestExecution' | 'retryStageMetadata'>> {
  const row = await tables(ctx)
    .selectFrom('codepipeline_stage_executions')
    .innerJoin('codepipeline_executions', 'codepipeline_executions.id', 'codepipeline_stage_executions.execution_id')
    .selectAll('codepipeline_stage_executions')
    .select('codepipeline_executions.type')
    .where('codepipeline_stage_executions.pipeline_id', '=', pipelineId)
    .where('codepipeline_stage_executions.stage_name', '=', stageName)
    .orderBy('codepipeline_stage_executions.entry', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return {};
  return {
    latestExecution: {
      pipelineExecutionId: row.execution_id,
      status: row.status as sdk.StageExecutionStatus,
      type: row.type as sdk.ExecutionType,
    },
    ...(row.last_retry === null
      ? {}
      : {
          retryStageMetadata: {
            latestRetryTrigger: row.last_retry as sdk.RetryTrigger,
            ...(row.auto_retries > 0 ? { autoStageRetryAttempt: row.auto_retries } : {}),
            ...(row.manual_retries > 0 ? { manualStageRetryAttempt: row.manual_retries } : {}),
          },
        }),
  };
}

function latestRun(
  ctx: Context,
  pipelineId: string,
  stageName: string,
  actionName: string,
): Promise<ActionRow | undefined> {
  return tables(ctx)
    .selectFrom('codepipeline_action_executions')
    .selectAll()
    .where('pipeline_id', '=', pipelineId)
    .where('stage_name', '=', stageName)
    .where('action_name', '=', actionName)
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirst();
}

function actionState({ name }: sdk.ActionDeclaration, row: ActionRow | undefined): sdk.ActionState {
  if (row === undefined) return { actionName: name };
  const found = row.revision === null ? undefined : (JSON.parse(row.revision) as FoundRevision);
  return {
    actionName: name,
    ...(found === undefined
      ? {}
      : {
          currentRevision: {
            revisionId: found.revisionId,
            revisionChangeId: found.changeIdentifier ?? found.revisionId,
            created: new Date(found.created ?? row.updated_at),
          },
          revisionUrl: found.url,
        }),
    latestExecution: {
      actionExecutionId: row.id,
      status: row.status as sdk.ActionExecutionStatus,
      summary: row.summary ?? undefined,
      lastStatusChange: new Date(row.updated_at),
      lastUpdatedBy: row.updated_by ?? undefined,
      externalExecutionId: row.external_id ?? undefined,
      externalExecutionUrl: row.external_url ?? undefined,
      ...(isAsking(row) ? { token: row.token! } : {}),
      ...errorOf(row),
    },
  };
}

/** Whether somebody may answer: not before the request's own configuration is known to resolve. */
function isAsking({ token, status, queued }: ActionRow): boolean {
  return token !== null && status === 'InProgress' && queued === 0;
}

/** Why an action failed, as both views of action executions show it. */
export function errorOf(row: ActionRow): { errorDetails?: sdk.ErrorDetails } {
  if (row.error_message === null) return {};
  return { errorDetails: { code: row.error_code ?? undefined, message: row.error_message } };
}
