import * as sdk from '@aws-sdk/client-iam';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { deleteAllTags, putTags, tagsOf } from '../../kernel/tags.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { boundaryOf, requireBoundary } from './boundaries.ts';
import { encodeDocument } from './documents.ts';
import { newId } from './identifiers.ts';
import { changeIdentities, identitiesOf } from './identities.ts';
import { listPage } from './markers.ts';
import {
  boundaryConditions,
  changeableRole,
  entityArn,
  entityByName,
  entityResource,
  listEntities,
  requireFreeName,
  SERVICE_ROLE_PATH,
} from './store.ts';
import { type RoleRow, tables } from './tables.ts';
import { checkTags, tagConditions, tagsFrom, toTags } from './tag-sets.ts';
import { checkTrustPolicy, repointTrustPolicies } from './trust.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const DEFAULT_SESSION_SECONDS = 3600;

/** When a role was last used, as far as this node knows. */
export function lastUse(ctx: Context, row: RoleRow): sdk.RoleLastUsed {
  const seen = identitiesOf(ctx).principalUse.last(row.id);
  const atMs = Math.max(seen?.atMs ?? 0, row.last_used_at ?? 0);
  if (atMs === 0) return {};
  const region = atMs === seen?.atMs ? seen.region : row.last_used_region;
  return { LastUsedDate: new Date(atMs), ...(region === null ? {} : { Region: region }) };
}

/** A role as every answer shows it. In AWS's examples only GetRole and ListRoles tell how long its sessions may be. */
export function roleOf(row: RoleRow): sdk.Role {
  return {
    Path: row.path,
    RoleName: row.name,
    RoleId: row.id,
    Arn: entityArn('role', row),
    CreateDate: new Date(row.created_at),
    AssumeRolePolicyDocument: encodeDocument(row.trust_policy),
    ...(row.description === null ? {} : { Description: row.description }),
  };
}

function listedRole(row: RoleRow): sdk.Role {
  return { ...roleOf(row), MaxSessionDuration: row.max_session_seconds };
}

async function detailedRole(source: Context | Tx, row: RoleRow): Promise<sdk.Role> {
  const tags = await tagsOf(source, entityArn('role', row));
  return {
    ...roleOf(row),
    PermissionsBoundary: boundaryOf(row.boundary_arn),
    ...(Object.keys(tags).length === 0 ? {} : { Tags: toTags(tags) }),
  };
}

export const CreateRole: Op<'CreateRole'> = {
  resource: ({ RoleName: name, Path: path = '/' }, { account }) => entityArn('role', { account, path, name }),
  conditions: (input) => ({
    ...tagConditions(input.Tags),
    ...(input.PermissionsBoundary === undefined ? {} : { 'iam:PermissionsBoundary': input.PermissionsBoundary }),
  }),
  async handle(input, ctx) {
    const { RoleName: name, Path: path = '/', PermissionsBoundary: boundary, Tags: tags = [] } = input;
    checkTags(tags);
    const row: RoleRow = {
      id: newId(ctx.ids, 'AROA'),
      account: ctx.account,
      name,
      name_key: name.toLowerCase(),
      path,
      created_at: ctx.now().getTime(),
      description: input.Description ?? null,
      trust_policy: input.AssumeRolePolicyDocument,
      max_session_seconds: input.MaxSessionDuration ?? DEFAULT_SESSION_SECONDS,
      boundary_arn: boundary ?? null,
      last_used_at: null,
      last_used_region: null,
    };
    if (path.startsWith(SERVICE_ROLE_PATH)) {
      throw fault(sdk.InvalidInputException, `Path ${path} is reserved for service-linked roles.`);
    }
    return changeIdentities(ctx, async (tx) => {
      await requireFreeName(tx, ctx.account, 'role', name);
      await checkTrustPolicy(tx, ctx.account, row.trust_policy);
      if (boundary !== undefined) await requireBoundary(tx, ctx, boundary);
      await tables(tx).insertInto('iam_roles').values(row).execute();
      await putTags(tx, entityArn('role', row), tagsFrom(tags));
      return { Role: await detailedRole(tx, row) };
    });
  },
};

export const GetRole: Op<'GetRole'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  async handle({ RoleName: name }, ctx) {
    const row = await entityByName(ctx, ctx.account, 'role', name);
    const role = await detailedRole(ctx, row);
    return { Role: { ...role, MaxSessionDuration: row.max_session_seconds, RoleLastUsed: lastUse(ctx, row) } };
  },
};

export const ListRoles: Op<'ListRoles'> = {
  resource: (_input, { account }) => `arn:aws:iam::${account}:role/`,
  async handle(input, ctx) {
    const { PathPrefix: pathPrefix } = input;
    const { items, truncation } = await listPage(
      ctx,
      `ListRoles ${pathPrefix}`,
      input,
      (after, limit) => listEntities(ctx, 'role', { pathPrefix, after, limit }),
      ({ name_key }) => name_key,
    );
    return { Roles: items.map(listedRole), ...truncation };
  },
};

export const UpdateRole: Op<'UpdateRole'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  async handle({ RoleName: name, Description: description, MaxSessionDuration: maxSeconds }, ctx) {
    await updateRole(ctx, name, { description, maxSeconds });
    return {};
  },
};

export const UpdateRoleDescription: Op<'UpdateRoleDescription'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  async handle({ RoleName: name, Description: description }, ctx) {
    return { Role: roleOf(await updateRole(ctx, name, { description })) };
  },
};

function updateRole(
  ctx: Context,
  name: string,
  change: { description?: string | undefined; maxSeconds?: number | undefined },
): Promise<RoleRow> {
  return changeIdentities(ctx, async (tx) => {
    const row = await entityByName(tx, ctx.account, 'role', name);
    const changed = {
      description: change.description ?? row.description,
      max_session_seconds: change.maxSeconds ?? row.max_session_seconds,
    };
    await tables(tx).updateTable('iam_roles').set(changed).where('id', '=', row.id).execute();
    return { ...row, ...changed };
  });
}

export const UpdateAssumeRolePolicy: Op<'UpdateAssumeRolePolicy'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  async handle({ RoleName: name, PolicyDocument: document }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      const { id } = await changeableRole(tx, ctx.account, name);
      await checkTrustPolicy(tx, ctx.account, document);
      await tables(tx).updateTable('iam_roles').set({ trust_policy: document }).where('id', '=', id).execute();
    });
    return {};
  },
};

export const DeleteRole: Op<'DeleteRole'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  async handle({ RoleName: name }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      const row = await changeableRole(tx, ctx.account, name);
      const db = tables(tx);
      const conflict = (what: string) =>
        fault(sdk.DeleteConflictException, `Cannot delete entity, must ${what} first.`);
      const profile = db.selectFrom('iam_instance_profiles').select('id').where('role_id', '=', row.id);
      if ((await profile.executeTakeFirst()) !== undefined) throw conflict('remove roles from instance profile');
      const inline = db.selectFrom('iam_inline_policies').select('name').where('owner_id', '=', row.id);
      if ((await inline.executeTakeFirst()) !== undefined) throw conflict('delete policies');
      const attached = db.selectFrom('iam_attachments').select('policy_arn').where('owner_id', '=', row.id);
      if ((await attached.executeTakeFirst()) !== undefined) throw conflict('detach all policies');
      await deleteAllTags(tx, entityArn('role', row));
      await repointTrustPolicies(tx, entityArn('role', row), row.id);
      await db.deleteFrom('iam_roles').where('id', '=', row.id).execute();
    });
    return {};
  },
};

export const PutRolePermissionsBoundary: Op<'PutRolePermissionsBoundary'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  conditions: (input) => ({ 'iam:PermissionsBoundary': input.PermissionsBoundary }),
  async handle({ RoleName: name, PermissionsBoundary: boundary }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      const { id } = await changeableRole(tx, ctx.account, name);
      await requireBoundary(tx, ctx, boundary);
      await tables(tx).updateTable('iam_roles').set({ boundary_arn: boundary }).where('id', '=', id).execute();
    });
    return {};
  },
};

export const DeleteRolePermissionsBoundary: Op<'DeleteRolePermissionsBoundary'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  conditions: ({ RoleName: name }, ctx) => boundaryConditions(ctx, 'role', name),
  async handle({ RoleName: name }, ctx) {
    await changeIdentities(ctx, async (tx) => {
      const { id, boundary_arn } = await changeableRole(tx, ctx.account, name);
      if (boundary_arn === null) {
        throw commonFault('ValidationError', `The role with name ${name} has no permissions boundary.`);
      }
      await tables(tx).updateTable('iam_roles').set({ boundary_arn: null }).where('id', '=', id).execute();
    });
    return {};
  },
};
