/** What IAM evaluates: ARNs with the bucket's policy and owner, and S3's condition keys. */
import type { Context } from '../../kernel/context.ts';
import type { ConditionKeys, ResourceRef } from '../../kernel/service.ts';
import { type BucketInput, bucketArn, bucketByName, objectArn, policyFor } from './find-bucket.ts';
import { taggingOf } from './stored-headers.ts';
import type { BucketTable } from './tables.ts';

/** The bucket of a call. @throws NoSuchBucket */
export async function bucketResource(input: BucketInput, ctx: Context): Promise<ResourceRef> {
  return bucketRef(ctx, await bucketByName(ctx, input));
}

/** The object of a call. @throws NoSuchBucket */
export async function objectResource(input: BucketInput & { Key: string }, ctx: Context): Promise<ResourceRef> {
  return objectRef(ctx, await bucketByName(ctx, input), input.Key);
}

export function bucketRef(ctx: Context, bucket: BucketTable): ResourceRef {
  return { arn: bucketArn(bucket.name), account: bucket.account, policy: policyFor(ctx, bucket) };
}

export function objectRef(ctx: Context, bucket: BucketTable, key: string): ResourceRef {
  return { arn: objectArn(bucket.name, key), account: bucket.account, policy: policyFor(ctx, bucket) };
}

interface KeyInput {
  Prefix?: string | undefined;
  Delimiter?: string | undefined;
  MaxKeys?: number | undefined;
  VersionId?: string | undefined;
  ACL?: string | undefined;
  CopySource?: string | undefined;
  MetadataDirective?: string | undefined;
  ServerSideEncryption?: string | undefined;
  StorageClass?: string | undefined;
  Tagging?: unknown;
  IfNoneMatch?: string | undefined;
  IfMatch?: string | undefined;
  CreateBucketConfiguration?: { LocationConstraint?: string | undefined } | undefined;
}

const NAMES: readonly (readonly [keyof KeyInput, string])[] = [
  ['Prefix', 's3:prefix'],
  ['Delimiter', 's3:delimiter'],
  ['MaxKeys', 's3:max-keys'],
  ['VersionId', 's3:VersionId'],
  ['ACL', 's3:x-amz-acl'],
  ['CopySource', 's3:x-amz-copy-source'],
  ['MetadataDirective', 's3:x-amz-metadata-directive'],
  ['ServerSideEncryption', 's3:x-amz-server-side-encryption'],
  ['StorageClass', 's3:x-amz-storage-class'],
  ['IfNoneMatch', 's3:if-none-match'],
  ['IfMatch', 's3:if-match'],
];

/** S3's condition keys of a call. Source: Service Authorization Reference, "Amazon S3". */
export function conditionKeys(input: KeyInput): ConditionKeys {
  const keys: Record<string, string | string[]> = {};
  for (const [member, key] of NAMES) {
    const value = input[member];
    if (value !== undefined) keys[key] = String(value);
  }
  const location = input.CreateBucketConfiguration?.LocationConstraint;
  if (location !== undefined) keys['s3:LocationConstraint'] = location;
  const tags = typeof input.Tagging === 'string' ? (taggingOf(input.Tagging) ?? {}) : {};
  for (const [name, value] of Object.entries(tags)) keys[`s3:RequestObjectTag/${name}`] = value;
  if (Object.keys(tags).length > 0) keys['s3:RequestObjectTagKeys'] = Object.keys(tags);
  return keys;
}
