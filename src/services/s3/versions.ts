/** What happens to an object's versions when one is put or deleted. Everything here runs inside the caller's transaction. */

import type { Context, Tx } from '../../kernel/context.ts';
import type { Checksum } from './checksums.ts';
import { discardBlobs, discardParts, requireUnswept } from './garbage.ts';
import type { StoredHeaders } from './stored-headers.ts';
import type { BucketTable, ObjectTable, Tables } from './tables.ts';
import { randomVersionId } from './version-ids.ts';

/** Version id of an object that was written while versioning was off or suspended. */
export const NULL_VERSION = 'null';

/** Everything about a new version that does not follow from where it is put. */
export interface NewVersion {
  size: number;
  etag: string;
  headers: StoredHeaders;
  metadata: Readonly<Record<string, string>>;
  tags: Readonly<Record<string, string>> | undefined;
  checksum: Checksum | undefined;
  blob: string | null;
  dataKey: string | null;
  /** The upload whose parts are the data, and their number. */
  upload?: { id: string; parts: number } | undefined;
  /** As `Encryption.stored`. */
  encryption: string | null;
  /** Owning account where it is not the bucket's, and JSON of the access list. */
  owner: string | null;
  acl: string | null;
}

export function keyBytes(key: string): Buffer {
  return Buffer.from(key, 'utf8');
}

export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('utf8');
}

/** One transaction that changes objects of a bucket, as the bucket is in this transaction. */
export interface Change {
  tx: Tx;
  ctx: Context;
  bucket: BucketTable;
}

/** The newest version of a key, delete markers included. */
export async function findLatest(source: Context | Tx, bucket: string, key: string): Promise<ObjectTable | undefined> {
  return source
    .db<Tables>()
    .selectFrom('s3_objects')
    .selectAll()
    .where('bucket', '=', bucket)
    .where('key', '=', keyBytes(key))
    .orderBy('place')
    .limit(1)
    .executeTakeFirst();
}

/** One version by its id. */
export async function findVersion(
  source: Context | Tx,
  bucket: string,
  key: string,
  versionId: string,
): Promise<ObjectTable | undefined> {
  return source
    .db<Tables>()
    .selectFrom('s3_objects')
    .selectAll()
    .where('bucket', '=', bucket)
    .where('key', '=', keyBytes(key))
    .where('version_id', '=', versionId)
    .executeTakeFirst();
}

/** Puts a new newest version; where versioning is not enabled it replaces the `null` version. */
export async function putVersion(change: Change, key: string, version: NewVersion): Promise<ObjectTable> {
  return addRow(change, key, {
    is_delete_marker: 0,
    is_listed: 1,
    size: version.size,
    etag: version.etag,
    headers: JSON.stringify(version.headers),
    metadata: JSON.stringify(version.metadata),
    tags: version.tags === undefined ? null : JSON.stringify(version.tags),
    checksum: version.checksum === undefined ? null : JSON.stringify(version.checksum),
    blob: version.blob,
    data_key: version.dataKey,
    upload: version.upload?.id ?? null,
    parts_count: version.upload?.parts ?? null,
    encryption: version.encryption,
    owner: version.owner,
    acl: version.acl,
  });
}

/** Puts a delete marker as the newest version. */
async function putDeleteMarker(change: Change, key: string): Promise<ObjectTable> {
  return addRow(change, key, {
    is_delete_marker: 1,
    is_listed: 0,
    size: 0,
    etag: '',
    headers: '{}',
    metadata: '{}',
    tags: null,
    checksum: null,
    blob: null,
    data_key: null,
    upload: null,
    parts_count: null,
    encryption: null,
    owner: null,
    acl: null,
  });
}

type RowContent = Omit<ObjectTable, 'bucket' | 'key' | 'place' | 'version_id' | 'is_latest' | 'modified_at'>;

async function addRow(change: Change, key: string, content: RowContent): Promise<ObjectTable> {
  const { tx, ctx, bucket } = change;
  const versioned = bucket.versioning === 'Enabled';
  if (!versioned) await dropVersion(change, await findVersion(tx, bucket.name, key, NULL_VERSION));
  const latest = bucket.versioning === 'Off' ? undefined : await findLatest(tx, bucket.name, key);
  if (latest !== undefined) await markNewest(tx, latest, false);
  const row: ObjectTable = {
    bucket: bucket.name,
    key: keyBytes(key),
    place: (latest?.place ?? 0) - 1,
    version_id: versioned ? randomVersionId(ctx.ids) : NULL_VERSION,
    is_latest: 1,
    modified_at: ctx.now().getTime(),
    ...content,
  };
  await requireUnswept(tx, ctx, row.blob);
  await tx.db<Tables>().insertInto('s3_objects').values(row).execute();
  return row;
}

async function markNewest(tx: Tx, row: ObjectTable, isLatest: boolean): Promise<void> {
  await tx
    .db<Tables>()
    .updateTable('s3_objects')
    .set({ is_latest: isLatest ? 1 : 0, is_listed: isLatest && row.is_delete_marker === 0 ? 1 : 0 })
    .where('bucket', '=', row.bucket)
    .where('key', '=', row.key)
    .where('place', '=', row.place)
    .execute();
}

/** Removes a row and hands its data to the collector. */
async function dropVersion({ tx, ctx }: Change, row: ObjectTable | undefined): Promise<void> {
  if (row === undefined) return;
  await tx
    .db<Tables>()
    .deleteFrom('s3_objects')
    .where('bucket', '=', row.bucket)
    .where('key', '=', row.key)
    .where('place', '=', row.place)
    .execute();
  if (row.blob !== null) await discardBlobs(tx, ctx, [row.blob]);
  if (row.upload !== null) await discardParts(tx, ctx, row.upload);
}

/** What a delete did. */
export interface Deletion {
  /** The version that is gone, or the delete marker that was made. */
  row: ObjectTable;
  kind: 'Permanently Deleted' | 'Delete Marker Created';
}

/**
 * Deletes as S3 does: a named version for good, else the object itself, which leaves a delete marker where versioning is or
 * was on. Undefined when there was nothing to do, which is no error.
 */
export async function deleteVersion(
  change: Change,
  key: string,
  versionId: string | undefined,
): Promise<Deletion | undefined> {
  const { tx, bucket } = change;
  if (versionId === undefined && bucket.versioning !== 'Off') {
    return { row: await putDeleteMarker(change, key), kind: 'Delete Marker Created' };
  }
  const row = await findVersion(tx, bucket.name, key, versionId ?? NULL_VERSION);
  if (row === undefined) return undefined;
  await dropVersion(change, row);
  if (row.is_latest === 1) {
    const next = await findLatest(tx, bucket.name, key);
    if (next !== undefined) await markNewest(tx, next, true);
  }
  return { row, kind: 'Permanently Deleted' };
}
