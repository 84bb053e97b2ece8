import type { Context, Tx } from '../../kernel/context.ts';
import { sealMaterial } from './materials.ts';
import type { KmsTables, MaterialTable } from './tables.ts';

/** Generations of a key's material, the oldest first. */
export async function materialRows(source: Context | Tx, keyArn: string): Promise<MaterialTable[]> {
  const db = source.db<KmsTables>();
  return db
    .selectFrom('kms_materials')
    .selectAll()
    .where('key_arn', '=', keyArn)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

/** Whether nothing is missing of what the key ever encrypted with: only then it can be used. */
export async function hasAllMaterial(tx: Tx, keyArn: string): Promise<boolean> {
  const rows = (await materialRows(tx, keyArn)).filter(({ state }) => state !== 'PENDING_ROTATION');
  return rows.length > 0 && rows.every(({ sealed }) => sealed !== null);
}

/** Stores one more generation of material. */
export async function addMaterial(
  ctx: Context,
  tx: Tx,
  bytes: Buffer,
  row: Pick<MaterialTable, 'key_arn' | 'id' | 'state'> & Partial<MaterialTable>,
): Promise<void> {
  await tx
    .db<KmsTables>()
    .insertInto('kms_materials')
    .values({
      created_at: ctx.now().getTime(),
      rotation_type: null,
      rotated_at: null,
      valid_to: null,
      description: null,
      ...row,
      sealed: sealMaterial(ctx, row.key_arn, row.id, bytes),
    })
    .execute();
}

/** Changes one generation. */
export async function updateMaterial(
  tx: Tx,
  keyArn: string,
  id: string,
  values: Partial<MaterialTable>,
): Promise<void> {
  await tx
    .db<KmsTables>()
    .updateTable('kms_materials')
    .set(values)
    .where('key_arn', '=', keyArn)
    .where('id', '=', id)
    .execute();
}

/** Forgets one generation. */
export async function removeMaterial(tx: Tx, keyArn: string, id: string): Promise<void> {
  await tx.db<KmsTables>().deleteFrom('kms_materials').where('key_arn', '=', keyArn).where('id', '=', id).execute();
}
