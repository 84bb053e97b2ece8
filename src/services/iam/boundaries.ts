import * as sdk from '@aws-sdk/client-iam';
import { parseArn } from '../../kernel/arn.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { findManagedDocument } from './managed-documents.ts';

/** A boundary as users and roles show it. */
export function boundaryOf(arn: string | null): sdk.AttachedPermissionsBoundary | undefined {
  return arn === null
    ? undefined
    : { PermissionsBoundaryType: sdk.PermissionsBoundaryAttachmentType.Policy, PermissionsBoundaryArn: arn };
}

/** @throws NoSuchEntity unless the ARN is that of a managed policy of this account or of AWS */
export async function requireBoundary(tx: Tx, ctx: Context, policyArn: string): Promise<void> {
  const { account } = parseArn(policyArn) ?? {};
  const document = account === 'aws' || account === ctx.account ? await findManagedDocument(tx, policyArn) : undefined;
  if (document !== undefined) return;
  throw fault(sdk.NoSuchEntityException, `Scope ARN: ${policyArn} does not exist or is not attachable.`);
}
