import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { MAX_KEY_BYTES } from './address.ts';
import { emitDeleted } from './events.ts';
import { invalidArgument, malformedXml, noSuchKey, preconditionFailed, unsupported } from './faults.ts';
import { bucketArn, bucketByName } from './find-bucket.ts';
import { names } from './preconditions.ts';
import { conditionKeys, objectRef, objectResource } from './resources.ts';
import { refuseWishes } from './stored-headers.ts';
import type { BucketTable } from './tables.ts';
import { isVersionId } from './version-ids.ts';
import { type Change, type Deletion, deleteVersion, findLatest, findVersion } from './versions.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const MAX_KEYS = 1000;

/** Deletes an object, or one version of it for good. What is not there needs no deleting: that is no error. */
export const DeleteObject: Op<'DeleteObject'> = {
  resource: objectResource,
  action: deleteAction,
  conditions: conditionKeys,
  dataEvent: true,
  async handle(input, ctx) {
    refuseWishes(input);
    if (input.IfMatchLastModifiedTime !== undefined || input.IfMatchSize !== undefined) {
      throw unsupported('Deleting on condition of time or size (directory buckets)');
    }
    checkVersionId(input.VersionId);
    return ctx.tx(async (tx) => {
      const bucket = await bucketByName(tx, input);
      const deletion = await deleteOne({ tx, ctx, bucket }, input.Key, input.VersionId, input.IfMatch);
      return deletedMembers(bucket, deletion, input.VersionId);
    });
  },
};

/** Deletes up to 1000 objects. Each key is authorised by itself; what fails is listed and does not hold up the others. */
export const DeleteObjects: Op<'DeleteObjects'> = {
  // The bucket alone says nothing about the keys: every one of them is authorised below.
  action: null,
  resource: ({ Bucket }) => bucketArn(Bucket),
  dataEvent: true,
  async handle(input, ctx) {
    refuseWishes(input);
    const { Objects: objects = [], Quiet: quiet } = input.Delete ?? {};
    if (objects.length === 0 || objects.length > MAX_KEYS) throw malformedXml();
    const bucket = await bucketByName(ctx, input);
    const refused = await authorizeEach(ctx, bucket, objects);
    const errors: sdk._Error[] = [];
    const deleted: sdk.DeletedObject[] = [];
    await ctx.tx(async (tx) => {
      errors.length = 0;
      deleted.length = 0; // the transaction may run again
      const change = { tx, ctx, bucket: await bucketByName(tx, input) };
      for (const [index, object] of objects.entries()) {
        const { Key: key = '', VersionId: versionId } = object;
        const refusal = refused[index];
        if (refusal !== undefined) {
          errors.push({ Key: key, VersionId: versionId, Code: refusal.name, Message: refusal.message });
          continue;
        }
        try {
          checkVersionId(versionId);
          if (object.LastModifiedTime !== undefined || object.Size !== undefined) {
            throw unsupported('Deleting on condition of time or size (directory buckets)');
          }
          const deletion = await deleteOne(change, key, versionId, object.ETag);
          deleted.push({ Key: key, VersionId: versionId, ...markerMembers(change.bucket, deletion) });
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
          errors.push({ Key: key, VersionId: versionId, Code: error.name, Message: error.message });
        }
      }
    });
    return { Deleted: quiet === true ? undefined : deleted, Errors: errors };
  },
};

function deleteAction(input: { VersionId?: string | undefined }): string {
  return input.VersionId === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion';
}

function checkVersionId(versionId: string | undefined): void {
  if (versionId !== undefined && !isVersionId(versionId)) {
    throw invalidArgument('Invalid version id specified', 'versionId', versionId);
  }
}

/** Who may delete nothing of all this is refused as a whole; the others learn which keys they may not. */
async function authorizeEach(
  ctx: Context,
  bucket: BucketTable,
  objects: readonly sdk.ObjectIdentifier[],
): Promise<(Fault | undefined)[]> {
  const refused: (Fault | undefined)[] = [];
  for (const object of objects) {
    const { Key: key = '' } = object;
    if (key === '') throw malformedXml();
    if (Buffer.byteLength(key) > MAX_KEY_BYTES) {
      refused.push(new Fault('KeyTooLongError', 'Your key is too long'));
      continue;
    }
    refused.push(
      await ctx.authorize(deleteAction(object), objectRef(ctx, bucket, key), conditionKeys(object)).then(
        () => undefined,
        (error: unknown) => {
          if (error instanceof Fault) return error;
          throw error;
        },
      ),
    );
  }
  if (ctx.caller.type === 'Anonymous' && refused.every((refusal) => refusal !== undefined)) {
    throw commonFault('AccessDenied', 'Access Denied');
  }
  return refused;
}

async function deleteOne(
  change: Change,
  key: string,
  versionId: string | undefined,
  ifMatch: string | undefined,
): Promise<Deletion | undefined> {
  const { tx, bucket } = change;
  if (ifMatch !== undefined) {
    const object =
      versionId === undefined
        ? await findLatest(tx, bucket.name, key)
        : await findVersion(tx, bucket.name, key, versionId);
    if (object === undefined || object.is_delete_marker === 1) throw noSuchKey(key);
    if (!names(ifMatch, object.etag)) throw preconditionFailed('If-Match');
  }
  const deletion = await deleteVersion(change, key, versionId);
  if (deletion !== undefined) await emitDeleted(change, deletion);
  return deletion;
}

function deletedMembers(
  bucket: BucketTable,
  deletion: Deletion | undefined,
  versionId: string | undefined,
): { DeleteMarker?: boolean; VersionId?: string } {
  if (bucket.versioning === 'Off') return {};
  if (deletion === undefined) return versionId === undefined ? {} : { VersionId: versionId };
  return {
    VersionId: deletion.row.version_id,
    ...(deletion.row.is_delete_marker === 1 ? { DeleteMarker: true } : {}),
  };
}

function markerMembers(bucket: BucketTable, deletion: Deletion | undefined): Partial<sdk.DeletedObject> {
  if (bucket.versioning === 'Off' || deletion === undefined || deletion.row.is_delete_marker === 0) return {};
  return { DeleteMarker: true, DeleteMarkerVersionId: deletion.row.version_id };
}
