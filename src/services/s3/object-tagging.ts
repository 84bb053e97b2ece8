import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { emitTagged } from './events.ts';
import { malformedXml } from './faults.ts';
import { bucketByName } from './find-bucket.ts';
import { objectToRead } from './get-object.ts';
import { versionMember } from './put-object.ts';
import { conditionKeys, existingObjectResource, objectTags } from './resources.ts';
import { tagSetOf } from './stored-headers.ts';
import type { Tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

function actionOf(verb: string): (input: { VersionId?: string | undefined }) => string {
  return ({ VersionId }) => `s3:${verb}Object${VersionId === undefined ? '' : 'Version'}Tagging`;
}

export const GetObjectTagging: Op<'GetObjectTagging'> = {
  resource: existingObjectResource,
  action: actionOf('Get'),
  conditions: conditionKeys,
  dataEvent: true,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    const object = await objectToRead(ctx, bucket, input.Key, input.VersionId);
    const tags = object.tags === null ? {} : (JSON.parse(object.tags) as Record<string, string>);
    return {
      TagSet: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
      ...versionMember(object, bucket),
    };
  },
};

export const PutObjectTagging: Op<'PutObjectTagging'> = {
  resource: existingObjectResource,
  action: actionOf('Put'),
  conditions: (input) => ({ ...conditionKeys({ VersionId: input.VersionId }), ...objectTags(tagSetOf(input.Tagging)) }),
  dataEvent: true,
  async handle(input, ctx) {
    if (input.Tagging === undefined) throw malformedXml();
    return setTags(ctx, input, tagSetOf(input.Tagging));
  },
};

export const DeleteObjectTagging: Op<'DeleteObjectTagging'> = {
  resource: existingObjectResource,
  action: actionOf('Delete'),
  conditions: conditionKeys,
  dataEvent: true,
  async handle(input, ctx) {
    return setTags(ctx, input, {});
  },
};

interface TagInput {
  Bucket: string;
  Key: string;
  VersionId?: string | undefined;
  ExpectedBucketOwner?: string | undefined;
}

async function setTags(ctx: Context, input: TagInput, tags: Record<string, string>): Promise<{ VersionId?: string }> {
  const bucket = await bucketByName(ctx, input);
  const object = await objectToRead(ctx, bucket, input.Key, input.VersionId);
  await ctx.tx(async (tx) => {
    const change = { tx, ctx, bucket: await bucketByName(tx, input) };
    await tx
      .db<Tables>()
      .updateTable('s3_objects')
      .set({ tags: Object.keys(tags).length === 0 ? null : JSON.stringify(tags) })
      .where('bucket', '=', object.bucket)
      .where('key', '=', object.key)
      .where('version_id', '=', object.version_id)
      .execute();
    await emitTagged(change, object, Object.keys(tags).length > 0);
  });
  return versionMember(object, bucket);
}
