import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Clients } from '../../../test/harness.ts';
import { startServer } from '../../../test/harness.ts';

const ACCOUNT = '123456789012';
const document = (...statements: object[]) => JSON.stringify({ Version: '2012-10-17', Statement: statements });
const allow = (Action: unknown, Resource: unknown = '*') => document({ Effect: 'Allow', Action, Resource });
const NOTHING = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'none:None', Resource: '*' }] };

async function start(t: TestContext) {
  const server = await startServer(t);
  return { server, iam: server.root_.iam };
}

const denied = (who: Clients) => assert.rejects(who.iam.listUsers({}), { name: 'AccessDenied' });

test("a user from birth to deletion, in IAM's words", async (t) => {
  const { iam } = await start(t);
  const { User } = await iam.createUser({ UserName: 'Alice', Path: '/team/', Tags: [{ Key: 'cost', Value: '1' }] });
  assert.match(User!.UserId!, /^AIDA[A-Z2-7]{17}$/);
  assert.equal(User!.Arn, `arn:aws:iam::${ACCOUNT}:user/team/Alice`);
  const got = await iam.getUser({ UserName: 'Alice' });
  assert.deepEqual([got.User!.UserId, got.User!.Tags], [User!.UserId, [{ Key: 'cost', Value: '1' }]]);
  await assert.rejects(iam.createUser({ UserName: 'aLICE' }), {
    name: 'EntityAlreadyExistsException',
    message: 'User with name aLICE already exists.',
    $fault: 'client',
  });
  await assert.rejects(
    iam.getUser({ UserName: 'bob' }),
    (error: { name: string; message: string; $metadata: { httpStatusCode: number } }) => {
      assert.deepEqual(
        [error.name, error.message, error.$metadata.httpStatusCode],
        ['NoSuchEntityException', 'The user with name bob cannot be found.', 404],
      );
      return true;
    },
  );
  await iam.updateUser({ UserName: 'Alice', NewUserName: 'alicia', NewPath: '/' });
  const renamed = await iam.getUser({ UserName: 'alicia' });
  assert.deepEqual(
    [renamed.User!.Arn, renamed.User!.UserId, renamed.User!.Tags],
    [`arn:aws:iam::${ACCOUNT}:user/alicia`, User!.UserId, [{ Key: 'cost', Value: '1' }]],
  );
  await iam.deleteUser({ UserName: 'alicia' });
  await assert.rejects(iam.deleteUser({ UserName: 'alicia' }), { name: 'NoSuchEntityException' });
});

test('a user who still has something is not deleted, and the first of it is named', async (t) => {
  const { iam } = await start(t);
  const name = { UserName: 'alice' };
  await iam.createUser(name);
  const { AccessKey } = await iam.createAccessKey(name);
  await iam.putUserPolicy({ ...name, PolicyName: 'p', PolicyDocument: allow('s3:*') });
  await iam.attachUserPolicy({ ...name, PolicyArn: 'arn:aws:iam::aws:policy/ReadOnlyAccess' });
  await iam.createGroup({ GroupName: 'g' });
  await iam.addUserToGroup({ ...name, GroupName: 'g' });
  const { ServiceSpecificCredential: credential } = await iam.createServiceSpecificCredential({
    ...name,
    ServiceName: 'codecommit.amazonaws.com',
  });
  const conflict = (what: string) =>
    assert.rejects(iam.deleteUser(name), {
      name: 'DeleteConflictException',
      message: `Cannot delete entity, must ${what} first.`,
    });
  await conflict('delete access keys');
  await iam.deleteAccessKey({ ...name, AccessKeyId: AccessKey!.AccessKeyId! });
  await conflict('delete policies');
  await iam.deleteUserPolicy({ ...name, PolicyName: 'p' });
  await conflict('detach all policies');
  await iam.detachUserPolicy({ ...name, PolicyArn: 'arn:aws:iam::aws:policy/ReadOnlyAccess' });
  await conflict('remove users from group');
  await assert.rejects(iam.deleteGroup({ GroupName: 'g' }), {
    name: 'DeleteConflictException',
    message: 'Cannot delete entity, must remove users from group first.',
  });
  await iam.removeUserFromGroup({ ...name, GroupName: 'g' });
  await conflict('delete service specific credentials');
  await iam.deleteServiceSpecificCredential({
    ...name,
    ServiceSpecificCredentialId: credential!.ServiceSpecificCredentialId!,
  });
  await iam.deleteUser(name);
  await iam.deleteGroup({ GroupName: 'g' });
});

test('whose name is left out is the caller himself', async (t) => {
  const { server } = await start(t);
  const alice = await server.user('alice');
  assert.equal((await alice.iam.getUser({})).User!.UserName, 'alice');
  assert.equal((await alice.iam.listAccessKeys({})).AccessKeyMetadata!.length, 1);
  const root = await server.root_.iam.getUser({});
  assert.deepEqual(
    [root.User!.Arn, root.User!.UserId, root.User!.UserName],
    [`arn:aws:iam::${ACCOUNT}:root`, ACCOUNT, undefined],
  );
});

test('keys of the root user: made, listed and deleted by himself, the one of the configuration stays', async (t) => {
  const { server } = await start(t);
  const { iam } = server.root_;
  const idsOf = async () => (await iam.listAccessKeys({})).AccessKeyMetadata!.map(({ AccessKeyId }) => AccessKeyId);
  const configured = (await idsOf())[0]!;
  assert.deepEqual(await idsOf(), [server.root.accessKeyId]);
  const { AccessKey: key } = await iam.createAccessKey({});
  assert.equal(key!.UserName, undefined);
  assert.deepEqual(await idsOf(), [configured, key!.AccessKeyId]);
  const second = server.clients({ accessKeyId: key!.AccessKeyId!, secretAccessKey: key!.SecretAccessKey! });
  assert.equal((await second.sts.getCallerIdentity({})).Arn, `arn:aws:iam::${ACCOUNT}:root`);
  const usedBy = async (AccessKeyId: string) => {
    const { UserName, AccessKeyLastUsed: used } = await iam.getAccessKeyLastUsed({ AccessKeyId });
    return [UserName, used!.ServiceName, used!.Region, used!.LastUsedDate instanceof Date];
  };
  assert.deepEqual(await usedBy(key!.AccessKeyId!), [undefined, 'sts', 'us-east-1', true]);
  assert.deepEqual(await usedBy(configured!), [undefined, 'iam', 'us-east-1', true]);
  const reader = await server.user('reader', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'iam:GetAccessKeyLastUsed', Resource: `arn:aws:iam::${ACCOUNT}:user/*` }],
  });
  await assert.rejects(reader.iam.getAccessKeyLastUsed({ AccessKeyId: key!.AccessKeyId! }), { name: 'AccessDenied' });
  await assert.rejects(reader.iam.getAccessKeyLastUsed({ AccessKeyId: configured! }), { name: 'AccessDenied' });
  await assert.rejects(iam.createAccessKey({}), { name: 'LimitExceededException' });
  await assert.rejects(second.iam.deleteAccessKey({ AccessKeyId: configured }), { name: 'AccessDenied' });
  await iam.updateAccessKey({ AccessKeyId: key!.AccessKeyId!, Status: 'Inactive' });
  await assert.rejects(second.sts.getCallerIdentity({}), { name: 'InvalidClientTokenId' });
  await iam.deleteAccessKey({ AccessKeyId: key!.AccessKeyId! });
  assert.deepEqual(await idsOf(), [configured]);
  const partner = await server.account('partner');
  assert.equal((await partner.root.iam.listAccessKeys({})).AccessKeyMetadata!.length, 1);
  await assert.rejects(partner.root.iam.getAccessKeyLastUsed({ AccessKeyId: configured! }), {
    name: 'NoSuchEntityException',
  });
  await assert.rejects(second.iam.listAccessKeys({}), { name: 'InvalidClientTokenId' });
});

test("input that breaks a rule is refused in AWS's words", async (t) => {
  const { iam } = await start(t);
  await assert.rejects(iam.createUser({ UserName: 'a b' }), {
    name: 'ValidationError',
    message:
      'The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-',
  });
  await assert.rejects(iam.createUser({ UserName: 'a', Path: 'team' }), {
    name: 'ValidationError',
    message:
      'The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.',
  });
  await assert.rejects(iam.createUser({ UserName: 'a'.repeat(65) }), {
    name: 'ValidationError',
    message:
      /^1 validation error detected: Value 'a+' at 'userName' failed to satisfy constraint: Member must have length less than or equal to 64$/,
  });
  await assert.rejects(iam.createUser({ UserName: 'a', Tags: [{ Key: 'aws:x', Value: '' }] }), {
    name: 'InvalidInputException',
  });
  await assert.rejects(
    iam.createUser({
      UserName: 'a',
      Tags: [
        { Key: 'x', Value: '' },
        { Key: 'X', Value: '' },
      ],
    }),
    { name: 'InvalidInputException', message: /Duplicate tag keys/ },
  );
  await assert.rejects(iam.listUsers({ Marker: 'nonsense' }), { name: 'ValidationError', message: 'Invalid Marker.' });
});

test('lists come in pages and by path', async (t) => {
  const { iam } = await start(t);
  for (const [name, path] of [
    ['d', '/x/'],
    ['a', '/'],
    ['C', '/x/y/'],
    ['b', '/xy/'],
  ] as const)
    await iam.createUser({ UserName: name, Path: path });
  const names: string[] = [];
  let Marker: string | undefined;
  do {
    const page = await iam.listUsers({ MaxItems: 3, Marker });
    names.push(...page.Users!.map(({ UserName }) => UserName!));
    assert.equal(page.IsTruncated, page.Marker !== undefined);
    Marker = page.Marker;
  } while (Marker !== undefined);
  assert.deepEqual(names, ['a', 'b', 'C', 'd']);
  const under = await iam.listUsers({ PathPrefix: '/x/' });
  assert.deepEqual(
    under.Users!.map(({ UserName }) => UserName),
    ['C', 'd'],
  );
  const first = await iam.listUsers({ MaxItems: 1 });
  await assert.rejects(iam.listGroups({ Marker: first.Marker }), { name: 'ValidationError' });
});

test('access keys: two at most, off and on again, gone at once when deleted', async (t) => {
  const { server, iam } = await start(t);
  const alice = await server.user('alice');
  const { accessKeyId: AccessKeyId } = alice.keys;
  const second = await iam.createAccessKey({ UserName: 'alice' });
  assert.match(second.AccessKey!.SecretAccessKey!, /^[A-Za-z0-9+/]{40}$/);
  await assert.rejects(iam.createAccessKey({ UserName: 'alice' }), {
    name: 'LimitExceededException',
    message: 'Cannot exceed quota for AccessKeysPerUser: 2',
  });
  await alice.iam.listUsers({});
  await iam.updateAccessKey({ UserName: 'alice', AccessKeyId, Status: 'Inactive' });
  await assert.rejects(alice.iam.listUsers({}), {
    name: 'InvalidClientTokenId',
    message: 'The security token included in the request is invalid.',
  });
  await iam.updateAccessKey({ UserName: 'alice', AccessKeyId, Status: 'Active' });
  await alice.iam.listUsers({});
  const used = await iam.getAccessKeyLastUsed({ AccessKeyId });
  assert.deepEqual(
    [used.UserName, used.AccessKeyLastUsed!.ServiceName, used.AccessKeyLastUsed!.Region],
    ['alice', 'iam', 'us-east-1'],
  );
  const unused = await iam.getAccessKeyLastUsed({ AccessKeyId: second.AccessKey!.AccessKeyId! });
  assert.equal(unused.AccessKeyLastUsed!.ServiceName, 'N/A');
  await iam.deleteAccessKey({ UserName: 'alice', AccessKeyId });
  await assert.rejects(alice.iam.listUsers({}), { name: 'InvalidClientTokenId' });
  await assert.rejects(iam.deleteAccessKey({ UserName: 'alice', AccessKeyId }), {
    name: 'NoSuchEntityException',
    message: `The Access Key with id ${AccessKeyId} cannot be found.`,
  });
  await iam.createUser({ UserName: 'bob' });
  await assert.rejects(iam.deleteAccessKey({ UserName: 'bob', AccessKeyId: second.AccessKey!.AccessKeyId! }), {
    name: 'NoSuchEntityException',
  });
});

test('keys and policies hold after a restart', async (t) => {
  const { server } = await start(t);
  const alice = await server.user('alice', JSON.parse(allow('iam:ListRoles')));
  await server.restart();
  const again = server.clients(alice.keys);
  await again.iam.listRoles({});
  await denied(again);
});

test('I1: what a policy says counts from the next call on: inline, attached, of a group, new version, boundary', async (t) => {
  const { server, iam } = await start(t);
  const alice = await server.user('alice', NOTHING);
  const name = { UserName: 'alice' };
  await denied(alice);
  await iam.putUserPolicy({ ...name, PolicyName: 'p', PolicyDocument: allow('iam:ListUsers') });
  await alice.iam.listUsers({});
  await iam.deleteUserPolicy({ ...name, PolicyName: 'p' });
  await denied(alice);
  await iam.attachUserPolicy({ ...name, PolicyArn: 'arn:aws:iam::aws:policy/IAMReadOnlyAccess' });
  await alice.iam.listUsers({});
  await assert.rejects(alice.iam.createUser({ UserName: 'x' }), { name: 'AccessDenied' });
  await iam.detachUserPolicy({ ...name, PolicyArn: 'arn:aws:iam::aws:policy/IAMReadOnlyAccess' });
  await denied(alice);
  await iam.createGroup({ GroupName: 'g' });
  await iam.putGroupPolicy({ GroupName: 'g', PolicyName: 'p', PolicyDocument: allow('iam:List*') });
  await denied(alice);
  await iam.addUserToGroup({ ...name, GroupName: 'g' });
  await alice.iam.listUsers({});
  const { Policy } = await iam.createPolicy({ PolicyName: 'Limit', PolicyDocument: allow('iam:ListRoles') });
  await iam.putUserPermissionsBoundary({ ...name, PermissionsBoundary: Policy!.Arn! });
  await assert.rejects(alice.iam.listUsers({}), {
    name: 'AccessDenied',
    message: /because no permissions boundary allows the iam:ListUsers action$/,
  });
  await alice.iam.listRoles({});
  await iam.createPolicyVersion({ PolicyArn: Policy!.Arn!, PolicyDocument: allow('iam:*'), SetAsDefault: true });
  await alice.iam.listUsers({});
  await iam.setDefaultPolicyVersion({ PolicyArn: Policy!.Arn!, VersionId: 'v1' });
  await denied(alice);
  await iam.deleteUserPermissionsBoundary(name);
  await alice.iam.listUsers({});
  await iam.attachUserPolicy({
    ...name,
    PolicyArn: (
      await iam.createPolicy({
        PolicyName: 'No',
        PolicyDocument: document({ Effect: 'Deny', Action: 'iam:ListUsers', Resource: '*' }),
      })
    ).Policy!.Arn!,
  });
  await assert.rejects(alice.iam.listUsers({}), {
    name: 'AccessDenied',
    message: /with an explicit deny in an identity-based policy$/,
  });
  await iam.removeUserFromGroup({ ...name, GroupName: 'g' });
  await denied(alice);
});

test('I4: policies with variables and tags apply to each user as himself', async (t) => {
  const { server, iam } = await start(t);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a policy variable
  const own = JSON.parse(allow('iam:*', 'arn:aws:iam::*:user/${aws:username}'));
  const alice = await server.user('alice', own);
  await server.user('bob', own);
  await alice.iam.createAccessKey({ UserName: 'alice' });
  await assert.rejects(alice.iam.createAccessKey({ UserName: 'bob' }), {
    name: 'AccessDenied',
    message: `User: arn:aws:iam::${ACCOUNT}:user/alice is not authorized to perform: iam:CreateAccessKey on resource: arn:aws:iam::${ACCOUNT}:user/bob because no identity-based policy allows the iam:CreateAccessKey action`,
  });
  const byTag = {
    Effect: 'Allow',
    Action: 'iam:GetUser',
    Resource: '*',
    Condition: { StringEquals: { 'aws:ResourceTag/team': 'blue', 'aws:PrincipalTag/lead': 'yes' } },
  };
  const carol = await server.user('carol', { Version: '2012-10-17', Statement: [byTag] });
  const get = () => carol.iam.getUser({ UserName: 'bob' });
  await assert.rejects(get(), { name: 'AccessDenied' });
  await iam.tagUser({ UserName: 'bob', Tags: [{ Key: 'team', Value: 'blue' }] });
  await iam.tagUser({ UserName: 'carol', Tags: [{ Key: 'lead', Value: 'yes' }] });
  await get();
  await iam.untagUser({ UserName: 'carol', TagKeys: ['LEAD'] });
  await assert.rejects(get(), { name: 'AccessDenied' });
});

test('users without a name of their own cannot slip in by rename: the key stays with its user', async (t) => {
  const { server, iam } = await start(t);
  const alice = await server.user('alice');
  await iam.updateUser({ UserName: 'alice', NewUserName: 'alicia' });
  await server.user('alice', NOTHING);
  assert.equal((await alice.sts.getCallerIdentity({})).Arn, `arn:aws:iam::${ACCOUNT}:user/alicia`);
  await alice.iam.listUsers({});
});

test('groups: members, names, and what they are called in lists', async (t) => {
  const { iam } = await start(t);
  for (const UserName of ['a', 'b', 'c']) await iam.createUser({ UserName });
  await iam.createGroup({ GroupName: 'Team', Path: '/x/' });
  for (const UserName of ['c', 'a', 'b', 'a']) await iam.addUserToGroup({ GroupName: 'Team', UserName });
  const first = await iam.getGroup({ GroupName: 'Team', MaxItems: 2 });
  const rest = await iam.getGroup({ GroupName: 'Team', Marker: first.Marker });
  assert.deepEqual(
    [...first.Users!, ...rest.Users!].map(({ UserName }) => UserName),
    ['a', 'b', 'c'],
  );
  await iam.updateGroup({ GroupName: 'Team', NewGroupName: 'Crew' });
  const groups = await iam.listGroupsForUser({ UserName: 'a' });
  assert.deepEqual(
    groups.Groups!.map(({ Arn }) => Arn),
    [`arn:aws:iam::${ACCOUNT}:group/x/Crew`],
  );
  await assert.rejects(iam.addUserToGroup({ GroupName: 'Team', UserName: 'a' }), {
    name: 'NoSuchEntityException',
    message: 'The group with name Team cannot be found.',
  });
  for (let n = 1; n < 10; n++) {
    await iam.createGroup({ GroupName: `g${n}` });
    await iam.addUserToGroup({ GroupName: `g${n}`, UserName: 'a' });
  }
  await iam.createGroup({ GroupName: 'g10' });
  await assert.rejects(iam.addUserToGroup({ GroupName: 'g10', UserName: 'a' }), {
    name: 'LimitExceededException',
    message: 'Cannot exceed quota for GroupsPerUser: 10',
  });
});
