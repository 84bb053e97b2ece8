import * as sdk from '@aws-sdk/client-kms';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { keyByName, namedKeyConditions } from './key-access.ts';
import { changeKeys, type Key } from './key-cache.ts';
import { DAY_MS } from './key-deletion.ts';
import { onKey } from './key-operations.ts';
import { keyRow, requireCustomerManaged, requireUsable, updateKey } from './key-states.ts';
import { LIFECYCLE } from './lifecycle-name.ts';
import { invalidMarker } from './markers.ts';
import { hasAllMaterial, materialRows } from './material-rows.ts';
import { generateMaterial } from './materials.ts';
import { primaryOf } from './multi-region-rows.ts';
import { makeCurrent, rotateWithNew } from './rotate-key.ts';
import type { KeyTable, MaterialTable } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const DEFAULT_PERIOD_DAYS = 365;
/** AWS's quota for one key. */
const MAX_ON_DEMAND = 25;

const isSymmetric = (row: Pick<KeyTable, 'spec'>) => row.spec === 'SYMMETRIC_DEFAULT';

/** @throws UnsupportedOperationException for keys whose material KMS does not make or that follow their primary key */
function requireOwnRotation(row: Pick<KeyTable, 'arn' | 'spec' | 'origin' | 'multi_region'>, automatic: boolean): void {
  const why = !isSymmetric(row)
    ? `its key spec is ${row.spec}`
    : automatic && row.origin !== 'AWS_KMS'
      ? 'its key material is imported'
      : row.multi_region === 'REPLICA'
        ? 'it is a multi-Region replica key; rotate its primary key'
        : undefined;
  if (why === undefined) return;
  throw fault(sdk.UnsupportedOperationException, `Rotation is not supported for ${row.arn}: ${why}.`);
}

export const EnableKeyRotation: Op<'EnableKeyRotation'> = {
  ...onKey('EnableKeyRotation'),
  conditions: async ({ KeyId, RotationPeriodInDays = DEFAULT_PERIOD_DAYS }, ctx) => ({
    ...(await namedKeyConditions(ctx, KeyId)),
    'kms:RotationPeriodInDays': String(RotationPeriodInDays),
  }),
  async handle({ KeyId, RotationPeriodInDays: days = DEFAULT_PERIOD_DAYS }, ctx) {
    const { arn } = await keyByName(ctx, KeyId);
    await changeKeys(ctx, async (tx) => {
      const row = await keyRow(tx, arn);
      requireCustomerManaged(ctx, row, 'kms:EnableKeyRotation');
      requireUsable(row);
      requireOwnRotation(row, true);
      if (row.rotation_period_days === days) return;
      const next = ctx.now().getTime() + days * DAY_MS;
      await updateKey(tx, arn, { rotation_period_days: days, next_rotation_at: next });
      await tx.wake(LIFECYCLE, arn, new Date(next));
    });
    return {};
  },
};

export const DisableKeyRotation: Op<'DisableKeyRotation'> = {
  ...onKey('DisableKeyRotation'),
  async handle({ KeyId }, ctx) {
    const { arn } = await keyByName(ctx, KeyId);
    await changeKeys(ctx, async (tx) => {
      const row = await keyRow(tx, arn);
      requireCustomerManaged(ctx, row, 'kms:DisableKeyRotation');
      requireUsable(row);
      requireOwnRotation(row, true);
      await updateKey(tx, arn, { rotation_period_days: 0, next_rotation_at: null });
    });
    return {};
  },
};

export const GetKeyRotationStatus: Op<'GetKeyRotationStatus'> = {
  ...onKey('GetKeyRotationStatus', { crossAccount: true }),
  async handle({ KeyId }, ctx) {
    const key = await keyByName(ctx, KeyId);
    const { rotation_period_days: days, next_rotation_at: next } = await rotatingKey(ctx, key);
    // Keys that wait for their deletion are not rotated; when it is cancelled they go on.
    const rests = key.state === 'PendingDeletion' || key.state === 'PendingReplicaDeletion';
    if (days === 0 || rests) return { KeyId: key.arn, KeyRotationEnabled: false };
    return {
      KeyId: key.arn,
      KeyRotationEnabled: true,
      RotationPeriodInDays: days,
      ...(next === null ? {} : { NextRotationDate: new Date(next) }),
    };
  },
};

/** The key whose rotation settings count: of related multi-Region keys, the primary one. */
async function rotatingKey(
  ctx: Context,
  key: Key,
): Promise<Pick<KeyTable, 'rotation_period_days' | 'next_rotation_at'>> {
  return key.multi_region === 'REPLICA' ? ((await primaryOf(ctx, key)) ?? key) : key;
}

export const RotateKeyOnDemand: Op<'RotateKeyOnDemand'> = {
  ...onKey('RotateKeyOnDemand'),
  async handle({ KeyId }, ctx) {
    const key = await keyByName(ctx, KeyId);
    const bytes = await generateMaterial(ctx, 'SYMMETRIC_DEFAULT');
    await changeKeys(ctx, async (tx) => {
      const row = await keyRow(tx, key.arn);
      requireCustomerManaged(ctx, row, 'kms:RotateKeyOnDemand');
      requireUsable(row);
      requireOwnRotation(row, false);
      const rows = await materialRows(tx, row.arn);
      if (rows.filter(({ rotation_type }) => rotation_type === 'ON_DEMAND').length >= MAX_ON_DEMAND) {
        throw fault(sdk.LimitExceededException, `${row.arn} was rotated on demand ${MAX_ON_DEMAND} times already.`);
      }
      if (row.origin === 'AWS_KMS') await rotateWithNew(ctx, tx, row, bytes, 'ON_DEMAND');
      else await rotateToImported(ctx, tx, row, rows);
    });
    return { KeyId: key.arn };
  },
};

async function rotateToImported(ctx: Context, tx: Tx, row: KeyTable, rows: readonly MaterialTable[]): Promise<void> {
  const waiting = rows.find(({ state, sealed }) => state === 'PENDING_ROTATION' && sealed !== null);
  if (waiting === undefined || !(await hasAllMaterial(tx, row.arn))) {
    throw fault(sdk.KMSInvalidStateException, `${row.arn} has no imported key material that is pending rotation.`);
  }
  await makeCurrent(ctx, tx, row, waiting.id, 'ON_DEMAND');
}

export const ListKeyRotations: Op<'ListKeyRotations'> = {
  ...onKey('ListKeyRotations'),
  async handle({ KeyId, IncludeKeyMaterial = 'ROTATIONS_ONLY', Limit = 100, Marker }, ctx) {
    const key = await keyByName(ctx, KeyId);
    if (!isSymmetric(key)) {
      throw fault(sdk.UnsupportedOperationException, `${key.arn} cannot be rotated: its key spec is ${key.spec}.`);
    }
    const all = (await materialRows(ctx, key.arn)).map((row) => rotationEntry(key, row));
    const shown = IncludeKeyMaterial === 'ALL_KEY_MATERIAL' ? all : all.filter((entry) => entry.RotationDate);
    const scope = `ListKeyRotations ${key.arn} ${IncludeKeyMaterial}`;
    const from = cursorOf<number>(ctx, scope, Marker, invalidMarker) ?? 0;
    const numbered = shown.map((entry, index) => ({ entry, index })).slice(from, from + Limit + 1);
    const { items, token } = page(ctx, scope, numbered, Limit, ({ index }) => index + 1);
    return {
      Rotations: items.map(({ entry }) => entry),
      Truncated: token !== undefined,
      ...(token === undefined ? {} : { NextMarker: token }),
    };
  },
};

function rotationEntry(key: Key, row: MaterialTable): sdk.RotationsListEntry {
  const isImported = key.origin === 'EXTERNAL';
  return {
    KeyId: key.arn,
    KeyMaterialId: row.id,
    KeyMaterialState: row.state,
    ...(row.rotated_at === null ? {} : { RotationDate: new Date(row.rotated_at), RotationType: row.rotation_type! }),
    ...(isImported ? { ImportState: row.sealed === null ? 'PENDING_IMPORT' : 'IMPORTED' } : {}),
    ...(isImported && row.description !== null ? { KeyMaterialDescription: row.description } : {}),
    ...(isImported && row.sealed !== null ? expiry(row) : {}),
  };
}

function expiry({ valid_to }: MaterialTable): sdk.RotationsListEntry {
  if (valid_to === null) return { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' };
  return { ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo: new Date(valid_to) };
}
