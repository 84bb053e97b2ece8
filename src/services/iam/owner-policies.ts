import type { CompiledPolicy } from '../../kernel/auth/policy-grammar.ts';
import type { Context } from '../../kernel/context.ts';
import { tagsOf } from '../../kernel/tags.ts';
import { compileDocument } from './documents.ts';
import { findManagedDocument } from './managed-documents.ts';
import { entityArn } from './store.ts';
import { tables } from './tables.ts';

/** What decides about a user or role, compiled. */
export interface OwnerPolicies {
  readonly identity: readonly CompiledPolicy[];
  readonly boundary?: CompiledPolicy;
  readonly tags?: Readonly<Record<string, string>>;
}

/** A policy that may not be evaluated any more (its document is gone) allows nothing. */
const NOTHING_ALLOWED = compileDocument(
  '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}',
  'identity',
);

/** All policies of a user, his groups' included; undefined when he does not exist. */
export async function policiesOfUser(ctx: Context, userId: string): Promise<OwnerPolicies | undefined> {
  const user = await tables(ctx).selectFrom('iam_users').selectAll().where('id', '=', userId).executeTakeFirst();
  if (user === undefined) return undefined;
  const groups = await tables(ctx)
    .selectFrom('iam_group_members')
    .select('group_id')
    .where('user_id', '=', userId)
    .execute();
  const owners = [userId, ...groups.map(({ group_id }) => group_id)];
  return collect(ctx, owners, user.boundary_arn, entityArn('user', user));
}

/** All policies of a role; undefined when it does not exist. */
export async function policiesOfRole(ctx: Context, roleId: string): Promise<OwnerPolicies | undefined> {
  const role = await tables(ctx).selectFrom('iam_roles').selectAll().where('id', '=', roleId).executeTakeFirst();
  return role && collect(ctx, [roleId], role.boundary_arn, entityArn('role', role));
}

/** A group's own policies. */
export function policiesOfGroup(ctx: Context, groupId: string): Promise<OwnerPolicies> {
  return collect(ctx, [groupId], null, '');
}

async function collect(
  ctx: Context,
  owners: string[],
  boundaryArn: string | null,
  ownerArn: string,
): Promise<OwnerPolicies> {
  const documents = [...(await inlineDocuments(ctx, owners)), ...(await attachedDocuments(ctx, owners))];
  const boundary = boundaryArn === null ? undefined : await findManagedDocument(ctx, boundaryArn);
  return {
    identity: documents.map((document) => compileDocument(document, 'identity')),
    ...(boundaryArn === null
      ? {}
      : { boundary: boundary === undefined ? NOTHING_ALLOWED : compileDocument(boundary, 'identity') }),
    tags: await tagsOf(ctx, ownerArn),
  };
}

async function inlineDocuments(ctx: Context, owners: string[]): Promise<string[]> {
  const rows = await tables(ctx)
    .selectFrom('iam_inline_policies')
    .select('document')
    .where('owner_id', 'in', owners)
    .execute();
  return rows.map(({ document }) => document);
}

async function attachedDocuments(ctx: Context, owners: string[]): Promise<string[]> {
  const rows = await tables(ctx)
    .selectFrom('iam_attachments')
    .select('policy_arn')
    .distinct()
    .where('owner_id', 'in', owners)
    .execute();
  const documents = await Promise.all(rows.map(({ policy_arn }) => findManagedDocument(ctx, policy_arn)));
  return documents.filter((document) => document !== undefined);
}
