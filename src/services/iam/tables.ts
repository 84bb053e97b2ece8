import type { Kysely } from 'kysely';
import type { Context, Tx } from '../../kernel/context.ts';
import type { Migrations } from '../../kernel/store/migrate.ts';
import { type CredentialTables, credentialMigrations } from './credential-tables.ts';
import { type ReportTables, reportMigrations } from './report-tables.ts';

/** What users, groups, roles and managed policies have in common. */
export interface EntityRow {
  id: string;
  account: string;
  name: string;
  /** The name in lower case: names that differ in case only are the same name. */
  name_key: string;
  path: string;
  created_at: number;
}
export interface UserRow extends EntityRow {
  /** ARN of the managed policy that bounds the user. */
  boundary_arn: string | null;
  password_last_used_at: number | null;
}
export type GroupRow = EntityRow;
export interface RoleRow extends EntityRow {
  description: string | null;
  trust_policy: string;
  max_session_seconds: number;
  boundary_arn: string | null;
  last_used_at: number | null;
  last_used_region: string | null;
}
export interface PolicyRow extends EntityRow {
  arn: string;
  description: string | null;
  /** Number of the default version. */
  default_version: number;
  /** Highest number given so far; numbers are never given twice. */
  last_version: number;
  updated_at: number;
}
export interface InstanceProfileRow extends EntityRow {
  role_id: string | null;
}
export interface MemberRow {
  group_id: string;
  user_id: string;
}
export interface PolicyVersionRow {
  policy_id: string;
  version: number;
  document: string;
  created_at: number;
}
export interface InlinePolicyRow {
  owner_id: string;
  name: string;
  document: string;
}
export interface AttachmentRow {
  owner_id: string;
  policy_arn: string;
}
export interface AccessKeyRow {
  id: string;
  user_id: string;
  account: string;
  /** Sealed: a signature cannot be verified without the secret itself. */
  secret: string;
  status: string;
  created_at: number;
  last_used_at: number | null;
  last_used_service: string | null;
  last_used_region: string | null;
}
export interface ServiceCredentialRow {
  id: string;
  user_id: string;
  account: string;
  service: string;
  /** `alice-at-123456789012`; unique in the installation. */
  user_name: string;
  /** Keyed digest of the password. */
  password: string;
  status: string;
  created_at: number;
}
export interface SessionRow {
  /** `ASIA...` */
  id: string;
  account: string;
  /** Secret key and token, sealed together. */
  secrets: string;
  /** The caller as JSON, without its compiled policies. */
  caller: string;
  /** JSON list of policy documents. */
  session_policies: string;
  expires_at: number;
}
export interface AccountAliasRow {
  account: string;
  alias: string;
}
export interface IamTables extends CredentialTables, ReportTables {
  iam_users: UserRow;
  iam_groups: GroupRow;
  iam_roles: RoleRow;
  iam_policies: PolicyRow;
  iam_instance_profiles: InstanceProfileRow;
  iam_group_members: MemberRow;
  iam_policy_versions: PolicyVersionRow;
  iam_inline_policies: InlinePolicyRow;
  iam_attachments: AttachmentRow;
  iam_access_keys: AccessKeyRow;
  iam_service_credentials: ServiceCredentialRow;
  iam_sessions: SessionRow;
  iam_account_aliases: AccountAliasRow;
}

/** This service's tables, outside or inside a transaction. */
export function tables(source: Context | Tx): Kysely<IamTables> {
  return source.db<IamTables>();
}

type Schema = Parameters<Migrations[string]['up']>[0]['schema'];

function entityTable(schema: Schema, name: string) {
  return schema
    .createTable(name)
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('account', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('name_key', 'text', (c) => c.notNull())
    .addColumn('path', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addUniqueConstraint(`${name}_name`, ['account', 'name_key']);
}

export const migrations: Migrations = {
  ...credentialMigrations,
  ...reportMigrations,
  '0001-identities': {
    async up({ schema }) {
      await entityTable(schema, 'iam_users').addColumn('boundary_arn', 'text').execute();
      await entityTable(schema, 'iam_groups').execute();
      await entityTable(schema, 'iam_roles')
        .addColumn('description', 'text')
        .addColumn('trust_policy', 'text', (c) => c.notNull())
        .addColumn('max_session_seconds', 'integer', (c) => c.notNull())
        .addColumn('boundary_arn', 'text')
        .execute();
      await entityTable(schema, 'iam_policies')
        .addColumn('arn', 'text', (c) => c.notNull().unique())
        .addColumn('description', 'text')
        .addColumn('default_version', 'integer', (c) => c.notNull())
        .addColumn('last_version', 'integer', (c) => c.notNull())
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .execute();
      await entityTable(schema, 'iam_instance_profiles').addColumn('role_id', 'text').execute();
      await schema.createIndex('iam_instance_profiles_role').on('iam_instance_profiles').column('role_id').execute();
      await schema.createIndex('iam_users_boundary').on('iam_users').column('boundary_arn').execute();
      await schema.createIndex('iam_roles_boundary').on('iam_roles').column('boundary_arn').execute();
    },
  },
  '0002-policies': {
    async up({ schema }) {
      await schema
        .createTable('iam_group_members')
        .addColumn('group_id', 'text', (c) => c.notNull())
        .addColumn('user_id', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('iam_group_members_key', ['group_id', 'user_id'])
        .execute();
      await schema.createIndex('iam_group_members_user').on('iam_group_members').column('user_id').execute();
      await schema
        .createTable('iam_policy_versions')
        .addColumn('policy_id', 'text', (c) => c.notNull())
        .addColumn('version', 'integer', (c) => c.notNull())
        .addColumn('document', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('iam_policy_versions_key', ['policy_id', 'version'])
        .execute();
      await schema
        .createTable('iam_inline_policies')
        .addColumn('owner_id', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('document', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('iam_inline_policies_key', ['owner_id', 'name'])
        .execute();
      await schema
        .createTable('iam_attachments')
        .addColumn('owner_id', 'text', (c) => c.notNull())
        .addColumn('policy_arn', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('iam_attachments_key', ['owner_id', 'policy_arn'])
        .execute();
      await schema.createIndex('iam_attachments_policy').on('iam_attachments').column('policy_arn').execute();
    },
  },
  '0003-credentials': {
    async up({ schema }) {
      await schema
        .createTable('iam_access_keys')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('user_id', 'text', (c) => c.notNull())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('secret', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('last_used_at', 'bigint')
        .addColumn('last_used_service', 'text')
        .addColumn('last_used_region', 'text')
        .execute();
      await schema.createIndex('iam_access_keys_user').on('iam_access_keys').column('user_id').execute();
      await schema
        .createTable('iam_service_credentials')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('user_id', 'text', (c) => c.notNull())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('service', 'text', (c) => c.notNull())
        .addColumn('user_name', 'text', (c) => c.notNull().unique())
        .addColumn('password', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .execute();
      await schema
        .createIndex('iam_service_credentials_user')
        .on('iam_service_credentials')
        .column('user_id')
        .execute();
      await schema
        .createTable('iam_sessions')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('secrets', 'text', (c) => c.notNull())
        .addColumn('caller', 'text', (c) => c.notNull())
        .addColumn('session_policies', 'text', (c) => c.notNull())
        .addColumn('expires_at', 'bigint', (c) => c.notNull())
        .execute();
      await schema.createIndex('iam_sessions_expiry').on('iam_sessions').column('expires_at').execute();
      await schema
        .createTable('iam_account_aliases')
        .addColumn('account', 'text', (c) => c.primaryKey())
        .addColumn('alias', 'text', (c) => c.notNull().unique())
        .execute();
    },
  },
};
