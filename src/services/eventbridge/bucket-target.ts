import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type * as s3 from '@aws-sdk/client-s3';
import { parseArn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { SERVICE } from './resources.ts';
import type { TargetKind } from './target-kinds.ts';

/** Larger objects go up in parts of this size: memory stays flat, and 10,000 parts are 80 GB. */
const PART_BYTES = 8 * 1024 * 1024;

/** Where the pieces of a backup go. */
interface Place {
  bucket: string;
  /** `[prefix/]ACCOUNT/REGION/REPOSITORY` */
  key: string;
}

/**
 * Puts a backup of the event's repository into a bucket, as the target's role: `NAME.bundle` and `NAME.json`. Of events
 * that come while one is on its way, one further backup tells the outcome.
 */
export const bucket: TargetKind = {
  needsRole: true,
  takesInput: false,
  // What is put by PutEvents may name anything, another account's repository in whose folder it would write as well.
  subjects: ({ source, account, region, resources }) =>
    source === 'aws.codecommit'
      ? ((resources ?? []) as unknown[]).filter(isRepositoryArn).filter((arn) => {
          const named = parseArn(arn)!;
          return named.account === account && named.region === region;
        })
      : [],
  async invoke({ target, subject, ruleArn, ruleName }, ctx) {
    if (!isRepositoryArn(subject)) {
      throw commonFault('ValidationError', 'The event names no repository: a bucket takes events of aws.codecommit.');
    }
    const { account, region, resource: repositoryName } = parseArn(subject)!;
    const rule = parseArn(ruleArn)!;
    if (rule.account !== account || rule.region !== region) {
      throw commonFault('ValidationError', `${subject} is not of the account and Region of the rule.`);
    }
    const [name = '', ...prefix] = parseArn(target.Arn!)!.resource.split('/');
    const folders = prefix.filter((folder) => folder !== '');
    const place = { bucket: name, key: [...folders, account, region, repositoryName].join('/') };
    const role = await ctx.as(target.RoleArn!, { service: SERVICE, sessionName: ruleName, sourceArn: ruleArn });
    const { bundle, metadata } = await role.repositoryBackup({ repositoryName });
    const stored = bundle === null ? null : await putBundle(role, place, bundle);
    // Last, so that the metadata that is there always has its bundle beside it.
    await role.call<typeof s3, 'PutObject'>('s3', 'PutObject', {
      Bucket: place.bucket,
      Key: `${place.key}.json`,
      ContentType: 'application/json',
      Body: Buffer.from(`${JSON.stringify({ ...metadata, bundle: stored }, undefined, 2)}\n`),
    });
  },
};

function isRepositoryArn(text: unknown): text is string {
  return typeof text === 'string' && parseArn(text)?.service === 'codecommit';
}

/** @returns what the metadata says of the bundle */
async function putBundle(role: Context, { bucket: Bucket, key }: Place, bundle: Readable) {
  const object = { Bucket, Key: `${key}.bundle` };
  const sum = createHash('sha256');
  let bytes = 0;
  const parts = partsOf(bundle, (chunk) => {
    sum.update(chunk);
    bytes += chunk.length;
  });
  try {
    const first = await parts.next();
    const second = await parts.next();
    const VersionId = second.done
      ? (await role.call<typeof s3, 'PutObject'>('s3', 'PutObject', { ...object, Body: first.value as Buffer }))
          .VersionId
      : await putParts(role, object, [first.value as Buffer, second.value], parts);
    return { key: object.Key, bytes, sha256: sum.digest('hex'), ...(VersionId === undefined ? {} : { VersionId }) };
  } finally {
    bundle.destroy();
  }
}

async function putParts(
  role: Context,
  object: { Bucket: string; Key: string },
  begun: readonly Buffer[],
  rest: AsyncIterable<Buffer>,
): Promise<string | undefined> {
  const { UploadId } = await role.call<typeof s3, 'CreateMultipartUpload'>('s3', 'CreateMultipartUpload', object);
  const upload = { ...object, UploadId: UploadId! };
  const Parts: s3.CompletedPart[] = [];
  const put = async (Body: Buffer) => {
    const PartNumber = Parts.length + 1;
    const { ETag } = await role.call<typeof s3, 'UploadPart'>('s3', 'UploadPart', { ...upload, PartNumber, Body });
    Parts.push({ PartNumber, ETag });
  };
  try {
    for (const part of begun) await put(part);
    for await (const part of rest) await put(part);
    const whole = { ...upload, MultipartUpload: { Parts } };
    return (await role.call<typeof s3, 'CompleteMultipartUpload'>('s3', 'CompleteMultipartUpload', whole)).VersionId;
  } catch (error) {
    await role.call<typeof s3, 'AbortMultipartUpload'>('s3', 'AbortMultipartUpload', upload);
    throw error;
  }
}

/** The stream in pieces of the same size but for the last one; at least one. */
async function* partsOf(stream: Readable, seen: (chunk: Buffer) => void): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    seen(chunk);
    held.push(chunk);
    size += chunk.length;
    while (size >= PART_BYTES) {
      const whole = Buffer.concat(held, size);
      yield whole.subarray(0, PART_BYTES);
      held = [whole.subarray(PART_BYTES)];
      size -= PART_BYTES;
    }
  }
  if (size > 0) yield Buffer.concat(held, size);
}
