import * as sdk from '@aws-sdk/client-cloudwatch-logs';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { groupNameOf, groupResource, streamArn, streamResource } from './resources.ts';
import { afterPrefix, groupByName, removeStreams, streamByName } from './store.ts';
import type { GroupTable, LogsTables, StreamTable } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const DEFAULT_LIMIT = 50;

export const CreateLogStream: Op<'CreateLogStream'> = {
  resource: streamResource,
  async handle({ logGroupName, logStreamName: name }, ctx) {
    await ctx.tx(async (tx) => {
      const group = await groupByName(ctx, tx, logGroupName);
      const row: StreamTable = {
        id: ctx.ids.uuid(),
        group_id: group.id,
        name,
        created_at: ctx.now().getTime(),
        first_event_at: null,
        last_event_at: null,
        last_ingestion_at: null,
        stored_bytes: 0,
        next_sequence: 0,
      };
      const { numInsertedOrUpdatedRows: inserted = 0n } = await tx
        .db<LogsTables>()
        .insertInto('logs_streams')
        .values(row)
        .onConflict((c) => c.columns(['group_id', 'name']).doNothing())
        .executeTakeFirstOrThrow();
      if (inserted === 0n) throw fault(sdk.ResourceAlreadyExistsException, 'The specified log stream already exists');
    });
    return {};
  },
};

export const DeleteLogStream: Op<'DeleteLogStream'> = {
  resource: streamResource,
  async handle({ logGroupName, logStreamName }, ctx) {
    await ctx.tx(async (tx) => {
      const stream = await streamByName(tx, await groupByName(ctx, tx, logGroupName), logStreamName);
      await removeStreams(tx, [stream.id]);
    });
    return {};
  },
};

interface Cursor {
  name: string;
  at: number | null;
}

export const DescribeLogStreams: Op<'DescribeLogStreams'> = {
  resource: groupResource,
  async handle(input, ctx) {
    const {
      logStreamNamePrefix: prefix,
      orderBy = 'LogStreamName',
      descending = false,
      nextToken,
      limit = DEFAULT_LIMIT,
    } = input;
    if (prefix !== undefined && orderBy === 'LastEventTime') {
      throw fault(sdk.InvalidParameterException, 'Cannot order by LastEventTime with a logStreamNamePrefix.');
    }
    const group = await groupByName(ctx, ctx, groupNameOf(ctx, input));
    const scope = `DescribeLogStreams ${group.id} ${orderBy} ${descending} ${prefix ?? ''}`;
    const after = cursorOf<Cursor>(ctx, scope, nextToken, () =>
      fault(sdk.InvalidParameterException, 'The specified nextToken is invalid.'),
    );
    const rows = await select(ctx, group, {
      prefix,
      byTime: orderBy === 'LastEventTime',
      descending,
      after,
      limit: limit + 1,
    });
    const { items, token } = page(
      ctx,
      scope,
      rows,
      limit,
      ({ name, last_event_at }): Cursor => ({ name, at: last_event_at }),
    );
    return { logStreams: items.map((stream) => describe(ctx, group, stream)), nextToken: token };
  },
};

interface Selection {
  prefix: string | undefined;
  byTime: boolean;
  descending: boolean;
  after: Cursor | undefined;
  limit: number;
}

function select(
  ctx: Context,
  group: GroupTable,
  { prefix, byTime, descending, after, limit }: Selection,
): Promise<StreamTable[]> {
  const order = descending ? 'desc' : 'asc';
  const beyond = descending ? '<' : '>';
  let query = ctx.db<LogsTables>().selectFrom('logs_streams').selectAll().where('group_id', '=', group.id);
  if (prefix !== undefined) {
    query = query.where('name', '>=', prefix);
    const end = afterPrefix(prefix);
    if (end !== undefined) query = query.where('name', '<', end);
  }
  if (!byTime) {
    if (after !== undefined) query = query.where('name', beyond, after.name);
    return query.orderBy('name', order).limit(limit).execute();
  }
  // Streams without events have no time: they come as if it were the beginning of time.
  if (after !== undefined) {
    query = query.where((e) => {
      const at = e.fn.coalesce('last_event_at', e.lit(0));
      return e.or([e(at, beyond, after.at ?? 0), e.and([e(at, '=', after.at ?? 0), e('name', beyond, after.name)])]);
    });
  }
  return query
    .orderBy((e) => e.fn.coalesce('last_event_at', e.lit(0)), order)
    .orderBy('name', order)
    .limit(limit)
    .execute();
}

function describe(ctx: Context, group: GroupTable, stream: StreamTable): sdk.LogStream {
  return {
    logStreamName: stream.name,
    creationTime: stream.created_at,
    firstEventTimestamp: stream.first_event_at ?? undefined,
    lastEventTimestamp: stream.last_event_at ?? undefined,
    lastIngestionTime: stream.last_ingestion_at ?? undefined,
    uploadSequenceToken: String(stream.next_sequence).padStart(56, '0'),
    arn: streamArn(ctx, group.name, stream.name),
    storedBytes: 0,
  };
}
