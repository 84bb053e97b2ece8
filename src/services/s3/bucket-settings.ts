import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { deleteAllTags, putTags, tagsOf } from '../../kernel/tags.ts';
import { malformedXml, s3Fault, unsupported } from './faults.ts';
import { type BucketInput, bucketArn, bucketByName } from './find-bucket.ts';
import { bucketResource } from './resources.ts';
import { tagSetOf } from './stored-headers.ts';
import type { BucketTable, Tables } from './tables.ts';
import { checkWebsite } from './website-rules.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const MAX_TAGS = 50;

async function change(ctx: Context, input: BucketInput, values: Partial<BucketTable>): Promise<void> {
  await ctx.tx(async (tx) => {
    await bucketByName(tx, input);
    await tx.db<Tables>().updateTable('s3_buckets').set(values).where('name', '=', input.Bucket).execute();
  });
}

export const PutBucketVersioning: Op<'PutBucketVersioning'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    const { Status: status, MFADelete: mfaDelete } = input.VersioningConfiguration ?? {};
    if (mfaDelete === 'Enabled' || input.MFA !== undefined) throw unsupported('MFA delete');
    if (status !== 'Enabled' && status !== 'Suspended') {
      throw s3Fault('IllegalVersioningConfigurationException', 400, 'The Versioning element must be specified');
    }
    await change(ctx, input, { versioning: status });
    return {};
  },
};

export const GetBucketVersioning: Op<'GetBucketVersioning'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    const { versioning } = await bucketByName(ctx, input);
    return versioning === 'Off' ? {} : { Status: versioning };
  },
};

export const PutBucketTagging: Op<'PutBucketTagging'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    if (input.Tagging === undefined) throw malformedXml();
    const tags = tagSetOf(input.Tagging, MAX_TAGS);
    await ctx.tx(async (tx) => {
      await bucketByName(tx, input);
      await deleteAllTags(tx, bucketArn(input.Bucket));
      await putTags(tx, bucketArn(input.Bucket), tags);
    });
    return {};
  },
};

export const GetBucketTagging: Op<'GetBucketTagging'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    const tags = Object.entries(await tagsOf(ctx, bucketArn(bucket.name)));
    if (tags.length === 0) {
      throw s3Fault('NoSuchTagSet', 404, 'The TagSet does not exist', { BucketName: bucket.name });
    }
    return { TagSet: tags.map(([Key, Value]) => ({ Key, Value })) };
  },
};

export const DeleteBucketTagging: Op<'DeleteBucketTagging'> = {
  resource: bucketResource,
  action: 's3:PutBucketTagging',
  async handle(input, ctx) {
    await ctx.tx(async (tx) => {
      await bucketByName(tx, input);
      await deleteAllTags(tx, bucketArn(input.Bucket));
    });
    return {};
  },
};

export const PutBucketWebsite: Op<'PutBucketWebsite'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    if (input.WebsiteConfiguration === undefined) throw malformedXml();
    checkWebsite(input.WebsiteConfiguration);
    await change(ctx, input, { website: JSON.stringify(input.WebsiteConfiguration) });
    return {};
  },
};

export const GetBucketWebsite: Op<'GetBucketWebsite'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    if (bucket.website !== null) return JSON.parse(bucket.website) as sdk.WebsiteConfiguration;
    throw s3Fault('NoSuchWebsiteConfiguration', 404, 'The specified bucket does not have a website configuration', {
      BucketName: bucket.name,
    });
  },
};

export const DeleteBucketWebsite: Op<'DeleteBucketWebsite'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    await change(ctx, input, { website: null });
    return {};
  },
};

export const PutBucketNotificationConfiguration: Op<'PutBucketNotificationConfiguration'> = {
  resource: bucketResource,
  action: 's3:PutBucketNotification',
  async handle(input, ctx) {
    const { NotificationConfiguration: given } = input;
    if (given === undefined) throw malformedXml();
    if (given.TopicConfigurations?.length) throw unsupported('Notifying an SNS topic');
    if (given.QueueConfigurations?.length) throw unsupported('Notifying an SQS queue');
    if (given.LambdaFunctionConfigurations?.length) throw unsupported('Notifying a Lambda function');
    await change(ctx, input, { eventbridge: given.EventBridgeConfiguration === undefined ? 0 : 1 });
    return {};
  },
};

export const GetBucketNotificationConfiguration: Op<'GetBucketNotificationConfiguration'> = {
  resource: bucketResource,
  action: 's3:GetBucketNotification',
  async handle(input, ctx) {
    const { eventbridge } = await bucketByName(ctx, input);
    return eventbridge === 1 ? { EventBridgeConfiguration: {} } : {};
  },
};

/** Everything is encrypted, so only the one way of doing it can be asked for. */
export const PutBucketEncryption: Op<'PutBucketEncryption'> = {
  resource: bucketResource,
  action: 's3:PutEncryptionConfiguration',
  async handle(input, ctx) {
    const rules = input.ServerSideEncryptionConfiguration?.Rules ?? [];
    if (rules.length !== 1) throw malformedXml();
    const { ApplyServerSideEncryptionByDefault: rule, BlockedEncryptionTypes: blocked } = rules[0]!;
    if (rule !== undefined && rule.SSEAlgorithm !== 'AES256') {
      throw unsupported(`Server-side encryption with ${rule.SSEAlgorithm}`);
    }
    // SSE-C is refused anyway; any other wish would be a new one.
    if (blocked?.EncryptionType?.some((type) => type !== 'SSE-C' && type !== 'NONE')) {
      throw unsupported('Blocking that encryption type');
    }
    await bucketByName(ctx, input);
    return {};
  },
};

export const GetBucketEncryption: Op<'GetBucketEncryption'> = {
  resource: bucketResource,
  action: 's3:GetEncryptionConfiguration',
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    return {
      ServerSideEncryptionConfiguration: {
        Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' }, BucketKeyEnabled: false }],
      },
    };
  },
};

/** Back to the default, which is what every bucket has. */
export const DeleteBucketEncryption: Op<'DeleteBucketEncryption'> = {
  resource: bucketResource,
  action: 's3:PutEncryptionConfiguration',
  async handle(input, ctx) {
    await bucketByName(ctx, input);
    return {};
  },
};
