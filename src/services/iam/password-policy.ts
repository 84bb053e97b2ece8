import * as sdk from '@aws-sdk/client-iam';
import { parsePolicy } from '../../kernel/auth/policy-grammar.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName, ResourceRef } from '../../kernel/service.ts';
import type { PasswordPolicyRow } from './credential-tables.ts';
import { tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const DAY_MS = 86_400_000;
/** The symbols that count as such. Source: IAM API reference, UpdateAccountPasswordPolicy. */
const SYMBOL = /[!@#$%^&*()_+\-=[\]{}|']/;
/** Source: IAM User Guide, "Default password policy": eight characters of three kinds. */
const DEFAULT_MIN_LENGTH = 8;
const DEFAULT_KINDS = 3;

/** The account's own policy; undefined where the default one holds. */
export function passwordPolicyOf(source: Context | Tx, account: string): Promise<PasswordPolicyRow | undefined> {
  return tables(source)
    .selectFrom('iam_password_policies')
    .selectAll()
    .where('account', '=', account)
    .executeTakeFirst();
}

/** @throws PasswordPolicyViolation naming the first rule that the password breaks */
export function checkPassword(policy: PasswordPolicyRow | undefined, userName: string, password: string): void {
  const rule = policy === undefined ? brokenDefaultRule(userName, password) : brokenRule(policy, password);
  if (rule !== undefined) throw fault(sdk.PasswordPolicyViolationException, rule);
}

function brokenRule(policy: PasswordPolicyRow, password: string): string | undefined {
  if ([...password].length < policy.min_length) return `Password should have a minimum length of ${policy.min_length}`;
  if (policy.require_symbols === 1 && !SYMBOL.test(password)) return 'Password should have at least one symbol';
  if (policy.require_numbers === 1 && !/[0-9]/.test(password)) return 'Password should have at least one number';
  if (policy.require_uppercase === 1 && !/[A-Z]/.test(password)) {
    return 'Password should have at least one uppercase letter';
  }
  if (policy.require_lowercase === 1 && !/[a-z]/.test(password)) {
    return 'Password should have at least one lowercase letter';
  }
  return undefined;
}

function brokenDefaultRule(userName: string, password: string): string | undefined {
  if ([...password].length < DEFAULT_MIN_LENGTH)
    return `Password should have a minimum length of ${DEFAULT_MIN_LENGTH}`;
  const kinds = [/[A-Z]/, /[a-z]/, /[0-9]/, SYMBOL].filter((kind) => kind.test(password)).length;
  if (kinds < DEFAULT_KINDS) {
    return 'Password should have at least three of: uppercase letters, lowercase letters, numbers, symbols';
  }
  return password.toLowerCase() === userName.toLowerCase() ? 'Password should not be the user name' : undefined;
}

/** When a password set at that time expires; undefined for never. Epoch milliseconds. */
export function expiryOf(policy: PasswordPolicyRow | undefined, changedAt: number): number | undefined {
  const days = policy?.max_age_days ?? 0;
  return days === 0 ? undefined : changedAt + days * DAY_MS;
}

/**
 * What every user may do where the account's policy says that users may change their passwords. It is as if the
 * resource allowed it, so an explicit deny still counts.
 */
export async function allowedToChangePassword(ctx: Context, resource: ResourceRef): Promise<ResourceRef> {
  const policy = await passwordPolicyOf(ctx, ctx.account);
  if (policy?.allow_change !== 1 || ctx.caller.type !== 'IAMUser') return resource;
  const Statement = {
    Effect: 'Allow',
    Principal: { AWS: ctx.caller.arn },
    Action: ['iam:ChangePassword', 'iam:GetAccountPasswordPolicy'],
    Resource: '*',
  };
  const allowing = parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement }), { form: 'resource' });
  return { ...resource, policy: allowing };
}

export const UpdateAccountPasswordPolicy: Op<'UpdateAccountPasswordPolicy'> = {
  resource: () => '*',
  async handle(input, ctx) {
    const flag = (value: boolean | undefined) => (value === true ? 1 : 0);
    const row: PasswordPolicyRow = {
      account: ctx.account,
      min_length: input.MinimumPasswordLength ?? 6,
      require_symbols: flag(input.RequireSymbols),
      require_numbers: flag(input.RequireNumbers),
      require_uppercase: flag(input.RequireUppercaseCharacters),
      require_lowercase: flag(input.RequireLowercaseCharacters),
      allow_change: flag(input.AllowUsersToChangePassword),
      max_age_days: input.MaxPasswordAge ?? 0,
      reuse_prevention: input.PasswordReusePrevention ?? 0,
      hard_expiry: flag(input.HardExpiry),
    };
    await ctx.tx(async (tx) => {
      await tables(tx)
        .insertInto('iam_password_policies')
        .values(row)
        .onConflict((c) => c.column('account').doUpdateSet(row))
        .execute();
    });
    return {};
  },
};

export const GetAccountPasswordPolicy: Op<'GetAccountPasswordPolicy'> = {
  resource: (_input, ctx) => allowedToChangePassword(ctx, { arn: '*' }),
  async handle(_input, ctx) {
    const row = await passwordPolicyOf(ctx, ctx.account);
    if (row === undefined) throw noPolicy(ctx);
    const PasswordPolicy: sdk.PasswordPolicy = {
      MinimumPasswordLength: row.min_length,
      RequireSymbols: row.require_symbols === 1,
      RequireNumbers: row.require_numbers === 1,
      RequireUppercaseCharacters: row.require_uppercase === 1,
      RequireLowercaseCharacters: row.require_lowercase === 1,
      AllowUsersToChangePassword: row.allow_change === 1,
      ExpirePasswords: row.max_age_days > 0,
      ...(row.max_age_days === 0 ? {} : { MaxPasswordAge: row.max_age_days }),
      ...(row.reuse_prevention === 0 ? {} : { PasswordReusePrevention: row.reuse_prevention }),
      HardExpiry: row.hard_expiry === 1,
    };
    return { PasswordPolicy };
  },
};

export const DeleteAccountPasswordPolicy: Op<'DeleteAccountPasswordPolicy'> = {
  resource: () => '*',
  async handle(_input, ctx) {
    await ctx.tx(async (tx) => {
      const deleted = await tables(tx)
        .deleteFrom('iam_password_policies')
        .where('account', '=', ctx.account)
        .executeTakeFirst();
      if (deleted.numDeletedRows === 0n) throw noPolicy(ctx);
    });
    return {};
  },
};

function noPolicy({ account }: Context) {
  return fault(sdk.NoSuchEntityException, `The Password Policy with domain name ${account} cannot be found.`);
}
