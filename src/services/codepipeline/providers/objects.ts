import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
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

/** Writes an object as a role; nothing of it shows before its last byte is durable. The body is used up, or destroyed. */
export async function writeObject(
  role: Context,
  place: { bucket: string; key: string },
  body: Readable,
  settings: ObjectSettings = {},
): Promise<{ etag: string }> {
  try {
    const output = await role.call<typeof s3Sdk, 'PutObject'>('s3', 'PutObject', {
      Bucket: place.bucket,
      Key: place.key,
      Body: body as s3Sdk.PutObjectCommandInput['Body'],
      ...settings,
    });
    return { etag: output.ETag! };
  } finally {
    // Whoever is refused before the first byte would leave its other end (git, a file) waiting for a reader.
    body.destroy();
  }
}

/** Writes an artifact and notes its digest on the way. */
export async function writeArtifact(role: Context, place: ArtifactLocation, body: Readable): Promise<MadeArtifact> {
  const hash = createHash('sha256');
  let size = 0;
  async function* measured() {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  }
  try {
    const stream = Readable.from(measured(), { objectMode: false });
    const { etag } = await writeObject(role, place.s3location, stream, { ContentType: 'application/zip' });
    return { name: place.name, etag, size, sha256: hash.digest('hex') };
  } finally {
    body.destroy();
  }
}
