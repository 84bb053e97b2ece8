import * as sdk from '@aws-sdk/client-kms';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName, ResourceRef } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { keyByName, keyRef, namedKeyConditions } from './key-access.ts';
import { changeKeys, findAliasTarget } from './key-cache.ts';
import { callerConditions } from './key-conditions.ts';
import { aliasArn } from './key-ids.ts';
import { keyRow, requireState } from './key-states.ts';
import { PREDEFINED_ALIASES } from './managed-keys.ts';
import { invalidMarker } from './markers.ts';
import type { AliasTable, KmsTables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const MAX_PAGE = 100;
/** AWS's quota of aliases for one key. */
const MAX_ALIASES_OF_KEY = 50;

/** An alias belongs to the caller's account and Region; keys have their say too. */
const aliasRef = (ctx: Context, name: string): ResourceRef => ({ arn: aliasArn(ctx.region, ctx.account, name) });

function checkAliasName(name: string): void {
  if (!name.startsWith('alias/')) {
    const page = 'https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html';
    throw commonFault('ValidationError', `Alias must start with the prefix "alias/". Please see ${page}`);
  }
  if (!/^alias\/[a-zA-Z0-9/_-]+$/.test(name)) {
    const text = 'Alias must not contain characters other than alphanumerics, slashes, underscores and dashes';
    throw fault(sdk.InvalidAliasNameException, text);
  }
  if (name.startsWith('alias/aws/'))
    throw commonFault('AccessDenied', 'Aliases that begin with alias/aws/ are reserved for AWS managed keys.');
}

/** The key that an alias shall lead to, by its id or ARN. */
function targetRef(ctx: Context, target: string, action: string): Promise<ResourceRef> {
  if (/^(arn:[^/]*:)?alias\//.test(target)) {
    throw commonFault('ValidationError', 'Aliases must refer to keys. Not aliases');
  }
  return keyRef(ctx, target, action);
}

export const CreateAlias: Op<'CreateAlias'> = {
  resource: async ({ AliasName, TargetKeyId }, ctx) => [
    aliasRef(ctx, AliasName),
    await targetRef(ctx, TargetKeyId, 'kms:CreateAlias'),
  ],
  conditions: ({ TargetKeyId }, ctx) => namedKeyConditions(ctx, TargetKeyId),
  async handle({ AliasName, TargetKeyId }, ctx) {
    checkAliasName(AliasName);
    const { arn } = await keyByName(ctx, TargetKeyId);
    const { account, region } = ctx;
    await changeKeys(ctx, async (tx) => {
      const key = await keyRow(tx, arn);
      requireState(key, 'Enabled', 'Disabled', 'PendingImport', 'Unavailable');
      if ((await findAlias(tx, ctx, AliasName)) !== undefined) {
        const text = `An alias with the name ${aliasArn(region, account, AliasName)} already exists`;
        throw fault(sdk.AlreadyExistsException, text);
      }
      await requireRoomFor(tx, arn);
      const now = ctx.now().getTime();
      await tx
        .db<KmsTables>()
        .insertInto('kms_aliases')
        .values({ account, region, name: AliasName, key_arn: arn, created_at: now, updated_at: now })
        .execute();
    });
    return {};
  },
};

export const UpdateAlias: Op<'UpdateAlias'> = {
  resource: async ({ AliasName, TargetKeyId }, ctx) => {
    const current = await findAliasTarget(ctx, ctx.account, AliasName);
    const target = await targetRef(ctx, TargetKeyId, 'kms:UpdateAlias');
    const keys = current === undefined ? [target] : [await keyRef(ctx, current, 'kms:UpdateAlias'), target];
    return [aliasRef(ctx, AliasName), ...keys];
  },
  conditions: ({ TargetKeyId }, ctx) => namedKeyConditions(ctx, TargetKeyId),
  async handle({ AliasName, TargetKeyId }, ctx) {
    checkAliasName(AliasName);
    const { arn } = await keyByName(ctx, TargetKeyId);
    await changeKeys(ctx, async (tx) => {
      const alias = await aliasByName(tx, ctx, AliasName);
      const [old, key] = [await keyRow(tx, alias.key_arn), await keyRow(tx, arn)];
      requireState(key, 'Enabled', 'Disabled', 'PendingImport', 'Unavailable');
      if (old.usage !== key.usage || (old.spec === 'SYMMETRIC_DEFAULT') !== (key.spec === 'SYMMETRIC_DEFAULT')) {
        const text = `Alias ${AliasName} can only be moved to a key of the same type and usage: ${old.usage}`;
        throw fault(sdk.KMSInvalidStateException, text);
      }
      if (alias.key_arn !== arn) await requireRoomFor(tx, arn);
      await tx
        .db<KmsTables>()
        .updateTable('kms_aliases')
        .set({ key_arn: arn, updated_at: ctx.now().getTime() })
        .where('account', '=', ctx.account)
        .where('region', '=', ctx.region)
        .where('name', '=', AliasName)
        .execute();
    });
    return {};
  },
};

export const DeleteAlias: Op<'DeleteAlias'> = {
  resource: async ({ AliasName }, ctx) => {
    const current = await findAliasTarget(ctx, ctx.account, AliasName);
    const alias = aliasRef(ctx, AliasName);
    return current === undefined ? alias : [alias, await keyRef(ctx, current, 'kms:DeleteAlias')];
  },
  conditions: async ({ AliasName }, ctx) => {
    const current = await findAliasTarget(ctx, ctx.account, AliasName);
    return current === undefined ? callerConditions(ctx) : namedKeyConditions(ctx, current);
  },
  async handle({ AliasName }, ctx) {
    checkAliasName(AliasName);
    await changeKeys(ctx, async (tx) => {
      await aliasByName(tx, ctx, AliasName);
      await tx
        .db<KmsTables>()
        .deleteFrom('kms_aliases')
        .where('account', '=', ctx.account)
        .where('region', '=', ctx.region)
        .where('name', '=', AliasName)
        .execute();
    });
    return {};
  },
};

export const ListAliases: Op<'ListAliases'> = {
  resource: () => '*',
  conditions: (_input, ctx) => callerConditions(ctx),
  async handle({ KeyId, Limit = 50, Marker }, ctx) {
    const key = KeyId === undefined ? undefined : await keyByName(ctx, KeyId);
    const scope = `ListAliases ${key?.arn ?? ''}`;
    const limit = Math.min(Limit, MAX_PAGE);
    const after = cursorOf<string>(ctx, scope, Marker, invalidMarker) ?? '';
    let query = ctx
      .db<KmsTables>()
      .selectFrom('kms_aliases')
      .selectAll()
      .where('account', '=', ctx.account)
      .where('region', '=', ctx.region)
      .where('name', '>', after);
    if (key !== undefined) query = query.where('key_arn', '=', key.arn);
    const rows = await query
      .orderBy('name')
      .limit(limit + 1)
      .execute();
    const listed = key === undefined ? withPredefined(rows, after) : rows;
    const { items, token } = page(ctx, scope, listed, limit, ({ name }) => name);
    return {
      Aliases: items.map((row) => aliasEntry(ctx, row)),
      Truncated: token !== undefined,
      ...(token === undefined ? {} : { NextMarker: token }),
    };
  },
};

type ListedAlias = AliasTable | { readonly name: string };

/** AWS lists its own aliases also where no key was needed yet; they have no target then. */
function withPredefined(rows: readonly AliasTable[], after: string): ListedAlias[] {
  const known = new Set(rows.map(({ name }) => name));
  const missing = PREDEFINED_ALIASES.filter((name) => name > after && !known.has(name)).map((name) => ({ name }));
  return [...rows, ...missing].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function aliasEntry(ctx: Context, row: ListedAlias): sdk.AliasListEntry {
  const shown = { AliasName: row.name, AliasArn: aliasArn(ctx.region, ctx.account, row.name) };
  if (!('key_arn' in row)) return shown;
  return {
    ...shown,
    TargetKeyId: row.key_arn.slice(row.key_arn.indexOf(':key/') + 5),
    CreationDate: new Date(row.created_at),
    LastUpdatedDate: new Date(row.updated_at),
  };
}

async function findAlias(tx: Tx, ctx: Context, name: string): Promise<AliasTable | undefined> {
  return tx
    .db<KmsTables>()
    .selectFrom('kms_aliases')
    .selectAll()
    .where('account', '=', ctx.account)
    .where('region', '=', ctx.region)
    .where('name', '=', name)
    .executeTakeFirst();
}

async function aliasByName(tx: Tx, ctx: Context, name: string): Promise<AliasTable> {
  const alias = await findAlias(tx, ctx, name);
  if (alias !== undefined) return alias;
  throw fault(sdk.NotFoundException, `Alias ${aliasArn(ctx.region, ctx.account, name)} is not found.`);
}

async function requireRoomFor(tx: Tx, keyArn: string): Promise<void> {
  const rows = await tx
    .db<KmsTables>()
    .selectFrom('kms_aliases')
    .select('name')
    .where('key_arn', '=', keyArn)
    .execute();
  if (rows.length < MAX_ALIASES_OF_KEY) return;
  throw fault(sdk.LimitExceededException, `The key ${keyArn} has the maximum of ${MAX_ALIASES_OF_KEY} aliases.`);
}
