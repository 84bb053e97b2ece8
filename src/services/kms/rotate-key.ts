import type { Context, Tx } from '../../kernel/context.ts';
import { keyRotated, serviceRecord } from './events.ts';
import { replicasOf } from './key-deletion.ts';
import { updateKey } from './key-states.ts';
import { addMaterial, updateMaterial } from './material-rows.ts';
import { materialId } from './materials.ts';
import type { KeyTable, MaterialTable } from './tables.ts';

type RotationType = NonNullable<MaterialTable['rotation_type']>;

/**
 * Gives a key new material to encrypt with; what older material encrypted still opens. Replicas of a multi-Region key
 * get the same.
 * @param row as read in this transaction
 */
export async function rotateWithNew(ctx: Context, tx: Tx, row: KeyTable, bytes: Buffer, type: RotationType) {
  const id = materialId(ctx, row.id, bytes);
  const related = row.multi_region === 'PRIMARY' ? await replicasOf(tx, row) : [];
  for (const one of [row, ...related]) {
    await addMaterial(ctx, tx, bytes, { key_arn: one.arn, id, state: 'NON_CURRENT' });
    await makeCurrent(ctx, tx, one, id, type);
  }
}

/** Makes material that a key has already its current one. */
export async function makeCurrent(ctx: Context, tx: Tx, row: KeyTable, id: string, type: RotationType): Promise<void> {
  if (row.current_material !== null) {
    await updateMaterial(tx, row.arn, row.current_material, { state: 'NON_CURRENT' });
  }
  const rotated_at = ctx.now().getTime();
  await updateMaterial(tx, row.arn, id, { state: 'CURRENT', rotation_type: type, rotated_at });
  await updateKey(tx, row.arn, { current_material: id });
  await tx.emit(keyRotated(row, type, id));
  await tx.record(
    serviceRecord(row, 'RotateKey', {
      rotationType: type,
      keyOrigin: row.origin,
      previousKeyMaterialId: row.current_material,
      currentKeyMaterialId: id,
    }),
  );
}
