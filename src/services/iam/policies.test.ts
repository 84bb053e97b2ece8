import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PolicyUsageType } from '@aws-sdk/client-iam';
import { startServer } from '../../../test/harness.ts';
import { parsePolicy } from '../../kernel/auth/policy-grammar.ts';
import { AWS_MANAGED_POLICIES } from './aws-managed-policies.ts';

const ACCOUNT = '123456789012';
const document = (...statements: object[]) => JSON.stringify({ Version: '2012-10-17', Statement: statements });
const allow = (Action: unknown, Resource: unknown = '*') => document({ Effect: 'Allow', Action, Resource });
const trust = (Principal: unknown) => document({ Effect: 'Allow', Principal, Action: 'sts:AssumeRole' });
const policyArn = (name: string) => `arn:aws:iam::${ACCOUNT}:policy/${name}`;

test('inline policies of users, groups and roles', async (t) => {
  const { iam } = (await startServer(t)).root_;
  await iam.createUser({ UserName: 'u' });
  await iam.createGroup({ GroupName: 'g' });
  await iam.createRole({ RoleName: 'r', AssumeRolePolicyDocument: trust({ Service: 'codebuild.amazonaws.com' }) });
  const text = `${allow('s3:*').slice(0, -1)}, "Id": "a b+c/ü!'()*"}`;
  await iam.putUserPolicy({ UserName: 'u', PolicyName: 'p', PolicyDocument: text });
  const { PolicyDocument: encoded } = await iam.getUserPolicy({ UserName: 'u', PolicyName: 'p' });
  assert.equal(decodeURIComponent(encoded!), text);
  assert.doesNotMatch(encoded!, /[^A-Za-z0-9%._~-]/);
  await iam.putGroupPolicy({ GroupName: 'g', PolicyName: 'p', PolicyDocument: text });
  await iam.putRolePolicy({ RoleName: 'r', PolicyName: 'p', PolicyDocument: text });
  assert.equal((await iam.getGroupPolicy({ GroupName: 'g', PolicyName: 'p' })).PolicyDocument, encoded);
  assert.equal((await iam.getRolePolicy({ RoleName: 'r', PolicyName: 'p' })).PolicyDocument, encoded);
  assert.deepEqual((await iam.listRolePolicies({ RoleName: 'r' })).PolicyNames, ['p']);
  await assert.rejects(iam.getRolePolicy({ RoleName: 'r', PolicyName: 'x' }), {
    name: 'NoSuchEntityException',
    message: 'The role policy with name x cannot be found.',
  });
  await assert.rejects(iam.deleteGroupPolicy({ GroupName: 'g', PolicyName: 'x' }), {
    name: 'NoSuchEntityException',
    message: 'The group policy with name x cannot be found.',
  });
  await assert.rejects(iam.putUserPolicy({ UserName: 'u', PolicyName: 'p', PolicyDocument: '{}' }), {
    name: 'MalformedPolicyDocumentException',
    message: 'Syntax errors in policy.',
  });
  assert.equal(
    (await iam.getUserPolicy({ UserName: 'u', PolicyName: 'p' })).PolicyDocument,
    encoded,
    'the old one stays',
  );
  const big = allow(Array.from({ length: 150 }, (_, n) => `s3:Action${n}`));
  await assert.rejects(iam.putUserPolicy({ UserName: 'u', PolicyName: 'q', PolicyDocument: big }), {
    name: 'LimitExceededException',
    message: 'Maximum policy size of 2048 bytes exceeded for user u',
  });
  await iam.putRolePolicy({ RoleName: 'r', PolicyName: 'q', PolicyDocument: big });
});

test('managed policies: versions, default, quota, deletion', async (t) => {
  const { iam } = (await startServer(t)).root_;
  const { Policy } = await iam.createPolicy({
    PolicyName: 'P',
    Path: '/team/',
    PolicyDocument: allow('s3:*'),
    Description: 'mine',
    Tags: [{ Key: 'a', Value: 'b' }],
  });
  const PolicyArn = `arn:aws:iam::${ACCOUNT}:policy/team/P`;
  assert.equal(Policy!.Arn, PolicyArn);
  assert.match(Policy!.PolicyId!, /^ANPA[A-Z2-7]{17}$/);
  await assert.rejects(iam.createPolicy({ PolicyName: 'p', PolicyDocument: allow('s3:*') }), {
    name: 'EntityAlreadyExistsException',
    message: 'A policy called p already exists. Duplicate names are not allowed.',
  });
  for (let n = 2; n <= 5; n++) {
    const { PolicyVersion } = await iam.createPolicyVersion({
      PolicyArn,
      PolicyDocument: allow(`s3:Get${n}`),
      SetAsDefault: n === 3,
    });
    assert.deepEqual([PolicyVersion!.VersionId, PolicyVersion!.IsDefaultVersion], [`v${n}`, n === 3]);
  }
  await assert.rejects(iam.createPolicyVersion({ PolicyArn, PolicyDocument: allow('s3:*') }), {
    name: 'LimitExceededException',
    message: /^A managed policy can have up to 5 versions/,
  });
  const got = await iam.getPolicy({ PolicyArn });
  assert.deepEqual(
    [got.Policy!.DefaultVersionId, got.Policy!.Description, got.Policy!.Tags, got.Policy!.AttachmentCount],
    ['v3', 'mine', [{ Key: 'a', Value: 'b' }], 0],
  );
  const { PolicyVersion } = await iam.getPolicyVersion({ PolicyArn, VersionId: 'v3' });
  assert.equal(decodeURIComponent(PolicyVersion!.Document!), allow('s3:Get3'));
  await assert.rejects(iam.deletePolicyVersion({ PolicyArn, VersionId: 'v3' }), {
    name: 'DeleteConflictException',
    message: 'Cannot delete the default version of a policy.',
  });
  await iam.deletePolicyVersion({ PolicyArn, VersionId: 'v1' });
  await assert.rejects(iam.getPolicyVersion({ PolicyArn, VersionId: 'v1' }), {
    name: 'NoSuchEntityException',
    message: `Policy ${PolicyArn} version v1 does not exist or is not attachable.`,
  });
  assert.equal(
    (await iam.createPolicyVersion({ PolicyArn, PolicyDocument: allow('s3:*') })).PolicyVersion!.VersionId,
    'v6',
    'numbers are not given twice',
  );
  const firstPage = await iam.listPolicyVersions({ PolicyArn, MaxItems: 2 });
  const secondPage = await iam.listPolicyVersions({ PolicyArn, Marker: firstPage.Marker });
  assert.deepEqual(
    [...firstPage.Versions!, ...secondPage.Versions!].map(({ VersionId }) => VersionId),
    ['v6', 'v5', 'v4', 'v3', 'v2'],
  );
  await assert.rejects(iam.deletePolicy({ PolicyArn }), {
    name: 'DeleteConflictException',
    message: /^This policy has more than one version/,
  });
  for (const VersionId of ['v2', 'v4', 'v5', 'v6']) await iam.deletePolicyVersion({ PolicyArn, VersionId });
  await iam.createUser({ UserName: 'u', PermissionsBoundary: PolicyArn });
  await assert.rejects(iam.deletePolicy({ PolicyArn }), {
    name: 'DeleteConflictException',
    message: 'Cannot delete a policy attached to entities.',
  });
  await iam.deleteUserPermissionsBoundary({ UserName: 'u' });
  await iam.deletePolicy({ PolicyArn });
  await assert.rejects(iam.getPolicy({ PolicyArn }), {
    name: 'NoSuchEntityException',
    message: `Policy ${PolicyArn} was not found.`,
  });
  await assert.rejects(
    iam.createPolicy({
      PolicyName: 'Big',
      PolicyDocument: allow(Array.from({ length: 500 }, (_, n) => `s3:Action${n}`)),
    }),
    { name: 'LimitExceededException', message: 'Cannot exceed quota for PolicySize: 6144' },
  );
});

test('attachments: idempotent, bounded, listed with who uses them', async (t) => {
  const { iam } = (await startServer(t)).root_;
  await iam.createUser({ UserName: 'u' });
  await iam.createGroup({ GroupName: 'g' });
  await iam.createRole({ RoleName: 'r', AssumeRolePolicyDocument: trust({ Service: 'codebuild.amazonaws.com' }) });
  const PolicyArn = (await iam.createPolicy({ PolicyName: 'P', PolicyDocument: allow('s3:*') })).Policy!.Arn!;
  await iam.attachUserPolicy({ UserName: 'u', PolicyArn });
  await iam.attachUserPolicy({ UserName: 'u', PolicyArn });
  await iam.attachGroupPolicy({ GroupName: 'g', PolicyArn });
  await iam.attachRolePolicy({ RoleName: 'r', PolicyArn });
  await iam.putRolePermissionsBoundary({ RoleName: 'r', PermissionsBoundary: PolicyArn });
  const { Policy } = await iam.getPolicy({ PolicyArn });
  assert.deepEqual([Policy!.AttachmentCount, Policy!.PermissionsBoundaryUsageCount], [3, 1]);
  const entities = await iam.listEntitiesForPolicy({ PolicyArn });
  assert.deepEqual(
    [entities.PolicyUsers![0]!.UserName, entities.PolicyGroups![0]!.GroupName, entities.PolicyRoles![0]!.RoleName],
    ['u', 'g', 'r'],
  );
  const bounded = await iam.listEntitiesForPolicy({ PolicyArn, PolicyUsageFilter: 'PermissionsBoundary' });
  assert.deepEqual([bounded.PolicyUsers, bounded.PolicyRoles!.length], [[], 1]);
  assert.deepEqual((await iam.listAttachedUserPolicies({ UserName: 'u' })).AttachedPolicies, [
    { PolicyName: 'P', PolicyArn },
  ]);
  const bounding = await iam.createPolicy({ PolicyName: 'Bounds', PolicyDocument: allow('s3:*') });
  await iam.createPolicy({ PolicyName: 'Unused', PolicyDocument: allow('s3:*') });
  await iam.putUserPermissionsBoundary({ UserName: 'u', PermissionsBoundary: bounding.Policy!.Arn });
  const named = async (PolicyUsageFilter?: PolicyUsageType, OnlyAttached?: boolean) => {
    const { Policies } = await iam.listPolicies({ Scope: 'Local', PolicyUsageFilter, OnlyAttached });
    return Policies!.map(({ PolicyName }) => PolicyName);
  };
  assert.deepEqual(await named(), ['Bounds', 'P', 'Unused']);
  assert.deepEqual(await named('PermissionsBoundary'), ['Bounds', 'P']);
  assert.deepEqual(await named('PermissionsPolicy'), ['P', 'Unused']);
  assert.deepEqual(await named('PermissionsPolicy', true), ['P']);
  const awsOnes = await iam.listPolicies({ Scope: 'AWS', PolicyUsageFilter: 'PermissionsBoundary' });
  assert.deepEqual(awsOnes.Policies, []);
  const local = await iam.listPolicies({ Scope: 'Local', OnlyAttached: true });
  assert.deepEqual(
    local.Policies!.map(({ Arn }) => Arn),
    [PolicyArn],
  );
  await iam.detachUserPolicy({ UserName: 'u', PolicyArn });
  await assert.rejects(iam.detachUserPolicy({ UserName: 'u', PolicyArn }), {
    name: 'NoSuchEntityException',
    message: `Policy ${PolicyArn} was not found.`,
  });
  await assert.rejects(iam.attachUserPolicy({ UserName: 'u', PolicyArn: policyArn('Ghost') }), {
    name: 'NoSuchEntityException',
    message: `Policy ${policyArn('Ghost')} does not exist or is not attachable.`,
  });
  await assert.rejects(iam.attachUserPolicy({ UserName: 'u', PolicyArn: 'arn:aws:iam::999999999999:policy/P' }), {
    name: 'NoSuchEntityException',
  });
  for (const { arn } of AWS_MANAGED_POLICIES.slice(0, 10))
    await iam.attachUserPolicy({ UserName: 'u', PolicyArn: arn });
  await assert.rejects(iam.attachUserPolicy({ UserName: 'u', PolicyArn }), {
    name: 'LimitExceededException',
    message: 'Cannot exceed quota for PoliciesPerUser: 10',
  });
});

test('the managed policies of AWS are there, readable and unchangeable', async (t) => {
  const { iam } = (await startServer(t)).root_;
  for (const policy of AWS_MANAGED_POLICIES) parsePolicy(policy.document, { form: 'identity' });
  const names: string[] = [];
  let Marker: string | undefined;
  do {
    const page = await iam.listPolicies({ Scope: 'AWS', MaxItems: 7, Marker });
    names.push(...page.Policies!.map(({ PolicyName }) => PolicyName!));
    Marker = page.Marker;
  } while (Marker !== undefined);
  for (const name of [
    'AdministratorAccess',
    'PowerUserAccess',
    'ReadOnlyAccess',
    'IAMFullAccess',
    'AWSCodeCommitFullAccess',
    'AWSCodeCommitPowerUser',
    'AWSCodeCommitReadOnly',
    'AWSCodeBuildAdminAccess',
    'AWSCodeBuildDeveloperAccess',
    'AWSCodeBuildReadOnlyAccess',
    'AWSCodePipeline_FullAccess',
    'AWSCodePipeline_ReadOnlyAccess',
    'AmazonS3FullAccess',
    'AmazonS3ReadOnlyAccess',
    'CloudWatchLogsFullAccess',
    'IAMUserSSHKeys',
    'IAMSelfManageServiceSpecificCredentials',
    'AWSKeyManagementServicePowerUser',
    'AWSCloudTrail_FullAccess',
  ]) {
    assert.ok(names.includes(name), name);
  }
  const PolicyArn = 'arn:aws:iam::aws:policy/AdministratorAccess';
  const { PolicyVersion } = await iam.getPolicyVersion({ PolicyArn, VersionId: 'v1' });
  assert.match(decodeURIComponent(PolicyVersion!.Document!), /"Action"/);
  await assert.rejects(iam.deletePolicy({ PolicyArn }), { name: 'UnmodifiableEntityException' });
  await assert.rejects(iam.createPolicyVersion({ PolicyArn, PolicyDocument: allow('*') }), {
    name: 'UnmodifiableEntityException',
  });
});

test('with the managed policies for it, a user makes his own git credentials, and nobody else his', async (t) => {
  const server = await startServer(t);
  const alice = await server.user('alice', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Deny', Action: 'kms:*', Resource: '*' }],
  });
  const make = (UserName: string) =>
    alice.iam.createServiceSpecificCredential({ UserName, ServiceName: 'codecommit.amazonaws.com' });
  await assert.rejects(make('alice'), { name: 'AccessDenied' });
  const PolicyArn = 'arn:aws:iam::aws:policy/IAMSelfManageServiceSpecificCredentials';
  await server.root_.iam.attachUserPolicy({ UserName: 'alice', PolicyArn });
  await make('alice');
  await server.root_.iam.createUser({ UserName: 'bob' });
  await assert.rejects(make('bob'), { name: 'AccessDenied' });
});

test('SimulatePrincipalPolicy answers as the calls themselves would', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const alice = await server.user(
    'alice',
    JSON.parse(
      document(
        { Effect: 'Allow', Action: ['iam:ListUsers', 'iam:SimulatePrincipalPolicy'], Resource: '*' },
        { Effect: 'Deny', Action: 'iam:ListRoles', Resource: '*' },
      ),
    ),
  );
  const PolicySourceArn = `arn:aws:iam::${ACCOUNT}:user/alice`;
  const { EvaluationResults } = await alice.iam.simulatePrincipalPolicy({
    PolicySourceArn,
    ActionNames: ['iam:ListUsers', 'iam:ListRoles', 'iam:ListGroups'],
  });
  assert.deepEqual(
    EvaluationResults!.map(({ EvalDecision }) => EvalDecision),
    ['allowed', 'explicitDeny', 'implicitDeny'],
  );
  await alice.iam.listUsers({});
  await assert.rejects(alice.iam.listRoles({}), { name: 'AccessDenied' });
  await assert.rejects(alice.iam.listGroups({}), { name: 'AccessDenied' });
  const custom = await iam.simulateCustomPolicy({
    PolicyInputList: [
      document({
        Effect: 'Allow',
        Action: 's3:GetObject',
        Resource: 'arn:aws:s3:::b/*',
        Condition: { StringEquals: { 'aws:PrincipalOrgID': 'o-1' } },
      }),
    ],
    ActionNames: ['s3:GetObject'],
    ResourceArns: ['arn:aws:s3:::b/k', 'arn:aws:s3:::c/k'],
    ContextEntries: [{ ContextKeyName: 'aws:PrincipalOrgID', ContextKeyValues: ['o-1'], ContextKeyType: 'string' }],
  });
  assert.deepEqual(
    custom.EvaluationResults!.map(({ EvalDecision }) => EvalDecision),
    ['allowed', 'implicitDeny'],
  );
  await assert.rejects(
    iam.simulatePrincipalPolicy({ PolicySourceArn: `arn:aws:iam::${ACCOUNT}:user/ghost`, ActionNames: ['s3:*'] }),
    { name: 'NoSuchEntityException' },
  );
});

test('I7: who may change only what is bounded, or tagged, changes nothing else', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const allowGet = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:Get*', Resource: '*' }] };
  const PolicyDocument = JSON.stringify(allowGet);
  const boundary = (await iam.createPolicy({ PolicyName: 'bounds', PolicyDocument })).Policy!.Arn!;
  const tagged = (await iam.createPolicy({ PolicyName: 'p', PolicyDocument, Tags: [{ Key: 'team', Value: 'a' }] }))
    .Policy!.Arn!;
  await iam.createUser({ UserName: 'bounded', PermissionsBoundary: boundary });
  await iam.createUser({ UserName: 'free' });
  const isBounded = { StringEquals: { 'iam:PermissionsBoundary': boundary } };
  const changes = ['iam:AttachUserPolicy', 'iam:DetachUserPolicy', 'iam:PutUserPolicy', 'iam:DeleteUserPolicy'];
  const delegate = await server.user('delegate', {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: changes, Resource: '*', Condition: isBounded },
      {
        Effect: 'Allow',
        Action: ['iam:GetPolicy', 'iam:DeletePolicy'],
        Resource: '*',
        Condition: { StringEquals: { 'iam:ResourceTag/team': 'a' } },
      },
    ],
  });
  const steps = (UserName: string) => [
    () => delegate.iam.attachUserPolicy({ UserName, PolicyArn: tagged }),
    () => delegate.iam.detachUserPolicy({ UserName, PolicyArn: tagged }),
    () => delegate.iam.putUserPolicy({ UserName, PolicyName: 'x', PolicyDocument }),
    () => delegate.iam.deleteUserPolicy({ UserName, PolicyName: 'x' }),
  ];
  for (const step of steps('bounded')) await step();
  for (const step of steps('free')) await assert.rejects(step(), { name: 'AccessDenied' });
  await assert.rejects(delegate.iam.deleteUserPermissionsBoundary({ UserName: 'bounded' }), { name: 'AccessDenied' });
  assert.equal((await delegate.iam.getPolicy({ PolicyArn: tagged })).Policy!.PolicyName, 'p');
  await assert.rejects(delegate.iam.deletePolicy({ PolicyArn: boundary }), { name: 'AccessDenied' });
  await delegate.iam.deletePolicy({ PolicyArn: tagged });
});
