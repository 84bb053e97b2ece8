import type * as sdk from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { tagsOf } from '../../kernel/tags.ts';
import { AWS_MANAGED_AT, AWS_MANAGED_POLICIES, type AwsManagedPolicy } from './aws-managed-policies.ts';
import { boundaryOf } from './boundaries.ts';
import { encodeDocument } from './documents.ts';
import { profilesOfRoles } from './instance-profiles.ts';
import { awsPolicyOf, policyOf } from './managed-policies.ts';
import { listPage } from './markers.ts';
import { policyUse } from './policy-use.ts';
import { lastUse, roleOf } from './roles.ts';
import { entityArn, listEntities } from './store.ts';
import { type GroupRow, type PolicyRow, type RoleRow, tables, type UserRow } from './tables.ts';
import { toTags } from './tag-sets.ts';
import { userOf } from './users.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** One thing of the account; the lists follow each other in this order. */
type Item =
  | { filter: 'User'; key: string; row: UserRow }
  | { filter: 'Group'; key: string; row: GroupRow }
  | { filter: 'Role'; key: string; row: RoleRow }
  | { filter: 'LocalManagedPolicy'; key: string; row: PolicyRow }
  | { filter: 'AWSManagedPolicy'; key: string; row: AwsManagedPolicy };

const FILTERS = ['User', 'Group', 'Role', 'LocalManagedPolicy', 'AWSManagedPolicy'] as const;
type Filter = (typeof FILTERS)[number];

export const GetAccountAuthorizationDetails: Op<'GetAccountAuthorizationDetails'> = {
  resource: () => '*',
  async handle(input, ctx) {
    const wanted = FILTERS.filter((filter) => input.Filter === undefined || input.Filter.includes(filter));
    const scope = `GetAccountAuthorizationDetails ${wanted}`;
    const fetch = (after: string | undefined, limit: number) => itemsAfter(ctx, wanted, after, limit);
    const { items, truncation } = await listPage(ctx, scope, input, fetch, ({ key }) => key);
    const owners = await ownersOf(ctx, items);
    const Policies: sdk.ManagedPolicyDetail[] = [];
    const UserDetailList: sdk.UserDetail[] = [];
    const GroupDetailList: sdk.GroupDetail[] = [];
    const RoleDetailList: sdk.RoleDetail[] = [];
    for (const item of items) {
      if (item.filter === 'User') UserDetailList.push(await userDetail(ctx, item.row, owners));
      if (item.filter === 'Group') GroupDetailList.push(groupDetail(item.row, owners));
      if (item.filter === 'Role') RoleDetailList.push(await roleDetail(ctx, item.row, owners));
      if (item.filter === 'LocalManagedPolicy') Policies.push(await policyDetail(ctx, item.row));
      if (item.filter === 'AWSManagedPolicy') Policies.push(await awsPolicyDetail(ctx, item.row));
    }
    return { UserDetailList, GroupDetailList, RoleDetailList, Policies, ...truncation };
  },
};

/** Items behind a key such as `2 the-role`: the number of the list, and the key in it. */
async function itemsAfter(ctx: Context, wanted: readonly Filter[], after: string | undefined, limit: number) {
  const at = after === undefined ? 0 : Number(after[0]);
  const found: Item[] = [];
  for (const [index, filter] of FILTERS.entries()) {
    if (index < at || !wanted.includes(filter) || found.length >= limit) continue;
    const inList = after !== undefined && index === at ? after.slice(2) : undefined;
    const rows = await listOf(ctx, filter, inList, limit - found.length);
    found.push(...rows.map(([key, row]) => ({ filter, key: `${index} ${key}`, row }) as Item));
  }
  return found;
}

async function listOf(
  ctx: Context,
  filter: Filter,
  after: string | undefined,
  limit: number,
): Promise<(readonly [key: string, row: Item['row']])[]> {
  if (filter === 'AWSManagedPolicy') {
    const use = await policyUse(
      ctx,
      AWS_MANAGED_POLICIES.map(({ arn }) => arn),
      ctx.account,
    );
    // Of AWS's policies those that the account uses.
    return AWS_MANAGED_POLICIES.filter(({ arn }) => {
      const { attachments, boundaries } = use.get(arn)!;
      return attachments + boundaries > 0 && (after === undefined || arn > after);
    })
      .slice(0, limit)
      .map((policy) => [policy.arn, policy] as const);
  }
  if (filter === 'LocalManagedPolicy') {
    let query = tables(ctx).selectFrom('iam_policies').selectAll().where('account', '=', ctx.account);
    if (after !== undefined) query = query.where('arn', '>', after);
    return (await query.orderBy('arn').limit(limit).execute()).map((row) => [row.arn, row] as const);
  }
  const kind = ({ User: 'user', Group: 'group', Role: 'role' } as const)[filter];
  const rows = await listEntities(ctx, kind, { pathPrefix: undefined, after, limit });
  return rows.map((row) => [row.name_key, row] as const);
}

/** Policies and groups of everything on a page, looked up together. */
interface Owners {
  inline: Map<string, sdk.PolicyDetail[]>;
  attached: Map<string, sdk.AttachedPolicy[]>;
  groups: Map<string, string[]>;
}

async function ownersOf(ctx: Context, items: readonly Item[]): Promise<Owners> {
  const ids = items.flatMap(({ filter, row }) => (filter.endsWith('ManagedPolicy') ? [] : [row.id]));
  if (ids.length === 0) return { inline: new Map(), attached: new Map(), groups: new Map() };
  const db = tables(ctx);
  const inline = await db
    .selectFrom('iam_inline_policies')
    .selectAll()
    .where('owner_id', 'in', ids)
    .orderBy('name')
    .execute();
  const attached = await db
    .selectFrom('iam_attachments')
    .selectAll()
    .where('owner_id', 'in', ids)
    .orderBy('policy_arn')
    .execute();
  const groups = await db
    .selectFrom('iam_group_members as m')
    .innerJoin('iam_groups as g', 'g.id', 'm.group_id')
    .select(['m.user_id', 'g.name'])
    .where('m.user_id', 'in', ids)
    .orderBy('g.name_key')
    .execute();
  const byOwner = <Row, Value>(rows: readonly Row[], idOf: (row: Row) => string, toValue: (row: Row) => Value) => {
    const lists = new Map<string, Value[]>();
    for (const row of rows) lists.set(idOf(row), [...(lists.get(idOf(row)) ?? []), toValue(row)]);
    return lists;
  };
  return {
    inline: byOwner(
      inline,
      ({ owner_id }) => owner_id,
      ({ name, document }) => ({ PolicyName: name, PolicyDocument: encodeDocument(document) }),
    ),
    attached: byOwner(
      attached,
      ({ owner_id }) => owner_id,
      ({ policy_arn: arn }) => ({ PolicyName: arn.slice(arn.lastIndexOf('/') + 1), PolicyArn: arn }),
    ),
    groups: byOwner(
      groups,
      ({ user_id }) => user_id,
      ({ name }) => name,
    ),
  };
}

async function userDetail(ctx: Context, row: UserRow, owners: Owners): Promise<sdk.UserDetail> {
  const { PasswordLastUsed: _, ...user } = userOf(row);
  return {
    ...user,
    UserPolicyList: owners.inline.get(row.id) ?? [],
    GroupList: owners.groups.get(row.id) ?? [],
    AttachedManagedPolicies: owners.attached.get(row.id) ?? [],
    PermissionsBoundary: boundaryOf(row.boundary_arn),
    Tags: toTags(await tagsOf(ctx, entityArn('user', row))),
  };
}

function groupDetail(row: GroupRow, owners: Owners): sdk.GroupDetail {
  return {
    Path: row.path,
    GroupName: row.name,
    GroupId: row.id,
    Arn: entityArn('group', row),
    CreateDate: new Date(row.created_at),
    GroupPolicyList: owners.inline.get(row.id) ?? [],
    AttachedManagedPolicies: owners.attached.get(row.id) ?? [],
  };
}

async function roleDetail(ctx: Context, row: RoleRow, owners: Owners): Promise<sdk.RoleDetail> {
  const { Description: _, ...role } = roleOf(row);
  return {
    ...role,
    InstanceProfileList: await profilesOfRoles(ctx, row.id),
    RolePolicyList: owners.inline.get(row.id) ?? [],
    AttachedManagedPolicies: owners.attached.get(row.id) ?? [],
    PermissionsBoundary: boundaryOf(row.boundary_arn),
    Tags: toTags(await tagsOf(ctx, entityArn('role', row))),
    RoleLastUsed: lastUse(ctx, row),
  };
}

async function policyDetail(ctx: Context, row: PolicyRow): Promise<sdk.ManagedPolicyDetail> {
  const use = (await policyUse(ctx, [row.arn], ctx.account)).get(row.arn)!;
  const versions = await tables(ctx)
    .selectFrom('iam_policy_versions')
    .selectAll()
    .where('policy_id', '=', row.id)
    .orderBy('version', 'desc')
    .execute();
  const PolicyVersionList = versions.map((version) => ({
    Document: encodeDocument(version.document),
    VersionId: `v${version.version}`,
    IsDefaultVersion: version.version === row.default_version,
    CreateDate: new Date(version.created_at),
  }));
  const described = row.description === null ? {} : { Description: row.description };
  return { ...policyOf(row, use), ...described, PolicyVersionList };
}

async function awsPolicyDetail(ctx: Context, policy: AwsManagedPolicy): Promise<sdk.ManagedPolicyDetail> {
  const use = (await policyUse(ctx, [policy.arn], ctx.account)).get(policy.arn)!;
  const version = { VersionId: 'v1', IsDefaultVersion: true, CreateDate: AWS_MANAGED_AT };
  const PolicyVersionList = [{ Document: encodeDocument(policy.document), ...version }];
  return { ...awsPolicyOf(policy.arn, use)!, PolicyVersionList };
}
