import type { Context, Tx } from '../../kernel/context.ts';
import type { Reconciler } from '../../kernel/service.ts';
import { deleteAllTags } from '../../kernel/tags.ts';
import { keyDeleted, materialExpired, serviceRecord } from './events.ts';
import { changeKeys } from './key-cache.ts';
import { DAY_MS, replicasOf } from './key-deletion.ts';
import { updateKey } from './key-states.ts';
import { LIFECYCLE } from './lifecycle-name.ts';
import { materialRows, removeMaterial, updateMaterial } from './material-rows.ts';
import { generateMaterial } from './materials.ts';
import { primaryOf } from './multi-region-rows.ts';
import { rotateWithNew } from './rotate-key.ts';
import type { KeyTable, KmsTables } from './tables.ts';

/** Does to a key what time demands: rotates it, erases material that has expired, and keys whose waiting time is over. */
export const lifecycle: Reconciler = {
  name: LIFECYCLE,
  async reconcile(arn, ctx) {
    const found = await findRow(ctx, arn);
    if (found === undefined) return undefined;
    const bytes = await generateMaterial(ctx, 'SYMMETRIC_DEFAULT');
    const own = ctx.asService('kms.amazonaws.com', found.account, found.region);
    const next = await changeKeys(own, (tx) => bringUpToDate(own, tx, arn, bytes));
    return next === undefined ? undefined : { againAt: new Date(next) };
  },
  async scan(ctx) {
    const rows = await ctx
      .db<KmsTables>()
      .selectFrom('kms_keys as k')
      .leftJoin('kms_materials as m', (join) => join.onRef('m.key_arn', '=', 'k.arn').on('m.valid_to', 'is not', null))
      .select('k.arn')
      .distinct()
      .where((e) =>
        e.or([
          e('k.deletion_at', 'is not', null),
          e('k.next_rotation_at', 'is not', null),
          e('m.valid_to', 'is not', null),
        ]),
      )
      .execute();
    return rows.map(({ arn }) => arn);
  },
};

function findRow(source: Context | Tx, arn: string): Promise<KeyTable | undefined> {
  const db = source.db<KmsTables>();
  return db.selectFrom('kms_keys').selectAll().where('arn', '=', arn).executeTakeFirst();
}

/** @returns when to look again, epoch milliseconds */
async function bringUpToDate(ctx: Context, tx: Tx, arn: string, bytes: Buffer): Promise<number | undefined> {
  const row = await findRow(tx, arn);
  if (row === undefined) return undefined;
  const now = ctx.now().getTime();
  if (row.deletion_at !== null && row.deletion_at <= now) {
    await eraseKey(ctx, tx, row);
    return undefined;
  }
  const rotation = await rotateWhenDue(ctx, tx, row, bytes, now);
  const expiry = await expireMaterial(tx, row, now);
  const times = [row.deletion_at, rotation, expiry].filter((time) => time !== null && time !== undefined);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** A key that is not enabled is rotated once it is again; EnableKey wakes this. */
async function rotateWhenDue(ctx: Context, tx: Tx, row: KeyTable, bytes: Buffer, now: number) {
  if (row.next_rotation_at === null || row.state !== 'Enabled') return undefined;
  if (row.next_rotation_at > now) return row.next_rotation_at;
  await rotateWithNew(ctx, tx, row, bytes, 'AUTOMATIC');
  const period = row.rotation_period_days * DAY_MS;
  const missed = Math.floor((now - row.next_rotation_at) / period);
  const next = row.next_rotation_at + (missed + 1) * period;
  await updateKey(tx, row.arn, { next_rotation_at: next });
  return next;
}

async function expireMaterial(tx: Tx, row: KeyTable, now: number): Promise<number | undefined> {
  let next: number | undefined;
  let isIncomplete = false;
  for (const { id, valid_to, sealed, state } of await materialRows(tx, row.arn)) {
    if (valid_to === null || sealed === null) continue;
    if (valid_to > now) {
      next = Math.min(next ?? valid_to, valid_to);
      continue;
    }
    if (state === 'PENDING_ROTATION') await removeMaterial(tx, row.arn, id);
    else {
      await updateMaterial(tx, row.arn, id, { sealed: null });
      isIncomplete = true;
    }
    await tx.emit(materialExpired(row, id));
    await tx.record(serviceRecord(row, 'DeleteExpiredKeyMaterial', { keyMaterialId: id }));
  }
  if (isIncomplete && (row.state === 'Enabled' || row.state === 'Disabled')) {
    await updateKey(tx, row.arn, { state: 'PendingImport' });
  }
  return next;
}

/** Everything of the key goes; nothing that it encrypted can ever be opened again. */
async function eraseKey(ctx: Context, tx: Tx, row: KeyTable): Promise<void> {
  const db = tx.db<KmsTables>();
  // Overwritten first: SQLite leaves a deleted row's bytes in the file until something else takes the place.
  await db.updateTable('kms_materials').set({ sealed: '' }).where('key_arn', '=', row.arn).execute();
  await db.deleteFrom('kms_materials').where('key_arn', '=', row.arn).execute();
  await db.deleteFrom('kms_grants').where('key_arn', '=', row.arn).execute();
  await db.deleteFrom('kms_aliases').where('key_arn', '=', row.arn).execute();
  await db.deleteFrom('kms_keys').where('arn', '=', row.arn).execute();
  await deleteAllTags(tx, row.arn);
  await tx.emit(keyDeleted(row));
  await tx.record(serviceRecord(row, 'DeleteKey'));
  if (row.multi_region === 'REPLICA') await releasePrimary(ctx, tx, row);
}

/** The waiting time of a primary key begins when its last replica is gone. */
async function releasePrimary(ctx: Context, tx: Tx, replica: KeyTable): Promise<void> {
  const primary = await primaryOf(tx, replica);
  if (primary?.state !== 'PendingReplicaDeletion' || (await replicasOf(tx, primary)).length > 0) return;
  const deletionAt = ctx.now().getTime() + primary.pending_window_days! * DAY_MS;
  await updateKey(tx, primary.arn, { state: 'PendingDeletion', deletion_at: deletionAt });
  await tx.wake(LIFECYCLE, primary.arn, new Date(deletionAt));
}
