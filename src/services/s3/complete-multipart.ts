import { createHash } from 'node:crypto';
import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { ALGORITHMS, type Checksum, checksumMembers, checksumOf, joinChecksums } from './checksums.ts';
import { knownEncryption } from './encryption.ts';
import { emitWritten } from './events.ts';
import { badDigest, entityTooLarge, invalidRequest, malformedXml, noSuchUpload, s3Fault } from './faults.ts';
import { bucketByName } from './find-bucket.ts';
import { discardParts } from './garbage.ts';
import { checksumStored } from './get-object.ts';
import { checkWriteConditions, quoted, type Written, writtenMembers } from './put-object.ts';
import { creatingKeys, objectResource } from './resources.ts';
import type { StoredHeaders } from './stored-headers.ts';
import type { ObjectTable, PartTable, Tables, UploadTable } from './tables.ts';
import { checksumPlan, MAX_OBJECT_BYTES, MAX_PARTS, MIN_PART_BYTES, partsOf, uploadById } from './uploads.ts';
import { findLatest, keyBytes, putVersion } from './versions.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;
type Input = Parameters<Op<'CompleteMultipartUpload'>['handle']>[0];

/** Makes the listed parts one object. The parts stay where they are; those not listed are removed. */
export const CompleteMultipartUpload: Op<'CompleteMultipartUpload'> = {
  resource: objectResource,
  action: 's3:PutObject',
  conditions: creatingKeys,
  dataEvent: true,
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    const listed = input.MultipartUpload?.Parts ?? [];
    checkList(listed);
    const upload = await findUpload(ctx, input);
    if (upload === undefined) {
      // The answer to an earlier try may have been lost: completing the same upload again is no mistake.
      const done = await findCompleted(ctx, input, listed);
      if (done === undefined) throw noSuchUpload(input.UploadId);
      return answer(input, ctx, { row: done, bucket });
    }
    const parts = await chosenParts(ctx, input, listed, upload);
    const { etag, size, checksum } = await summarise(input, upload, parts);
    const written = await ctx.tx(async (tx): Promise<Written> => {
      const change = { tx, ctx, bucket: await bucketByName(tx, input) };
      await uploadById(tx, input);
      requireUnchanged(parts, await partsOf(tx, upload.id));
      checkWriteConditions(input, await findLatest(tx, input.Bucket, input.Key));
      await discardParts(tx, ctx, upload.id, new Set(parts.map(({ number }) => number)));
      await tx.db<Tables>().deleteFrom('s3_uploads').where('id', '=', upload.id).execute();
      const row = await putVersion(change, input.Key, {
        size,
        etag,
        checksum,
        headers: JSON.parse(upload.headers) as StoredHeaders,
        metadata: JSON.parse(upload.metadata) as Record<string, string>,
        tags: upload.tags === null ? undefined : (JSON.parse(upload.tags) as Record<string, string>),
        blob: null,
        dataKey: null,
        upload: { id: upload.id, parts: parts.length },
        encryption: upload.encryption,
        owner: upload.owner,
        acl: upload.acl,
      });
      await emitWritten(change, row, 'CompleteMultipartUpload');
      return { row, bucket: change.bucket };
    });
    return answer(input, ctx, written);
  },
};

async function findUpload(ctx: Context, input: Input): Promise<UploadTable | undefined> {
  const row = await ctx
    .db<Tables>()
    .selectFrom('s3_uploads')
    .selectAll()
    .where('id', '=', input.UploadId)
    .where('bucket', '=', input.Bucket)
    .executeTakeFirst();
  return row !== undefined && keyBytes(input.Key).equals(row.key) ? row : undefined;
}

/** The version that an earlier call made of this upload and these parts. */
async function findCompleted(
  ctx: Context,
  input: Input,
  listed: readonly sdk.CompletedPart[],
): Promise<ObjectTable | undefined> {
  const row = await ctx
    .db<Tables>()
    .selectFrom('s3_objects')
    .selectAll()
    .where('bucket', '=', input.Bucket)
    .where('key', '=', keyBytes(input.Key))
    .where('upload', '=', input.UploadId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const parts = await partsOf(ctx, input.UploadId);
  const same =
    parts.length === listed.length &&
    parts.every(({ number, etag }, at) => listed[at]!.PartNumber === number && unquoted(listed[at]!.ETag) === etag);
  return same ? row : undefined;
}

function unquoted(etag: string | undefined): string | undefined {
  return etag?.replace(/^"(.*)"$/, '$1');
}

/** @throws MalformedXML, InvalidPartOrder */
function checkList(listed: readonly sdk.CompletedPart[]): void {
  if (listed.length === 0 || listed.length > MAX_PARTS) throw malformedXml();
  let previous = 0;
  for (const { PartNumber: number, ETag: etag } of listed) {
    if (number === undefined || etag === undefined || !Number.isInteger(number)) throw malformedXml();
    if (number < 1 || number > MAX_PARTS) throw invalidPart(number, etag);
    if (number <= previous) {
      throw s3Fault(
        'InvalidPartOrder',
        400,
        'The list of parts was not in ascending order. Parts must be ordered by part number.',
      );
    }
    previous = number;
  }
}

function invalidPart(number: number, etag: string | undefined, uploadId?: string) {
  return s3Fault(
    'InvalidPart',
    400,
    "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    { ...(uploadId === undefined ? {} : { UploadId: uploadId }), PartNumber: number, ETag: etag },
  );
}

/** @throws NoSuchUpload where the parts are gone because somebody ends the upload at the same time; InvalidPart and the like */
async function chosenParts(
  ctx: Context,
  input: Input,
  listed: Parameters<typeof chooseParts>[1],
  upload: UploadTable,
): Promise<PartTable[]> {
  try {
    return chooseParts(input.UploadId, listed, await partsOf(ctx, upload.id), upload);
  } catch (error) {
    if ((await findUpload(ctx, input)) === undefined) throw noSuchUpload(input.UploadId);
    throw error;
  }
}

/** The rows of the listed parts. @throws InvalidPart, EntityTooSmall */
function chooseParts(
  uploadId: string,
  listed: readonly sdk.CompletedPart[],
  stored: readonly PartTable[],
  upload: UploadTable,
): PartTable[] {
  const byNumber = new Map(stored.map((part) => [part.number, part]));
  const algorithm = checksumPlan(upload)?.algorithm;
  return listed.map((claim, at) => {
    const part = byNumber.get(claim.PartNumber!);
    if (part === undefined || unquoted(claim.ETag) !== part.etag) {
      throw invalidPart(claim.PartNumber!, unquoted(claim.ETag), uploadId);
    }
    for (const name of ALGORITHMS) {
      const claimed = claim[`Checksum${name}`];
      if (claimed !== undefined && name === algorithm && claimed !== part.checksum) {
        throw invalidPart(part.number, part.etag, uploadId);
      }
    }
    if (at < listed.length - 1 && part.size < MIN_PART_BYTES) {
      throw s3Fault('EntityTooSmall', 400, 'Your proposed upload is smaller than the minimum allowed size', {
        ProposedSize: part.size,
        MinSizeAllowed: MIN_PART_BYTES,
        PartNumber: part.number,
        ETag: part.etag,
      });
    }
    return part;
  });
}

/** Entity tag, size and checksum of the whole, held against what the client says of it. */
async function summarise(
  input: Input,
  upload: UploadTable,
  parts: readonly PartTable[],
): Promise<{ etag: string; size: number; checksum: Checksum | undefined }> {
  const md5 = createHash('md5');
  let size = 0;
  for (const part of parts) {
    md5.update(Buffer.from(part.etag, 'hex'));
    size += part.size;
  }
  if (size > MAX_OBJECT_BYTES) throw entityTooLarge(size, MAX_OBJECT_BYTES);
  if (input.MpuObjectSize !== undefined && input.MpuObjectSize !== size) {
    throw invalidRequest(`The provided 'x-amz-mp-object-size' header does not match what was computed: ${size}`);
  }
  return {
    etag: `${md5.digest('hex')}-${parts.length}`,
    size,
    checksum: await joined(input, upload, parts),
  };
}

async function joined(input: Input, upload: UploadTable, parts: readonly PartTable[]): Promise<Checksum | undefined> {
  const plan = checksumPlan(upload);
  const claimed = checksumClaim(input);
  if (plan === undefined) {
    if (claimed !== undefined) throw invalidRequest('The upload was created without a checksum algorithm.');
    return undefined;
  }
  if (input.ChecksumType !== undefined && input.ChecksumType !== plan.type) {
    throw invalidRequest(
      `The upload was created using the ${plan.type} checksum mode. The complete request must use the same checksum mode.`,
    );
  }
  const checksum = await joinChecksums(
    plan.algorithm,
    plan.type,
    parts.map(({ checksum: value, size }) => ({ checksum: value!, size })),
  );
  if (claimed !== undefined && (claimed.algorithm !== plan.algorithm || claimed.value !== bare(checksum.value))) {
    throw badDigest(claimed.algorithm);
  }
  return checksum;
}

/** The checksum of the whole that the request states; one over parts may carry their number. */
function checksumClaim(input: Input) {
  const plain = { ...input };
  for (const name of ALGORITHMS) {
    const value = input[`Checksum${name}`];
    if (value !== undefined) plain[`Checksum${name}`] = bare(value);
  }
  return checksumOf(plain);
}

function bare(value: string): string {
  return value.replace(/-\d+$/, '');
}

/** @throws OperationAborted when a part was replaced since it was looked at */
function requireUnchanged(chosen: readonly PartTable[], stored: readonly PartTable[]): void {
  const blobs = new Map(stored.map(({ number, blob, etag }) => [number, `${blob} ${etag}`]));
  if (chosen.every(({ number, blob, etag }) => blobs.get(number) === `${blob} ${etag}`)) return;
  throw s3Fault(
    'OperationAborted',
    409,
    'A conflicting conditional operation is currently in progress against this resource. Please try again.',
  );
}

function answer(input: Input, ctx: Context, written: Written) {
  const path = input.Key.split('/').map(encodeURIComponent).join('/');
  return {
    Location: `${ctx.publicUrl}/${input.Bucket}/${path}`,
    Bucket: input.Bucket,
    Key: input.Key,
    ETag: quoted(written.row.etag),
    ...checksumMembers(checksumStored(written.row)),
    ...writtenMembers(written),
    ...knownEncryption(written.row),
  };
}
