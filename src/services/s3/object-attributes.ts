import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName, ResourceRef } from '../../kernel/service.ts';
import { checksumMembers } from './checksums.ts';
import { describeEncryption } from './encryption.ts';
import { invalidArgument } from './faults.ts';
import { bucketByName } from './find-bucket.ts';
import { checksumStored, objectToRead, readAction } from './get-object.ts';
import { limitOf } from './listing.ts';
import { versionMember } from './put-object.ts';
import { conditionKeys, existingObjectRef, existingObjectResource } from './resources.ts';
import type { ObjectTable } from './tables.ts';
import { partsOf } from './uploads.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;
type Input = Parameters<Op<'GetObjectAttributes'>['handle']>[0];

const ATTRIBUTES = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'];

/** What is known of an object, without its data. It takes the right to read the object as well. */
export const GetObjectAttributes: Op<'GetObjectAttributes'> = {
  resource: existingObjectResource as (input: Input, ctx: Context) => Promise<ResourceRef>,
  action: ({ VersionId }) => `s3:GetObject${VersionId === undefined ? '' : 'Version'}Attributes`,
  conditions: conditionKeys,
  dataEvent: true,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    const ref = await existingObjectRef(ctx, bucket, input.Key, input.VersionId);
    await ctx.authorize(readAction(input), ref, conditionKeys(input));
    const wanted = new Set<string>(input.ObjectAttributes ?? []);
    if (wanted.size === 0 || [...wanted].some((name) => !ATTRIBUTES.includes(name))) {
      throw invalidArgument('Invalid attribute name specified.', 'x-amz-object-attributes', [...wanted].join(','));
    }
    const object = await objectToRead(ctx, bucket, input.Key, input.VersionId);
    describeEncryption(ctx, object, input);
    const checksum = checksumStored(object);
    return {
      LastModified: new Date(object.modified_at),
      ...versionMember(object, bucket),
      ...(wanted.has('ETag') ? { ETag: object.etag } : {}),
      ...(wanted.has('Checksum') && checksum !== undefined
        ? { Checksum: withoutPartCount(checksumMembers(checksum)) }
        : {}),
      ...(wanted.has('ObjectParts') && object.upload !== null
        ? { ObjectParts: await objectParts(ctx, input, object) }
        : {}),
      ...(wanted.has('StorageClass') ? { StorageClass: 'STANDARD' as const } : {}),
      ...(wanted.has('ObjectSize') ? { ObjectSize: object.size } : {}),
    };
  },
};

/** `...-3` of a composite checksum of three parts: here their number is told by itself. */
function withoutPartCount<M extends object>(members: M): M {
  return Object.fromEntries(
    Object.entries(members).map(([name, value]) => [name, String(value).replace(/-\d+$/, '')]),
  ) as M;
}

/** Parts are told one by one only where they have checksums. */
async function objectParts(ctx: Context, input: Input, object: ObjectTable): Promise<sdk.GetObjectAttributesParts> {
  const algorithm = checksumStored(object)?.algorithm;
  if (algorithm === undefined) return { TotalPartsCount: object.parts_count ?? undefined };
  const max = limitOf(input.MaxParts);
  const marker = Number(input.PartNumberMarker ?? 0);
  const rows = (await partsOf(ctx, object.upload!)).filter(({ number }) => number > marker);
  const page = rows.slice(0, max);
  return {
    TotalPartsCount: object.parts_count ?? undefined,
    PartNumberMarker: String(marker),
    NextPartNumberMarker: String(page.at(-1)?.number ?? 0),
    MaxParts: max,
    IsTruncated: rows.length > max,
    Parts: page.map(({ number, size, checksum }) => ({
      PartNumber: number,
      Size: size,
      [`Checksum${algorithm}`]: checksum ?? undefined,
    })),
  };
}
