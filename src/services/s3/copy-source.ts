import type { Context } from '../../kernel/context.ts';
import { type CustomerKeyInput, type SourceKeyInput, sourceKeyOf } from './customer-key.ts';
import { describeEncryption } from './encryption.ts';
import { invalidArgument, invalidRequest, preconditionFailed } from './faults.ts';
import { bucketByName } from './find-bucket.ts';
import { objectToRead, readAction } from './get-object.ts';
import { evaluateRead } from './preconditions.ts';
import { existingObjectRef } from './resources.ts';
import { MAX_UPLOAD_BYTES } from './store-content.ts';
import type { BucketTable, ObjectTable } from './tables.ts';

/** Where a copy comes from. */
export interface CopySource {
  bucket: string;
  key: string;
  versionId: string | undefined;
}

/** Reads `x-amz-copy-source`: `bucket/key?versionId=id`, percent-encoded, with or without a slash before it. */
export function readCopySource(text: string): CopySource {
  const [path = '', query = ''] = text.split('?') as [string, string?];
  const invalid = () =>
    invalidArgument(
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
      'x-amz-copy-source',
      text,
    );
  let decoded: string;
  try {
    decoded = decodeURIComponent(path).replace(/^\//, '');
  } catch (error) {
    if (error instanceof URIError) throw invalid();
    throw error;
  }
  const slash = decoded.indexOf('/');
  if (slash < 1 || slash === decoded.length - 1 || decoded.startsWith('arn:')) throw invalid();
  return {
    bucket: decoded.slice(0, slash),
    key: decoded.slice(slash + 1),
    versionId: new URLSearchParams(query).get('versionId') ?? undefined,
  };
}

interface SourceInput extends SourceKeyInput {
  CopySource: string;
  CopySourceIfMatch?: string | undefined;
  CopySourceIfNoneMatch?: string | undefined;
  CopySourceIfModifiedSince?: Date | undefined;
  CopySourceIfUnmodifiedSince?: Date | undefined;
  ExpectedSourceBucketOwner?: string | undefined;
}

/** The object that a copy reads: the caller may read it, and what he knows of it holds. */
export async function sourceObject(
  ctx: Context,
  input: SourceInput,
  options: { wholeCopy: boolean },
): Promise<{ source: CopySource; bucket: BucketTable; object: ObjectTable; key: CustomerKeyInput }> {
  const source = readCopySource(input.CopySource);
  const bucket = await bucketByName(ctx, {
    Bucket: source.bucket,
    ExpectedBucketOwner: input.ExpectedSourceBucketOwner,
  });
  const { versionId: VersionId } = source;
  await ctx.authorize(
    readAction({ VersionId }),
    await existingObjectRef(ctx, bucket, source.key, VersionId),
    VersionId === undefined ? {} : { 's3:VersionId': VersionId },
  );
  const object = await objectToRead(ctx, bucket, source.key, VersionId);
  const key = sourceKeyOf(input);
  describeEncryption(ctx, object, key);
  const outcome = evaluateRead(
    {
      ifMatch: input.CopySourceIfMatch,
      ifNoneMatch: input.CopySourceIfNoneMatch,
      ifModifiedSince: input.CopySourceIfModifiedSince,
      ifUnmodifiedSince: input.CopySourceIfUnmodifiedSince,
    },
    { etag: object.etag, modifiedAt: object.modified_at },
  );
  if (outcome !== 'read') {
    throw preconditionFailed(
      outcome === 'not-modified' ? 'x-amz-copy-source-If-None-Match' : `x-amz-copy-source-${outcome}`,
    );
  }
  if (options.wholeCopy && object.size > MAX_UPLOAD_BYTES) {
    throw invalidRequest(
      `The specified copy source is larger than the maximum allowable size for a copy source: ${MAX_UPLOAD_BYTES}`,
    );
  }
  return { source, bucket, object, key };
}
