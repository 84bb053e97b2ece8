import type { Target } from '@aws-sdk/client-eventbridge';
import type { Context, Tx } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Reconciler } from '../../kernel/service.ts';
import { ruleArn } from './resources.ts';
import { type DeliveryRow, tables } from './store.ts';
import { targetInput } from './target-input.ts';
import { targetKindOf } from './target-kinds.ts';

export const DELIVERY = 'eventbridge.delivery';

/** AWS's defaults where the target has no retry policy: 24 hours, 185 retries. */
const MAX_AGE_S = 24 * 3600;
const MAX_RETRIES = 185;
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 10 * 60_000;
const MAX_ERROR_CHARS = 2_000;
/** How long failures stay to be looked at. */
const KEEP_FAILED_MS = 7 * 24 * 3600_000;

/** Hands one event to one target: again with growing delays while that may help, until the retry policy ends it. */
export const delivery: Reconciler = {
  name: DELIVERY,
  async reconcile(key, ctx) {
    const row = await tables(ctx)
      .selectFrom('eventbridge_deliveries')
      .selectAll()
      .where('id', '=', key)
      .where('status', '=', 'WAITING')
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const own = ctx.asService('events.amazonaws.com', row.account, row.region);
    try {
      await deliver(row, own);
    } catch (error) {
      return await noteFailure(row, own, error);
    }
    // A delivery of a state that an event has outdated meanwhile stays: its wake-up is there already.
    const done = (tx: Tx) => tables(tx).deleteFrom('eventbridge_deliveries').where('id', '=', key);
    await ctx.tx((tx) => done(tx).where('event', '=', row.event).execute());
    return undefined;
  },
  async scan(ctx) {
    const rows = await tables(ctx)
      .selectFrom('eventbridge_deliveries')
      .select('id')
      .where('status', '=', 'WAITING')
      .execute();
    return rows.map(({ id }) => id);
  },
};

async function deliver(row: DeliveryRow, ctx: Context): Promise<void> {
  const target = JSON.parse(row.target) as Target;
  const event = JSON.parse(row.event) as Record<string, unknown>;
  const arn = ruleArn(row, row.rule_name);
  const ingestionTime = new Date(row.ingested_at).toISOString().replace(/\.\d{3}Z$/, 'Z');
  await targetKindOf(target.Arn!)!.invoke(
    {
      target,
      input: targetInput(target, event, { ruleArn: arn, ruleName: row.rule_name, ingestionTime }),
      eventId: String(event['id']),
      subject: row.id.split('/')[0]!,
      eventTime: Date.parse(String(event['time'])),
      ruleArn: arn,
      ruleName: row.rule_name,
    },
    ctx,
  );
}

/**
 * Decides whether to try again. What the target refuses (no permission, no such pipeline) it will refuse again, so that
 * failure is final, as in AWS; it is kept in the table, in the log and in the audit trail.
 */
async function noteFailure(row: DeliveryRow, ctx: Context, error: unknown): Promise<{ againAt: Date } | undefined> {
  const { RetryPolicy: policy } = JSON.parse(row.target) as Target;
  const attempts = row.attempts + 1;
  const now = ctx.now().getTime();
  const delay = Math.min(FIRST_DELAY_MS * 2 ** Math.min(attempts, 20), MAX_DELAY_MS);
  const isLate = now + delay > row.ingested_at + (policy?.MaximumEventAgeInSeconds ?? MAX_AGE_S) * 1000;
  const isSpent = attempts > (policy?.MaximumRetryAttempts ?? MAX_RETRIES);
  const final = !isWorthRetrying(error) || isLate || isSpent;
  const text = String(error instanceof Error ? `${error.name}: ${error.message}` : error).slice(0, MAX_ERROR_CHARS);
  await ctx.tx(async (tx) => {
    const change = { attempts, status: final ? 'FAILED' : 'WAITING', error: text };
    const deliveries = tables(tx).updateTable('eventbridge_deliveries').set(change).where('id', '=', row.id);
    // Of what an event has outdated meanwhile, the next delivery tells.
    await deliveries.where('event', '=', row.event).execute();
    if (!final) return;
    await tables(tx)
      .deleteFrom('eventbridge_deliveries')
      .where('status', '=', 'FAILED')
      .where('ingested_at', '<', now - KEEP_FAILED_MS)
      .execute();
  });
  if (!final) return { againAt: new Date(now + delay) };
  ctx.log.warn({ rule: row.rule_name, delivery: row.id, attempts, error: text }, 'an event did not reach its target');
  recordFailure(row, ctx, error);
  return undefined;
}

/** Faults that the target's side is to blame for pass; the others are as they are. */
function isWorthRetrying(error: unknown): boolean {
  if (!(error instanceof Fault)) return true;
  return error.status >= 500 || RETRIED.has(error.name);
}

const RETRIED = new Set([
  ...['ThrottlingException', 'ServiceUnavailable', 'InternalFailure', 'ConflictException'],
  'ConcurrentPipelineExecutionsLimitExceededException',
]);

function recordFailure(row: DeliveryRow, ctx: Context, error: unknown): void {
  const target = JSON.parse(row.target) as Target;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  ctx.record({
    eventSource: 'events.amazonaws.com',
    eventName: 'InvokeTarget',
    readOnly: false,
    resources: [ruleArn(row, row.rule_name), target.Arn!],
    requestParameters: {
      rule: row.rule_name,
      targetId: target.Id,
      eventId: (JSON.parse(row.event) as { id: string }).id,
    },
    errorCode: name,
    errorMessage: message,
  });
}
