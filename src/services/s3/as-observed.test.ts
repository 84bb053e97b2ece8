import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';

type Answered = { $metadata: { httpStatusCode?: number } };
const statusOf = ({ $metadata }: Answered) => $metadata.httpStatusCode;

/** What clients see of S3 itself and its reference does not tell. */
test('S3 as it answers', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const Bucket = 'observed';
  await s3.createBucket({ Bucket });
  const headersOfFailure = async (call: Promise<unknown>) => {
    const error = await call.then(
      () => assert.fail('this was refused before'),
      (found) => found,
    );
    return { status: error.$metadata.httpStatusCode, headers: error.$response.headers as Record<string, string> };
  };

  await t.test('part 1 of an object that came whole is all of it, as a part', async () => {
    const Key = 'whole';
    await s3.putObject({ Bucket, Key, Body: 'x'.repeat(10) });
    for (const read of [s3.headObject({ Bucket, Key, PartNumber: 1 }), s3.getObject({ Bucket, Key, PartNumber: 1 })]) {
      const part = await read;
      assert.equal(statusOf(part), 206);
      assert.equal(part.ContentRange, 'bytes 0-9/10');
    }
    assert.equal(statusOf(await s3.headObject({ Bucket, Key })), 200);
    await s3.putObject({ Bucket, Key: 'empty', Body: '' });
    assert.equal(statusOf(await s3.headObject({ Bucket, Key: 'empty', PartNumber: 1 })), 200);
  });

  await t.test('a part is read with its own checksum; attributes tell a composite one without the count', async () => {
    const Key = 'parts';
    const { UploadId } = await s3.createMultipartUpload({ Bucket, Key, ChecksumAlgorithm: 'SHA256' });
    const part = await s3.uploadPart({
      Bucket,
      Key,
      UploadId,
      PartNumber: 1,
      Body: 'one',
      ChecksumAlgorithm: 'SHA256',
    });
    const { ETag, ChecksumSHA256 } = part;
    const Parts = [{ PartNumber: 1, ETag, ChecksumSHA256 }];
    const whole = await s3.completeMultipartUpload({ Bucket, Key, UploadId, MultipartUpload: { Parts } });
    assert.match(whole.ChecksumSHA256!, /=-1$/);
    const read = await s3.headObject({ Bucket, Key, PartNumber: 1, ChecksumMode: 'ENABLED' });
    assert.equal(read.ChecksumType, 'COMPOSITE');
    const all = await s3.headObject({ Bucket, Key, ChecksumMode: 'ENABLED' });
    assert.equal(all.ChecksumSHA256, whole.ChecksumSHA256);
    const { Checksum } = await s3.getObjectAttributes({ Bucket, Key, ObjectAttributes: ['Checksum'] });
    assert.deepEqual(Checksum, { ChecksumSHA256: whole.ChecksumSHA256!.replace('-1', ''), ChecksumType: 'COMPOSITE' });
  });

  await t.test('a delete marker says that it is one, also where nothing is found', async () => {
    const Key = 'gone';
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
    await s3.putObject({ Bucket, Key, Body: 'x' });
    const { VersionId } = await s3.deleteObject({ Bucket, Key });
    const newest = await headersOfFailure(s3.headObject({ Bucket, Key }));
    assert.equal(newest.status, 404);
    assert.equal(newest.headers['x-amz-delete-marker'], 'true');
    assert.equal(newest.headers['x-amz-version-id'], VersionId);
    const named = await headersOfFailure(s3.getObject({ Bucket, Key, VersionId }));
    assert.equal(named.status, 405);
    assert.equal(named.headers['x-amz-delete-marker'], 'true');
    assert.equal(named.headers['allow'], 'DELETE');
    assert.ok(Number.isFinite(Date.parse(named.headers['last-modified']!)));
    const never = await headersOfFailure(s3.headObject({ Bucket, Key: 'never' }));
    assert.equal(never.headers['x-amz-delete-marker'], undefined);
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Suspended' } });
  });

  await t.test('a copy onto itself needs a change, or a class or an encryption to be named', async () => {
    const Key = 'same';
    await s3.putObject({ Bucket, Key, Body: 'x' });
    const copy = (more: object) => s3.copyObject({ Bucket, Key, CopySource: `${Bucket}/${Key}`, ...more });
    await assert.rejects(copy({}), { name: 'InvalidRequest' });
    await copy({ StorageClass: 'STANDARD' });
    await copy({ ServerSideEncryption: 'AES256' });
  });

  await t.test('conditional writes take * or a tag, each where it may be', async () => {
    const Key = 'conditional';
    const { ETag } = await s3.putObject({ Bucket, Key, Body: 'x' });
    const put = (more: object) => s3.putObject({ Bucket, Key, Body: 'y', ...more });
    await assert.rejects(put({ IfNoneMatch: ETag }), { name: 'NotImplemented' });
    await assert.rejects(put({ IfMatch: '*' }), { name: 'NotImplemented' });
    await assert.rejects(put({ IfNoneMatch: '*' }), { name: 'PreconditionFailed' });
    await put({ IfMatch: ETag });
  });

  await t.test('the endpoint of a Region makes buckets in its own only', async () => {
    const west = server.clients(server.root_.keys, 'us-west-2').s3;
    for (const LocationConstraint of ['us-east-1', 'eu-central-1', 'us-gov-east-2'] as never[]) {
      await assert.rejects(
        west.createBucket({ Bucket: 'elsewhere', CreateBucketConfiguration: { LocationConstraint } }),
        {
          name: 'IllegalLocationConstraintException',
          message: `The ${LocationConstraint} location constraint is incompatible for the region specific endpoint this request was sent to.`,
        },
      );
    }
    const error = await west
      .createBucket({ Bucket, CreateBucketConfiguration: { LocationConstraint: 'us-west-2' } })
      .then(
        () => undefined,
        (found) => found,
      );
    assert.deepEqual([error.name, error.BucketName], ['BucketAlreadyOwnedByYou', Bucket]);
  });

  await t.test('settings that answer with nothing say so by their status', async () => {
    const TagSet = [{ Key: 'a', Value: 'b' }];
    assert.equal(statusOf(await s3.putBucketTagging({ Bucket, Tagging: { TagSet } })), 204);
    const Statement = [
      { Effect: 'Deny', Principal: '*', Action: 's3:DeleteBucket', Resource: `arn:aws:s3:::${Bucket}` },
    ];
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
    assert.equal(statusOf(await s3.putBucketPolicy({ Bucket, Policy })), 204);
    const rule = { AllowedMethods: ['GET'], AllowedOrigins: ['*'] };
    const many = s3.putBucketCors({
      Bucket,
      CORSConfiguration: { CORSRules: Array.from({ length: 101 }, () => rule) },
    });
    await assert.rejects(many, { name: 'MalformedXML' });
  });

  await t.test('an empty delimiter is none', async () => {
    assert.equal((await s3.listObjectsV2({ Bucket, Delimiter: '' })).Delimiter, undefined);
  });
});
