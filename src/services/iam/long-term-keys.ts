import type { Credential, RootCaller, UserCaller } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';
import { findAccount, isOpen, rootCaller } from './accounts.ts';
import { entityArn } from './store.ts';
import { tables } from './tables.ts';

const PURPOSE = 'iam.access-key';
/** What an id of no key is looked up with, so that it costs what a key costs. */
const NOBODY = { account: '000000000000', secret: 'there-is-no-such-key' };
const decoys = new WeakMap<Context, string>();

/** The credential of a long-term key; undefined when there is none. Reads and opens as much in either case. */
export async function findKey(ctx: Context, accessKeyId: string): Promise<Credential | undefined> {
  const row = await tables(ctx)
    .selectFrom('iam_access_keys as k')
    .leftJoin('iam_users as u', 'u.id', 'k.user_id')
    .select(['k.secret', 'k.status', 'k.user_id', 'k.account', 'u.id', 'u.name', 'u.path'])
    .where('k.id', '=', accessKeyId)
    .executeTakeFirst();
  const account = await findAccount(ctx, row?.account ?? NOBODY.account);
  if (row === undefined) {
    openKeySecret(ctx, '', decoyOf(ctx));
    return undefined;
  }
  const secretAccessKey = openKeySecret(ctx, accessKeyId, row.secret);
  const caller = isOpen(ctx, account) ? keyOwner(row, accessKeyId) : undefined;
  return caller && { accessKeyId, secretAccessKey, active: row.status === 'Active', caller };
}

function decoyOf(ctx: Context): string {
  let sealed = decoys.get(ctx);
  if (sealed === undefined) {
    sealed = ctx.secrets.seal(PURPOSE, '', NOBODY.secret);
    decoys.set(ctx, sealed);
  }
  return sealed;
}

/** Opens the sealed secret of a long-term key. */
export function openKeySecret({ secrets }: Context, accessKeyId: string, sealed: string): string {
  return secrets.open(PURPOSE, accessKeyId, sealed).toString();
}

/** Whose key it is: a user's or, under the account's number, the root user's. */
function keyOwner(
  row: { user_id: string; account: string; id: string | null; name: string | null; path: string | null },
  accessKeyId: string,
): UserCaller | RootCaller | undefined {
  const { id, account, name, path } = row;
  if (id !== null && name !== null && path !== null) return userCaller({ id, account, name, path }, accessKeyId);
  return row.user_id === account ? rootCaller(account, accessKeyId) : undefined;
}

/** A user as a caller. */
export function userCaller(
  row: { id: string; account: string; name: string; path: string },
  accessKeyId?: string,
): UserCaller {
  return {
    type: 'IAMUser',
    account: row.account,
    arn: entityArn('user', row),
    principalId: row.id,
    userName: row.name,
    ...(accessKeyId === undefined ? {} : { accessKeyId }),
  };
}
