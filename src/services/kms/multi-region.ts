import * as sdk from '@aws-sdk/client-kms';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { putTags } from '../../kernel/tags.ts';
import { keyByName, namedKeyConditions, refOf } from './key-access.ts';
import { changeKeys, findKey } from './key-cache.ts';
import { callerConditions } from './key-conditions.ts';
import { keyArn } from './key-ids.ts';
import { keyMetadata } from './key-metadata.ts';
import { onKey } from './key-operations.ts';
import { checkLockout, checkPolicy, defaultPolicy } from './key-policy-documents.ts';
import { keyRow, requireUsable, updateKey } from './key-states.ts';
import { LIFECYCLE } from './lifecycle-name.ts';
import { addMaterial, materialRows } from './material-rows.ts';
import { unsealMaterial } from './materials.ts';
import { insertKey } from './new-key.ts';
import type { KeyTable, KmsTables } from './tables.ts';
import { checkTags, tagConditions, tagMap } from './tag-rules.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

function requirePrimary(row: Pick<KeyTable, 'arn' | 'multi_region'>): void {
  if (row.multi_region === 'PRIMARY') return;
  throw fault(sdk.UnsupportedOperationException, `${row.arn} is not a multi-Region primary key.`);
}

export const ReplicateKey: Op<'ReplicateKey'> = {
  ...onKey('ReplicateKey'),
  conditions: async ({ KeyId, ReplicaRegion }, ctx) => ({
    ...(await namedKeyConditions(ctx, KeyId)),
    'kms:ReplicaRegion': ReplicaRegion,
  }),
  async handle(input, ctx) {
    const key = await keyByName(ctx, input.KeyId);
    requirePrimary(key);
    requireUsable(key);
    const { ReplicaRegion: region } = input;
    const there = ctx.withCaller(ctx.caller, region);
    await authorizeReplica(there, key, input);
    const tags = tagMap(input.Tags);
    checkTags(tags);
    const document = input.Policy ?? defaultPolicy(key.account);
    const arn = keyArn(region, key.account, key.id);
    const policy = checkPolicy(document);
    if (input.Policy !== undefined && input.BypassPolicyLockoutSafetyCheck !== true) checkLockout(ctx, policy, arn);
    const replica = await changeKeys(ctx, async (tx) => {
      const row = await keyRow(tx, key.arn);
      requirePrimary(row);
      requireUsable(row);
      await requireAbsent(tx, arn, region);
      await putTags(tx, arn, tags);
      const made: KeyTable = {
        ...row,
        arn,
        region,
        multi_region: 'REPLICA',
        description: input.Description ?? '',
        policy: document,
        created_at: ctx.now().getTime(),
        // Rotation is its primary key's; imported material has to be imported here as well.
        rotation_period_days: 0,
        next_rotation_at: null,
        ...(row.origin === 'EXTERNAL' ? { state: 'PendingImport' as const, current_material: null } : {}),
      };
      await insertKey(ctx, tx, made);
      if (row.origin === 'AWS_KMS') await copyMaterial(ctx, tx, row, made);
      return made;
    });
    return {
      ReplicaKeyMetadata: await keyMetadata(ctx, replica),
      ReplicaPolicy: replica.policy,
      ReplicaTags: Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
    };
  },
};

/** The replica is a new key in its Region: its maker needs the right to make one there. */
async function authorizeReplica(there: Context, key: KeyTable, input: sdk.ReplicateKeyCommandInput): Promise<void> {
  const conditions = {
    ...callerConditions(there),
    'kms:KeySpec': key.spec,
    'kms:KeyUsage': key.usage,
    'kms:KeyOrigin': key.origin,
    'kms:MultiRegion': 'true',
    'kms:MultiRegionKeyType': 'REPLICA',
    'kms:PrimaryRegion': key.region,
    'kms:BypassPolicyLockoutSafetyCheck': String(input.BypassPolicyLockoutSafetyCheck === true),
    ...tagConditions(input.Tags),
  };
  await there.authorize('kms:CreateKey', '*', conditions);
  if (input.Tags !== undefined && input.Tags.length > 0) await there.authorize('kms:TagResource', '*', conditions);
}

async function requireAbsent(tx: Tx, arn: string, region: string): Promise<void> {
  const db = tx.db<KmsTables>();
  const row = await db.selectFrom('kms_keys').select('arn').where('arn', '=', arn).executeTakeFirst();
  if (row !== undefined) throw fault(sdk.AlreadyExistsException, `${arn} exists in ${region} already.`);
}

async function copyMaterial(ctx: Context, tx: Tx, from: KeyTable, to: KeyTable): Promise<void> {
  for (const row of await materialRows(tx, from.arn)) {
    if (row.sealed === null) continue;
    const bytes = unsealMaterial(ctx, from.arn, row.id, row.sealed);
    await addMaterial(ctx, tx, bytes, { ...row, key_arn: to.arn });
  }
}

export const UpdatePrimaryRegion: Op<'UpdatePrimaryRegion'> = {
  ...onKey('UpdatePrimaryRegion'),
  conditions: async ({ KeyId, PrimaryRegion }, ctx) => ({
    ...(await namedKeyConditions(ctx, KeyId)),
    'kms:PrimaryRegion': PrimaryRegion,
  }),
  async handle({ KeyId, PrimaryRegion }, ctx) {
    const key = await keyByName(ctx, KeyId);
    requirePrimary(key);
    const there = ctx.withCaller(ctx.caller, PrimaryRegion);
    const replica = await findKey(there, keyArn(PrimaryRegion, key.account, key.id));
    if (replica === undefined) {
      throw fault(sdk.NotFoundException, `${key.arn} has no replica key in ${PrimaryRegion}.`);
    }
    await there.authorize('kms:UpdatePrimaryRegion', await refOf(there, replica), {
      ...callerConditions(there),
      'kms:PrimaryRegion': PrimaryRegion,
    });
    await changeKeys(ctx, async (tx) => {
      const [old, next] = [await keyRow(tx, key.arn), await keyRow(tx, replica.arn)];
      requirePrimary(old);
      requireUsable(old);
      requireUsable(next);
      if (old.arn === next.arn) return;
      const { rotation_period_days, next_rotation_at } = old;
      await updateKey(tx, old.arn, { multi_region: 'REPLICA', rotation_period_days: 0, next_rotation_at: null });
      await updateKey(tx, next.arn, { multi_region: 'PRIMARY', rotation_period_days, next_rotation_at });
      if (next_rotation_at !== null) await tx.wake(LIFECYCLE, next.arn, new Date(next_rotation_at));
    });
    return {};
  },
};
