import * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { algorithmNamed, multipartType } from './checksums.ts';
import { sourceObject } from './copy-source.ts';
import { beginEncryption, openEncryption } from './encryption.ts';
import { invalidArgument, invalidRequest, noSuchUpload } from './faults.ts';
import { bucketByName } from './find-bucket.ts';
import { ABANDONED_AFTER_MS, discardBlobs, discardParts, requireUnswept } from './garbage.ts';
import { abortionOf, rulesOf } from './lifecycle-rules.ts';
import { newAccess } from './new-access.ts';
import { claimsOf, dropRefused, quoted } from './put-object.ts';
import { readCopyRange } from './range.ts';
import { piecesOf, readContent } from './read-content.ts';
import { objectRef, objectResource, objectTags, partKeys } from './resources.ts';
import { type Body, MAX_UPLOAD_BYTES, type StoredContent, storeContent } from './store-content.ts';
import { headersOf, metadataOf, refuseWishes, taggingOf } from './stored-headers.ts';
import type { BucketTable, PartTable, Tables, UploadTable } from './tables.ts';
import { checksumPlan, MAX_PARTS, uploadById } from './uploads.ts';
import { keyBytes } from './versions.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Rule under which an upload that nobody ends is aborted, as the answer names it. */
const ABORT_RULE = 'slipway-abandoned-uploads';

/** Begins a multipart upload. */
export const CreateMultipartUpload: Op<'CreateMultipartUpload'> = {
  resource: objectResource,
  action: 's3:PutObject',
  conditions: partKeys,
  dataEvent: true,
  async handle(input, ctx) {
    refuseWishes(input);
    const tags = taggingOf(input.Tagging);
    const bucket = await bucketByName(ctx, input);
    const access = await newAccess(ctx, bucket, input);
    if (tags !== undefined) {
      await ctx.authorize('s3:PutObjectTagging', objectRef(ctx, bucket, input.Key), objectTags(tags));
    }
    const algorithm = algorithmNamed(input.ChecksumAlgorithm);
    if (algorithm === undefined && input.ChecksumType !== undefined) {
      throw invalidRequest('The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.');
    }
    const type = algorithm === undefined ? undefined : multipartType(algorithm, input.ChecksumType);
    const encryption = await beginEncryption(ctx, bucket, input.Key, input);
    const now = ctx.now().getTime();
    const row: UploadTable = {
      // Ids of one key sort by time: lists go on after the last one seen.
      id: `${now.toString(36).padStart(9, '0')}${ctx.ids.string(40, UPLOAD_ID_ALPHABET)}`,
      bucket: input.Bucket,
      key: keyBytes(input.Key),
      initiator: 'arn' in ctx.caller ? ctx.caller.arn : ctx.caller.type,
      initiated_at: now,
      headers: JSON.stringify(headersOf(input)),
      metadata: JSON.stringify(metadataOf(input.Metadata)),
      tags: tags === undefined ? null : JSON.stringify(tags),
      checksum_algorithm: algorithm ?? null,
      checksum_type: type ?? null,
      encryption: encryption.stored,
      ...access,
    };
    await ctx.tx(async (tx) => {
      await bucketByName(tx, input);
      await tx.db<Tables>().insertInto('s3_uploads').values(row).execute();
    });
    return {
      Bucket: input.Bucket,
      Key: input.Key,
      UploadId: row.id,
      ...encryption.members,
      ChecksumAlgorithm: algorithm,
      ChecksumType: type,
      ...abortMembers(row, bucket),
    };
  },
};

const UPLOAD_ID_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** When and why an upload will be aborted if nobody completes it. */
export function abortMembers(upload: UploadTable, bucket: BucketTable): { AbortDate: Date; AbortRuleId: string } {
  const due = abortionOf(rulesOf(bucket), upload);
  if (due !== undefined) return { AbortDate: new Date(due.at), AbortRuleId: due.rule };
  return { AbortDate: new Date(upload.initiated_at + ABANDONED_AFTER_MS), AbortRuleId: ABORT_RULE };
}

/** Stores a part; an earlier part of the number is replaced. */
export const UploadPart: Op<'UploadPart'> = {
  resource: objectResource,
  action: 's3:PutObject',
  conditions: partKeys,
  dataEvent: true,
  async handle(input, ctx) {
    checkPartNumber(input.PartNumber);
    const bucket = await bucketByName(ctx, input);
    const upload = await uploadById(ctx, input);
    const encryption = await openEncryption(ctx, bucket, upload, input);
    const claims = claimsOf(input);
    const plan = checksumPlan(upload);
    const algorithm = claims.algorithm ?? plan?.algorithm;
    const content = await storeContent(ctx, input.Body as Body, { ...claims, algorithm }, encryption);
    checkPlan(plan, content);
    await commitPart(ctx, input, content);
    const { checksum } = content;
    return {
      ETag: quoted(content.etag),
      ...(checksum === undefined ? {} : { [`Checksum${checksum.algorithm}`]: checksum.value }),
      ...encryption.members,
    };
  },
};

/** Stores a part that is a copy of an object, or of a range of it. */
export const UploadPartCopy: Op<'UploadPartCopy'> = {
  resource: objectResource,
  action: 's3:PutObject',
  conditions: partKeys,
  dataEvent: true,
  async handle(input, ctx) {
    checkPartNumber(input.PartNumber);
    const target = await bucketByName(ctx, input);
    const upload = await uploadById(ctx, input);
    const encryption = await openEncryption(ctx, target, upload, input);
    const { bucket, object, key } = await sourceObject(ctx, input, { wholeCopy: false });
    const range = copyRange(input.CopySourceRange, object.size);
    const { envelope } = await openEncryption(ctx, bucket, object, key);
    const body = await readContent(ctx, await piecesOf(ctx, object), range, envelope);
    const content = await storeContent(ctx, body, { algorithm: checksumPlan(upload)?.algorithm }, encryption);
    const part = await commitPart(ctx, input, content);
    return {
      CopyPartResult: {
        ETag: quoted(content.etag),
        LastModified: new Date(part.modified_at),
        ...(content.checksum === undefined
          ? {}
          : { [`Checksum${content.checksum.algorithm}`]: content.checksum.value }),
      },
      ...encryption.members,
      ...(bucket.versioning === 'Off' ? {} : { CopySourceVersionId: object.version_id }),
    };
  },
};

function copyRange(text: string | undefined, size: number) {
  const range = text === undefined ? { start: 0, end: size - 1 } : readCopyRange(text, size);
  if (range === undefined) {
    throw invalidArgument(
      `Range specified is not valid for source object of size: ${size}`,
      'x-amz-copy-source-range',
      text,
    );
  }
  if (range.end - range.start + 1 > MAX_UPLOAD_BYTES) {
    throw invalidRequest(
      `The specified copy source is larger than the maximum allowable size for a copy source: ${MAX_UPLOAD_BYTES}`,
    );
  }
  return range;
}

function checkPartNumber(number: number): void {
  if (Number.isInteger(number) && number >= 1 && number <= MAX_PARTS) return;
  throw invalidArgument('Part number must be an integer between 1 and 10000, inclusive', 'partNumber', number);
}

/** A part carries a checksum of the upload's algorithm, or none. @throws InvalidRequest */
function checkPlan(plan: ReturnType<typeof checksumPlan>, content: StoredContent): void {
  const actual = content.checksum?.algorithm;
  if (plan === undefined || actual === plan.algorithm) return;
  throw invalidRequest(
    `Checksum Type mismatch occurred, expected checksum Type: ${plan.algorithm.toLowerCase()}, actual checksum Type: ${actual?.toLowerCase() ?? 'null'}`,
  );
}

interface PartInput {
  Bucket: string;
  Key: string;
  UploadId: string;
  PartNumber: number;
}

async function commitPart(ctx: Context, input: PartInput, content: StoredContent): Promise<PartTable> {
  const row: PartTable = {
    upload: input.UploadId,
    number: input.PartNumber,
    blob: content.blob,
    data_key: content.dataKey,
    size: content.size,
    etag: content.etag,
    checksum: content.checksum?.value ?? null,
    modified_at: ctx.now().getTime(),
  };
  try {
    await ctx.tx(async (tx) => {
      await uploadById(tx, input);
      const db = tx.db<Tables>();
      const before = await db
        .selectFrom('s3_parts')
        .select('blob')
        .where('upload', '=', row.upload)
        .where('number', '=', row.number)
        .executeTakeFirst();
      if (before !== undefined) {
        await db.deleteFrom('s3_parts').where('upload', '=', row.upload).where('number', '=', row.number).execute();
        if (before.blob !== null) await discardBlobs(tx, ctx, [before.blob]);
      }
      await requireUnswept(tx, ctx, row.blob);
      await db.insertInto('s3_parts').values(row).execute();
    });
  } catch (error) {
    await dropRefused(ctx, content.blob, error);
    throw error;
  }
  return row;
}

/** Ends an upload and removes its parts. */
export const AbortMultipartUpload: Op<'AbortMultipartUpload'> = {
  resource: objectResource,
  dataEvent: true,
  async handle(input, ctx) {
    await ctx.tx(async (tx) => {
      await bucketByName(tx, input);
      const upload = await uploadById(tx, input);
      const { IfMatchInitiatedTime: initiated } = input;
      if (
        initiated !== undefined &&
        Math.floor(upload.initiated_at / 1000) !== Math.floor(initiated.getTime() / 1000)
      ) {
        throw fault(sdk.NoSuchUpload, noSuchUpload(input.UploadId).message);
      }
      await tx.db<Tables>().deleteFrom('s3_uploads').where('id', '=', upload.id).execute();
      await discardParts(tx, ctx, upload.id);
    });
    return {};
  },
};
