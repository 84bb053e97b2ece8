import { type Kysely, sql } from 'kysely';
import { UNKNOWN_TIP } from '../../git/truth.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import type { Migrations } from '../../kernel/store/migrate.ts';

/** A repository. Its id names its blobs and its cache folder; its name is never part of a path. */
export interface RepositoryRow {
  id: string;
  account: string;
  region: string;
  name: string;
  description: string | null;
  /** Full name of the default branch; null until the first branch is there. */
  head: string | null;
  /** Grows with every change of references, head or packs. */
  generation: number;
  created_at: number;
  modified_at: number;
  /** ARN of the KMS key that has wrapped the data key; null until the first use of a repository of a former version. */
  kms_key_arn: string | null;
  /** The key of its packs as KMS has wrapped it, in base64. */
  data_key: string | null;
  /** How often objects were taken out of it. */
  collections: number;
  /** Grows with each row, other than a reference, that comes to name one of its objects. */
  mentions: number;
  collected_at: number | null;
}

/** An object that a reference led to until it was moved by force or deleted. It stays, with its history, for a time of grace. */
export interface LeftTipRow {
  repository_id: string;
  /** {@link UNKNOWN_TIP} for all that a version has left that did not note it. */
  object_id: string;
  left_at: number;
}

export interface RefRow {
  repository_id: string;
  /** Full name, `refs/heads/main`. */
  name: string;
  object_id: string;
  /** What an annotated tag finally leads to. */
  peeled: string | null;
}

/** A pack whose bytes are blobs. */
export interface PackRow {
  repository_id: string;
  id: string;
  objects: number;
  bytes: number;
  /** 0 for the plain blobs of former versions. */
  sealed: number;
}

/** A pack that was folded into another one; its blobs stay for a while. */
export interface DroppedPackRow {
  repository_id: string;
  id: string;
  dropped_at: number;
}

/** A deleted repository whose blobs and cache are still to go. */
export interface RemovalRow {
  repository_id: string;
  removed_at: number;
}

/** A merge commit that the API has made: what was merged, and how. */
export interface MergeCommitRow {
  repository_id: string;
  commit_id: string;
  source_id: string;
  destination_id: string;
  base_id: string | null;
  merge_option: string;
  detail_level: string;
  strategy: string;
  made_at: number;
}

export interface CodeCommitTables {
  codecommit_merge_commits: MergeCommitRow;
  codecommit_repositories: RepositoryRow;
  codecommit_refs: RefRow;
  codecommit_packs: PackRow;
  codecommit_dropped_packs: DroppedPackRow;
  codecommit_removals: RemovalRow;
  codecommit_left_tips: LeftTipRow;
}

export const migrations: Migrations = {
  '0001-repositories': {
    async up(db) {
      await db.schema
        .createTable('codecommit_repositories')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('description', 'text')
        .addColumn('head', 'text')
        .addColumn('generation', 'bigint', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('modified_at', 'bigint', (c) => c.notNull())
        .addUniqueConstraint('codecommit_repositories_name', ['account', 'region', 'name'])
        .execute();
      await db.schema
        .createIndex('codecommit_repositories_modified')
        .on('codecommit_repositories')
        .columns(['account', 'region', 'modified_at', 'name'])
        .execute();
      await db.schema
        .createIndex('codecommit_repositories_account')
        .on('codecommit_repositories')
        .columns(['account', 'name'])
        .execute();
      await db.schema
        .createTable('codecommit_refs')
        .addColumn('repository_id', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('object_id', 'text', (c) => c.notNull())
        .addColumn('peeled', 'text')
        .addPrimaryKeyConstraint('codecommit_refs_key', ['repository_id', 'name'])
        .execute();
      await db.schema
        .createTable('codecommit_packs')
        .addColumn('repository_id', 'text', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('objects', 'bigint', (c) => c.notNull())
        .addColumn('bytes', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('codecommit_packs_key', ['repository_id', 'id'])
        .execute();
      await db.schema
        .createTable('codecommit_removals')
        .addColumn('repository_id', 'text', (c) => c.primaryKey())
        .addColumn('removed_at', 'bigint', (c) => c.notNull())
        .execute();
    },
  },
  '0010-merge-commits': {
    async up(db) {
      await db.schema
        .createTable('codecommit_merge_commits')
        .addColumn('repository_id', 'text', (c) => c.notNull())
        .addColumn('source_id', 'text', (c) => c.notNull())
        .addColumn('commit_id', 'text', (c) => c.notNull())
        .addColumn('destination_id', 'text', (c) => c.notNull())
        .addColumn('base_id', 'text')
        .addColumn('merge_option', 'text', (c) => c.notNull())
        .addColumn('detail_level', 'text', (c) => c.notNull())
        .addColumn('strategy', 'text', (c) => c.notNull())
        .addColumn('made_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('codecommit_merge_commits_key', ['repository_id', 'source_id', 'commit_id'])
        .execute();
    },
  },
  '0011-encryption': {
    async up(db) {
      const repositories = db.schema.alterTable('codecommit_repositories');
      await repositories.addColumn('kms_key_arn', 'text').execute();
      await repositories.addColumn('data_key', 'text').execute();
      await db.schema
        .alterTable('codecommit_packs')
        .addColumn('sealed', 'integer', (c) => c.notNull().defaultTo(0))
        .execute();
      await db.schema
        .createTable('codecommit_dropped_packs')
        .addColumn('repository_id', 'text', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('dropped_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('codecommit_dropped_packs_key', ['repository_id', 'id'])
        .execute();
    },
  },
  '0012-collections': {
    async up(db) {
      const repositories = db.schema.alterTable('codecommit_repositories');
      await repositories.addColumn('collections', 'bigint', (c) => c.notNull().defaultTo(0)).execute();
      await repositories.addColumn('mentions', 'bigint', (c) => c.notNull().defaultTo(0)).execute();
      await repositories.addColumn('collected_at', 'bigint').execute();
      await db.schema
        .createTable('codecommit_left_tips')
        .addColumn('repository_id', 'text', (c) => c.notNull())
        .addColumn('object_id', 'text', (c) => c.notNull())
        .addColumn('left_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('codecommit_left_tips_key', ['repository_id', 'object_id'])
        .execute();
      await db.schema
        .createIndex('codecommit_left_tips_time')
        .on('codecommit_left_tips')
        .columns(['left_at', 'repository_id'])
        .execute();
    },
  },
  '0013-unknown-tips': {
    async up(db) {
      // What references have left so far is not known, but it was not later than the last change.
      await sql`
        insert into codecommit_left_tips (repository_id, object_id, left_at)
          select id, ${UNKNOWN_TIP}, modified_at from codecommit_repositories
      `.execute(db);
    },
  },
};

/** This service's tables, outside or inside a transaction. */
export function tables(source: Context | Tx): Kysely<CodeCommitTables> {
  return source.db<CodeCommitTables>();
}
