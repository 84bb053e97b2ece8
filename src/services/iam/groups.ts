import * as sdk from '@aws-sdk/client-iam';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { newId } from './identifiers.ts';
import { changeIdentities } from './identities.ts';
import { listPage } from './markers.ts';
import { QUOTAS, quotaExceeded } from './quotas.ts';
import { entityArn, entityByName, entityResource, listEntities, movedResources, requireFreeName } from './store.ts';
import { type GroupRow, tables } from './tables.ts';
import { userOf } from './users.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

function groupOf(row: GroupRow): sdk.Group {
  return {
    Path: row.path,
    GroupName: row.name,
    GroupId: row.id,
    Arn: entityArn('group', row),
    CreateDate: new Date(row.created_at),
  };
}

export const CreateGroup: Op<'CreateGroup'> = {
  resource: ({ GroupName: name, Path: path = '/' }, { account }) => entityArn('group', { account, path, name }),
  async handle({ GroupName: name, Path: path = '/' }, ctx) {
    const row: GroupRow = {
      id: newId(ctx.ids, 'AGPA'),
      account: ctx.account,
      name,
      name_key: name.toLowerCase(),
      path,
      created_at: ctx.now().getTime(),
    };
    await changeIdentities(ctx, async (tx) => {
      await requireFreeName(tx, ctx.account, 'group', name);
      await tables(tx).insertInto('iam_groups').values(row).execute();
    });
    return { Group: groupOf(row) };
  },
};

export const GetGroup: Op<'GetGroup'> = {
  resource: ({ GroupName: name }, ctx) => entityResource(ctx, 'group', name),
  async handle(input, ctx) {
    const group = await entityByName(ctx, ctx.account, 'group', input.GroupName);
    const { items, truncation } = await listPage(
      ctx,
      `GetGroup ${group.id}`,
      input,
      (after = '', limit) =>
        tables(ctx)
          .selectFrom('iam_group_members as m')
          .innerJoin('iam_users as u', 'u.id', 'm.user_id')
          .selectAll('u')
          .where('m.group_id', '=', group.id)
          .where('u.name_key', '>', after)
          .orderBy('u.name_key')
          .limit(limit)
          .execute(),
      ({ name_key }) => name_key,
    );
    return { Group: groupOf(group), Users: items.map(userOf), ...truncation };
  },
};

export const ListGroups: Op<'ListGroups'> = {
  resource: (_input, { account }) => `arn:aws:iam::${account}:group/`,
  async handle(input, ctx) {
    const { PathPrefix: pathPrefix } = input;
    const { items, truncation } = await listPage(
      ctx,
      `ListGroups ${pathPrefix}`,
      input,
      (after, limit) => listEntities(ctx, 'group', { pathPrefix, after, limit }),
      ({ name_key }) => name_key,
    );
    return { Groups: items.map(groupOf), ...truncation };
  },
};

export const UpdateGroup: Op<'UpdateGroup'> = {
  resource: ({ GroupName: name, NewGroupName: newName, NewPath: newPath }, ctx) =>
    movedResources(ctx, 'group', name, { name: newName, path: newPath }),
  async handle({ GroupName: name, NewGroupName: newName = name, NewPath: newPath }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      const row = await entityByName(tx, ctx.account, 'group', name);
      if (newName.toLowerCase() !== row.name_key) await requireFreeName(tx, ctx.account, 'group', newName);
      await tables(tx)
        .updateTable('iam_groups')
        .set({ name: newName, name_key: newName.toLowerCase(), path: newPath ?? row.path })
        .where('id', '=', row.id)
        .execute();
    });
    return {};
  },
};

export const DeleteGroup: Op<'DeleteGroup'> = {
  resource: ({ GroupName: name }, ctx) => entityResource(ctx, 'group', name),
  async handle({ GroupName: name }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      const { id } = await entityByName(tx, ctx.account, 'group', name);
      const db = tables(tx);
      const conflict = (what: string) =>
        fault(sdk.DeleteConflictException, `Cannot delete entity, must ${what} first.`);
      const member = db.selectFrom('iam_group_members').select('user_id').where('group_id', '=', id);
      if ((await member.executeTakeFirst()) !== undefined) throw conflict('remove users from group');
      const inline = db.selectFrom('iam_inline_policies').select('name').where('owner_id', '=', id);
      if ((await inline.executeTakeFirst()) !== undefined) throw conflict('delete policies');
      const attached = db.selectFrom('iam_attachments').select('policy_arn').where('owner_id', '=', id);
      if ((await attached.executeTakeFirst()) !== undefined) throw conflict('detach all policies');
      await db.deleteFrom('iam_groups').where('id', '=', id).execute();
    });
    return {};
  },
};

export const AddUserToGroup: Op<'AddUserToGroup'> = {
  resource: ({ GroupName: name }, ctx) => entityResource(ctx, 'group', name),
  async handle({ GroupName: groupName, UserName: userName }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      const group = await entityByName(tx, ctx.account, 'group', groupName);
      const user = await entityByName(tx, ctx.account, 'user', userName);
      const memberships = await tables(tx)
        .selectFrom('iam_group_members')
        .select('group_id')
        .where('user_id', '=', user.id)
        .execute();
      if (memberships.some(({ group_id }) => group_id === group.id)) return;
      if (memberships.length >= QUOTAS.groupsPerUser) throw quotaExceeded('GroupsPerUser', QUOTAS.groupsPerUser);
      await tables(tx).insertInto('iam_group_members').values({ group_id: group.id, user_id: user.id }).execute();
    });
    return {};
  },
};

export const RemoveUserFromGroup: Op<'RemoveUserFromGroup'> = {
  resource: ({ GroupName: name }, ctx) => entityResource(ctx, 'group', name),
  async handle({ GroupName: groupName, UserName: userName }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      const group = await entityByName(tx, ctx.account, 'group', groupName);
      const user = await entityByName(tx, ctx.account, 'user', userName);
      await tables(tx)
        .deleteFrom('iam_group_members')
        .where('group_id', '=', group.id)
        .where('user_id', '=', user.id)
        .execute();
    });
    return {};
  },
};

export const ListGroupsForUser: Op<'ListGroupsForUser'> = {
  resource: ({ UserName: name }, ctx) => entityResource(ctx, 'user', name),
  async handle(input, ctx) {
    const user = await entityByName(ctx, ctx.account, 'user', input.UserName);
    const { items, truncation } = await listPage(
      ctx,
      `ListGroupsForUser ${user.id}`,
      input,
      (after = '', limit) =>
        tables(ctx)
          .selectFrom('iam_group_members as m')
          .innerJoin('iam_groups as g', 'g.id', 'm.group_id')
          .selectAll('g')
          .where('m.user_id', '=', user.id)
          .where('g.name_key', '>', after)
          .orderBy('g.name_key')
          .limit(limit)
          .execute(),
      ({ name_key }) => name_key,
    );
    return { Groups: items.map(groupOf), ...truncation };
  },
};
