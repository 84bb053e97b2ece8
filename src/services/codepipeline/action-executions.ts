import type * as sdk from '@aws-sdk/client-codepipeline';
import type { Context } from '../../kernel/context.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { errorOf } from './pipeline-state.ts';
import { invalidToken } from './pipelines.ts';
import { pipelineResource } from './resources.ts';
import { executionById, pipelineByName, tables } from './store.ts';
import type { ActionRow } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const PAGE = 100;

/** Lists the runs of actions, the newest first. */
export const ListActionExecutions: Op<'ListActionExecutions'> = {
  resource: (input, ctx) => pipelineResource(ctx, input.pipelineName),
  async handle({ pipelineName, filter, maxResults: limit = PAGE, nextToken }, ctx) {
    const pipeline = await pipelineByName(ctx, ctx, pipelineName);
    const latest = filter?.latestInPipelineExecution;
    const executionId = filter?.pipelineExecutionId ?? latest?.pipelineExecutionId;
    if (executionId !== undefined) await executionById(ctx, pipeline, executionId);
    const onlyCurrent = latest?.startTimeRange === 'Latest';
    const scope = `ListActionExecutions ${pipeline.id} ${executionId ?? ''} ${onlyCurrent}`;
    const before = cursorOf<number>(ctx, scope, nextToken, invalidToken);
    const rows = await select(ctx, pipeline.id, executionId, onlyCurrent, before, limit + 1);
    const { items, token } = page(ctx, scope, rows, limit, ({ sequence }) => sequence);
    return { actionExecutionDetails: items.map(detailOf), nextToken: token };
  },
};

function select(
  ctx: Context,
  pipelineId: string,
  executionId: string | undefined,
  onlyCurrent: boolean,
  before: number | undefined,
  limit: number,
): Promise<ActionRow[]> {
  const all = tables(ctx).selectFrom('codepipeline_action_executions').selectAll();
  return (
    executionId === undefined ? all.where('pipeline_id', '=', pipelineId) : all.where('execution_id', '=', executionId)
  )
    .$if(onlyCurrent, (query) => query.where('current', '=', 1))
    .$if(before !== undefined, (query) => query.where('sequence', '<', before!))
    .orderBy('sequence', 'desc')
    .limit(limit)
    .execute();
}

function detailOf(row: ActionRow): sdk.ActionExecutionDetail {
  return {
    pipelineExecutionId: row.execution_id,
    actionExecutionId: row.id,
    pipelineVersion: row.version,
    stageName: row.stage_name,
    actionName: row.action_name,
    startTime: new Date(row.started_at),
    lastUpdateTime: new Date(row.updated_at),
    updatedBy: row.updated_by ?? undefined,
    status: row.status as sdk.ActionExecutionStatus,
    input: inputOf(row),
    output: outputOf(row),
  };
}

function inputOf(row: ActionRow): sdk.ActionExecutionInput {
  const { actionTypeId, configuration, roleArn, namespace } = JSON.parse(row.declaration) as sdk.ActionDeclaration;
  return {
    actionTypeId,
    configuration,
    resolvedConfiguration: row.resolved === null ? undefined : (JSON.parse(row.resolved) as Record<string, string>),
    roleArn,
    region: row.region,
    inputArtifacts: JSON.parse(row.inputs) as sdk.ArtifactDetail[],
    namespace,
  };
}

function outputOf(row: ActionRow): sdk.ActionExecutionOutput {
  const isDone = row.status === 'Succeeded';
  return {
    outputArtifacts: isDone ? (JSON.parse(row.outputs) as sdk.ArtifactDetail[]) : [],
    executionResult: {
      externalExecutionId: row.external_id ?? undefined,
      externalExecutionSummary: row.summary ?? undefined,
      externalExecutionUrl: row.external_url ?? undefined,
      ...errorOf(row),
    },
    outputVariables: row.variables === null ? {} : (JSON.parse(row.variables) as Record<string, string>),
  };
}
