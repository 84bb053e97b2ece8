import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Clients, TestServer } from '../../../test/harness.ts';
import { startServer } from '../../../test/harness.ts';
import type { Clock } from '../../kernel/clock.ts';
import { systemClock } from '../../kernel/clock.ts';

const ACCOUNT = '123456789012';
const ALICE = `arn:aws:iam::${ACCOUNT}:user/alice`;
const roleArn = (name: string) => `arn:aws:iam::${ACCOUNT}:role/${name}`;
const document = (...statements: object[]) => JSON.stringify({ Version: '2012-10-17', Statement: statements });
const trust = (Principal: unknown, more: object = {}) =>
  document({
    Effect: 'Allow',
    Principal,
    Action: ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'],
    ...more,
  });
const allow = (Action: unknown, Resource: unknown = '*') => document({ Effect: 'Allow', Action, Resource });

async function makeRole(server: TestServer, name: string, trustPolicy: string, policy = allow('*'), more = {}) {
  const { iam } = server.root_;
  await iam.createRole({ RoleName: name, AssumeRolePolicyDocument: trustPolicy, ...more });
  await iam.putRolePolicy({ RoleName: name, PolicyName: 'p', PolicyDocument: policy });
  return roleArn(name);
}

async function assume(server: TestServer, who: Clients, RoleArn: string, more = {}): Promise<Clients> {
  const { Credentials } = await who.sts.assumeRole({ RoleArn, RoleSessionName: 'run-1', ...more });
  return server.clients({
    accessKeyId: Credentials!.AccessKeyId!,
    secretAccessKey: Credentials!.SecretAccessKey!,
    sessionToken: Credentials!.SessionToken!,
  });
}

/** The system's clock, set off by an amount that tests change. */
function movableClock() {
  let offsetMs = 0;
  const clock: Clock = { ...systemClock, now: () => new Date(Date.now() + offsetMs) };
  return { clock, forward: (ms: number) => (offsetMs += ms) };
}

const NOTHING = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'none:None', Resource: '*' }] };

async function setup(t: TestContext, options = {}) {
  const server = await startServer(t, options);
  const alice = await server.user('alice', NOTHING);
  return { server, alice };
}

test('a role is assumed, and the session is the role', async (t) => {
  const { server, alice } = await setup(t);
  const arn = await makeRole(server, 'Build', trust({ AWS: ALICE }), allow('iam:GetRole'));
  const output = await alice.sts.assumeRole({ RoleArn: arn, RoleSessionName: 'run-1' });
  const { Credentials: keys, AssumedRoleUser: user } = output;
  assert.match(keys!.AccessKeyId!, /^ASIA[A-Z2-7]{16}$/);
  const { Role } = await server.root_.iam.getRole({ RoleName: 'Build' });
  assert.deepEqual(user, {
    AssumedRoleId: `${Role!.RoleId}:run-1`,
    Arn: `arn:aws:sts::${ACCOUNT}:assumed-role/Build/run-1`,
  });
  assert.ok(Math.abs(keys!.Expiration!.getTime() - Date.now() - 3_600_000) < 10_000);
  const session = server.clients({
    accessKeyId: keys!.AccessKeyId!,
    secretAccessKey: keys!.SecretAccessKey!,
    sessionToken: keys!.SessionToken!,
  });
  const identity = await session.sts.getCallerIdentity({});
  assert.deepEqual([identity.Arn, identity.UserId, identity.Account], [user!.Arn, user!.AssumedRoleId, ACCOUNT]);
  await session.iam.getRole({ RoleName: 'Build' });
  await assert.rejects(session.iam.listUsers({}), {
    name: 'AccessDenied',
    message: `User: arn:aws:sts::${ACCOUNT}:assumed-role/Build/run-1 is not authorized to perform: iam:ListUsers on resource: arn:aws:iam::${ACCOUNT}:user/ because no identity-based policy allows the iam:ListUsers action`,
  });
});

test('sessions survive a restart of the server', async (t) => {
  const { server, alice } = await setup(t);
  const session = await assume(server, alice, await makeRole(server, 'Build', trust({ AWS: ALICE })));
  await server.restart();
  const { Arn } = await server.clients(session.keys).sts.getCallerIdentity({});
  assert.equal(Arn, `arn:aws:sts::${ACCOUNT}:assumed-role/Build/run-1`);
});

test('I8: the trust policy decides: who is not named does not get in, whatever his own policies say', async (t) => {
  const { server } = await setup(t);
  const bob = await server.user('bob');
  const carol = await server.user('carol', NOTHING);
  const arn = await makeRole(server, 'Build', trust({ AWS: ALICE }));
  await assert.rejects(bob.sts.assumeRole({ RoleArn: arn, RoleSessionName: 'run' }), {
    name: 'AccessDenied',
    message:
      /^User: arn:aws:iam::123456789012:user\/bob is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role\/Build/,
  });
  const open = await makeRole(server, 'Open', trust({ AWS: ACCOUNT }));
  await assume(server, bob, open);
  await assert.rejects(carol.sts.assumeRole({ RoleArn: open, RoleSessionName: 'run' }), { name: 'AccessDenied' });
  await assert.rejects(bob.sts.assumeRole({ RoleArn: roleArn('Ghost'), RoleSessionName: 'run' }), {
    name: 'AccessDenied',
  });
  await assert.rejects(server.root_.sts.assumeRole({ RoleArn: open, RoleSessionName: 'run' }), {
    name: 'AccessDenied',
    message: 'Roles may not be assumed by root accounts.',
  });
});

test('I8: ExternalId missing, wrong and right', async (t) => {
  const { server, alice } = await setup(t);
  const arn = await makeRole(
    server,
    'Vendor',
    trust({ AWS: ALICE }, { Condition: { StringEquals: { 'sts:ExternalId': ['one', 'two'] } } }),
  );
  const call = (ExternalId?: string) => alice.sts.assumeRole({ RoleArn: arn, RoleSessionName: 'run', ExternalId });
  await assert.rejects(call(), { name: 'AccessDenied' });
  await assert.rejects(call('three'), { name: 'AccessDenied' });
  await call('two');
});

test('I8: session tags and source identity need rights of their own, and reach policies', async (t) => {
  const { server, alice } = await setup(t);
  const bare = document({ Effect: 'Allow', Principal: { AWS: ALICE }, Action: 'sts:AssumeRole' });
  const bareArn = await makeRole(server, 'Bare', bare);
  const Tags = [{ Key: 'team', Value: 'blue' }];
  await assert.rejects(assume(server, alice, bareArn, { Tags }), { name: 'AccessDenied', message: /sts:TagSession/ });
  await assert.rejects(assume(server, alice, bareArn, { SourceIdentity: 'alice' }), {
    name: 'AccessDenied',
    message: /sts:SetSourceIdentity/,
  });
  const onlyBlue = document({
    Effect: 'Allow',
    Action: 'iam:*',
    Resource: '*',
    Condition: { StringEquals: { 'aws:PrincipalTag/team': 'blue', 'aws:SourceIdentity': 'alice' } },
  });
  const arn = await makeRole(server, 'Tagged', trust({ AWS: ALICE }), onlyBlue);
  const blue = await assume(server, alice, arn, { Tags, SourceIdentity: 'alice' });
  await blue.iam.listRoles({});
  const red = await assume(server, alice, arn, { Tags: [{ Key: 'team', Value: 'red' }], SourceIdentity: 'alice' });
  await assert.rejects(red.iam.listRoles({}), { name: 'AccessDenied' });
  const anonymous = await assume(server, alice, arn, { Tags });
  await assert.rejects(anonymous.iam.listRoles({}), { name: 'AccessDenied' });
  await assert.rejects(assume(server, alice, arn, { Tags: [...Tags, { Key: 'TEAM', Value: 'x' }] }), {
    name: 'ValidationError',
    message: /Duplicate tag keys/,
  });
});

test('I8: transitive tags and the source identity go on to the next role and cannot be replaced', async (t) => {
  const { server, alice } = await setup(t);
  const first = await makeRole(server, 'First', trust({ AWS: ALICE }));
  const second = await makeRole(
    server,
    'Second',
    trust({ AWS: first }),
    document({
      Effect: 'Allow',
      Action: '*',
      Resource: '*',
      Condition: {
        StringEquals: { 'aws:PrincipalTag/team': 'blue', 'aws:SourceIdentity': 'alice' },
        Null: { 'aws:PrincipalTag/other': 'true' },
      },
    }),
  );
  const Tags = [
    { Key: 'team', Value: 'blue' },
    { Key: 'other', Value: 'x' },
  ];
  const one = await assume(server, alice, first, { Tags, TransitiveTagKeys: ['team'], SourceIdentity: 'alice' });
  const two = await assume(server, one, second);
  await two.iam.listRoles({});
  await assert.rejects(assume(server, one, second, { Tags: [{ Key: 'Team', Value: 'red' }] }), {
    name: 'ValidationError',
    message: /transitive tag key from the calling session/,
  });
  await assert.rejects(assume(server, one, second, { SourceIdentity: 'bob' }), { name: 'AccessDenied' });
  await assert.rejects(assume(server, alice, first, { TransitiveTagKeys: ['team'] }), { name: 'ValidationError' });
});

test('I8: what a session hands on needs its right in the trust of the next role, and in the policies of the session', async (t) => {
  const { server, alice } = await setup(t);
  const first = await makeRole(server, 'First', trust({ AWS: ALICE }));
  const next = (name: string, Action: string[], more: object = {}) =>
    makeRole(server, name, document({ Effect: 'Allow', Principal: { AWS: first }, Action, ...more }));
  const bare = await next('Bare', ['sts:AssumeRole']);
  const tagging = await next('Tagging', ['sts:AssumeRole', 'sts:TagSession']);
  const identifying = await next('Identifying', ['sts:AssumeRole', 'sts:SetSourceIdentity'], {
    Condition: { StringEquals: { 'sts:SourceIdentity': 'alice' } },
  });
  const tagged = { Tags: [{ Key: 'team', Value: 'blue' }], TransitiveTagKeys: ['team'] };
  const plain = await assume(server, alice, first);
  await assume(server, plain, bare);
  await assert.rejects(assume(server, plain, identifying), { name: 'AccessDenied' }, 'nobody is named');
  const blue = await assume(server, alice, first, tagged);
  await assert.rejects(assume(server, blue, bare), { name: 'AccessDenied', message: /sts:TagSession/ });
  await assume(server, blue, tagging);
  const own = await assume(server, alice, first, { Tags: tagged.Tags });
  await assume(server, own, bare);
  const known = await assume(server, alice, first, { SourceIdentity: 'alice' });
  await assert.rejects(assume(server, known, bare), { name: 'AccessDenied', message: /sts:SetSourceIdentity/ });
  await assume(server, known, identifying);
  const other = await assume(server, alice, first, { SourceIdentity: 'bob' });
  await assert.rejects(assume(server, other, identifying), { name: 'AccessDenied' });
  const narrow = await assume(server, alice, first, { ...tagged, Policy: allow('sts:AssumeRole') });
  await assert.rejects(assume(server, narrow, tagging), { name: 'AccessDenied', message: /sts:TagSession/ });
});

test("I8: durations: 899 and 43,201 seconds, beyond the role's maximum, and chained", async (t) => {
  const { server, alice } = await setup(t);
  const first = await makeRole(server, 'First', trust({ AWS: ALICE }), allow('*'), { MaxSessionDuration: 7200 });
  const second = await makeRole(server, 'Second', trust({ AWS: first }), allow('*'), { MaxSessionDuration: 43_200 });
  const call = (who: Clients, RoleArn: string, DurationSeconds: number) =>
    who.sts.assumeRole({ RoleArn, RoleSessionName: 'run', DurationSeconds });
  for (const seconds of [899, 43_201]) await assert.rejects(call(alice, first, seconds), { name: 'ValidationError' });
  await assert.rejects(call(alice, first, 7201), {
    name: 'ValidationError',
    message: 'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
  });
  const { Credentials } = await call(alice, first, 7200);
  assert.ok(Math.abs(Credentials!.Expiration!.getTime() - Date.now() - 7_200_000) < 10_000);
  const chained = await assume(server, alice, first);
  await assert.rejects(call(chained, second, 3601), {
    name: 'ValidationError',
    message: 'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining',
  });
  await call(chained, second, 3600);
});

test('I7: session policies only narrow, inline and managed', async (t) => {
  const { server, alice } = await setup(t);
  const arn = await makeRole(server, 'Build', trust({ AWS: ALICE }), allow(['iam:ListRoles', 'iam:ListUsers']));
  const narrow = await assume(server, alice, arn, { Policy: allow(['iam:ListRoles', 'iam:ListGroups']) });
  await narrow.iam.listRoles({});
  await assert.rejects(narrow.iam.listUsers({}), {
    name: 'AccessDenied',
    message: /because no session policy allows the iam:ListUsers action$/,
  });
  await assert.rejects(narrow.iam.listGroups({}), {
    name: 'AccessDenied',
    message: /because no identity-based policy allows/,
  });
  const { Policy } = await server.root_.iam.createPolicy({
    PolicyName: 'Users',
    PolicyDocument: allow('iam:ListUsers'),
  });
  const both = await assume(server, alice, arn, {
    Policy: allow('iam:ListRoles'),
    PolicyArns: [{ arn: Policy!.Arn! }],
  });
  await both.iam.listRoles({});
  await both.iam.listUsers({});
  await assert.rejects(assume(server, alice, arn, { Policy: '{' }), { name: 'MalformedPolicyDocumentException' });
  await assert.rejects(assume(server, alice, arn, { PolicyArns: [{ arn: `arn:aws:iam::${ACCOUNT}:policy/Ghost` }] }), {
    name: 'ValidationError',
  });
  await assert.rejects(assume(server, alice, arn, { Policy: allow('*').padEnd(2100) }), {
    name: 'PackedPolicyTooLargeException',
  });
});

test('no message is one that this installation has encoded', async (t) => {
  const server = await startServer(t);
  const EncodedMessage = Buffer.from('of another installation').toString('base64');
  await assert.rejects(server.root_.sts.decodeAuthorizationMessage({ EncodedMessage }), {
    name: 'InvalidAuthorizationMessageException',
  });
  const Statement = [{ Effect: 'Allow', Action: 'sts:GetAccessKeyInfo', Resource: '*' }];
  const curious = await server.user('curious', { Version: '2012-10-17', Statement });
  await assert.rejects(curious.sts.decodeAuthorizationMessage({ EncodedMessage }), { name: 'AccessDenied' });
});

test('S8: tokens missing, foreign, cut short, given with a long-term key, and expired', async (t) => {
  const { clock, forward } = movableClock();
  const { server, alice } = await setup(t, { clock });
  const arn = await makeRole(server, 'Build', trust({ AWS: ALICE }));
  const { keys } = await assume(server, alice, arn);
  const { keys: other } = await assume(server, alice, arn);
  const who = (sessionToken: string | undefined, base = keys) =>
    server
      .clients({ ...base, ...(sessionToken === undefined ? { sessionToken: undefined } : { sessionToken }) } as never)
      .sts.getCallerIdentity({});
  await who(keys.sessionToken);
  for (const token of [undefined, other.sessionToken, keys.sessionToken!.slice(0, -1), `${keys.sessionToken}x`]) {
    await assert.rejects(who(token), { name: 'InvalidClientTokenId' });
  }
  await assert.rejects(who(keys.sessionToken, alice.keys), { name: 'InvalidClientTokenId' });
  forward(3_601_000);
  const late = server.clients(keys).sts;
  late.config.systemClockOffset = 3_601_000;
  await assert.rejects(late.getCallerIdentity({}), {
    name: 'ExpiredToken',
    message: 'The security token included in the request is expired',
  });
});

test("a deleted role ends its sessions' rights, and a new one of that name does not bring them back", async (t) => {
  const { server, alice } = await setup(t);
  const { iam } = server.root_;
  const session = await assume(server, alice, await makeRole(server, 'Build', trust({ AWS: ALICE })));
  await session.iam.listRoles({});
  await iam.deleteRolePolicy({ RoleName: 'Build', PolicyName: 'p' });
  await assert.rejects(session.iam.listRoles({}), { name: 'AccessDenied' });
  await iam.deleteRole({ RoleName: 'Build' });
  await makeRole(server, 'Build', trust({ AWS: ALICE }));
  await assert.rejects(session.iam.listRoles({}), { name: 'InvalidClientTokenId' });
});

test('I9: services assume roles by their trust policies, with the resource that they work for', async (t) => {
  const { server } = await setup(t);
  const guarded = trust(
    { Service: 'codebuild.amazonaws.com' },
    {
      Condition: {
        StringEquals: { 'aws:SourceAccount': ACCOUNT },
        ArnLike: { 'aws:SourceArn': `arn:aws:codebuild:*:${ACCOUNT}:project/demo` },
      },
    },
  );
  const arn = await makeRole(server, 'Service', guarded, allow('iam:ListRoles'));
  const ctx = server.kernel.serviceContext('codebuild.amazonaws.com');
  const options = {
    service: 'codebuild.amazonaws.com',
    sessionName: 'build/demo:1',
    sourceArn: `arn:aws:codebuild:us-east-1:${ACCOUNT}:project/demo`,
  };
  const role = await ctx.as(arn, options);
  assert.equal(role.caller.type, 'AssumedRole');
  await role.authorize('iam:ListRoles', '*');
  await assert.rejects(role.authorize('iam:ListUsers', '*'), {
    message: /assumed-role\/Service\/build-demo-1 is not authorized/,
  });
  for (const wrong of [
    { ...options, sourceArn: `arn:aws:codebuild:us-east-1:${ACCOUNT}:project/other` },
    { ...options, sourceArn: 'arn:aws:codebuild:us-east-1:999999999999:project/demo' },
    { service: options.service, sessionName: 'x' },
    { ...options, service: 'codepipeline.amazonaws.com' },
  ]) {
    await assert.rejects(ctx.as(arn, wrong), { name: 'AccessDenied' }, JSON.stringify(wrong));
  }
  await assert.rejects(ctx.as(roleArn('Ghost'), options), { name: 'AccessDenied' });
  const keys = await ctx.credentialsFor(arn, { ...options, durationSeconds: 900 });
  const { Arn } = await server.clients(keys).sts.getCallerIdentity({});
  assert.equal(Arn, `arn:aws:sts::${ACCOUNT}:assumed-role/Service/build-demo-1`);
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'AssumeRole' }],
  });
  const records = Events.map((event) => JSON.parse(event.CloudTrailEvent!));
  assert.equal(records.filter(({ errorCode }) => errorCode === 'AccessDenied').length, 5);
  assert.equal(
    records.filter(
      ({ errorCode, userIdentity }) => errorCode === undefined && userIdentity.invokedBy === 'codebuild.amazonaws.com',
    ).length,
    2,
  );
});

test('GetSessionToken: the user for a while, but not for ever', async (t) => {
  const { server, alice } = await setup(t);
  const { Credentials } = await alice.sts.getSessionToken({ DurationSeconds: 900 });
  const session = server.clients({
    accessKeyId: Credentials!.AccessKeyId!,
    secretAccessKey: Credentials!.SecretAccessKey!,
    sessionToken: Credentials!.SessionToken!,
  });
  assert.equal((await session.sts.getCallerIdentity({})).Arn, ALICE);
  await assert.rejects(session.codecommit.listRepositories({}), { name: 'AccessDeniedException' });
  await assert.rejects(session.sts.getSessionToken({}), {
    name: 'AccessDenied',
    message: 'Cannot call GetSessionToken with session credentials',
  });
  const root = await server.root_.sts.getSessionToken({ DurationSeconds: 43_200 });
  assert.ok(root.Credentials!.Expiration!.getTime() <= Date.now() + 3_600_000);
  await assert.rejects(
    alice.sts.getSessionToken({ SerialNumber: `arn:aws:iam::${ACCOUNT}:mfa/alice`, TokenCode: '123456' }),
    { name: 'AccessDenied' },
  );
});

test('an access key id tells its account', async (t) => {
  const { server, alice } = await setup(t);
  assert.equal((await server.root_.sts.getAccessKeyInfo({ AccessKeyId: alice.keys.accessKeyId })).Account, ACCOUNT);
  assert.equal((await server.root_.sts.getAccessKeyInfo({ AccessKeyId: server.root.accessKeyId })).Account, ACCOUNT);
  await assert.rejects(server.root_.sts.getAccessKeyInfo({ AccessKeyId: 'AKIA1111111111111111' }), {
    name: 'ValidationError',
  });
});

test('secrets and tokens stand neither in the trail nor readable in the data', async (t) => {
  const { server, alice } = await setup(t);
  const { keys } = await assume(server, alice, await makeRole(server, 'Build', trust({ AWS: ALICE })));
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({});
  const rows = await server.kernel.database.reader.selectFrom('iam_sessions').selectAll().execute();
  const keyRows = await server.kernel.database.reader.selectFrom('iam_access_keys').selectAll().execute();
  const text = JSON.stringify([Events, rows, keyRows]);
  assert.ok(text.includes(keys.accessKeyId));
  for (const secret of [keys.secretAccessKey, keys.sessionToken!, alice.keys.secretAccessKey])
    assert.ok(!text.includes(secret));
});
