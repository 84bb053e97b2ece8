import * as sdk from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { ConditionKeys } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { checkGrantTokens } from './grant-tokens.ts';
import { keyByName, keyRef, namedKeyConditions } from './key-access.ts';
import type { Key } from './key-cache.ts';
import { requireUsable, requireUsage } from './key-states.ts';

interface CryptoInput {
  KeyId?: string | undefined;
  EncryptionContext?: Record<string, string> | undefined;
  GrantTokens?: string[] | undefined;
  DryRun?: boolean | undefined;
  Recipient?: sdk.RecipientInfo | undefined;
}

/** `resource`, `conditions` and record of a cryptographic operation: CloudTrail counts them as reading. */
export function usingKey(
  operation: string,
  options: { hasContext?: boolean; conditions?: (input: never) => ConditionKeys } = {},
) {
  const contextOf = (input: CryptoInput) => (options.hasContext ? (input.EncryptionContext ?? {}) : undefined);
  return {
    readOnly: true,
    resource: (input: CryptoInput, ctx: Context) =>
      keyRef(ctx, input.KeyId!, `kms:${operation}`, {
        naming: 'alias-too',
        crossAccount: true,
        grantOperation: operation,
        context: contextOf(input),
      }),
    conditions: async (input: CryptoInput, ctx: Context) => ({
      ...(await namedKeyConditions(ctx, input.KeyId!, 'alias-too', contextOf(input))),
      ...options.conditions?.(input as never),
    }),
  };
}

/** The key of a cryptographic operation, held against its state and usage. */
export async function keyForUse(
  ctx: Context,
  input: CryptoInput,
  operation: string,
  usage: sdk.KeyUsageType,
): Promise<Key> {
  refuseRecipient(input);
  checkGrantTokens(ctx, input.GrantTokens);
  const key = await keyByName(ctx, input.KeyId!, 'alias-too');
  requireUsable(key);
  requireUsage(key, usage, operation);
  return key;
}

/** @throws DryRunOperationException when the caller only wanted to know */
export function endDryRun(input: { DryRun?: boolean | undefined }): void {
  if (input.DryRun !== true) return;
  throw fault(sdk.DryRunOperationException, 'The request would have succeeded, but the DryRun option is set.');
}

/** Answers for enclaves are encrypted to their attestation, which only AWS's hardware can give. */
function refuseRecipient({ Recipient }: CryptoInput): void {
  if (Recipient !== undefined) {
    throw commonFault('NotImplemented', 'Recipient (attested enclaves) is not implemented by Slipway.');
  }
}
