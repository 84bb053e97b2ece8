import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gzip as gzipCallback } from 'node:zlib';
import type * as s3Sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { TrailSettings } from './tables.ts';

const gzipAsync = promisify(gzipCallback);

/** SHA-256 as hex: what digests hold of files before their compression. */
export function sha256(text: Buffer | string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Compresses to the same bytes for the same text: a file that is made again after a crash is the same file. */
export function gzip(text: Buffer | string): Promise<Buffer> {
  return gzipAsync(text, { level: 6 });
}

/** `20260102T030405Z`; `seconds` false leaves them out, as names of log files do. */
export function stamp(at: number, seconds = true): string {
  const text = new Date(at)
    .toISOString()
    .replace(/[-:]/g, '')
    .replace(/\.\d{3}/, '');
  return seconds ? text : text.replace(/\d{2}Z$/, 'Z');
}

/** `2026/01/02` */
export function dayFolder(at: number): string {
  return new Date(at).toISOString().slice(0, 10).replaceAll('-', '/');
}

/** `2026-01-02T03:04:05Z` */
export function timeText(at: number): string {
  return new Date(at).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** Writes one file to a trail's bucket. @param own CloudTrail itself, working for the trail */
export async function putFile(
  own: Context,
  { bucket, kms_key_id: key }: Pick<TrailSettings, 'bucket' | 'kms_key_id'>,
  name: string,
  bytes: Buffer,
  metadata?: Record<string, string>,
): Promise<void> {
  await own.call<typeof s3Sdk, 'PutObject'>('s3', 'PutObject', {
    Bucket: bucket,
    Key: name,
    Body: Readable.from(bytes.length === 0 ? [] : [bytes]) as unknown as NonNullable<
      s3Sdk.PutObjectCommandInput['Body']
    >,
    ContentLength: bytes.length,
    ContentType: 'application/json',
    ACL: 'bucket-owner-full-control',
    ...(bytes.length === 0 ? {} : { ContentEncoding: 'gzip' }),
    ...(metadata === undefined ? {} : { Metadata: metadata }),
    ...(key === null ? {} : { ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: key }),
  });
}
