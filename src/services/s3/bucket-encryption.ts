/** Default encryption of buckets: what a write gets that asks for nothing else. */
import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { type DefaultEncryption, defaultEncryptionOf } from './encryption.ts';
import { invalidArgument, malformedXml, unsupported } from './faults.ts';
import { type BucketInput, bucketByName } from './find-bucket.ts';
import { bucketResource } from './resources.ts';
import type { Tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export const PutBucketEncryption: Op<'PutBucketEncryption'> = {
  resource: bucketResource,
  action: 's3:PutEncryptionConfiguration',
  async handle(input, ctx) {
    const rules = input.ServerSideEncryptionConfiguration?.Rules ?? [];
    if (rules.length !== 1) throw malformedXml();
    await setEncryption(ctx, input, JSON.stringify(readRule(rules[0]!)));
    return {};
  },
};

function readRule(rule: sdk.ServerSideEncryptionRule): DefaultEncryption {
  const { ApplyServerSideEncryptionByDefault: byDefault, BlockedEncryptionTypes: blocked } = rule;
  const { SSEAlgorithm: algorithm = 'AES256', KMSMasterKeyID: keyId } = byDefault ?? {};
  const types = blocked?.EncryptionType ?? [];
  if (types.some((type) => type !== 'SSE-C' && type !== 'NONE') || types.length > 1) throw malformedXml();
  if (algorithm !== 'AES256' && algorithm !== 'aws:kms') {
    if (algorithm.startsWith('aws:')) throw unsupported(`Server-side encryption with ${algorithm}`);
    throw malformedXml();
  }
  if (keyId !== undefined && algorithm === 'AES256') {
    throw invalidArgument(
      'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse',
    );
  }
  return {
    algorithm,
    keyId,
    bucketKey: rule.BucketKeyEnabled === true,
    blocksCustomerKeys: types.includes('SSE-C') ? true : undefined,
  };
}

export const GetBucketEncryption: Op<'GetBucketEncryption'> = {
  resource: bucketResource,
  action: 's3:GetEncryptionConfiguration',
  async handle(input, ctx) {
    const { algorithm, keyId, bucketKey, blocksCustomerKeys } = defaultEncryptionOf(await bucketByName(ctx, input));
    return {
      ServerSideEncryptionConfiguration: {
        Rules: [
          {
            ApplyServerSideEncryptionByDefault: { SSEAlgorithm: algorithm, KMSMasterKeyID: keyId },
            BucketKeyEnabled: bucketKey,
            ...(blocksCustomerKeys === true ? { BlockedEncryptionTypes: { EncryptionType: ['SSE-C'] } } : {}),
          },
        ],
      },
    };
  },
};

/** Back to AES256, which is what every bucket starts with. */
export const DeleteBucketEncryption: Op<'DeleteBucketEncryption'> = {
  resource: bucketResource,
  action: 's3:PutEncryptionConfiguration',
  async handle(input, ctx) {
    await setEncryption(ctx, input, null);
    return {};
  },
};

async function setEncryption(ctx: Context, input: BucketInput, encryption: string | null): Promise<void> {
  await ctx.tx(async (tx) => {
    const { name } = await bucketByName(tx, input);
    await tx.db<Tables>().updateTable('s3_buckets').set({ encryption }).where('name', '=', name).execute();
  });
}
