import * as sdk from '@aws-sdk/client-cloudtrail';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { deleteAllTags, putTags } from '../../kernel/tags.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { checkDestinations } from './destinations.ts';
import { DEFAULT_SELECTORS } from './selectors.ts';
import { prepareKey } from './signing-keys.ts';
import { checkTrailName, resourceOf, seenTrails, trailArn, trailAtHome, trailByName, updateTrail } from './store.ts';
import { type TrailRow, type TrailSettings, tables } from './tables.ts';
import { checkTags, tagConditions, tagsFrom } from './tagging.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS's limit of trails that a region sees. */
const MAX_TRAILS = 5;
const TRAILS_PAGE = 100;

export const CreateTrail: Op<'CreateTrail'> = {
  resource: (input, ctx) => resourceOf(input.Name, ctx),
  conditions: (input) => tagConditions(input.TagsList),
  async handle(input, ctx) {
    const { Name: name, TagsList: tags = [] } = input;
    checkTrailName(name!);
    refuseMissing(input);
    checkTags(tags);
    const settings = settingsOf(input, {
      bucket: '',
      prefix: null,
      include_global: 1,
      multi_region: 0,
      validation: 0,
      log_group_arn: null,
      log_role_arn: null,
      kms_key_id: null,
    });
    checkCombination(settings);
    await requireNew(ctx, name!);
    await checkDestinations(ctx, name!, settings);
    const trail: TrailRow = { ...newTrail(ctx, name!), ...settings };
    await ctx.tx(async (tx) => {
      const { arn, account, home_region: region } = trail;
      const taken = await tables(tx)
        .insertInto('cloudtrail_trails')
        .values(trail)
        .onConflict((c) => c.column('arn').doNothing())
        .executeTakeFirst();
      if (taken.numInsertedOrUpdatedRows === 0n) throw alreadyExists(name!, account);
      if ((await seenTrails(tx, { account, region }, true)).length > MAX_TRAILS) {
        throw fault(
          sdk.MaximumNumberOfTrailsExceededException,
          `User: ${account} already has ${MAX_TRAILS} trails in ${region}.`,
        );
      }
      await putTags(tx, arn, tagsFrom(tags));
    });
    return described(trail);
  },
};

export const UpdateTrail: Op<'UpdateTrail'> = {
  resource: (input, ctx) => resourceOf(input.Name, ctx),
  async handle(input, ctx) {
    refuseMissing(input);
    const before = await trailAtHome(ctx, ctx, input.Name!);
    const settings = settingsOf(input, before);
    checkCombination(settings);
    await checkDestinations(ctx, before.name, settings);
    if (before.logging === 1) await prepareKey(ctx, { ...before, ...settings });
    const trail = await ctx.tx(async (tx) => {
      const now = await trailAtHome(tx, ctx, input.Name!);
      const restarts = settings.validation === 1 && now.validation === 0 && now.logging === 1;
      await updateTrail(tx, now.arn, { ...settings, ...(restarts ? { next_digest_at: null } : {}) });
      if (settings.validation === 0) await forgetDigests(tx, now.arn);
      await tx.wake('cloudtrail.delivery', now.arn);
      return { ...now, ...settings };
    });
    return described(trail);
  },
};

export const DeleteTrail: Op<'DeleteTrail'> = {
  resource: (input, ctx) => resourceOf(input.Name, ctx),
  async handle(input, ctx) {
    await ctx.tx(async (tx) => {
      const { arn } = await trailAtHome(tx, ctx, input.Name!);
      await tables(tx).deleteFrom('cloudtrail_trails').where('arn', '=', arn).execute();
      await forgetDigests(tx, arn);
      await deleteAllTags(tx, arn);
    });
    return {};
  },
};

export const DescribeTrails: Op<'DescribeTrails'> = {
  resource: () => '*',
  async handle({ trailNameList: names = [], includeShadowTrails: shadows = true }, ctx) {
    const seen = await seenTrails(ctx, ctx, shadows);
    // A name that is unknown is left out; an ARN may be of a trail elsewhere that this region does not see.
    const wanted = (trail: TrailRow) => names.length === 0 || names.includes(trail.name) || names.includes(trail.arn);
    for (const name of names) if (!name.startsWith('arn:')) checkTrailName(name);
    return { trailList: seen.filter(wanted).map((trail) => trailOf(trail)) };
  },
};

export const GetTrail: Op<'GetTrail'> = {
  resource: (input, ctx) => resourceOf(input.Name, ctx),
  async handle({ Name: name }, ctx) {
    return { Trail: trailOf(await trailByName(ctx, ctx, name!)) };
  },
};

export const ListTrails: Op<'ListTrails'> = {
  resource: () => '*',
  async handle({ NextToken: token }, ctx) {
    const after = cursorOf<string>(ctx, 'ListTrails', token, () =>
      commonFault('ValidationError', 'The next token is not valid.'),
    );
    const rows = await tables(ctx)
      .selectFrom('cloudtrail_trails')
      .select(['arn', 'name', 'home_region'])
      .where('account', '=', ctx.account)
      .where('arn', '>', after ?? '')
      .orderBy('arn')
      .limit(TRAILS_PAGE + 1)
      .execute();
    const { items, token: next } = page(ctx, 'ListTrails', rows, TRAILS_PAGE, ({ arn }) => arn);
    return {
      Trails: items.map(({ arn, name, home_region }) => ({ TrailARN: arn, Name: name, HomeRegion: home_region })),
      NextToken: next,
    };
  },
};

/** Organizations and notifications by SNS are not there; a trail that cannot do what is asked is not made. */
function refuseMissing(input: { IsOrganizationTrail?: boolean | undefined; SnsTopicName?: string | undefined }): void {
  if (input.IsOrganizationTrail === true) {
    throw fault(
      sdk.OrganizationsNotInUseException,
      'The request is not valid: this installation has no organizations.',
    );
  }
  if (input.SnsTopicName !== undefined && input.SnsTopicName !== '') {
    throw fault(sdk.UnsupportedOperationException, 'SnsTopicName is not implemented: this installation has no SNS.');
  }
}

type SettingsInput = Pick<
  sdk.UpdateTrailCommandInput,
  | 'S3BucketName'
  | 'S3KeyPrefix'
  | 'IncludeGlobalServiceEvents'
  | 'IsMultiRegionTrail'
  | 'EnableLogFileValidation'
  | 'CloudWatchLogsLogGroupArn'
  | 'CloudWatchLogsRoleArn'
  | 'KmsKeyId'
>;

/** What the input sets; the rest stays as it was. An empty text takes a setting away. */
function settingsOf(
  input: { [K in keyof SettingsInput]?: SettingsInput[K] | undefined },
  before: TrailSettings,
): TrailSettings {
  const text = (given: string | undefined, old: string | null) =>
    given === undefined ? old : given === '' ? null : given;
  const flag = (given: boolean | undefined, old: number) => (given === undefined ? old : given ? 1 : 0);
  return {
    bucket: input.S3BucketName ?? before.bucket,
    prefix: text(input.S3KeyPrefix, before.prefix),
    include_global: flag(input.IncludeGlobalServiceEvents, before.include_global),
    multi_region: flag(input.IsMultiRegionTrail, before.multi_region),
    validation: flag(input.EnableLogFileValidation, before.validation),
    log_group_arn: text(input.CloudWatchLogsLogGroupArn, before.log_group_arn),
    log_role_arn: text(input.CloudWatchLogsRoleArn, before.log_role_arn),
    kms_key_id: text(input.KmsKeyId, before.kms_key_id),
  };
}

function checkCombination(settings: TrailSettings): void {
  if (settings.multi_region === 1 && settings.include_global === 0) {
    throw fault(sdk.InvalidParameterCombinationException, 'Multi-Region trail must include global service events.');
  }
}

function alreadyExists(name: string, account: string) {
  return fault(sdk.TrailAlreadyExistsException, `Trail ${name} already exists for customer: ${account}`);
}

async function requireNew(ctx: Context, name: string): Promise<void> {
  const arn = trailArn(ctx, name);
  const taken = (await seenTrails(ctx, ctx, false)).some((trail) => trail.arn === arn);
  if (taken) throw alreadyExists(name, ctx.account);
}

function newTrail(ctx: Context, name: string): Omit<TrailRow, keyof TrailSettings> {
  return {
    arn: trailArn(ctx, name),
    account: ctx.account,
    home_region: ctx.region,
    name,
    selectors: JSON.stringify(DEFAULT_SELECTORS),
    advanced: 0,
    created_at: ctx.now().getTime(),
    logging: 0,
    started_at: null,
    stopped_at: null,
    cursor_at: 0,
    cursor_id: '',
    end_at: null,
    end_id: null,
    delivered_at: null,
    delivery_error: null,
    next_digest_at: null,
    digested_at: null,
    digest_error: null,
    logs_delivered_at: null,
    logs_error: null,
  };
}

async function forgetDigests(tx: Parameters<Parameters<Context['tx']>[0]>[0], arn: string): Promise<void> {
  for (const table of ['cloudtrail_log_files', 'cloudtrail_digests'] as const) {
    await tables(tx).deleteFrom(table).where('trail_arn', '=', arn).execute();
  }
}

/** The members that CreateTrail and UpdateTrail answer. */
function described(trail: TrailRow) {
  return {
    Name: trail.name,
    S3BucketName: trail.bucket,
    S3KeyPrefix: trail.prefix ?? undefined,
    IncludeGlobalServiceEvents: trail.include_global === 1,
    IsMultiRegionTrail: trail.multi_region === 1,
    TrailARN: trail.arn,
    LogFileValidationEnabled: trail.validation === 1,
    CloudWatchLogsLogGroupArn: trail.log_group_arn ?? undefined,
    CloudWatchLogsRoleArn: trail.log_role_arn ?? undefined,
    KmsKeyId: trail.kms_key_id ?? undefined,
    IsOrganizationTrail: false,
  };
}

function trailOf(trail: TrailRow): sdk.Trail {
  const selectors = JSON.parse(trail.selectors) as sdk.EventSelector[];
  return {
    ...described(trail),
    HomeRegion: trail.home_region,
    HasCustomEventSelectors: trail.advanced === 1 || JSON.stringify(selectors) !== JSON.stringify(DEFAULT_SELECTORS),
    HasInsightSelectors: false,
  };
}
