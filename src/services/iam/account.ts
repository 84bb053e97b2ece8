import * as sdk from '@aws-sdk/client-iam';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { QUOTAS } from './quotas.ts';
import { countEntities } from './store.ts';
import { tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export const GetAccountSummary: Op<'GetAccountSummary'> = {
  resource: () => '*',
  async handle(_input, ctx) {
    const policies = await tables(ctx)
      .selectFrom('iam_policies')
      .select((e) => e.fn.countAll<number>().as('n'))
      .where('account', '=', ctx.account)
      .executeTakeFirstOrThrow();
    const devices = await tables(ctx)
      .selectFrom('iam_mfa_devices')
      .select('user_id')
      .where('account', '=', ctx.account)
      .execute();
    const SummaryMap: Record<string, number> = {
      Users: await countEntities(ctx, 'user'),
      Groups: await countEntities(ctx, 'group'),
      Roles: await countEntities(ctx, 'role'),
      InstanceProfiles: await countEntities(ctx, 'instance-profile'),
      Policies: Number(policies.n),
      AccessKeysPerUserQuota: QUOTAS.accessKeysPerUser,
      GroupsPerUserQuota: QUOTAS.groupsPerUser,
      UserPolicySizeQuota: QUOTAS.inlinePolicySize.user,
      GroupPolicySizeQuota: QUOTAS.inlinePolicySize.group,
      AssumeRolePolicySizeQuota: QUOTAS.trustPolicySize,
      PolicySizeQuota: QUOTAS.managedPolicySize,
      VersionsPerPolicyQuota: QUOTAS.policyVersions,
      AttachedPoliciesPerUserQuota: QUOTAS.attachedPolicies,
      AttachedPoliciesPerGroupQuota: QUOTAS.attachedPolicies,
      AttachedPoliciesPerRoleQuota: QUOTAS.attachedPolicies,
      MFADevices: devices.length,
      MFADevicesInUse: devices.filter(({ user_id }) => user_id !== null).length,
      AccountMFAEnabled: devices.some(({ user_id }) => user_id === ctx.account) ? 1 : 0,
      AccountAccessKeysPresent: 1,
    };
    return { SummaryMap };
  },
};

export const CreateAccountAlias: Op<'CreateAccountAlias'> = {
  resource: () => '*',
  async handle({ AccountAlias: alias }, ctx) {
    await ctx.tx(async (tx) => {
      const taken = await tables(tx)
        .selectFrom('iam_account_aliases')
        .select('account')
        .where('alias', '=', alias)
        .executeTakeFirst();
      if (taken !== undefined) {
        throw fault(sdk.EntityAlreadyExistsException, `The account alias ${alias} already exists.`);
      }
      // An account has one alias; another one takes its place.
      await tables(tx)
        .insertInto('iam_account_aliases')
        .values({ account: ctx.account, alias })
        .onConflict((c) => c.column('account').doUpdateSet({ alias }))
        .execute();
    });
    return {};
  },
};

export const DeleteAccountAlias: Op<'DeleteAccountAlias'> = {
  resource: () => '*',
  async handle({ AccountAlias: alias }, ctx) {
    await ctx.tx(async (tx) => {
      const deleted = await tables(tx)
        .deleteFrom('iam_account_aliases')
        .where('account', '=', ctx.account)
        .where('alias', '=', alias)
        .executeTakeFirst();
      if (deleted.numDeletedRows === 0n) {
        throw fault(sdk.NoSuchEntityException, `The account alias ${alias} cannot be found.`);
      }
    });
    return {};
  },
};

export const ListAccountAliases: Op<'ListAccountAliases'> = {
  resource: () => '*',
  async handle(_input, ctx) {
    const rows = await tables(ctx)
      .selectFrom('iam_account_aliases')
      .select('alias')
      .where('account', '=', ctx.account)
      .execute();
    return { AccountAliases: rows.map(({ alias }) => alias), IsTruncated: false };
  },
};
