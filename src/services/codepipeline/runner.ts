import type { ActionDeclaration } from '@aws-sdk/client-codepipeline';
import type { Context } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Reconciler } from '../../kernel/service.ts';
import { actionRole, JobRefused, prepareJob } from './job.ts';
import { settle } from './outcome.ts';
import type { FailureCode, Outcome, Provider } from './providers/provider.ts';
import { providerOf } from './providers/registry.ts';
import { ACTION } from './reconciler-names.ts';
import { findAction, findPipelineById, tables } from './store.ts';
import type { ActionRow } from './tables.ts';
import { UnresolvedVariables } from './variables.ts';

/** Work elsewhere tells by events that it moved; this look is for the event that somebody forgot to send. */
const LOOK_AGAIN_MS = 5 * 60_000;
/** After so many errors that are nobody's fault the action fails instead of waiting for its timeout. */
const MAX_ATTEMPTS = 5;

/** Does what an action execution needs done: start, look, cancel. Idempotent, so a crash costs nothing but a repetition. */
export const actions: Reconciler = {
  name: ACTION,
  async reconcile(key, ctx) {
    const row = await findAction(ctx, key);
    if (row === undefined) return undefined;
    const provider = providerOf(row.category, row.provider);
    if (row.cancelling === 1) return cancel(ctx, row, provider);
    if (row.status !== 'InProgress') return undefined;
    return work(ctx, row, provider);
  },
  async scan(ctx) {
    const rows = await tables(ctx)
      .selectFrom('codepipeline_action_executions')
      .select('id')
      .where((e) => e.or([e('queued', '=', 1), e('cancelling', '=', 1)]))
      .execute();
    const running = await tables(ctx)
      .selectFrom('codepipeline_executions')
      .innerJoin(
        'codepipeline_action_executions',
        'codepipeline_action_executions.execution_id',
        'codepipeline_executions.id',
      )
      .select('codepipeline_action_executions.id')
      .where('codepipeline_executions.active', '=', 1)
      .where('codepipeline_action_executions.status', '=', 'InProgress')
      .where('codepipeline_action_executions.category', '!=', 'Approval')
      .execute();
    return [...new Set([...rows, ...running].map(({ id }) => id))];
  },
};

async function work(ctx: Context, row: ActionRow, provider: Provider): Promise<{ againAt: Date } | undefined> {
  if (row.queued === 0 && provider.observe === undefined) return undefined;
  let more: { resolved?: string } = {};
  let outcome: Outcome;
  try {
    const job = await prepareJob(ctx, row);
    more = { resolved: JSON.stringify(job.configuration) };
    outcome = row.queued === 1 ? await provider.start(job) : await provider.observe!(job);
    if (row.queued === 1 && outcome.status === 'Running' && provider.observe !== undefined) {
      // The id must be known before the end can be told; an end that came earlier shows by looking once.
      const started = outcome;
      await ctx.tx((tx) => settle(tx, ctx, row.id, started, more));
      outcome = await provider.observe({ ...job, externalId: started.externalId });
    }
  } catch (error) {
    outcome = await failureOf(ctx, row, error);
  }
  await ctx.tx((tx) => settle(tx, ctx, row.id, outcome, more));
  return outcome.status === 'Running' && provider.observe !== undefined
    ? { againAt: new Date(ctx.now().getTime() + LOOK_AGAIN_MS) }
    : undefined;
}

/** A fault of a call is the action's failure, in the fault's words; anything else is tried again a few times. */
async function failureOf(ctx: Context, row: ActionRow, error: unknown): Promise<Outcome> {
  if (error instanceof Fault) return { status: 'Failed', code: codeOf(error), message: error.message };
  if (error instanceof UnresolvedVariables || error instanceof JobRefused) {
    return { status: 'Failed', code: 'ConfigurationError', message: error.message };
  }
  if (row.attempts + 1 >= MAX_ATTEMPTS) {
    ctx.log.error({ err: error, action: row.id }, 'an action fails after repeated internal errors');
    return { status: 'Failed', code: 'SystemUnavailable', message: 'The action failed because of an internal error' };
  }
  await ctx.tx((tx) =>
    tables(tx)
      .updateTable('codepipeline_action_executions')
      .set({ attempts: row.attempts + 1 })
      .where('id', '=', row.id)
      .execute(),
  );
  throw error;
}

function codeOf({ name }: Fault): FailureCode {
  if (/AccessDenied|NotAuthorized/i.test(name)) return 'PermissionError';
  return /NotFound|NoSuch|DoesNotExist|Invalid|Validation|Required/i.test(name) ? 'ConfigurationError' : 'JobFailed';
}

/** Tells the provider that nobody waits; a role that may not cancel is no reason to try for ever. */
async function cancel(ctx: Context, row: ActionRow, provider: Provider): Promise<undefined> {
  if (provider.cancel !== undefined && row.external_id !== null) {
    try {
      const role = await actionRole(ctx, row, JSON.parse(row.declaration) as ActionDeclaration);
      await provider.cancel({ id: row.id, externalId: row.external_id, role });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      ctx.log.warn({ action: row.id, error: `${error.name}: ${error.message}` }, 'abandoned work could not be stopped');
    }
  }
  await ctx.tx(async (tx) => {
    const isOrphan = (await findPipelineById(tx, row.pipeline_id)) === undefined;
    const table = 'codepipeline_action_executions';
    if (isOrphan) await tables(tx).deleteFrom(table).where('id', '=', row.id).execute();
    else await tables(tx).updateTable(table).set({ cancelling: 0 }).where('id', '=', row.id).execute();
  });
  return undefined;
}
