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
export interface LoginProfileRow {
  user_id: string;
  account: string;
  /** See `password-hash.ts`. */
  hash: string;
  reset_required: number;
  created_at: number;
  /** When the password was last set: its age counts from here. */
  changed_at: number;
}
/** Passwords that a user had, the present one included, so that he does not take one of them again. */
export interface PastPasswordRow {
  user_id: string;
  changed_at: number;
  hash: string;
}
export interface PasswordPolicyRow {
  account: string;
  min_length: number;
  require_symbols: number;
  require_numbers: number;
  require_uppercase: number;
  require_lowercase: number;
  allow_change: number;
  /** Days; 0 for passwords that never expire. */
  max_age_days: number;
  /** How many former passwords may not be taken again. */
  reuse_prevention: number;
  hard_expiry: number;
}
export interface CredentialTables {
  iam_login_profiles: LoginProfileRow;
  iam_past_passwords: PastPasswordRow;
  iam_password_policies: PasswordPolicyRow;
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
  '0005-console-passwords': {
    async up({ schema }) {
      await schema
        .createTable('iam_login_profiles')
        .addColumn('user_id', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('hash', 'text', (c) => c.notNull())
        .addColumn('reset_required', 'integer', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('changed_at', 'bigint', (c) => c.notNull())
        .execute();
      await schema
        .createTable('iam_past_passwords')
        .addColumn('user_id', 'text', (c) => c.notNull())
        .addColumn('changed_at', 'bigint', (c) => c.notNull())
        .addColumn('hash', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('iam_past_passwords_key', ['user_id', 'hash'])
        .execute();
      await schema
        .createTable('iam_password_policies')
        .addColumn('account', 'text', (c) => c.primaryKey())
        .addColumn('min_length', 'integer', (c) => c.notNull())
        .addColumn('require_symbols', 'integer', (c) => c.notNull())
        .addColumn('require_numbers', 'integer', (c) => c.notNull())
        .addColumn('require_uppercase', 'integer', (c) => c.notNull())
        .addColumn('require_lowercase', 'integer', (c) => c.notNull())
        .addColumn('allow_change', 'integer', (c) => c.notNull())
        .addColumn('max_age_days', 'integer', (c) => c.notNull())
        .addColumn('reuse_prevention', 'integer', (c) => c.notNull())
        .addColumn('hard_expiry', 'integer', (c) => c.notNull())
        .execute();
      await schema.alterTable('iam_users').addColumn('password_last_used_at', 'bigint').execute();
    },
  },
};
