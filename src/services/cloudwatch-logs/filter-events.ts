import * as sdk from '@aws-sdk/client-cloudwatch-logs';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, nextToken } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { compileFilterPattern, FilterPatternError, type MessageFilter } from './filter-pattern.ts';
import { groupNameOf, groupResource } from './resources.ts';
import { EVENT_OVERHEAD_BYTES, type StoredEvent, unpackSegment } from './segments.ts';
import { afterPrefix, groupByName } from './store.ts';
import type { GroupTable, LogsTables, SegmentTable } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const MAX_EVENTS = 10_000;
const MAX_PAGE_BYTES = 1_048_576;
/** A page ends when so much was read, whatever it has found: a call stays short. */
const MAX_READ_BYTES = 16 * 1_048_576;
const SEGMENTS_AT_ONCE = 16;

/** A place among the events of a group: time, then stream, then order in the stream. */
interface GroupPlace {
  at: number;
  streamId: string;
  sequence: number;
}
interface Found extends GroupPlace {
  event: StoredEvent;
}

/** Finds events of a group's streams by time and pattern, in the order of their times over all streams. */
export const FilterLogEvents: Op<'FilterLogEvents'> = {
  resource: groupResource,
  dataEvent: true,
  async handle(input, ctx) {
    const {
      logStreamNames: names,
      logStreamNamePrefix: prefix,
      filterPattern = '',
      startTime,
      endTime,
      limit = MAX_EVENTS,
    } = input;
    if (names !== undefined && prefix !== undefined) {
      throw fault(sdk.InvalidParameterException, 'logStreamNames and logStreamNamePrefix cannot both be given.');
    }
    const matches = compile(filterPattern);
    const group = await groupByName(ctx, ctx, groupNameOf(ctx, input));
    const scope = `FilterLogEvents ${JSON.stringify([group.id, names, prefix, filterPattern, startTime, endTime])}`;
    const after = cursorOf<GroupPlace>(ctx, scope, input.nextToken, () =>
      fault(sdk.InvalidParameterException, 'The specified nextToken is invalid.'),
    );
    const search: Search = { ctx, group, names, prefix, startTime, endTime, matches, limit };
    const { events, stoppedAt } = await find(search, after);
    const streams = await streamNames(
      ctx,
      events.map(({ streamId }) => streamId),
    );
    return {
      events: events.map(({ event, streamId }) => ({
        logStreamName: streams.get(streamId),
        timestamp: event.at,
        message: event.message,
        ingestionTime: event.ingestedAt,
        eventId: eventId(event, streamId),
      })),
      searchedLogStreams: [],
      nextToken: stoppedAt === undefined ? undefined : nextToken(ctx, scope, stoppedAt),
    };
  },
};

function compile(pattern: string): MessageFilter {
  try {
    return compileFilterPattern(pattern);
  } catch (error) {
    if (error instanceof FilterPatternError) throw fault(sdk.InvalidParameterException, error.message);
    throw error;
  }
}

interface Search {
  ctx: Context;
  group: GroupTable;
  names: string[] | undefined;
  prefix: string | undefined;
  startTime: number | undefined;
  endTime: number | undefined;
  matches: MessageFilter;
  limit: number;
}

/**
 * Reads segments in the order of their beginnings and gives events in the order of their times: an event is due when
 * every segment that is still unread begins later. @returns where to go on, unless everything was seen.
 */
async function find(
  search: Search,
  after: GroupPlace | undefined,
): Promise<{ events: Found[]; stoppedAt: GroupPlace | undefined }> {
  const found: Found[] = [];
  let waiting: Found[] = [];
  let pageBytes = 0;
  let readBytes = 0;
  let last: GroupPlace | undefined = after;
  /** Moves what is due to the page. @returns false when the page is full */
  const deliver = (before: number): boolean => {
    waiting.sort(comparePlaces);
    let taken = 0;
    for (const one of waiting) {
      if (one.at >= before) break;
      if (search.matches(one.event.message)) {
        const bytes = Buffer.byteLength(one.event.message) + EVENT_OVERHEAD_BYTES;
        if (found.length >= search.limit || (found.length > 0 && pageBytes + bytes > MAX_PAGE_BYTES)) return false;
        found.push(one);
        pageBytes += bytes;
      }
      last = { at: one.at, streamId: one.streamId, sequence: one.sequence };
      taken++;
    }
    waiting = waiting.slice(taken);
    return true;
  };
  for await (const row of segmentsInOrder(search, after)) {
    if (!deliver(row.first_at)) return { events: found, stoppedAt: last };
    if (readBytes > MAX_READ_BYTES && waiting.length === 0) return { events: found, stoppedAt: last };
    readBytes += row.bytes;
    for (const event of unpackSegment(row)) {
      const place: Found = { at: event.at, streamId: row.stream_id, sequence: event.sequence, event };
      if (isWithin(event.at, search) && (after === undefined || comparePlaces(place, after) > 0)) waiting.push(place);
    }
  }
  return { events: found, stoppedAt: deliver(Number.POSITIVE_INFINITY) ? undefined : last };
}

function isWithin(at: number, { startTime, endTime }: Search): boolean {
  return (startTime === undefined || at >= startTime) && (endTime === undefined || at <= endTime);
}

function comparePlaces(a: GroupPlace, b: GroupPlace): number {
  return a.at - b.at || (a.streamId < b.streamId ? -1 : a.streamId > b.streamId ? 1 : a.sequence - b.sequence);
}

async function* segmentsInOrder(search: Search, after: GroupPlace | undefined): AsyncGenerator<SegmentTable> {
  const { ctx, group, names, prefix, startTime, endTime } = search;
  const from = Math.max(startTime ?? 0, after?.at ?? 0);
  let key: { at: number; streamId: string; sequence: number } | undefined;
  for (;;) {
    let query = ctx
      .db<LogsTables>()
      .selectFrom('logs_segments')
      .selectAll()
      .where('logs_segments.group_id', '=', group.id)
      .where('last_at', '>=', from);
    if (endTime !== undefined) query = query.where('first_at', '<=', endTime);
    if (names !== undefined || prefix !== undefined) query = query.where('stream_id', 'in', chosenStreams(search));
    if (key !== undefined) {
      const { at, streamId, sequence } = key;
      query = query.where((e) =>
        e.or([
          e('first_at', '>', at),
          e.and([e('first_at', '=', at), e('stream_id', '>', streamId)]),
          e.and([e('first_at', '=', at), e('stream_id', '=', streamId), e('first_sequence', '>', sequence)]),
        ]),
      );
    }
    const rows = await query
      .orderBy('first_at')
      .orderBy('stream_id')
      .orderBy('first_sequence')
      .limit(SEGMENTS_AT_ONCE)
      .execute();
    yield* rows;
    if (rows.length < SEGMENTS_AT_ONCE) return;
    const end = rows.at(-1)!;
    key = { at: end.first_at, streamId: end.stream_id, sequence: end.first_sequence };
  }
}

/** Ids of the streams that the call names, as a subquery. */
function chosenStreams({ ctx, group, names, prefix }: Search) {
  const query = ctx.db<LogsTables>().selectFrom('logs_streams').select('id').where('group_id', '=', group.id);
  if (names !== undefined) return query.where('name', 'in', names);
  const end = afterPrefix(prefix!);
  const from = query.where('name', '>=', prefix!);
  return end === undefined ? from : from.where('name', '<', end);
}

async function streamNames(ctx: Context, ids: readonly string[]): Promise<Map<string, string>> {
  const distinct = [...new Set(ids)];
  if (distinct.length === 0) return new Map();
  const rows = await ctx
    .db<LogsTables>()
    .selectFrom('logs_streams')
    .select(['id', 'name'])
    .where('id', 'in', distinct)
    .execute();
  return new Map(rows.map(({ id, name }) => [id, name]));
}

/** 56 digits, as AWS's are: time, stream, order. Unique in a group. */
function eventId({ at, sequence }: StoredEvent, streamId: string): string {
  const stream = BigInt(`0x${streamId.replaceAll('-', '').slice(0, 16)}`);
  return `${String(at).padStart(14, '0')}${String(stream).padStart(20, '0')}${String(sequence).padStart(22, '0')}`;
}
