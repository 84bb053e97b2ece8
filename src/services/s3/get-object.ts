import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { BlobNotFoundError, type ByteRange } from '../../kernel/store/blobs.ts';
import { type Checksum, checksumMembers } from './checksums.ts';
import type { CustomerKeyInput } from './customer-key.ts';
import { describeEncryption, openEncryption } from './encryption.ts';
import {
  invalidArgument,
  invalidRequest,
  methodNotAllowed,
  noSuchKey,
  noSuchVersion,
  preconditionFailed,
  s3Fault,
} from './faults.ts';
import { type BucketInput, bucketByName } from './find-bucket.ts';
import { expirationHeader } from './lifecycle-rules.ts';
import { evaluateRead } from './preconditions.ts';
import { quoted, versionMember } from './put-object.ts';
import { readRange } from './range.ts';
import { type Piece, piecesOf, readContent } from './read-content.ts';
import { bucketRef, conditionKeys, existingObjectResource } from './resources.ts';
import type { StoredHeaders } from './stored-headers.ts';
import type { BucketTable, ObjectTable } from './tables.ts';
import { isVersionId } from './version-ids.ts';
import { findLatest, findVersion } from './versions.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** How often a read starts anew when the object was replaced between finding and opening it. */
const MAX_TRIES = 3;

/** What a read asks for; GetObject and HeadObject share it. */
interface ReadInput extends BucketInput, CustomerKeyInput {
  Key: string;
  VersionId?: string | undefined;
  Range?: string | undefined;
  PartNumber?: number | undefined;
  ChecksumMode?: string | undefined;
  IfMatch?: string | undefined;
  IfNoneMatch?: string | undefined;
  IfModifiedSince?: Date | undefined;
  IfUnmodifiedSince?: Date | undefined;
  ResponseCacheControl?: string | undefined;
  ResponseContentDisposition?: string | undefined;
  ResponseContentEncoding?: string | undefined;
  ResponseContentLanguage?: string | undefined;
  ResponseContentType?: string | undefined;
  ResponseExpires?: Date | undefined;
}

/** Members that GetObject and HeadObject both answer with. */
interface ReadOutput {
  ContentLength?: number;
  ContentRange?: string;
  [member: string]: unknown;
}

export const GetObject: Op<'GetObject'> = {
  resource: existingObjectResource,
  action: readAction,
  conditions: conditionKeys,
  dataEvent: true,
  status: readStatus,
  async handle(input, ctx) {
    for (let attempt = 1; ; attempt++) {
      try {
        const { output, range, pieces, bucket, object } = await read(ctx, input);
        if (output.ContentLength === undefined) return output;
        const { envelope } = await openEncryption(ctx, bucket, object, input);
        return { ...output, Body: (await readContent(ctx, pieces, range, envelope)) as never };
      } catch (error) {
        if (!(error instanceof BlobNotFoundError) || attempt === MAX_TRIES) throw error;
      }
    }
  },
};

export const HeadObject: Op<'HeadObject'> = {
  resource: existingObjectResource,
  action: readAction,
  conditions: conditionKeys,
  dataEvent: true,
  status: readStatus,
  async handle(input, ctx) {
    return (await read(ctx, input)).output;
  },
};

/** Reading a version by its id is a right of its own. */
export function readAction(input: { VersionId?: string | undefined }): string {
  return input.VersionId === undefined ? 's3:GetObject' : 's3:GetObjectVersion';
}

/** An answer without a length is "not modified". */
function readStatus(output: { ContentLength?: number | undefined; ContentRange?: string | undefined }): number {
  if (output.ContentLength === undefined) return 304;
  return output.ContentRange === undefined ? 200 : 206;
}

async function read(
  ctx: Context,
  input: ReadInput,
): Promise<{
  output: ReadOutput;
  range: ByteRange;
  pieces: readonly Piece[];
  bucket: BucketTable;
  object: ObjectTable;
}> {
  const bucket = await bucketByName(ctx, input);
  const object = await objectToRead(ctx, bucket, input.Key, input.VersionId);
  const found = { bucket, object };
  const encryption = describeEncryption(ctx, object, input);
  const expiration = object.is_latest === 1 ? expirationHeader(bucket, object) : undefined;
  const validators: ReadOutput = {
    ETag: quoted(object.etag),
    LastModified: new Date(object.modified_at),
    ...versionMember(object, bucket),
  };
  const outcome = evaluateRead(
    {
      ifMatch: input.IfMatch,
      ifNoneMatch: input.IfNoneMatch,
      ifModifiedSince: input.IfModifiedSince,
      ifUnmodifiedSince: input.IfUnmodifiedSince,
    },
    { etag: object.etag, modifiedAt: object.modified_at },
  );
  if (outcome === 'not-modified') return { ...found, output: validators, range: { start: 0, end: -1 }, pieces: [] };
  if (outcome !== 'read') throw preconditionFailed(outcome);
  const pieces = await piecesOf(ctx, object);
  const range = rangeOf(input, object, pieces);
  const whole = range === undefined;
  const output = {
    ...validators,
    ...describe(object, ctx, input),
    ...encryption,
    ...(expiration === undefined ? {} : { Expiration: expiration }),
    ...(input.ChecksumMode === 'ENABLED' ? checksumRead(input, object, pieces, whole) : {}),
    ...(input.PartNumber !== undefined && object.parts_count !== null ? { PartsCount: object.parts_count } : {}),
    ...(whole
      ? { ContentLength: object.size }
      : {
          ContentLength: range.end - range.start + 1,
          ContentRange: `bytes ${range.start}-${range.end}/${object.size}`,
        }),
  };
  return { ...found, output, range: range ?? { start: 0, end: object.size - 1 }, pieces };
}

/**
 * The version that a read is about. Who may not list the bucket does not learn that a key is missing.
 * @throws NoSuchKey, NoSuchVersion, MethodNotAllowed (a delete marker by its id), AccessDenied
 */
export async function objectToRead(
  ctx: Context,
  bucket: BucketTable,
  key: string,
  versionId: string | undefined,
): Promise<ObjectTable> {
  if (versionId !== undefined && !isVersionId(versionId)) {
    throw invalidArgument('Invalid version id specified', 'versionId', versionId);
  }
  const object =
    versionId === undefined
      ? await findLatest(ctx, bucket.name, key)
      : await findVersion(ctx, bucket.name, key, versionId);
  if (object !== undefined && object.is_delete_marker === 0) return object;
  await ctx.authorize('s3:ListBucket', bucketRef(ctx, bucket));
  if (object !== undefined) throw deleteMarkerFound(object, versionId === undefined ? noSuchKey(key) : undefined);
  throw versionId === undefined ? noSuchKey(key) : noSuchVersion(key, versionId);
}

/** The newest version is a delete marker: as if there were no object, but it says so; so does one that is asked for by its id. */
function deleteMarkerFound(marker: ObjectTable, missing: Fault | undefined): Fault {
  const { name, message, members, status } = missing ?? methodNotAllowed('GET', 'DeleteMarker');
  const headers: Record<string, string> = {
    'x-amz-delete-marker': 'true',
    'x-amz-version-id': marker.version_id,
  };
  if (missing === undefined) {
    headers['allow'] = 'DELETE';
    headers['last-modified'] = new Date(marker.modified_at).toUTCString();
  }
  return new Fault(name, message, { status, members, headers });
}

export function checksumStored(object: Pick<ObjectTable, 'checksum'>): Checksum | undefined {
  return object.checksum === null ? undefined : (JSON.parse(object.checksum) as Checksum);
}

/** Of the object where all of it is read, of the part where one is; a range has none. */
function checksumRead(input: ReadInput, object: ObjectTable, pieces: readonly Piece[], whole: boolean) {
  const stored = checksumStored(object);
  if (whole || (input.PartNumber !== undefined && object.upload === null)) return checksumMembers(stored);
  const value = input.PartNumber === undefined ? undefined : pieces[input.PartNumber - 1]?.checksum;
  return stored === undefined || !value ? {} : checksumMembers({ ...stored, value });
}

/** The bytes asked for by range or part number; undefined for all. @throws InvalidRange, InvalidPartNumber */
function rangeOf(input: ReadInput, object: ObjectTable, pieces: readonly Piece[]): ByteRange | undefined {
  const { PartNumber: number, Range: header } = input;
  if (number !== undefined) {
    if (header !== undefined) throw invalidRequest('Cannot specify both Range header and partNumber query parameter');
    const piece = object.upload === null ? (number === 1 ? pieces[0] : undefined) : pieces[number - 1];
    if (piece === undefined) {
      throw s3Fault('InvalidPartNumber', 416, 'The requested partnumber is not satisfiable', {
        ActualPartCount: object.parts_count ?? 1,
        PartNumberRequested: number,
      });
    }
    return object.size === 0 ? undefined : { start: piece.start, end: piece.start + piece.size - 1 };
  }
  const range = readRange(header, object.size);
  if (range !== 'unsatisfiable') return range;
  throw s3Fault('InvalidRange', 416, 'The requested range is not satisfiable', {
    RangeRequested: header,
    ActualObjectSize: object.size,
  });
}

function describe(object: ObjectTable, ctx: Context, input: ReadInput): Record<string, unknown> {
  const { Expires: expires, ...headers } = JSON.parse(object.headers) as StoredHeaders;
  const tags = object.tags === null ? 0 : Object.keys(JSON.parse(object.tags) as object).length;
  return {
    AcceptRanges: 'bytes',
    ...headers,
    ...(expires === undefined ? {} : { Expires: new Date(expires) }),
    Metadata: JSON.parse(object.metadata) as Record<string, string>,
    ...(tags === 0 ? {} : { TagCount: tags }),
    ...overrides(ctx, input),
  };
}

/** Headers that the reader wants instead of the stored ones; only a signed request may. */
function overrides(ctx: Context, input: ReadInput): Record<string, unknown> {
  const wanted = {
    CacheControl: input.ResponseCacheControl,
    ContentDisposition: input.ResponseContentDisposition,
    ContentEncoding: input.ResponseContentEncoding,
    ContentLanguage: input.ResponseContentLanguage,
    ContentType: input.ResponseContentType,
    Expires: input.ResponseExpires,
  };
  const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
  if (Object.keys(given).length > 0 && ctx.caller.type === 'Anonymous') {
    throw invalidRequest('Request specific response headers cannot be used for anonymous GET requests.');
  }
  return given;
}
