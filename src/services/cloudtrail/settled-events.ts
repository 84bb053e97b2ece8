import type { Context } from '../../kernel/context.ts';
import type { AuditTable, KernelTables } from '../../kernel/store/kernel-tables.ts';
import { namedResource } from './resource-types.ts';
import type { SelectableEvent } from './selection.ts';

/** Rows that are settled may commit a moment later than they say: what is younger than this is left for the next time. */
export const SETTLE_LAG_MS = 2_000;

/** A place in the order in which rows were settled. */
export interface Place {
  readonly at: number;
  readonly id: string;
}

/** Rows of an account behind one place and not behind another, in the order in which they were settled. */
export async function settledAfter(
  ctx: Context,
  account: string,
  after: Place,
  until: Place,
  limit: number,
): Promise<(AuditTable & { settled_at: number })[]> {
  const rows = await ctx
    .db<KernelTables>()
    .selectFrom('kernel_audit')
    .selectAll()
    .where('settled_at', '>=', after.at)
    .where('settled_at', '<=', until.at)
    .where((e) => e.or([e('settled_at', '>', after.at), e('id', '>', after.id)]))
    .where((e) => e.or([e('settled_at', '<', until.at), e('id', '<=', until.id)]))
    .where('account', '=', account)
    .orderBy('settled_at')
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ ...row, settled_at: Number(row.settled_at) }));
}

/** Behind every id that a row can have. */
export const LAST_ID = '~';

/** A row's record, its resources with their types, and what selectors look at. */
export interface RecordedEvent extends SelectableEvent {
  readonly id: string;
  readonly at: number;
  readonly region: string;
  readonly record: Record<string, unknown>;
}

export function recordedEvent(row: AuditTable): RecordedEvent {
  const record = JSON.parse(row.record) as Record<string, unknown>;
  const resources = JSON.parse(row.resources) as string[];
  const typed = resources.map((arn) => {
    const { type } = namedResource(arn);
    return { ARN: arn, accountId: row.account, ...(type === undefined ? {} : { type }) };
  });
  const { arn: userArn } = (record['userIdentity'] ?? {}) as { arn?: string };
  return {
    id: row.id,
    at: Number(row.at),
    region: row.region,
    record: resources.length === 0 ? record : { ...record, resources: typed },
    management: row.management === 1,
    readOnly: row.read_only === 1,
    eventName: row.event_name,
    eventSource: row.event_source,
    eventType: String(record['eventType']),
    userArn,
    resources,
  };
}
