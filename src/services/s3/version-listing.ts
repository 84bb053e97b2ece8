import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { invalidArgument } from './faults.ts';
import { bucketByName, ownerOf } from './find-bucket.ts';
import { checksumStored } from './get-object.ts';
import { type From, listKeys } from './list-keys.ts';
import { limitOf, spelling } from './listing.ts';
import { quoted } from './put-object.ts';
import { bucketResource, conditionKeys } from './resources.ts';
import type { ObjectTable, Tables } from './tables.ts';
import { findVersion, keyBytes, keyText } from './versions.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;
type VersionRow = Pick<
  ObjectTable,
  'key' | 'place' | 'version_id' | 'is_latest' | 'is_delete_marker' | 'size' | 'etag' | 'modified_at' | 'checksum'
>;

/** Lists every version and delete marker, the newest of each key first. */
export const ListObjectVersions: Op<'ListObjectVersions'> = {
  resource: bucketResource,
  action: 's3:ListBucketVersions',
  conditions: conditionKeys,
  dataEvent: true,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    const { Prefix = '', Delimiter, KeyMarker, VersionIdMarker, EncodingType } = input;
    const spell = spelling(EncodingType);
    const max = limitOf(input.MaxKeys);
    const { rows, prefixes, truncated, last } = await listKeys<VersionRow>({
      prefix: Prefix,
      delimiter: Delimiter,
      max,
      from: await startOf(ctx, bucket.name, KeyMarker, VersionIdMarker),
      fetch: (from, end, limit) => fetchVersions(ctx, bucket.name, from, end, limit),
    });
    const common = (row: VersionRow) => ({
      Key: spell(keyText(row.key)),
      VersionId: row.version_id,
      IsLatest: row.is_latest === 1,
      LastModified: new Date(row.modified_at),
      Owner: ownerOf(bucket.account),
    });
    return {
      Name: bucket.name,
      Prefix: spell(Prefix),
      KeyMarker: spell(KeyMarker ?? ''),
      VersionIdMarker: VersionIdMarker ?? '',
      Delimiter: Delimiter ? spell(Delimiter) : undefined,
      MaxKeys: max,
      IsTruncated: truncated,
      NextKeyMarker: truncated ? spell(typeof last === 'string' ? last : keyText(last!.key)) : undefined,
      NextVersionIdMarker: truncated && typeof last !== 'string' ? last!.version_id : undefined,
      Versions: rows
        .filter((row) => row.is_delete_marker === 0)
        .map((row) => ({ ...common(row), ...objectMembers(row) })),
      DeleteMarkers: rows.filter((row) => row.is_delete_marker === 1).map(common),
      CommonPrefixes: prefixes.map((prefix) => ({ Prefix: spell(prefix) })),
      EncodingType,
    };
  },
};

function objectMembers(row: VersionRow): Partial<sdk.ObjectVersion> {
  const checksum = checksumStored(row);
  return {
    ETag: quoted(row.etag),
    Size: row.size,
    StorageClass: 'STANDARD',
    ...(checksum === undefined ? {} : { ChecksumAlgorithm: [checksum.algorithm], ChecksumType: checksum.type }),
  };
}

/** A version marker names the last version shown of the marked key; one that is gone ends that key. */
async function startOf(
  ctx: Context,
  bucket: string,
  keyMarker: string | undefined,
  versionIdMarker: string | undefined,
): Promise<From | undefined> {
  if (versionIdMarker !== undefined && versionIdMarker !== '' && !keyMarker) {
    throw invalidArgument('A version-id marker cannot be specified without a key marker.', 'version-id-marker');
  }
  if (keyMarker === undefined || keyMarker === '') return undefined;
  const key = keyBytes(keyMarker);
  if (versionIdMarker === undefined || versionIdMarker === '') return { key, inclusive: false };
  const row = await findVersion(ctx, bucket, keyMarker, versionIdMarker);
  return { key, inclusive: false, after: row?.place };
}

function fetchVersions(
  ctx: Context,
  bucket: string,
  from: From,
  end: Buffer | undefined,
  limit: number,
): Promise<VersionRow[]> {
  let query = ctx
    .db<Tables>()
    .selectFrom('s3_objects')
    .select(['key', 'place', 'version_id', 'is_latest', 'is_delete_marker', 'size', 'etag', 'modified_at', 'checksum'])
    .where('bucket', '=', bucket);
  const { after } = from;
  if (typeof after === 'number') {
    query = query
      .where('key', '>=', from.key)
      .where((e) => e.or([e('key', '>', from.key), e.and([e('key', '=', from.key), e('place', '>', after)])]));
  } else query = query.where('key', from.inclusive ? '>=' : '>', from.key);
  if (end !== undefined) query = query.where('key', '<', end);
  return query.orderBy('key').orderBy('place').limit(limit).execute();
}
