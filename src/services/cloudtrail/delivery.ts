import type * as logsSdk from '@aws-sdk/client-cloudwatch-logs';
import type { Context } from '../../kernel/context.ts';
import { isFault } from '../../kernel/fault.ts';
import type { Reconciler } from '../../kernel/service.ts';
import { accountFolder, asLogsRole, asTrail, logGroupOf, logStreamOf, openLogStream } from './destinations.ts';
import { digestIfDue } from './digests.ts';
import { dayFolder, gzip, putFile, sha256, stamp } from './files.ts';
import { isSelected } from './selection.ts';
import {
  LAST_ID,
  type Place,
  type RecordedEvent,
  recordedEvent,
  SETTLE_LAG_MS,
  settledAfter,
} from './settled-events.ts';
import { updateTrail } from './store.ts';
import { type LogFileRow, type TrailRow, tables } from './tables.ts';

export const DELIVERY = 'cloudtrail.delivery';
/** AWS delivers about every five minutes. */
const DELIVER_EVERY_MS = 60_000;
const EVENTS_A_FILE = 10_000;
/** Of services that are not regional: a trail of one region takes them too, or not at all. */
const GLOBAL_SOURCES = ['iam.amazonaws.com', 'sts.amazonaws.com', 'signin.amazonaws.com'];
const GLOBAL_REGION = 'us-east-1';
const LOG_BATCH_BYTES = 900_000;
const LOG_BATCH_EVENTS = 1_000;
const MAX_LOG_MESSAGE_BYTES = 256_000;

/**
 * Delivers what a trail has taken: a file a region, every minute, and a digest every hour. A batch's end is written down
 * before its files are made, and files have names that follow from it: after a crash the same files are made again.
 */
export const delivery: Reconciler = {
  name: DELIVERY,
  async reconcile(arn, ctx) {
    for (;;) {
      const trail = await findTrail(ctx, arn);
      if (trail === undefined) return undefined;
      const now = ctx.now().getTime();
      const last = trail.logging === 1 ? now - SETTLE_LAG_MS : Math.min(now - SETTLE_LAG_MS, trail.stopped_at ?? 0);
      const batch = await nextBatch(ctx, trail, last);
      if (batch.rows.length > 0) {
        const problem = await deliver(ctx, trail, batch);
        if (problem !== undefined) return { againAt: new Date(now + DELIVER_EVERY_MS) };
        if (batch.isFull) continue;
      } else if (last > trail.cursor_at) await moveOn(ctx, trail, { at: last, id: LAST_ID });
      const isOver = trail.logging === 0 && last >= (trail.stopped_at ?? 0);
      if ((await digestIfDue(ctx, (await findTrail(ctx, arn)) ?? trail, { isOver })) === 'failed') {
        return { againAt: new Date(now + DELIVER_EVERY_MS) };
      }
      if (isOver) return undefined;
      return {
        againAt: new Date(trail.logging === 1 ? now + DELIVER_EVERY_MS : (trail.stopped_at ?? now) + SETTLE_LAG_MS),
      };
    }
  },
  async scan(ctx) {
    const rows = await tables(ctx).selectFrom('cloudtrail_trails').select('arn').where('logging', '=', 1).execute();
    return rows.map(({ arn }) => arn);
  },
};

function findTrail(ctx: Context, arn: string): Promise<TrailRow | undefined> {
  return tables(ctx).selectFrom('cloudtrail_trails').selectAll().where('arn', '=', arn).executeTakeFirst();
}

interface Batch {
  rows: Awaited<ReturnType<typeof settledAfter>>;
  /** There may be more behind it. */
  isFull: boolean;
  end: Place;
}

/** The batch that was begun, or the next one, whose end is then written down. */
async function nextBatch(ctx: Context, trail: TrailRow, last: number): Promise<Batch> {
  const cursor = { at: Number(trail.cursor_at), id: trail.cursor_id };
  const planned = trail.end_at === null ? undefined : { at: Number(trail.end_at), id: trail.end_id! };
  const until = planned ?? { at: last, id: LAST_ID };
  const rows = await settledAfter(ctx, trail.account, cursor, until, EVENTS_A_FILE);
  const end = planned ?? placeOf(rows.at(-1), until);
  if (planned === undefined && rows.length > 0) {
    await ctx.tx((tx) => updateTrail(tx, trail.arn, { end_at: end.at, end_id: end.id }));
  }
  return { rows, isFull: rows.length === EVENTS_A_FILE, end };
}

function placeOf(row: Batch['rows'][number] | undefined, otherwise: Place): Place {
  return row === undefined ? otherwise : { at: row.settled_at, id: row.id };
}

async function moveOn(ctx: Context, trail: TrailRow, to: Place): Promise<void> {
  await ctx.tx((tx) => updateTrail(tx, trail.arn, { cursor_at: to.at, cursor_id: to.id, end_at: null, end_id: null }));
}

/** Puts the batch's files where they belong, then moves the cursor. @returns why it could not, which the trail's status shows. */
async function deliver(ctx: Context, trail: TrailRow, batch: Batch): Promise<string | undefined> {
  const taken = batch.rows.map(recordedEvent).filter((event) => isTaken(trail, event));
  const files: LogFileRow[] = [];
  const changes: Partial<TrailRow> = {};
  try {
    for (const [region, events] of Map.groupBy(taken, (event) => event.region)) {
      files.push(await putLogFile(ctx, trail, region, events, batch.end));
    }
  } catch (error) {
    // The bucket is somebody else's to mend: the trail says what is wrong, and it is tried again.
    if (!isFault(error)) throw error;
    await ctx.tx((tx) => updateTrail(tx, trail.arn, { delivery_error: error.name }));
    return error.name;
  }
  if (taken.length > 0) {
    Object.assign(
      changes,
      { delivered_at: ctx.now().getTime(), delivery_error: null },
      await sendToLogs(ctx, trail, taken),
    );
  }
  const { at, id } = batch.end;
  await ctx.tx(async (tx) => {
    await updateTrail(tx, trail.arn, { ...changes, cursor_at: at, cursor_id: id, end_at: null, end_id: null });
    if (trail.validation === 0 || files.length === 0) return;
    await tables(tx)
      .insertInto('cloudtrail_log_files')
      .values(files)
      .onConflict((c) => c.columns(['trail_arn', 'region', 'key']).doNothing())
      .execute();
  });
  return undefined;
}

function isTaken(trail: TrailRow, event: RecordedEvent): boolean {
  const isGlobal = event.region === GLOBAL_REGION && GLOBAL_SOURCES.includes(event.eventSource);
  const isHere = trail.multi_region === 1 || event.region === trail.home_region;
  if (isGlobal ? trail.include_global === 0 : !isHere) return false;
  return isSelected(trail, event);
}

/** Source of name and form: CloudTrail User Guide, "CloudTrail log file name format" and "CloudTrail log file examples". */
async function putLogFile(
  ctx: Context,
  trail: TrailRow,
  region: string,
  events: readonly RecordedEvent[],
  end: Place,
): Promise<LogFileRow> {
  const { account, bucket } = trail;
  const text = JSON.stringify({ Records: events.map(({ record }) => record) });
  const unique = sha256(`${trail.arn} ${region} ${end.at} ${end.id}`).slice(0, 16);
  const name = `${account}_CloudTrail_${region}_${stamp(end.at, false)}_${unique}.json.gz`;
  const key = `${accountFolder(trail.prefix, account)}/CloudTrail/${region}/${dayFolder(end.at)}/${name}`;
  await putFile(asTrail(ctx, { account, region: trail.home_region, arn: trail.arn }), trail, key, await gzip(text));
  const times = events.map(({ at }) => at);
  return {
    trail_arn: trail.arn,
    region,
    bucket,
    key,
    hash: sha256(text),
    oldest_at: times.reduce((a, b) => Math.min(a, b)),
    newest_at: times.reduce((a, b) => Math.max(a, b)),
    delivered_at: ctx.now().getTime(),
  };
}

/** Sends events to the trail's log group, if it has one. What fails there shows in the status and holds nothing up, as on AWS. */
async function sendToLogs(ctx: Context, trail: TrailRow, events: readonly RecordedEvent[]): Promise<Partial<TrailRow>> {
  if (trail.log_group_arn === null || trail.log_role_arn === null) return {};
  const own = ctx.asService('cloudtrail.amazonaws.com', trail.account, trail.home_region);
  const group = logGroupOf(trail.log_group_arn);
  const stream = logStreamOf(trail.account, trail.home_region);
  try {
    const role = await asLogsRole(own, trail.log_role_arn, trail.arn);
    await openLogStream(role, group, stream);
    for (const logEvents of logBatches(events)) {
      const input = { logGroupName: group, logStreamName: stream, logEvents };
      await role.call<typeof logsSdk, 'PutLogEvents'>('cloudwatch-logs', 'PutLogEvents', input);
    }
    return { logs_delivered_at: ctx.now().getTime(), logs_error: null };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { logs_error: error.message };
  }
}

/** Batches within the limits of PutLogEvents, in the order of time. Longer events go to the files only, as on AWS. */
function logBatches(events: readonly RecordedEvent[]): { timestamp: number; message: string }[][] {
  const batches: { timestamp: number; message: string }[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const { at, record } of [...events].sort((a, b) => a.at - b.at)) {
    const message = JSON.stringify(record);
    const size = Buffer.byteLength(message);
    if (size > MAX_LOG_MESSAGE_BYTES) continue;
    const open = batches.at(-1);
    if (open === undefined || bytes + size > LOG_BATCH_BYTES || open.length === LOG_BATCH_EVENTS) {
      batches.push([{ timestamp: at, message }]);
      bytes = size;
    } else {
      open.push({ timestamp: at, message });
      bytes += size;
    }
  }
  return batches;
}
