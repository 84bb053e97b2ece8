import type { Kysely } from 'kysely';
import type { Context, Tx } from '../../kernel/context.ts';
import type { Migrations } from '../../kernel/store/migrate.ts';

/** Where a trail puts its files, and what it takes: what CreateTrail and UpdateTrail set. */
export interface TrailSettings {
  bucket: string;
  prefix: string | null;
  include_global: number;
  multi_region: number;
  validation: number;
  log_group_arn: string | null;
  log_role_arn: string | null;
  kms_key_id: string | null;
}

/** How far a trail has come. Places are those of audit rows: when a row was settled, and its id. */
export interface TrailProgress {
  logging: number;
  started_at: number | null;
  stopped_at: number | null;
  /** Everything up to here is delivered. */
  cursor_at: number;
  cursor_id: string;
  /** The end of the batch that is being delivered, so that a killed process makes the same files again; null between batches. */
  end_at: number | null;
  end_id: string | null;
  delivered_at: number | null;
  delivery_error: string | null;
  next_digest_at: number | null;
  digested_at: number | null;
  digest_error: string | null;
  logs_delivered_at: number | null;
  logs_error: string | null;
}

export interface TrailRow extends TrailSettings, TrailProgress {
  arn: string;
  account: string;
  home_region: string;
  name: string;
  /** JSON of EventSelectors, or of AdvancedEventSelectors where `advanced` is 1. */
  selectors: string;
  advanced: number;
  created_at: number;
}

/** A file that was delivered and stands in no digest yet. */
export interface LogFileRow {
  trail_arn: string;
  region: string;
  bucket: string;
  key: string;
  /** SHA-256 of the records before compression, hex. */
  hash: string;
  oldest_at: number;
  newest_at: number;
  delivered_at: number;
}

/** The latest digest of a trail and region: the next one names it. */
export interface DigestRow {
  trail_arn: string;
  region: string;
  end_at: number;
  bucket: string;
  key: string;
  hash: string;
  signature: string;
}

/** A key that signs digests, for all accounts of a region. */
export interface SigningKeyRow {
  fingerprint: string;
  region: string;
  /** PKCS#1 DER, base64. */
  public_key: string;
  /** PKCS#8 DER, sealed. */
  private_key: string;
  valid_from: number;
  valid_to: number;
}

/** How far the bus of an account and region has come with events of its trails. */
export interface BusRow {
  account: string;
  region: string;
  cursor_at: number;
  cursor_id: string;
}

export interface CloudTrailTables {
  cloudtrail_trails: TrailRow;
  cloudtrail_log_files: LogFileRow;
  cloudtrail_digests: DigestRow;
  cloudtrail_signing_keys: SigningKeyRow;
  cloudtrail_buses: BusRow;
}

/** This service's tables, outside or inside a transaction. */
export function tables(source: Context | Tx): Kysely<CloudTrailTables> {
  return source.db<CloudTrailTables>();
}

export const migrations: Migrations = {
  '0001-trails': {
    async up({ schema }) {
      await schema
        .createTable('cloudtrail_trails')
        .addColumn('arn', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('home_region', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('bucket', 'text', (c) => c.notNull())
        .addColumn('prefix', 'text')
        .addColumn('include_global', 'integer', (c) => c.notNull())
        .addColumn('multi_region', 'integer', (c) => c.notNull())
        .addColumn('validation', 'integer', (c) => c.notNull())
        .addColumn('log_group_arn', 'text')
        .addColumn('log_role_arn', 'text')
        .addColumn('kms_key_id', 'text')
        .addColumn('selectors', 'text', (c) => c.notNull())
        .addColumn('advanced', 'integer', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('logging', 'integer', (c) => c.notNull())
        .addColumn('started_at', 'bigint')
        .addColumn('stopped_at', 'bigint')
        .addColumn('cursor_at', 'bigint', (c) => c.notNull())
        .addColumn('cursor_id', 'text', (c) => c.notNull())
        .addColumn('end_at', 'bigint')
        .addColumn('end_id', 'text')
        .addColumn('delivered_at', 'bigint')
        .addColumn('delivery_error', 'text')
        .addColumn('next_digest_at', 'bigint')
        .addColumn('digested_at', 'bigint')
        .addColumn('digest_error', 'text')
        .addColumn('logs_delivered_at', 'bigint')
        .addColumn('logs_error', 'text')
        .addUniqueConstraint('cloudtrail_trails_name', ['account', 'home_region', 'name'])
        .execute();
      await schema
        .createTable('cloudtrail_log_files')
        .addColumn('trail_arn', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('bucket', 'text', (c) => c.notNull())
        .addColumn('key', 'text', (c) => c.notNull())
        .addColumn('hash', 'text', (c) => c.notNull())
        .addColumn('oldest_at', 'bigint', (c) => c.notNull())
        .addColumn('newest_at', 'bigint', (c) => c.notNull())
        .addColumn('delivered_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('cloudtrail_log_files_key', ['trail_arn', 'region', 'key'])
        .execute();
      await schema
        .createTable('cloudtrail_digests')
        .addColumn('trail_arn', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('end_at', 'bigint', (c) => c.notNull())
        .addColumn('bucket', 'text', (c) => c.notNull())
        .addColumn('key', 'text', (c) => c.notNull())
        .addColumn('hash', 'text', (c) => c.notNull())
        .addColumn('signature', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('cloudtrail_digests_key', ['trail_arn', 'region'])
        .execute();
      await schema
        .createTable('cloudtrail_signing_keys')
        .addColumn('fingerprint', 'text', (c) => c.primaryKey())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('public_key', 'text', (c) => c.notNull())
        .addColumn('private_key', 'text', (c) => c.notNull())
        .addColumn('valid_from', 'bigint', (c) => c.notNull())
        .addColumn('valid_to', 'bigint', (c) => c.notNull())
        .execute();
      await schema
        .createTable('cloudtrail_buses')
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('cursor_at', 'bigint', (c) => c.notNull())
        .addColumn('cursor_id', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('cloudtrail_buses_key', ['account', 'region'])
        .execute();
    },
  },
};
