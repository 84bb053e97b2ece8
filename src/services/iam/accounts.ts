import type { RootCaller } from '../../kernel/auth/identity.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { type AccountRow, accountTables } from './account-tables.ts';
import { newAccessKeyId, newSecretAccessKey } from './identifiers.ts';
import { changeIdentities } from './identities.ts';
import { tables } from './tables.ts';

const ID_LENGTH = 12;
const DIGITS = '0123456789';

/** A root user's key, told once. */
export interface RootKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface AccountDraft {
  /** Made where it is not given. */
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly email?: string | undefined;
}

/** The root user of an account as a caller. */
export function rootCaller(account: string, accessKeyId: string): RootCaller {
  return { type: 'Root', account, arn: `arn:aws:iam::${account}:root`, principalId: account, accessKeyId };
}

/** Enters the account that the installation is set up with, whose root key the data folder or the settings hold. */
export async function enterDefaultAccount(ctx: Context): Promise<void> {
  const { account: id } = ctx.config;
  if ((await findAccount(ctx, id)) !== undefined) return;
  const row: AccountRow = { id, name: 'default', email: '', status: 'ACTIVE', created_at: ctx.now().getTime() };
  await ctx.tx(async (tx) => {
    await accountTables(tx)
      .insertInto('iam_accounts')
      .values(row)
      .onConflict((c) => c.column('id').doNothing())
      .execute();
  });
}

export async function findAccount(source: Context | Tx, id: string): Promise<AccountRow | undefined> {
  return accountTables(source).selectFrom('iam_accounts').selectAll().where('id', '=', id).executeTakeFirst();
}

/** True unless the account was closed: then none of its keys, passwords, roles and sessions works. */
export async function isOpenAccount(ctx: Context, id: string): Promise<boolean> {
  return id === ctx.config.account || isOpen(ctx, await findAccount(ctx, id));
}

/** The same, of an account that has been looked up. */
export function isOpen({ config }: Context, account: AccountRow | undefined): boolean {
  return account?.status !== 'SUSPENDED' || account.id === config.account;
}

/** All accounts, the oldest first. */
export function listAccounts(ctx: Context): Promise<AccountRow[]> {
  return accountTables(ctx).selectFrom('iam_accounts').selectAll().orderBy('created_at').orderBy('id').execute();
}

/**
 * Makes an account and its root user's key.
 * @throws DuplicateAccountException when an id is asked for that is taken
 */
export async function createAccount(ctx: Context, draft: AccountDraft): Promise<{ account: AccountRow; key: RootKey }> {
  if (draft.id !== undefined && !/^\d{12}$/.test(draft.id)) {
    throw commonFault('ValidationError', 'An account id has 12 digits.');
  }
  return changeIdentities(ctx, async (tx) => {
    const id = draft.id ?? (await freeId(ctx, tx));
    if ((await findAccount(tx, id)) !== undefined) {
      throw new Fault('DuplicateAccountException', `There is an account ${id} already.`, { status: 409 });
    }
    const account: AccountRow = {
      id,
      name: draft.name ?? id,
      email: draft.email ?? '',
      status: 'ACTIVE',
      created_at: ctx.now().getTime(),
    };
    await accountTables(tx).insertInto('iam_accounts').values(account).execute();
    const key = await insertRootKey(ctx, tx, id);
    await tx.record(
      accountEvent('CreateAccount', { accountName: account.name, email: account.email }, { accountId: id }),
    );
    return { account, key };
  });
}

/** Ids do not begin with a zero: spreadsheets and shells would lose it. */
async function freeId(ctx: Context, tx: Tx): Promise<string> {
  for (;;) {
    const id = ctx.ids.string(ID_LENGTH, DIGITS);
    if (!id.startsWith('0') && (await findAccount(tx, id)) === undefined) return id;
  }
}

/** Closes an account or opens it again; what it owns stays. @throws AccountNotFoundException */
export async function setAccountStatus(ctx: Context, id: string, status: 'ACTIVE' | 'SUSPENDED'): Promise<AccountRow> {
  return changeIdentities(ctx, async (tx) => {
    const account = await otherAccount(ctx, tx, id);
    await accountTables(tx).updateTable('iam_accounts').set({ status }).where('id', '=', id).execute();
    await tx.record(accountEvent(status === 'ACTIVE' ? 'ReopenAccount' : 'CloseAccount', { accountId: id }));
    return { ...account, status };
  });
}

/** Puts a new root key in the place of all that the account's root user has. @throws AccountNotFoundException */
export async function replaceRootKey(ctx: Context, id: string): Promise<{ account: AccountRow; key: RootKey }> {
  return changeIdentities(ctx, async (tx) => {
    const account = await otherAccount(ctx, tx, id);
    await tables(tx).deleteFrom('iam_access_keys').where('user_id', '=', id).execute();
    const key = await insertRootKey(ctx, tx, id);
    await tx.record(accountEvent('ReplaceRootKey', { accountId: id }));
    return { account, key };
  });
}

/** @throws AccountNotFoundException, and AccessDenied for the default account, whose root key is not kept here */
async function otherAccount(ctx: Context, tx: Tx, id: string): Promise<AccountRow> {
  const account = await findAccount(tx, id);
  if (account === undefined) throw new Fault('AccountNotFoundException', `There is no account ${id}.`, { status: 404 });
  if (id === ctx.config.account) {
    throw commonFault('AccessDenied', `The account ${id} is the one that the server is set up with.`);
  }
  return account;
}

/** Root keys stand beside those of users, under the account's number in the place of a user's id. */
async function insertRootKey(ctx: Context, tx: Tx, account: string): Promise<RootKey> {
  const secretAccessKey = newSecretAccessKey(ctx.ids);
  for (;;) {
    const accessKeyId = newAccessKeyId(ctx.ids, 'AKIA', account);
    const row = {
      id: accessKeyId,
      user_id: account,
      account,
      secret: ctx.secrets.seal('iam.access-key', accessKeyId, secretAccessKey),
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
    // The id holds the account and 39 random bits: it may, rarely, be taken.
    if (inserted.numInsertedOrUpdatedRows === 1n) return { accessKeyId, secretAccessKey };
  }
}

function accountEvent(
  eventName: string,
  requestParameters: Record<string, unknown>,
  more: Record<string, unknown> = {},
) {
  return {
    eventSource: 'organizations.amazonaws.com',
    eventName,
    readOnly: false,
    resources: [],
    requestParameters: { ...requestParameters, ...more },
  };
}
