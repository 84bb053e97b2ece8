import type { Context, Tx } from '../../kernel/context.ts';
import { actionState } from './action-state.ts';
import { artifactLocation } from './artifacts.ts';
import type { FinalStatus, Transition } from './decide.ts';
import { keptByRetry } from './decide.ts';
import { actionStateChange, type EventState, pipelineStateChange, stageStateChange } from './events.ts';
import type { Plan } from './plan.ts';
import { ACTION } from './reconciler-names.ts';
import { findAction, findExecution, type Pipeline, tables } from './store.ts';
import type { ActionRow, ExecutionRow } from './tables.ts';

/** When a transition happens and the id that a started action gets. */
interface Moment {
  readonly actionId: string;
  readonly now: number;
}

interface Writing extends Moment {
  readonly tx: Tx;
  readonly ctx: Context;
  readonly pipeline: Pipeline;
  readonly plan: Plan;
  readonly execution: ExecutionRow;
}

/** Writes one transition into the tables and its event into the outbox. */
export async function writeTransition(
  tx: Tx,
  ctx: Context,
  pipeline: Pipeline,
  plan: Plan,
  transition: Transition,
  moment: Moment,
): Promise<void> {
  const execution = await findExecution(tx, pipeline.id, transition.executionId);
  if (execution === undefined) throw new Error(`no execution ${transition.executionId}`);
  const writing: Writing = { tx, ctx, pipeline, plan, execution, ...moment };
  switch (transition.type) {
    case 'enterStage':
      return enterStage(writing);
    case 'startAction':
      return startAction(writing, transition.stageIndex, transition.actionIndex);
    case 'timeOutAction':
      return endAction(
        writing,
        transition.actionId,
        'Failed',
        'The action failed because it took longer than its timeout',
      );
    case 'abandonAction':
      return endAction(writing, transition.actionId, 'Abandoned', undefined);
    case 'retryStage':
      await dropForRetry(tx, execution, transition.mode);
      return noteRetry(writing, 'auto');
    case 'leaveStage':
      return leaveStage(writing, transition.stageIndex);
    case 'finish':
      return finish(writing, transition.status, transition.stageIndex);
  }
}

/** The next number of the pipeline, which orders executions, entries and starts. */
export async function nextNumber(tx: Tx, pipelineId: string): Promise<number> {
  const { counter } = await tables(tx)
    .updateTable('codepipeline_pipelines')
    .set((e) => ({ counter: e('counter', '+', 1) }))
    .where('id', '=', pipelineId)
    .returning('counter')
    .executeTakeFirstOrThrow();
  return Number(counter);
}

async function setExecution({ tx, execution, now }: Writing, change: Partial<ExecutionRow>): Promise<void> {
  await tables(tx)
    .updateTable('codepipeline_executions')
    .set({ ...change, updated_at: now })
    .where('id', '=', execution.id)
    .execute();
}

async function setStage({ tx, execution, now }: Writing, status: string): Promise<void> {
  await tables(tx)
    .updateTable('codepipeline_stage_executions')
    .set({ status, updated_at: now })
    .where('execution_id', '=', execution.id)
    .where('stage_name', '=', execution.stage_name)
    .execute();
}

async function enterStage(writing: Writing): Promise<void> {
  const { tx, pipeline, execution, now } = writing;
  await setExecution(writing, { entered: 1 });
  await tables(tx)
    .insertInto('codepipeline_stage_executions')
    .values({
      execution_id: execution.id,
      stage_name: execution.stage_name,
      pipeline_id: pipeline.id,
      stage_index: execution.stage_index,
      status: 'InProgress',
      entry: await nextNumber(tx, pipeline.id),
      auto_retries: 0,
      manual_retries: 0,
      last_retry: null,
      started_at: now,
      updated_at: now,
    })
    .execute();
  await tx.emit(stageStateChange(pipeline, execution, execution.stage_name, 'STARTED'));
}

async function startAction(writing: Writing, stageIndex: number, actionIndex: number): Promise<void> {
  const { tx, ctx, pipeline, plan, execution, actionId, now } = writing;
  const stage = pipeline.declaration.stages![stageIndex]!;
  const action = stage.actions![actionIndex]!;
  const isApproval = action.actionTypeId!.category === 'Approval';
  const inputs = await inputArtifacts(
    tx,
    execution.id,
    (action.inputArtifacts ?? []).map(({ name }) => name!),
  );
  const outputs = (action.outputArtifacts ?? []).map(({ name }) => artifactLocation(pipeline, name!, ctx.ids));
  const row: ActionRow = {
    id: actionId,
    account: pipeline.account,
    region: pipeline.region,
    pipeline_id: pipeline.id,
    pipeline_name: pipeline.name,
    execution_id: execution.id,
    version: execution.version,
    stage_name: stage.name!,
    stage_index: stageIndex,
    action_name: action.name!,
    category: action.actionTypeId!.category!,
    provider: action.actionTypeId!.provider!,
    status: 'InProgress',
    current: 1,
    queued: 1,
    cancelling: 0,
    attempts: 0,
    sequence: await nextNumber(tx, pipeline.id),
    deadline: now + plan.stages[stageIndex]!.actions[actionIndex]!.timeoutMs,
    token: isApproval ? ctx.ids.uuid() : null,
    updated_by: null,
    pipeline_role_arn: pipeline.declaration.roleArn!,
    declaration: JSON.stringify(action),
    resolved: null,
    inputs: JSON.stringify(inputs),
    outputs: JSON.stringify(outputs),
    variables: null,
    revision: null,
    external_id: null,
    external_url: null,
    summary: null,
    error_code: null,
    error_message: null,
    started_at: now,
    updated_at: now,
  };
  await tables(tx).insertInto('codepipeline_action_executions').values(row).execute();
  await tx.wake(ACTION, row.id);
  await tx.emit(actionStateChange(pipeline, execution, row, 'STARTED'));
}

/** Where the named artifacts of an execution lie; one that is missing shows when its consumer starts. */
async function inputArtifacts(tx: Tx, executionId: string, names: readonly string[]) {
  if (names.length === 0) return [];
  const rows = await tables(tx)
    .selectFrom('codepipeline_artifacts')
    .selectAll()
    .where('execution_id', '=', executionId)
    .where('name', 'in', [...names])
    .execute();
  return names.flatMap((name) => {
    const row = rows.find((one) => one.name === name);
    return row === undefined ? [] : [{ name, s3location: { bucket: row.bucket, key: row.object_key } }];
  });
}

/** Ends a run from outside: its provider is told afterwards that nobody waits any more. */
async function endAction(
  { tx, pipeline, execution, now }: Writing,
  actionId: string,
  status: 'Failed' | 'Abandoned',
  message: string | undefined,
): Promise<void> {
  const failure = message === undefined ? {} : { error_code: 'JobFailed', error_message: message };
  await tables(tx)
    .updateTable('codepipeline_action_executions')
    .set({ status, queued: 0, cancelling: 1, updated_at: now, ...failure })
    .where('id', '=', actionId)
    .execute();
  await tx.wake(ACTION, actionId);
  const row = await findAction(tx, actionId);
  await tx.emit(actionStateChange(pipeline, execution, row!, status === 'Failed' ? 'FAILED' : 'ABANDONED'));
}

/** Takes the runs that a retry does not keep out of the stage; they stay in the history. */
export async function dropForRetry(
  tx: Tx,
  execution: ExecutionRow,
  mode: Parameters<typeof keptByRetry>[1],
): Promise<void> {
  const runs = await tables(tx)
    .selectFrom('codepipeline_action_executions')
    .selectAll()
    .where('execution_id', '=', execution.id)
    .where('stage_name', '=', execution.stage_name)
    .where('current', '=', 1)
    .execute();
  const kept = new Set(keptByRetry(runs.map(actionState), mode).map(({ id }) => id));
  const dropped = runs.filter(({ id }) => !kept.has(id)).map(({ id }) => id);
  if (dropped.length === 0) return;
  await tables(tx)
    .updateTable('codepipeline_action_executions')
    .set({ current: 0 })
    .where('id', 'in', dropped)
    .execute();
}

/** Notes that the stage is tried again. */
async function noteRetry(writing: Writing, kind: 'auto'): Promise<void> {
  const { tx, pipeline, execution, now } = writing;
  await setExecution(writing, { auto_retried: kind === 'auto' ? 1 : 0 });
  await tables(tx)
    .updateTable('codepipeline_stage_executions')
    .set((e) => ({
      status: 'InProgress',
      auto_retries: e('auto_retries', '+', 1),
      last_retry: 'AutomatedStageRetry',
      updated_at: now,
    }))
    .where('execution_id', '=', execution.id)
    .where('stage_name', '=', execution.stage_name)
    .execute();
  await tx.emit(stageStateChange(pipeline, execution, execution.stage_name, 'RESUMED'));
}

async function leaveStage(writing: Writing, stageIndex: number): Promise<void> {
  const { tx, pipeline, plan, execution } = writing;
  await setStage(writing, 'Succeeded');
  await tx.emit(stageStateChange(pipeline, execution, execution.stage_name, 'SUCCEEDED'));
  const next = plan.stages[stageIndex + 1]!.name;
  await setExecution(writing, { stage_index: stageIndex + 1, stage_name: next, entered: 0, auto_retried: 0 });
}

const STATES: Record<FinalStatus, EventState> = {
  Succeeded: 'SUCCEEDED',
  Failed: 'FAILED',
  Stopped: 'STOPPED',
  Cancelled: 'CANCELED',
  Superseded: 'SUPERSEDED',
};

async function finish(writing: Writing, status: FinalStatus, stageIndex: number | undefined): Promise<void> {
  const { tx, pipeline, execution } = writing;
  if (stageIndex !== undefined) {
    await setStage(writing, status);
    await tx.emit(stageStateChange(pipeline, execution, execution.stage_name, STATES[status]));
  }
  await setExecution(writing, { status, active: 0 });
  await tx.emit(pipelineStateChange(pipeline, execution, STATES[status]));
}
