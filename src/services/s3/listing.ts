import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import { cursorOf, nextToken } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { invalidArgument, unsupported } from './faults.ts';
import { bucketByName, ownerOf } from './find-bucket.ts';
import { checksumStored } from './get-object.ts';
import { type From, type Listed, listKeys } from './list-keys.ts';
import { quoted } from './put-object.ts';
import { bucketResource, conditionKeys } from './resources.ts';
import type { BucketTable, ObjectTable, Tables } from './tables.ts';
import { keyBytes, keyText } from './versions.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;
type ListRow = Pick<ObjectTable, 'key' | 'size' | 'etag' | 'modified_at' | 'checksum'>;

export const MAX_KEYS = 1000;

export const ListObjectsV2: Op<'ListObjectsV2'> = {
  resource: bucketResource,
  action: 's3:ListBucket',
  conditions: conditionKeys,
  dataEvent: true,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    const { Prefix = '', Delimiter, StartAfter, ContinuationToken: token, EncodingType } = input;
    const spell = spelling(EncodingType);
    refuseAttributes(input.OptionalObjectAttributes);
    const max = limitOf(input.MaxKeys);
    const scope = `ListObjectsV2 ${bucket.name}`;
    if (token === '') throw badToken();
    const cursor = cursorOf<Cursor>(ctx, scope, token, badToken);
    const listed = await listObjects(ctx, bucket, Prefix, Delimiter, cursor?.k ?? StartAfter, max);
    const next = listed.truncated ? nextToken(ctx, scope, { k: lastKey(listed) } satisfies Cursor) : undefined;
    return {
      Name: bucket.name,
      Prefix: spell(Prefix),
      Delimiter: Delimiter ? spell(Delimiter) : undefined,
      MaxKeys: max,
      KeyCount: listed.rows.length + listed.prefixes.length,
      IsTruncated: listed.truncated,
      Contents: listed.rows.map((row) => entryOf(row, spell, input.FetchOwner === true ? bucket : undefined)),
      CommonPrefixes: listed.prefixes.map((prefix) => ({ Prefix: spell(prefix) })),
      ContinuationToken: token,
      NextContinuationToken: next,
      StartAfter: StartAfter === undefined ? undefined : spell(StartAfter),
      EncodingType,
    };
  },
};

interface Cursor {
  /** Last key or common prefix shown. */
  k: string;
}

function badToken() {
  return invalidArgument('The continuation token provided is incorrect', 'continuation-token');
}

/** The older form: pages go on from the last key shown. */
export const ListObjects: Op<'ListObjects'> = {
  resource: bucketResource,
  action: 's3:ListBucket',
  conditions: conditionKeys,
  dataEvent: true,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    const { Prefix = '', Delimiter, Marker, EncodingType } = input;
    const spell = spelling(EncodingType);
    refuseAttributes(input.OptionalObjectAttributes);
    const max = limitOf(input.MaxKeys);
    const listed = await listObjects(ctx, bucket, Prefix, Delimiter, Marker, max);
    return {
      Name: bucket.name,
      Prefix: spell(Prefix),
      Marker: spell(Marker ?? ''),
      Delimiter: Delimiter ? spell(Delimiter) : undefined,
      MaxKeys: max,
      IsTruncated: listed.truncated,
      // Without a delimiter the last key of the page says where to go on.
      NextMarker: listed.truncated && Delimiter !== undefined ? spell(lastKey(listed)) : undefined,
      Contents: listed.rows.map((row) => entryOf(row, spell, bucket)),
      CommonPrefixes: listed.prefixes.map((prefix) => ({ Prefix: spell(prefix) })),
      EncodingType,
    };
  },
};

function listObjects(
  ctx: Context,
  bucket: BucketTable,
  prefix: string,
  delimiter: string | undefined,
  marker: string | undefined,
  max: number,
): Promise<Listed<ListRow>> {
  return listKeys<ListRow>({
    prefix,
    delimiter,
    max,
    from: marker === undefined || marker === '' ? undefined : { key: keyBytes(marker), inclusive: false },
    fetch: (from, end, limit) => fetchObjects(ctx, bucket.name, from, end, limit),
  });
}

function fetchObjects(
  ctx: Context,
  bucket: string,
  from: From,
  end: Buffer | undefined,
  limit: number,
): Promise<ListRow[]> {
  let query = ctx
    .db<Tables>()
    .selectFrom('s3_objects')
    .select(['key', 'size', 'etag', 'modified_at', 'checksum'])
    .where('bucket', '=', bucket)
    .where('is_listed', '=', 1)
    .where('key', from.inclusive ? '>=' : '>', from.key);
  if (end !== undefined) query = query.where('key', '<', end);
  return query.orderBy('key').limit(limit).execute();
}

function lastKey(listed: Listed<ListRow>): string {
  const { last } = listed;
  return typeof last === 'string' ? last : keyText(last!.key);
}

function entryOf(row: ListRow, spell: (text: string) => string, owned: BucketTable | undefined): sdk._Object {
  const checksum = checksumStored(row);
  return {
    Key: spell(keyText(row.key)),
    LastModified: new Date(row.modified_at),
    ETag: quoted(row.etag),
    Size: row.size,
    StorageClass: 'STANDARD',
    ...(checksum === undefined ? {} : { ChecksumAlgorithm: [checksum.algorithm], ChecksumType: checksum.type }),
    ...(owned === undefined ? {} : { Owner: ownerOf(owned.account) }),
  };
}

/** Entries of a page: at most 1000, whatever is asked for. */
export function limitOf(asked: number | undefined, max = MAX_KEYS): number {
  return Math.min(asked ?? max, max);
}

/** How keys are spelt in an answer: as they are, or percent-encoded, for those that XML cannot hold. */
export function spelling(encodingType: string | undefined): (text: string) => string {
  if (encodingType === undefined) return (text) => text;
  if (encodingType !== 'url')
    throw invalidArgument('Invalid Encoding Method specified in Request', 'encoding-type', encodingType);
  return (text) =>
    encodeURIComponent(text)
      .replace(/[!'()]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll('%2F', '/')
      .replaceAll('%20', '+');
}

function refuseAttributes(attributes: readonly string[] | undefined): void {
  if (attributes?.some((name) => name !== 'RestoreStatus')) {
    throw unsupported(`The object attribute ${attributes.join(', ')}`);
  }
}
