import * as sdk from '@aws-sdk/client-codepipeline';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { advance } from './engine.ts';
import { pipelineStateChange } from './events.ts';
import { type Pipeline, tables } from './store.ts';
import type { ExecutionRow } from './tables.ts';
import { nextNumber } from './transitions.ts';

/** AWS's quota of unfinished executions of a pipeline in QUEUED and PARALLEL mode. */
const MAX_CONCURRENT = 50;

/** How an execution begins. */
export interface Start {
  readonly trigger: { readonly type: string; readonly detail: string };
  /** The caller's key of idempotency, or the id of the event that starts it: one execution for each. */
  readonly token?: string | undefined;
  readonly variables?: readonly sdk.PipelineVariable[] | undefined;
  readonly sourceRevisions?: readonly sdk.SourceRevisionOverride[] | undefined;
  /** Set for a rollback: the stage that alone runs, and the execution that it goes back to. */
  readonly rollback?: { readonly stageIndex: number; readonly target: ExecutionRow } | undefined;
}

/**
 * Starts an execution of the declaration in force and lets it go as far as it can.
 * @returns its id, or that of the execution which the same token started before
 * @throws ConcurrentPipelineExecutionsLimitExceededException
 */
export async function startExecution(tx: Tx, ctx: Context, pipeline: Pipeline, start: Start): Promise<string> {
  const earlier = await findByToken(tx, pipeline, start.token);
  if (earlier !== undefined) return earlier;
  await requireRoom(tx, pipeline);
  const { variables, missing } = resolvedVariables(pipeline, start);
  const now = ctx.now().getTime();
  const stages = pipeline.declaration.stages!;
  const stageIndex = start.rollback?.stageIndex ?? 0;
  const isFailed = missing.length > 0;
  const execution: ExecutionRow = {
    id: ctx.ids.uuid(),
    pipeline_id: pipeline.id,
    version: pipeline.version,
    sequence: await nextNumber(tx, pipeline.id),
    status: isFailed ? 'Failed' : 'InProgress',
    status_summary: isFailed ? `Values for required variables haven't been provided: ${missing.join(',')}` : null,
    active: isFailed ? 0 : 1,
    mode: pipeline.declaration.executionMode!,
    type: start.rollback === undefined ? 'STANDARD' : 'ROLLBACK',
    rollback_target: start.rollback?.target.id ?? null,
    trigger_type: start.trigger.type,
    trigger_detail: start.trigger.detail,
    variables: JSON.stringify(variables),
    source_revisions: JSON.stringify(await pinnedRevisions(tx, pipeline, start)),
    stop: null,
    stop_reason: null,
    stage_index: stageIndex,
    stage_name: stages[stageIndex]!.name!,
    last_stage_index: start.rollback?.stageIndex ?? stages.length - 1,
    entered: 0,
    auto_retried: 0,
    client_token: start.token ?? null,
    started_at: now,
    updated_at: now,
  };
  await tables(tx).insertInto('codepipeline_executions').values(execution).execute();
  if (start.rollback !== undefined) await copyArtifacts(tx, start.rollback.target.id, execution.id);
  await tx.emit(pipelineStateChange(pipeline, execution, 'STARTED'));
  if (isFailed) await tx.emit(pipelineStateChange(pipeline, execution, 'FAILED'));
  else await advance(tx, ctx, pipeline);
  return execution.id;
}

async function findByToken(tx: Tx, pipeline: Pipeline, token: string | undefined): Promise<string | undefined> {
  if (token === undefined) return undefined;
  const row = await tables(tx)
    .selectFrom('codepipeline_executions')
    .select('id')
    .where('pipeline_id', '=', pipeline.id)
    .where('client_token', '=', token)
    .executeTakeFirst();
  return row?.id;
}

/** @throws ConcurrentPipelineExecutionsLimitExceededException where executions do not supersede each other and many wait */
export async function requireRoom(tx: Tx, pipeline: Pipeline): Promise<void> {
  if (pipeline.declaration.executionMode === 'SUPERSEDED') return;
  const { count } = await tables(tx)
    .selectFrom('codepipeline_executions')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('active', '=', 1)
    .where('pipeline_id', '=', pipeline.id)
    .executeTakeFirstOrThrow();
  if (Number(count) < MAX_CONCURRENT) return;
  throw fault(
    sdk.ConcurrentPipelineExecutionsLimitExceededException,
    `The pipeline has reached the limit for concurrent pipeline executions: ${MAX_CONCURRENT}`,
  );
}

/** The values of the declared variables: given, else by default; and the names of those that have neither. */
function resolvedVariables(
  { declaration }: Pipeline,
  { variables = [], rollback }: Start,
): { variables: sdk.ResolvedPipelineVariable[]; missing: string[] } {
  if (rollback !== undefined) return { variables: JSON.parse(rollback.target.variables), missing: [] };
  const given = new Map(variables.map(({ name, value }) => [name!, value!]));
  const resolved = (declaration.variables ?? []).map(({ name, defaultValue }) => ({
    name: name!,
    resolvedValue: given.get(name!) ?? defaultValue,
  }));
  return {
    variables: resolved.filter(({ resolvedValue }) => resolvedValue !== undefined),
    missing: resolved.filter(({ resolvedValue }) => resolvedValue === undefined).map(({ name }) => name),
  };
}

/** The revisions that the sources take: those given, else that of the event whose id started the execution. */
async function pinnedRevisions(tx: Tx, pipeline: Pipeline, start: Start): Promise<sdk.SourceRevisionOverride[]> {
  const given = [...(start.sourceRevisions ?? [])];
  if (start.token === undefined) return given;
  const changes = await tables(tx)
    .selectFrom('codepipeline_source_changes')
    .selectAll()
    .where('event_id', '=', start.token)
    .where('pipeline_id', '=', pipeline.id)
    .execute();
  const pinned = new Set(given.map(({ actionName }) => actionName));
  return [
    ...given,
    ...changes
      .filter(({ action_name }) => !pinned.has(action_name))
      .map(({ action_name, revision_type, revision }) => ({
        actionName: action_name,
        revisionType: revision_type as sdk.SourceRevisionType,
        revisionValue: revision,
      })),
  ];
}

/** A rollback works with what its target worked with. */
async function copyArtifacts(tx: Tx, from: string, to: string): Promise<void> {
  const rows = await tables(tx)
    .selectFrom('codepipeline_artifacts')
    .selectAll()
    .where('execution_id', '=', from)
    .execute();
  if (rows.length === 0) return;
  await tables(tx)
    .insertInto('codepipeline_artifacts')
    .values(rows.map((row) => ({ ...row, execution_id: to })))
    .execute();
}
