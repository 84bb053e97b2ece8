import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';

const ACCOUNT = '123456789012';
const document = (...statements: object[]) => JSON.stringify({ Version: '2012-10-17', Statement: statements });
const trust = (Principal: unknown) => document({ Effect: 'Allow', Principal, Action: 'sts:AssumeRole' });
const SERVICE = trust({ Service: 'codebuild.amazonaws.com' });

test('a role from birth to deletion', async (t) => {
  const { iam } = (await startServer(t)).root_;
  const { Role } = await iam.createRole({
    RoleName: 'Build',
    Path: '/service/',
    AssumeRolePolicyDocument: SERVICE,
    Description: 'builds',
    MaxSessionDuration: 7200,
    Tags: [{ Key: 'a', Value: 'b' }],
  });
  assert.match(Role!.RoleId!, /^AROA[A-Z2-7]{17}$/);
  assert.equal(Role!.MaxSessionDuration, undefined, 'only GetRole and ListRoles tell it');
  assert.equal((await iam.getRole({ RoleName: 'Build' })).Role!.MaxSessionDuration, 7200);
  assert.equal((await iam.listRoles({})).Roles![0]!.MaxSessionDuration, 7200);
  assert.equal(Role!.Arn, `arn:aws:iam::${ACCOUNT}:role/service/Build`);
  assert.equal(decodeURIComponent(Role!.AssumeRolePolicyDocument!), SERVICE);
  await assert.rejects(iam.createRole({ RoleName: 'build', AssumeRolePolicyDocument: SERVICE }), {
    name: 'EntityAlreadyExistsException',
    message: 'Role with name build already exists.',
  });
  await iam.updateRole({ RoleName: 'Build', MaxSessionDuration: 3600 });
  await iam.updateRoleDescription({ RoleName: 'Build', Description: 'more builds' });
  const changed = trust({ Service: ['codebuild.amazonaws.com', 'codepipeline.amazonaws.com'] });
  await iam.updateAssumeRolePolicy({ RoleName: 'Build', PolicyDocument: changed });
  const got = (await iam.getRole({ RoleName: 'Build' })).Role!;
  assert.deepEqual(
    [got.Description, got.MaxSessionDuration, decodeURIComponent(got.AssumeRolePolicyDocument!), got.Tags],
    ['more builds', 3600, changed, [{ Key: 'a', Value: 'b' }]],
  );
  await iam.putRolePolicy({
    RoleName: 'Build',
    PolicyName: 'p',
    PolicyDocument: document({ Effect: 'Allow', Action: 's3:*', Resource: '*' }),
  });
  await assert.rejects(iam.deleteRole({ RoleName: 'Build' }), {
    name: 'DeleteConflictException',
    message: 'Cannot delete entity, must delete policies first.',
  });
  await iam.deleteRolePolicy({ RoleName: 'Build', PolicyName: 'p' });
  await iam.attachRolePolicy({ RoleName: 'Build', PolicyArn: 'arn:aws:iam::aws:policy/ReadOnlyAccess' });
  await assert.rejects(iam.deleteRole({ RoleName: 'Build' }), {
    name: 'DeleteConflictException',
    message: 'Cannot delete entity, must detach all policies first.',
  });
  await iam.detachRolePolicy({ RoleName: 'Build', PolicyArn: 'arn:aws:iam::aws:policy/ReadOnlyAccess' });
  await iam.deleteRole({ RoleName: 'Build' });
  await assert.rejects(iam.getRole({ RoleName: 'Build' }), {
    name: 'NoSuchEntityException',
    message: 'The role with name Build cannot be found.',
  });
});

test('trust policies that IAM refuses, in its words', async (t) => {
  const { iam } = (await startServer(t)).root_;
  const refused = (AssumeRolePolicyDocument: string, message: string, name = 'MalformedPolicyDocumentException') =>
    assert.rejects(iam.createRole({ RoleName: 'R', AssumeRolePolicyDocument }), { name, message });
  await refused('nonsense', 'This policy contains invalid Json');
  await refused(document({ Effect: 'Allow', Action: 'sts:AssumeRole' }), 'Missing required field Principal');
  await refused(
    document({ Effect: 'Allow', Principal: '*', Action: 'sts:AssumeRole', Resource: '*' }),
    'Has prohibited field Resource',
  );
  await refused(
    document({ Effect: 'Allow', Principal: '*', Action: 's3:*' }),
    'AssumeRole policy may only specify STS AssumeRole actions.',
  );
  await refused(
    trust({ AWS: `arn:aws:iam::${ACCOUNT}:user/ghost` }),
    `Invalid principal in policy: "AWS":"arn:aws:iam::${ACCOUNT}:user/ghost"`,
  );
  await refused(
    trust({ AWS: Array.from({ length: 200 }, (_, n) => String(100_000_000_000 + n)) }),
    'Cannot exceed quota for ACLSizePerRole: 2048',
    'LimitExceededException',
  );
  await iam.createRole({
    RoleName: 'R',
    AssumeRolePolicyDocument: trust({ AWS: 'arn:aws:iam::999999999999:user/anybody' }),
  });
});

test('trust follows a renamed user, and a deleted one leaves his id, not his name', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const alice = await server.user(
    'alice',
    JSON.parse(document({ Effect: 'Allow', Action: 'none:None', Resource: '*' })),
  );
  const { User } = await iam.getUser({ UserName: 'alice' });
  await iam.createRole({ RoleName: 'R', AssumeRolePolicyDocument: trust({ AWS: User!.Arn! }) });
  const assume = { RoleArn: `arn:aws:iam::${ACCOUNT}:role/R`, RoleSessionName: 'run' };
  await alice.sts.assumeRole(assume);
  await iam.updateUser({ UserName: 'alice', NewUserName: 'alicia' });
  await alice.sts.assumeRole(assume);
  await iam.deleteAccessKey({ UserName: 'alicia', AccessKeyId: alice.keys.accessKeyId });
  await iam.deleteUserPolicy({ UserName: 'alicia', PolicyName: 'inline' });
  await iam.deleteUser({ UserName: 'alicia' });
  const { Role } = await iam.getRole({ RoleName: 'R' });
  assert.equal(decodeURIComponent(Role!.AssumeRolePolicyDocument!), trust({ AWS: User!.UserId! }));
  const impostor = await server.user('alicia');
  await assert.rejects(impostor.sts.assumeRole(assume), { name: 'AccessDenied' });
});

test('instance profiles hold one role', async (t) => {
  const { iam } = (await startServer(t)).root_;
  const name = { InstanceProfileName: 'P' };
  const { InstanceProfile } = await iam.createInstanceProfile(name);
  assert.deepEqual([InstanceProfile!.Arn, InstanceProfile!.Roles], [`arn:aws:iam::${ACCOUNT}:instance-profile/P`, []]);
  await assert.rejects(iam.createInstanceProfile(name), {
    name: 'EntityAlreadyExistsException',
    message: 'Instance Profile with name P already exists.',
  });
  for (const RoleName of ['A', 'B']) await iam.createRole({ RoleName, AssumeRolePolicyDocument: SERVICE });
  await iam.addRoleToInstanceProfile({ ...name, RoleName: 'A' });
  await assert.rejects(iam.addRoleToInstanceProfile({ ...name, RoleName: 'B' }), { name: 'LimitExceededException' });
  assert.equal((await iam.getInstanceProfile(name)).InstanceProfile!.Roles![0]!.RoleName, 'A');
  assert.equal((await iam.listInstanceProfilesForRole({ RoleName: 'A' })).InstanceProfiles!.length, 1);
  await assert.rejects(iam.deleteRole({ RoleName: 'A' }), {
    name: 'DeleteConflictException',
    message: 'Cannot delete entity, must remove roles from instance profile first.',
  });
  await assert.rejects(iam.deleteInstanceProfile(name), { name: 'DeleteConflictException' });
  await iam.removeRoleFromInstanceProfile({ ...name, RoleName: 'A' });
  await iam.deleteInstanceProfile(name);
  await assert.rejects(iam.getInstanceProfile(name), {
    name: 'NoSuchEntityException',
    message: 'Instance Profile P cannot be found.',
  });
});

test('I10: a role goes into an instance profile only with iam:PassRole', async (t) => {
  const server = await startServer(t);
  await server.root_.iam.createRole({ RoleName: 'A', AssumeRolePolicyDocument: SERVICE });
  await server.root_.iam.createInstanceProfile({ InstanceProfileName: 'P' });
  const alice = await server.user(
    'alice',
    JSON.parse(document({ Effect: 'Allow', Action: 'iam:AddRoleToInstanceProfile', Resource: '*' })),
  );
  await assert.rejects(alice.iam.addRoleToInstanceProfile({ InstanceProfileName: 'P', RoleName: 'A' }), {
    name: 'AccessDenied',
    message: /iam:PassRole/,
  });
});

test('tags: case of keys does not matter, fifty at most', async (t) => {
  const { iam } = (await startServer(t)).root_;
  await iam.createRole({ RoleName: 'R', AssumeRolePolicyDocument: SERVICE, Tags: [{ Key: 'Team', Value: 'a' }] });
  await iam.tagRole({ RoleName: 'R', Tags: [{ Key: 'TEAM', Value: 'b' }] });
  assert.deepEqual((await iam.listRoleTags({ RoleName: 'R' })).Tags, [{ Key: 'TEAM', Value: 'b' }]);
  await iam.tagRole({ RoleName: 'R', Tags: Array.from({ length: 49 }, (_, n) => ({ Key: `k${n}`, Value: '' })) });
  await assert.rejects(iam.tagRole({ RoleName: 'R', Tags: [{ Key: 'more', Value: '' }] }), {
    name: 'LimitExceededException',
  });
  await iam.untagRole({ RoleName: 'R', TagKeys: ['team'] });
  assert.equal((await iam.listRoleTags({ RoleName: 'R' })).Tags!.length, 49);
});

test('account: summary and alias', async (t) => {
  const { iam } = (await startServer(t)).root_;
  await iam.createUser({ UserName: 'u' });
  await iam.createOpenIDConnectProvider({ Url: 'https://issuer.example', ThumbprintList: ['a'.repeat(40)] });
  const { SummaryMap } = await iam.getAccountSummary({});
  assert.deepEqual([SummaryMap!.Users, SummaryMap!.Roles, SummaryMap!.AccessKeysPerUserQuota], [1, 0, 2]);
  assert.equal(SummaryMap!['Providers'], 1);
  assert.deepEqual((await iam.listAccountAliases({})).AccountAliases, []);
  await iam.createAccountAlias({ AccountAlias: 'my-team' });
  assert.deepEqual((await iam.listAccountAliases({})).AccountAliases, ['my-team']);
  await assert.rejects(iam.deleteAccountAlias({ AccountAlias: 'other' }), { name: 'NoSuchEntityException' });
  await iam.deleteAccountAlias({ AccountAlias: 'my-team' });
});
