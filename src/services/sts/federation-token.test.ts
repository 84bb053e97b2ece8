import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clients, startServer, type TestServer } from '../../../test/harness.ts';

const ACCOUNT = '123456789012';
const document = (...Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
const allow = (Action: unknown, Resource: unknown = '*') => document({ Effect: 'Allow', Action, Resource });

async function federate(server: TestServer, who: Clients, more: object): Promise<Clients> {
  const { Credentials: keys } = await who.sts.getFederationToken({ Name: 'guest', ...more });
  return server.clients({
    accessKeyId: keys!.AccessKeyId!,
    secretAccessKey: keys!.SecretAccessKey!,
    sessionToken: keys!.SessionToken!,
  });
}

test('a federated user may do what its maker may, as far as its policy goes', async (t) => {
  const server = await startServer(t);
  const { iam, s3, codecommit } = server.root_;
  const broker = await server.user(
    'broker',
    JSON.parse(allow(['sts:GetFederationToken', 'codecommit:ListRepositories', 's3:ListAllMyBuckets', 'iam:*'])),
  );
  await codecommit.createRepository({ repositoryName: 'app' });
  const guest = await federate(server, broker, { Policy: allow(['codecommit:*', 'iam:*']) });
  assert.deepEqual((({ Arn, UserId }) => [Arn, UserId])(await guest.sts.getCallerIdentity({})), [
    `arn:aws:sts::${ACCOUNT}:federated-user/guest`,
    `${ACCOUNT}:guest`,
  ]);
  await guest.codecommit.listRepositories({});
  await assert.rejects(guest.codecommit.deleteRepository({ repositoryName: 'app' }), {
    name: 'AccessDeniedException',
    message:
      /federated-user\/guest is not authorized to perform: codecommit:DeleteRepository .* no identity-based policy/,
  });
  await assert.rejects(guest.s3.listBuckets({}), { name: 'AccessDenied', message: /no session policy/ });
  await assert.rejects(guest.iam.listUsers({}), { name: 'InvalidClientTokenId' });
  const RoleArn = `arn:aws:iam::${ACCOUNT}:role/R`;
  const trust = document({ Effect: 'Allow', Principal: { AWS: ACCOUNT }, Action: 'sts:AssumeRole' });
  await iam.createRole({ RoleName: 'R', AssumeRolePolicyDocument: trust });
  for (const call of [
    () => guest.sts.assumeRole({ RoleArn, RoleSessionName: 'no' }),
    () => guest.sts.getFederationToken({ Name: 'no' }),
    () => guest.sts.getSessionToken({}),
    () => guest.sts.getAccessKeyInfo({ AccessKeyId: 'AKIAIOSFODNN7EXAMPLE' }),
  ]) {
    await assert.rejects(call(), { name: 'AccessDenied' });
  }

  // Without a policy it may do what resources give it by name, and nothing else.
  const bare = await federate(server, broker, {});
  await assert.rejects(bare.codecommit.listRepositories({}), { message: /no session policy/ });
  await s3.createBucket({ Bucket: 'guests' });
  await s3.putBucketPolicy({
    Bucket: 'guests',
    Policy: document({
      Effect: 'Allow',
      Principal: { AWS: `arn:aws:sts::${ACCOUNT}:federated-user/guest` },
      Action: 's3:ListBucket',
      Resource: 'arn:aws:s3:::guests',
    }),
  });
  await bare.s3.listObjectsV2({ Bucket: 'guests' });

  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'Username', AttributeValue: 'guest' }],
  });
  const [record] = Events.map(({ CloudTrailEvent }) => JSON.parse(CloudTrailEvent!));
  assert.equal(record.userIdentity.type, 'FederatedUser');
  assert.equal(record.userIdentity.sessionContext.sessionIssuer.userName, 'broker');

  await iam.deleteAccessKey({ UserName: 'broker', AccessKeyId: broker.keys.accessKeyId });
  await iam.deleteUserPolicy({ UserName: 'broker', PolicyName: 'inline' });
  await iam.deleteUser({ UserName: 'broker' });
  await assert.rejects(guest.sts.getCallerIdentity({}), { name: 'InvalidClientTokenId' });
});

test('federated users of root, tags, and limits', async (t) => {
  const server = await startServer(t);
  const guest = await federate(server, server.root_, {
    Policy: document({
      Effect: 'Allow',
      Action: 'codecommit:*',
      Resource: '*',
      Condition: { StringEquals: { 'aws:PrincipalTag/team': 'blue', 'aws:PrincipalType': 'FederatedUser' } },
    }),
    Tags: [{ Key: 'team', Value: 'blue' }],
  });
  await guest.codecommit.listRepositories({});
  await assert.rejects(guest.s3.listBuckets({}), { name: 'AccessDenied' });
  const { Credentials: keys } = await server.root_.sts.getFederationToken({ Name: 'guest', DurationSeconds: 43_200 });
  assert.ok(keys!.Expiration!.getTime() - Date.now() <= 3_600_000, 'an hour at most for root');
  const untagged = await server.user('untagged', JSON.parse(allow('sts:GetFederationToken')));
  await assert.rejects(federate(server, untagged, { Tags: [{ Key: 'a', Value: 'b' }] }), { message: /sts:TagSession/ });
  const idle = await server.user('idle', JSON.parse(allow('s3:*')));
  await assert.rejects(federate(server, idle, {}), {
    message: /sts:GetFederationToken on resource: arn:aws:sts::123456789012:federated-user\/guest/,
  });
});

test('sessions are revoked by their age: a deny for tokens from before a time', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const trust = document({ Effect: 'Allow', Principal: { AWS: ACCOUNT }, Action: 'sts:AssumeRole' });
  await iam.createRole({ RoleName: 'R', AssumeRolePolicyDocument: trust });
  await iam.putRolePolicy({ RoleName: 'R', PolicyName: 'p', PolicyDocument: allow('codecommit:*') });
  const alice = await server.user('alice');
  const open = async () => {
    const RoleArn = `arn:aws:iam::${ACCOUNT}:role/R`;
    const { Credentials: keys } = await alice.sts.assumeRole({ RoleArn, RoleSessionName: 'visit' });
    return server.clients({
      accessKeyId: keys!.AccessKeyId!,
      secretAccessKey: keys!.SecretAccessKey!,
      sessionToken: keys!.SessionToken!,
    });
  };
  const before = await open();
  await before.codecommit.listRepositories({});
  const now = new Date().toISOString();
  const Condition = { DateLessThan: { 'aws:TokenIssueTime': now } };
  const deny = document({ Effect: 'Deny', Action: '*', Resource: '*', Condition });
  await iam.putRolePolicy({ RoleName: 'R', PolicyName: 'AWSRevokeOlderSessions', PolicyDocument: deny });
  await assert.rejects(before.codecommit.listRepositories({}), { name: 'AccessDeniedException' });
  await (await open()).codecommit.listRepositories({});
});
