import * as sdk from '@aws-sdk/client-iam';
import { parseArn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { changeIdentities } from './identities.ts';
import { findManagedDocument } from './managed-documents.ts';
import { slicePage } from './markers.ts';
import { QUOTAS, quotaExceeded } from './quotas.ts';
import {
  boundaryConditions,
  changeable,
  entityByName,
  entityResource,
  type OwnerKind,
  SERVICE_ROLE_PATH,
} from './store.ts';
import { tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const QUOTA_NAMES = { user: 'PoliciesPerUser', group: 'PoliciesPerGroup', role: 'PoliciesPerRole' };

async function attach(ctx: Context, kind: OwnerKind, owner: string, policyArn: string): Promise<object> {
  await changeIdentities(ctx, async (tx) => {
    const { id } = await changeable(tx, ctx.account, kind, owner);
    const { account } = parseArn(policyArn) ?? {};
    const mayUse = account === 'aws' || account === ctx.account;
    if (!mayUse || (await findManagedDocument(tx, policyArn)) === undefined) {
      throw fault(sdk.NoSuchEntityException, `Policy ${policyArn} does not exist or is not attachable.`);
    }
    if (policyArn.includes(SERVICE_ROLE_PATH)) {
      throw fault(sdk.PolicyNotAttachableException, 'Cannot attach a Service Role Policy to a Customer Role.');
    }
    const attached = await tables(tx)
      .selectFrom('iam_attachments')
      .select('policy_arn')
      .where('owner_id', '=', id)
      .execute();
    if (attached.some(({ policy_arn }) => policy_arn === policyArn)) return;
    if (attached.length >= QUOTAS.attachedPolicies) throw quotaExceeded(QUOTA_NAMES[kind], QUOTAS.attachedPolicies);
    await tables(tx).insertInto('iam_attachments').values({ owner_id: id, policy_arn: policyArn }).execute();
  });
  return {};
}

async function detach(ctx: Context, kind: OwnerKind, owner: string, policyArn: string): Promise<object> {
  await changeIdentities(ctx, async (tx) => {
    const { id } = await changeable(tx, ctx.account, kind, owner);
    const deleted = await tables(tx)
      .deleteFrom('iam_attachments')
      .where('owner_id', '=', id)
      .where('policy_arn', '=', policyArn)
      .executeTakeFirst();
    if (deleted.numDeletedRows === 0n) {
      throw fault(sdk.NoSuchEntityException, `Policy ${policyArn} was not found.`);
    }
  });
  return {};
}

interface ListInput {
  PathPrefix?: string | undefined;
  Marker?: string | undefined;
  MaxItems?: number | undefined;
}

async function list(ctx: Context, kind: OwnerKind, owner: string, input: ListInput) {
  const { id } = await entityByName(ctx, ctx.account, kind, owner);
  const rows = await tables(ctx)
    .selectFrom('iam_attachments')
    .select('policy_arn')
    .where('owner_id', '=', id)
    .orderBy('policy_arn')
    .execute();
  const { PathPrefix: prefix = '/' } = input;
  const policies = rows
    .map(({ policy_arn: arn }) => ({ arn, place: arn.slice(arn.indexOf('/')) }))
    .filter(({ place }) => place.startsWith(prefix));
  const scope = `attached policies of ${id} ${prefix}`;
  const { items, truncation } = await slicePage(ctx, scope, input, policies, ({ arn }) => arn);
  const AttachedPolicies = items.map(({ arn, place }) => ({
    PolicyName: place.slice(place.lastIndexOf('/') + 1),
    PolicyArn: arn,
  }));
  return { AttachedPolicies, ...truncation };
}

async function policyConditions(ctx: Context, kind: 'user' | 'role', name: string, policyArn: string) {
  return { ...(await boundaryConditions(ctx, kind, name)), 'iam:PolicyARN': policyArn };
}

export const AttachUserPolicy: Op<'AttachUserPolicy'> = {
  resource: ({ UserName: name }, ctx) => entityResource(ctx, 'user', name),
  conditions: (input, ctx) => policyConditions(ctx, 'user', input.UserName, input.PolicyArn),
  handle: (input, ctx) => attach(ctx, 'user', input.UserName, input.PolicyArn),
};
export const AttachGroupPolicy: Op<'AttachGroupPolicy'> = {
  resource: ({ GroupName: name }, ctx) => entityResource(ctx, 'group', name),
  conditions: (input) => ({ 'iam:PolicyARN': input.PolicyArn }),
  handle: (input, ctx) => attach(ctx, 'group', input.GroupName, input.PolicyArn),
};
export const AttachRolePolicy: Op<'AttachRolePolicy'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  conditions: (input, ctx) => policyConditions(ctx, 'role', input.RoleName, input.PolicyArn),
  handle: (input, ctx) => attach(ctx, 'role', input.RoleName, input.PolicyArn),
};

export const DetachUserPolicy: Op<'DetachUserPolicy'> = {
  resource: ({ UserName: name }, ctx) => entityResource(ctx, 'user', name),
  conditions: (input, ctx) => policyConditions(ctx, 'user', input.UserName, input.PolicyArn),
  handle: (input, ctx) => detach(ctx, 'user', input.UserName, input.PolicyArn),
};
export const DetachGroupPolicy: Op<'DetachGroupPolicy'> = {
  resource: ({ GroupName: name }, ctx) => entityResource(ctx, 'group', name),
  conditions: (input) => ({ 'iam:PolicyARN': input.PolicyArn }),
  handle: (input, ctx) => detach(ctx, 'group', input.GroupName, input.PolicyArn),
};
export const DetachRolePolicy: Op<'DetachRolePolicy'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  conditions: (input, ctx) => policyConditions(ctx, 'role', input.RoleName, input.PolicyArn),
  handle: (input, ctx) => detach(ctx, 'role', input.RoleName, input.PolicyArn),
};

export const ListAttachedUserPolicies: Op<'ListAttachedUserPolicies'> = {
  resource: ({ UserName: name }, ctx) => entityResource(ctx, 'user', name),
  handle: (input, ctx) => list(ctx, 'user', input.UserName, input),
};
export const ListAttachedGroupPolicies: Op<'ListAttachedGroupPolicies'> = {
  resource: ({ GroupName: name }, ctx) => entityResource(ctx, 'group', name),
  handle: (input, ctx) => list(ctx, 'group', input.GroupName, input),
};
export const ListAttachedRolePolicies: Op<'ListAttachedRolePolicies'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  handle: (input, ctx) => list(ctx, 'role', input.RoleName, input),
};
