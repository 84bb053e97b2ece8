import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type * as s3Sdk from '@aws-sdk/client-s3';
import type { Context } from '../../../kernel/context.ts';
import type { ArtifactLocation } from '../artifacts.ts';
import type { MadeArtifact } from './provider.ts';

/** An object as S3 gives it out. */
export interface StoredObject {
  readonly body: Readable;
  readonly size: number;
  readonly etag: string;
  readonly versionId: string | undefined;
  readonly lastModified: Date | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Opens an object as a role. @throws the fault of S3 */
export async function openObject(
  role: Context,
  bucket: string,
  key: string,
  versionId?: string,
): Promise<StoredObject> {
  const input = { Bucket: bucket, Key: key, ...(versionId === undefined ? {} : { VersionId: versionId }) };
  const output = await role.call<typeof s3Sdk, 'GetObject'>('s3', 'GetObject', input);
  return {
    body: output.Body as unknown as Readable,
    size: output.ContentLength!,
    etag: output.ETag!,
    versionId: output.VersionId,
    lastModified: output.LastModified,
    metadata: output.Metadata ?? {},
  };
}

/** Settings of an object that is written. */
export type ObjectSettings = Pick<s3Sdk.PutObjectCommandInput, 'ACL' | 'CacheControl' | 'ContentType'>;

/** Writes an object as a role; nothing of it shows before its last byte is durable. */
export async function writeObject(
  role: Context,
  place: { bucket: string; key: string },
  body: AsyncIterable<Uint8Array>,
  settings: ObjectSettings = {},
): Promise<{ etag: string }> {
  const output = await role.call<typeof s3Sdk, 'PutObject'>('s3', 'PutObject', {
    Bucket: place.bucket,
    Key: place.key,
    // In process the store takes any iterable of bytes; the SDK's type knows what can go over the wire.
    Body: body as unknown as s3Sdk.PutObjectCommandInput['Body'],
    ...settings,
  });
  return { etag: output.ETag! };
}

/** Writes an artifact and notes its digest on the way. */
export async function writeArtifact(
  role: Context,
  place: ArtifactLocation,
  body: AsyncIterable<Uint8Array>,
): Promise<MadeArtifact> {
  const hash = createHash('sha256');
  let size = 0;
  async function* measured() {
    for await (const chunk of body) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  }
  const { etag } = await writeObject(role, place.s3location, measured(), { ContentType: 'application/zip' });
  return { name: place.name, etag, size, sha256: hash.digest('hex') };
}
