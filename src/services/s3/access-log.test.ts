import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';

test('I9: access logs of one account do not go into a bucket of that name that another account has by now', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const victim = await server.account('victim');
  await s3.createBucket({ Bucket: 'noisy' });
  await s3.createBucket({ Bucket: 'target' });
  const LoggingEnabled = { TargetBucket: 'target', TargetPrefix: 'forged/' };
  await s3.putBucketLogging({ Bucket: 'noisy', BucketLoggingStatus: { LoggingEnabled } });
  await s3.deleteBucket({ Bucket: 'target' });
  await victim.root.s3.createBucket({ Bucket: 'target' });
  const statement = {
    Effect: 'Allow',
    Principal: { Service: 'logging.s3.amazonaws.com' },
    Action: 's3:PutObject',
    Resource: 'arn:aws:s3:::target/*',
  };
  await victim.root.s3.putBucketPolicy({
    Bucket: 'target',
    Policy: JSON.stringify({ Version: '2012-10-17', Statement: statement }),
  });
  // What the victim logs himself tells when everything that waited has been delivered.
  await victim.root.s3.createBucket({ Bucket: 'quiet' });
  const own = { TargetBucket: 'target', TargetPrefix: 'own/' };
  await victim.root.s3.putBucketLogging({ Bucket: 'quiet', BucketLoggingStatus: { LoggingEnabled: own } });
  await s3.putObject({ Bucket: 'noisy', Key: 'k', Body: 'x' });
  await victim.root.s3.putObject({ Bucket: 'quiet', Key: 'k', Body: 'x' });
  await server.restart();
  const { Contents = [] } = await victim.root.s3.listObjectsV2({ Bucket: 'target' });
  assert.ok(Contents.length > 0);
  assert.deepEqual(
    Contents.filter(({ Key }) => !Key!.startsWith('own/')),
    [],
  );
});
