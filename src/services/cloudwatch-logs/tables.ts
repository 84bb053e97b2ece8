import { sql } from 'kysely';
import { bytesType } from '../../kernel/store/dialect.ts';
import type { Migrations } from '../../kernel/store/migrate.ts';

export interface GroupTable {
  id: string;
  account: string;
  region: string;
  name: string;
  created_at: number;
  retention_days: number | null;
}
export interface StreamTable {
  id: string;
  group_id: string;
  name: string;
  created_at: number;
  /** Times of the earliest and latest event; null while there is none. */
  first_event_at: number | null;
  last_event_at: number | null;
  last_ingestion_at: number | null;
  /** Bytes of messages with AWS's 26 for each event. */
  stored_bytes: number;
  /** Number that the next event gets. */
  next_sequence: number;
}
/** Events of a stream in order. Segments of one stream do not overlap in (time, sequence). */
export interface SegmentTable {
  stream_id: string;
  group_id: string;
  first_at: number;
  first_sequence: number;
  last_at: number;
  last_sequence: number;
  events: number;
  /** Size of the body before compression. */
  bytes: number;
  ingested_at: number;
  body: Uint8Array;
}
export interface LogsTables {
  logs_groups: GroupTable;
  logs_streams: StreamTable;
  logs_segments: SegmentTable;
}

export const migrations: Migrations = {
  '0001-logs': {
    async up(db, kind) {
      await db.schema
        .createTable('logs_groups')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('retention_days', 'integer')
        .addUniqueConstraint('logs_groups_name', ['account', 'region', 'name'])
        .execute();
      await db.schema
        .createTable('logs_streams')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('group_id', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('first_event_at', 'bigint')
        .addColumn('last_event_at', 'bigint')
        .addColumn('last_ingestion_at', 'bigint')
        .addColumn('stored_bytes', 'bigint', (c) => c.notNull())
        .addColumn('next_sequence', 'bigint', (c) => c.notNull())
        .addUniqueConstraint('logs_streams_name', ['group_id', 'name'])
        .execute();
      await db.schema
        .createIndex('logs_streams_latest')
        .on('logs_streams')
        // The very expression that DescribeLogStreams sorts by, or the index is of no use to it.
        .expression(sql`group_id, coalesce(last_event_at, 0), name`)
        .execute();
      await db.schema
        .createTable('logs_segments')
        .addColumn('stream_id', 'text', (c) => c.notNull())
        .addColumn('group_id', 'text', (c) => c.notNull())
        .addColumn('first_at', 'bigint', (c) => c.notNull())
        .addColumn('first_sequence', 'bigint', (c) => c.notNull())
        .addColumn('last_at', 'bigint', (c) => c.notNull())
        .addColumn('last_sequence', 'bigint', (c) => c.notNull())
        .addColumn('events', 'integer', (c) => c.notNull())
        .addColumn('bytes', 'integer', (c) => c.notNull())
        .addColumn('ingested_at', 'bigint', (c) => c.notNull())
        .addColumn('body', bytesType(kind), (c) => c.notNull())
        .addPrimaryKeyConstraint('logs_segments_key', ['stream_id', 'first_at', 'first_sequence'])
        .execute();
      await db.schema
        .createIndex('logs_segments_group')
        .on('logs_segments')
        .columns(['group_id', 'first_at', 'stream_id'])
        .execute();
    },
  },
};
