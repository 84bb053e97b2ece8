import { commonFault } from '../../../kernel/wire/errors.ts';
import { openObject, writeArtifact } from './objects.ts';
import type { Job, Outcome, Provider } from './provider.ts';

/** Object metadata that describes the revision, as AWS names it. */
const SUMMARY_KEY = 'codepipeline-artifact-revision-summary';

/**
 * Takes an object as the source artifact: the version that was asked for, else the one that is there.
 * @see https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3.html
 */
export const s3Source: Provider = {
  async start(job): Promise<Outcome> {
    const { bucket, key, versionId } = wanted(job);
    const object = await openObject(job.role, bucket, key, versionId);
    const artifact = await writeArtifact(job.role, job.outputs[0]!, object.body);
    const version = object.versionId === undefined || object.versionId === 'null' ? undefined : object.versionId;
    const etag = object.etag.replaceAll('"', '');
    return {
      status: 'Succeeded',
      externalId: version ?? etag,
      summary: object.metadata[SUMMARY_KEY],
      artifacts: [artifact],
      variables: {
        ...(version === undefined ? {} : { VersionId: version }),
        ETag: etag,
        BucketName: bucket,
        ObjectKey: key,
      },
      revision: {
        revisionId: version ?? etag,
        changeIdentifier: etag,
        summary: object.metadata[SUMMARY_KEY] ?? `Amazon S3 version id: ${version ?? 'null'}`,
        created: object.lastModified?.getTime(),
      },
    };
  },
};

function wanted({ configuration, overrides }: Job): { bucket: string; key: string; versionId: string | undefined } {
  const revision = (type: string) => overrides.find(({ revisionType }) => revisionType === type)?.revisionValue;
  const key = revision('S3_OBJECT_KEY');
  if (key !== undefined && configuration['AllowOverrideForS3ObjectKey'] !== 'true') {
    throw commonFault('ValidationError', 'The action does not allow to override the object key');
  }
  return {
    bucket: configuration['S3Bucket']!,
    key: key ?? configuration['S3ObjectKey']!,
    versionId: revision('S3_OBJECT_VERSION_ID'),
  };
}
