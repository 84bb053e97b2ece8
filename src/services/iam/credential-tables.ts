import type { Migrations } from '../../kernel/store/migrate.ts';

export interface SshKeyRow {
  /** `APKA...` */
  id: string;
  user_id: string;
  account: string;
  /** `ssh-rsa AAAA...`, without a comment. */
  public_key: string;
  /** As it was uploaded. */
  body: string;
  /** `SSH` or `PEM`: the encoding of `body`. */
  encoding: string;
  fingerprint: string;
  status: string;
  uploaded_at: number;
}
export interface MfaDeviceRow {
  /** ARN: the serial number of a virtual device. */
  serial: string;
  account: string;
  name: string;
  name_key: string;
  path: string;
  /** Sealed: codes cannot be computed without it. */
  seed: string;
  created_at: number;
  /** Whose it is while it is enabled; the account's id for the root user. */
  user_id: string | null;
  enabled_at: number | null;
  /** Time step of the last code that was taken: it and those before it count no more. */
  last_step: number;
  /** How many steps the device's clock is ahead of ours. */
  drift_steps: number;
  /** Wrong codes since the last right one, and when the last of them came. */
  failures: number;
  failed_at: number;
}
export interface CredentialTables {
  iam_ssh_keys: SshKeyRow;
  iam_mfa_devices: MfaDeviceRow;
}

export const credentialMigrations: Migrations = {
  '0004-ssh-keys-and-mfa-devices': {
    async up({ schema }) {
      await schema
        .createTable('iam_ssh_keys')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('user_id', 'text', (c) => c.notNull())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('public_key', 'text', (c) => c.notNull())
        .addColumn('body', 'text', (c) => c.notNull())
        .addColumn('encoding', 'text', (c) => c.notNull())
        .addColumn('fingerprint', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('uploaded_at', 'bigint', (c) => c.notNull())
        .execute();
      await schema.createIndex('iam_ssh_keys_user').on('iam_ssh_keys').column('user_id').execute();
      await schema
        .createTable('iam_mfa_devices')
        .addColumn('serial', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('name_key', 'text', (c) => c.notNull())
        .addColumn('path', 'text', (c) => c.notNull())
        .addColumn('seed', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('user_id', 'text')
        .addColumn('enabled_at', 'bigint')
        .addColumn('last_step', 'bigint', (c) => c.notNull())
        .addColumn('drift_steps', 'integer', (c) => c.notNull())
        .addColumn('failures', 'integer', (c) => c.notNull())
        .addColumn('failed_at', 'bigint', (c) => c.notNull())
        .addUniqueConstraint('iam_mfa_devices_name', ['account', 'name_key'])
        .execute();
      await schema.createIndex('iam_mfa_devices_user').on('iam_mfa_devices').column('user_id').execute();
    },
  },
};
