import { trimEnd } from '../../../kernel/trim-end.ts';
import { contentTypeOf } from './content-types.ts';
import { keepLocally, type LocalArchive } from './local-archive.ts';
import { type ObjectSettings, openObject, writeObject } from './objects.ts';
import type { InputArtifact, Job, Outcome, Provider } from './provider.ts';
import { BadArchive, type ZipEntry, zipEntries } from './zip-file.ts';

/** Objects that are written at once. */
const PARALLEL = 8;

/**
 * Puts the input artifact into a bucket: its files below `ObjectKey`, or the archive itself as that object.
 * @see https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3Deploy.html
 */
export const s3Deploy: Provider = {
  async start(job): Promise<Outcome> {
    const [artifact] = job.inputs as [InputArtifact];
    const { bucket, key } = artifact.s3location;
    const object = await openObject(job.role, bucket, key);
    const local = await keepLocally(object.body);
    try {
      if (artifact.sha256 !== undefined && artifact.sha256 !== local.sha256) {
        return failed(`The input artifact ${artifact.name} is not what was made: its content was replaced`);
      }
      return await deploy(job, local);
    } catch (error) {
      if (!(error instanceof BadArchive)) throw error;
      return failed(`The input artifact ${artifact.name} cannot be deployed: ${error.message}`);
    } finally {
      await local.close();
    }
  },
};

function failed(message: string): Outcome {
  return { status: 'Failed', code: 'ConfigurationError', message };
}

async function deploy(job: Job, local: LocalArchive): Promise<Outcome> {
  const {
    BucketName: bucket = '',
    Extract: extract,
    ObjectKey: objectKey,
    CannedACL,
    CacheControl,
  } = job.configuration;
  const settings: ObjectSettings = {
    ...(CannedACL === undefined ? {} : { ACL: CannedACL as ObjectSettings['ACL'] }),
    ...(CacheControl === undefined ? {} : { CacheControl }),
  };
  if (extract !== 'true' && extract !== 'false') return failed(`Extract must be true or false, not '${extract}'`);
  if (extract === 'false') {
    if (objectKey === undefined) return failed('ObjectKey is required where Extract is false');
    await writeObject(job.role, { bucket, key: objectKey }, local.open(), {
      ...settings,
      ContentType: contentTypeOf(objectKey),
    });
    return done(bucket, objectKey);
  }
  const prefix = objectKey === undefined ? '' : `${trimEnd(objectKey, '/')}/`;
  const zip = await zipEntries(local.path, local.size);
  try {
    await forEachParallel(zip.entries, (entry) => writeEntry(job, bucket, prefix, entry, settings));
  } finally {
    zip.close();
  }
  return done(bucket, prefix);
}

function done(bucket: string, key: string): Outcome {
  return { status: 'Succeeded', summary: `Deployment Succeeded`, externalId: `${bucket}/${key}` };
}

async function writeEntry(
  { role }: Job,
  bucket: string,
  prefix: string,
  entry: ZipEntry,
  settings: ObjectSettings,
): Promise<void> {
  const place = { bucket, key: `${prefix}${entry.path}` };
  await writeObject(role, place, await entry.open(), {
    ...settings,
    ContentType: contentTypeOf(entry.path),
  });
}

/** Runs `work` for every item, several at a time; the first failure ends it once the others of that moment have ended. */
async function forEachParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const failures: unknown[] = [];
  const worker = async () => {
    for (const item of waiting) {
      if (failures.length > 0) return;
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  if (failures.length > 0) throw failures[0];
}
