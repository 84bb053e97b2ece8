import type * as sdk from '@aws-sdk/client-kms';
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

/** `kms:GrantIsForAWSResource`: whether a service asks for its caller. */
export function isForService(ctx: Context): string {
  return String(ctx.calledVia.length > 0);
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
  return { ...keys, ...contextConditions(context) };
}

/** Condition keys of an encryption context: that of a call, or the one that a grant demands of calls. */
export function contextConditions(context: EncryptionContext = {}): ConditionKeys {
  const names = Object.keys(context);
  if (names.length === 0) return {};
  return {
    'kms:EncryptionContextKeys': names,
    ...Object.fromEntries(names.map((name) => [`kms:EncryptionContext:${name}`, context[name]!])),
  };
}

/** Condition keys of a grant that is made or retired: what it demands of calls. */
export function grantConditions(constraints: sdk.GrantConstraints | undefined): ConditionKeys {
  if (constraints === undefined) return {};
  return {
    'kms:GrantConstraintType': Object.keys(constraints),
    ...contextConditions(constraints.EncryptionContextEquals ?? constraints.EncryptionContextSubset),
  };
}
