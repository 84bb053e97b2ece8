import * as sdk from '@aws-sdk/client-kms';
import { arn, parseArn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';
import { type Fault, fault } from '../../kernel/fault.ts';

/** How a caller may name a key: by id or ARN, or also by an alias or its ARN. */
export type KeyNaming = 'key' | 'alias-too';

/** What a caller named: a key, or an alias that points to one. */
export type KeyName =
  | { readonly kind: 'key'; readonly arn: string; readonly account: string }
  | { readonly kind: 'alias'; readonly arn: string; readonly account: string; readonly name: string };

const KEY_ID = /^(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/;
const ALIAS = /^alias\/[a-zA-Z0-9/_-]+$/;

/** ARN of a key. */
export function keyArn(region: string, account: string, id: string): string {
  return arn('kms', region, account, `key/${id}`);
}

/** ARN of an alias. @param name `alias/...` */
export function aliasArn(region: string, account: string, name: string): string {
  return arn('kms', region, account, name);
}

/**
 * Reads what a caller wrote for `KeyId`. Source: KMS Developer Guide, "Key identifiers (KeyId)".
 * @throws NotFoundException where nothing can have that name, InvalidArnException for an ARN of something else
 */
export function readKeyName(ctx: Context, text: string, naming: KeyNaming): KeyName {
  if (text.startsWith('arn:')) return readKeyArn(ctx, text, naming);
  if (KEY_ID.test(text)) return { kind: 'key', arn: keyArn(ctx.region, ctx.account, text), account: ctx.account };
  if (naming === 'alias-too' && ALIAS.test(text)) return aliasName(ctx, ctx.account, text);
  throw invalidKeyId(text);
}

function readKeyArn(ctx: Context, text: string, naming: KeyNaming): KeyName {
  const parts = parseArn(text);
  if (parts === undefined || parts.service !== 'kms') throw fault(sdk.InvalidArnException, `Invalid arn ${text}`);
  const { account, region, resource } = parts;
  if (region !== ctx.region) throw fault(sdk.NotFoundException, `Invalid arn ${region}`);
  if (resource.startsWith('key/') && KEY_ID.test(resource.slice(4))) return { kind: 'key', arn: text, account };
  if (naming === 'alias-too' && ALIAS.test(resource)) return aliasName(ctx, account, resource);
  throw invalidKeyId(text);
}

function aliasName(ctx: Context, account: string, name: string): KeyName {
  return { kind: 'alias', arn: aliasArn(ctx.region, account, name), account, name };
}

function invalidKeyId(text: string): Fault {
  return fault(sdk.NotFoundException, `Invalid keyId '${text}'`);
}
