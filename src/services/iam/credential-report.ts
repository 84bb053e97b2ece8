import * as sdk from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import type { LoginProfileRow } from './credential-tables.ts';
import { expiryOf, passwordPolicyOf } from './password-policy.ts';
import type { SigningCertificateRow } from './report-tables.ts';
import { entityArn, listEntities } from './store.ts';
import { type AccessKeyRow, tables, type UserRow } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Source: IAM API reference, GenerateCredentialReport: a new one every four hours. */
const VALID_MS = 4 * 3_600_000;
const USERS_AT_ONCE = 500;

/** Source: IAM User Guide, "Generate credential reports for your AWS account". */
const COLUMNS = [
  'user',
  'arn',
  'user_creation_time',
  'password_enabled',
  'password_last_used',
  'password_last_changed',
  'password_next_rotation',
  'mfa_active',
  ...[1, 2].flatMap((n) => [
    `access_key_${n}_active`,
    `access_key_${n}_last_rotated`,
    `access_key_${n}_last_used_date`,
    `access_key_${n}_last_used_region`,
    `access_key_${n}_last_used_service`,
  ]),
  'cert_1_active',
  'cert_1_last_rotated',
  'cert_2_active',
  'cert_2_last_rotated',
];

const timeOf = (ms: number | null | undefined) =>
  ms === null || ms === undefined ? 'N/A' : new Date(ms).toISOString().replace(/\.\d{3}Z$/, '+00:00');
const flag = (is: boolean) => (is ? 'true' : 'false');
/** Names may hold commas. */
const field = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const lineOf = (fields: readonly string[]) => `${fields.map(field).join(',')}\n`;

export const GenerateCredentialReport: Op<'GenerateCredentialReport'> = {
  resource: () => '*',
  readOnly: false,
  async handle(_input, ctx) {
    const known = await reportOf(ctx);
    const now = ctx.now().getTime();
    if (known !== undefined && now - known.generated_at < VALID_MS) return { State: sdk.ReportStateType.COMPLETE };
    const content = await contentOf(ctx);
    const row = { account: ctx.account, generated_at: now, content };
    await ctx.tx(async (tx) => {
      await tables(tx)
        .insertInto('iam_credential_reports')
        .values(row)
        .onConflict((c) => c.column('account').doUpdateSet(row))
        .execute();
    });
    return {
      State: sdk.ReportStateType.STARTED,
      Description: 'No report exists. Starting a new report generation task',
    };
  },
};

export const GetCredentialReport: Op<'GetCredentialReport'> = {
  resource: () => '*',
  async handle(_input, ctx) {
    const row = await reportOf(ctx);
    if (row === undefined) throw fault(sdk.CredentialReportNotPresentException, 'There is no report: generate one.');
    if (ctx.now().getTime() - row.generated_at >= VALID_MS) {
      throw fault(
        sdk.CredentialReportExpiredException,
        'The report is more than four hours old: generate another one.',
      );
    }
    return {
      Content: Buffer.from(row.content),
      ReportFormat: sdk.ReportFormatType.text_csv,
      GeneratedTime: new Date(row.generated_at),
    };
  },
};

function reportOf(ctx: Context) {
  return tables(ctx)
    .selectFrom('iam_credential_reports')
    .selectAll()
    .where('account', '=', ctx.account)
    .executeTakeFirst();
}

async function contentOf(ctx: Context): Promise<string> {
  const lines = [lineOf(COLUMNS), await rootLine(ctx)];
  const policy = await passwordPolicyOf(ctx, ctx.account);
  let after: string | undefined;
  for (;;) {
    const users = await listEntities(ctx, 'user', { pathPrefix: undefined, after, limit: USERS_AT_ONCE });
    if (users.length === 0) return lines.join('');
    const credentials = await credentialsOf(ctx, users);
    for (const user of users) {
      const { password, hasMfa, keys, certificates } = credentials(user.id);
      const nextRotation = password && expiryOf(policy, password.changed_at);
      lines.push(
        lineOf([
          user.name,
          entityArn('user', user),
          timeOf(user.created_at),
          flag(password !== undefined),
          password === undefined ? 'N/A' : lastUsed(user),
          timeOf(password?.changed_at),
          timeOf(nextRotation),
          flag(hasMfa),
          ...[0, 1].flatMap((n) => keyFields(keys[n])),
          ...[0, 1].flatMap((n) => [flag(certificates[n]?.status === 'Active'), timeOf(certificates[n]?.uploaded_at)]),
        ]),
      );
    }
    after = users.at(-1)!.name_key;
  }
}

function lastUsed({ password_last_used_at: at }: UserRow): string {
  return at === null ? 'no_information' : timeOf(at);
}

function keyFields(key: AccessKeyRow | undefined): string[] {
  return [
    flag(key?.status === 'Active'),
    timeOf(key?.created_at),
    timeOf(key?.last_used_at),
    key?.last_used_region ?? 'N/A',
    key?.last_used_service ?? 'N/A',
  ];
}

/** The root user: he has no password here, but access keys. */
async function rootLine(ctx: Context): Promise<string> {
  const { account } = ctx;
  const { keys, hasMfa } = (await credentialsOf(ctx, [{ id: account }]))(account);
  const isDefault = account === ctx.config.account;
  const rows = isDefault ? [undefined, ...keys] : keys;
  const first = isDefault ? ['true', 'N/A', 'N/A', 'N/A', 'N/A'] : keyFields(rows[0]);
  return lineOf([
    '<root_account>',
    `arn:aws:iam::${account}:root`,
    timeOf(Date.parse('2026-01-01T00:00:00Z')),
    'not_supported',
    'N/A',
    'not_supported',
    'not_supported',
    flag(hasMfa),
    ...first,
    ...keyFields(rows[1]),
    ...['false', 'N/A', 'false', 'N/A'],
  ]);
}

interface Credentials {
  password: LoginProfileRow | undefined;
  hasMfa: boolean;
  keys: AccessKeyRow[];
  certificates: SigningCertificateRow[];
}

/** Everything that these users prove themselves by, looked up together. */
async function credentialsOf(ctx: Context, users: readonly { id: string }[]): Promise<(id: string) => Credentials> {
  const ids = users.map(({ id }) => id);
  const db = tables(ctx);
  const profiles = await db.selectFrom('iam_login_profiles').selectAll().where('user_id', 'in', ids).execute();
  const devices = await db.selectFrom('iam_mfa_devices').select('user_id').where('user_id', 'in', ids).execute();
  const keys = await db
    .selectFrom('iam_access_keys')
    .selectAll()
    .where('user_id', 'in', ids)
    .orderBy('created_at')
    .execute();
  const certificates = await db
    .selectFrom('iam_signing_certificates')
    .selectAll()
    .where('user_id', 'in', ids)
    .orderBy('uploaded_at')
    .execute();
  const passwords = new Map(profiles.map((row) => [row.user_id, row]));
  const withMfa = new Set(devices.map(({ user_id }) => user_id));
  const keysById = Map.groupBy(keys, ({ user_id }) => user_id);
  const certificatesById = Map.groupBy(certificates, ({ user_id }) => user_id);
  return (id) => ({
    password: passwords.get(id),
    hasMfa: withMfa.has(id),
    keys: keysById.get(id) ?? [],
    certificates: certificatesById.get(id) ?? [],
  });
}
