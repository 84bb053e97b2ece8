import type { Context, Tx } from '../../kernel/context.ts';
import type { ArtifactLocation } from './artifacts.ts';
import { advance } from './engine.ts';
import { actionStateChange } from './events.ts';
import type { MadeArtifact, Outcome } from './providers/provider.ts';
import { ACTION } from './reconciler-names.ts';
import { findAction, findExecution, findPipelineById, tables } from './store.ts';
import type { ActionRow } from './tables.ts';

const MAX_SUMMARY = 2_048;
const MAX_MESSAGE = 5_000;

/**
 * Writes how far an action is and lets the pipeline go on, in one transaction. A run that ended meanwhile (given up,
 * timed out) stays as it ended; what it left running is cancelled.
 */
export async function settle(
  tx: Tx,
  ctx: Context,
  actionExecutionId: string,
  outcome: Outcome,
  more: Partial<Pick<ActionRow, 'resolved' | 'updated_by'>> = {},
): Promise<void> {
  const row = await findAction(tx, actionExecutionId);
  if (row === undefined) return;
  const isOpen = row.status === 'InProgress';
  const now = ctx.now().getTime();
  const change: Partial<ActionRow> = {
    queued: 0,
    external_id: outcome.externalId ?? row.external_id,
    external_url: outcome.externalUrl ?? row.external_url,
    ...more,
    ...(isOpen ? { ...endOf(outcome), updated_at: now } : {}),
    ...(!isOpen && outcome.status === 'Running' ? { cancelling: 1 } : {}),
  };
  await tables(tx).updateTable('codepipeline_action_executions').set(change).where('id', '=', row.id).execute();
  if (!isOpen) {
    if (outcome.status === 'Running') await tx.wake(ACTION, row.id);
    return;
  }
  if (outcome.status === 'Running') return;
  if (outcome.status === 'Succeeded') await noteArtifacts(tx, row, outcome.artifacts ?? []);
  const pipeline = await findPipelineById(tx, row.pipeline_id);
  const execution = await findExecution(tx, row.pipeline_id, row.execution_id);
  if (pipeline === undefined || execution === undefined) return;
  const state = outcome.status === 'Succeeded' ? 'SUCCEEDED' : 'FAILED';
  await tx.emit(actionStateChange(pipeline, execution, { ...row, ...change }, state));
  await advance(tx, ctx, pipeline);
}

function endOf(outcome: Outcome): Partial<ActionRow> {
  const summary = outcome.summary === undefined ? {} : { summary: outcome.summary.slice(0, MAX_SUMMARY) };
  switch (outcome.status) {
    case 'Running':
      return summary;
    case 'Succeeded':
      return {
        ...summary,
        status: 'Succeeded',
        variables: JSON.stringify(outcome.variables ?? {}),
        revision: outcome.revision === undefined ? null : JSON.stringify(outcome.revision),
      };
    case 'Failed':
      return {
        ...summary,
        status: 'Failed',
        error_code: outcome.code,
        error_message: outcome.message.slice(0, MAX_MESSAGE),
      };
  }
}

/** Notes what the action made; a retry that makes an artifact anew replaces the older one. */
async function noteArtifacts(tx: Tx, row: ActionRow, made: readonly MadeArtifact[]): Promise<void> {
  const places = new Map(
    (JSON.parse(row.outputs) as ArtifactLocation[]).map((place) => [place.name, place.s3location]),
  );
  for (const { name, etag, size, sha256 } of made) {
    const { bucket, key } = places.get(name)!;
    const fields = { bucket, object_key: key, etag, size, sha256: sha256 ?? null };
    await tables(tx)
      .insertInto('codepipeline_artifacts')
      .values({ execution_id: row.execution_id, name, ...fields })
      .onConflict((c) => c.columns(['execution_id', 'name']).doUpdateSet(fields))
      .execute();
  }
}
