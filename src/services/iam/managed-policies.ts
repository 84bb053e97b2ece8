import * as sdk from '@aws-sdk/client-iam';
import { arn, parseArn } from '../../kernel/arn.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName, ResourceRef } from '../../kernel/service.ts';
import { deleteAllTags, putTags, tagsOf } from '../../kernel/tags.ts';
import { AWS_MANAGED_AT, AWS_MANAGED_POLICIES, awsManagedPolicy } from './aws-managed-policies.ts';
import { checkDocument, documentSize } from './documents.ts';
import { newId } from './identifiers.ts';
import { changeIdentities } from './identities.ts';
import { listPage } from './markers.ts';
import { type PolicyUse, policyUse } from './policy-use.ts';
import { QUOTAS, quotaExceeded } from './quotas.ts';
import { SERVICE_ROLE_PATH } from './store.ts';
import { type PolicyRow, tables } from './tables.ts';
import { checkTags, tagConditions, taggedResource, tagsFrom, toTags } from './tag-sets.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export function notFound(policyArn: string) {
  return fault(sdk.NoSuchEntityException, `Policy ${policyArn} was not found.`);
}

/** A managed policy as a resource: AWS's own belong to every account that uses them. */
export function managedPolicyResource({ PolicyArn }: { PolicyArn: string }, ctx: Context): ResourceRef {
  return { ...taggedResource(ctx, PolicyArn), account: ctx.account };
}

/** The customer's policy of that ARN. @throws NoSuchEntity */
export async function policyByArn(source: Context | Tx, ctx: Context, policyArn: string): Promise<PolicyRow> {
  const row = await tables(source)
    .selectFrom('iam_policies')
    .selectAll()
    .where('arn', '=', policyArn)
    .where('account', '=', ctx.account)
    .executeTakeFirst();
  if (row === undefined) throw notFound(policyArn);
  return row;
}

/** Policies of AWS cannot be changed. @throws AccessDenied */
export function refuseAwsManaged(policyArn: string): void {
  if (parseArn(policyArn)?.account !== 'aws') return;
  throw fault(sdk.UnmodifiableEntityException, `Policy ${policyArn} is managed by AWS and cannot be changed.`);
}

/** A document within the size that managed policies may have. @throws MalformedPolicyDocument or LimitExceeded */
export function checkManagedDocument(document: string): void {
  checkDocument(document, 'identity');
  if (documentSize(document) > QUOTAS.managedPolicySize) throw quotaExceeded('PolicySize', QUOTAS.managedPolicySize);
}

/** A customer's policy as lists show it. */
export function policyOf(row: PolicyRow, use: PolicyUse): sdk.Policy {
  return {
    PolicyName: row.name,
    PolicyId: row.id,
    Arn: row.arn,
    Path: row.path,
    DefaultVersionId: `v${row.default_version}`,
    AttachmentCount: use.attachments,
    PermissionsBoundaryUsageCount: use.boundaries,
    IsAttachable: true,
    CreateDate: new Date(row.created_at),
    UpdateDate: new Date(row.updated_at),
  };
}

/** A policy of AWS; undefined where there is none of that ARN. */
export function awsPolicyOf(policyArn: string, use: PolicyUse): sdk.Policy | undefined {
  const policy = awsManagedPolicy(policyArn);
  return (
    policy && {
      PolicyName: policy.name,
      PolicyId: policy.id,
      Arn: policy.arn,
      Path: policy.path,
      DefaultVersionId: 'v1',
      AttachmentCount: use.attachments,
      PermissionsBoundaryUsageCount: use.boundaries,
      IsAttachable: !policy.path.startsWith(SERVICE_ROLE_PATH),
      Description: policy.description,
      CreateDate: AWS_MANAGED_AT,
      UpdateDate: AWS_MANAGED_AT,
    }
  );
}

export const CreatePolicy: Op<'CreatePolicy'> = {
  resource: ({ PolicyName: name, Path: path = '/' }, { account }) => arn('iam', '', account, `policy${path}${name}`),
  conditions: ({ Tags }) => tagConditions(Tags),
  async handle({ PolicyName: name, Path: path = '/', PolicyDocument: document, Description, Tags: tags = [] }, ctx) {
    checkTags(tags);
    checkManagedDocument(document);
    const now = ctx.now().getTime();
    const row: PolicyRow = {
      id: newId(ctx.ids, 'ANPA'),
      account: ctx.account,
      name,
      name_key: name.toLowerCase(),
      path,
      arn: arn('iam', '', ctx.account, `policy${path}${name}`),
      created_at: now,
      updated_at: now,
      description: Description ?? null,
      default_version: 1,
      last_version: 1,
    };
    await changeIdentities(ctx, async (tx) => {
      const taken = await tables(tx)
        .selectFrom('iam_policies')
        .select('id')
        .where('account', '=', ctx.account)
        .where('name_key', '=', row.name_key)
        .executeTakeFirst();
      if (taken !== undefined) {
        throw fault(
          sdk.EntityAlreadyExistsException,
          `A policy called ${name} already exists. Duplicate names are not allowed.`,
        );
      }
      await tables(tx).insertInto('iam_policies').values(row).execute();
      await tables(tx)
        .insertInto('iam_policy_versions')
        .values({ policy_id: row.id, version: 1, document, created_at: now })
        .execute();
      await putTags(tx, row.arn, tagsFrom(tags));
    });
    const created = policyOf(row, { attachments: 0, boundaries: 0 });
    return { Policy: { ...created, ...(tags.length === 0 ? {} : { Tags: tags }) } };
  },
};

export const GetPolicy: Op<'GetPolicy'> = {
  resource: managedPolicyResource,
  async handle({ PolicyArn: policyArn }, ctx) {
    const use = (await policyUse(ctx, [policyArn], ctx.account)).get(policyArn)!;
    const managed = awsPolicyOf(policyArn, use);
    if (managed !== undefined) return { Policy: managed };
    const row = await policyByArn(ctx, ctx, policyArn);
    const tags = toTags(await tagsOf(ctx, policyArn));
    const described = row.description === null ? {} : { Description: row.description };
    return { Policy: { ...policyOf(row, use), ...described, Tags: tags } };
  },
};

export const ListPolicies: Op<'ListPolicies'> = {
  resource: (_input, { account }) => `arn:aws:iam::${account}:policy/`,
  async handle(input, ctx) {
    const { Scope: scope = 'All', OnlyAttached: onlyAttached = false, PathPrefix: prefix = '/' } = input;
    const key = `ListPolicies ${scope} ${onlyAttached} ${prefix} ${input.PolicyUsageFilter}`;
    const fetch = (after: string | undefined, limit: number) => listedPolicies(ctx, input, after, limit);
    const { items, truncation } = await listPage(ctx, key, input, fetch, ({ Arn }) => Arn!);
    return { Policies: items, ...truncation };
  },
};

type ListInput = Pick<sdk.ListPoliciesRequest, 'Scope' | 'OnlyAttached' | 'PathPrefix' | 'PolicyUsageFilter'>;

/** Policies behind an ARN, by ARN: the account's own, then AWS's. */
async function listedPolicies(
  ctx: Context,
  { Scope: scope, OnlyAttached: onlyAttached, PathPrefix: prefix = '/', PolicyUsageFilter: usage }: ListInput,
  after: string | undefined,
  limit: number,
): Promise<sdk.Policy[]> {
  const isWanted = ({
    AttachmentCount: attachments = 0,
    PermissionsBoundaryUsageCount: boundaries = 0,
  }: sdk.Policy) => {
    if (usage === 'PermissionsBoundary') return boundaries > 0;
    if (onlyAttached === true) return attachments > 0;
    return usage === undefined || attachments > 0 || boundaries === 0;
  };
  const found: sdk.Policy[] = [];
  let at = after;
  while (scope !== 'AWS' && found.length < limit) {
    const rows = await ownPolicies(ctx, prefix, at, limit);
    const uses = await policyUse(
      ctx,
      rows.map(({ arn: one }) => one),
      ctx.account,
    );
    const policies = rows.map((row) => policyOf(row, uses.get(row.arn)!));
    found.push(...policies.filter(isWanted));
    if (rows.length < limit) break;
    at = rows.at(-1)!.arn;
  }
  if (scope === 'Local' || found.length >= limit) return found.slice(0, limit);
  const arns = AWS_MANAGED_POLICIES.filter(({ path }) => path.startsWith(prefix)).map((policy) => policy.arn);
  const uses = await policyUse(ctx, arns, ctx.account);
  const managed = arns
    .filter((one) => after === undefined || one > after)
    .map((one) => awsPolicyOf(one, uses.get(one)!)!)
    .filter(isWanted);
  return [...found, ...managed].slice(0, limit);
}

function ownPolicies(ctx: Context, prefix: string, after: string | undefined, limit: number): Promise<PolicyRow[]> {
  let query = tables(ctx).selectFrom('iam_policies').selectAll().where('account', '=', ctx.account);
  if (prefix !== '/') query = query.where('path', '>=', prefix).where('path', '<', `${prefix}\u{10ffff}`);
  if (after !== undefined) query = query.where('arn', '>', after);
  return query.orderBy('arn').limit(limit).execute();
}

export const DeletePolicy: Op<'DeletePolicy'> = {
  resource: managedPolicyResource,
  async handle({ PolicyArn: policyArn }, ctx) {
    refuseAwsManaged(policyArn);
    await changeIdentities(ctx, async (tx) => {
      const row = await policyByArn(tx, ctx, policyArn);
      const { attachments, boundaries } = (await policyUse(tx, [policyArn], ctx.account)).get(policyArn)!;
      if (attachments + boundaries > 0) {
        throw fault(sdk.DeleteConflictException, 'Cannot delete a policy attached to entities.');
      }
      const versions = await tables(tx)
        .selectFrom('iam_policy_versions')
        .select('version')
        .where('policy_id', '=', row.id)
        .execute();
      if (versions.length > 1) {
        throw fault(
          sdk.DeleteConflictException,
          "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        );
      }
      await tables(tx).deleteFrom('iam_policy_versions').where('policy_id', '=', row.id).execute();
      await deleteAllTags(tx, policyArn);
      await tables(tx).deleteFrom('iam_policies').where('id', '=', row.id).execute();
    });
    return {};
  },
};
