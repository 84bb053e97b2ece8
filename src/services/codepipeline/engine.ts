import type { Context, Tx } from '../../kernel/context.ts';
import type { Reconciler } from '../../kernel/service.ts';
import { actionState } from './action-state.ts';
import { applyTransition } from './apply.ts';
import { decide, type ExecutionState, nextDeadline, type PipelineState } from './decide.ts';
import { planOf } from './plan.ts';
import { PIPELINE } from './reconciler-names.ts';
import { findPipelineById, type Pipeline, tables } from './store.ts';
import type { ActionRow, ExecutionRow } from './tables.ts';
import { writeTransition } from './transitions.ts';

/**
 * Takes a pipeline as far as it goes now, within the transaction of whatever changed: a push, an approval, the end of an
 * action. So what follows from a change is durable together with it.
 */
export async function advance(tx: Tx, ctx: Context, pipeline: Pipeline): Promise<void> {
  const plan = planOf(pipeline.declaration);
  const now = ctx.now().getTime();
  let state = await loadState(tx, pipeline);
  for (let open = decide(plan, state, now); open.length > 0; open = decide(plan, state, now)) {
    for (const transition of open) {
      const actionId = ctx.ids.uuid();
      await writeTransition(tx, ctx, pipeline, plan, transition, { actionId, now });
      state = applyTransition(plan, state, transition, { actionId, now });
    }
  }
  const deadline = nextDeadline(state);
  if (deadline !== undefined) await tx.wake(PIPELINE, pipeline.id, new Date(deadline));
}

/** Reads what decides: the unfinished executions, the runs of the stages they are in, the closed stages. */
export async function loadState(tx: Tx, pipeline: Pipeline): Promise<PipelineState> {
  const executions = await tables(tx)
    .selectFrom('codepipeline_executions')
    .selectAll()
    .where('active', '=', 1)
    .where('pipeline_id', '=', pipeline.id)
    .orderBy('sequence')
    .execute();
  const entered = executions.filter((execution) => execution.entered === 1).map(({ id }) => id);
  const actions =
    entered.length === 0
      ? []
      : await tables(tx)
          .selectFrom('codepipeline_action_executions')
          .selectAll()
          .where('execution_id', 'in', entered)
          .where('current', '=', 1)
          .orderBy('sequence')
          .execute();
  const closed = await tables(tx)
    .selectFrom('codepipeline_transitions')
    .select('stage_name')
    .where('pipeline_id', '=', pipeline.id)
    .where('enabled', '=', 0)
    .execute();
  return {
    version: pipeline.version,
    closedStages: new Set(closed.map(({ stage_name }) => stage_name)),
    executions: executions.map((execution) => executionState(execution, actions)),
  };
}

function executionState(row: ExecutionRow, actions: readonly ActionRow[]): ExecutionState {
  const isEntered = row.entered === 1;
  return {
    id: row.id,
    version: row.version,
    stop: (row.stop ?? undefined) as ExecutionState['stop'],
    stageIndex: row.stage_index,
    stageName: row.stage_name,
    lastStageIndex: row.last_stage_index,
    entered: isEntered,
    autoRetried: row.auto_retried === 1,
    actions: isEntered
      ? actions.filter((one) => one.execution_id === row.id && one.stage_name === row.stage_name).map(actionState)
      : [],
  };
}

/** Looks at pipelines when a deadline passes; at start and now and then at all that have something unfinished. */
export const pipelines: Reconciler = {
  name: PIPELINE,
  async reconcile(key, ctx) {
    await ctx.tx(async (tx) => {
      const pipeline = await findPipelineById(tx, key);
      if (pipeline !== undefined) await advance(tx, ctx, pipeline);
    });
    return undefined;
  },
  async scan(ctx) {
    const rows = await tables(ctx)
      .selectFrom('codepipeline_executions')
      .select('pipeline_id')
      .distinct()
      .where('active', '=', 1)
      .execute();
    return rows.map(({ pipeline_id }) => pipeline_id);
  },
};
