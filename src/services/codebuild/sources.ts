import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type * as sdk from '@aws-sdk/client-codebuild';
import type * as s3Sdk from '@aws-sdk/client-s3';
import { arn } from '../../kernel/arn.ts';
import type { TemporaryCredentials } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';
import { cloneSource } from './git-source.ts';
import { ArchiveError, unzip } from './unzip.ts';

/** Archives up to this size are not written to the disk before they are unpacked. */
const IN_MEMORY_BYTES = 4 * 1024 * 1024;

/** What a source is fetched with and where it goes. */
export interface SourceRequest {
  /** Acts as the build's service role. */
  role: Context;
  /** Long-lived form of the same, for git. */
  credentials: () => Promise<TemporaryCredentials>;
  source: sdk.ProjectSource;
  version?: string;
  /** An existing empty folder. */
  folder: string;
  /** For files that are not part of the source. */
  scratch: string;
  searchPath: string;
  signal: AbortSignal;
}

/** Brings a source into a folder. @returns the commit's id, for git */
export async function fetchSource(request: SourceRequest): Promise<string | undefined> {
  switch (request.source.type) {
    case 'NO_SOURCE':
      return undefined;
    case 'CODECOMMIT':
      return fetchRepository(request);
    default:
      await fetchObject(request);
      return undefined;
  }
}

/** Name of a repository in its clone URL, or as it is. */
export function repositoryNameOf(location: string): string {
  return /\/v1\/repos\/([^/]+?)(?:\.git)?\/?$/.exec(location)?.[1] ?? location;
}

async function fetchRepository({ role, source, version, folder, ...request }: SourceRequest): Promise<string> {
  const name = repositoryNameOf(source.location!);
  // The door of git would say 403; this says who may not do what.
  await role.authorize('codecommit:GitPull', arn('codecommit', role.region, role.account, name));
  await rm(folder, { recursive: true });
  return cloneSource({
    url: `${role.publicUrl}/v1/repos/${encodeURIComponent(name)}`,
    region: role.region,
    credentials: await request.credentials(),
    now: role.now(),
    version: version === '' ? undefined : version,
    depth: source.gitCloneDepth ?? 0,
    folder,
    searchPath: request.searchPath,
    signal: request.signal,
  });
}

/** `bucket/key` or `arn:aws:s3:::bucket/key` */
export function splitLocation(location: string): { bucket: string; key: string } {
  const text = location.replace(/^arn:[^:]*:s3:::/, '');
  const slash = text.indexOf('/');
  return slash === -1 ? { bucket: text, key: '' } : { bucket: text.slice(0, slash), key: text.slice(slash + 1) };
}

/** A zip archive in S3, or a folder of objects. */
async function fetchObject(request: SourceRequest): Promise<void> {
  const { role, source, folder, scratch, signal } = request;
  const { bucket, key } = splitLocation(source.location!);
  if (key === '' || key.endsWith('/')) return fetchFolder(request, bucket, key);
  const version = source.type === 'S3' && request.version ? { VersionId: request.version } : {};
  const object = { Bucket: bucket, Key: key, ...version };
  const { Body, ContentLength: size } = await role.call<typeof s3Sdk, 'GetObject'>('s3', 'GetObject', object);
  if (size !== undefined && size <= IN_MEMORY_BYTES) return unzip(await buffer(Body as unknown as Readable), folder);
  const archive = join(scratch, 'source.zip');
  await pipeline(Body as unknown as Readable, createWriteStream(archive, { flags: 'wx' }), { signal });
  try {
    await unzip(archive, folder);
  } finally {
    await rm(archive, { force: true });
  }
}

async function fetchFolder(
  { role, folder, signal }: SourceRequest,
  bucket: string,
  prefix: string,
): Promise<undefined> {
  let token: string | undefined;
  do {
    const page = await role.call<typeof s3Sdk, 'ListObjectsV2'>('s3', 'ListObjectsV2', {
      Bucket: bucket,
      Prefix: prefix,
      ContinuationToken: token,
    });
    for (const { Key: key } of page.Contents ?? []) {
      const path = key!.slice(prefix.length);
      if (path === '' || path.endsWith('/')) continue;
      // Keys are any text; as a path one of these would lead elsewhere.
      if (path.split('/').some((part) => ['', '.', '..'].includes(part)) || path.includes('\0')) {
        throw new ArchiveError(`the object ${JSON.stringify(key)} cannot be a file of the source`);
      }
      const target = join(folder, path);
      await mkdir(dirname(target), { recursive: true });
      await download(role, { Bucket: bucket, Key: key! }, target, signal);
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
}

/** Writes an object's content to a file, a chunk at a time. */
async function download(
  role: Context,
  object: { Bucket: string; Key: string; VersionId?: string },
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const { Body } = await role.call<typeof s3Sdk, 'GetObject'>('s3', 'GetObject', object);
  await pipeline(Body as unknown as Readable, createWriteStream(path, { flags: 'wx' }), { signal });
}

/** Reads a small object. @throws when it is larger than `maxBytes` */
export async function readObject(role: Context, location: string, maxBytes: number): Promise<string> {
  const { bucket, key } = splitLocation(location);
  const { Body } = await role.call<typeof s3Sdk, 'GetObject'>('s3', 'GetObject', { Bucket: bucket, Key: key });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of Body as unknown as Readable) {
    bytes += (chunk as Buffer).length;
    if (bytes > maxBytes) throw new ArchiveError(`${location} is larger than ${maxBytes} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}
