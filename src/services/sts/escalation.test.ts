import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { canonicalUserOf } from '../../kernel/auth/principals.ts';
import { claimKeys } from './id-token.ts';

const ACCOUNT = '123456789012';
const document = (...Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
const allow = (Action: unknown, Resource: unknown = '*') => ({ Effect: 'Allow', Action, Resource });
const trust = (Principal: object | string, Action: unknown = 'sts:AssumeRole') => ({
  Effect: 'Allow',
  Principal,
  Action,
});
const DENIED = { name: 'AccessDenied' };

/** Everything, as a policy of a user that the harness makes. */
const ADMIN = JSON.parse(document(allow('*')));

async function keysOf(
  call: Promise<{ Credentials?: { AccessKeyId?: string; SecretAccessKey?: string; SessionToken?: string } }>,
) {
  const { AccessKeyId, SecretAccessKey, SessionToken } = (await call).Credentials!;
  return { accessKeyId: AccessKeyId!, secretAccessKey: SecretAccessKey!, sessionToken: SessionToken! };
}

test('I9: an identity provider cannot speak for the server: its claims are no keys of aws or sts', async (t) => {
  const { iam } = (await startServer(t)).root_;
  for (const Url of ['https://aws', 'https://sts/', 'https://saml', 'https://iam']) {
    await assert.rejects(iam.createOpenIDConnectProvider({ Url }), { name: 'ValidationError' }, Url);
  }
  await iam.createOpenIDConnectProvider({ Url: 'https://aws.example' });
  const token = (url: string) =>
    claimKeys({
      provider: { url, arn: '', account: ACCOUNT, clientIds: [], thumbprints: [] },
      audience: 'x',
      subject: 's',
      claims: { sub: 's', PrincipalAccount: '999999999999' },
    } as never);
  assert.deepEqual(token('https://aws'), { all: {}, lasting: {} });
  assert.equal(token('https://aws.example').all['aws.example:PrincipalAccount'], '999999999999');
});

test("I8: nobody comes to a role by S3's name of his account; a bucket is his as far as his own policies go", async (t) => {
  const server = await startServer(t);
  const { iam, s3 } = server.root_;
  const partner = await server.account('partner');
  const CanonicalUser = canonicalUserOf(partner.id);
  await assert.rejects(
    iam.createRole({ RoleName: 'R', AssumeRolePolicyDocument: document(trust({ CanonicalUser })) }),
    { name: 'MalformedPolicyDocumentException' },
  );
  await s3.createBucket({ Bucket: 'shared' });
  await s3.putObject({ Bucket: 'shared', Key: 'k', Body: 'x' });
  const statement = {
    Effect: 'Allow',
    Principal: { CanonicalUser },
    Action: 's3:GetObject',
    Resource: 'arn:aws:s3:::shared/*',
  };
  await s3.putBucketPolicy({ Bucket: 'shared', Policy: document(statement) });
  const read = (who: { s3: typeof s3 }) => who.s3.getObject({ Bucket: 'shared', Key: 'k' });
  await read(partner.root);
  const poor = await server.user('poor', JSON.parse(document(allow('iam:GetUser'))), partner.root);
  await assert.rejects(read(poor), DENIED, 'the account is named, its policies decide');
  await read(await server.user('rich', JSON.parse(document(allow('s3:GetObject'))), partner.root));
  await assert.rejects(read(await server.user('own', JSON.parse(document(allow('iam:GetUser'))))), DENIED);
  await assert.rejects(poor.s3.putObject({ Bucket: 'shared', Key: 'k', Body: 'y' }), DENIED);
});

test('I7: a session passes only the roles that its own policy lets it pass, and makes no key that outlives it', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const admin = await server.user('admin', ADMIN);
  const everybody = document(
    trust({ AWS: `arn:aws:iam::${ACCOUNT}:root` }),
    trust({ Service: 'events.amazonaws.com' }),
  );
  for (const RoleName of ['Wide', 'Narrow']) await iam.createRole({ RoleName, AssumeRolePolicyDocument: everybody });
  await iam.putRolePolicy({ RoleName: 'Wide', PolicyName: 'all', PolicyDocument: document(allow('*')) });
  const RoleArn = `arn:aws:iam::${ACCOUNT}:role/Wide`;
  const open = async (...statements: object[]) =>
    server.clients(
      await keysOf(admin.sts.assumeRole({ RoleArn, RoleSessionName: 'one', Policy: document(...statements) })),
    );
  const EventPattern = JSON.stringify({ source: ['x'] });
  const put = (who: typeof admin, name: string) =>
    who.events.putRule({ Name: 'r', EventPattern, RoleArn: `arn:aws:iam::${ACCOUNT}:role/${name}` });
  const without = await open(allow('events:*'));
  await assert.rejects(put(without, 'Wide'), {
    name: 'AccessDeniedException',
    message: /iam:PassRole.*session policy/,
  });
  const some = await open(allow('events:*'), allow('iam:PassRole', `arn:aws:iam::${ACCOUNT}:role/Narrow`));
  await put(some, 'Narrow');
  await assert.rejects(put(some, 'Wide'), { name: 'AccessDeniedException', message: /iam:PassRole/ });
  const toOthers = {
    ...allow('iam:PassRole'),
    Condition: { StringEquals: { 'iam:PassedToService': 'codepipeline.amazonaws.com' } },
  };
  await assert.rejects(put(await open(allow('events:*'), toOthers), 'Narrow'), /iam:PassRole/);
  // The role may make keys; the session may not, nor step over into the role without its policy.
  for (const call of [
    () => without.iam.createAccessKey({ UserName: 'admin' }),
    () => without.iam.putRolePolicy({ RoleName: 'Narrow', PolicyName: 'p', PolicyDocument: document(allow('*')) }),
    () => without.iam.updateAssumeRolePolicy({ RoleName: 'Wide', PolicyDocument: everybody }),
    () => without.sts.assumeRole({ RoleArn, RoleSessionName: 'again' }),
  ]) {
    await assert.rejects(call(), DENIED);
  }
});

test('I7: keys of the root user are made by the root user alone, whatever the names of users', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const admin = await server.user('admin', ADMIN);
  const everybody = document(trust({ AWS: `arn:aws:iam::${ACCOUNT}:root` }));
  await iam.createRole({ RoleName: 'Wide', AssumeRolePolicyDocument: everybody });
  await iam.putRolePolicy({ RoleName: 'Wide', PolicyName: 'all', PolicyDocument: document(allow('*')) });
  const RoleArn = `arn:aws:iam::${ACCOUNT}:role/Wide`;
  const session = server.clients(await keysOf(admin.sts.assumeRole({ RoleArn, RoleSessionName: 'one' })));
  await assert.rejects(session.iam.createAccessKey({}), /userName/);
  for (const UserName of [ACCOUNT, 'root']) {
    await assert.rejects(session.iam.createAccessKey({ UserName }), { name: 'NoSuchEntityException' });
    await assert.rejects(admin.iam.createAccessKey({ UserName }), { name: 'NoSuchEntityException' });
  }
  // A user may be called like that, and is then a user.
  for (const UserName of [ACCOUNT, 'root']) {
    await admin.iam.createUser({ UserName });
    const { AccessKey } = await admin.iam.createAccessKey({ UserName });
    const who = server.clients({ accessKeyId: AccessKey!.AccessKeyId!, secretAccessKey: AccessKey!.SecretAccessKey! });
    assert.equal((await who.sts.getCallerIdentity({})).Arn, `arn:aws:iam::${ACCOUNT}:user/${UserName}`);
    await assert.rejects(who.iam.listUsers({}), DENIED);
  }
  assert.equal((await iam.listAccessKeys({})).AccessKeyMetadata!.length, 1, 'the root user has no more keys');
  const { VirtualMFADevice: device } = await admin.iam.createVirtualMFADevice({ VirtualMFADeviceName: 'd' });
  const { AccessKeyMetadata } = await admin.iam.listAccessKeys({ UserName: ACCOUNT });
  assert.equal(AccessKeyMetadata![0]!.UserName, ACCOUNT);
  await assert.rejects(
    admin.iam.enableMFADevice({
      UserName: 'nobody',
      SerialNumber: device!.SerialNumber!,
      AuthenticationCode1: '000000',
      AuthenticationCode2: '000001',
    }),
    { name: 'NoSuchEntityException' },
  );
  const rootSession = server.clients(await keysOf(server.root_.sts.getSessionToken({})));
  await assert.rejects(rootSession.iam.createAccessKey({}), { name: 'InvalidClientTokenId' }, 'a session makes no key');
});

test('I8: session tags count instead of the tags of the role, in any case of letters, and need their right', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const admin = await server.user('admin', ADMIN);
  const who = { AWS: `arn:aws:iam::${ACCOUNT}:root` };
  await iam.createRole({
    RoleName: 'T',
    AssumeRolePolicyDocument: document(trust(who)),
    Tags: [{ Key: 'Team', Value: 'red' }],
  });
  const Condition = { StringEquals: { 'aws:PrincipalTag/Team': 'red' } };
  await iam.putRolePolicy({
    RoleName: 'T',
    PolicyName: 'p',
    PolicyDocument: document({ ...allow('iam:ListUsers'), Condition }),
  });
  const RoleArn = `arn:aws:iam::${ACCOUNT}:role/T`;
  const open = (Tags: { Key: string; Value: string }[]) =>
    keysOf(admin.sts.assumeRole({ RoleArn, RoleSessionName: 'one', ...(Tags.length === 0 ? {} : { Tags }) }));
  await server.clients(await open([])).iam.listUsers({});
  await assert.rejects(open([{ Key: 'team', Value: 'red' }]), DENIED, 'the trust policy does not let tags in');
  const PolicyDocument = document(trust(who, ['sts:AssumeRole', 'sts:TagSession']));
  await iam.updateAssumeRolePolicy({ RoleName: 'T', PolicyDocument });
  await assert.rejects(server.clients(await open([{ Key: 'team', Value: 'blue' }])).iam.listUsers({}), DENIED);
  await server.clients(await open([{ Key: 'TEAM', Value: 'red' }])).iam.listUsers({});
  await assert.rejects(open([{ Key: 'aws:PrincipalAccount', Value: '1' }]), { name: 'ValidationError' });
});

test('I8: what a session hands on needs the next role to take it: transitive tags and the source identity', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const admin = await server.user('admin', ADMIN);
  const all = ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'];
  const who = { AWS: `arn:aws:iam::${ACCOUNT}:role/Own` };
  const makeRole = async (RoleName: string, trusted: object, Tags: { Key: string; Value: string }[] = []) => {
    await iam.createRole({ RoleName, AssumeRolePolicyDocument: document(trusted), Tags });
    const Condition = { StringEquals: { 'aws:PrincipalTag/Team': 'red' } };
    const PolicyDocument = document({ ...allow('iam:ListUsers'), Condition }, allow('sts:*'));
    await iam.putRolePolicy({ RoleName, PolicyName: 'p', PolicyDocument });
  };
  await makeRole('Own', trust({ AWS: `arn:aws:iam::${ACCOUNT}:root` }, all));
  const Team = [{ Key: 'Team', Value: 'blue' }];
  await makeRole('Bare', trust(who), Team);
  await makeRole('Taking', trust(who, all), Team);
  const Condition = { StringEquals: { 'aws:RequestTag/Team': 'blue', 'sts:SourceIdentity': 'carol' } };
  await makeRole('Choosing', { ...trust(who, all), Condition }, Team);
  const assume = (by: Pick<typeof admin, 'sts'>, RoleName: string, more: object = {}) =>
    keysOf(by.sts.assumeRole({ RoleArn: `arn:aws:iam::${ACCOUNT}:role/${RoleName}`, RoleSessionName: 'one', ...more }));
  const tagged = (Value: string) => ({ Tags: [{ Key: 'team', Value }], TransitiveTagKeys: ['TEAM'] });
  const red = server.clients(await assume(admin, 'Own', tagged('red')));
  await assert.rejects(assume(red, 'Bare'), { ...DENIED, message: /sts:TagSession/ });
  const carol = server.clients(await assume(admin, 'Own', { SourceIdentity: 'carol' }));
  await assert.rejects(assume(carol, 'Bare'), { ...DENIED, message: /sts:SetSourceIdentity/ });
  const plain = server.clients(await assume(admin, 'Own'));
  await assert.rejects(server.clients(await assume(plain, 'Bare')).iam.listUsers({}), DENIED);
  await server.clients(await assume(red, 'Taking')).iam.listUsers({});
  const redCarol = server.clients(await assume(admin, 'Own', { ...tagged('red'), SourceIdentity: 'carol' }));
  await assert.rejects(assume(redCarol, 'Choosing'), { ...DENIED, message: /sts:AssumeRole/ });
  const blueCarol = server.clients(await assume(admin, 'Own', { ...tagged('blue'), SourceIdentity: 'carol' }));
  await assume(blueCarol, 'Choosing');
});
