import type { Context, Tx } from '../../kernel/context.ts';
import { keyArn } from './key-ids.ts';
import { materialId, sealMaterial } from './materials.ts';
import type { KeyTable, KmsTables } from './tables.ts';

/** What decides about a new key; the rest follows from it. */
export interface KeyDraft {
  readonly account: string;
  readonly region: string;
  readonly spec: string;
  readonly usage: string;
  readonly origin: KeyTable['origin'];
  readonly manager: KeyTable['manager'];
  readonly description: string;
  readonly policy: string;
  readonly isMultiRegion: boolean;
}

/** The row of a new key. A key whose material is to be imported waits for it. */
export function newKeyRow(ctx: Context, draft: KeyDraft): KeyTable {
  const uuid = ctx.ids.uuid();
  const id = draft.isMultiRegion ? `mrk-${uuid.replaceAll('-', '')}` : uuid;
  const { isMultiRegion, ...given } = draft;
  return {
    ...given,
    id,
    arn: keyArn(draft.region, draft.account, id),
    state: draft.origin === 'EXTERNAL' ? 'PendingImport' : 'Enabled',
    created_at: ctx.now().getTime(),
    deletion_at: null,
    pending_window_days: null,
    multi_region: isMultiRegion ? 'PRIMARY' : null,
    rotation_period_days: 0,
    next_rotation_at: null,
    current_material: null,
  };
}

/** Stores a key, with its first material where it has one. */
export async function insertKey(ctx: Context, tx: Tx, row: KeyTable, material?: Buffer): Promise<KeyTable> {
  const stored = material === undefined ? row : { ...row, current_material: materialId(ctx, row.id, material) };
  await tx.db<KmsTables>().insertInto('kms_keys').values(stored).execute();
  if (material !== undefined) await insertMaterial(ctx, tx, stored, material);
  return stored;
}

async function insertMaterial(ctx: Context, tx: Tx, row: KeyTable, material: Buffer): Promise<void> {
  const id = row.current_material!;
  await tx
    .db<KmsTables>()
    .insertInto('kms_materials')
    .values({
      key_arn: row.arn,
      id,
      sealed: sealMaterial(ctx, row.arn, id, material),
      created_at: row.created_at,
      state: 'CURRENT',
      rotation_type: null,
      rotated_at: null,
      valid_to: null,
      description: null,
    })
    .execute();
}
