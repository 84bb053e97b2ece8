import type { Kysely } from 'kysely';
import type { OpenIdProvider, SamlProvider } from '../../kernel/auth/identity.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import type { Migrations } from '../../kernel/store/migrate.ts';
import { storedSamlMetadata } from './saml-metadata.ts';

export interface OpenIdProviderRow {
  arn: string;
  account: string;
  url: string;
  /** JSON lists. */
  client_ids: string;
  thumbprints: string;
  created_at: number;
}
export interface SamlProviderRow {
  arn: string;
  account: string;
  name: string;
  uuid: string;
  metadata: string;
  created_at: number;
  valid_until: number;
}
export interface ProviderTables {
  iam_openid_providers: OpenIdProviderRow;
  iam_saml_providers: SamlProviderRow;
}

/** The tables of identity providers, outside or inside a transaction. */
export function providerTables(source: Context | Tx): Kysely<ProviderTables> {
  return source.db<ProviderTables>();
}

export const providerMigrations: Migrations = {
  '0102-identity-providers': {
    async up({ schema }) {
      await schema
        .createTable('iam_openid_providers')
        .addColumn('arn', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('url', 'text', (c) => c.notNull())
        .addColumn('client_ids', 'text', (c) => c.notNull())
        .addColumn('thumbprints', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .execute();
      await schema.createIndex('iam_openid_providers_account').on('iam_openid_providers').column('account').execute();
      await schema
        .createTable('iam_saml_providers')
        .addColumn('arn', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('uuid', 'text', (c) => c.notNull())
        .addColumn('metadata', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('valid_until', 'bigint', (c) => c.notNull())
        .execute();
      await schema.createIndex('iam_saml_providers_account').on('iam_saml_providers').column('account').execute();
    },
  },
};

/** The OIDC provider as STS needs it. */
export async function findOpenIdProvider(ctx: Context, arn: string): Promise<OpenIdProvider | undefined> {
  const row = await providerTables(ctx)
    .selectFrom('iam_openid_providers')
    .selectAll()
    .where('arn', '=', arn)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    arn,
    account: row.account,
    url: row.url,
    clientIds: JSON.parse(row.client_ids) as string[],
    thumbprints: JSON.parse(row.thumbprints) as string[],
  };
}

/** The SAML provider as STS needs it. */
export async function findSamlProvider(ctx: Context, arn: string): Promise<SamlProvider | undefined> {
  const row = await providerTables(ctx)
    .selectFrom('iam_saml_providers')
    .selectAll()
    .where('arn', '=', arn)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return { arn, account: row.account, name: row.name, ...storedSamlMetadata(row.metadata) };
}
