import type { Migrations } from '../../kernel/store/migrate.ts';

/** States that a row can have; those of DescribeKey. */
export type RowState =
  | 'Enabled'
  | 'Disabled'
  | 'PendingDeletion'
  | 'PendingImport'
  | 'PendingReplicaDeletion'
  | 'Unavailable';

export interface KeyTable {
  arn: string;
  account: string;
  region: string;
  /** A UUID, or `mrk-` and 32 hexadecimal digits. */
  id: string;
  spec: string;
  usage: string;
  origin: 'AWS_KMS' | 'EXTERNAL';
  manager: 'AWS' | 'CUSTOMER';
  description: string;
  state: RowState;
  /** JSON, as it was given. */
  policy: string;
  created_at: number;
  /** When the key's material is erased, while deletion is pending. */
  deletion_at: number | null;
  pending_window_days: number | null;
  multi_region: 'PRIMARY' | 'REPLICA' | null;
  /** 0 while automatic rotation is off. */
  rotation_period_days: number;
  next_rotation_at: number | null;
  /** Material that new ciphertexts are made with; null while there is none. */
  current_material: string | null;
}
/** One generation of a key's material. */
export interface MaterialTable {
  key_arn: string;
  /** 64 hexadecimal digits. */
  id: string;
  /** Sealed with the root key, bound to key and id; null once imported material was deleted or has expired. */
  sealed: string | null;
  created_at: number;
  state: 'CURRENT' | 'NON_CURRENT' | 'PENDING_ROTATION';
  rotation_type: 'AUTOMATIC' | 'ON_DEMAND' | null;
  rotated_at: number | null;
  /** Imported material only. */
  valid_to: number | null;
  description: string | null;
}
export interface AliasTable {
  account: string;
  region: string;
  /** `alias/name` */
  name: string;
  key_arn: string;
  created_at: number;
  updated_at: number;
}
export interface GrantTable {
  id: string;
  key_arn: string;
  grantee: string;
  retiring: string | null;
  name: string | null;
  /** Account and ARN of whoever made it. */
  issuing_account: string;
  /** JSON list. */
  operations: string;
  /** JSON object, or null. */
  constraints: string | null;
  created_at: number;
}
export interface KmsTables {
  kms_keys: KeyTable;
  kms_materials: MaterialTable;
  kms_aliases: AliasTable;
  kms_grants: GrantTable;
}

export const migrations: Migrations = {
  '0001-kms': {
    async up(db) {
      await db.schema
        .createTable('kms_keys')
        .addColumn('arn', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('spec', 'text', (c) => c.notNull())
        .addColumn('usage', 'text', (c) => c.notNull())
        .addColumn('origin', 'text', (c) => c.notNull())
        .addColumn('manager', 'text', (c) => c.notNull())
        .addColumn('description', 'text', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('policy', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('deletion_at', 'bigint')
        .addColumn('pending_window_days', 'integer')
        .addColumn('multi_region', 'text')
        .addColumn('rotation_period_days', 'integer', (c) => c.notNull())
        .addColumn('next_rotation_at', 'bigint')
        .addColumn('current_material', 'text')
        .addUniqueConstraint('kms_keys_id', ['account', 'region', 'id'])
        .execute();
      await db.schema.createIndex('kms_keys_everywhere').on('kms_keys').column('id').execute();
      await db.schema
        .createTable('kms_materials')
        .addColumn('key_arn', 'text', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('sealed', 'text')
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('rotation_type', 'text')
        .addColumn('rotated_at', 'bigint')
        .addColumn('valid_to', 'bigint')
        .addColumn('description', 'text')
        .addPrimaryKeyConstraint('kms_materials_key', ['key_arn', 'id'])
        .execute();
      await db.schema
        .createTable('kms_aliases')
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('key_arn', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('kms_aliases_key', ['account', 'region', 'name'])
        .execute();
      await db.schema.createIndex('kms_aliases_of_key').on('kms_aliases').columns(['key_arn', 'name']).execute();
      await db.schema
        .createTable('kms_grants')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('key_arn', 'text', (c) => c.notNull())
        .addColumn('grantee', 'text', (c) => c.notNull())
        .addColumn('retiring', 'text')
        .addColumn('name', 'text')
        .addColumn('issuing_account', 'text', (c) => c.notNull())
        .addColumn('operations', 'text', (c) => c.notNull())
        .addColumn('constraints', 'text')
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('kms_grants_of_key').on('kms_grants').columns(['key_arn', 'id']).execute();
      await db.schema.createIndex('kms_grants_grantee').on('kms_grants').columns(['key_arn', 'grantee']).execute();
      await db.schema.createIndex('kms_grants_retiring').on('kms_grants').columns(['retiring', 'id']).execute();
    },
  },
};
