import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { bucketByName, ownerOf } from './find-bucket.ts';
import { type From, listKeys } from './list-keys.ts';
import { limitOf, spelling } from './listing.ts';
import { abortMembers } from './multipart.ts';
import { quoted } from './put-object.ts';
import { bucketResource, conditionKeys, objectResource } from './resources.ts';
import type { Tables, UploadTable } from './tables.ts';
import { checksumPlan, uploadById } from './uploads.ts';
import { keyBytes, keyText } from './versions.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Lists uploads that were begun and not ended, by key and then by time. */
export const ListMultipartUploads: Op<'ListMultipartUploads'> = {
  resource: bucketResource,
  action: 's3:ListBucketMultipartUploads',
  conditions: conditionKeys,
  dataEvent: true,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    const { Prefix = '', Delimiter, KeyMarker, UploadIdMarker, EncodingType } = input;
    const spell = spelling(EncodingType);
    const max = limitOf(input.MaxUploads);
    const { rows, prefixes, truncated, last } = await listKeys<UploadTable>({
      prefix: Prefix,
      delimiter: Delimiter,
      max,
      from: KeyMarker
        ? { key: keyBytes(KeyMarker), inclusive: false, after: UploadIdMarker === '' ? undefined : UploadIdMarker }
        : undefined,
      fetch: (from, end, limit) => fetchUploads(ctx, bucket.name, from, end, limit),
    });
    return {
      Bucket: bucket.name,
      Prefix: spell(Prefix),
      KeyMarker: spell(KeyMarker ?? ''),
      UploadIdMarker: UploadIdMarker ?? '',
      Delimiter: Delimiter ? spell(Delimiter) : undefined,
      MaxUploads: max,
      IsTruncated: truncated,
      NextKeyMarker: truncated ? spell(typeof last === 'string' ? last : keyText(last!.key)) : undefined,
      NextUploadIdMarker: truncated && typeof last !== 'string' ? last!.id : undefined,
      Uploads: rows.map((row) => ({
        Key: spell(keyText(row.key)),
        UploadId: row.id,
        Initiated: new Date(row.initiated_at),
        StorageClass: 'STANDARD',
        Owner: ownerOf(bucket.account),
        Initiator: { ID: row.initiator },
        ...planMembers(row),
      })),
      CommonPrefixes: prefixes.map((prefix) => ({ Prefix: spell(prefix) })),
      EncodingType,
    };
  },
};

/** Lists the parts of an upload. */
export const ListParts: Op<'ListParts'> = {
  resource: objectResource,
  action: 's3:ListMultipartUploadParts',
  dataEvent: true,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    const upload = await uploadById(ctx, input);
    const max = limitOf(input.MaxParts);
    const marker = Number(input.PartNumberMarker ?? 0);
    const rows = await ctx
      .db<Tables>()
      .selectFrom('s3_parts')
      .selectAll()
      .where('upload', '=', upload.id)
      .where('number', '>', marker)
      .orderBy('number')
      .limit(max + 1)
      .execute();
    const page = rows.slice(0, max);
    const plan = checksumPlan(upload);
    return {
      Bucket: bucket.name,
      Key: input.Key,
      UploadId: upload.id,
      PartNumberMarker: String(marker),
      NextPartNumberMarker: String(page.at(-1)?.number ?? 0),
      MaxParts: max,
      IsTruncated: rows.length > max,
      StorageClass: 'STANDARD',
      Owner: ownerOf(bucket.account),
      Initiator: { ID: upload.initiator },
      Parts: page.map((part) => ({
        PartNumber: part.number,
        LastModified: new Date(part.modified_at),
        ETag: quoted(part.etag),
        Size: part.size,
        ...(plan === undefined ? {} : { [`Checksum${plan.algorithm}`]: part.checksum ?? undefined }),
      })),
      ...planMembers(upload),
      ...abortMembers(upload, bucket),
    };
  },
};

function planMembers(upload: UploadTable): Pick<sdk.MultipartUpload, 'ChecksumAlgorithm' | 'ChecksumType'> {
  const plan = checksumPlan(upload);
  return plan === undefined ? {} : { ChecksumAlgorithm: plan.algorithm, ChecksumType: plan.type };
}

function fetchUploads(
  ctx: Context,
  bucket: string,
  from: From,
  end: Buffer | undefined,
  limit: number,
): Promise<UploadTable[]> {
  let query = ctx.db<Tables>().selectFrom('s3_uploads').selectAll().where('bucket', '=', bucket);
  const { after } = from;
  if (typeof after === 'string') {
    query = query
      .where('key', '>=', from.key)
      .where((e) => e.or([e('key', '>', from.key), e.and([e('key', '=', from.key), e('id', '>', after)])]));
  } else query = query.where('key', from.inclusive ? '>=' : '>', from.key);
  if (end !== undefined) query = query.where('key', '<', end);
  return query.orderBy('key').orderBy('id').limit(limit).execute();
}
