import * as sdk from '@aws-sdk/client-cloudwatch-logs';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, nextToken } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { groupNameOf, streamResource } from './resources.ts';
import { comparePlaces, EVENT_OVERHEAD_BYTES, type Place, type StoredEvent, unpackSegment } from './segments.ts';
import { groupByName, streamByName } from './store.ts';
import type { LogsTables, StreamTable } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const MAX_EVENTS = 10_000;
const MAX_PAGE_BYTES = 1_048_576;
const SEGMENTS_AT_ONCE = 32;
const BEGINNING: Place = { at: -1, sequence: -1 };

interface Page {
  events: StoredEvent[];
  /** Places before the first and after the last event of the page. */
  backward: Place;
  forward: Place;
}

/**
 * Reads a stream by pages, in either direction. At the end the token comes back unchanged, as AWS's does, and gives what
 * has come since when it is used again.
 */
export const GetLogEvents: Op<'GetLogEvents'> = {
  resource: streamResource,
  dataEvent: true,
  async handle(input, ctx) {
    const { logStreamName, startTime, endTime, startFromHead = false, limit = MAX_EVENTS } = input;
    const group = await groupByName(ctx, ctx, groupNameOf(ctx, input));
    const stream = await streamByName(ctx, group, logStreamName);
    const scope = `GetLogEvents ${stream.id}`;
    const { forwards, from } = start(ctx, scope, input.nextToken, startFromHead);
    const range: Range = { startTime, endTime, limit };
    const found = forwards
      ? await readForwards(ctx, stream, from ?? BEGINNING, range)
      : await readBackwards(ctx, stream, from, range);
    return {
      events: found.events.map(({ at, message, ingestedAt }) => ({
        timestamp: at,
        message,
        ingestionTime: ingestedAt,
      })),
      nextForwardToken: `f/${nextToken(ctx, scope, found.forward)}`,
      nextBackwardToken: `b/${nextToken(ctx, scope, found.backward)}`,
    };
  },
};

/** Direction and starting place. Without a token a page is the last one, unless the head is asked for. */
function start(
  ctx: Context,
  scope: string,
  token: string | undefined,
  fromHead: boolean,
): { forwards: boolean; from: Place | undefined } {
  if (token === undefined) return { forwards: fromHead, from: undefined };
  const invalid = () => fault(sdk.InvalidParameterException, 'The specified nextToken is invalid.');
  if (!/^[fb]\//.test(token)) throw invalid();
  return { forwards: token.startsWith('f/'), from: cursorOf<Place>(ctx, scope, token.slice(2), invalid) };
}

interface Range {
  startTime: number | undefined;
  endTime: number | undefined;
  limit: number;
}

function isWithin({ at }: StoredEvent, { startTime, endTime }: Range): boolean {
  return (startTime === undefined || at >= startTime) && (endTime === undefined || at < endTime);
}

/** Fills a page until its number or bytes are reached. @returns false when it is full */
function fill(events: StoredEvent[], event: StoredEvent, size: { bytes: number }, limit: number): boolean {
  const bytes = Buffer.byteLength(event.message) + EVENT_OVERHEAD_BYTES;
  if (events.length >= limit || (events.length > 0 && size.bytes + bytes > MAX_PAGE_BYTES)) return false;
  events.push(event);
  size.bytes += bytes;
  return true;
}

async function readForwards(ctx: Context, stream: StreamTable, from: Place, range: Range): Promise<Page> {
  const events: StoredEvent[] = [];
  const size = { bytes: 0 };
  let at = from;
  reading: for (;;) {
    let query = segments(ctx, stream)
      .where((e) =>
        e.or([e('last_at', '>', at.at), e.and([e('last_at', '=', at.at), e('last_sequence', '>', at.sequence)])]),
      )
      .orderBy('first_at')
      .orderBy('first_sequence')
      .limit(SEGMENTS_AT_ONCE);
    if (range.startTime !== undefined) query = query.where('last_at', '>=', range.startTime);
    if (range.endTime !== undefined) query = query.where('first_at', '<', range.endTime);
    const rows = await query.execute();
    for (const row of rows) {
      for (const event of unpackSegment(row)) {
        if (comparePlaces(event, at) <= 0 || !isWithin(event, range)) continue;
        if (!fill(events, event, size, range.limit)) break reading;
      }
      at = { at: row.last_at, sequence: row.last_sequence };
    }
    if (rows.length < SEGMENTS_AT_ONCE) break;
  }
  const last = events.at(-1);
  const first = events[0];
  return {
    events,
    forward: last === undefined ? from : { at: last.at, sequence: last.sequence },
    backward: first === undefined ? from : { at: first.at, sequence: first.sequence },
  };
}

async function readBackwards(ctx: Context, stream: StreamTable, from: Place | undefined, range: Range): Promise<Page> {
  const events: StoredEvent[] = [];
  const size = { bytes: 0 };
  let at = from ?? { at: Number.MAX_SAFE_INTEGER, sequence: Number.MAX_SAFE_INTEGER };
  reading: for (;;) {
    let query = segments(ctx, stream)
      .where((e) =>
        e.or([e('first_at', '<', at.at), e.and([e('first_at', '=', at.at), e('first_sequence', '<', at.sequence)])]),
      )
      .orderBy('first_at', 'desc')
      .orderBy('first_sequence', 'desc')
      .limit(SEGMENTS_AT_ONCE);
    if (range.startTime !== undefined) query = query.where('last_at', '>=', range.startTime);
    if (range.endTime !== undefined) query = query.where('first_at', '<', range.endTime);
    const rows = await query.execute();
    for (const row of rows) {
      for (const event of unpackSegment(row).reverse()) {
        if (comparePlaces(event, at) >= 0 || !isWithin(event, range)) continue;
        if (!fill(events, event, size, range.limit)) break reading;
      }
      at = { at: row.first_at, sequence: row.first_sequence };
    }
    if (rows.length < SEGMENTS_AT_ONCE) break;
  }
  events.reverse();
  const last = events.at(-1);
  const first = events[0];
  return {
    events,
    forward: last === undefined ? (from ?? BEGINNING) : { at: last.at, sequence: last.sequence },
    backward: first === undefined ? (from ?? BEGINNING) : { at: first.at, sequence: first.sequence },
  };
}

function segments(ctx: Context, stream: StreamTable) {
  return ctx.db<LogsTables>().selectFrom('logs_segments').selectAll().where('stream_id', '=', stream.id);
}
