import * as sdk from '@aws-sdk/client-kms';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import type { Key } from './key-cache.ts';
import type { Material } from './materials.ts';
import type { KeyTable, KmsTables, RowState } from './tables.ts';

const WORDS: Readonly<Record<RowState, string>> = {
  Enabled: 'is enabled',
  Disabled: 'is disabled',
  PendingDeletion: 'is pending deletion',
  PendingImport: 'is pending import',
  PendingReplicaDeletion: 'is pending replica deletion',
  Unavailable: 'is unavailable',
};

/** @throws KMSInvalidStateException unless the key is in one of the states */
export function requireState(key: Pick<KeyTable, 'arn' | 'state'>, ...allowed: RowState[]): void {
  if (!allowed.includes(key.state)) throw fault(sdk.KMSInvalidStateException, `${key.arn} ${WORDS[key.state]}.`);
}

/** Holds that a key may be used. @throws DisabledException, KMSInvalidStateException */
export function requireUsable(key: Pick<KeyTable, 'arn' | 'state'>): void {
  if (key.state === 'Disabled') throw fault(sdk.DisabledException, `${key.arn} is disabled.`);
  requireState(key, 'Enabled');
}

/** @throws InvalidKeyUsageException */
export function requireUsage(key: Key, usage: sdk.KeyUsageType, operation: string): void {
  if (key.usage === usage) return;
  throw fault(
    sdk.InvalidKeyUsageException,
    `${key.arn} key usage is ${key.usage} which is not valid for ${operation}.`,
  );
}

/** A customer managed key's settings are its owner's; those of an AWS managed one are not. */
export function requireCustomerManaged(ctx: Context, key: Pick<KeyTable, 'arn' | 'manager'>, action: string): void {
  if (key.manager === 'CUSTOMER') return;
  const who = 'arn' in ctx.caller ? ctx.caller.arn : 'anonymous';
  throw commonFault(
    'AccessDenied',
    `User: ${who} is not authorized to perform: ${action} on resource: ${key.arn} because AWS managed keys are managed by the service that made them`,
  );
}

/** The material that new ciphertexts, signatures and MACs are made with. @throws KMSInvalidStateException once it has expired */
export function currentMaterial(ctx: Context, key: Key): Material {
  return usableMaterial(ctx, key, key.current_material ?? '');
}

/** A material of a key by its id. @throws KMSInvalidStateException where it was deleted or has expired */
export function usableMaterial(ctx: Context, key: Key, id: string): Material {
  const material = key.materials.get(id);
  const isGone = material === undefined || (material.validTo !== undefined && material.validTo <= ctx.now().getTime());
  if (isGone) throw fault(sdk.KMSInvalidStateException, `${key.arn} ${WORDS.PendingImport}.`);
  return material;
}

/** The row of a key that is to be changed, read within the transaction. @throws NotFoundException */
export async function keyRow(tx: Tx, arn: string): Promise<KeyTable> {
  const row = await tx.db<KmsTables>().selectFrom('kms_keys').selectAll().where('arn', '=', arn).executeTakeFirst();
  if (row === undefined) throw fault(sdk.NotFoundException, `Key '${arn}' does not exist`);
  return row;
}

/** Changes columns of a key. */
export async function updateKey(tx: Tx, arn: string, values: Partial<KeyTable>): Promise<void> {
  await tx.db<KmsTables>().updateTable('kms_keys').set(values).where('arn', '=', arn).execute();
}
