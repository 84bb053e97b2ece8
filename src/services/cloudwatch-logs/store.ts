import * as sdk from '@aws-sdk/client-cloudwatch-logs';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { GroupTable, LogsTables, StreamTable } from './tables.ts';

/** The group of that name in the caller's account and region, if there is one. */
export function findGroup(ctx: Context, source: Context | Tx, name: string): Promise<GroupTable | undefined> {
  return source
    .db<LogsTables>()
    .selectFrom('logs_groups')
    .selectAll()
    .where('account', '=', ctx.account)
    .where('region', '=', ctx.region)
    .where('name', '=', name)
    .executeTakeFirst();
}

/** @throws ResourceNotFoundException */
export async function groupByName(ctx: Context, source: Context | Tx, name: string): Promise<GroupTable> {
  const group = await findGroup(ctx, source, name);
  if (group === undefined) throw fault(sdk.ResourceNotFoundException, 'The specified log group does not exist.');
  return group;
}

/** @throws ResourceNotFoundException */
export async function streamByName(source: Context | Tx, group: GroupTable, name: string): Promise<StreamTable> {
  const stream = await source
    .db<LogsTables>()
    .selectFrom('logs_streams')
    .selectAll()
    .where('group_id', '=', group.id)
    .where('name', '=', name)
    .executeTakeFirst();
  if (stream === undefined) throw fault(sdk.ResourceNotFoundException, 'The specified log stream does not exist.');
  return stream;
}

/** Removes streams with all their events. */
export async function removeStreams(tx: Tx, streamIds: readonly string[]): Promise<void> {
  if (streamIds.length === 0) return;
  await tx
    .db<LogsTables>()
    .deleteFrom('logs_segments')
    .where('stream_id', 'in', [...streamIds])
    .execute();
  await tx
    .db<LogsTables>()
    .deleteFrom('logs_streams')
    .where('id', 'in', [...streamIds])
    .execute();
}

/** The smallest text that is greater than every text with this prefix; undefined when there is none. */
export function afterPrefix(prefix: string): string | undefined {
  const points = [...prefix];
  while (points.length > 0) {
    const last = points.pop()!.codePointAt(0)!;
    // Past the surrogates: half a pair is no character.
    if (last < 0x10ffff) return points.join('') + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1);
  }
  return undefined;
}
