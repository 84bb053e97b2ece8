import * as sdk from '@aws-sdk/client-iam';
import { requirePassRole } from '../../kernel/auth/pass-role.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { deleteAllTags, putTags, tagsOf } from '../../kernel/tags.ts';
import { newId } from './identifiers.ts';
import { listPage } from './markers.ts';
import { quotaExceeded } from './quotas.ts';
import { roleOf } from './roles.ts';
import { changeableRole, entityArn, entityByName, entityResource, listEntities, requireFreeName } from './store.ts';
import { type InstanceProfileRow, type RoleRow, tables } from './tables.ts';
import { checkTags, tagConditions, tagsFrom, toTags } from './tag-sets.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Profiles with their roles, as lists show them. */
async function profilesOf(source: Context | Tx, rows: readonly InstanceProfileRow[]): Promise<sdk.InstanceProfile[]> {
  const ids = rows.map(({ role_id }) => role_id).filter((id) => id !== null);
  const roles =
    ids.length === 0 ? [] : await tables(source).selectFrom('iam_roles').selectAll().where('id', 'in', ids).execute();
  const byId = new Map<string, RoleRow>(roles.map((role) => [role.id, role]));
  return rows.map((row) => {
    const role = row.role_id === null ? undefined : byId.get(row.role_id);
    return {
      Path: row.path,
      InstanceProfileName: row.name,
      InstanceProfileId: row.id,
      Arn: entityArn('instance-profile', row),
      CreateDate: new Date(row.created_at),
      Roles: role === undefined ? [] : [roleOf(role)],
    };
  });
}

/** The profiles that hold a role. */
export async function profilesOfRoles(source: Context | Tx, roleId: string): Promise<sdk.InstanceProfile[]> {
  const rows = await tables(source)
    .selectFrom('iam_instance_profiles')
    .selectAll()
    .where('role_id', '=', roleId)
    .orderBy('name_key')
    .execute();
  return profilesOf(source, rows);
}

async function detailedProfile(source: Context | Tx, row: InstanceProfileRow): Promise<sdk.InstanceProfile> {
  const [profile] = await profilesOf(source, [row]);
  const tags = toTags(await tagsOf(source, entityArn('instance-profile', row)));
  return { ...profile!, ...(tags.length === 0 ? {} : { Tags: tags }) };
}

export const CreateInstanceProfile: Op<'CreateInstanceProfile'> = {
  resource: ({ InstanceProfileName: name, Path: path = '/' }, { account }) =>
    entityArn('instance-profile', { account, path, name }),
  conditions: ({ Tags }) => tagConditions(Tags),
  async handle({ InstanceProfileName: name, Path: path = '/', Tags: tags = [] }, ctx) {
    checkTags(tags);
    const row: InstanceProfileRow = {
      id: newId(ctx.ids, 'AIPA'),
      account: ctx.account,
      name,
      name_key: name.toLowerCase(),
      path,
      created_at: ctx.now().getTime(),
      role_id: null,
    };
    return ctx.tx(async (tx) => {
      await requireFreeName(tx, ctx.account, 'instance-profile', name);
      await tables(tx).insertInto('iam_instance_profiles').values(row).execute();
      await putTags(tx, entityArn('instance-profile', row), tagsFrom(tags));
      return { InstanceProfile: await detailedProfile(tx, row) };
    });
  },
};

export const GetInstanceProfile: Op<'GetInstanceProfile'> = {
  resource: ({ InstanceProfileName: name }, ctx) => entityResource(ctx, 'instance-profile', name),
  async handle({ InstanceProfileName: name }, ctx) {
    const row = await entityByName(ctx, ctx.account, 'instance-profile', name);
    return { InstanceProfile: await detailedProfile(ctx, row) };
  },
};

export const ListInstanceProfiles: Op<'ListInstanceProfiles'> = {
  resource: (_input, { account }) => `arn:aws:iam::${account}:instance-profile/`,
  async handle(input, ctx) {
    const { PathPrefix: pathPrefix } = input;
    const { items, truncation } = await listPage(
      ctx,
      `ListInstanceProfiles ${pathPrefix}`,
      input,
      (after, limit) => listEntities(ctx, 'instance-profile', { pathPrefix, after, limit }),
      ({ name_key }) => name_key,
    );
    return { InstanceProfiles: await profilesOf(ctx, items), ...truncation };
  },
};

export const ListInstanceProfilesForRole: Op<'ListInstanceProfilesForRole'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  async handle(input, ctx) {
    const role = await entityByName(ctx, ctx.account, 'role', input.RoleName);
    const { items, truncation } = await listPage(
      ctx,
      `ListInstanceProfilesForRole ${role.id}`,
      input,
      (after = '', limit) =>
        tables(ctx)
          .selectFrom('iam_instance_profiles')
          .selectAll()
          .where('role_id', '=', role.id)
          .where('name_key', '>', after)
          .orderBy('name_key')
          .limit(limit)
          .execute(),
      ({ name_key }) => name_key,
    );
    return { InstanceProfiles: await profilesOf(ctx, items), ...truncation };
  },
};

export const AddRoleToInstanceProfile: Op<'AddRoleToInstanceProfile'> = {
  resource: ({ InstanceProfileName: name }, ctx) => entityResource(ctx, 'instance-profile', name),
  async handle({ InstanceProfileName: name, RoleName: roleName }, ctx) {
    const target = await entityByName(ctx, ctx.account, 'role', roleName);
    const { arn: resource } = await entityResource(ctx, 'instance-profile', name);
    await requirePassRole(ctx, { roleArn: entityArn('role', target), service: 'ec2.amazonaws.com', resource });
    await ctx.tx(async (tx) => {
      const profile = await entityByName(tx, ctx.account, 'instance-profile', name);
      const role = await changeableRole(tx, ctx.account, roleName);
      if (profile.role_id !== null) throw quotaExceeded('InstanceSessionsPerInstanceProfile', 1);
      await tables(tx)
        .updateTable('iam_instance_profiles')
        .set({ role_id: role.id })
        .where('id', '=', profile.id)
        .execute();
    });
    return {};
  },
};

export const RemoveRoleFromInstanceProfile: Op<'RemoveRoleFromInstanceProfile'> = {
  resource: ({ InstanceProfileName: name }, ctx) => entityResource(ctx, 'instance-profile', name),
  async handle({ InstanceProfileName: name, RoleName: roleName }, ctx) {
    await ctx.tx(async (tx) => {
      const profile = await entityByName(tx, ctx.account, 'instance-profile', name);
      const role = await entityByName(tx, ctx.account, 'role', roleName);
      if (profile.role_id !== role.id) {
        throw fault(sdk.NoSuchEntityException, `The role with name ${roleName} cannot be found.`);
      }
      await tables(tx)
        .updateTable('iam_instance_profiles')
        .set({ role_id: null })
        .where('id', '=', profile.id)
        .execute();
    });
    return {};
  },
};

export const DeleteInstanceProfile: Op<'DeleteInstanceProfile'> = {
  resource: ({ InstanceProfileName: name }, ctx) => entityResource(ctx, 'instance-profile', name),
  async handle({ InstanceProfileName: name }, ctx) {
    await ctx.tx(async (tx) => {
      const row = await entityByName(tx, ctx.account, 'instance-profile', name);
      if (row.role_id !== null) {
        throw fault(
          sdk.DeleteConflictException,
          'Cannot delete entity, must remove roles from instance profile first.',
        );
      }
      await deleteAllTags(tx, entityArn('instance-profile', row));
      await tables(tx).deleteFrom('iam_instance_profiles').where('id', '=', row.id).execute();
    });
    return {};
  },
};
