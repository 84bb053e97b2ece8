import type * as sdk from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import { encryptionAlgorithms, specMembers, specOf } from './key-specs.ts';
import type { KeyTable, KmsTables } from './tables.ts';

/** A key as DescribeKey shows it. */
export async function keyMetadata(ctx: Context, row: Readonly<KeyTable>): Promise<sdk.KeyMetadata> {
  const facts = specOf(row);
  const algorithms = encryptionAlgorithms(row);
  return {
    AWSAccountId: row.account,
    KeyId: row.id,
    Arn: row.arn,
    CreationDate: new Date(row.created_at),
    Enabled: row.state === 'Enabled',
    Description: row.description,
    KeyUsage: row.usage as sdk.KeyUsageType,
    KeyState: row.state,
    ...(row.deletion_at === null ? {} : { DeletionDate: new Date(row.deletion_at) }),
    ...(row.state === 'PendingReplicaDeletion' ? { PendingDeletionWindowInDays: row.pending_window_days ?? 0 } : {}),
    Origin: row.origin,
    KeyManager: row.manager,
    ...specMembers(row),
    ...(algorithms.length === 0 ? {} : { EncryptionAlgorithms: [...algorithms] }),
    ...(row.usage === 'SIGN_VERIFY' ? { SigningAlgorithms: [...facts.signing] } : {}),
    ...(row.usage === 'KEY_AGREEMENT' ? { KeyAgreementAlgorithms: ['ECDH' as const] } : {}),
    ...(facts.mac === undefined ? {} : { MacAlgorithms: [facts.mac] }),
    ...(await importedMetadata(ctx, row)),
    MultiRegion: row.multi_region !== null,
    ...(row.multi_region === null ? {} : { MultiRegionConfiguration: await relatedKeys(ctx, row) }),
    ...(facts.kind === 'symmetric' && row.current_material !== null
      ? { CurrentKeyMaterialId: row.current_material }
      : {}),
  };
}

async function importedMetadata(ctx: Context, row: Readonly<KeyTable>): Promise<Partial<sdk.KeyMetadata>> {
  if (row.origin !== 'EXTERNAL' || row.current_material === null || row.state === 'PendingImport') return {};
  const material = await ctx
    .db<KmsTables>()
    .selectFrom('kms_materials')
    .select('valid_to')
    .where('key_arn', '=', row.arn)
    .where('id', '=', row.current_material)
    .executeTakeFirst();
  const validTo = material?.valid_to ?? null;
  return validTo === null
    ? { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' }
    : { ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo: new Date(validTo) };
}

async function relatedKeys(ctx: Context, row: Readonly<KeyTable>): Promise<sdk.MultiRegionConfiguration> {
  const rows = await ctx
    .db<KmsTables>()
    .selectFrom('kms_keys')
    .select(['arn', 'region', 'multi_region'])
    .where('id', '=', row.id)
    .where('account', '=', row.account)
    .orderBy('region')
    .execute();
  const shown = rows.map(({ arn, region }) => ({ Arn: arn, Region: region }));
  const primary = rows.findIndex(({ multi_region }) => multi_region === 'PRIMARY');
  return {
    MultiRegionKeyType: row.multi_region!,
    ...(primary < 0 ? {} : { PrimaryKey: shown[primary]! }),
    ReplicaKeys: shown.filter((_, index) => index !== primary),
  };
}
