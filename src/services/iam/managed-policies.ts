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
import { slicePage } from './markers.ts';
import { type PolicyUse, policyUse } from './policy-use.ts';
import { QUOTAS, quotaExceeded } from './quotas.ts';
import { type PolicyRow, tables } from './tables.ts';
import { checkTags, tagConditions, tagsFrom, toTags } from './tag-sets.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export function notFound(policyArn: string) {
  return fault(sdk.NoSuchEntityException, `Policy ${policyArn} was not found.`);
}

/** A managed policy as a resource: AWS's own belong to every account that uses them. */
export function managedPolicyResource({ PolicyArn }: { PolicyArn: string }, { account }: Context): ResourceRef {
  return { arn: PolicyArn, account };
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

function policyOf(row: PolicyRow, use: PolicyUse): sdk.Policy {
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

function awsPolicyOf(policyArn: string, use: PolicyUse): sdk.Policy | undefined {
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
      IsAttachable: true,
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
    const use = (await policyUse(ctx, [policyArn])).get(policyArn)!;
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
    const own = scope === 'AWS' ? [] : await ownPolicies(ctx);
    const aws = scope === 'Local' ? [] : AWS_MANAGED_POLICIES;
    const rows = new Map(own.map((row) => [row.arn, row]));
    const arns = [...own, ...aws].filter(({ path }) => path.startsWith(prefix)).map((policy) => policy.arn);
    const use = await policyUse(ctx, arns);
    const counts = (policyArn: string) => {
      const { attachments, boundaries } = use.get(policyArn)!;
      return input.PolicyUsageFilter === 'PermissionsBoundary' ? boundaries : attachments;
    };
    const shown = arns.filter((policyArn) => !onlyAttached || counts(policyArn) > 0).sort();
    const key = `ListPolicies ${scope} ${onlyAttached} ${prefix}`;
    const { items, truncation } = await slicePage(ctx, key, input, shown, (policyArn) => policyArn);
    const Policies = items.map((policyArn) => {
      const row = rows.get(policyArn);
      return row === undefined ? awsPolicyOf(policyArn, use.get(policyArn)!)! : policyOf(row, use.get(policyArn)!);
    });
    return { Policies, ...truncation };
  },
};

function ownPolicies(ctx: Context): Promise<PolicyRow[]> {
  return tables(ctx).selectFrom('iam_policies').selectAll().where('account', '=', ctx.account).execute();
}

export const DeletePolicy: Op<'DeletePolicy'> = {
  resource: managedPolicyResource,
  async handle({ PolicyArn: policyArn }, ctx) {
    refuseAwsManaged(policyArn);
    await changeIdentities(ctx, async (tx) => {
      const row = await policyByArn(tx, ctx, policyArn);
      const { attachments, boundaries } = (await policyUse(tx, [policyArn])).get(policyArn)!;
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
