import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';

const ACCOUNT = '123456789012';
const allow = (Action: string | string[], more: object = {}) =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*', ...more }] });

test('the credential report: one line for each user, in the columns of AWS', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  await assert.rejects(iam.getCredentialReport({}), { name: 'CredentialReportNotPresentException' });
  await server.user('alice');
  await iam.createUser({ UserName: 'b,ob' });
  await iam.createLoginProfile({ UserName: 'b,ob', Password: 'good Password 1' });
  assert.equal((await iam.generateCredentialReport({})).State, 'STARTED');
  assert.equal((await iam.generateCredentialReport({})).State, 'COMPLETE');
  const { Content, ReportFormat } = await iam.getCredentialReport({});
  assert.equal(ReportFormat, 'text/csv');
  const [head, root, alice, bob, end] = Buffer.from(Content!).toString().split('\n');
  assert.equal(
    head,
    'user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated',
  );
  assert.match(root!, new RegExp(`^<root_account>,arn:aws:iam::${ACCOUNT}:root,.*,not_supported,.*,true,`));
  assert.match(alice!, /^alice,arn:aws:iam::\d+:user\/alice,[\dT:-]+\+00:00,false,N\/A,N\/A,N\/A,false,true,2\d{3}-/);
  assert.match(bob!, /^"b,ob","arn:aws:iam::\d+:user\/b,ob",[\dT:-]+\+00:00,true,no_information,2\d{3}-/);
  assert.equal(end, '');
  for (const line of [root!, alice!]) assert.equal(line.split(',').length, head!.split(',').length);
});

test('authorization details: everything once, page by page, and what a filter asks for', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  await server.user('alice');
  await iam.createGroup({ GroupName: 'devs' });
  await iam.addUserToGroup({ GroupName: 'devs', UserName: 'alice' });
  await iam.createRole({
    RoleName: 'deployer',
    Tags: [{ Key: 'team', Value: 'a' }],
    AssumeRolePolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: { Effect: 'Allow', Principal: { AWS: ACCOUNT }, Action: 'sts:AssumeRole' },
    }),
  });
  const { Policy: policy } = await iam.createPolicy({ PolicyName: 'own', PolicyDocument: allow('s3:Get*') });
  await iam.createPolicyVersion({ PolicyArn: policy!.Arn!, PolicyDocument: allow('s3:*'), SetAsDefault: true });
  await iam.attachRolePolicy({ RoleName: 'deployer', PolicyArn: policy!.Arn! });
  await iam.attachGroupPolicy({ GroupName: 'devs', PolicyArn: 'arn:aws:iam::aws:policy/AWSCodeCommitReadOnly' });
  const whole = await iam.getAccountAuthorizationDetails({});
  const [alice] = whole.UserDetailList!;
  assert.deepEqual(
    [alice!.UserName, alice!.GroupList, alice!.UserPolicyList![0]!.PolicyName],
    ['alice', ['devs'], 'inline'],
  );
  assert.equal(whole.GroupDetailList![0]!.AttachedManagedPolicies![0]!.PolicyName, 'AWSCodeCommitReadOnly');
  assert.deepEqual(whole.RoleDetailList![0]!.Tags, [{ Key: 'team', Value: 'a' }]);
  const [own, aws] = whole.Policies!;
  assert.deepEqual(
    [
      own!.PolicyName,
      own!.DefaultVersionId,
      own!.PolicyVersionList!.map(({ VersionId }) => VersionId),
      own!.AttachmentCount,
    ],
    ['own', 'v2', ['v2', 'v1'], 1],
  );
  assert.equal(aws!.PolicyName, 'AWSCodeCommitReadOnly');
  const names: (string | undefined)[] = [];
  let Marker: string | undefined;
  do {
    const page = await iam.getAccountAuthorizationDetails({ MaxItems: 1, ...(Marker === undefined ? {} : { Marker }) });
    names.push(...page.UserDetailList!.map(({ UserName }) => UserName));
    names.push(...page.GroupDetailList!.map(({ GroupName }) => GroupName));
    names.push(...page.RoleDetailList!.map(({ RoleName }) => RoleName));
    names.push(...page.Policies!.map(({ PolicyName }) => PolicyName));
    Marker = page.Marker;
  } while (Marker !== undefined);
  assert.deepEqual(names, ['alice', 'devs', 'deployer', 'own', 'AWSCodeCommitReadOnly']);
  const roles = await iam.getAccountAuthorizationDetails({ Filter: ['Role'] });
  assert.deepEqual([roles.UserDetailList, roles.RoleDetailList!.length, roles.Policies], [[], 1, []]);

  const granting = await iam.listPoliciesGrantingServiceAccess({
    Arn: `arn:aws:iam::${ACCOUNT}:role/deployer`,
    ServiceNamespaces: ['s3', 'codecommit'],
  });
  assert.deepEqual(
    granting.PoliciesGrantingServiceAccess!.map((one) => [
      one.ServiceNamespace,
      one.Policies!.map((p) => p.PolicyName),
    ]),
    [
      ['codecommit', []],
      ['s3', ['own']],
    ],
  );
  await iam.setSecurityTokenServicePreferences({ GlobalEndpointTokenVersion: 'v2Token' });
  const { SummaryMap: summary } = await iam.getAccountSummary({});
  assert.deepEqual(
    [summary!['Users'], summary!['PolicyVersionsInUse'], summary!['GlobalEndpointTokenVersion']],
    [1, 2, 2],
  );

  // All of it only for who may.
  const nobody = await server.user('nobody', JSON.parse(allow('iam:GetUser')));
  const refusals = [
    nobody.iam.generateCredentialReport({}),
    nobody.iam.getCredentialReport({}),
    nobody.iam.getAccountAuthorizationDetails({}),
    nobody.iam.getAccountSummary({}),
    nobody.iam.generateServiceLastAccessedDetails({ Arn: `arn:aws:iam::${ACCOUNT}:user/nobody` }),
    nobody.iam.setSecurityTokenServicePreferences({ GlobalEndpointTokenVersion: 'v1Token' }),
  ];
  await Promise.all(refusals.map((refused) => assert.rejects(refused, { name: 'AccessDenied' })));
});

test('simulations say which statements decide, where they stand, and what was not given', async (t) => {
  const server = await startServer(t);
  const { iam } = server.root_;
  const document = `{
  "Version": "2012-10-17",
  "Statement": [
    { "Effect": "Allow", "Action": "s3:*", "Resource": "*" },
    {
      "Sid": "No",
      "Effect": "Deny",
      "Action": "s3:Delete*",
      "Resource": "*",
      "Condition": { "Bool": { "aws:MultiFactorAuthPresent": "false" } }
    }
  ]
}`;
  await iam.createUser({ UserName: 'alice' });
  await iam.putUserPolicy({ UserName: 'alice', PolicyName: 'p', PolicyDocument: document });
  const PolicySourceArn = `arn:aws:iam::${ACCOUNT}:user/alice`;
  const keys = await iam.getContextKeysForPrincipalPolicy({
    PolicySourceArn,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a policy variable
    PolicyInputList: [allow('s3:GetObject').replace('"*"', '"arn:aws:s3:::home/${aws:username}/*"')],
  });
  assert.deepEqual(keys.ContextKeyNames, ['aws:MultiFactorAuthPresent', 'aws:username']);
  await assert.rejects(iam.getContextKeysForCustomPolicy({ PolicyInputList: ['{}'] }), {
    name: 'InvalidInputException',
  });
  const one = async (ActionName: string, mfa?: string) => {
    const { EvaluationResults: results } = await iam.simulatePrincipalPolicy({
      PolicySourceArn,
      ActionNames: [ActionName],
      ResourceArns: ['arn:aws:s3:::bucket/key'],
      ...(mfa === undefined
        ? {}
        : {
            ContextEntries: [
              {
                ContextKeyName: 'aws:MultiFactorAuthPresent',
                ContextKeyType: 'boolean' as const,
                ContextKeyValues: [mfa],
              },
            ],
          }),
    });
    return results![0]!;
  };
  const denied = await one('s3:DeleteObject', 'false');
  assert.deepEqual(
    [denied.EvalDecision, denied.MissingContextValues, denied.MatchedStatements],
    [
      'explicitDeny',
      [],
      [
        {
          SourcePolicyId: 'user_alice_p',
          SourcePolicyType: 'user',
          StartPosition: { Line: 5, Column: 5 },
          EndPosition: { Line: 11, Column: 6 },
        },
      ],
    ],
  );
  const unknown = await one('s3:DeleteObject');
  assert.deepEqual([unknown.EvalDecision, unknown.MissingContextValues], ['allowed', ['aws:MultiFactorAuthPresent']]);
  assert.deepEqual(
    unknown.MatchedStatements!.map(({ StartPosition }) => StartPosition),
    [{ Line: 4, Column: 5 }],
  );
  assert.equal(unknown.ResourceSpecificResults![0]!.EvalResourceDecision, 'allowed');
  const other = await one('iam:GetUser');
  assert.deepEqual([other.EvalDecision, other.MatchedStatements], ['implicitDeny', []]);
  const bounded = await iam.simulateCustomPolicy({
    PolicyInputList: [allow('*')],
    PermissionsBoundaryPolicyInputList: [allow('s3:*')],
    ActionNames: ['iam:GetUser', 's3:GetObject'],
  });
  assert.deepEqual(
    bounded.EvaluationResults!.map((result) => [
      result.EvalDecision,
      result.PermissionsBoundaryDecisionDetail!.AllowedByPermissionsBoundary,
    ]),
    [
      ['implicitDeny', false],
      ['allowed', true],
    ],
  );
});
