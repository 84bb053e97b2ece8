import * as sdk from '@aws-sdk/client-kms';
import { principalOf } from '../../kernel/auth/authorize.ts';
import type { PrincipalMatch } from '../../kernel/auth/principals.ts';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { ConditionKeys, ResourceRef } from '../../kernel/service.ts';
import { tagsOf } from '../../kernel/tags.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import type { EncryptionContext } from './ciphertext.ts';
import { granteeNames, grantFor } from './grant-rules.ts';
import { findAliasTarget, findGrants, findKey, type Key } from './key-cache.ts';
import { keyConditions } from './key-conditions.ts';
import { type KeyName, type KeyNaming, readKeyName } from './key-ids.ts';
import { ensureManagedKey } from './managed-keys.ts';

/** The key that a caller named, with the name; no key where there is none. */
export interface NamedKey {
  readonly name: KeyName;
  readonly key: Key | undefined;
}

/** Looks up the key that a caller named. AWS managed keys come into being here, on their first use. */
export async function findNamedKey(ctx: Context, keyId: string, naming: KeyNaming): Promise<NamedKey> {
  const name = readKeyName(ctx, keyId, naming);
  if (name.kind === 'key') return { name, key: await findKey(ctx, name.arn) };
  let target = await findAliasTarget(ctx, name.account, name.name);
  if (target === undefined && (await ensureManagedKey(ctx, name.account, name.name))) {
    target = await findAliasTarget(ctx, name.account, name.name);
  }
  return { name, key: target === undefined ? undefined : await findKey(ctx, target) };
}

/** The key that a caller named. @throws NotFoundException */
export async function keyByName(ctx: Context, keyId: string, naming: KeyNaming = 'key'): Promise<Key> {
  const { name, key } = await findNamedKey(ctx, keyId, naming);
  if (key !== undefined) return key;
  const text = name.kind === 'alias' ? `Alias ${name.arn} is not found.` : `Key '${name.arn}' does not exist`;
  throw fault(sdk.NotFoundException, text);
}

interface AccessOptions {
  readonly naming?: KeyNaming;
  /** Whether AWS lets other accounts make this call ("Cross-account use"). */
  readonly crossAccount?: boolean;
  /** Name in grants, where a grant can allow the call. */
  readonly grantOperation?: string;
  readonly context?: EncryptionContext | undefined;
}

/** What IAM evaluates for a key that a caller named. Where there is no such key, only the caller's own policies decide. */
export async function keyRef(
  ctx: Context,
  keyId: string,
  action: string,
  options: AccessOptions = {},
): Promise<ResourceRef> {
  const { name, key } = await findNamedKey(ctx, keyId, options.naming ?? 'key');
  if (name.account !== ctx.account && (key === undefined || options.crossAccount !== true)) {
    throw outOfReach(ctx, action, `on resource: ${name.arn}`);
  }
  return key === undefined ? { arn: name.arn } : refOf(ctx, key, options);
}

/** What IAM evaluates for a key. */
export async function refOf(ctx: Context, key: Key, options: AccessOptions = {}): Promise<ResourceRef> {
  const granted = options.grantOperation === undefined ? undefined : await grantedTo(ctx, key, options);
  return {
    arn: key.arn,
    account: key.account,
    policy: key.compiledPolicy,
    policyDecides: true,
    tags: () => tagsOf(ctx, key.arn),
    ...(granted === undefined ? {} : { granted }),
  };
}

async function grantedTo(ctx: Context, key: Key, options: AccessOptions): Promise<PrincipalMatch | undefined> {
  if (!key.hasGrants) return undefined;
  const who = principalOf(ctx.caller);
  const names = granteeNames(who);
  if (names.length === 0) return undefined;
  const grants = await findGrants(ctx, key.arn, names);
  return grantFor(grants ?? [], who, options.grantOperation!, options.context);
}

/** What AWS answers for keys of other accounts and Regions, whether they exist or not. */
export function outOfReach(ctx: Context, action: string, what: string): Error {
  const { arn, service } = principalOf(ctx.caller);
  return commonFault(
    'AccessDenied',
    `User: ${arn || service || 'anonymous'} is not authorized to perform: ${action} ${what} because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access`,
  );
}

/** Condition keys of a call on a key that a caller named. */
export async function namedKeyConditions(
  ctx: Context,
  keyId: string,
  naming: KeyNaming = 'key',
  context?: EncryptionContext,
): Promise<ConditionKeys> {
  const { name, key } = await findNamedKey(ctx, keyId, naming);
  return keyConditions(ctx, key, name, context);
}
