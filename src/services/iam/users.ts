import * as sdk from '@aws-sdk/client-iam';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { deleteAllTags, putTags, tagsOf } from '../../kernel/tags.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { boundaryOf, requireBoundary } from './boundaries.ts';
import { newId } from './identifiers.ts';
import { changeIdentities } from './identities.ts';
import { listPage } from './markers.ts';
import {
  boundaryConditions,
  entityArn,
  entityByName,
  entityResource,
  listEntities,
  movedResources,
  ownUserName,
  requireFreeName,
} from './store.ts';
import { tables, type UserRow } from './tables.ts';
import { checkTags, tagConditions, tagsFrom, toTags } from './tag-sets.ts';
import { repointTrustPolicies } from './trust.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** A user as lists show it. */
export function userOf(row: UserRow): sdk.User {
  return {
    Path: row.path,
    UserName: row.name,
    UserId: row.id,
    Arn: entityArn('user', row),
    CreateDate: new Date(row.created_at),
    ...(row.password_last_used_at === null ? {} : { PasswordLastUsed: new Date(row.password_last_used_at) }),
  };
}

async function detailedUser(source: Context | Tx, row: UserRow): Promise<sdk.User> {
  const tags = await tagsOf(source, entityArn('user', row));
  return {
    ...userOf(row),
    PermissionsBoundary: boundaryOf(row.boundary_arn),
    ...(Object.keys(tags).length === 0 ? {} : { Tags: toTags(tags) }),
  };
}

export const CreateUser: Op<'CreateUser'> = {
  resource: ({ UserName: name, Path: path = '/' }, { account }) => entityArn('user', { account, path, name }),
  conditions: (input) => ({
    ...tagConditions(input.Tags),
    ...(input.PermissionsBoundary === undefined ? {} : { 'iam:PermissionsBoundary': input.PermissionsBoundary }),
  }),
  async handle({ UserName: name, Path: path = '/', PermissionsBoundary: boundary, Tags: tags = [] }, ctx) {
    checkTags(tags);
    const row: UserRow = {
      id: newId(ctx.ids, 'AIDA'),
      account: ctx.account,
      name,
      name_key: name.toLowerCase(),
      path,
      created_at: ctx.now().getTime(),
      boundary_arn: boundary ?? null,
      password_last_used_at: null,
    };
    return changeIdentities(ctx, async (tx) => {
      await requireFreeName(tx, ctx.account, 'user', name);
      if (boundary !== undefined) await requireBoundary(tx, ctx, boundary);
      await tables(tx).insertInto('iam_users').values(row).execute();
      await putTags(tx, entityArn('user', row), tagsFrom(tags));
      return { User: await detailedUser(tx, row) };
    });
  },
};

export const GetUser: Op<'GetUser'> = {
  resource: ({ UserName: name }, ctx) => {
    if (name === undefined && ctx.caller.type !== 'IAMUser') return '*';
    return entityResource(ctx, 'user', name ?? ownUserName(ctx));
  },
  async handle({ UserName: name }, ctx) {
    if (name === undefined && ctx.caller.type === 'Root') return { User: rootUser(ctx) };
    const row = await entityByName(ctx, ctx.account, 'user', name ?? ownUserName(ctx));
    return { User: await detailedUser(ctx, row) };
  },
};

/** IAM shows the root user without a name: only its account, ARN and age. */
export function rootUser({ account }: Context): sdk.User {
  const shown: Partial<sdk.User> = {
    UserId: account,
    Arn: `arn:aws:iam::${account}:root`,
    CreateDate: new Date('2026-01-01T00:00:00Z'),
  };
  return shown as sdk.User;
}

export const ListUsers: Op<'ListUsers'> = {
  resource: (_input, { account }) => `arn:aws:iam::${account}:user/`,
  async handle(input, ctx) {
    const { PathPrefix: pathPrefix } = input;
    const { items, truncation } = await listPage(
      ctx,
      `ListUsers ${pathPrefix}`,
      input,
      (after, limit) => listEntities(ctx, 'user', { pathPrefix, after, limit }),
      ({ name_key }) => name_key,
    );
    return { Users: items.map(userOf), ...truncation };
  },
};

export const UpdateUser: Op<'UpdateUser'> = {
  resource: ({ UserName: name, NewUserName: newName, NewPath: newPath }, ctx) =>
    movedResources(ctx, 'user', name, { name: newName, path: newPath }),
  async handle({ UserName: name, NewUserName: newName = name, NewPath: newPath }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      const row = await entityByName(tx, ctx.account, 'user', name);
      if (newName.toLowerCase() !== row.name_key) await requireFreeName(tx, ctx.account, 'user', newName);
      const moved = { ...row, name: newName, name_key: newName.toLowerCase(), path: newPath ?? row.path };
      const [from, to] = [entityArn('user', row), entityArn('user', moved)];
      if (from === to) return;
      const tags = await tagsOf(tx, from);
      await deleteAllTags(tx, from);
      await putTags(tx, to, tags);
      await repointTrustPolicies(tx, from, to);
      await tables(tx)
        .updateTable('iam_users')
        .set({ name: moved.name, name_key: moved.name_key, path: moved.path })
        .where('id', '=', row.id)
        .execute();
    });
    return {};
  },
};

export const DeleteUser: Op<'DeleteUser'> = {
  resource: ({ UserName: name }, ctx) => entityResource(ctx, 'user', name),
  async handle({ UserName: name }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      const row = await entityByName(tx, ctx.account, 'user', name);
      await requireBareUser(tx, row.id);
      await deleteAllTags(tx, entityArn('user', row));
      await repointTrustPolicies(tx, entityArn('user', row), row.id);
      await tables(tx).deleteFrom('iam_past_passwords').where('user_id', '=', row.id).execute();
      await tables(tx).deleteFrom('iam_users').where('id', '=', row.id).execute();
    });
    return {};
  },
};

/** @throws DeleteConflict naming the first thing that must go before the user can */
async function requireBareUser(tx: Tx, userId: string): Promise<void> {
  const db = tables(tx);
  const has = async (query: { executeTakeFirst(): Promise<unknown> }) => (await query.executeTakeFirst()) !== undefined;
  const conflict = (what: string) => fault(sdk.DeleteConflictException, `Cannot delete entity, must ${what} first.`);
  if (await has(db.selectFrom('iam_access_keys').select('id').where('user_id', '=', userId))) {
    throw conflict('delete access keys');
  }
  if (await has(db.selectFrom('iam_login_profiles').select('user_id').where('user_id', '=', userId))) {
    throw conflict('delete login profile');
  }
  if (await has(db.selectFrom('iam_inline_policies').select('name').where('owner_id', '=', userId))) {
    throw conflict('delete policies');
  }
  if (await has(db.selectFrom('iam_attachments').select('policy_arn').where('owner_id', '=', userId))) {
    throw conflict('detach all policies');
  }
  if (await has(db.selectFrom('iam_group_members').select('group_id').where('user_id', '=', userId))) {
    throw conflict('remove users from group');
  }
  if (await has(db.selectFrom('iam_service_credentials').select('id').where('user_id', '=', userId))) {
    throw conflict('delete service specific credentials');
  }
  if (await has(db.selectFrom('iam_ssh_keys').select('id').where('user_id', '=', userId))) {
    throw conflict('delete SSH public keys');
  }
  if (await has(db.selectFrom('iam_signing_certificates').select('id').where('user_id', '=', userId))) {
    throw conflict('delete signing certificates');
  }
  if (await has(db.selectFrom('iam_mfa_devices').select('serial').where('user_id', '=', userId))) {
    throw conflict('delete MFA device');
  }
}

export const PutUserPermissionsBoundary: Op<'PutUserPermissionsBoundary'> = {
  resource: ({ UserName: name }, ctx) => entityResource(ctx, 'user', name),
  conditions: (input) => ({ 'iam:PermissionsBoundary': input.PermissionsBoundary }),
  async handle({ UserName: name, PermissionsBoundary: boundary }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      const { id } = await entityByName(tx, ctx.account, 'user', name);
      await requireBoundary(tx, ctx, boundary);
      await tables(tx).updateTable('iam_users').set({ boundary_arn: boundary }).where('id', '=', id).execute();
    });
    return {};
  },
};

export const DeleteUserPermissionsBoundary: Op<'DeleteUserPermissionsBoundary'> = {
  resource: ({ UserName: name }, ctx) => entityResource(ctx, 'user', name),
  conditions: ({ UserName: name }, ctx) => boundaryConditions(ctx, 'user', name),
  async handle({ UserName: name }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      const { id, boundary_arn } = await entityByName(tx, ctx.account, 'user', name);
      if (boundary_arn === null) throw noBoundary('user', name);
      await tables(tx).updateTable('iam_users').set({ boundary_arn: null }).where('id', '=', id).execute();
    });
    return {};
  },
};

function noBoundary(kind: string, name: string) {
  return commonFault('ValidationError', `The ${kind} with name ${name} has no permissions boundary.`);
}
