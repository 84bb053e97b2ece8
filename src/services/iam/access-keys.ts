import * as sdk from '@aws-sdk/client-iam';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { newAccessKeyId, newSecretAccessKey } from './identifiers.ts';
import { changeIdentities, identitiesOf } from './identities.ts';
import { slicePage } from './markers.ts';
import { QUOTAS, quotaExceeded } from './quotas.ts';
import { entityByName, entityResource, ownUserName } from './store.ts';
import { type AccessKeyRow, tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const userResource = ({ UserName: name }: { UserName?: string | undefined }, ctx: Context) =>
  entityResource(ctx, 'user', name ?? ownUserName(ctx));

function keysOf(source: Context | Tx, userId: string): Promise<AccessKeyRow[]> {
  return tables(source).selectFrom('iam_access_keys').selectAll().where('user_id', '=', userId).orderBy('id').execute();
}

async function keyById(tx: Tx, ctx: Context, userName: string, id: string): Promise<AccessKeyRow> {
  const user = await entityByName(tx, ctx.account, 'user', userName);
  const key = (await keysOf(tx, user.id)).find((row) => row.id === id);
  if (key === undefined) throw fault(sdk.NoSuchEntityException, `The Access Key with id ${id} cannot be found.`);
  return key;
}

export const CreateAccessKey: Op<'CreateAccessKey'> = {
  resource: userResource,
  async handle({ UserName: name }, ctx) {
    const userName = name ?? ownUserName(ctx);
    const secret = newSecretAccessKey(ctx.ids);
    const row = await changeIdentities(ctx, async (tx) => {
      const user = await entityByName(tx, ctx.account, 'user', userName);
      const keys = await keysOf(tx, user.id);
      if (keys.length >= QUOTAS.accessKeysPerUser) throw quotaExceeded('AccessKeysPerUser', QUOTAS.accessKeysPerUser);
      return { name: user.name, ...(await insertKey(tx, ctx, user.id, secret)) };
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
    const userName = input.UserName ?? ownUserName(ctx);
    const user = await entityByName(ctx, ctx.account, 'user', userName);
    const rows = await keysOf(ctx, user.id);
    const { items, truncation } = await slicePage(ctx, `ListAccessKeys ${user.id}`, input, rows, ({ id }) => id);
    const AccessKeyMetadata = items.map((row) => ({
      UserName: user.name,
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
      await keyById(tx, ctx, name ?? ownUserName(ctx), id);
      await tables(tx).updateTable('iam_access_keys').set({ status }).where('id', '=', id).execute();
    });
    return {};
  },
};

export const DeleteAccessKey: Op<'DeleteAccessKey'> = {
  resource: userResource,
  async handle({ UserName: name, AccessKeyId: id }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      await keyById(tx, ctx, name ?? ownUserName(ctx), id);
      await tables(tx).deleteFrom('iam_access_keys').where('id', '=', id).execute();
    });
    return {};
  },
};

export const GetAccessKeyLastUsed: Op<'GetAccessKeyLastUsed'> = {
  async resource({ AccessKeyId: id }, ctx) {
    const owner = await ownerOf(ctx, id);
    return owner === undefined ? `arn:aws:iam::${ctx.account}:user/*` : entityResource(ctx, 'user', owner.name);
  },
  async handle({ AccessKeyId: id }, ctx) {
    const row = await ownerOf(ctx, id);
    if (row === undefined) throw fault(sdk.NoSuchEntityException, `The Access Key with id ${id} cannot be found.`);
    const seen = identitiesOf(ctx).keyUse.last(id);
    const lastUsed: sdk.AccessKeyLastUsed = {
      LastUsedDate: seen ? new Date(seen.atMs) : row.last_used_at === null ? undefined : new Date(row.last_used_at),
      ServiceName: seen?.service ?? row.last_used_service ?? 'N/A',
      Region: seen?.region ?? row.last_used_region ?? 'N/A',
    };
    return { UserName: row.name, AccessKeyLastUsed: lastUsed };
  },
};

function ownerOf(ctx: Context, keyId: string) {
  return tables(ctx)
    .selectFrom('iam_access_keys as k')
    .innerJoin('iam_users as u', 'u.id', 'k.user_id')
    .select(['u.name', 'k.last_used_at', 'k.last_used_service', 'k.last_used_region'])
    .where('k.id', '=', keyId)
    .where('k.account', '=', ctx.account)
    .executeTakeFirst();
}
