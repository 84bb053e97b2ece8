import type { Context } from '../../kernel/context.ts';
import type { ConditionKeys } from '../../kernel/service.ts';
import type { EncryptionContext } from './ciphertext.ts';
import type { Key } from './key-cache.ts';
import type { KeyName } from './key-ids.ts';

/** Condition keys that every call has. */
export function callerConditions(ctx: Context): Record<string, string | string[]> {
  const via = ctx.calledVia.at(-1);
  return {
    'kms:CallerAccount': ctx.caller.account,
    ...(via === undefined
      ? {}
      : { 'kms:ViaService': via.replace(/\.amazonaws\.com$/, `.${ctx.region}.amazonaws.com`) }),
  };
}

/** Condition keys of a call on a key. Source: KMS Developer Guide, "AWS KMS condition keys". */
export function keyConditions(
  ctx: Context,
  key: Key | undefined,
  name?: KeyName,
  context?: EncryptionContext,
): ConditionKeys {
  const keys = callerConditions(ctx);
  if (name?.kind === 'alias') keys['kms:RequestAlias'] = name.name;
  if (key !== undefined) {
    keys['kms:KeySpec'] = key.spec;
    keys['kms:KeyUsage'] = key.usage;
    keys['kms:KeyOrigin'] = key.origin;
    keys['kms:MultiRegion'] = String(key.multi_region !== null);
    if (key.multi_region !== null) keys['kms:MultiRegionKeyType'] = key.multi_region;
    if (key.aliases.length > 0) keys['kms:ResourceAliases'] = [...key.aliases];
  }
  if (context !== undefined) {
    const pairs = Object.entries(context);
    if (pairs.length > 0) keys['kms:EncryptionContextKeys'] = pairs.map(([key]) => key);
    for (const [key, value] of pairs) keys[`kms:EncryptionContext:${key}`] = value;
  }
  return keys;
}
