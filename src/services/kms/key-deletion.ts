import type * as sdk from '@aws-sdk/client-kms';
import type { Tx } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { keyByName, namedKeyConditions } from './key-access.ts';
import { changeKeys } from './key-cache.ts';
import { onKey } from './key-operations.ts';
import { keyRow, requireCustomerManaged, requireState, updateKey } from './key-states.ts';
import { LIFECYCLE } from './lifecycle-name.ts';
import { hasAllMaterial } from './material-rows.ts';
import type { KeyTable, KmsTables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export const DAY_MS = 86_400_000;
const MIN_WINDOW_DAYS = 7;
const MAX_WINDOW_DAYS = 30;

export const ScheduleKeyDeletion: Op<'ScheduleKeyDeletion'> = {
  ...onKey('ScheduleKeyDeletion'),
  conditions: async ({ KeyId, PendingWindowInDays = MAX_WINDOW_DAYS }, ctx) => ({
    ...(await namedKeyConditions(ctx, KeyId)),
    'kms:ScheduleKeyDeletionPendingWindowInDays': String(PendingWindowInDays),
  }),
  async handle({ KeyId, PendingWindowInDays: days = MAX_WINDOW_DAYS }, ctx) {
    const { arn } = await keyByName(ctx, KeyId);
    if (days < MIN_WINDOW_DAYS || days > MAX_WINDOW_DAYS) {
      throw commonFault(
        'ValidationError',
        `PendingWindowInDays must be between ${MIN_WINDOW_DAYS} and ${MAX_WINDOW_DAYS}.`,
      );
    }
    const changed = await changeKeys(ctx, async (tx) => {
      const row = await keyRow(tx, arn);
      requireCustomerManaged(ctx, row, 'kms:ScheduleKeyDeletion');
      requireState(row, 'Enabled', 'Disabled', 'PendingImport', 'Unavailable');
      const waits = row.multi_region === 'PRIMARY' && (await replicasOf(tx, row)).length > 0;
      const deletionAt = waits ? null : ctx.now().getTime() + days * DAY_MS;
      const values = {
        state: waits ? ('PendingReplicaDeletion' as const) : ('PendingDeletion' as const),
        deletion_at: deletionAt,
        pending_window_days: days,
      };
      await updateKey(tx, arn, values);
      if (deletionAt !== null) await tx.wake(LIFECYCLE, arn, new Date(deletionAt));
      return values;
    });
    return {
      KeyId: arn,
      KeyState: changed.state,
      PendingWindowInDays: days,
      ...(changed.deletion_at === null ? {} : { DeletionDate: new Date(changed.deletion_at) }),
    };
  },
};

export const CancelKeyDeletion: Op<'CancelKeyDeletion'> = {
  ...onKey('CancelKeyDeletion'),
  async handle({ KeyId }, ctx) {
    const { arn } = await keyByName(ctx, KeyId);
    await changeKeys(ctx, async (tx) => {
      const row = await keyRow(tx, arn);
      requireState(row, 'PendingDeletion', 'PendingReplicaDeletion');
      const state = (await hasAllMaterial(tx, arn)) ? 'Disabled' : 'PendingImport';
      await updateKey(tx, arn, { state, deletion_at: null, pending_window_days: null });
    });
    return { KeyId: arn };
  },
};

/** Replicas of a multi-Region primary key, in whatever state. */
export async function replicasOf(tx: Tx, row: Pick<KeyTable, 'account' | 'id'>): Promise<KeyTable[]> {
  return tx
    .db<KmsTables>()
    .selectFrom('kms_keys')
    .selectAll()
    .where('id', '=', row.id)
    .where('account', '=', row.account)
    .where('multi_region', '=', 'REPLICA')
    .execute();
}
