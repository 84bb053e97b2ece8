import type { CompiledPolicy } from '../../kernel/auth/policy-grammar.ts';
import { parsePolicy } from '../../kernel/auth/policy-grammar.ts';
import { canonicalUserOf } from '../../kernel/auth/principals.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { noSuchBucket } from './faults.ts';
import { isPublicPolicy } from './public-policy.ts';
import type { BucketTable, Tables } from './tables.ts';

/** The settings of S3 Block Public Access. */
export interface PublicAccessBlock {
  BlockPublicAcls: boolean;
  IgnorePublicAcls: boolean;
  BlockPublicPolicy: boolean;
  RestrictPublicBuckets: boolean;
}

/** What names a bucket in a request. */
export interface BucketInput {
  Bucket: string;
  ExpectedBucketOwner?: string | undefined;
}

export function bucketArn(name: string): string {
  return `arn:aws:s3:::${name}`;
}

export function objectArn(bucket: string, key: string): string {
  return `arn:aws:s3:::${bucket}/${key}`;
}

/** An account as S3 names it: its canonical user id, 64 hexadecimal digits. */
export function ownerOf(account: string): { ID: string } {
  return { ID: canonicalUserOf(account) };
}

/** Finds a bucket. */
export async function findBucket(source: Context | Tx, name: string): Promise<BucketTable | undefined> {
  return source.db<Tables>().selectFrom('s3_buckets').selectAll().where('name', '=', name).executeTakeFirst();
}

/** @throws NoSuchBucket; AccessDenied when the caller expects another owner */
export async function bucketByName(source: Context | Tx, input: BucketInput): Promise<BucketTable> {
  const bucket = await findBucket(source, input.Bucket);
  if (bucket === undefined) throw noSuchBucket(input.Bucket);
  if (input.ExpectedBucketOwner !== undefined && input.ExpectedBucketOwner !== bucket.account) {
    throw commonFault('AccessDenied', 'Access Denied');
  }
  return bucket;
}

/** The bucket's Block Public Access settings; undefined when they were deleted. */
export function publicAccessBlockOf(bucket: BucketTable): PublicAccessBlock | undefined {
  return bucket.public_access_block === null
    ? undefined
    : (JSON.parse(bucket.public_access_block) as PublicAccessBlock);
}

/** A bucket policy ready for evaluation. */
interface KnownPolicy {
  compiled: CompiledPolicy;
  isPublic: boolean;
}

/** Compiled policies by their text: a pure function's results, so nothing can go stale. */
const compiled = new Map<string, KnownPolicy>();
const MAX_COMPILED = 500;

function knownPolicy(text: string): KnownPolicy {
  let known = compiled.get(text);
  if (known === undefined) {
    known = { compiled: parsePolicy(text, { form: 'resource' }), isPublic: isPublicPolicy(text) };
    if (compiled.size >= MAX_COMPILED) compiled.clear();
    compiled.set(text, known);
  }
  return known;
}

/**
 * The bucket's policy as it counts for this caller. Under RestrictPublicBuckets a public policy gives nothing to anybody
 * outside the owner's account but services.
 */
export function policyFor(ctx: Context, bucket: BucketTable): CompiledPolicy | undefined {
  if (bucket.policy === null) return undefined;
  const { compiled: policy, isPublic } = knownPolicy(bucket.policy);
  const { caller } = ctx;
  const outside = caller.type === 'Anonymous' || (caller.type !== 'AWSService' && caller.account !== bucket.account);
  if (outside && isPublic && publicAccessBlockOf(bucket)?.RestrictPublicBuckets === true) return undefined;
  return policy;
}
