import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import { type Fault, isFault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { algorithmNamed, type ChecksumInput, checksumMembers, checksumOf } from './checksums.ts';
import { beginEncryption } from './encryption.ts';
import { emitWritten, type Reason } from './events.ts';
import { invalidRequest, noSuchKey, preconditionFailed, s3Fault } from './faults.ts';
import { type BucketInput, bucketByName } from './find-bucket.ts';
import { expirationHeader } from './lifecycle-rules.ts';
import { newAccess } from './new-access.ts';
import { names } from './preconditions.ts';
import { creatingKeys, objectRef, objectResource, objectTags } from './resources.ts';
import { type Body, type Claims, storeContent } from './store-content.ts';
import { headersOf, metadataOf, refuseWishes, taggingOf } from './stored-headers.ts';
import type { BucketTable, ObjectTable } from './tables.ts';
import { findLatest, type NewVersion, putVersion } from './versions.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Stores an object. Nothing of it is visible before every byte is durable and is what the client said it would be. */
export const PutObject: Op<'PutObject'> = {
  resource: objectResource,
  conditions: creatingKeys,
  dataEvent: true,
  async handle(input, ctx) {
    refuseWishes(input);
    const bucket = await bucketByName(ctx, input);
    const access = await newAccess(ctx, bucket, input);
    const tags = taggingOf(input.Tagging);
    if (tags !== undefined) {
      await ctx.authorize('s3:PutObjectTagging', objectRef(ctx, bucket, input.Key), objectTags(tags));
    }
    const described = { headers: headersOf(input), metadata: metadataOf(input.Metadata), tags };
    checkWriteConditions(input, await findLatest(ctx, bucket.name, input.Key));
    const claims = claimsOf(input);
    const encryption = await beginEncryption(ctx, bucket, input.Key, input);
    const content = await storeContent(ctx, input.Body as Body, claims, encryption);
    const version = { ...described, ...content, ...access, encryption: encryption.stored };
    const written = await commitObject(ctx, input, 'PutObject', version);
    return {
      ETag: quoted(content.etag),
      ...checksumMembers(content.checksum),
      ...writtenMembers(written),
      ...encryption.members,
    };
  },
};

interface ClaimInput extends ChecksumInput {
  ContentMD5?: string | undefined;
  ChecksumAlgorithm?: string | undefined;
  Body?: unknown;
}

/** What the client says of the body that it sends. */
export function claimsOf(input: ClaimInput): Claims {
  const checksum = checksumOf(input);
  const algorithm = algorithmNamed(input.ChecksumAlgorithm);
  if (algorithm !== undefined && checksum !== undefined && checksum.algorithm !== algorithm) {
    throw invalidRequest('Value for x-amz-sdk-checksum-algorithm header is invalid.');
  }
  return { md5: input.ContentMD5, checksum, algorithm };
}

interface WriteConditions {
  Key: string;
  IfMatch?: string | undefined;
  IfNoneMatch?: string | undefined;
}

function valueNotAccepted(header: string): Fault {
  return s3Fault('NotImplemented', 501, 'A header you provided implies functionality that is not implemented', {
    Header: header,
    additionalMessage: `We don't accept the provided value of ${header} header for this API`,
  });
}

/**
 * Holds a conditional write against the newest version. @throws PreconditionFailed; NoSuchKey when `If-Match` finds nothing
 */
export function checkWriteConditions(input: WriteConditions, latest: ObjectTable | undefined): void {
  const { IfMatch: ifMatch, IfNoneMatch: ifNoneMatch } = input;
  const present = latest !== undefined && latest.is_delete_marker === 0 ? latest : undefined;
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch !== '*') throw valueNotAccepted('If-None-Match');
    if (present !== undefined) throw preconditionFailed('If-None-Match');
  }
  if (ifMatch === undefined) return;
  if (ifMatch === '*') throw valueNotAccepted('If-Match');
  if (present === undefined) throw noSuchKey(input.Key);
  if (!names(ifMatch, present.etag)) throw preconditionFailed('If-Match');
}

/** Makes stored data an object: the conditions that count are checked in the transaction that writes it. */
export async function commitObject(
  ctx: Context,
  input: BucketInput & WriteConditions,
  reason: Reason,
  version: NewVersion,
): Promise<Written> {
  try {
    return await ctx.tx(async (tx) => {
      const bucket = await bucketByName(tx, input);
      const change = { tx, ctx, bucket };
      checkWriteConditions(input, await findLatest(tx, bucket.name, input.Key));
      const row = await putVersion(change, input.Key, version);
      await emitWritten(change, row, reason);
      return { row, bucket };
    });
  } catch (error) {
    await dropRefused(ctx, version.blob, error);
    throw error;
  }
}

/**
 * Removes data whose row was refused. After any other error it is not certain that nothing was committed: then the data
 * stays, and the sweeper finds it if no row names it.
 */
export async function dropRefused(ctx: Context, blob: string | null, error: unknown): Promise<void> {
  if (blob !== null && isFault(error)) await ctx.blobs.delete(blob);
}

export function quoted(etag: string): string {
  return `"${etag}"`;
}

/** A version that was written, and its bucket as it was then. */
export interface Written {
  row: ObjectTable;
  bucket: BucketTable;
}

/** Members that every write answers with, beside those of its encryption. */
export function writtenMembers({ row, bucket }: Written): { VersionId?: string; Expiration?: string } {
  const expiration = expirationHeader(bucket, row);
  return { ...versionMember(row, bucket), ...(expiration === undefined ? {} : { Expiration: expiration }) };
}

/** The version id as S3 shows it: only where versioning is on or was. */
export function versionMember(row: ObjectTable, bucket: BucketTable): { VersionId?: string } {
  return bucket.versioning === 'Off' ? {} : { VersionId: row.version_id };
}
