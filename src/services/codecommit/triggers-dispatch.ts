import type { Context, Tx } from '../../kernel/context.ts';
import type { Reconciler } from '../../kernel/service.ts';
import type { MovedRef } from './events.ts';
import { repositoryArn } from './resources.ts';
import { BRANCHES, TAGS } from './store.ts';
import type { RepositoryRow } from './tables.ts';
import { type TriggerDispatchRow, triggerTables } from './trigger-tables.ts';
import { sendToDestination, type TriggerReference, triggerMessages } from './triggers-messages.ts';
import type { StoredTrigger } from './triggers-rules.ts';

const DISPATCH = 'codecommit.trigger';
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 10 * 60_000;
/** How long it is tried: a destination's policy, or the destination, may come later. AWS does not say. */
const MAX_AGE_MS = 24 * 3600_000;
/** How long failures stay to be looked at. */
const KEEP_FAILED_MS = 7 * 24 * 3600_000;
const MAX_ERROR_CHARACTERS = 2_000;
/** What AWS shows as the commit of a reference that is gone. */
const NO_COMMIT = '0'.repeat(40);

/** Writes what the repository's triggers have to tell of the moved references, in the transaction that moves them. */
export async function writeDispatches(
  tx: Tx,
  ctx: Context,
  repository: RepositoryRow,
  moved: readonly MovedRef[],
): Promise<void> {
  if (moved.length === 0) return;
  const set = await triggerTables(tx)
    .selectFrom('codecommit_trigger_sets')
    .selectAll()
    .where('repository_id', '=', repository.id)
    .executeTakeFirst();
  if (set === undefined) return;
  for (const trigger of JSON.parse(set.triggers) as StoredTrigger[]) {
    const references = moved.filter((ref) => isMeant(trigger, ref)).map(referenceOf);
    const [eventId, at] = [ctx.ids.uuid(), ctx.now()];
    const messages = triggerMessages({
      ...{ repository, trigger, at, eventId, references },
      caller: ctx.caller,
      configurationId: set.configuration_id,
      eventName: 'ReferenceChanges',
    });
    for (const [part, message] of messages.entries()) {
      const id = `${eventId}/${part + 1}`;
      await triggerTables(tx)
        .insertInto('codecommit_trigger_dispatches')
        .values({
          id,
          account: repository.account,
          region: repository.region,
          repository_name: repository.name,
          trigger_name: trigger.name,
          destination_arn: trigger.destinationArn,
          message,
          created_at: at.getTime(),
          attempts: 0,
          status: 'WAITING',
          error: null,
        })
        .execute();
      await tx.wake(DISPATCH, id);
    }
  }
}

/** Whether a trigger is for that change: of branches and tags, and of the named branches alone where some are named. */
function isMeant({ events, branches }: StoredTrigger, { name, before, after }: MovedRef): boolean {
  if (!name.startsWith(BRANCHES) && !name.startsWith(TAGS)) return false;
  const event = after === null ? 'deleteReference' : before === null ? 'createReference' : 'updateReference';
  if (!events.includes('all') && !events.includes(event)) return false;
  return branches.length === 0 || (name.startsWith(BRANCHES) && branches.includes(name.slice(BRANCHES.length)));
}

function referenceOf({ name, before, after }: MovedRef): TriggerReference {
  return {
    commit: after ?? NO_COMMIT,
    ...(before === null ? { created: true } : {}),
    ...(after === null ? { deleted: true } : {}),
    ref: name,
  };
}

/** Hands messages of triggers over, again with growing delays for a day. */
export const triggerDispatch: Reconciler = {
  name: DISPATCH,
  async reconcile(id, ctx) {
    const row = await triggerTables(ctx)
      .selectFrom('codecommit_trigger_dispatches')
      .selectAll()
      .where('id', '=', id)
      .where('status', '=', 'WAITING')
      .executeTakeFirst();
    if (row === undefined) return undefined;
    try {
      await sendToDestination(ctx, row);
    } catch (error) {
      return await noteFailure(ctx, row, error);
    }
    await ctx.tx((tx) => triggerTables(tx).deleteFrom('codecommit_trigger_dispatches').where('id', '=', id).execute());
    return undefined;
  },
  async scan(ctx) {
    const waiting = triggerTables(ctx).selectFrom('codecommit_trigger_dispatches').select('id');
    return (await waiting.where('status', '=', 'WAITING').execute()).map(({ id }) => id);
  },
};

/** The row keeps the latest reason; the log and the audit trail have the first failure and the end of all attempts. */
async function noteFailure(
  ctx: Context,
  row: TriggerDispatchRow,
  error: unknown,
): Promise<{ againAt: Date } | undefined> {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  const text = `${name}: ${message}`.slice(0, MAX_ERROR_CHARACTERS);
  const attempts = row.attempts + 1;
  const now = ctx.now().getTime();
  const delay = Math.min(FIRST_DELAY_MS * 2 ** Math.min(attempts, 20), MAX_DELAY_MS);
  const isFinal = now + delay > Number(row.created_at) + MAX_AGE_MS;
  const isFirst = row.attempts === 0;
  const own = ctx.asService('codecommit.amazonaws.com', row.account, row.region);
  await own.tx(async (tx) => {
    const change = { attempts, status: isFinal ? 'FAILED' : 'WAITING', error: text };
    const dispatches = triggerTables(tx);
    await dispatches.updateTable('codecommit_trigger_dispatches').set(change).where('id', '=', row.id).execute();
    if (isFirst || isFinal) await tx.record(recordOf(row, attempts, name, message));
    if (!isFinal) return;
    await dispatches
      .deleteFrom('codecommit_trigger_dispatches')
      .where('status', '=', 'FAILED')
      .where('created_at', '<', now - KEEP_FAILED_MS)
      .execute();
  });
  if (isFirst || isFinal) {
    const { repository_name: repository, trigger_name: trigger, destination_arn: destination } = row;
    const what = isFinal ? 'a trigger did not reach its destination' : 'a trigger failed; trying again';
    ctx.log.warn({ repository, trigger, destination, attempts, error: text }, what);
  }
  return isFinal ? undefined : { againAt: new Date(now + delay) };
}

function recordOf(row: TriggerDispatchRow, attempts: number, errorCode: string, errorMessage: string) {
  return {
    eventSource: 'codecommit.amazonaws.com',
    eventName: 'InvokeRepositoryTrigger',
    eventType: 'AwsServiceEvent',
    readOnly: false,
    resources: [repositoryArn(row, row.repository_name), row.destination_arn],
    requestParameters: {
      repositoryName: row.repository_name,
      triggerName: row.trigger_name,
      eventId: row.id,
      attempts,
    },
    errorCode,
    errorMessage,
  };
}
