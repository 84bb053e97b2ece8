import * as sdk from '@aws-sdk/client-cloudwatch-logs';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { deleteAllTags, putTags, requestTagKeys } from '../../kernel/tags.ts';
import { anyGroupResource, groupArn, groupResource } from './resources.ts';
import { RETENTION } from './retention.ts';
import { afterPrefix, findGroup, groupByName } from './store.ts';
import type { GroupTable, LogsTables } from './tables.ts';
import { checkTags } from './tagging.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const DEFAULT_LIMIT = 50;
/** The periods that AWS offers, in days. */
const RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

export const CreateLogGroup: Op<'CreateLogGroup'> = {
  resource: groupResource,
  conditions: ({ tags }) => requestTagKeys(tags),
  async handle({ logGroupName: name, tags = {}, kmsKeyId, logGroupClass = 'STANDARD' }, ctx) {
    if (kmsKeyId !== undefined)
      throw fault(sdk.InvalidParameterException, 'Encrypting log groups with a KMS key is not implemented by Slipway.');
    if (logGroupClass !== 'STANDARD')
      throw fault(sdk.InvalidParameterException, `The log group class ${logGroupClass} is not implemented by Slipway.`);
    checkTags(tags);
    await ctx.tx(async (tx) => {
      if ((await findGroup(ctx, tx, name)) !== undefined) {
        throw fault(sdk.ResourceAlreadyExistsException, 'The specified log group already exists');
      }
      const group: GroupTable = {
        id: ctx.ids.uuid(),
        account: ctx.account,
        region: ctx.region,
        name,
        created_at: ctx.now().getTime(),
        retention_days: null,
      };
      await tx.db<LogsTables>().insertInto('logs_groups').values(group).execute();
      await putTags(tx, groupArn(ctx, name), tags);
    });
    return {};
  },
};

export const DeleteLogGroup: Op<'DeleteLogGroup'> = {
  resource: groupResource,
  async handle({ logGroupName: name }, ctx) {
    await ctx.tx(async (tx) => {
      const group = await groupByName(ctx, tx, name);
      const db = tx.db<LogsTables>();
      await db.deleteFrom('logs_segments').where('group_id', '=', group.id).execute();
      await db.deleteFrom('logs_streams').where('group_id', '=', group.id).execute();
      await db.deleteFrom('logs_groups').where('id', '=', group.id).execute();
      await deleteAllTags(tx, groupArn(ctx, name));
    });
    return {};
  },
};

export const DescribeLogGroups: Op<'DescribeLogGroups'> = {
  resource: anyGroupResource,
  async handle({ logGroupNamePrefix: prefix, logGroupNamePattern: pattern, nextToken, limit = DEFAULT_LIMIT }, ctx) {
    if (prefix !== undefined && pattern !== undefined) {
      throw fault(sdk.InvalidParameterException, 'logGroupNamePrefix and logGroupNamePattern are mutually exclusive.');
    }
    const scope = `DescribeLogGroups ${prefix ?? ''} ${pattern ?? ''}`;
    const after = cursorOf<string>(ctx, scope, nextToken, () =>
      fault(sdk.InvalidParameterException, 'The specified nextToken is invalid.'),
    );
    let query = ctx
      .db<LogsTables>()
      .selectFrom('logs_groups')
      .selectAll()
      .where('account', '=', ctx.account)
      .where('region', '=', ctx.region);
    if (prefix !== undefined) query = query.where('name', '>=', prefix).where('name', '<', afterPrefix(prefix)!);
    if (pattern !== undefined && pattern !== '')
      query = query.where('name', 'like', `%${pattern.replaceAll('_', '\\_')}%`);
    if (after !== undefined) query = query.where('name', '>', after);
    const rows = await query
      .orderBy('name')
      .limit(limit + 1)
      .execute();
    const { items, token } = page(ctx, scope, rows, limit, ({ name }) => name);
    const sizes = await storedBytes(ctx, items);
    return { logGroups: items.map((group) => describe(ctx, group, sizes.get(group.id) ?? 0)), nextToken: token };
  },
};

async function storedBytes(ctx: Context, groups: readonly GroupTable[]): Promise<Map<string, number>> {
  if (groups.length === 0) return new Map();
  const rows = await ctx
    .db<LogsTables>()
    .selectFrom('logs_streams')
    .select((e) => ['group_id', e.fn.sum<number>('stored_bytes').as('bytes')])
    .where(
      'group_id',
      'in',
      groups.map(({ id }) => id),
    )
    .groupBy('group_id')
    .execute();
  return new Map(rows.map(({ group_id, bytes }) => [group_id, Number(bytes)]));
}

function describe(ctx: Context, group: GroupTable, bytes: number): sdk.LogGroup {
  const arn = groupArn(ctx, group.name);
  return {
    logGroupName: group.name,
    creationTime: group.created_at,
    retentionInDays: group.retention_days ?? undefined,
    metricFilterCount: 0,
    arn: `${arn}:*`,
    logGroupArn: arn,
    storedBytes: bytes,
    logGroupClass: 'STANDARD',
  };
}

export const PutRetentionPolicy: Op<'PutRetentionPolicy'> = {
  resource: groupResource,
  async handle({ logGroupName: name, retentionInDays: days }, ctx) {
    if (!RETENTION_DAYS.includes(days)) {
      throw fault(
        sdk.InvalidParameterException,
        `1 validation error detected: Value '${days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [${RETENTION_DAYS.join(', ')}]`,
      );
    }
    await setRetention(ctx, name, days);
    return {};
  },
};

export const DeleteRetentionPolicy: Op<'DeleteRetentionPolicy'> = {
  resource: groupResource,
  async handle({ logGroupName: name }, ctx) {
    await setRetention(ctx, name, null);
    return {};
  },
};

async function setRetention(ctx: Context, name: string, days: number | null): Promise<void> {
  await ctx.tx(async (tx) => {
    const group = await groupByName(ctx, tx, name);
    await tx
      .db<LogsTables>()
      .updateTable('logs_groups')
      .set({ retention_days: days })
      .where('id', '=', group.id)
      .execute();
    if (days !== null) await tx.wake(RETENTION, group.id);
  });
}
