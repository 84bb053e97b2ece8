/** What no object here has: locks, and another storage class to be restored from. In S3's words. */
import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { noObjectLock, s3Fault } from './faults.ts';
import { bucketByName } from './find-bucket.ts';
import { objectToRead } from './get-object.ts';
import { conditionKeys, existingObjectResource, type ObjectInput } from './resources.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

async function notLocked(input: ObjectInput, ctx: Context): Promise<never> {
  await bucketByName(ctx, input);
  throw noObjectLock();
}

export const GetObjectLegalHold: Op<'GetObjectLegalHold'> = {
  resource: existingObjectResource,
  dataEvent: true,
  handle: notLocked,
};
export const PutObjectLegalHold: Op<'PutObjectLegalHold'> = {
  resource: existingObjectResource,
  dataEvent: true,
  handle: notLocked,
};
export const GetObjectRetention: Op<'GetObjectRetention'> = {
  resource: existingObjectResource,
  dataEvent: true,
  handle: notLocked,
};
export const PutObjectRetention: Op<'PutObjectRetention'> = {
  resource: existingObjectResource,
  dataEvent: true,
  handle: notLocked,
};

export const RestoreObject: Op<'RestoreObject'> = {
  resource: existingObjectResource,
  conditions: ({ VersionId }) => conditionKeys({ VersionId }),
  dataEvent: true,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    await objectToRead(ctx, bucket, input.Key, input.VersionId);
    throw s3Fault('InvalidObjectState', 403, "Restore is not allowed for the object's current storage class", {
      StorageClass: 'STANDARD',
    });
  },
};
