/** Data keys from KMS, for the caller: his own policies and the key's decide. */
import type * as kmsSdk from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { invalidArgument, s3Fault } from './faults.ts';
import { bucketArn, objectArn } from './find-bucket.ts';
import type { BucketTable } from './tables.ts';

/** A data key as KMS made it. */
export interface KmsDataKey {
  keyArn: string;
  /** Base64: opened by KMS only. */
  sealed: string;
  context: Record<string, string>;
  plain: Buffer;
}

/** How long the key of a bucket is used again without asking KMS. Source: S3 User Guide, "S3 Bucket Keys": a time-limited key. */
const BUCKET_KEY_MS = 60_000;
const MAX_KEPT = 1_000;

interface Kept {
  key: KmsDataKey;
  until: number;
}

/** Keys of buckets, for one caller each; asked of `keyState` before each use. */
const kept = new Map<string, Kept>();

/** KMS as the caller, in the bucket's region. */
function kmsOf(ctx: Context, bucket: BucketTable): Context {
  if (ctx.caller.type === 'Anonymous') {
    throw invalidArgument(
      'Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.',
      'Authorization',
      'null',
    );
  }
  return ctx.withCaller(ctx.caller, bucket.region).forward('s3.amazonaws.com');
}

/**
 * A new data key for an object, or the bucket's where bucket keys are on.
 * @param keyId id, ARN or alias. @param more of the encryption context, from the request
 */
export async function generateDataKey(
  ctx: Context,
  bucket: BucketTable,
  key: string,
  keyId: string,
  bucketKey: boolean,
  more: Readonly<Record<string, string>>,
): Promise<KmsDataKey> {
  const context = { ...more, 'aws:s3:arn': bucketKey ? bucketArn(bucket.name) : objectArn(bucket.name, key) };
  const make = async (): Promise<KmsDataKey> => {
    const { KeyId, CiphertextBlob, Plaintext } = await passOn(
      kmsOf(ctx, bucket).call<typeof kmsSdk, 'GenerateDataKey'>('kms', 'GenerateDataKey', {
        KeyId: keyId,
        KeySpec: 'AES_256',
        EncryptionContext: context,
      }),
    );
    const sealed = Buffer.from(CiphertextBlob!).toString('base64');
    return { keyArn: KeyId!, sealed, context, plain: Buffer.from(Plaintext!) };
  };
  return bucketKey ? keep(ctx, `make ${bucket.created_at} ${keyId} ${JSON.stringify(context)}`, make) : make();
}

/** Opens a data key. */
export async function openDataKey(
  ctx: Context,
  bucket: BucketTable,
  stored: Omit<KmsDataKey, 'plain'>,
  bucketKey: boolean,
): Promise<Buffer> {
  const open = async (): Promise<KmsDataKey> => {
    const { Plaintext } = await passOn(
      kmsOf(ctx, bucket).call<typeof kmsSdk, 'Decrypt'>('kms', 'Decrypt', {
        KeyId: stored.keyArn,
        CiphertextBlob: Buffer.from(stored.sealed, 'base64'),
        EncryptionContext: stored.context,
      }),
    );
    return { ...stored, plain: Buffer.from(Plaintext!) };
  };
  return (bucketKey ? await keep(ctx, `open ${stored.sealed}`, open) : await open()).plain;
}

async function keep(ctx: Context, name: string, make: () => Promise<KmsDataKey>): Promise<KmsDataKey> {
  const { caller } = ctx;
  const who = 'arn' in caller ? `${caller.arn} ${caller.accessKeyId ?? ''}` : `${caller.type} ${caller.account}`;
  const id = `${who} ${name}`;
  const found = kept.get(id);
  const now = ctx.clock.monotonicMs();
  if (found !== undefined && found.until > now && (await ctx.keyState(found.key.keyArn)) === 'Enabled')
    return found.key;
  kept.delete(id);
  const key = await make();
  if (kept.size >= MAX_KEPT) kept.clear();
  kept.set(id, { key, until: now + BUCKET_KEY_MS });
  return key;
}

/** KMS's errors as S3 passes them on: its own `AccessDenied`, the others by KMS's names. */
async function passOn<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof Fault) || error.name === 'AccessDenied' || error.status >= 500) throw error;
    throw s3Fault(`KMS.${error.name}`, 400, error.message);
  }
}
