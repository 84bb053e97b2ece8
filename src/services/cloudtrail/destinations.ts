import * as sdk from '@aws-sdk/client-cloudtrail';
import type * as logsSdk from '@aws-sdk/client-cloudwatch-logs';
import type * as kmsSdk from '@aws-sdk/client-kms';
import type * as s3Sdk from '@aws-sdk/client-s3';
import { parseArn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';
import { fault, isFault } from '../../kernel/fault.ts';
import { putFile } from './files.ts';
import { type Place, trailArn } from './store.ts';
import type { TrailSettings } from './tables.ts';

export const CLOUDTRAIL = 'cloudtrail.amazonaws.com';
const MAX_PREFIX_CHARS = 200;

/** CloudTrail itself, working for a trail: bucket and key policies see the trail as `aws:SourceArn`. */
export function asTrail(ctx: Context, trail: { account: string; region: string; arn: string }): Context {
  return ctx.asService(CLOUDTRAIL, trail.account, trail.region, trail.arn);
}

/**
 * Tries what a trail will do: everything that would make its deliveries fail is refused now. The bucket gets the folder of
 * the account, as on AWS.
 * @throws S3BucketDoesNotExistException, InsufficientS3BucketPolicyException, InvalidCloudWatchLogsLogGroupArnException and so on
 */
export async function checkDestinations(ctx: Context, name: string, settings: TrailSettings): Promise<void> {
  checkPrefix(settings.prefix);
  const own = asTrail(ctx, { account: ctx.account, region: ctx.region, arn: trailArn(ctx, name) });
  await checkKey(ctx, settings.kms_key_id);
  await checkBucket(own, ctx, settings);
  await checkLogs(ctx, name, settings);
}

function checkPrefix(prefix: string | null): void {
  if (prefix === null) return;
  if (prefix.length > MAX_PREFIX_CHARS) {
    throw fault(sdk.InvalidS3PrefixException, `S3 prefix is longer than maximum length: ${MAX_PREFIX_CHARS}`);
  }
  if (/^\/|\/$|\/\/|\\|[\0-\x1f]/.test(prefix)) {
    throw fault(sdk.InvalidS3PrefixException, `S3 prefix is not valid: ${prefix}`);
  }
}

async function checkBucket(own: Context, place: Place, settings: TrailSettings): Promise<void> {
  const { bucket } = settings;
  try {
    await own.call<typeof s3Sdk, 'GetBucketAcl'>('s3', 'GetBucketAcl', { Bucket: bucket });
    await putFile(own, settings, `${accountFolder(settings.prefix, place.account)}/CloudTrail/`, Buffer.alloc(0));
  } catch (error) {
    if (isFault(error, 'NoSuchBucket')) {
      throw fault(sdk.S3BucketDoesNotExistException, `S3 bucket ${bucket} does not exist!`);
    }
    if (isFault(error, 'InvalidBucketName')) throw fault(sdk.InvalidS3BucketNameException, error.message);
    if (isFault(error, 'AccessDenied')) {
      const isKey = /kms:/.test(error.message);
      throw isKey
        ? fault(
            sdk.InsufficientEncryptionPolicyException,
            `Insufficient permissions to access S3 bucket ${bucket} or KMS key ${settings.kms_key_id}.`,
          )
        : fault(
            sdk.InsufficientS3BucketPolicyException,
            `Incorrect S3 bucket policy is detected for bucket: ${bucket}`,
          );
    }
    if (isFault(error) && /^KMS\./.test(error.name)) throw fault(sdk.KmsException, error.message);
    throw error;
  }
}

async function checkKey(ctx: Context, keyId: string | null): Promise<void> {
  if (keyId === null) return;
  try {
    const { KeyMetadata: key } = await ctx
      .forward(CLOUDTRAIL)
      .call<typeof kmsSdk, 'DescribeKey'>('kms', 'DescribeKey', { KeyId: keyId });
    if (key?.KeyState === 'Enabled') return;
  } catch (error) {
    if (!isFault(error, 'NotFoundException')) throw error;
    throw fault(sdk.KmsKeyNotFoundException, `KMS key ${keyId} does not exist.`);
  }
  throw fault(sdk.KmsException, `KMS key ${keyId} is not enabled.`);
}

/** The name in a log group's ARN; the form with `:*` is what CreateLogGroup's users know. */
export function logGroupOf(groupArn: string): string {
  return (
    parseArn(groupArn)
      ?.resource.replace(/^log-group:/, '')
      .replace(/:\*$/, '') ?? ''
  );
}

/** The log stream of a trail's events. */
export function logStreamOf(account: string, region: string): string {
  return `${account}_CloudTrail_${region}`;
}

async function checkLogs(ctx: Context, trailName: string, settings: TrailSettings): Promise<void> {
  const { log_group_arn: group, log_role_arn: role } = settings;
  if (group === null && role === null) return;
  if (group === null || role === null) {
    throw fault(
      sdk.InvalidParameterCombinationException,
      'CloudWatch Logs log group and role go together: both must be given, or neither.',
    );
  }
  const parsed = parseArn(group);
  if (parsed?.service !== 'logs' || !parsed.resource.startsWith('log-group:') || parsed.account !== ctx.account) {
    throw fault(
      sdk.InvalidCloudWatchLogsLogGroupArnException,
      'CloudTrail cannot validate the specified log group ARN.',
    );
  }
  await ctx.authorize('iam:PassRole', role, { 'iam:PassedToService': CLOUDTRAIL });
  try {
    await openLogStream(
      await asLogsRole(ctx, role, trailArn(ctx, trailName)),
      logGroupOf(group),
      logStreamOf(ctx.account, ctx.region),
    );
  } catch (error) {
    if (isFault(error, 'ResourceNotFoundException')) {
      throw fault(
        sdk.InvalidCloudWatchLogsLogGroupArnException,
        'CloudTrail cannot validate the specified log group ARN.',
      );
    }
    if (!isFault(error, 'AccessDenied') && !isFault(error, 'AccessDeniedException')) throw error;
    throw fault(
      sdk.InvalidCloudWatchLogsRoleArnException,
      `Access denied. Check the trust relationships for your role. (${error.message})`,
    );
  }
}

/** The role by which a trail writes to CloudWatch Logs. @throws AccessDenied */
export function asLogsRole(ctx: Context, roleArn: string, sourceArn: string): Promise<Context> {
  const options = { service: CLOUDTRAIL, sessionName: 'CLOUDWATCH_LOGS_DELIVERY_SESSION', sourceArn };
  return ctx.as(roleArn, options);
}

/** Makes the stream unless it is there. */
export async function openLogStream(role: Context, group: string, stream: string): Promise<void> {
  try {
    const input = { logGroupName: group, logStreamName: stream };
    await role.call<typeof logsSdk, 'CreateLogStream'>('cloudwatch-logs', 'CreateLogStream', input);
  } catch (error) {
    if (!isFault(error, 'ResourceAlreadyExistsException')) throw error;
  }
}

/** `prefix/AWSLogs/<account>` */
export function accountFolder(prefix: string | null, account: string): string {
  return `${prefix === null ? '' : `${prefix}/`}AWSLogs/${account}`;
}
