/**
 * Settings that no bucket here can have, because putting them is not implemented. Asked for, they are truthfully absent, in
 * the words in which S3 says so: Terraform and other tools read them all.
 */
import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { malformedXml, s3Fault, unsupported } from './faults.ts';
import { type BucketInput, bucketByName } from './find-bucket.ts';
import { bucketResource } from './resources.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

function absent(code: string, message: string, bucket: string): never {
  throw s3Fault(code, 404, message, { BucketName: bucket });
}

export const GetBucketReplication: Op<'GetBucketReplication'> = {
  resource: bucketResource,
  action: 's3:GetReplicationConfiguration',
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    return absent('ReplicationConfigurationNotFoundError', 'The replication configuration was not found', input.Bucket);
  },
};

export const GetObjectLockConfiguration: Op<'GetObjectLockConfiguration'> = {
  resource: bucketResource,
  action: 's3:GetBucketObjectLockConfiguration',
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    return absent(
      'ObjectLockConfigurationNotFoundError',
      'Object Lock configuration does not exist for this bucket',
      input.Bucket,
    );
  },
};

/** Acceleration and payment by the requester have no error for "not configured": the answer is the default. */
export const GetBucketAccelerateConfiguration: Op<'GetBucketAccelerateConfiguration'> = {
  resource: bucketResource,
  action: 's3:GetAccelerateConfiguration',
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    return {};
  },
};

/** The owner pays, and nobody is asked to: that much can be put. */
export const PutBucketRequestPayment: Op<'PutBucketRequestPayment'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    const { Payer: payer } = input.RequestPaymentConfiguration ?? {};
    if (payer !== 'BucketOwner' && payer !== 'Requester') throw malformedXml();
    await bucketByName(ctx, input);
    if (payer === 'Requester') throw unsupported('Payment by the requester');
    return {};
  },
};

export const DeleteBucketReplication: Op<'DeleteBucketReplication'> = {
  resource: bucketResource,
  action: 's3:PutReplicationConfiguration',
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    return {};
  },
};

interface NamedInput {
  Bucket: string;
  Id: string;
  ExpectedBucketOwner?: string | undefined;
}

/** One of the configurations that have ids: no bucket has any. */
async function noSuchConfiguration(input: NamedInput, ctx: Context): Promise<never> {
  const { name } = await bucketByName(ctx, input);
  throw s3Fault('NoSuchConfiguration', 404, 'The specified configuration does not exist.', { BucketName: name });
}

async function noConfigurations(input: BucketInput, ctx: Context): Promise<{ IsTruncated: false }> {
  await bucketByName(ctx, input);
  return { IsTruncated: false };
}

export const GetBucketAnalyticsConfiguration: Op<'GetBucketAnalyticsConfiguration'> = {
  resource: bucketResource,
  action: 's3:GetAnalyticsConfiguration',
  handle: noSuchConfiguration,
};
export const ListBucketAnalyticsConfigurations: Op<'ListBucketAnalyticsConfigurations'> = {
  resource: bucketResource,
  action: 's3:GetAnalyticsConfiguration',
  handle: noConfigurations,
};
export const DeleteBucketAnalyticsConfiguration: Op<'DeleteBucketAnalyticsConfiguration'> = {
  resource: bucketResource,
  action: 's3:PutAnalyticsConfiguration',
  handle: noSuchConfiguration,
};
export const GetBucketInventoryConfiguration: Op<'GetBucketInventoryConfiguration'> = {
  resource: bucketResource,
  action: 's3:GetInventoryConfiguration',
  handle: noSuchConfiguration,
};
export const ListBucketInventoryConfigurations: Op<'ListBucketInventoryConfigurations'> = {
  resource: bucketResource,
  action: 's3:GetInventoryConfiguration',
  handle: noConfigurations,
};
export const DeleteBucketInventoryConfiguration: Op<'DeleteBucketInventoryConfiguration'> = {
  resource: bucketResource,
  action: 's3:PutInventoryConfiguration',
  handle: noSuchConfiguration,
};
export const GetBucketMetricsConfiguration: Op<'GetBucketMetricsConfiguration'> = {
  resource: bucketResource,
  action: 's3:GetMetricsConfiguration',
  handle: noSuchConfiguration,
};
export const ListBucketMetricsConfigurations: Op<'ListBucketMetricsConfigurations'> = {
  resource: bucketResource,
  action: 's3:GetMetricsConfiguration',
  handle: noConfigurations,
};
export const DeleteBucketMetricsConfiguration: Op<'DeleteBucketMetricsConfiguration'> = {
  resource: bucketResource,
  action: 's3:PutMetricsConfiguration',
  handle: noSuchConfiguration,
};
export const GetBucketIntelligentTieringConfiguration: Op<'GetBucketIntelligentTieringConfiguration'> = {
  resource: bucketResource,
  action: 's3:GetIntelligentTieringConfiguration',
  handle: noSuchConfiguration,
};
export const ListBucketIntelligentTieringConfigurations: Op<'ListBucketIntelligentTieringConfigurations'> = {
  resource: bucketResource,
  action: 's3:GetIntelligentTieringConfiguration',
  handle: noConfigurations,
};
export const DeleteBucketIntelligentTieringConfiguration: Op<'DeleteBucketIntelligentTieringConfiguration'> = {
  resource: bucketResource,
  action: 's3:PutIntelligentTieringConfiguration',
  handle: noSuchConfiguration,
};

export const GetBucketRequestPayment: Op<'GetBucketRequestPayment'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    return { Payer: 'BucketOwner' };
  },
};
