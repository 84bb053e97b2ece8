import * as sdk from '@aws-sdk/client-cloudtrail';
import { type ExpressionBuilder, type SqlBool, sql } from 'kysely';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import type { AuditTable, KernelTables } from '../../kernel/store/kernel-tables.ts';
import { likeOfType, namedResource } from './resource-types.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const MAX_RESULTS = 50;
const SECOND = 1_000;

interface Cursor {
  at: number;
  id: string;
}

/** Finds management events of this account and region, the newest first. Reads and refusals are among them. */
export const LookupEvents: Op<'LookupEvents'> = {
  resource: () => '*',
  async handle(input, ctx) {
    const { LookupAttributes: attributes = [], StartTime: start, EndTime: end, NextToken: token } = input;
    if (attributes.length > 1)
      throw fault(sdk.InvalidLookupAttributesException, 'Only one lookup attribute is allowed.');
    if (input.EventCategory !== undefined)
      throw fault(sdk.InvalidEventCategoryException, 'Only management events can be looked up.');
    if (start !== undefined && end !== undefined && start > end) {
      throw fault(sdk.InvalidTimeRangeException, 'The start time must be before the end time.');
    }
    const limit = input.MaxResults ?? MAX_RESULTS;
    const scope = `LookupEvents ${JSON.stringify([attributes, start, end])}`;
    const after = cursorOf<Cursor>(ctx, scope, token, () =>
      fault(sdk.InvalidNextTokenException, 'The next token is not valid.'),
    );
    await ctx.flushAudit();
    const rows = await select(ctx, attributes[0], start, end, after, limit + 1);
    const { items, token: next } = page(ctx, scope, rows, limit, ({ at, id }): Cursor => ({ at, id }));
    return { Events: items.map(eventOf), NextToken: next };
  },
};

function select(
  ctx: Context,
  attribute: sdk.LookupAttribute | undefined,
  start: Date | undefined,
  end: Date | undefined,
  after: Cursor | undefined,
  limit: number,
): Promise<AuditTable[]> {
  let query = ctx
    .db<KernelTables>()
    .selectFrom('kernel_audit')
    .selectAll()
    // Written out, and not a parameter: the indices are of these rows only.
    .where(sql<SqlBool>`management = 1`)
    .where('account', '=', ctx.account)
    .where('region', '=', ctx.region);
  if (attribute !== undefined) query = query.where((e) => matches(e, attribute));
  if (start !== undefined) query = query.where('at', '>=', start.getTime());
  if (end !== undefined) query = query.where('at', '<', secondOf(end.getTime()) + SECOND);
  if (after !== undefined) {
    query = query.where((e) => e.or([e('at', '<', after.at), e.and([e('at', '=', after.at), e('id', '<', after.id)])]));
  }
  return query.orderBy('at', 'desc').orderBy('id', 'desc').limit(limit).execute();
}

function matches(
  e: ExpressionBuilder<KernelTables, 'kernel_audit'>,
  { AttributeKey: key, AttributeValue: value = '' }: sdk.LookupAttribute,
) {
  switch (key) {
    case 'EventId':
      return e('id', '=', value);
    case 'EventName':
      return e('event_name', '=', value);
    case 'EventSource':
      return e('event_source', '=', value);
    case 'ReadOnly':
      return e('read_only', '=', value === 'true' ? 1 : 0);
    case 'Username':
      return e('user_name', '=', value);
    case 'AccessKeyId':
      return e('access_key_id', '=', value);
    case 'ResourceName':
      return e.or(['"', '/', ':'].map((before) => holds(`${before}${jsonText(value)}"`)));
    case 'ResourceType':
      return ofType(e, value);
    default:
      throw fault(sdk.InvalidLookupAttributesException, `The lookup attribute ${key} is not supported.`);
  }
}

function jsonText(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}

/** Whether the list of ARNs holds a text, case and all; `like` does not tell cases apart on SQLite. */
function holds(text: string) {
  return sql<SqlBool>`replace(resources, ${text}, '') <> resources`;
}

function ofType(e: ExpressionBuilder<KernelTables, 'kernel_audit'>, type: string) {
  const like = likeOfType(type);
  if (like === undefined) return sql<SqlBool>`1 = 0`;
  const among = e('resources', 'like', `%"${like}"%`);
  return type === 'AWS::S3::Bucket' ? e.and([among, e('resources', 'not like', '%:s3:::%/%')]) : among;
}

/** The second, in epoch milliseconds, that a time is in: records and answers have no finer time. */
function secondOf(at: number): number {
  return Math.floor(at / SECOND) * SECOND;
}

function eventOf(row: AuditTable): sdk.Event {
  const resources = (JSON.parse(row.resources) as string[]).map(namedResource);
  return {
    EventId: row.id,
    EventName: row.event_name,
    ReadOnly: row.read_only === 1 ? 'true' : 'false',
    AccessKeyId: row.access_key_id ?? undefined,
    EventTime: new Date(secondOf(row.at)),
    EventSource: row.event_source,
    Username: row.user_name ?? undefined,
    Resources: resources.map(({ type, name }) => ({ ResourceType: type, ResourceName: name })),
    CloudTrailEvent: row.record,
  };
}
