import type { Context, Tx } from '../../kernel/context.ts';
import type { Algorithm, ChecksumType } from './checksums.ts';
import { noSuchUpload } from './faults.ts';
import type { PartTable, Tables, UploadTable } from './tables.ts';
import { keyBytes } from './versions.ts';

/** Smallest part but the last: 5 MiB. */
export const MIN_PART_BYTES = 5 * 1024 * 1024;
export const MAX_PARTS = 10_000;
/** Largest object: 50 TiB. Source: S3 User Guide, "Amazon S3 multipart upload limits". */
export const MAX_OBJECT_BYTES = 50 * 1024 ** 4;

/** @throws NoSuchUpload, also when the upload is one of another key */
export async function uploadById(
  source: Context | Tx,
  input: { Bucket: string; Key: string; UploadId: string },
): Promise<UploadTable> {
  const row = await source
    .db<Tables>()
    .selectFrom('s3_uploads')
    .selectAll()
    .where('id', '=', input.UploadId)
    .where('bucket', '=', input.Bucket)
    .executeTakeFirst();
  if (row === undefined || !keyBytes(input.Key).equals(row.key)) throw noSuchUpload(input.UploadId);
  return row;
}

/** An upload's checksum algorithm and type, where one was chosen at its start. */
export function checksumPlan(upload: UploadTable): { algorithm: Algorithm; type: ChecksumType } | undefined {
  const { checksum_algorithm: algorithm, checksum_type: type } = upload;
  return algorithm === null ? undefined : { algorithm: algorithm as Algorithm, type: type as ChecksumType };
}

/** Parts of an upload in order. */
export async function partsOf(source: Context | Tx, upload: string): Promise<PartTable[]> {
  return source
    .db<Tables>()
    .selectFrom('s3_parts')
    .selectAll()
    .where('upload', '=', upload)
    .orderBy('number')
    .execute();
}
