import type { Context } from '../../kernel/context.ts';
import { changeKeys, findAliasTarget } from './key-cache.ts';
import { managedPolicy } from './key-policy-documents.ts';
import { LIFECYCLE } from './lifecycle-name.ts';
import { generateMaterial } from './materials.ts';
import { insertKey, newKeyRow } from './new-key.ts';
import type { KmsTables } from './tables.ts';

const DAY_MS = 86_400_000;
/** AWS rotates its managed keys every year. */
export const MANAGED_ROTATION_DAYS = 365;

/** Services that keep a key of their own in each account, and what AWS writes into its description. */
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  s3: 'Default key that protects my S3 objects when no other key is defined',
  codecommit: 'Default key that protects my CodeCommit repositories when no other key is defined',
  codebuild: 'Default key that protects my CodeBuild build artifacts when no other key is defined',
  codepipeline: 'Default key that protects my CodePipeline artifacts when no other key is defined',
  codeartifact: 'Default key that protects my CodeArtifact data when no other key is defined',
  codedeploy: 'Default key that protects my CodeDeploy data when no other key is defined',
  lambda: 'Default key that protects my Lambda functions when no other key is defined',
  secretsmanager: 'Default key that protects my Secrets Manager data when no other key is defined',
  sns: 'Default key that protects my SNS data when no other key is defined',
  sqs: 'Default key that protects my SQS messages when no other key is defined',
  ssm: 'Default key that protects my SSM parameters when no other key is defined',
};

/** Aliases that every account has, whether or not there is a key behind them yet. Sorted. */
export const PREDEFINED_ALIASES: readonly string[] = Object.keys(DESCRIPTIONS)
  .map((service) => `alias/aws/${service}`)
  .sort();

/**
 * Makes the AWS managed key behind an alias such as `alias/aws/s3` when it is used for the first time: by its service
 * on behalf of a caller, or by DescribeKey, as AWS does.
 * @returns whether the alias is there now
 */
export async function ensureManagedKey(
  ctx: Context,
  account: string,
  alias: string,
  options: { asked?: boolean } = {},
): Promise<boolean> {
  const service = alias.startsWith('alias/aws/') ? alias.slice('alias/aws/'.length) : '';
  if (!Object.hasOwn(DESCRIPTIONS, service) || account !== ctx.account) return false;
  if (ctx.calledVia.at(-1) !== `${service}.amazonaws.com` && options.asked !== true) return false;
  if ((await findAliasTarget(ctx, account, alias)) !== undefined) return true;
  await makeManagedKey(ctx, service, alias);
  return true;
}

async function makeManagedKey(ctx: Context, service: string, alias: string): Promise<void> {
  const { account, region } = ctx;
  const draft = newKeyRow(ctx, {
    account,
    region,
    spec: 'SYMMETRIC_DEFAULT',
    usage: 'ENCRYPT_DECRYPT',
    origin: 'AWS_KMS',
    manager: 'AWS',
    description: DESCRIPTIONS[service]!,
    policy: managedPolicy(account, region, service),
    isMultiRegion: false,
  });
  const row = {
    ...draft,
    rotation_period_days: MANAGED_ROTATION_DAYS,
    next_rotation_at: draft.created_at + MANAGED_ROTATION_DAYS * DAY_MS,
  };
  const material = await generateMaterial(ctx, row.spec);
  // The service makes it for the account, not the caller: it needs none of his rights and shows in no record of his.
  const own = ctx.asService('kms.amazonaws.com', account, region);
  await changeKeys(own, async (tx) => {
    const db = tx.db<KmsTables>();
    const existing = await db
      .selectFrom('kms_aliases')
      .select('key_arn')
      .where('account', '=', account)
      .where('region', '=', region)
      .where('name', '=', alias)
      .executeTakeFirst();
    if (existing !== undefined) return; // two first uses at once
    await insertKey(own, tx, row, material);
    const at = row.created_at;
    await db
      .insertInto('kms_aliases')
      .values({ account, region, name: alias, key_arn: row.arn, created_at: at, updated_at: at })
      .execute();
    await tx.wake(LIFECYCLE, row.arn, new Date(row.next_rotation_at));
  });
}
