import { sql } from 'kysely';
import type { AnyTransaction, Database } from '../store/database.ts';
import type { WorkTable } from '../store/kernel-tables.ts';

/** Due time of a key that is being worked on and was not woken since. */
export const NEVER = Number.MAX_SAFE_INTEGER;

/** Writes a wake-up within a transaction. A key that waits already keeps the earlier of the two times. */
export async function writeWake(tx: AnyTransaction, reconciler: string, key: string, atMs: number): Promise<void> {
  await tx
    .insertInto('kernel_work')
    .values(newRow(reconciler, key, atMs))
    .onConflict((c) =>
      c.columns(['reconciler', 'key']).doUpdateSet({
        due_at: sql`case when kernel_work.due_at < excluded.due_at then kernel_work.due_at else excluded.due_at end`,
        wakes: sql`kernel_work.wakes + 1`,
      }),
    )
    .execute();
}

/** Writes a wake-up for a key that the queue does not know. */
export async function writeWakeIfAbsent(
  tx: AnyTransaction,
  reconciler: string,
  key: string,
  atMs: number,
): Promise<void> {
  await tx
    .insertInto('kernel_work')
    .values(newRow(reconciler, key, atMs))
    .onConflict((c) => c.columns(['reconciler', 'key']).doNothing())
    .execute();
}

function newRow(reconciler: string, key: string, atMs: number): WorkTable {
  return {
    reconciler,
    key,
    due_at: atMs,
    wakes: 1,
    attempts: 0,
    lease_owner: null,
    lease_until: 0,
    last_error: null,
  };
}

/** Keys that are due and that nobody works on, the longest due first. */
export function dueKeys(db: AnyTransaction | Database['reader'], now: number, limit: number) {
  return db
    .selectFrom('kernel_work')
    .selectAll()
    .where('due_at', '<=', now)
    .where('lease_until', '<=', now)
    .orderBy('due_at')
    .limit(limit);
}

/** Keys whose node died while it worked on them. */
export function abandonedKeys(db: AnyTransaction | Database['reader'], now: number, limit: number) {
  return db
    .selectFrom('kernel_work')
    .selectAll()
    .where('lease_owner', 'is not', null)
    .where('lease_until', '<=', now)
    .limit(limit);
}

/** Takes a key for a node. From here on its due time tells when it was woken for while it was worked on. */
export async function takeKey(tx: AnyTransaction, row: WorkTable, node: string, until: number): Promise<void> {
  await tx
    .updateTable('kernel_work')
    .set({ due_at: NEVER, lease_owner: node, lease_until: until })
    .where('reconciler', '=', row.reconciler)
    .where('key', '=', row.key)
    .execute();
}

/** What becomes of a key after a run. */
export interface Settlement {
  /** When it is due next; undefined where nothing asks for it. A wake-up during the run may ask for an earlier time. */
  againAtMs?: number | undefined;
  /** Set where the run failed: the next run is then at `againAtMs`, whatever wake-ups ask for. */
  error?: string | undefined;
}

/** Gives a key back, or takes it off the queue. Does nothing when the node has lost it to another one. */
export async function settleKey(tx: AnyTransaction, row: WorkTable, node: string, run: Settlement): Promise<void> {
  const { reconciler, key } = row;
  const current = (await tx
    .selectFrom('kernel_work')
    .select('due_at')
    .where('reconciler', '=', reconciler)
    .where('key', '=', key)
    .where('lease_owner', '=', node)
    .executeTakeFirst()) as Pick<WorkTable, 'due_at'> | undefined;
  if (current === undefined) return;
  const asked = run.againAtMs ?? NEVER;
  const dueAt = run.error === undefined ? Math.min(asked, current.due_at) : asked;
  if (dueAt === NEVER) {
    await tx.deleteFrom('kernel_work').where('reconciler', '=', reconciler).where('key', '=', key).execute();
    return;
  }
  const change = {
    due_at: dueAt,
    attempts: run.error === undefined ? 0 : row.attempts + 1,
    last_error: run.error ?? null,
    lease_owner: null,
    lease_until: 0,
  };
  await tx.updateTable('kernel_work').set(change).where('reconciler', '=', reconciler).where('key', '=', key).execute();
}

/** Makes due what an earlier process of the only node was working on when it ended. */
export async function takeOverAll(tx: AnyTransaction, now: number): Promise<void> {
  await tx
    .updateTable('kernel_work')
    .set({ due_at: now, lease_owner: null, lease_until: 0 })
    .where('lease_owner', 'is not', null)
    .execute();
}
