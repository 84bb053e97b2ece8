import type { Migrations } from '../../kernel/store/migrate.ts';

export interface ProjectTable {
  id: string;
  account: string;
  region: string;
  name: string;
  created_at: number;
  modified_at: number;
  /** Number that the next build gets, from 1. */
  next_build_number: number;
  /** JSON of the project as the API shows it, without dates. */
  document: string;
}
export interface ProjectTables {
  codebuild_projects: ProjectTable;
}

/** Where a build stands in the queue: a row that is `queued` is the queue. */
export type BuildState = 'queued' | 'running' | 'over';

export interface BuildTable {
  /** `<project>:<uuid>` */
  id: string;
  account: string;
  region: string;
  project: string;
  number: number;
  /** Order of StartBuild calls; the queue is taken in it. */
  position: number;
  state: BuildState;
  /** Then a build that still waits has timed out. */
  queued_until: number;
  /** Process that runs it, and how long its word counts; see `BuildQueue`. */
  runner: string | null;
  lease_until: number;
  stop_requested: number;
  /** As the API says: IN_PROGRESS, SUCCEEDED, ... */
  status: string;
  created_at: number;
  ended_at: number | null;
  /** JSON, `BuildSettings`: what was asked for; never changed. */
  settings: string;
  /** JSON, `PhaseRecord[]`. */
  phases: string;
  /** JSON, `BuildResult`. */
  result: string;
}

/** Remembers StartBuild calls with an idempotency token. */
export interface StartTokenTable {
  account: string;
  region: string;
  token: string;
  /** Hash of the call. */
  request: string;
  build_id: string;
  expires_at: number;
}

export interface BuildTables extends ProjectTables {
  codebuild_builds: BuildTable;
  codebuild_start_tokens: StartTokenTable;
}

export const codebuildMigrations: Migrations = {
  '0001-projects': {
    async up(db) {
      await db.schema
        .createTable('codebuild_projects')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('modified_at', 'bigint', (c) => c.notNull())
        .addColumn('next_build_number', 'bigint', (c) => c.notNull())
        .addColumn('document', 'text', (c) => c.notNull())
        .addUniqueConstraint('codebuild_projects_name', ['account', 'region', 'name'])
        .execute();
      for (const column of ['created_at', 'modified_at'] as const) {
        const index = db.schema.createIndex(`codebuild_projects_${column}`).on('codebuild_projects');
        await index.columns(['account', 'region', column, 'name']).execute();
      }
    },
  },
  '0002-builds': {
    async up(db) {
      await db.schema
        .createTable('codebuild_builds')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('number', 'bigint', (c) => c.notNull())
        .addColumn('position', 'bigint', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('queued_until', 'bigint', (c) => c.notNull())
        .addColumn('runner', 'text')
        .addColumn('lease_until', 'bigint', (c) => c.notNull())
        .addColumn('stop_requested', 'integer', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('ended_at', 'bigint')
        .addColumn('settings', 'text', (c) => c.notNull())
        .addColumn('phases', 'text', (c) => c.notNull())
        .addColumn('result', 'text', (c) => c.notNull())
        .execute();
      const indexes: [string, (keyof BuildTable)[]][] = [
        ['codebuild_builds_list', ['account', 'region', 'position']],
        ['codebuild_builds_project', ['account', 'region', 'project', 'number']],
        ['codebuild_builds_queue', ['state', 'position']],
        ['codebuild_builds_queue_end', ['state', 'queued_until']],
      ];
      for (const [name, columns] of indexes) {
        await db.schema.createIndex(name).on('codebuild_builds').columns(columns).execute();
      }
      await db.schema
        .createTable('codebuild_start_tokens')
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('token', 'text', (c) => c.notNull())
        .addColumn('request', 'text', (c) => c.notNull())
        .addColumn('build_id', 'text', (c) => c.notNull())
        .addColumn('expires_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('codebuild_start_tokens_key', ['account', 'region', 'token'])
        .execute();
      await db.schema
        .createIndex('codebuild_start_tokens_expiry')
        .on('codebuild_start_tokens')
        .column('expires_at')
        .execute();
    },
  },
};
