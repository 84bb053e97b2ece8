import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aws, withoutAws } from '../../../test/aws-cli.ts';
import { filesOf, startTrailServer, trailArnOf, trailBucket } from './harness.ts';

const ARN = trailArnOf('main');

test('aws cloudtrail validate-logs accepts what was delivered and finds what was changed', {
  skip: withoutAws,
}, async (t) => {
  const server = await startTrailServer(t);
  const { cloudtrail, iam, s3 } = server.root_;
  await trailBucket(server.root_, 'logs', 'main', 'audit/');
  const start = new Date(Date.now() - 60_000);
  await cloudtrail.createTrail({
    Name: 'main',
    S3BucketName: 'logs',
    S3KeyPrefix: 'audit',
    EnableLogFileValidation: true,
  });
  const validate = async () => {
    const args = ['cloudtrail', 'validate-logs', '--trail-arn', ARN, '--start-time', start.toISOString(), '--verbose'];
    const { stdout } = await aws(args, server.env(server.root));
    return stdout;
  };
  assert.deepEqual((await cloudtrail.listPublicKeys({})).PublicKeyList, []);
  await cloudtrail.startLogging({ Name: 'main' });
  const { PublicKeyList: keys } = await cloudtrail.listPublicKeys({ StartTime: start });
  assert.equal(keys!.length, 1);
  // In the first hour there is nothing to validate, which is not an error.
  assert.match(await validate(), /No digests found|Results requested/);
  for (const name of ['bob', 'carol']) {
    await iam.createUser({ UserName: name });
    await server.deliver(ARN);
  }
  await cloudtrail.stopLogging({ Name: 'main' });
  await server.deliver(ARN);
  const files = await filesOf(server.root_, 'logs');
  const answer = await validate();
  assert.match(answer, /1\/1 digest files valid/);
  assert.match(answer, new RegExp(`${files.length}/${files.length} log files valid`));
  await s3.putObject({ Bucket: 'logs', Key: files[0]!, Body: 'forged' });
  await s3.deleteObject({ Bucket: 'logs', Key: files[1]! });
  // The command says by its exit status that something is wrong.
  const forged = await validate().catch((error: { stdout: string; stderr: string }) => error.stdout + error.stderr);
  assert.match(forged, /0\/2 log files valid, 2\/2 log files INVALID/);
  assert.match(forged, /INVALID: not found/);
});
