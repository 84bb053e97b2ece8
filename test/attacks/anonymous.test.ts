import assert from 'node:assert/strict';
import { test } from 'node:test';
import { send, sendSigned } from '../../src/kernel/testing/raw-http.ts';
import { recorded } from '../../src/kernel/testing/recorded.ts';
import { startServer } from '../harness.ts';

const SELECTORS = [
  ...['', 'acl', 'policy', 'policyStatus', 'versioning', 'website', 'cors', 'tagging', 'lifecycle', 'notification'],
  ...['encryption', 'publicAccessBlock', 'ownershipControls', 'location', 'uploads', 'versions', 'list-type=2'],
  ...['delete', 'uploadId=x&partNumber=1', 'uploadId=x', 'attributes', 'versionId=null', 'replication', 'logging'],
];

test('A8: nobody in particular may do nothing to a bucket without a policy, whatever he asks for', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket: 'the-bucket' });
  await s3.putObject({ Bucket: 'the-bucket', Key: 'key', Body: 'canary-0815' });
  let refused = 0;
  for (const path of ['/', '/the-bucket', '/the-bucket/key', '/another-bucket']) {
    for (const selector of SELECTORS) {
      for (const method of ['GET', 'PUT', 'POST', 'DELETE', 'HEAD']) {
        const answer = await send(server.url, { method, path: selector === '' ? path : `${path}?${selector}` });
        assert.ok([400, 403, 404, 405, 501].includes(answer.status), `${method} ${path}?${selector}: ${answer.status}`);
        assert.doesNotMatch(answer.text, /canary/);
        if (answer.status === 403) refused += 1;
      }
    }
  }
  assert.ok(refused > 50, 'many of these are operations that exist');
  assert.deepEqual(
    (await s3.listBuckets({})).Buckets!.map(({ Name }) => Name),
    ['the-bucket'],
  );
  assert.equal(
    await (await s3.getObject({ Bucket: 'the-bucket', Key: 'key' })).Body!.transformToString(),
    'canary-0815',
  );
});

test('A8: what an unknown caller sends does not fill the audit trail', async (t) => {
  const server = await startServer(t);
  await server.root_.s3.createBucket({ Bucket: 'the-bucket' });
  const objects = Array.from({ length: 900 }, (_, at) => `<Object><Key>${at}-${'x'.repeat(80)}</Key></Object>`);
  const body = `<Delete>${objects.join('')}</Delete>`;
  const headers = { 'x-amz-checksum-crc32': 'AAAAAA==' };
  assert.equal((await send(server.url, { path: '/the-bucket?delete', headers, body })).status, 403);
  const [record] = await recorded(server.kernel, 'DeleteObjects');
  assert.ok(record, 'the attempt is recorded');
  assert.ok(record.text.length < 4_000, `${record.text.length} characters`);
});

test('S2: a signature for one service opens no other on the same port', async (t) => {
  const server = await startServer(t);
  const json = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'CodeCommit_20150413.ListRepositories' };
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const listUsers = 'Action=ListUsers&Version=2010-05-08';
  const asked = { headers: json, body: '{}' };
  assert.equal((await sendSigned(server.url, 'codecommit', server.root, asked)).status, 200);
  assert.equal((await sendSigned(server.url, 'iam', server.root, { headers: form, body: listUsers })).status, 200);
  for (const [service, request] of [
    ['s3', asked],
    ['iam', asked],
    ['codepipeline', asked],
    ['sts', { headers: form, body: listUsers }],
    ['codecommit', { headers: form, body: listUsers }],
    ['s3', { headers: form, body: listUsers }],
    ['iam', { headers: form, body: `${listUsers}&Action=DeleteUser` }],
    ['iam', { headers: { ...form, 'content-type': 'application/json' }, body: '{"Action":"ListUsers"}' }],
  ] as const) {
    const answer = await sendSigned(server.url, service, server.root, request);
    assert.ok(answer.status >= 400 && answer.status < 500, `${service}: ${answer.status} ${answer.text}`);
  }
});
