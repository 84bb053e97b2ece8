import type { Kysely } from 'kysely';
import { bytesType } from '../../kernel/store/dialect.ts';
import type { Migrations } from '../../kernel/store/migrate.ts';

export type Ownership = 'BucketOwnerEnforced' | 'BucketOwnerPreferred' | 'ObjectWriter';
export type Versioning = 'Off' | 'Enabled' | 'Suspended';

/** One bucket. Names are unique in the installation, as they are at AWS. */
export interface BucketTable {
  name: string;
  account: string;
  region: string;
  created_at: number;
  versioning: Versioning;
  /** The policy's text as it was put. */
  policy: string | null;
  /** JSON: PublicAccessBlockConfiguration. */
  public_access_block: string | null;
  /** JSON: WebsiteConfiguration. */
  website: string | null;
  /** 1 when object events go to EventBridge. */
  eventbridge: number;
  /** Object ownership; null when its controls were deleted, which is ObjectWriter. */
  ownership: Ownership | null;
  /** JSON: grants of the access list; null for the owner alone. */
  acl: string | null;
  /** JSON: the rule of default encryption; null for AES256. */
  encryption: string | null;
  /** JSON: CORS rules. */
  cors: string | null;
  /** JSON: lifecycle rules and the header that came with them. */
  lifecycle: string | null;
  /** JSON: where access logs go. */
  logging: string | null;
  /** 1 when the bucket's tags count for access (`aws:ResourceTag`). */
  abac: number;
}

/** One version of an object, or a delete marker. */
export interface ObjectTable {
  bucket: string;
  /** UTF-8. Bytes, so that both databases order keys as S3 does and any character may stand in one. */
  key: Uint8Array;
  /** Orders the versions of a key: the newest has the smallest. */
  place: number;
  version_id: string;
  /** 1 for the newest version of its key. */
  is_latest: number;
  is_delete_marker: number;
  /** 1 for what a list of objects shows: the newest version, unless it is a delete marker. */
  is_listed: number;
  size: number;
  /** Without quotation marks; empty for delete markers. */
  etag: string;
  modified_at: number;
  /** JSON: StoredHeaders. */
  headers: string;
  /** JSON: user metadata. */
  metadata: string;
  /** JSON: tags, or null. */
  tags: string | null;
  /** JSON: Checksum, or null. */
  checksum: string | null;
  /** Where the data is: one blob and its sealed data key; or the parts of an upload; or nowhere (no data). */
  blob: string | null;
  data_key: string | null;
  upload: string | null;
  parts_count: number | null;
  /** JSON: how the data keys are sealed; null for the installation's own key (AES256). */
  encryption: string | null;
  /** Account that owns the object; null for the bucket's. */
  owner: string | null;
  /** JSON: grants of the access list; null for the owner alone. */
  acl: string | null;
}

/** A multipart upload that was neither completed nor aborted. */
export interface UploadTable {
  id: string;
  bucket: string;
  key: Uint8Array;
  initiator: string;
  initiated_at: number;
  headers: string;
  metadata: string;
  tags: string | null;
  checksum_algorithm: string | null;
  checksum_type: string | null;
  encryption: string | null;
  owner: string | null;
  acl: string | null;
}

/** A part, of an upload or of the object that the upload became. */
export interface PartTable {
  upload: string;
  number: number;
  blob: string | null;
  data_key: string | null;
  size: number;
  /** MD5, hex. */
  etag: string;
  /** Base64, in the upload's algorithm, or null. */
  checksum: string | null;
  modified_at: number;
}

/** Blobs that no row names any more, to be removed. */
export interface GarbageTable {
  blob: string;
  due_at: number;
}

export interface Tables {
  s3_buckets: BucketTable;
  s3_objects: ObjectTable;
  s3_uploads: UploadTable;
  s3_parts: PartTable;
  s3_garbage: GarbageTable;
}

export const migrations: Migrations = {
  '0001-s3': {
    async up(db, kind) {
      await db.schema
        .createTable('s3_buckets')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('versioning', 'text', (c) => c.notNull())
        .addColumn('policy', 'text')
        .addColumn('public_access_block', 'text')
        .addColumn('website', 'text')
        .addColumn('eventbridge', 'integer', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('s3_buckets_account').on('s3_buckets').columns(['account', 'name']).execute();
      await db.schema
        .createTable('s3_objects')
        .addColumn('bucket', 'text', (c) => c.notNull())
        .addColumn('key', bytesType(kind), (c) => c.notNull())
        .addColumn('place', 'bigint', (c) => c.notNull())
        .addColumn('version_id', 'text', (c) => c.notNull())
        .addColumn('is_latest', 'integer', (c) => c.notNull())
        .addColumn('is_delete_marker', 'integer', (c) => c.notNull())
        .addColumn('is_listed', 'integer', (c) => c.notNull())
        .addColumn('size', 'bigint', (c) => c.notNull())
        .addColumn('etag', 'text', (c) => c.notNull())
        .addColumn('modified_at', 'bigint', (c) => c.notNull())
        .addColumn('headers', 'text', (c) => c.notNull())
        .addColumn('metadata', 'text', (c) => c.notNull())
        .addColumn('tags', 'text')
        .addColumn('checksum', 'text')
        .addColumn('blob', 'text')
        .addColumn('data_key', 'text')
        .addColumn('upload', 'text')
        .addColumn('parts_count', 'integer')
        .addPrimaryKeyConstraint('s3_objects_key', ['bucket', 'key', 'place'])
        .execute();
      await db.schema
        .createIndex('s3_objects_version')
        .unique()
        .on('s3_objects')
        .columns(['bucket', 'key', 'version_id'])
        .execute();
      await db.schema
        .createIndex('s3_objects_listed')
        .on('s3_objects')
        .columns(['bucket', 'is_listed', 'key'])
        .execute();
      await db.schema.createIndex('s3_objects_blob').on('s3_objects').columns(['blob']).execute();
      await db.schema
        .createTable('s3_uploads')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('bucket', 'text', (c) => c.notNull())
        .addColumn('key', bytesType(kind), (c) => c.notNull())
        .addColumn('initiator', 'text', (c) => c.notNull())
        .addColumn('initiated_at', 'bigint', (c) => c.notNull())
        .addColumn('headers', 'text', (c) => c.notNull())
        .addColumn('metadata', 'text', (c) => c.notNull())
        .addColumn('tags', 'text')
        .addColumn('checksum_algorithm', 'text')
        .addColumn('checksum_type', 'text')
        .execute();
      await db.schema.createIndex('s3_uploads_key').on('s3_uploads').columns(['bucket', 'key', 'id']).execute();
      await db.schema.createIndex('s3_uploads_initiated').on('s3_uploads').columns(['initiated_at']).execute();
      await db.schema
        .createTable('s3_parts')
        .addColumn('upload', 'text', (c) => c.notNull())
        .addColumn('number', 'integer', (c) => c.notNull())
        .addColumn('blob', 'text')
        .addColumn('data_key', 'text')
        .addColumn('size', 'bigint', (c) => c.notNull())
        .addColumn('etag', 'text', (c) => c.notNull())
        .addColumn('checksum', 'text')
        .addColumn('modified_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('s3_parts_key', ['upload', 'number'])
        .execute();
      await db.schema.createIndex('s3_parts_blob').on('s3_parts').columns(['blob']).execute();
      await db.schema
        .createTable('s3_garbage')
        .addColumn('blob', 'text', (c) => c.primaryKey())
        .addColumn('due_at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('s3_garbage_due').on('s3_garbage').columns(['due_at']).execute();
    },
  },
  '0002-s3-settings': {
    async up(db) {
      for (const column of ['ownership', 'acl', 'encryption', 'cors', 'lifecycle', 'logging']) {
        await db.schema.alterTable('s3_buckets').addColumn(column, 'text').execute();
      }
      await db.schema
        .alterTable('s3_buckets')
        .addColumn('abac', 'integer', (c) => c.notNull().defaultTo(0))
        .execute();
      const buckets = db as unknown as Kysely<Tables>;
      await buckets.updateTable('s3_buckets').set({ ownership: 'BucketOwnerEnforced' }).execute();
      for (const table of ['s3_objects', 's3_uploads']) {
        for (const column of ['encryption', 'owner', 'acl']) {
          await db.schema.alterTable(table).addColumn(column, 'text').execute();
        }
      }
    },
  },
};
