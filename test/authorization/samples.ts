import type { Context } from '../../src/kernel/context.ts';
import type { Samples } from '../../src/kernel/testing/valid-input.ts';
import type { TestServer } from '../harness.ts';

const ACCOUNT = '123456789012';
/** What stands in resources that others must not see. */
export const CANARY = 'canary-4711';

/** ARN of a resource in the account of the tests. */
function arn(service: string, resource: string): string {
  return `arn:aws:${service}:us-east-1:${ACCOUNT}:${resource}`;
}

const SAMPLE_POLICY = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }],
});
const SAMPLE_TRUST = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: ACCOUNT }, Action: 'sts:AssumeRole' }],
});

/** By service. */
export type AllSamples = Readonly<Record<string, Samples>>;

/** What was made for the samples, and the ids that the server gave to it, with names for them. */
export interface Made {
  readonly account: string;
  readonly samples: AllSamples;
  readonly names: Readonly<Record<string, string>>;
}

/**
 * Values of members that the models alone do not tell, by service. Without one a member is `sample`, or what its
 * constraints demand; `null` leaves it out.
 */
const SAMPLES: AllSamples = {
  cloudtrail: { ResourceIdList: [arn('cloudtrail', 'trail/sample')], ResourceId: arn('cloudtrail', 'trail/sample') },
  'cloudwatch-logs': {
    resourceArn: arn('logs', 'log-group:sample'),
    logGroupIdentifier: null,
    'FilterLogEvents.logGroupName': 'sample',
    'DescribeLogStreams.logGroupName': 'sample',
    'GetLogEvents.logGroupName': 'sample',
    entity: null,
    retentionInDays: 1,
  },
  codebuild: {
    id: 'sample:11111111-1111-4111-8111-111111111111',
    'ids[]': 'sample:11111111-1111-4111-8111-111111111111',
    'RetryBuild.id': 'sample:11111111-1111-4111-8111-111111111111',
    serviceRole: `arn:aws:iam::${ACCOUNT}:role/sample`,
  },
  codecommit: {
    resourceArn: arn('codecommit', 'sample'),
    'GetBranch.repositoryName': 'sample',
    pullRequestId: '1',
    triggers: [{ name: 'sample', destinationArn: arn('sns', 'sample'), branches: [], events: ['all'] }],
    'GetCommentsForPullRequest.repositoryName': null,
    'GetCommentsForPullRequest.beforeCommitId': null,
    'GetCommentsForPullRequest.afterCommitId': null,
  },
  codepipeline: { resourceArn: arn('codepipeline', 'sample') },
  eventbridge: { ResourceARN: arn('events', 'rule/sample'), 'Target.Arn': arn('codepipeline', 'sample') },
  iam: {
    PolicyArn: `arn:aws:iam::${ACCOUNT}:policy/sample`,
    PolicyDocument: SAMPLE_POLICY,
    PolicySourceArn: `arn:aws:iam::${ACCOUNT}:user/sample`,
    AssumeRolePolicyDocument: SAMPLE_TRUST,
    PermissionsBoundary: `arn:aws:iam::${ACCOUNT}:policy/sample`,
    SerialNumber: `arn:aws:iam::${ACCOUNT}:mfa/sample`,
    OpenIDConnectProviderArn: `arn:aws:iam::${ACCOUNT}:oidc-provider/sample.example`,
    SAMLProviderArn: `arn:aws:iam::${ACCOUNT}:saml-provider/sample`,
    Path: '/',
    PathPrefix: '/',
    NewPath: null,
    RemovePrivateKey: null,
    DeletionTaskId: 'task/aws-service-role/codebuild.amazonaws.com/sample/11111111-1111-4111-8111-111111111111',
    AccessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    UserName: 'sample',
  },
  kms: {
    KeyMaterialId: '0'.repeat(64),
    AliasName: 'alias/sample',
    'CreateAlias.AliasName': 'alias/another',
    Policy: SAMPLE_POLICY,
    PolicyName: 'default',
    NumberOfBytes: 16,
    GrantToken: null,
  },
  s3: { Bucket: 'sample', Key: 'sample', CopySource: 'sample/sample', ExpectedBucketOwner: null },
  sts: {
    SerialNumber: null,
    TokenCode: null,
    RoleArn: `arn:aws:iam::${ACCOUNT}:role/sample`,
    PrincipalArn: `arn:aws:iam::${ACCOUNT}:saml-provider/sample`,
  },
};

/** Makes what operations must find before IAM can be asked: buckets carry their policy, roles their trust. */
export async function makeSamples({ root_ }: TestServer): Promise<Made> {
  const { codecommit, iam, kms, logs, s3 } = root_;
  await s3.createBucket({ Bucket: 'sample' });
  await s3.putObject({ Bucket: 'sample', Key: 'sample', Body: CANARY, Metadata: { about: CANARY } });
  await iam.createRole({ RoleName: 'sample', AssumeRolePolicyDocument: SAMPLE_TRUST, Description: CANARY });
  await iam.createPolicy({ PolicyName: 'sample', PolicyDocument: SAMPLE_POLICY, Description: CANARY });
  await iam.createUser({ UserName: 'sample', Tags: [{ Key: 'about', Value: CANARY }] });
  await codecommit.createRepository({ repositoryName: 'sample', repositoryDescription: CANARY });
  const commentId = await makePullRequest(codecommit);
  await logs.createLogGroup({ logGroupName: 'sample', tags: { about: CANARY } });
  const { KeyMetadata } = await kms.createKey({ Description: CANARY });
  const KeyId = KeyMetadata!.KeyId!;
  await kms.createAlias({ AliasName: 'alias/sample', TargetKeyId: KeyId });
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: Buffer.from(CANARY) });
  const grant = { KeyId, GranteePrincipal: `arn:aws:iam::${ACCOUNT}:role/sample`, Operations: ['Decrypt' as const] };
  const { GrantId } = await kms.createGrant(grant);
  const keys = {
    ...{ 'RetireGrant.KeyId': KeyMetadata!.Arn, 'RetireGrant.GrantId': GrantId },
    ...{ KeyId, TargetKeyId: KeyId, SourceKeyId: KeyId, DestinationKeyId: KeyId },
    ...{ 'Decrypt.CiphertextBlob': CiphertextBlob, 'ReEncrypt.CiphertextBlob': CiphertextBlob },
  };
  const samples = {
    ...SAMPLES,
    codecommit: { ...SAMPLES['codecommit'], commentId, inReplyTo: commentId },
    kms: { ...SAMPLES['kms'], ...keys },
  };
  return { account: ACCOUNT, samples, names: { [KeyId]: 'sample' } };
}

/** A pull request of the sample repository, with a comment; answers the comment's id. */
async function makePullRequest(codecommit: TestServer['root_']['codecommit']): Promise<string> {
  const sample = { repositoryName: 'sample' };
  const file = { ...sample, filePath: 'sample', fileContent: Buffer.from('sample') };
  const { commitId = '' } = await codecommit.putFile({ ...file, branchName: 'main' });
  await codecommit.createBranch({ ...sample, branchName: 'feature', commitId });
  const targets = [{ ...sample, sourceReference: 'feature' }];
  await codecommit.createPullRequest({ title: CANARY, description: CANARY, targets });
  const posted = await codecommit.postCommentForComparedCommit({ ...sample, afterCommitId: commitId, content: CANARY });
  return posted.comment!.commentId!;
}

/** A context of the user `nobody`, who needs not exist. */
export function nobody({ kernel }: Pick<TestServer, 'kernel'>): Context {
  return kernel.serviceContext('slipway.test').withCaller({
    type: 'IAMUser',
    account: ACCOUNT,
    arn: `arn:aws:iam::${ACCOUNT}:user/nobody`,
    principalId: 'AIDANOBODY',
    userName: 'nobody',
  });
}
