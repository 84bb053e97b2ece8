import type * as sdk from '@aws-sdk/client-s3';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { algorithmNamed, checksumMembers } from './checksums.ts';
import { sourceObject } from './copy-source.ts';
import { beginEncryption, openEncryption, sameEncryption } from './encryption.ts';
import { invalidArgument, invalidRequest, unsupported } from './faults.ts';
import { bucketByName } from './find-bucket.ts';
import { checksumStored } from './get-object.ts';
import { newAccess } from './new-access.ts';
import { checkWriteConditions, commitObject, quoted, writtenMembers } from './put-object.ts';
import { piecesOf, readContent } from './read-content.ts';
import { creatingKeys, objectRef, objectResource, objectTags } from './resources.ts';
import { storeContent } from './store-content.ts';
import { headersOf, metadataOf, refuseWishes, type StoredHeaders, taggingOf } from './stored-headers.ts';
import type { ObjectTable } from './tables.ts';
import { findLatest } from './versions.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Copies an object: the data is read, verified and stored anew, so no two objects share a blob. */
export const CopyObject: Op<'CopyObject'> = {
  resource: objectResource,
  action: 's3:PutObject',
  conditions: creatingKeys,
  dataEvent: true,
  async handle(input, ctx) {
    refuseWishes(input);
    if (input.AnnotationDirective !== undefined) throw unsupported('Copying annotations');
    const replaces = directive('x-amz-metadata-directive', input.MetadataDirective);
    const replacesTags = directive('x-amz-tagging-directive', input.TaggingDirective);
    const algorithm = algorithmNamed(input.ChecksumAlgorithm);
    const target = await bucketByName(ctx, input);
    const access = await newAccess(ctx, target, input);
    const { source, bucket, object, key } = await sourceObject(ctx, input, { wholeCopy: true });
    const encryption = await beginEncryption(ctx, target, input.Key, input);
    const changesNothing =
      !replaces &&
      !replacesTags &&
      input.WebsiteRedirectLocation === undefined &&
      input.StorageClass === undefined &&
      input.ServerSideEncryption === undefined &&
      target.encryption === null &&
      sameEncryption({ encryption: encryption.stored }, object);
    if (
      source.bucket === input.Bucket &&
      source.key === input.Key &&
      source.versionId === undefined &&
      changesNothing
    ) {
      throw invalidRequest(
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
      );
    }
    const tags = replacesTags ? taggingOf(input.Tagging) : tagsStored(object);
    if (tags !== undefined) {
      await ctx.authorize('s3:PutObjectTagging', objectRef(ctx, target, input.Key), objectTags(tags));
    }
    const described = replaces
      ? { headers: headersOf(input), metadata: metadataOf(input.Metadata) }
      : {
          headers: copiedHeaders(object, input.WebsiteRedirectLocation),
          metadata: JSON.parse(object.metadata) as Record<string, string>,
        };
    checkWriteConditions(input, await findLatest(ctx, target.name, input.Key));
    const { envelope } = await openEncryption(ctx, bucket, object, key);
    const body = await readContent(ctx, await piecesOf(ctx, object), { start: 0, end: object.size - 1 }, envelope);
    const claims = { algorithm: algorithm ?? checksumStored(object)?.algorithm };
    const content = await storeContent(ctx, body, claims, encryption);
    const version = { ...described, ...content, ...access, tags, encryption: encryption.stored };
    const written = await commitObject(ctx, input, 'CopyObject', version);
    return {
      CopyObjectResult: {
        ETag: quoted(content.etag),
        LastModified: new Date(written.row.modified_at),
        ...checksumMembers(content.checksum),
      },
      ...writtenMembers(written),
      ...encryption.members,
      ...(bucket.versioning === 'Off' ? {} : { CopySourceVersionId: object.version_id }),
    };
  },
};

/** True for REPLACE, false for COPY, which is what S3 does when nothing is said. */
function directive(header: string, value: string | undefined): boolean {
  if (value === undefined || value === 'COPY') return false;
  if (value === 'REPLACE') return true;
  throw invalidArgument(`Unknown directive for ${header}.`, header, value);
}

/** A website redirect belongs to the one object and is not copied. */
function copiedHeaders(object: ObjectTable, redirect: string | undefined): StoredHeaders {
  const headers = JSON.parse(object.headers) as StoredHeaders;
  const { WebsiteRedirectLocation } = headersOf({ WebsiteRedirectLocation: redirect });
  return { ...headers, WebsiteRedirectLocation };
}

function tagsStored(object: ObjectTable): Record<string, string> | undefined {
  return object.tags === null ? undefined : (JSON.parse(object.tags) as Record<string, string>);
}
