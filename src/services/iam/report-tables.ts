import type { Migrations } from '../../kernel/store/migrate.ts';
import type { EntityRow } from './tables.ts';

export interface ServerCertificateRow extends EntityRow {
  body: string;
  chain: string | null;
  /** Sealed. */
  private_key: string;
  /** When the certificate ends, epoch milliseconds. */
  expires_at: number;
}
export interface SigningCertificateRow {
  id: string;
  user_id: string;
  account: string;
  body: string;
  status: string;
  uploaded_at: number;
}
/** When a user or role last spoke to a service. */
export interface ServiceUseRow {
  owner_id: string;
  /** Prefix of the service's IAM actions. */
  service: string;
  used_at: number;
  region: string;
}
export interface AccessReportRow {
  id: string;
  account: string;
  /** Whose report it is: only he who asked for it reads it. */
  principal_id: string;
  subject_arn: string;
  created_at: number;
}
export interface CredentialReportRow {
  account: string;
  generated_at: number;
  content: string;
}
export interface AccountSettingsRow {
  account: string;
  /** `v1Token` or `v2Token`. */
  token_version: string;
}
export interface RoleDeletionRow {
  id: string;
  account: string;
  status: string;
}
export interface ReportTables {
  iam_server_certificates: ServerCertificateRow;
  iam_signing_certificates: SigningCertificateRow;
  iam_service_use: ServiceUseRow;
  iam_access_reports: AccessReportRow;
  iam_credential_reports: CredentialReportRow;
  iam_account_settings: AccountSettingsRow;
  iam_role_deletions: RoleDeletionRow;
}

export const reportMigrations: Migrations = {
  '0006-certificates': {
    async up({ schema }) {
      await schema
        .createTable('iam_server_certificates')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('name_key', 'text', (c) => c.notNull())
        .addColumn('path', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('body', 'text', (c) => c.notNull())
        .addColumn('chain', 'text')
        .addColumn('private_key', 'text', (c) => c.notNull())
        .addColumn('expires_at', 'bigint', (c) => c.notNull())
        .addUniqueConstraint('iam_server_certificates_name', ['account', 'name_key'])
        .execute();
      await schema
        .createTable('iam_signing_certificates')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('user_id', 'text', (c) => c.notNull())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('body', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('uploaded_at', 'bigint', (c) => c.notNull())
        .execute();
      await schema
        .createIndex('iam_signing_certificates_user')
        .on('iam_signing_certificates')
        .column('user_id')
        .execute();
    },
  },
  '0007-reports': {
    async up({ schema }) {
      await schema.alterTable('iam_roles').addColumn('last_used_at', 'bigint').execute();
      await schema.alterTable('iam_roles').addColumn('last_used_region', 'text').execute();
      await schema
        .createTable('iam_service_use')
        .addColumn('owner_id', 'text', (c) => c.notNull())
        .addColumn('service', 'text', (c) => c.notNull())
        .addColumn('used_at', 'bigint', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('iam_service_use_key', ['owner_id', 'service'])
        .execute();
      await schema
        .createTable('iam_access_reports')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('principal_id', 'text', (c) => c.notNull())
        .addColumn('subject_arn', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .execute();
      await schema.createIndex('iam_access_reports_age').on('iam_access_reports').column('created_at').execute();
      await schema
        .createTable('iam_credential_reports')
        .addColumn('account', 'text', (c) => c.primaryKey())
        .addColumn('generated_at', 'bigint', (c) => c.notNull())
        .addColumn('content', 'text', (c) => c.notNull())
        .execute();
      await schema
        .createTable('iam_account_settings')
        .addColumn('account', 'text', (c) => c.primaryKey())
        .addColumn('token_version', 'text', (c) => c.notNull())
        .execute();
      await schema
        .createTable('iam_role_deletions')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .execute();
      await schema.createIndex('iam_policies_account').on('iam_policies').columns(['account', 'arn']).execute();
    },
  },
};
