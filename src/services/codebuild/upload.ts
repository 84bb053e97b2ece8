import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type * as sdk from '@aws-sdk/client-codebuild';
import type * as s3Sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import { trimEnd } from '../../kernel/trim-end.ts';
import {
  ArtifactError,
  type ArtifactFile,
  type ArtifactPatterns,
  type ArtifactPlace,
  selectFiles,
} from './artifacts.ts';
import type { BuildSettings } from './build-settings.ts';
import type { ArtifactResult } from './build-store.ts';
import type { ArtifactSpec, Buildspec } from './buildspec.ts';
import { PRIMARY } from './script.ts';
import { zipOf } from './zip.ts';

export interface UploadRequest {
  /** Acts as the build's service role. */
  role: Context;
  buildArn: string;
  /** Last part of the build's id. */
  buildUuid: string;
  project: string;
  settings: BuildSettings;
  buildspec: Buildspec;
  /** Texts that the shell of the build expanded; undefined values failed. */
  expanded: ReadonlyMap<string, string | undefined>;
  place: ArtifactPlace;
  /** For archives on their way. */
  scratch: string;
  signal: AbortSignal;
  line(text: string): void;
}

/**
 * Puts a build's artifacts where its project says, as its service role.
 * @throws {ArtifactError} nothing matches, or the buildspec does not define what the project asks for
 */
export async function uploadArtifacts(
  request: UploadRequest,
): Promise<{ primary?: ArtifactResult; secondary: ArtifactResult[] }> {
  const { settings, buildspec, line } = request;
  const secondary: ArtifactResult[] = [];
  let primary: ArtifactResult | undefined;
  const isOneOf = settings.secondaryArtifacts.some((one) => isSamePlace(one, settings.artifacts));
  if (settings.artifacts.type !== 'NO_ARTIFACTS' && !isOneOf) {
    if (buildspec.artifacts === undefined) line('No artifacts are defined in the buildspec: none is uploaded');
    else primary = await uploadOne(request, settings.artifacts, buildspec.artifacts, PRIMARY);
  }
  line('Preparing to copy secondary artifacts');
  if (settings.secondaryArtifacts.length === 0) line('No secondary artifacts defined in buildspec');
  for (const asked of settings.secondaryArtifacts) {
    const id = asked.artifactIdentifier ?? '';
    const own = buildspec.secondaryArtifacts.get(id);
    // A pipeline asks for its first output twice: by its name, and as the primary artifact.
    const spec = own ?? (isSamePlace(asked, settings.artifacts) ? buildspec.artifacts : undefined);
    if (spec === undefined) throw new ArtifactError(`the buildspec has no secondary artifact of the name ${id}`);
    const made = await uploadOne(request, asked, spec, own === undefined ? PRIMARY : `secondary:${id}`);
    secondary.push({ ...made, artifactIdentifier: id });
    if (isSamePlace(asked, settings.artifacts)) primary = made;
  }
  return { ...(primary === undefined ? {} : { primary }), secondary };
}

function isSamePlace(a: sdk.ProjectArtifacts, b: sdk.ProjectArtifacts): boolean {
  return a.type === b.type && a.type === 'CODEPIPELINE' && a.location === b.location && a.name === b.name;
}

async function uploadOne(
  request: UploadRequest,
  asked: sdk.ProjectArtifacts,
  spec: ArtifactSpec,
  id: string,
): Promise<ArtifactResult> {
  const expand = (key: string, text: string): string => {
    const full = `${id}:${key}`;
    if (!request.expanded.has(full)) return text;
    const value = request.expanded.get(full);
    if (value === undefined) throw new ArtifactError(`the shell could not expand ${text}`);
    return value;
  };
  const patterns: ArtifactPatterns = {
    files: spec.files.map((text, at) => expand(`files:${at}`, text)),
    excludePaths: spec.excludePaths.map((text, at) => expand(`exclude-paths:${at}`, text)),
    discardPaths: spec.discardPaths,
    keepLinks: spec.enableSymlinks && isZip(asked),
    ...(spec.baseDirectory === undefined ? {} : { baseDirectory: expand('base-directory', spec.baseDirectory) }),
  };
  const { files, lines } = await selectFiles(request.place, patterns);
  for (const line of lines) request.line(line);
  const name = spec.name === undefined ? undefined : expand('name', spec.name);
  const prefix = spec.s3Prefix === undefined ? undefined : expand('s3-prefix', spec.s3Prefix);
  const { bucket, key } = targetOf(asked, { name, prefix, project: request.project, buildUuid: request.buildUuid });
  return isZip(asked) ? uploadZip(request, files, bucket, key) : uploadFolder(request, files, bucket, key);
}

function isZip({ type, packaging }: sdk.ProjectArtifacts): boolean {
  return type === 'CODEPIPELINE' || packaging === 'ZIP';
}

/**
 * Where an artifact goes: `[path/][build id/]name`.
 * @see https://docs.aws.amazon.com/codebuild/latest/APIReference/API_ProjectArtifacts.html
 */
export function targetOf(
  asked: sdk.ProjectArtifacts,
  facts: { name: string | undefined; prefix: string | undefined; project: string; buildUuid: string },
): { bucket: string; key: string } {
  const bucket = asked.location!.replace(/^arn:[^:]*:s3:::/, '');
  if (asked.type === 'CODEPIPELINE') return { bucket, key: asked.name! };
  const name = (asked.overrideArtifactName ? facts.name : undefined) ?? asked.name ?? facts.project;
  const byBuild = asked.namespaceType === 'BUILD_ID';
  const parts = byBuild && facts.prefix !== undefined ? [facts.prefix] : [asked.path ?? ''];
  if (byBuild) parts.push(facts.buildUuid);
  // A name of `/` stores in the folder itself.
  parts.push(name);
  return {
    bucket,
    key: parts
      .map((part) => trimEnd(part.replace(/^\/+/, ''), '/'))
      .filter((part) => part !== '')
      .join('/'),
  };
}

async function uploadZip(
  request: UploadRequest,
  files: readonly ArtifactFile[],
  bucket: string,
  key: string,
): Promise<ArtifactResult> {
  const { role, buildArn, place, scratch, signal } = request;
  const archive = join(scratch, 'artifact.zip');
  const sums = new Sums();
  await pipeline(zipOf(files, place.files), sums, createWriteStream(archive), { signal });
  try {
    const { size } = await stat(archive);
    const { md5sum, sha256sum } = sums.result();
    await putObject(role, createReadStream(archive), {
      Bucket: bucket,
      Key: key,
      ContentLength: size,
      ContentType: 'application/zip',
      Metadata: {
        'codebuild-buildarn': buildArn,
        'codebuild-content-md5': md5sum,
        'codebuild-content-sha256': sha256sum,
      },
    });
    return { location: `arn:aws:s3:::${bucket}/${key}`, md5sum, sha256sum };
  } finally {
    await rm(archive, { force: true });
  }
}

async function uploadFolder(
  { role, buildArn, place, signal }: UploadRequest,
  files: readonly ArtifactFile[],
  bucket: string,
  key: string,
): Promise<ArtifactResult> {
  for (const { name, path } of files) {
    signal.throwIfAborted();
    const { sizeBytes } = await place.files.stat(path);
    await putObject(role, await place.files.open(path), {
      Bucket: bucket,
      Key: key === '' ? name : `${key}/${name}`,
      ContentLength: sizeBytes,
      Metadata: { 'codebuild-buildarn': buildArn },
    });
  }
  return { location: `arn:aws:s3:::${bucket}/${key}` };
}

async function putObject(
  role: Context,
  body: Readable,
  input: Omit<s3Sdk.PutObjectCommandInput, 'Body'>,
): Promise<void> {
  try {
    await role.call<typeof s3Sdk, 'PutObject'>('s3', 'PutObject', { ...input, Body: body });
  } finally {
    // A call that was refused has read nothing of it.
    body.destroy();
  }
}

/** Sums what passes. */
class Sums extends Transform {
  readonly #md5 = createHash('md5');
  readonly #sha256 = createHash('sha256');

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#md5.update(chunk);
    this.#sha256.update(chunk);
    done(null, chunk);
  }

  result(): { md5sum: string; sha256sum: string } {
    return { md5sum: this.#md5.digest('hex'), sha256sum: this.#sha256.digest('hex') };
  }
}
