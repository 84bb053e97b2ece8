/** Where a bucket's access logs go. */
import type * as sdk from '@aws-sdk/client-s3';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { forgetBucket } from './access-log.ts';
import { invalidRequest, malformedXml, s3Fault, unsupported } from './faults.ts';
import { bucketByName, findBucket } from './find-bucket.ts';
import { bucketResource } from './resources.ts';
import type { Tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

export const PutBucketLogging: Op<'PutBucketLogging'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    if (input.BucketLoggingStatus === undefined) throw malformedXml();
    const enabled = input.BucketLoggingStatus.LoggingEnabled;
    if (enabled !== undefined) checkForm(enabled);
    await ctx.tx(async (tx) => {
      const bucket = await bucketByName(tx, input);
      if (enabled !== undefined) {
        const target = await findBucket(tx, enabled.TargetBucket!);
        if (target === undefined) throw invalidTarget('The target bucket for logging does not exist');
        if (target.account !== bucket.account) {
          throw invalidTarget('The owner for the bucket to be logged and the target bucket must be the same.');
        }
        if (target.region !== bucket.region) {
          throw s3Fault('CrossLocationLoggingProhibited', 403, 'Cross S3 location logging not allowed.');
        }
      }
      const logging = enabled === undefined ? null : JSON.stringify(enabled);
      await tx.db<Tables>().updateTable('s3_buckets').set({ logging }).where('name', '=', bucket.name).execute();
      tx.afterCommit(() => forgetBucket(ctx, bucket.name));
    });
    return {};
  },
};

function checkForm({
  TargetBucket,
  TargetPrefix,
  TargetGrants,
  TargetObjectKeyFormat: format,
}: sdk.LoggingEnabled): void {
  if (TargetBucket === undefined || TargetPrefix === undefined) throw malformedXml();
  if (TargetGrants !== undefined && TargetGrants.length > 0) throw unsupported('Access lists of delivered logs');
  if (format?.PartitionedPrefix !== undefined && format.SimplePrefix !== undefined) {
    throw invalidRequest('Only one of SimplePrefix and PartitionedPrefix can be given.');
  }
}

function invalidTarget(message: string) {
  return s3Fault('InvalidTargetBucketForLogging', 400, message);
}

export const GetBucketLogging: Op<'GetBucketLogging'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    const { logging } = await bucketByName(ctx, input);
    return logging === null ? {} : { LoggingEnabled: JSON.parse(logging) as sdk.LoggingEnabled };
  },
};
