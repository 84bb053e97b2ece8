import type { Context } from '../../kernel/context.ts';
import type { Reconciler } from '../../kernel/service.ts';
import { isSelected } from './selection.ts';
import type { RecordedEvent } from './settled-events.ts';
import { LAST_ID, recordedEvent, SETTLE_LAG_MS, settledAfter } from './settled-events.ts';
import { seenTrails } from './store.ts';
import { tables } from './tables.ts';

export const BUS = 'cloudtrail.bus';
const LOOK_AGAIN_MS = 1_000;
const EVENTS_AT_ONCE = 200;

/** The reconciler's key for a bus. */
export function busKey({ account, region }: { account: string; region: string }): string {
  return `${account}/${region}`;
}

/**
 * Puts the calls that trails take onto the event bus of their account and region, as `... via CloudTrail`, each once: the
 * events and the place reached commit together. Reading calls are left out, as on AWS by default.
 * Source: EventBridge User Guide, "AWS service events delivered via AWS CloudTrail".
 */
export const bus: Reconciler = {
  name: BUS,
  async reconcile(key, ctx) {
    const [account, region] = key.split('/') as [string, string];
    const own = ctx.asService('cloudtrail.amazonaws.com', account, region);
    const place = { account, region };
    const now = ctx.now().getTime();
    const trails = (await seenTrails(own, place, true)).filter((trail) => trail.logging === 1);
    if (trails.length === 0) {
      await own.tx((tx) =>
        tables(tx).deleteFrom('cloudtrail_buses').where('account', '=', account).where('region', '=', region).execute(),
      );
      return undefined;
    }
    const rows = await emitNext(own, place, now - SETTLE_LAG_MS, (event) =>
      trails.some((one) => isSelected(one, event)),
    );
    return { againAt: new Date(rows === EVENTS_AT_ONCE ? now : now + LOOK_AGAIN_MS) };
  },
  async scan(ctx) {
    const rows = await tables(ctx).selectFrom('cloudtrail_buses').select(['account', 'region']).execute();
    return rows.map(busKey);
  },
};

/** @returns how many rows were looked at. */
async function emitNext(
  own: Context,
  place: { account: string; region: string },
  last: number,
  isTaken: (event: RecordedEvent) => boolean,
): Promise<number> {
  const row = await tables(own)
    .selectFrom('cloudtrail_buses')
    .selectAll()
    .where('account', '=', place.account)
    .where('region', '=', place.region)
    .executeTakeFirst();
  if (row === undefined || last <= Number(row.cursor_at)) return 0;
  const after = { at: Number(row.cursor_at), id: row.cursor_id };
  const rows = await settledAfter(own, place.account, after, { at: last, id: LAST_ID }, EVENTS_AT_ONCE);
  if (rows.length === 0) return 0;
  const end =
    rows.length < EVENTS_AT_ONCE ? { at: last, id: LAST_ID } : { at: rows.at(-1)!.settled_at, id: rows.at(-1)!.id };
  const events = rows
    .filter(({ region }) => region === place.region)
    .map(recordedEvent)
    .filter((event) => !event.readOnly && isTaken(event));
  await own.tx(async (tx) => {
    for (const event of events) {
      await tx.emit({
        id: event.id,
        source: sourceOf(event.eventSource),
        detailType: detailTypeOf(event),
        resources: [],
        detail: event.record,
        time: new Date(event.at),
      });
    }
    await tables(tx)
      .updateTable('cloudtrail_buses')
      .set({ cursor_at: end.at, cursor_id: end.id })
      .where('account', '=', place.account)
      .where('region', '=', place.region)
      .execute();
  });
  return rows.length;
}

/** `aws.codecommit` of `codecommit.amazonaws.com`. */
function sourceOf(eventSource: string): string {
  return `aws.${eventSource.replace(/\.amazonaws\.com$/, '')}`;
}

function detailTypeOf({ eventType }: RecordedEvent): string {
  if (eventType === 'AwsConsoleSignIn') return 'AWS Console Sign In via CloudTrail';
  return eventType === 'AwsServiceEvent' ? 'AWS Service Event via CloudTrail' : 'AWS API Call via CloudTrail';
}
