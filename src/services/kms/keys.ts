import * as sdk from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName, ValidInput } from '../../kernel/service.ts';
import { putTags } from '../../kernel/tags.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { findNamedKey, keyByName, keyRef, namedKeyConditions } from './key-access.ts';
import { changeKeys } from './key-cache.ts';
import { callerConditions } from './key-conditions.ts';
import { keyMetadata } from './key-metadata.ts';
import { onKey } from './key-operations.ts';
import { checkLockout, checkPolicy, defaultPolicy } from './key-policy-documents.ts';
import { findSpec } from './key-specs.ts';
import { keyRow, requireCustomerManaged, requireState, updateKey } from './key-states.ts';
import { LIFECYCLE } from './lifecycle-name.ts';
import { ensureManagedKey } from './managed-keys.ts';
import { invalidMarker } from './markers.ts';
import { generateMaterial } from './materials.ts';
import { insertKey, newKeyRow } from './new-key.ts';
import type { KmsTables } from './tables.ts';
import { checkTags, tagConditions, tagMap } from './tag-rules.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;
type NewKey = ValidInput<sdk.CreateKeyCommandInput>;

export const CreateKey: Op<'CreateKey'> = {
  resource: () => '*',
  conditions: (input, ctx) => {
    const { spec, usage, origin } = wantedKey(input);
    return {
      ...callerConditions(ctx),
      'kms:KeySpec': spec,
      'kms:KeyUsage': usage,
      'kms:KeyOrigin': origin,
      'kms:MultiRegion': String(input.MultiRegion === true),
      ...(input.MultiRegion === true ? { 'kms:MultiRegionKeyType': 'PRIMARY' } : {}),
      'kms:BypassPolicyLockoutSafetyCheck': String(input.BypassPolicyLockoutSafetyCheck === true),
      ...tagConditions(input.Tags),
    };
  },
  async handle(input, ctx) {
    const { spec, usage, origin } = wantedKey(input);
    checkKind(input, spec, usage, origin);
    const tags = tagMap(input.Tags);
    checkTags(tags);
    if (input.Tags !== undefined && input.Tags.length > 0) {
      await ctx.authorize('kms:TagResource', '*', { ...callerConditions(ctx), ...tagConditions(input.Tags) });
    }
    const row = newKeyRow(ctx, {
      account: ctx.account,
      region: ctx.region,
      spec,
      usage,
      origin,
      manager: 'CUSTOMER',
      description: input.Description ?? '',
      policy: input.Policy ?? defaultPolicy(ctx.account),
      isMultiRegion: input.MultiRegion === true,
    });
    const policy = checkPolicy(row.policy);
    if (input.Policy !== undefined && input.BypassPolicyLockoutSafetyCheck !== true) checkLockout(ctx, policy, row.arn);
    const material = origin === 'EXTERNAL' ? undefined : await generateMaterial(ctx, spec);
    const stored = await changeKeys(ctx, async (tx) => {
      await putTags(tx, row.arn, tags);
      return insertKey(ctx, tx, row, material);
    });
    return { KeyMetadata: await keyMetadata(ctx, stored) };
  },
};

function wantedKey(input: NewKey) {
  const spec = input.KeySpec ?? input.CustomerMasterKeySpec ?? 'SYMMETRIC_DEFAULT';
  return { spec, usage: input.KeyUsage ?? defaultUsage(spec), origin: input.Origin ?? 'AWS_KMS' };
}

/** Keys with one usage only still need it named, except symmetric encryption keys. */
function defaultUsage(spec: string): string {
  return spec === 'SYMMETRIC_DEFAULT' ? 'ENCRYPT_DECRYPT' : '';
}

function checkKind(
  input: NewKey,
  spec: string,
  usage: string,
  origin: string,
): asserts origin is 'AWS_KMS' | 'EXTERNAL' {
  if (input.KeySpec !== undefined && input.CustomerMasterKeySpec !== undefined) {
    throw invalid(
      'You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.',
    );
  }
  if (
    input.CustomKeyStoreId !== undefined ||
    input.XksKeyId !== undefined ||
    !['AWS_KMS', 'EXTERNAL'].includes(origin)
  ) {
    throw commonFault('NotImplemented', 'Keys in custom key stores are not implemented by Slipway.');
  }
  const facts = findSpec(spec);
  if (facts === undefined)
    throw fault(sdk.UnsupportedOperationException, `KeySpec ${spec} is not supported in this Region.`);
  if (usage === '') {
    throw invalid('You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.');
  }
  if (!(facts.usages as readonly string[]).includes(usage)) {
    throw invalid(`KeyUsage ${usage} is not compatible with KeySpec ${spec}`);
  }
  if (origin === 'EXTERNAL' && facts.kind === 'ml-dsa') {
    throw fault(sdk.UnsupportedOperationException, `KeySpec ${spec} does not support imported key material.`);
  }
}

const invalid = (message: string) => commonFault('ValidationError', message);

export const DescribeKey: Op<'DescribeKey'> = {
  ...onKey('DescribeKey', { naming: 'alias-too', crossAccount: true, grantable: true }),
  async handle(input, ctx) {
    const { name, key: existing } = await findNamedKey(ctx, input.KeyId, 'alias-too');
    const isUnborn = existing === undefined && name.kind === 'alias';
    if (isUnborn && (await ensureManagedKey(ctx, name.account, name.name, { asked: true }))) {
      // Only the caller's own policies could be asked before; now the key's policy has to agree as well.
      const ref = await keyRef(ctx, input.KeyId, 'kms:DescribeKey', { naming: 'alias-too' });
      await ctx.authorize('kms:DescribeKey', ref, await namedKeyConditions(ctx, input.KeyId, 'alias-too'));
    }
    const key = await keyByName(ctx, input.KeyId, 'alias-too');
    return { KeyMetadata: await keyMetadata(ctx, await freshRow(ctx, key.arn)) };
  },
};

async function freshRow(ctx: Context, arn: string) {
  const row = await ctx.db<KmsTables>().selectFrom('kms_keys').selectAll().where('arn', '=', arn).executeTakeFirst();
  if (row === undefined) throw fault(sdk.NotFoundException, `Key '${arn}' does not exist`);
  return row;
}

export const ListKeys: Op<'ListKeys'> = {
  resource: () => '*',
  conditions: (_input, ctx) => callerConditions(ctx),
  async handle({ Limit = 100, Marker }, ctx) {
    const after = cursorOf<string>(ctx, 'ListKeys', Marker, invalidMarker) ?? '';
    const rows = await ctx
      .db<KmsTables>()
      .selectFrom('kms_keys')
      .select(['id', 'arn'])
      .where('account', '=', ctx.account)
      .where('region', '=', ctx.region)
      .where('id', '>', after)
      .orderBy('id')
      .limit(Limit + 1)
      .execute();
    const { items, token } = page(ctx, 'ListKeys', rows, Limit, ({ id }) => id);
    return {
      Keys: items.map(({ id, arn }) => ({ KeyId: id, KeyArn: arn })),
      Truncated: token !== undefined,
      ...(token === undefined ? {} : { NextMarker: token }),
    };
  },
};

export const UpdateKeyDescription: Op<'UpdateKeyDescription'> = {
  ...onKey('UpdateKeyDescription'),
  async handle(input, ctx) {
    const { arn } = await keyByName(ctx, input.KeyId);
    await changeKeys(ctx, async (tx) => {
      const row = await keyRow(tx, arn);
      requireCustomerManaged(ctx, row, 'kms:UpdateKeyDescription');
      requireState(row, 'Enabled', 'Disabled', 'PendingImport', 'Unavailable');
      await updateKey(tx, arn, { description: input.Description });
    });
    return {};
  },
};

export const EnableKey: Op<'EnableKey'> = {
  ...onKey('EnableKey'),
  handle: (input, ctx) => setEnabled(input.KeyId, ctx, 'Enabled', 'kms:EnableKey'),
};

export const DisableKey: Op<'DisableKey'> = {
  ...onKey('DisableKey'),
  handle: (input, ctx) => setEnabled(input.KeyId, ctx, 'Disabled', 'kms:DisableKey'),
};

async function setEnabled(keyId: string, ctx: Context, state: 'Enabled' | 'Disabled', action: string) {
  const { arn } = await keyByName(ctx, keyId);
  await changeKeys(ctx, async (tx) => {
    const row = await keyRow(tx, arn);
    requireCustomerManaged(ctx, row, action);
    requireState(row, 'Enabled', 'Disabled');
    await updateKey(tx, arn, { state });
    // A rotation that fell due in the meantime is made up for.
    if (state === 'Enabled' && row.next_rotation_at !== null) await tx.wake(LIFECYCLE, arn);
  });
  return {};
}
