import * as sdk from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { providerTables } from './provider-tables.ts';
import { QUOTAS } from './quotas.ts';
import { countEntities } from './store.ts';
import { tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Identity providers of the account, of both kinds. */
async function countProviders(ctx: Context): Promise<number> {
  let count = 0;
  for (const table of ['iam_openid_providers', 'iam_saml_providers'] as const) {
    const row = await providerTables(ctx)
      .selectFrom(table as 'iam_saml_providers')
      .select((e) => e.fn.countAll<number>().as('n'))
      .where('account', '=', ctx.account)
      .executeTakeFirstOrThrow();
    count += Number(row.n);
  }
  return count;
}

/** Rows of a table in this account. */
async function countOf(ctx: Context, table: 'iam_policies' | 'iam_mfa_devices'): Promise<number> {
  const row = await tables(ctx)
    .selectFrom(table as 'iam_policies')
    .select((e) => e.fn.countAll<number>().as('n'))
    .where('account', '=', ctx.account)
    .executeTakeFirstOrThrow();
  return Number(row.n);
}

async function versionsInUse(ctx: Context): Promise<number> {
  const row = await tables(ctx)
    .selectFrom('iam_policy_versions as v')
    .innerJoin('iam_policies as p', 'p.id', 'v.policy_id')
    .select((e) => e.fn.countAll<number>().as('n'))
    .where('p.account', '=', ctx.account)
    .executeTakeFirstOrThrow();
  return Number(row.n);
}

export const GetAccountSummary: Op<'GetAccountSummary'> = {
  resource: () => '*',
  async handle(_input, ctx) {
    const inUse = await tables(ctx)
      .selectFrom('iam_mfa_devices')
      .select('user_id')
      .where('account', '=', ctx.account)
      .where('user_id', 'is not', null)
      .execute();
    const settings = await tables(ctx)
      .selectFrom('iam_account_settings')
      .select('token_version')
      .where('account', '=', ctx.account)
      .executeTakeFirst();
    const rootKeys = await tables(ctx)
      .selectFrom('iam_access_keys')
      .select('id')
      .where('user_id', '=', ctx.account)
      .execute();
    const SummaryMap: Record<string, number> = {
      Users: await countEntities(ctx, 'user', ctx.account),
      Groups: await countEntities(ctx, 'group', ctx.account),
      Roles: await countEntities(ctx, 'role', ctx.account),
      InstanceProfiles: await countEntities(ctx, 'instance-profile', ctx.account),
      ServerCertificates: await countEntities(ctx, 'server-certificate', ctx.account),
      ServerCertificatesQuota: QUOTAS.serverCertificates,
      Policies: await countOf(ctx, 'iam_policies'),
      Providers: await countProviders(ctx),
      PolicyVersionsInUse: await versionsInUse(ctx),
      AccessKeysPerUserQuota: QUOTAS.accessKeysPerUser,
      GroupsPerUserQuota: QUOTAS.groupsPerUser,
      SigningCertificatesPerUserQuota: QUOTAS.signingCertificatesPerUser,
      UserPolicySizeQuota: QUOTAS.inlinePolicySize.user,
      GroupPolicySizeQuota: QUOTAS.inlinePolicySize.group,
      AssumeRolePolicySizeQuota: QUOTAS.trustPolicySize,
      PolicySizeQuota: QUOTAS.managedPolicySize,
      VersionsPerPolicyQuota: QUOTAS.policyVersions,
      AttachedPoliciesPerUserQuota: QUOTAS.attachedPolicies,
      AttachedPoliciesPerGroupQuota: QUOTAS.attachedPolicies,
      AttachedPoliciesPerRoleQuota: QUOTAS.attachedPolicies,
      MFADevices: await countOf(ctx, 'iam_mfa_devices'),
      MFADevicesInUse: inUse.length,
      AccountMFAEnabled: inUse.some(({ user_id }) => user_id === ctx.account) ? 1 : 0,
      AccountAccessKeysPresent: ctx.account === ctx.config.account || rootKeys.length > 0 ? 1 : 0,
      AccountSigningCertificatesPresent: 0,
      AccountPasswordPresent: 0,
      GlobalEndpointTokenVersion: settings?.token_version === 'v2Token' ? 2 : 1,
    };
    return { SummaryMap };
  },
};

/** Which form the tokens of the global STS endpoint have: here there is one form only, so it is kept and shown. */
export const SetSecurityTokenServicePreferences: Op<'SetSecurityTokenServicePreferences'> = {
  resource: () => '*',
  async handle({ GlobalEndpointTokenVersion: token_version }, ctx) {
    await ctx.tx(async (tx) => {
      await tables(tx)
        .insertInto('iam_account_settings')
        .values({ account: ctx.account, token_version })
        .onConflict((c) => c.column('account').doUpdateSet({ token_version }))
        .execute();
    });
    return {};
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
