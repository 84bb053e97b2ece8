import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { deleteAllTags, putTags, tagsOf } from '../../kernel/tags.ts';
import { malformedXml, s3Fault, unsupported } from './faults.ts';
import { type BucketInput, bucketArn, bucketByName } from './find-bucket.ts';
import { bucketResource, requestTags } from './resources.ts';
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
  status: () => 204,
  conditions: ({ Tagging }) => requestTags(Tagging?.TagSet),
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

/** Whether the bucket's tags count for access. */
export const PutBucketAbac: Op<'PutBucketAbac'> = {
  resource: bucketResource,
  action: 's3:PutBucketAbac',
  async handle(input, ctx) {
    const { Status: status } = input.AbacStatus ?? {};
    if (status !== 'Enabled' && status !== 'Disabled') throw malformedXml();
    await change(ctx, input, { abac: status === 'Enabled' ? 1 : 0 });
    return {};
  },
};

export const GetBucketAbac: Op<'GetBucketAbac'> = {
  resource: bucketResource,
  async handle(input, ctx) {
    const { abac } = await bucketByName(ctx, input);
    return { AbacStatus: { Status: abac === 1 ? 'Enabled' : 'Disabled' } };
  },
};
