import type { Tx } from '../../kernel/context.ts';
import { ACTION } from './reconciler-names.ts';
import { type Pipeline, tables } from './store.ts';

/** Removes a pipeline's rows. Those of running actions stay until their providers were told to stop. */
export async function deleteEverything(tx: Tx, { id }: Pipeline): Promise<void> {
  const running = await tables(tx)
    .updateTable('codepipeline_action_executions')
    .set({ status: 'Abandoned', queued: 0, cancelling: 1 })
    .where('pipeline_id', '=', id)
    .where('status', '=', 'InProgress')
    .returning('id')
    .execute();
  for (const action of running) await tx.wake(ACTION, action.id);
  await tables(tx)
    .deleteFrom('codepipeline_action_executions')
    .where('pipeline_id', '=', id)
    .where('cancelling', '=', 0)
    .execute();
  await tables(tx)
    .deleteFrom('codepipeline_artifacts')
    .where('execution_id', 'in', (e) =>
      e.selectFrom('codepipeline_executions').select('id').where('pipeline_id', '=', id),
    )
    .execute();
  for (const table of [
    'codepipeline_stage_executions',
    'codepipeline_executions',
    'codepipeline_transitions',
    'codepipeline_source_changes',
    'codepipeline_sources',
    'codepipeline_definitions',
  ] as const) {
    await tables(tx).deleteFrom(table).where('pipeline_id', '=', id).execute();
  }
  await tables(tx).deleteFrom('codepipeline_pipelines').where('id', '=', id).execute();
}
