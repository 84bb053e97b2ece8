import type { Credential, RootCaller, UserCaller } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';
import { findAccount, isOpen, rootCaller } from './accounts.ts';
import { entityArn } from './store.ts';
import { type AccessKeyRow, tables } from './tables.ts';

const PURPOSE = 'iam.access-key';
/** What stands in for the secret of a key that is none. */
const NO_SECRET = 'there-is-no-such-key';
const decoys = new WeakMap<Context, string>();

/** The credential of a long-term key; undefined when there is none. Reads and opens as much in either case. */
export async function findKey(ctx: Context, accessKeyId: string): Promise<Credential | undefined> {
  const db = tables(ctx);
  const row = await db.selectFrom('iam_access_keys').selectAll().where('id', '=', accessKeyId).executeTakeFirst();
  const owner = db
    .selectFrom('iam_users')
    .selectAll()
    .where('id', '=', row?.user_id ?? accessKeyId);
  const user = await owner.executeTakeFirst();
  const account = await findAccount(ctx, row?.account ?? ctx.config.account);
  const secretAccessKey = openKeySecret(ctx, row === undefined ? '' : accessKeyId, row?.secret ?? decoyOf(ctx));
  if (row === undefined || !isOpen(ctx, account)) return undefined;
  const caller = keyOwner(row, user);
  return caller && { accessKeyId, secretAccessKey, active: row.status === 'Active', caller };
}

function decoyOf(ctx: Context): string {
  let sealed = decoys.get(ctx);
  if (sealed === undefined) {
    sealed = ctx.secrets.seal(PURPOSE, '', NO_SECRET);
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
  { id, user_id, account }: AccessKeyRow,
  user: Parameters<typeof userCaller>[0] | undefined,
): UserCaller | RootCaller | undefined {
  if (user !== undefined) return userCaller(user, id);
  return user_id === account ? rootCaller(account, id) : undefined;
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
