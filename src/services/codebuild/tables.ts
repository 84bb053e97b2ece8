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

export const projectMigrations: Migrations = {
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
    },
  },
};
