import type * as sdk from '@aws-sdk/client-cloudtrail';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { BUS, busKey } from './bus.ts';
import { DELIVERY } from './delivery.ts';
import { LAST_ID } from './settled-events.ts';
import { prepareKey } from './signing-keys.ts';
import { resourceOf, trailAtHome, trailByName, updateTrail } from './store.ts';
import { tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** From now on the trail takes events: those that end later than this call. */
export const StartLogging: Op<'StartLogging'> = {
  resource: (input, ctx) => resourceOf(input.Name, ctx),
  async handle({ Name: name }, ctx) {
    await ctx.flushAudit();
    await prepareKey(ctx, await trailAtHome(ctx, ctx, name!));
    const now = ctx.now().getTime();
    await ctx.tx(async (tx) => {
      const trail = await trailAtHome(tx, ctx, name!);
      if (trail.logging === 1) return;
      // What a trail that was stopped a moment ago still has to deliver comes first.
      const isBehind = trail.stopped_at !== null && trail.cursor_at < trail.stopped_at;
      await updateTrail(tx, trail.arn, {
        logging: 1,
        started_at: now,
        ...(isBehind ? {} : { cursor_at: now, cursor_id: LAST_ID }),
        next_digest_at: null,
      });
      await tx.wake(DELIVERY, trail.arn);
      const bus = { account: ctx.account, region: ctx.region, cursor_at: now, cursor_id: LAST_ID };
      await tables(tx)
        .insertInto('cloudtrail_buses')
        .values(bus)
        .onConflict((c) => c.columns(['account', 'region']).doNothing())
        .execute();
      await tx.wake(BUS, busKey(bus));
    });
    return {};
  },
};

/** The trail takes nothing more; what it has taken is delivered at once. */
export const StopLogging: Op<'StopLogging'> = {
  resource: (input, ctx) => resourceOf(input.Name, ctx),
  async handle({ Name: name }, ctx) {
    await ctx.flushAudit();
    await ctx.tx(async (tx) => {
      const trail = await trailAtHome(tx, ctx, name!);
      if (trail.logging === 0) return;
      await updateTrail(tx, trail.arn, { logging: 0, stopped_at: ctx.now().getTime() });
      await tx.wake(DELIVERY, trail.arn);
    });
    return {};
  },
};

export const GetTrailStatus: Op<'GetTrailStatus'> = {
  resource: (input, ctx) => resourceOf(input.Name, ctx),
  async handle({ Name: name }, ctx) {
    const trail = await trailByName(ctx, ctx, name!);
    const date = (at: number | null) => (at === null ? undefined : new Date(at));
    const text = (at: number | null) => (at === null ? '' : new Date(at).toISOString().replace(/\.\d{3}Z$/, 'Z'));
    return {
      IsLogging: trail.logging === 1,
      LatestDeliveryTime: date(trail.delivered_at),
      LatestDeliveryError: trail.delivery_error ?? undefined,
      StartLoggingTime: date(trail.started_at),
      StopLoggingTime: date(trail.stopped_at),
      LatestCloudWatchLogsDeliveryTime: date(trail.logs_delivered_at),
      LatestCloudWatchLogsDeliveryError: trail.logs_error ?? undefined,
      LatestDigestDeliveryTime: date(trail.digested_at),
      LatestDigestDeliveryError: trail.digest_error ?? undefined,
      TimeLoggingStarted: text(trail.started_at),
      TimeLoggingStopped: text(trail.stopped_at),
      LatestDeliveryAttemptTime: text(trail.delivered_at),
      LatestDeliveryAttemptSucceeded: text(trail.delivered_at),
    };
  },
};
