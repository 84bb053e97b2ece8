import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer, type TestServer } from '../../../test/harness.ts';

async function sessionOf(server: TestServer, clients: Awaited<ReturnType<TestServer['user']>>) {
  const { Credentials: given } = await clients.sts.getSessionToken({});
  return server.clients({
    accessKeyId: given!.AccessKeyId!,
    secretAccessKey: given!.SecretAccessKey!,
    sessionToken: given!.SessionToken!,
  });
}

test('I7: a session token cannot make itself keys that stay: IAM is closed to it, the rest is not', async (t) => {
  const server = await startServer(t);
  for (const owner of [await server.user('alice'), server.root_]) {
    const session = await sessionOf(server, owner);
    const refusals = [
      session.iam.createAccessKey({ UserName: 'alice' }),
      session.iam.listUsers({}),
      session.iam.createServiceSpecificCredential({ UserName: 'alice', ServiceName: 'codecommit.amazonaws.com' }),
    ];
    await Promise.all(refusals.map((refused) => assert.rejects(refused, { name: 'InvalidClientTokenId' })));
    assert.ok((await session.codecommit.listRepositories({})).repositories);
  }
  const { AccessKeyMetadata: keys } = await server.root_.iam.listAccessKeys({ UserName: 'alice' });
  assert.equal(keys!.length, 1);
});

test('S8: the sessions of a user who was deleted end, also where another one takes his name', async (t) => {
  const server = await startServer(t);
  const { iam, s3 } = server.root_;
  const alice = await server.user('alice');
  const session = await sessionOf(server, alice);
  await s3.createBucket({ Bucket: 'the-bucket' });
  const Statement = [
    {
      Effect: 'Allow',
      Principal: { AWS: 'arn:aws:iam::123456789012:user/alice' },
      Action: 's3:ListBucket',
      Resource: 'arn:aws:s3:::the-bucket',
    },
  ];
  await s3.putBucketPolicy({ Bucket: 'the-bucket', Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
  await session.s3.listObjectsV2({ Bucket: 'the-bucket' });
  await iam.deleteAccessKey({ UserName: 'alice', AccessKeyId: alice.keys.accessKeyId });
  await iam.deleteUserPolicy({ UserName: 'alice', PolicyName: 'inline' });
  await iam.deleteUser({ UserName: 'alice' });
  await assert.rejects(session.s3.listObjectsV2({ Bucket: 'the-bucket' }), { name: 'InvalidAccessKeyId' });
  await assert.rejects(session.sts.getCallerIdentity({}), { name: 'InvalidClientTokenId' });
  await server.user('alice');
  await assert.rejects(session.sts.getCallerIdentity({}), { name: 'InvalidClientTokenId' });
});

test('S8: the sessions of a role that was deleted end', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const alice = await server.user('alice');
  const trust = { Effect: 'Allow', Principal: { AWS: '123456789012' }, Action: 'sts:AssumeRole' };
  const role = {
    RoleName: 'worker',
    AssumeRolePolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: trust }),
  };
  const { Role } = await iam.createRole(role);
  const { Credentials: given } = await alice.sts.assumeRole({ RoleArn: Role!.Arn!, RoleSessionName: 'work' });
  const session = server.clients({
    accessKeyId: given!.AccessKeyId!,
    secretAccessKey: given!.SecretAccessKey!,
    sessionToken: given!.SessionToken!,
  });
  await session.sts.getCallerIdentity({});
  await iam.deleteRole({ RoleName: 'worker' });
  await assert.rejects(session.sts.getCallerIdentity({}), { name: 'InvalidClientTokenId' });
  await iam.createRole(role);
  await assert.rejects(session.sts.getCallerIdentity({}), { name: 'InvalidClientTokenId' });
});

test('I4: the session of a user who was renamed acts under the new name', async (t) => {
  const server = await startServer(t);
  const session = await sessionOf(server, await server.user('alice'));
  await session.sts.getCallerIdentity({});
  await server.root_.iam.updateUser({ UserName: 'alice', NewUserName: 'bob' });
  assert.equal((await session.sts.getCallerIdentity({})).Arn, 'arn:aws:iam::123456789012:user/bob');
});
