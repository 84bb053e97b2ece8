import * as sdk from '@aws-sdk/client-iam';
import { arn } from '../../kernel/arn.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { ConditionKeys, ResourceRef } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import type { ServerCertificateRow } from './report-tables.ts';
import type { EntityRow, GroupRow, InstanceProfileRow, RoleRow, UserRow } from './tables.ts';
import { tables } from './tables.ts';
import { taggedResource } from './tag-sets.ts';

/** What can hold policies: users, groups and roles. */
export type OwnerKind = 'user' | 'group' | 'role';
export type EntityKind = OwnerKind | 'instance-profile' | 'server-certificate';

/** Where the roles stand that belong to services: only they change them. */
export const SERVICE_ROLE_PATH = '/aws-service-role/';

const TABLES = {
  user: 'iam_users',
  group: 'iam_groups',
  role: 'iam_roles',
  'instance-profile': 'iam_instance_profiles',
  'server-certificate': 'iam_server_certificates',
} as const;

/** How messages name them. */
const LABELS = {
  user: 'User',
  group: 'Group',
  role: 'Role',
  'instance-profile': 'Instance Profile',
  'server-certificate': 'Server Certificate',
} as const;

interface Rows {
  user: UserRow;
  group: GroupRow;
  role: RoleRow;
  'instance-profile': InstanceProfileRow;
  'server-certificate': ServerCertificateRow;
}

/** `arn:aws:iam::123456789012:user/path/alice` */
export function entityArn(kind: EntityKind, entity: Pick<EntityRow, 'account' | 'path' | 'name'>): string {
  return arn('iam', '', entity.account, `${kind}${entity.path}${entity.name}`);
}

/** The entity of that name in the account, if there is one: names are the same whatever their case, ARNs are not. */
export async function findEntity<K extends EntityKind>(
  source: Context | Tx,
  account: string,
  kind: K,
  name: string,
): Promise<Rows[K] | undefined> {
  // The four tables share these columns; the rest comes along untyped.
  const row = await tables(source)
    .selectFrom(TABLES[kind] as 'iam_users')
    .selectAll()
    .where('account', '=', account)
    .where('name_key', '=', name.toLowerCase())
    .executeTakeFirst();
  return row as unknown as Rows[K] | undefined;
}

/** @throws NoSuchEntity */
export async function entityByName<K extends EntityKind>(
  source: Context | Tx,
  account: string,
  kind: K,
  name: string,
): Promise<Rows[K]> {
  const row = await findEntity(source, account, kind, name);
  if (row !== undefined) return row;
  const text =
    kind === 'instance-profile'
      ? `Instance Profile ${name} cannot be found.`
      : `The ${kind === 'server-certificate' ? LABELS[kind] : kind} with name ${name} cannot be found.`;
  throw fault(sdk.NoSuchEntityException, text);
}

/** A role that its account may change. @throws NoSuchEntity, or UnmodifiableEntity for the role of a service */
export async function changeableRole(tx: Tx, account: string, name: string): Promise<RoleRow> {
  const row = await entityByName(tx, account, 'role', name);
  if (!row.path.startsWith(SERVICE_ROLE_PATH)) return row;
  throw fault(
    sdk.UnmodifiableEntityException,
    `Cannot perform the operation on the protected role '${row.name}' - this role is only modifiable by AWS`,
  );
}

/** What holds policies that its account may change. @throws NoSuchEntity, UnmodifiableEntity */
export function changeable(tx: Tx, account: string, kind: OwnerKind, name: string): Promise<EntityRow> {
  return kind === 'role' ? changeableRole(tx, account, name) : entityByName(tx, account, kind, name);
}

/** @throws EntityAlreadyExists when the name is taken, in any case */
export async function requireFreeName(tx: Tx, account: string, kind: EntityKind, name: string): Promise<void> {
  const taken = await tables(tx)
    .selectFrom(TABLES[kind] as 'iam_users')
    .select('id')
    .where('account', '=', account)
    .where('name_key', '=', name.toLowerCase())
    .executeTakeFirst();
  if (taken === undefined) return;
  throw fault(sdk.EntityAlreadyExistsException, `${LABELS[kind]} with name ${name} already exists.`);
}

/** The entity as a resource of IAM's own policies: its ARN (an assumed path where it does not exist) and tags. */
export async function entityResource(ctx: Context, kind: EntityKind, name: string): Promise<ResourceRef> {
  const entity = await findEntity(ctx, ctx.account, kind, name);
  const entityRef = entityArn(kind, entity ?? { account: ctx.account, path: '/', name });
  return entity === undefined ? { arn: entityRef } : taggedResource(ctx, entityRef);
}

/**
 * The boundary that a user or role has while his policies are changed, as `iam:PermissionsBoundary`: by it an
 * administrator lets others change only what is bounded. Source: Service Authorization Reference, IAM.
 */
export async function boundaryConditions(ctx: Context, kind: 'user' | 'role', name: string): Promise<ConditionKeys> {
  const { boundary_arn = null } = (await findEntity(ctx, ctx.account, kind, name)) ?? {};
  return boundary_arn === null ? {} : { 'iam:PermissionsBoundary': boundary_arn };
}

/**
 * What a change of name or path is about: the entity as it is, and as it will be. Policies go by both, so who may only
 * change what lies under `/dev/` brings nothing under `/admin/`. Source: IAM API reference, UpdateUser.
 */
export async function movedResources(
  ctx: Context,
  kind: 'user' | 'group' | 'server-certificate',
  name: string,
  to: { name: string | undefined; path: string | undefined },
): Promise<ResourceRef[]> {
  const before = await entityResource(ctx, kind, name);
  if (to.name === undefined && to.path === undefined) return [before];
  const { path = '/' } = (await findEntity(ctx, ctx.account, kind, name)) ?? {};
  const after = { account: ctx.account, path: to.path ?? path, name: to.name ?? name };
  return [before, { ...before, arn: entityArn(kind, after) }];
}

/** The name of the calling user, for operations that leave out `UserName`. @throws ValidationError for any other caller */
export function ownUserName({ caller }: Context): string {
  if (caller.type === 'IAMUser') return caller.userName;
  throw commonFault('ValidationError', 'Must specify userName when calling with non-User credentials');
}

/** Entities of a kind, ordered by name, after a name and under a path. */
export function listEntities<K extends EntityKind>(
  ctx: Context,
  kind: K,
  options: { pathPrefix: string | undefined; after: string | undefined; limit: number },
): Promise<Rows[K][]> {
  const { pathPrefix = '/', after, limit } = options;
  let query = tables(ctx)
    .selectFrom(TABLES[kind] as 'iam_users')
    .selectAll()
    .where('account', '=', ctx.account);
  if (pathPrefix !== '/') query = query.where('path', '>=', pathPrefix).where('path', '<', `${pathPrefix}\u{10ffff}`);
  if (after !== undefined) query = query.where('name_key', '>', after);
  return query.orderBy('name_key').limit(limit).execute() as unknown as Promise<Rows[K][]>;
}

/** How many entities of a kind the account has. */
export async function countEntities(source: Context | Tx, kind: EntityKind, account: string): Promise<number> {
  const row = await tables(source)
    .selectFrom(TABLES[kind] as 'iam_users')
    .select((e) => e.fn.countAll<number>().as('n'))
    .where('account', '=', account)
    .executeTakeFirstOrThrow();
  return Number(row.n);
}
