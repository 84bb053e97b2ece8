import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';

const SERVICE = 'codestar-notifications.amazonaws.com';
const ROLE = 'AWSServiceRoleForCodeStarNotifications';

test('service-linked roles: made for services that have one, changed by nobody, deleted by a task', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const { Role: role } = await iam.createServiceLinkedRole({ AWSServiceName: SERVICE });
  assert.equal(role!.Arn, `arn:aws:iam::123456789012:role/aws-service-role/${SERVICE}/${ROLE}`);
  assert.match(decodeURIComponent(role!.AssumeRolePolicyDocument!), /codestar-notifications\.amazonaws\.com/);
  const { AttachedPolicies: attached } = await iam.listAttachedRolePolicies({ RoleName: ROLE });
  const policy = 'arn:aws:iam::aws:policy/aws-service-role/AWSCodeStarNotificationsServiceRolePolicy';
  assert.deepEqual(
    attached!.map(({ PolicyArn }) => PolicyArn),
    [policy],
  );
  await assert.rejects(iam.createServiceLinkedRole({ AWSServiceName: SERVICE }), {
    name: 'InvalidInputException',
    message: `Service role name ${ROLE} has been taken in this account, please try a different suffix.`,
  });
  for (const AWSServiceName of ['codecommit.amazonaws.com', 'nobody.amazonaws.com', '__proto__']) {
    await assert.rejects(iam.createServiceLinkedRole({ AWSServiceName }), { name: 'InvalidInputException' });
  }
  await assert.rejects(iam.createServiceLinkedRole({ AWSServiceName: 'events.amazonaws.com', CustomSuffix: 'x' }), {
    name: 'InvalidInputException',
  });
  const document = JSON.stringify({
    Version: '2012-10-17',
    Statement: { Effect: 'Allow', Action: 's3:*', Resource: '*' },
  });
  const PolicyArn = 'arn:aws:iam::aws:policy/AWSCodeCommitReadOnly';
  await iam.createInstanceProfile({ InstanceProfileName: 'profile' });
  const refusals = [
    iam.deleteRole({ RoleName: ROLE }),
    iam.attachRolePolicy({ RoleName: ROLE, PolicyArn }),
    iam.detachRolePolicy({ RoleName: ROLE, PolicyArn: policy }),
    iam.putRolePolicy({ RoleName: ROLE, PolicyName: 'x', PolicyDocument: document }),
    iam.deleteRolePolicy({ RoleName: ROLE, PolicyName: 'x' }),
    iam.updateAssumeRolePolicy({ RoleName: ROLE, PolicyDocument: document }),
    iam.putRolePermissionsBoundary({ RoleName: ROLE, PermissionsBoundary: PolicyArn }),
    iam.deleteRolePermissionsBoundary({ RoleName: ROLE }),
    iam.addRoleToInstanceProfile({ RoleName: ROLE, InstanceProfileName: 'profile' }),
  ];
  await Promise.all(
    refusals.map((refused) =>
      assert.rejects(refused, {
        name: 'UnmodifiableEntityException',
        message: `Cannot perform the operation on the protected role '${ROLE}' - this role is only modifiable by AWS`,
      }),
    ),
  );
  await iam.updateRole({ RoleName: ROLE, Description: 'tells us' });
  const trust = JSON.stringify({
    Version: '2012-10-17',
    Statement: { Effect: 'Allow', Principal: { AWS: '123456789012' }, Action: 'sts:AssumeRole' },
  });
  await assert.rejects(
    iam.createRole({ RoleName: 'mine', Path: `/aws-service-role/${SERVICE}/`, AssumeRolePolicyDocument: trust }),
    { name: 'InvalidInputException' },
  );
  await iam.createRole({ RoleName: 'mine', AssumeRolePolicyDocument: trust });
  await assert.rejects(iam.attachRolePolicy({ RoleName: 'mine', PolicyArn: policy }), {
    name: 'PolicyNotAttachableException',
  });
  await assert.rejects(iam.deleteServiceLinkedRole({ RoleName: 'mine' }), { name: 'NoSuchEntityException' });
  const { DeletionTaskId: task } = await iam.deleteServiceLinkedRole({ RoleName: ROLE });
  assert.match(task!, new RegExp(`^task/aws-service-role/${SERVICE}/${ROLE}/[0-9a-f-]{36}$`));
  assert.equal((await iam.getServiceLinkedRoleDeletionStatus({ DeletionTaskId: task! })).Status, 'SUCCEEDED');
  await assert.rejects(iam.getRole({ RoleName: ROLE }), { name: 'NoSuchEntityException' });
  await assert.rejects(iam.getServiceLinkedRoleDeletionStatus({ DeletionTaskId: 'task/other' }), {
    name: 'InvalidInputException',
  });

  // Who may make one is a matter of `iam:AWSServiceName`.
  const alice = await server.user('alice', {
    Version: '2012-10-17',
    Statement: {
      Effect: 'Allow',
      Action: 'iam:CreateServiceLinkedRole',
      Resource: '*',
      Condition: { StringEquals: { 'iam:AWSServiceName': 'events.amazonaws.com' } },
    },
  });
  await assert.rejects(alice.iam.createServiceLinkedRole({ AWSServiceName: SERVICE }), { name: 'AccessDenied' });
  await alice.iam.createServiceLinkedRole({ AWSServiceName: 'events.amazonaws.com' });
});

test('the last use of a role is kept', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const trust = { Effect: 'Allow', Principal: { AWS: '123456789012' }, Action: 'sts:AssumeRole' };
  await iam.createRole({
    RoleName: 'deployer',
    AssumeRolePolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: trust }),
  });
  assert.deepEqual((await iam.getRole({ RoleName: 'deployer' })).Role!.RoleLastUsed, {});
  const alice = await server.user('alice');
  const { Credentials: given } = await alice.sts.assumeRole({
    RoleArn: 'arn:aws:iam::123456789012:role/deployer',
    RoleSessionName: 'one',
  });
  const keys = {
    accessKeyId: given!.AccessKeyId!,
    secretAccessKey: given!.SecretAccessKey!,
    sessionToken: given!.SessionToken!,
  };
  await server.clients(keys, 'eu-west-1').sts.getCallerIdentity({});
  const { RoleLastUsed: used } = (await iam.getRole({ RoleName: 'deployer' })).Role!;
  assert.deepEqual([used!.Region, Date.now() - used!.LastUsedDate!.getTime() < 60_000], ['eu-west-1', true]);

  const { JobId } = await iam.generateServiceLastAccessedDetails({ Arn: 'arn:aws:iam::123456789012:user/alice' });
  const report = await iam.getServiceLastAccessedDetails({ JobId: JobId! });
  const sts = report.ServicesLastAccessed!.find(({ ServiceNamespace }) => ServiceNamespace === 'sts');
  assert.deepEqual(
    [report.JobStatus, sts!.LastAuthenticatedEntity, sts!.TotalAuthenticatedEntities, sts!.LastAuthenticatedRegion],
    ['COMPLETED', 'arn:aws:iam::123456789012:user/alice', 1, 'us-east-1'],
  );
  const unused = report.ServicesLastAccessed!.find(({ ServiceNamespace }) => ServiceNamespace === 'codebuild');
  assert.deepEqual([unused!.LastAuthenticated, unused!.TotalAuthenticatedEntities], [undefined, 0]);
  await assert.rejects(alice.iam.getServiceLastAccessedDetails({ JobId: JobId! }), { name: 'NoSuchEntityException' });
  const entities = await iam.getServiceLastAccessedDetailsWithEntities({ JobId: JobId!, ServiceNamespace: 'sts' });
  assert.deepEqual(
    entities.EntityDetailsList!.map(({ EntityInfo }) => [EntityInfo!.Name, EntityInfo!.Type]),
    [['alice', 'USER']],
  );
  await server.restart();
  const kept = (await iam.getRole({ RoleName: 'deployer' })).Role!.RoleLastUsed!;
  assert.equal(kept.Region, 'eu-west-1');
});
