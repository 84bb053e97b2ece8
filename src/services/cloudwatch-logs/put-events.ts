import * as sdk from '@aws-sdk/client-cloudwatch-logs';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { streamResource } from './resources.ts';
import { comparePlaces, EVENT_OVERHEAD_BYTES, packSegments, type StoredEvent, unpackSegment } from './segments.ts';
import { groupByName, streamByName } from './store.ts';
import type { LogsTables, SegmentTable, StreamTable } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const MAX_BATCH_BYTES = 1_048_576;
const DAY_MS = 86_400_000;
const MAX_PAST_MS = 14 * DAY_MS;
const MAX_FUTURE_MS = 2 * 3_600_000;
/** So many rows go into one statement: SQLite binds at most 32,766 values. */
const ROWS_A_STATEMENT = 500;

interface InputEvent {
  timestamp: number;
  message: string;
}

/** Stores a batch; it is durable when this answers. Source: CloudWatch Logs API reference, PutLogEvents. */
export const PutLogEvents: Op<'PutLogEvents'> = {
  resource: streamResource,
  dataEvent: true,
  content: ['logEvents'],
  async handle({ logGroupName, logStreamName, logEvents }, ctx) {
    const events = logEvents as InputEvent[];
    const bytes = checkBatch(events);
    const { accepted, rejected } = sortOut(events, ctx.now().getTime());
    const token = await ctx.tx(async (tx) => {
      const group = await groupByName(ctx, tx, logGroupName);
      const stream = await streamByName(tx, group, logStreamName);
      return append(ctx, tx, stream, accepted, bytes);
    });
    return { nextSequenceToken: token, rejectedLogEventsInfo: rejected };
  },
};

/** @throws InvalidParameterException. @returns the batch's size as AWS counts it. */
function checkBatch(events: readonly InputEvent[]): number {
  let bytes = 0;
  let previous = Number.NEGATIVE_INFINITY;
  for (const { timestamp, message } of events) {
    if (timestamp < previous) {
      throw fault(
        sdk.InvalidParameterException,
        'Log events in a single PutLogEvents request must be in chronological order.',
      );
    }
    previous = timestamp;
    bytes += Buffer.byteLength(message) + EVENT_OVERHEAD_BYTES;
  }
  if (bytes > MAX_BATCH_BYTES) {
    throw fault(sdk.InvalidParameterException, `Upload too large: ${bytes} bytes exceeds limit of ${MAX_BATCH_BYTES}`);
  }
  if (events.at(-1)!.timestamp - events[0]!.timestamp > DAY_MS) {
    throw fault(
      sdk.InvalidParameterException,
      'The batch of log events in a single PutLogEvents request cannot span more than 24 hours.',
    );
  }
  return bytes;
}

/** Leaves out what is too old or too new. The indexes are AWS's: old events end before one, new ones start at one. */
function sortOut(
  events: readonly InputEvent[],
  now: number,
): { accepted: readonly InputEvent[]; rejected: sdk.RejectedLogEventsInfo | undefined } {
  const firstValid = events.findIndex(({ timestamp }) => timestamp >= now - MAX_PAST_MS);
  const firstNew = events.findIndex(({ timestamp }) => timestamp > now + MAX_FUTURE_MS);
  const from = firstValid === -1 ? events.length : firstValid;
  const to = firstNew === -1 ? events.length : firstNew;
  const rejected: sdk.RejectedLogEventsInfo = {
    ...(from === 0 ? {} : { tooOldLogEventEndIndex: from }),
    ...(to === events.length ? {} : { tooNewLogEventStartIndex: to }),
  };
  return { accepted: events.slice(from, to), rejected: Object.keys(rejected).length === 0 ? undefined : rejected };
}

async function append(
  ctx: Context,
  tx: Tx,
  stream: StreamTable,
  batch: readonly InputEvent[],
  bytes: number,
): Promise<string> {
  const now = ctx.now().getTime();
  const next = stream.next_sequence + batch.length;
  if (batch.length > 0) {
    const events = batch.map(
      ({ timestamp, message }, index): StoredEvent => ({
        at: timestamp,
        sequence: stream.next_sequence + index,
        message,
        ingestedAt: now,
      }),
    );
    const isLatest = stream.last_event_at === null || events[0]!.at >= stream.last_event_at;
    await insert(tx, packSegments(idsOf(stream), isLatest ? events : await takeLaterThan(tx, stream, events)));
    await tx
      .db<LogsTables>()
      .updateTable('logs_streams')
      .set({
        first_event_at: Math.min(stream.first_event_at ?? Number.POSITIVE_INFINITY, events[0]!.at),
        last_event_at: Math.max(stream.last_event_at ?? 0, events.at(-1)!.at),
        last_ingestion_at: now,
        stored_bytes: stream.stored_bytes + bytes,
        next_sequence: next,
      })
      .where('id', '=', stream.id)
      .execute();
  }
  return String(next).padStart(56, '0');
}

function idsOf(stream: StreamTable): { stream_id: string; group_id: string } {
  return { stream_id: stream.id, group_id: stream.group_id };
}

/** A batch that goes back in time is merged with the segments that it overlaps, so that segments stay in order. */
async function takeLaterThan(tx: Tx, stream: StreamTable, events: readonly StoredEvent[]): Promise<StoredEvent[]> {
  const db = tx.db<LogsTables>();
  const later = db
    .selectFrom('logs_segments')
    .selectAll()
    .where('stream_id', '=', stream.id)
    .where('last_at', '>', events[0]!.at);
  const rows = await later.where('first_at', '<=', events.at(-1)!.at).execute();
  for (const row of rows) {
    await db
      .deleteFrom('logs_segments')
      .where('stream_id', '=', row.stream_id)
      .where('first_at', '=', row.first_at)
      .where('first_sequence', '=', row.first_sequence)
      .execute();
  }
  return [...rows.flatMap(unpackSegment), ...events].sort(comparePlaces);
}

async function insert(tx: Tx, rows: readonly SegmentTable[]): Promise<void> {
  for (let at = 0; at < rows.length; at += ROWS_A_STATEMENT) {
    await tx
      .db<LogsTables>()
      .insertInto('logs_segments')
      .values(rows.slice(at, at + ROWS_A_STATEMENT))
      .execute();
  }
}
