// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables are written so
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as codecommitSdk from '@aws-sdk/client-codecommit';
import { send } from '../../src/kernel/testing/raw-http.ts';
import { type Clients, startServer, type TestServer } from '../harness.ts';

const ACCOUNT = '123456789012';
const USER = `arn:aws:iam::${ACCOUNT}:user/team/alice`;
const MINUTE_MS = 60_000;

type Condition = Record<string, Record<string, string | string[]>>;

function policyWith(condition: Condition | undefined) {
  const Statement = [
    {
      Effect: 'Allow',
      Action: 'codecommit:*',
      Resource: '*',
      ...(condition === undefined ? {} : { Condition: condition }),
    },
    { Effect: 'Allow', Action: ['sts:*', 'kms:*'], Resource: '*' },
  ];
  return JSON.stringify({ Version: '2012-10-17', Statement });
}

/** Whether the caller may list repositories under a condition of the user's (or role's) policy. */
async function isAllowed(clients: Clients): Promise<boolean> {
  try {
    await clients.codecommit.listRepositories({});
    return true;
  } catch (error) {
    assert.equal((error as Error).name, 'AccessDeniedException', (error as Error).message);
    return false;
  }
}

async function makeAlice(server: TestServer): Promise<Clients> {
  const { iam } = server.root_;
  await iam.createUser({ UserName: 'alice', Path: '/team/', Tags: [{ Key: 'team', Value: 'blue' }] });
  const { AccessKey } = await iam.createAccessKey({ UserName: 'alice' });
  return server.clients({ accessKeyId: AccessKey!.AccessKeyId!, secretAccessKey: AccessKey!.SecretAccessKey! });
}

/** A session of a role that alice takes on, with a tag and a source identity. */
async function makeSession(server: TestServer, alice: Clients): Promise<Clients> {
  const trusted = { AWS: ACCOUNT };
  const Action = ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'];
  const trust = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: trusted, Action }] };
  const { iam } = server.root_;
  const RoleName = 'deployer';
  await iam.createRole({
    RoleName,
    Path: '/team/',
    AssumeRolePolicyDocument: JSON.stringify(trust),
    Tags: [{ Key: 'team', Value: 'red' }],
  });
  const { Credentials: keys } = await alice.sts.assumeRole({
    RoleArn: `arn:aws:iam::${ACCOUNT}:role/team/deployer`,
    RoleSessionName: 'night',
    SourceIdentity: 'alice',
    Tags: [{ Key: 'project', Value: 'apollo' }],
  });
  return server.clients({
    accessKeyId: keys!.AccessKeyId!,
    secretAccessKey: keys!.SecretAccessKey!,
    sessionToken: keys!.SessionToken!,
  });
}

test('the global condition keys are those of AWS, for users and for sessions of roles', async (t) => {
  const server = await startServer(t);
  const { iam, sts } = server.root_;
  const alice = await makeAlice(server);
  const put = (condition: Condition | undefined) =>
    iam.putUserPolicy({ UserName: 'alice', PolicyName: 'p', PolicyDocument: policyWith(condition) });
  await put(undefined);
  const { UserId } = await alice.sts.getCallerIdentity({});
  const role = await makeSession(server, alice);
  const { UserId: sessionId } = await role.sts.getCallerIdentity({});
  const soon = new Date(Date.now() + 60 * MINUTE_MS).toISOString();
  const past = new Date(Date.now() - 60 * MINUTE_MS).toISOString();

  const ofEverybody: [Condition, boolean][] = [
    [{ DateLessThan: { 'aws:CurrentTime': soon }, DateGreaterThan: { 'AWS:currenttime': past } }, true],
    [{ NumericGreaterThan: { 'aws:EpochTime': String(Math.floor(Date.parse(past) / 1000)) } }, true],
    [{ DateGreaterThan: { 'aws:EpochTime': soon } }, false],
    [{ IpAddress: { 'aws:SourceIp': ['127.0.0.0/8', '::1'] } }, true],
    [{ IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, false],
    [{ Bool: { 'aws:SecureTransport': 'false' } }, true],
    [{ StringLike: { 'aws:UserAgent': 'aws-sdk-js/*' } }, true],
    [{ StringEquals: { 'aws:RequestedRegion': 'us-east-1' } }, true],
    [{ StringEquals: { 'aws:PrincipalAccount': ACCOUNT, 'aws:ResourceAccount': ACCOUNT } }, true],
    [{ Bool: { 'aws:ViaAWSService': 'false', 'aws:PrincipalIsAWSService': 'false' } }, true],
    [{ Null: { 'aws:CalledVia': 'true', 'aws:CalledViaFirst': 'true', 'aws:CalledViaLast': 'true' } }, true],
    [{ Null: { 'aws:PrincipalOrgID': 'true', 'aws:PrincipalOrgPaths': 'true', 'aws:ResourceOrgID': 'true' } }, true],
    [{ Null: { 'aws:SourceArn': 'true', 'aws:SourceAccount': 'true', 'aws:SourceOrgID': 'true' } }, true],
    [{ Null: { 'aws:SourceVpc': 'true', 'aws:SourceVpce': 'true', 'aws:VpcSourceIp': 'true' } }, true],
    [{ Null: { 'aws:Referer': 'true', 'aws:FederatedProvider': 'true', 'aws:PrincipalServiceName': 'true' } }, true],
    [{ Null: { 'aws:TagKeys': 'true', 'aws:RequestTag/team': 'true', 'aws:ResourceTag/team': 'true' } }, true],
  ];
  const ofUsers: [Condition, boolean][] = [
    [{ ArnEquals: { 'aws:PrincipalArn': USER } }, true],
    [{ ArnLike: { 'aws:PrincipalArn': `arn:aws:iam::${ACCOUNT}:user/*` } }, true],
    [{ StringEquals: { 'aws:PrincipalType': 'User', 'aws:username': 'alice', 'aws:userid': UserId! } }, true],
    [{ StringEquals: { 'aws:PrincipalTag/team': 'blue' } }, true],
    [{ StringEquals: { 'aws:PrincipalTag/team': '${aws:username}' } }, false],
    // With long-term keys the MFA keys are not there: only "...IfExists" lets them pass.
    [
      {
        Null: { 'aws:MultiFactorAuthPresent': 'true', 'aws:MultiFactorAuthAge': 'true', 'aws:TokenIssueTime': 'true' },
      },
      true,
    ],
    [{ Bool: { 'aws:MultiFactorAuthPresent': 'false' } }, false],
    [{ BoolIfExists: { 'aws:MultiFactorAuthPresent': 'true' } }, true],
  ];
  for (const [condition, allows] of [...ofEverybody, ...ofUsers]) {
    await put(condition);
    assert.equal(await isAllowed(alice), allows, JSON.stringify(condition));
  }

  await put(undefined);
  const { Credentials: keys } = await alice.sts.getSessionToken({});
  const session = server.clients({
    accessKeyId: keys!.AccessKeyId!,
    secretAccessKey: keys!.SecretAccessKey!,
    sessionToken: keys!.SessionToken!,
  });
  await put({
    Bool: { 'aws:MultiFactorAuthPresent': 'false' },
    Null: { 'aws:MultiFactorAuthAge': 'true', 'aws:TokenIssueTime': 'false' },
  });
  assert.equal(await isAllowed(session), true, 'a session of a user without a code');
  await put({ BoolIfExists: { 'aws:MultiFactorAuthPresent': 'true' } });
  assert.equal(await isAllowed(session), false, 'I6: a session without a code does not pass for one with it');

  const ofRoles: [Condition, boolean][] = [
    [{ ArnEquals: { 'aws:PrincipalArn': `arn:aws:iam::${ACCOUNT}:role/team/deployer` } }, true],
    [{ ArnLike: { 'aws:PrincipalArn': 'arn:aws:sts::*:assumed-role/*' } }, false],
    [{ StringEquals: { 'aws:PrincipalType': 'AssumedRole', 'aws:userid': sessionId! } }, true],
    [{ Null: { 'aws:username': 'true' } }, true],
    [{ StringEquals: { 'aws:PrincipalTag/team': 'red', 'aws:PrincipalTag/project': 'apollo' } }, true],
    [{ StringEquals: { 'aws:SourceIdentity': 'alice' } }, true],
    [{ DateGreaterThan: { 'aws:TokenIssueTime': past }, Bool: { 'aws:MultiFactorAuthPresent': 'false' } }, true],
  ];
  for (const [condition, allows] of [...ofEverybody, ...ofRoles]) {
    await iam.putRolePolicy({ RoleName: 'deployer', PolicyName: 'p', PolicyDocument: policyWith(condition) });
    assert.equal(await isAllowed(role), allows, `role: ${JSON.stringify(condition)}`);
  }
  assert.ok(await sts.getCallerIdentity({}));
});

test('aws:Referer keeps a page’s pictures to the page', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket: 'pictures' });
  await s3.deletePublicAccessBlock({ Bucket: 'pictures' });
  await s3.putObject({ Bucket: 'pictures', Key: 'a.png', Body: 'picture' });
  const Statement = {
    ...{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::pictures/*' },
    Condition: { StringLike: { 'aws:Referer': 'https://app.example/*' } },
  };
  await s3.putBucketPolicy({ Bucket: 'pictures', Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
  const get = (headers: Record<string, string>) =>
    send(server.url, { method: 'GET', path: '/pictures/a.png', headers });
  assert.equal((await get({ referer: 'https://app.example/page' })).status, 200);
  assert.equal((await get({ referer: 'https://other.example/' })).status, 403);
  assert.equal((await get({})).status, 403);
});

test('a service that acts for a caller is seen by policies and in the record', async (t) => {
  const server = await startServer(t);
  const { iam, cloudtrail, codecommit, kms } = server.root_;
  await codecommit.createRepository({ repositoryName: 'app' });
  const alice = await makeAlice(server);
  const put = (condition: Condition) =>
    iam.putUserPolicy({ UserName: 'alice', PolicyName: 'p', PolicyDocument: policyWith(condition) });
  const { caller } = (await server.kernel.identity.findCredential(alice.keys.accessKeyId))!;
  const direct = server.kernel.serviceContext('slipway.test').withCaller(caller);
  const once = direct.forward('s3.amazonaws.com');
  const twice = direct.forward('codepipeline.amazonaws.com').forward('s3.amazonaws.com');
  const get = (ctx: typeof direct) =>
    ctx.call<typeof codecommitSdk, 'GetRepository'>('codecommit', 'GetRepository', { repositoryName: 'app' });
  const cases: [Condition, typeof direct, boolean][] = [
    [{ Bool: { 'aws:ViaAWSService': 'true' } }, direct, false],
    [{ Bool: { 'aws:ViaAWSService': 'true' } }, once, true],
    [{ 'ForAnyValue:StringEquals': { 'aws:CalledVia': 's3.amazonaws.com' } }, once, true],
    [{ 'ForAnyValue:StringEquals': { 'aws:CalledVia': 's3.amazonaws.com' } }, direct, false],
    [
      { StringEquals: { 'aws:CalledViaFirst': 'codepipeline.amazonaws.com', 'aws:CalledViaLast': 's3.amazonaws.com' } },
      twice,
      true,
    ],
    [{ StringEquals: { 'aws:CalledViaFirst': 's3.amazonaws.com' } }, twice, false],
    [{ Null: { 'aws:SourceIp': 'true' } }, once, true],
    [{ StringEquals: { 'aws:username': 'alice' } }, twice, true],
  ];
  for (const [condition, ctx, allows] of cases) {
    await put(condition);
    const answer = await get(ctx).then(
      () => true,
      () => false,
    );
    assert.equal(answer, allows, JSON.stringify(condition));
  }
  const { Events } = await cloudtrail.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'Username', AttributeValue: 'alice' }],
  });
  const seen = Events!
    .map(({ CloudTrailEvent }) => JSON.parse(CloudTrailEvent!))
    .filter(({ eventName }) => eventName === 'GetRepository');
  assert.equal(seen.length, cases.length);
  assert.ok(
    seen.some(
      ({ userIdentity, sourceIPAddress }) =>
        userIdentity.invokedBy === 's3.amazonaws.com' &&
        userIdentity.userName === 'alice' &&
        sourceIPAddress === 's3.amazonaws.com',
    ),
  );

  const { KeyMetadata } = await kms.createKey({});
  assert.equal(await direct.keyState(KeyMetadata!.Arn!), 'Enabled');
  await kms.disableKey({ KeyId: KeyMetadata!.KeyId! });
  assert.equal(await direct.keyState(KeyMetadata!.Arn!), 'Disabled', 'at once on the node that disabled it');
});

test('tags of a resource are looked up only when a policy asks for one', async (t) => {
  const server = await startServer(t);
  const alice = await makeAlice(server);
  const { iam } = server.root_;
  const put = (condition: Condition | undefined) =>
    iam.putUserPolicy({ UserName: 'alice', PolicyName: 'p', PolicyDocument: policyWith(condition) });
  const { caller } = (await server.kernel.identity.findCredential(alice.keys.accessKeyId))!;
  const ctx = server.kernel.serviceContext('slipway.test').withCaller(caller);
  let lookedUp = 0;
  const tags = async () => {
    lookedUp += 1;
    return { team: 'blue' };
  };
  const ask = () =>
    ctx.authorize('codecommit:GetRepository', { arn: `arn:aws:codecommit:us-east-1:${ACCOUNT}:app`, tags });
  await put({ StringEquals: { 'aws:PrincipalTag/team': 'blue' } });
  await ask();
  assert.equal(lookedUp, 0);
  await put({ StringEquals: { 'aws:ResourceTag/team': 'blue' } });
  await ask();
  assert.equal(lookedUp, 1);
  await put({ StringEquals: { 'aws:PrincipalTag/team': '${aws:ResourceTag/team}' } });
  await ask();
  assert.equal(lookedUp, 2);
});
