/**
 * Settings that no bucket here can have, because putting them is not implemented. Asked for, they are truthfully absent, in
 * the words in which S3 says so: Terraform and other tools read them all.
 */
import type * as sdk from '@aws-sdk/client-s3';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { s3Fault } from './faults.ts';
import { bucketByName } from './find-bucket.ts';
import { bucketResource } from './resources.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

function absent(code: string, message: string, bucket: string): never {
  throw s3Fault(code, 404, message, { BucketName: bucket });
}

export const GetBucketCors: Op<'GetBucketCors'> = {
  resource: bucketResource,
  action: 's3:GetBucketCORS',
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    return absent('NoSuchCORSConfiguration', 'The CORS configuration does not exist', input.Bucket);
  },
};

export const GetBucketLifecycleConfiguration: Op<'GetBucketLifecycleConfiguration'> = {
  resource: bucketResource,
  action: 's3:GetLifecycleConfiguration',
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    return absent('NoSuchLifecycleConfiguration', 'The lifecycle configuration does not exist', input.Bucket);
  },
};

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

/** Logging, acceleration and payment by the requester have no error for "not configured": the answer is the default. */
export const GetBucketLogging: Op<'GetBucketLogging'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    return {};
  },
};

export const GetBucketAccelerateConfiguration: Op<'GetBucketAccelerateConfiguration'> = {
  resource: bucketResource,
  action: 's3:GetAccelerateConfiguration',
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    return {};
  },
};

export const GetBucketRequestPayment: Op<'GetBucketRequestPayment'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    return { Payer: 'BucketOwner' };
  },
};
