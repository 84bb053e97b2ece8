import * as sdk from '@aws-sdk/client-iam';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { AWS_MANAGED_AT, awsManagedPolicy } from './aws-managed-policies.ts';
import { encodeDocument } from './documents.ts';
import { changeIdentities } from './identities.ts';
import { checkManagedDocument, managedPolicyResource, policyByArn, refuseAwsManaged } from './managed-policies.ts';
import { slicePage } from './markers.ts';
import { QUOTAS } from './quotas.ts';
import { type PolicyVersionRow, tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

function versionsOf(source: Context | Tx, policyId: string): Promise<PolicyVersionRow[]> {
  return tables(source)
    .selectFrom('iam_policy_versions')
    .selectAll()
    .where('policy_id', '=', policyId)
    .orderBy('version', 'desc')
    .execute();
}

function noVersion(policyArn: string, versionId: string) {
  const text = `Policy ${policyArn} version ${versionId} does not exist or is not attachable.`;
  return fault(sdk.NoSuchEntityException, text);
}

function findVersion(rows: readonly PolicyVersionRow[], policyArn: string, versionId: string): PolicyVersionRow {
  const row = rows.find(({ version }) => `v${version}` === versionId);
  if (row === undefined) throw noVersion(policyArn, versionId);
  return row;
}

function versionOf(row: PolicyVersionRow, defaultVersion: number): sdk.PolicyVersion {
  return {
    VersionId: `v${row.version}`,
    IsDefaultVersion: row.version === defaultVersion,
    CreateDate: new Date(row.created_at),
  };
}

export const CreatePolicyVersion: Op<'CreatePolicyVersion'> = {
  resource: managedPolicyResource,
  async handle({ PolicyArn: policyArn, PolicyDocument: document, SetAsDefault: setAsDefault = false }, ctx) {
    refuseAwsManaged(policyArn);
    checkManagedDocument(document);
    return changeIdentities(ctx, async (tx) => {
      const policy = await policyByArn(tx, ctx, policyArn);
      if ((await versionsOf(tx, policy.id)).length >= QUOTAS.policyVersions) {
        throw fault(
          sdk.LimitExceededException,
          `A managed policy can have up to ${QUOTAS.policyVersions} versions. Before you create a new version, you must delete an existing version.`,
        );
      }
      const now = ctx.now().getTime();
      const version = policy.last_version + 1;
      const defaultVersion = setAsDefault ? version : policy.default_version;
      const row = { policy_id: policy.id, version, document, created_at: now };
      await tables(tx).insertInto('iam_policy_versions').values(row).execute();
      await tables(tx)
        .updateTable('iam_policies')
        .set({ last_version: version, default_version: defaultVersion, updated_at: now })
        .where('id', '=', policy.id)
        .execute();
      return { PolicyVersion: versionOf(row, defaultVersion) };
    });
  },
};

export const GetPolicyVersion: Op<'GetPolicyVersion'> = {
  resource: managedPolicyResource,
  async handle({ PolicyArn: policyArn, VersionId: versionId }, ctx) {
    const managed = awsManagedPolicy(policyArn);
    if (managed !== undefined) {
      if (versionId !== 'v1') throw noVersion(policyArn, versionId);
      const Document = encodeDocument(managed.document);
      return { PolicyVersion: { VersionId: 'v1', IsDefaultVersion: true, CreateDate: AWS_MANAGED_AT, Document } };
    }
    const policy = await policyByArn(ctx, ctx, policyArn);
    const row = findVersion(await versionsOf(ctx, policy.id), policyArn, versionId);
    return { PolicyVersion: { ...versionOf(row, policy.default_version), Document: encodeDocument(row.document) } };
  },
};

export const ListPolicyVersions: Op<'ListPolicyVersions'> = {
  resource: managedPolicyResource,
  async handle(input, ctx) {
    const { PolicyArn: policyArn } = input;
    if (awsManagedPolicy(policyArn) !== undefined) {
      return {
        Versions: [{ VersionId: 'v1', IsDefaultVersion: true, CreateDate: AWS_MANAGED_AT }],
        IsTruncated: false,
      };
    }
    const policy = await policyByArn(ctx, ctx, policyArn);
    const rows = await versionsOf(ctx, policy.id);
    // Newest first, so the key that pages by rising order counts down.
    const keyOf = ({ version }: PolicyVersionRow) => String(1_000_000 - version);
    const { items, truncation } = await slicePage(ctx, `ListPolicyVersions ${policy.id}`, input, rows, keyOf);
    return { Versions: items.map((row) => versionOf(row, policy.default_version)), ...truncation };
  },
};

export const SetDefaultPolicyVersion: Op<'SetDefaultPolicyVersion'> = {
  resource: managedPolicyResource,
  async handle({ PolicyArn: policyArn, VersionId: versionId }, ctx) {
    refuseAwsManaged(policyArn);
    await changeIdentities(ctx, async (tx) => {
      const policy = await policyByArn(tx, ctx, policyArn);
      const { version } = findVersion(await versionsOf(tx, policy.id), policyArn, versionId);
      await tables(tx)
        .updateTable('iam_policies')
        .set({ default_version: version, updated_at: ctx.now().getTime() })
        .where('id', '=', policy.id)
        .execute();
    });
    return {};
  },
};

export const DeletePolicyVersion: Op<'DeletePolicyVersion'> = {
  resource: managedPolicyResource,
  async handle({ PolicyArn: policyArn, VersionId: versionId }, ctx) {
    refuseAwsManaged(policyArn);
    await changeIdentities(ctx, async (tx) => {
      const policy = await policyByArn(tx, ctx, policyArn);
      const { version } = findVersion(await versionsOf(tx, policy.id), policyArn, versionId);
      if (version === policy.default_version) {
        throw fault(sdk.DeleteConflictException, 'Cannot delete the default version of a policy.');
      }
      await tables(tx)
        .deleteFrom('iam_policy_versions')
        .where('policy_id', '=', policy.id)
        .where('version', '=', version)
        .execute();
    });
    return {};
  },
};
