import * as sdk from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { checkDocument, documentSize, encodeDocument } from './documents.ts';
import { changeIdentities } from './identities.ts';
import { listPage } from './markers.ts';
import { QUOTAS } from './quotas.ts';
import { boundaryConditions, changeable, entityByName, entityResource, type OwnerKind } from './store.ts';
import { tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

async function put(ctx: Context, kind: OwnerKind, owner: string, name: string, document: string): Promise<object> {
  checkDocument(document, 'identity');
  await changeIdentities(ctx, async (tx) => {
    const { id } = await changeable(tx, ctx.account, kind, owner);
    const others = await tables(tx)
      .selectFrom('iam_inline_policies')
      .select('document')
      .where('owner_id', '=', id)
      .where('name', '!=', name)
      .execute();
    const size = others.reduce((sum, other) => sum + documentSize(other.document), documentSize(document));
    const limit = QUOTAS.inlinePolicySize[kind];
    if (size > limit) {
      throw fault(sdk.LimitExceededException, `Maximum policy size of ${limit} bytes exceeded for ${kind} ${owner}`);
    }
    await tables(tx)
      .insertInto('iam_inline_policies')
      .values({ owner_id: id, name, document })
      .onConflict((c) => c.columns(['owner_id', 'name']).doUpdateSet({ document }))
      .execute();
  });
  return {};
}

async function get(ctx: Context, kind: OwnerKind, owner: string, name: string): Promise<string> {
  const { id } = await entityByName(ctx, ctx.account, kind, owner);
  const row = await tables(ctx)
    .selectFrom('iam_inline_policies')
    .select('document')
    .where('owner_id', '=', id)
    .where('name', '=', name)
    .executeTakeFirst();
  if (row === undefined) throw notFound(kind, name);
  return encodeDocument(row.document);
}

async function remove(ctx: Context, kind: OwnerKind, owner: string, name: string): Promise<object> {
  await changeIdentities(ctx, async (tx) => {
    const { id } = await changeable(tx, ctx.account, kind, owner);
    const deleted = await tables(tx)
      .deleteFrom('iam_inline_policies')
      .where('owner_id', '=', id)
      .where('name', '=', name)
      .executeTakeFirst();
    if (deleted.numDeletedRows === 0n) throw notFound(kind, name);
  });
  return {};
}

function notFound(kind: OwnerKind, name: string) {
  return fault(sdk.NoSuchEntityException, `The ${kind} policy with name ${name} cannot be found.`);
}

async function list(
  ctx: Context,
  kind: OwnerKind,
  owner: string,
  input: { Marker?: string | undefined; MaxItems?: number | undefined },
) {
  const { id } = await entityByName(ctx, ctx.account, kind, owner);
  const { items, truncation } = await listPage(
    ctx,
    `inline policies of ${id}`,
    input,
    (after = '', limit) =>
      tables(ctx)
        .selectFrom('iam_inline_policies')
        .select('name')
        .where('owner_id', '=', id)
        .where('name', '>', after)
        .orderBy('name')
        .limit(limit)
        .execute(),
    ({ name }) => name,
  );
  return { PolicyNames: items.map(({ name }) => name), ...truncation };
}

export const PutUserPolicy: Op<'PutUserPolicy'> = {
  resource: ({ UserName: name }, ctx) => entityResource(ctx, 'user', name),
  conditions: ({ UserName: name }, ctx) => boundaryConditions(ctx, 'user', name),
  handle: (input, ctx) => put(ctx, 'user', input.UserName, input.PolicyName, input.PolicyDocument),
};
export const PutGroupPolicy: Op<'PutGroupPolicy'> = {
  resource: ({ GroupName: name }, ctx) => entityResource(ctx, 'group', name),
  handle: (input, ctx) => put(ctx, 'group', input.GroupName, input.PolicyName, input.PolicyDocument),
};
export const PutRolePolicy: Op<'PutRolePolicy'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  conditions: ({ RoleName: name }, ctx) => boundaryConditions(ctx, 'role', name),
  handle: (input, ctx) => put(ctx, 'role', input.RoleName, input.PolicyName, input.PolicyDocument),
};

export const GetUserPolicy: Op<'GetUserPolicy'> = {
  resource: ({ UserName: name }, ctx) => entityResource(ctx, 'user', name),
  async handle({ UserName, PolicyName }, ctx) {
    return { UserName, PolicyName, PolicyDocument: await get(ctx, 'user', UserName, PolicyName) };
  },
};
export const GetGroupPolicy: Op<'GetGroupPolicy'> = {
  resource: ({ GroupName: name }, ctx) => entityResource(ctx, 'group', name),
  async handle({ GroupName, PolicyName }, ctx) {
    return { GroupName, PolicyName, PolicyDocument: await get(ctx, 'group', GroupName, PolicyName) };
  },
};
export const GetRolePolicy: Op<'GetRolePolicy'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  async handle({ RoleName, PolicyName }, ctx) {
    return { RoleName, PolicyName, PolicyDocument: await get(ctx, 'role', RoleName, PolicyName) };
  },
};

export const DeleteUserPolicy: Op<'DeleteUserPolicy'> = {
  resource: ({ UserName: name }, ctx) => entityResource(ctx, 'user', name),
  conditions: ({ UserName: name }, ctx) => boundaryConditions(ctx, 'user', name),
  handle: (input, ctx) => remove(ctx, 'user', input.UserName, input.PolicyName),
};
export const DeleteGroupPolicy: Op<'DeleteGroupPolicy'> = {
  resource: ({ GroupName: name }, ctx) => entityResource(ctx, 'group', name),
  handle: (input, ctx) => remove(ctx, 'group', input.GroupName, input.PolicyName),
};
export const DeleteRolePolicy: Op<'DeleteRolePolicy'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  conditions: ({ RoleName: name }, ctx) => boundaryConditions(ctx, 'role', name),
  handle: (input, ctx) => remove(ctx, 'role', input.RoleName, input.PolicyName),
};

export const ListUserPolicies: Op<'ListUserPolicies'> = {
  resource: ({ UserName: name }, ctx) => entityResource(ctx, 'user', name),
  handle: (input, ctx) => list(ctx, 'user', input.UserName, input),
};
export const ListGroupPolicies: Op<'ListGroupPolicies'> = {
  resource: ({ GroupName: name }, ctx) => entityResource(ctx, 'group', name),
  handle: (input, ctx) => list(ctx, 'group', input.GroupName, input),
};
export const ListRolePolicies: Op<'ListRolePolicies'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  handle: (input, ctx) => list(ctx, 'role', input.RoleName, input),
};
