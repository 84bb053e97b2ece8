/** What IAM evaluates: ARNs with the bucket's policy and owner, access lists, and S3's condition keys. */
import type { CompiledPolicy } from '../../kernel/auth/policy-grammar.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import type { ConditionKeys, ResourceRef } from '../../kernel/service.ts';
import { tagsOf } from '../../kernel/tags.ts';
import {
  type BucketInput,
  bucketArn,
  bucketByName,
  objectArn,
  ownerOf,
  policyFor,
  publicAccessBlockOf,
} from './find-bucket.ts';
import { type Grant, grantsPolicy } from './grants.ts';
import { taggingOf } from './stored-headers.ts';
import type { BucketTable, ObjectTable } from './tables.ts';
import { findLatest, findVersion } from './versions.ts';

/** What names an object, or a version of it, in a request. */
export interface ObjectInput extends BucketInput {
  Key: string;
  VersionId?: string | undefined;
}

/** The bucket of a call. @throws NoSuchBucket */
export async function bucketResource(input: BucketInput, ctx: Context): Promise<ResourceRef> {
  return bucketRef(ctx, await bucketByName(ctx, input));
}

/** The key of a call that writes or deletes: the bucket decides. @throws NoSuchBucket */
export async function objectResource(input: BucketInput & { Key: string }, ctx: Context): Promise<ResourceRef> {
  return objectRef(ctx, await bucketByName(ctx, input), input.Key);
}

/** The object of a call about what is there: its owner and its own access list count too. @throws NoSuchBucket */
export async function existingObjectResource(input: ObjectInput, ctx: Context): Promise<ResourceRef> {
  return existingObjectRef(ctx, await bucketByName(ctx, input), input.Key, input.VersionId);
}

export function bucketRef(ctx: Context, bucket: BucketTable): ResourceRef {
  return {
    arn: bucketArn(bucket.name),
    account: bucket.account,
    policy: joined(policyFor(ctx, bucket), bucketGrants(ctx, bucket)),
    keys: requestKeys(ctx, bucket.account),
    ...(bucket.abac === 1 ? { tags: () => tagsOf(ctx, bucketArn(bucket.name)) } : {}),
  };
}

const AUTH_TYPES = { header: 'REST-HEADER', query: 'REST-QUERY-STRING', form: 'POST' } as const;

/** Condition keys of how a bucket is reached. @param account that owns it, where it is there already */
export function requestKeys(ctx: Context, account?: string): ConditionKeys {
  const { signature, tlsVersion } = ctx;
  const keys: Record<string, string> = {};
  if (account !== undefined) keys['s3:ResourceAccount'] = account;
  if (tlsVersion !== undefined) keys['s3:TlsVersion'] = tlsVersion;
  if (signature !== undefined) {
    if (signature.contentSha256 !== undefined) keys['s3:x-amz-content-sha256'] = signature.contentSha256;
    keys['s3:authType'] = AUTH_TYPES[signature.form];
    keys['s3:signatureversion'] = 'AWS4-HMAC-SHA256';
    keys['s3:signatureAge'] = String(Math.max(0, ctx.now().getTime() - signature.signedAt));
  }
  return keys;
}

export function objectRef(ctx: Context, bucket: BucketTable, key: string): ResourceRef {
  return { ...bucketRef(ctx, bucket), arn: objectArn(bucket.name, key) };
}

export async function existingObjectRef(
  ctx: Context,
  bucket: BucketTable,
  key: string,
  versionId: string | undefined,
): Promise<ResourceRef> {
  const ref = objectRef(ctx, bucket, key);
  const find = () => versionOf(ctx, bucket, key, versionId);
  ref.lazyKeys = { beginning: 's3:existingobjecttag/', read: async () => tagKeys(await find()) };
  if (!listsCount(bucket)) return ref;
  const object = await find();
  if (object === undefined) return ref;
  const owner = object.owner ?? bucket.account;
  const grants = object.acl === null ? [] : (JSON.parse(object.acl) as Grant[]);
  const lists = grantsPolicy(grants, callerOf(ctx), 'object', ignoresPublic(bucket));
  // A bucket's policy gives nothing of what others own, but it can forbid.
  const policy = owner === bucket.account ? ref.policy : onlyDenials(ref.policy);
  return { ...ref, account: owner, policy: joined(policy, lists) };
}

function versionOf(source: Context | Tx, bucket: BucketTable, key: string, versionId: string | undefined) {
  return versionId === undefined
    ? findLatest(source, bucket.name, key)
    : findVersion(source, bucket.name, key, versionId);
}

function tagKeys(object: ObjectTable | undefined): ConditionKeys {
  if (object === undefined || object.tags === null) return {};
  const tags = Object.entries(JSON.parse(object.tags) as Record<string, string>);
  return Object.fromEntries(tags.map(([name, value]) => [`s3:ExistingObjectTag/${name}`, value]));
}

/** Whether access lists count in this bucket. */
export function listsCount(bucket: BucketTable): boolean {
  return bucket.ownership !== 'BucketOwnerEnforced';
}

function ignoresPublic(bucket: BucketTable): boolean {
  return publicAccessBlockOf(bucket)?.IgnorePublicAcls === true;
}

function callerOf({ caller }: Context): { id: string; account: string } {
  // Who has not signed has no account, whatever the context works in.
  if (caller.type === 'Anonymous' || caller.type === 'AWSService') return { id: '', account: '' };
  return { id: ownerOf(caller.account).ID, account: caller.account };
}

function bucketGrants(ctx: Context, bucket: BucketTable): CompiledPolicy | undefined {
  if (!listsCount(bucket) || bucket.acl === null) return undefined;
  return grantsPolicy(JSON.parse(bucket.acl) as Grant[], callerOf(ctx), 'bucket', ignoresPublic(bucket));
}

function joined(policy: CompiledPolicy | undefined, lists: CompiledPolicy | undefined): CompiledPolicy | undefined {
  if (policy === undefined || lists === undefined) return policy ?? lists;
  return { ...policy, statements: [...policy.statements, ...lists.statements] };
}

function onlyDenials(policy: CompiledPolicy | undefined): CompiledPolicy | undefined {
  return policy && { ...policy, statements: policy.statements.filter(({ effect }) => effect === 'Deny') };
}

interface KeyInput {
  Bucket?: string | undefined;
  Prefix?: string | undefined;
  Delimiter?: string | undefined;
  MaxKeys?: number | undefined;
  VersionId?: string | undefined;
  ACL?: string | undefined;
  GrantFullControl?: string | undefined;
  GrantRead?: string | undefined;
  GrantReadACP?: string | undefined;
  GrantWrite?: string | undefined;
  GrantWriteACP?: string | undefined;
  CopySource?: string | undefined;
  MetadataDirective?: string | undefined;
  ServerSideEncryption?: string | undefined;
  SSEKMSKeyId?: string | undefined;
  SSECustomerAlgorithm?: string | undefined;
  StorageClass?: string | undefined;
  WebsiteRedirectLocation?: string | undefined;
  ObjectOwnership?: string | undefined;
  Tagging?: unknown;
  IfNoneMatch?: string | undefined;
  IfMatch?: string | undefined;
  CreateBucketConfiguration?:
    | {
        LocationConstraint?: string | undefined;
        Tags?: { Key?: string | undefined; Value?: string | undefined }[] | undefined;
      }
    | undefined;
}

const NAMES: readonly (readonly [keyof KeyInput, string])[] = [
  ['Prefix', 's3:prefix'],
  ['Delimiter', 's3:delimiter'],
  ['MaxKeys', 's3:max-keys'],
  ['VersionId', 's3:VersionId'],
  ['ACL', 's3:x-amz-acl'],
  ['GrantFullControl', 's3:x-amz-grant-full-control'],
  ['GrantRead', 's3:x-amz-grant-read'],
  ['GrantReadACP', 's3:x-amz-grant-read-acp'],
  ['GrantWrite', 's3:x-amz-grant-write'],
  ['GrantWriteACP', 's3:x-amz-grant-write-acp'],
  ['CopySource', 's3:x-amz-copy-source'],
  ['MetadataDirective', 's3:x-amz-metadata-directive'],
  ['ServerSideEncryption', 's3:x-amz-server-side-encryption'],
  ['SSEKMSKeyId', 's3:x-amz-server-side-encryption-aws-kms-key-id'],
  ['SSECustomerAlgorithm', 's3:x-amz-server-side-encryption-customer-algorithm'],
  ['StorageClass', 's3:x-amz-storage-class'],
  ['WebsiteRedirectLocation', 's3:x-amz-website-redirect-location'],
  ['ObjectOwnership', 's3:x-amz-object-ownership'],
  ['IfNoneMatch', 's3:if-none-match'],
  ['IfMatch', 's3:if-match'],
];

type TagList = readonly { Key?: string | undefined; Value?: string | undefined }[];

/** S3's condition keys of a call. Source: Service Authorization Reference, "Amazon S3". */
export function conditionKeys(input: KeyInput): ConditionKeys {
  const keys: Record<string, string | string[]> = {};
  for (const [member, key] of NAMES) {
    const value = input[member];
    if (value !== undefined) keys[key] = String(value);
  }
  const configuration = input.CreateBucketConfiguration;
  if (configuration?.LocationConstraint !== undefined) keys['s3:LocationConstraint'] = configuration.LocationConstraint;
  if (configuration?.Tags !== undefined) Object.assign(keys, requestTags(configuration.Tags));
  const tags = typeof input.Tagging === 'string' ? (taggingOf(input.Tagging) ?? {}) : {};
  Object.assign(keys, objectTags(tags));
  return keys;
}

/** The same for a call that makes an object, and for one of those by which an upload in parts comes to it. */
export function creatingKeys(input: KeyInput): ConditionKeys {
  return { ...conditionKeys(input), 's3:ObjectCreationOperation': 'true' };
}

export function partKeys(input: KeyInput): ConditionKeys {
  return { ...conditionKeys(input), 's3:ObjectCreationOperation': 'false' };
}

/** Condition keys of the tags that a request gives an object. */
export function objectTags(tags: Readonly<Record<string, string>>): ConditionKeys {
  const keys: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(tags)) keys[`s3:RequestObjectTag/${name}`] = value;
  if (Object.keys(tags).length > 0) keys['s3:RequestObjectTagKeys'] = Object.keys(tags);
  return keys;
}

/** Condition keys of the tags that a request gives a bucket. */
export function requestTags(tags: TagList | undefined): ConditionKeys {
  const keys: Record<string, string | string[]> = {};
  for (const { Key = '', Value = '' } of tags ?? []) keys[`aws:RequestTag/${Key}`] = Value;
  if (tags !== undefined && tags.length > 0) keys['aws:TagKeys'] = tags.map(({ Key = '' }) => Key);
  return keys;
}
