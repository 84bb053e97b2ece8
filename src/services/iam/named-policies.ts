import * as sdk from '@aws-sdk/client-iam';
import { parseArn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { findManagedDocument } from './managed-documents.ts';
import { entityArn, entityByName, type OwnerKind } from './store.ts';
import { type EntityRow, tables } from './tables.ts';

/** A policy of an identity with its text, and where it hangs. */
export interface NamedPolicy {
  readonly name: string;
  /** Absent for inline policies. */
  readonly arn?: string;
  readonly document: string;
  readonly owner: { readonly kind: OwnerKind; readonly name: string };
}

export interface Subject {
  readonly kind: OwnerKind;
  readonly row: EntityRow;
}

/** The user, group or role of an ARN. @throws InvalidInput, NoSuchEntity */
export async function subjectOf(ctx: Context, source: string): Promise<Subject> {
  const { account, service, resource = '' } = parseArn(source) ?? {};
  const [kind, ...path] = resource.split('/');
  const known = kind === 'user' || kind === 'group' || kind === 'role';
  if (!known || service !== 'iam' || account !== ctx.account) {
    throw fault(
      sdk.InvalidInputException,
      `Invalid Entity Arn: ${source} does not clearly define entity type and name.`,
    );
  }
  const row = await entityByName(ctx, ctx.account, kind, path.at(-1) ?? '');
  if (entityArn(kind, row) !== source) {
    throw fault(sdk.NoSuchEntityException, `The ${kind} with name ${path.join('/')} cannot be found.`);
  }
  return { kind, row };
}

/** The policies of a user, group or role; a user's with those of his groups. Boundaries are none of them. */
export async function namedPolicies(ctx: Context, { kind, row }: Subject): Promise<NamedPolicy[]> {
  const owners = [{ kind, id: row.id, name: row.name }];
  if (kind === 'user') {
    const groups = await tables(ctx)
      .selectFrom('iam_group_members as m')
      .innerJoin('iam_groups as g', 'g.id', 'm.group_id')
      .select(['g.id', 'g.name'])
      .where('m.user_id', '=', row.id)
      .orderBy('g.name_key')
      .execute();
    owners.push(...groups.map((group) => ({ kind: 'group' as const, ...group })));
  }
  const found: NamedPolicy[] = [];
  for (const owner of owners) found.push(...(await policiesOf(ctx, owner)));
  return found;
}

async function policiesOf(ctx: Context, owner: { kind: OwnerKind; id: string; name: string }): Promise<NamedPolicy[]> {
  const inline = await tables(ctx)
    .selectFrom('iam_inline_policies')
    .select(['name', 'document'])
    .where('owner_id', '=', owner.id)
    .orderBy('name')
    .execute();
  const attached = await tables(ctx)
    .selectFrom('iam_attachments')
    .select('policy_arn')
    .where('owner_id', '=', owner.id)
    .orderBy('policy_arn')
    .execute();
  const place = { kind: owner.kind, name: owner.name };
  const found: NamedPolicy[] = inline.map(({ name, document }) => ({ name, document, owner: place }));
  for (const { policy_arn: arn } of attached) {
    const document = await findManagedDocument(ctx, arn);
    if (document !== undefined) found.push({ name: arn.slice(arn.lastIndexOf('/') + 1), arn, document, owner: place });
  }
  return found;
}

interface RawStatement {
  Effect?: string;
  Action?: string | string[];
  NotAction?: string | string[];
}

/** Whether a document allows some action of a service, whatever its resources and conditions. */
export function grantsService(document: string, namespace: string): boolean {
  const { Statement } = JSON.parse(document) as { Statement: RawStatement | RawStatement[] };
  const prefixOf = (pattern: string) => pattern.toLowerCase().split(':')[0]!;
  return [Statement].flat().some(({ Effect, Action, NotAction }) => {
    if (Effect !== 'Allow') return false;
    if (Action !== undefined) {
      return [Action].flat().some((pattern) => {
        const prefix = prefixOf(pattern);
        return prefix === '*' || prefix === namespace.toLowerCase();
      });
    }
    const left = [NotAction ?? []].flat().map((pattern) => pattern.toLowerCase());
    return !left.includes('*') && !left.includes(`${namespace.toLowerCase()}:*`);
  });
}
