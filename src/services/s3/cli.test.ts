import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { aws as typed, withoutAws } from '../../../test/aws-cli.ts';
import { startServer, temporaryFolder } from '../../../test/harness.ts';
import { bytesOf } from './testing/refusals.ts';

const run = promisify(execFile);

/** True where a program runs; else the test is skipped by name. */
async function has(t: TestContext, program: string, ...args: string[]): Promise<boolean> {
  try {
    await run(program, args);
    return true;
  } catch (error) {
    t.skip(`needs ${program} ${args.join(' ')}: ${(error as Error).message.split('\n')[0]}`);
    return false;
  }
}

test('the aws command line: mb, cp, ls, sync, mv, presign, rm, rb', { skip: withoutAws }, async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const folder = await temporaryFolder(t);
  // Version 1 of the command line presigns with signature version 2 unless told otherwise.
  const config = join(folder, 'config');
  await writeFile(config, '[default]\ns3 =\n  signature_version = s3v4\n');
  const env = { ...server.env(server.root), AWS_CONFIG_FILE: config };
  const aws = async (...args: string[]) => (await typed(['s3', ...args], env, folder)).stdout;

  assert.match(await aws('mb', 's3://from-cli'), /make_bucket: from-cli/);
  const large = randomBytes(20 * 1024 * 1024);
  await mkdir(join(folder, 'up/sub'), { recursive: true });
  await Promise.all([
    writeFile(join(folder, 'up/large.bin'), large),
    writeFile(join(folder, 'up/page.html'), '<p>hi</p>'),
    writeFile(join(folder, 'up/sub/ä b+c.txt'), 'odd name'),
    writeFile(join(folder, 'up/empty'), ''),
  ]);
  const synced = await aws('sync', 'up', 's3://from-cli/site', '--no-progress');
  assert.equal(synced.trim().split('\n').length, 4, synced);
  assert.equal((await aws('sync', 'up', 's3://from-cli/site', '--no-progress')).trim(), '', 'nothing is sent twice');
  const head = await s3.headObject({ Bucket: 'from-cli', Key: 'site/large.bin' });
  assert.match(head.ETag!, /-3"$/, 'large files go up in parts');
  assert.equal((await s3.headObject({ Bucket: 'from-cli', Key: 'site/page.html' })).ContentType, 'text/html');

  const listed = await aws('ls', 's3://from-cli/site/');
  assert.match(listed, /PRE sub\//);
  assert.match(listed, /20971520 large\.bin/);
  assert.match(await aws('ls', 's3://from-cli', '--recursive', '--summarize'), /Total Objects: 4/);
  await aws('sync', 's3://from-cli/site', 'down', '--no-progress');
  assert.ok((await readFile(join(folder, 'down/large.bin'))).equals(large));
  assert.equal(await readFile(join(folder, 'down/sub/ä b+c.txt'), 'utf8'), 'odd name');

  await aws('mv', 's3://from-cli/site/large.bin', 's3://from-cli/moved.bin', '--no-progress');
  assert.ok((await bytesOf(await s3.getObject({ Bucket: 'from-cli', Key: 'moved.bin' }))).equals(large));
  const url = (await aws('presign', 's3://from-cli/site/page.html')).trim();
  assert.equal(await (await fetch(url)).text(), '<p>hi</p>');

  await assert.rejects(aws('rb', 's3://from-cli'), /BucketNotEmpty/);
  await aws('rm', 's3://from-cli/site', '--recursive', '--quiet');
  assert.equal((await s3.listObjectsV2({ Bucket: 'from-cli' })).KeyCount, 1);
  assert.match(await aws('rb', 's3://from-cli', '--force'), /remove_bucket: from-cli/);
  await assert.rejects(aws('ls', 's3://from-cli'), /NoSuchBucket/);
});

test('boto3: headers, errors, a large file', async (t) => {
  if (!(await has(t, 'python3', '-c', 'import boto3'))) return;
  const server = await startServer(t);
  const script = `
import boto3, io, os
from botocore.exceptions import ClientError
from botocore.config import Config
s3 = boto3.client('s3', endpoint_url=os.environ['AWS_ENDPOINT_URL'], config=Config(signature_version='s3v4'))
s3.create_bucket(Bucket='boto')
s3.put_object(Bucket='boto', Key='a b/\\u00e9', Body=b'data', Metadata={'k': 'v'})
got = s3.get_object(Bucket='boto', Key='a b/\\u00e9')
assert got['Body'].read() == b'data' and got['Metadata'] == {'k': 'v'}, got
assert s3.get_bucket_location(Bucket='boto')['LocationConstraint'] is None
big = os.urandom(17 * 1024 * 1024)
s3.upload_fileobj(io.BytesIO(big), 'boto', 'big')
out = io.BytesIO()
s3.download_fileobj('boto', 'big', out)
assert out.getvalue() == big
assert [o['Key'] for o in s3.list_objects_v2(Bucket='boto')['Contents']] == ['a b/\\u00e9', 'big']
for call, code, status in [
    (lambda: s3.get_object(Bucket='boto', Key='no'), 'NoSuchKey', 404),
    (lambda: s3.head_object(Bucket='boto', Key='no'), '404', 404),
    (lambda: s3.get_object(Bucket='boto', Key='big', Range='bytes=99999999-'), 'InvalidRange', 416),
    (lambda: s3.get_bucket_policy(Bucket='boto'), 'NoSuchBucketPolicy', 404),
    (lambda: s3.create_bucket(Bucket='Bad_Name'), 'InvalidBucketName', 400),
    (lambda: s3.put_bucket_accelerate_configuration(Bucket='boto', AccelerateConfiguration={'Status': 'Enabled'}), 'NotImplemented', 501),
]:
    try:
        call()
        raise SystemExit('expected ' + code)
    except ClientError as e:
        assert (e.response['Error']['Code'], e.response['ResponseMetadata']['HTTPStatusCode']) == (code, status), e
def refused(call):
    try:
        call()
    except ClientError as e:
        return e.response['Error']
assert refused(lambda: s3.get_object(Bucket='boto', Key='no'))['Key'] == 'no'
assert refused(lambda: s3.list_objects_v2(Bucket='none-such'))['BucketName'] == 'none-such'
import urllib.request, uuid
form = s3.generate_presigned_post('boto', 'from/\${filename}', Fields={'acl': 'private'}, Conditions=[{'acl': 'private'}, ['content-length-range', 1, 10]])
edge = uuid.uuid4().hex
parts = ''.join(f'--{edge}\\r\\nContent-Disposition: form-data; name="{k}"\\r\\n\\r\\n{v}\\r\\n' for k, v in form['fields'].items())
parts += f'--{edge}\\r\\nContent-Disposition: form-data; name="file"; filename="up.txt"\\r\\n\\r\\nformed\\r\\n--{edge}--\\r\\n'
sent = urllib.request.urlopen(urllib.request.Request(form['url'], parts.encode(), {'Content-Type': 'multipart/form-data; boundary=' + edge}))
assert sent.status == 204 and s3.get_object(Bucket='boto', Key='from/up.txt')['Body'].read() == b'formed'
key = os.urandom(32)
s3.put_object(Bucket='boto', Key='secret', Body=b'x', SSECustomerKey=key, SSECustomerAlgorithm='AES256')
assert s3.get_object(Bucket='boto', Key='secret', SSECustomerKey=key, SSECustomerAlgorithm='AES256')['Body'].read() == b'x'
s3.put_object(Bucket='boto', Key='kms', Body=b'y', ServerSideEncryption='aws:kms')
assert s3.get_object(Bucket='boto', Key='kms')['ServerSideEncryption'] == 'aws:kms'
rules = [{'ID': 'r', 'Status': 'Enabled', 'Filter': {'Prefix': 'a'}, 'Expiration': {'Days': 3}}]
s3.put_bucket_lifecycle_configuration(Bucket='boto', LifecycleConfiguration={'Rules': rules})
assert s3.get_bucket_lifecycle_configuration(Bucket='boto')['Rules'] == rules
s3.put_bucket_cors(Bucket='boto', CORSConfiguration={'CORSRules': [{'AllowedMethods': ['GET'], 'AllowedOrigins': ['*']}]})
boto3.resource('s3', endpoint_url=os.environ['AWS_ENDPOINT_URL']).Bucket('boto').objects.all().delete()
s3.delete_bucket(Bucket='boto')
print('all well')
`;
  const { stdout } = await run('python3', ['-c', script], { env: server.env(server.root) });
  assert.equal(stdout.trim(), 'all well');
});
