import * as sdk from '@aws-sdk/client-iam';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import type { LoginProfileRow } from './credential-tables.ts';
import { identitiesOf } from './identities.ts';
import { hashPassword, isPassword } from './password-hash.ts';
import { allowedToChangePassword, checkPassword, passwordPolicyOf } from './password-policy.ts';
import { entityByName, entityResource, ownUserName } from './store.ts';
import { tables, type UserRow } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** As many former passwords as a policy may forbid. */
const KEPT_PASSWORDS = 24;

const userResource = ({ UserName: name }: { UserName?: string | undefined }, ctx: Context) =>
  entityResource(ctx, 'user', name ?? ownUserName(ctx));

/** A user's login profile, if he has one. */
export function findLoginProfile(source: Context | Tx, userId: string): Promise<LoginProfileRow | undefined> {
  return tables(source).selectFrom('iam_login_profiles').selectAll().where('user_id', '=', userId).executeTakeFirst();
}

async function loginProfileOf(source: Context | Tx, user: UserRow): Promise<LoginProfileRow> {
  const row = await findLoginProfile(source, user.id);
  if (row !== undefined) return row;
  throw fault(sdk.NoSuchEntityException, `Login Profile for User ${user.name} cannot be found.`);
}

function profileOf(user: UserRow, row: LoginProfileRow): sdk.LoginProfile {
  return {
    UserName: user.name,
    CreateDate: new Date(row.created_at),
    PasswordResetRequired: row.reset_required === 1,
  };
}

/** The former passwords of a user that his account's policy forbids, as hashes. */
async function forbiddenHashes(source: Context | Tx, user: UserRow): Promise<string[]> {
  const count = (await passwordPolicyOf(source, user.account))?.reuse_prevention ?? 0;
  if (count === 0) return [];
  const rows = await tables(source)
    .selectFrom('iam_past_passwords')
    .select('hash')
    .where('user_id', '=', user.id)
    .orderBy('changed_at', 'desc')
    .limit(count)
    .execute();
  return rows.map(({ hash }) => hash);
}

/** A password that may be set for this user, hashed. Slow by intent: not inside a transaction. @throws PasswordPolicyViolation */
export async function newPasswordHash(ctx: Context, user: UserRow, password: string): Promise<string> {
  checkPassword(await passwordPolicyOf(ctx, user.account), user.name, password);
  for (const hash of await forbiddenHashes(ctx, user)) {
    if (await isPassword(ctx.secrets, password, hash)) {
      throw fault(
        sdk.PasswordPolicyViolationException,
        'Policy constraint: the password has been used before and cannot be used again.',
      );
    }
  }
  return hashPassword(ctx.secrets, password);
}

/** Stores a password, and remembers it among those the user had. */
export async function storePassword(tx: Tx, ctx: Context, row: LoginProfileRow): Promise<void> {
  const db = tables(tx);
  const { user_id, ...changed } = row;
  await db
    .insertInto('iam_login_profiles')
    .values(row)
    .onConflict((c) => c.column('user_id').doUpdateSet(changed))
    .execute();
  await db
    .insertInto('iam_past_passwords')
    .values({ user_id, changed_at: ctx.now().getTime(), hash: row.hash })
    .execute();
  const past = await db
    .selectFrom('iam_past_passwords')
    .select('hash')
    .where('user_id', '=', user_id)
    .orderBy('changed_at', 'desc')
    .execute();
  const old = past.slice(KEPT_PASSWORDS).map(({ hash }) => hash);
  if (old.length === 0) return;
  await db.deleteFrom('iam_past_passwords').where('user_id', '=', user_id).where('hash', 'in', old).execute();
}

export const CreateLoginProfile: Op<'CreateLoginProfile'> = {
  resource: userResource,
  async handle({ UserName: name, Password: password, PasswordResetRequired: reset = false }, ctx) {
    if (password === undefined) throw commonFault('ValidationError', 'Must specify Password.');
    const user = await entityByName(ctx, ctx.account, 'user', name ?? ownUserName(ctx));
    const hash = await newPasswordHash(ctx, user, password);
    return ctx.tx(async (tx) => {
      const { id } = await sameUser(tx, user);
      if ((await findLoginProfile(tx, id)) !== undefined) {
        throw fault(sdk.EntityAlreadyExistsException, `Login Profile for user ${user.name} already exists.`);
      }
      const now = ctx.now().getTime();
      const row = { user_id: id, account: ctx.account, hash, created_at: now, changed_at: now };
      const profile: LoginProfileRow = { ...row, reset_required: reset ? 1 : 0 };
      await storePassword(tx, ctx, profile);
      return { LoginProfile: profileOf(user, profile) };
    });
  },
};

/** The user as he is in the transaction; hashing takes its time. @throws NoSuchEntity when he has gone meanwhile */
export async function sameUser(tx: Tx, user: UserRow): Promise<UserRow> {
  const row = await tables(tx).selectFrom('iam_users').selectAll().where('id', '=', user.id).executeTakeFirst();
  if (row !== undefined) return row;
  throw fault(sdk.NoSuchEntityException, `The user with name ${user.name} cannot be found.`);
}

export const GetLoginProfile: Op<'GetLoginProfile'> = {
  resource: userResource,
  async handle({ UserName: name }, ctx) {
    const user = await entityByName(ctx, ctx.account, 'user', name ?? ownUserName(ctx));
    return { LoginProfile: profileOf(user, await loginProfileOf(ctx, user)) };
  },
};

export const UpdateLoginProfile: Op<'UpdateLoginProfile'> = {
  resource: userResource,
  async handle({ UserName: name, Password: password, PasswordResetRequired: reset }, ctx) {
    const user = await entityByName(ctx, ctx.account, 'user', name);
    await loginProfileOf(ctx, user);
    const hash = password === undefined ? undefined : await newPasswordHash(ctx, user, password);
    await ctx.tx(async (tx) => {
      const row = await loginProfileOf(tx, user);
      const reset_required = reset === undefined ? row.reset_required : reset ? 1 : 0;
      if (hash !== undefined) {
        await storePassword(tx, ctx, { ...row, reset_required, hash, changed_at: ctx.now().getTime() });
      } else {
        await tables(tx)
          .updateTable('iam_login_profiles')
          .set({ reset_required })
          .where('user_id', '=', user.id)
          .execute();
      }
    });
    return {};
  },
};

export const DeleteLoginProfile: Op<'DeleteLoginProfile'> = {
  resource: userResource,
  async handle({ UserName: name }, ctx) {
    await ctx.tx(async (tx) => {
      const user = await entityByName(tx, ctx.account, 'user', name ?? ownUserName(ctx));
      await loginProfileOf(tx, user);
      await tables(tx).deleteFrom('iam_login_profiles').where('user_id', '=', user.id).execute();
    });
    return {};
  },
};

export const ChangePassword: Op<'ChangePassword'> = {
  async resource(_input, ctx) {
    if (ctx.caller.type !== 'IAMUser') return '*';
    return allowedToChangePassword(ctx, await entityResource(ctx, 'user', ctx.caller.userName));
  },
  async handle({ OldPassword: oldPassword, NewPassword: newPassword }, ctx) {
    if (ctx.caller.type !== 'IAMUser') {
      throw fault(sdk.InvalidUserTypeException, 'Only IAM Users can change their own password');
    }
    const user = await entityByName(ctx, ctx.account, 'user', ctx.caller.userName);
    const profile = await loginProfileOf(ctx, user);
    const { guesses } = identitiesOf(ctx);
    if (!(await guesses.check(ctx, `${ctx.account}/${user.name_key}`, oldPassword, profile.hash))) {
      throw commonFault('AccessDenied', 'The old password was incorrect.');
    }
    await changeOwnPassword(ctx, user, profile, newPassword);
    return {};
  },
};

/**
 * Replaces a password that its user has just proved to know.
 * @throws PasswordPolicyViolation, or EntityTemporarilyUnmodifiable when somebody else has set another one meanwhile
 */
export async function changeOwnPassword(
  ctx: Context,
  user: UserRow,
  proved: LoginProfileRow,
  password: string,
): Promise<void> {
  const hash = await newPasswordHash(ctx, user, password);
  await ctx.tx(async (tx) => {
    const row = await loginProfileOf(tx, user);
    if (row.hash !== proved.hash) {
      throw fault(
        sdk.EntityTemporarilyUnmodifiableException,
        `Login Profile for User ${user.name} was changed by somebody else. Try again.`,
      );
    }
    await storePassword(tx, ctx, { ...row, hash, reset_required: 0, changed_at: ctx.now().getTime() });
  });
}
