import type * as sdk from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { awsManagedPolicy } from './aws-managed-policies.ts';
import { managedPolicyResource, policyByArn } from './managed-policies.ts';
import { slicePage } from './markers.ts';
import type { OwnerKind } from './store.ts';
import { tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

interface PolicyUser {
  kind: OwnerKind;
  id: string;
  name: string;
  path: string;
}

const KINDS = { user: 'iam_users', group: 'iam_groups', role: 'iam_roles' } as const;
const FILTERS: Readonly<Record<string, OwnerKind>> = { User: 'user', Group: 'group', Role: 'role' };

export const ListEntitiesForPolicy: Op<'ListEntitiesForPolicy'> = {
  resource: managedPolicyResource,
  async handle(input, ctx) {
    const { PolicyArn: policyArn, EntityFilter: filter, PathPrefix: prefix = '/', PolicyUsageFilter: usage } = input;
    if (awsManagedPolicy(policyArn) === undefined) await policyByArn(ctx, ctx, policyArn);
    const found: PolicyUser[] = [];
    for (const kind of ['group', 'role', 'user'] as const) {
      if (filter !== undefined && FILTERS[filter] !== kind) continue;
      if (usage !== 'PermissionsBoundary') found.push(...(await attachedTo(ctx, kind, policyArn)));
      if (usage !== 'PermissionsPolicy') found.push(...(await boundedBy(ctx, kind, policyArn)));
    }
    const unique = [...new Map(found.map((entity) => [entity.id, entity])).values()];
    const rows = unique.filter(({ path }) => path.startsWith(prefix)).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    const scope = `ListEntitiesForPolicy ${policyArn} ${filter} ${prefix} ${usage}`;
    const { items, truncation } = await slicePage(ctx, scope, input, rows, keyOf);
    const of = (kind: OwnerKind) => items.filter((entity) => entity.kind === kind);
    return {
      PolicyGroups: of('group').map(({ id, name }) => ({ GroupName: name, GroupId: id })),
      PolicyUsers: of('user').map(({ id, name }) => ({ UserName: name, UserId: id })),
      PolicyRoles: of('role').map(({ id, name }) => ({ RoleName: name, RoleId: id })),
      ...truncation,
    };
  },
};

const keyOf = ({ kind, name }: PolicyUser) => `${kind}/${name}`;

async function attachedTo(ctx: Context, kind: OwnerKind, policyArn: string): Promise<PolicyUser[]> {
  const rows = await tables(ctx)
    .selectFrom('iam_attachments as a')
    .innerJoin(`${KINDS[kind] as 'iam_users'} as e`, 'e.id', 'a.owner_id')
    .select(['e.id', 'e.name', 'e.path'])
    .where('a.policy_arn', '=', policyArn)
    .where('e.account', '=', ctx.account)
    .execute();
  return rows.map((row) => ({ kind, ...row }));
}

async function boundedBy(ctx: Context, kind: OwnerKind, policyArn: string): Promise<PolicyUser[]> {
  if (kind === 'group') return [];
  const rows = await tables(ctx)
    .selectFrom(KINDS[kind] as 'iam_users')
    .select(['id', 'name', 'path'])
    .where('boundary_arn', '=', policyArn)
    .where('account', '=', ctx.account)
    .execute();
  return rows.map((row) => ({ kind, ...row }));
}
