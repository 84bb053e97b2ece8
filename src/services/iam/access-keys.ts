import * as sdk from '@aws-sdk/client-iam';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { findAccount } from './accounts.ts';
import { newAccessKeyId, newSecretAccessKey } from './identifiers.ts';
import { changeIdentities, identitiesOf } from './identities.ts';
import { slicePage } from './markers.ts';
import { QUOTAS, quotaExceeded } from './quotas.ts';
import { entityByName, entityResource, ownUserName } from './store.ts';
import { type AccessKeyRow, tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Whose keys a call is about. The root user has no name; his keys stand under the account's number. */
interface KeyOwner {
  id: string;
  name?: string;
}

const isOfRoot = (name: string | undefined, { caller }: Context) => name === undefined && caller.type === 'Root';

const userResource = ({ UserName: name }: { UserName?: string | undefined }, ctx: Context) =>
  isOfRoot(name, ctx) ? `arn:aws:iam::${ctx.account}:root` : entityResource(ctx, 'user', name ?? ownUserName(ctx));

/** The user who is named, else the caller. @throws NoSuchEntityException */
function ownerFor(source: Context | Tx, ctx: Context, name: string | undefined): KeyOwner | Promise<KeyOwner> {
  if (isOfRoot(name, ctx)) return { id: ctx.account };
  return entityByName(source, ctx.account, 'user', name ?? ownUserName(ctx));
}

/** The root key that the server is set up with, which stands in its configuration and not in a row. */
function configuredKey({ config }: Context, owner: KeyOwner): string | undefined {
  return owner.id === config.account ? config.rootAccessKeyId : undefined;
}

function keysOf(source: Context | Tx, userId: string): Promise<AccessKeyRow[]> {
  return tables(source).selectFrom('iam_access_keys').selectAll().where('user_id', '=', userId).orderBy('id').execute();
}

async function keyById(tx: Tx, ctx: Context, userName: string | undefined, id: string): Promise<AccessKeyRow> {
  const owner = await ownerFor(tx, ctx, userName);
  if (configuredKey(ctx, owner) === id) {
    throw commonFault('AccessDenied', `The access key ${id} is the one that the server is set up with.`);
  }
  const key = (await keysOf(tx, owner.id)).find((row) => row.id === id);
  if (key === undefined) throw fault(sdk.NoSuchEntityException, `The Access Key with id ${id} cannot be found.`);
  return key;
}

export const CreateAccessKey: Op<'CreateAccessKey'> = {
  resource: userResource,
  async handle({ UserName: name }, ctx) {
    const secret = newSecretAccessKey(ctx.ids);
    const row = await changeIdentities(ctx, async (tx) => {
      const owner = await ownerFor(tx, ctx, name);
      const count = (await keysOf(tx, owner.id)).length + (configuredKey(ctx, owner) === undefined ? 0 : 1);
      if (count >= QUOTAS.accessKeysPerUser) throw quotaExceeded('AccessKeysPerUser', QUOTAS.accessKeysPerUser);
      return { name: owner.name, ...(await insertKey(tx, ctx, owner.id, secret)) };
    });
    return {
      AccessKey: {
        UserName: row.name,
        AccessKeyId: row.id,
        Status: row.status as sdk.StatusType,
        SecretAccessKey: secret,
        CreateDate: new Date(row.created_at),
      },
    };
  },
};

/** Stores a key under an id that is not taken: 39 bits of it are random. */
async function insertKey(tx: Tx, ctx: Context, userId: string, secret: string): Promise<AccessKeyRow> {
  for (;;) {
    const id = newAccessKeyId(ctx.ids, 'AKIA', ctx.account);
    const row: AccessKeyRow = {
      id,
      user_id: userId,
      account: ctx.account,
      secret: ctx.secrets.seal('iam.access-key', id, secret),
      status: 'Active',
      created_at: ctx.now().getTime(),
      last_used_at: null,
      last_used_service: null,
      last_used_region: null,
    };
    const inserted = await tables(tx)
      .insertInto('iam_access_keys')
      .values(row)
      .onConflict((c) => c.column('id').doNothing())
      .executeTakeFirst();
    if (inserted.numInsertedOrUpdatedRows === 1n) return row;
  }
}

export const ListAccessKeys: Op<'ListAccessKeys'> = {
  resource: userResource,
  async handle(input, ctx) {
    const owner = await ownerFor(ctx, ctx, input.UserName);
    const configured = configuredKey(ctx, owner);
    const rows: Pick<AccessKeyRow, 'id' | 'status' | 'created_at'>[] = await keysOf(ctx, owner.id);
    if (configured !== undefined) {
      const created_at = (await findAccount(ctx, owner.id))?.created_at ?? 0;
      rows.unshift({ id: configured, status: 'Active', created_at });
    }
    const { items, truncation } = await slicePage(ctx, `ListAccessKeys ${owner.id}`, input, rows, ({ id }) => id);
    const AccessKeyMetadata = items.map((row) => ({
      ...(owner.name === undefined ? {} : { UserName: owner.name }),
      AccessKeyId: row.id,
      Status: row.status as sdk.StatusType,
      CreateDate: new Date(row.created_at),
    }));
    return { AccessKeyMetadata, ...truncation };
  },
};

export const UpdateAccessKey: Op<'UpdateAccessKey'> = {
  resource: userResource,
  async handle({ UserName: name, AccessKeyId: id, Status: status }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      await keyById(tx, ctx, name, id);
      await tables(tx).updateTable('iam_access_keys').set({ status }).where('id', '=', id).execute();
    });
    return {};
  },
};

export const DeleteAccessKey: Op<'DeleteAccessKey'> = {
  resource: userResource,
  async handle({ UserName: name, AccessKeyId: id }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      await keyById(tx, ctx, name, id);
      await tables(tx).deleteFrom('iam_access_keys').where('id', '=', id).execute();
    });
    return {};
  },
};

export const GetAccessKeyLastUsed: Op<'GetAccessKeyLastUsed'> = {
  async resource({ AccessKeyId: id }, ctx) {
    const key = await usedKey(ctx, id);
    if (key === undefined) return `arn:aws:iam::${ctx.account}:user/*`;
    return key.name === null ? `arn:aws:iam::${ctx.account}:root` : entityResource(ctx, 'user', key.name);
  },
  async handle({ AccessKeyId: id }, ctx) {
    const key = await usedKey(ctx, id);
    if (key === undefined) throw fault(sdk.NoSuchEntityException, `The Access Key with id ${id} cannot be found.`);
    const seen = identitiesOf(ctx).keyUse.last(id);
    const lastUsed: sdk.AccessKeyLastUsed = {
      LastUsedDate: seen ? new Date(seen.atMs) : key.last_used_at === null ? undefined : new Date(key.last_used_at),
      ServiceName: seen?.service ?? key.last_used_service ?? 'N/A',
      Region: seen?.region ?? key.last_used_region ?? 'N/A',
    };
    return { ...(key.name === null ? {} : { UserName: key.name }), AccessKeyLastUsed: lastUsed };
  },
};

/** A key of the account with its last use as it is stored, and its user's name; null for the root user, who has none. */
async function usedKey(ctx: Context, id: string) {
  const row = await tables(ctx)
    .selectFrom('iam_access_keys as k')
    .leftJoin('iam_users as u', 'u.id', 'k.user_id')
    .select(['u.name', 'k.last_used_at', 'k.last_used_service', 'k.last_used_region'])
    .where('k.id', '=', id)
    .where('k.account', '=', ctx.account)
    .executeTakeFirst();
  if (row !== undefined || id !== configuredKey(ctx, { id: ctx.account })) return row;
  // It has no row: its use is known since the server was started.
  return { name: null, last_used_at: null, last_used_service: null, last_used_region: null };
}
