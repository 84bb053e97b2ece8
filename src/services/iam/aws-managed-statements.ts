import { OWN_CREDENTIALS_STATEMENTS, PLATFORM_STATEMENTS } from './more-managed-statements.ts';
import { SERVICE_ROLE_STATEMENTS } from './service-role-statements.ts';

/**
 * What the managed policies of AWS allow, in our own words: the actions of the services that exist here, as the AWS
 * Managed Policy Reference documents them.
 */
export interface ManagedStatements {
  readonly name: string;
  readonly path?: string;
  readonly description: string;
  readonly statements: readonly object[];
}

const allow = (actions: readonly string[], resource: string | readonly string[] = '*', condition?: object) => ({
  Effect: 'Allow',
  Action: actions,
  Resource: resource,
  ...(condition === undefined ? {} : { Condition: condition }),
});

// biome-ignore lint/suspicious/noTemplateCurlyInString: a policy variable
const OWN_USER = 'arn:aws:iam::*:user/${aws:username}';

const OWN_GIT_CREDENTIALS = [
  allow(['iam:ListUsers']),
  allow(
    [
      'iam:ListAccessKeys',
      'iam:ListSSHPublicKeys',
      'iam:ListServiceSpecificCredentials',
      'iam:DeleteSSHPublicKey',
      'iam:GetSSHPublicKey',
      'iam:UpdateSSHPublicKey',
      'iam:UploadSSHPublicKey',
      'iam:CreateServiceSpecificCredential',
      'iam:UpdateServiceSpecificCredential',
      'iam:DeleteServiceSpecificCredential',
      'iam:ResetServiceSpecificCredential',
    ],
    OWN_USER,
  ),
];

const CODECOMMIT_EVENTS = [
  allow(
    [
      'events:DeleteRule',
      'events:DescribeRule',
      'events:DisableRule',
      'events:EnableRule',
      'events:PutRule',
      'events:PutTargets',
      'events:RemoveTargets',
      'events:ListTargetsByRule',
    ],
    'arn:aws:events:*:*:rule/codecommit*',
  ),
  allow(['sns:ListTopics', 'sns:ListSubscriptionsByTopic', 'sns:GetTopicAttributes', 'lambda:ListFunctions']),
];

const CODECOMMIT_READ = [
  'codecommit:BatchGet*',
  'codecommit:BatchDescribe*',
  'codecommit:Describe*',
  'codecommit:EvaluatePullRequestApprovalRules',
  'codecommit:Get*',
  'codecommit:List*',
  'codecommit:GitPull',
];

const BUILD_SOURCES = [
  'codecommit:GetBranch',
  'codecommit:GetCommit',
  'codecommit:GetRepository',
  'codecommit:ListBranches',
  'codecommit:ListRepositories',
];

const BUILD_VIEW = [
  'cloudwatch:GetMetricStatistics',
  'logs:GetLogEvents',
  's3:GetBucketLocation',
  's3:ListAllMyBuckets',
];

const PIPELINE_VIEW = [
  'codepipeline:GetPipeline',
  'codepipeline:GetPipelineState',
  'codepipeline:GetPipelineExecution',
  'codepipeline:ListPipelineExecutions',
  'codepipeline:ListActionExecutions',
  'codepipeline:ListActionTypes',
  'codepipeline:ListPipelines',
  'codepipeline:ListTagsForResource',
  's3:ListAllMyBuckets',
];

const READ_EVERYTHING = [
  'cloudtrail:Describe*',
  'cloudtrail:Get*',
  'cloudtrail:List*',
  'cloudtrail:LookupEvents',
  'cloudwatch:Describe*',
  'cloudwatch:Get*',
  'cloudwatch:List*',
  'codeartifact:DescribeDomain',
  'codeartifact:DescribePackage*',
  'codeartifact:DescribeRepository',
  'codeartifact:Get*',
  'codeartifact:List*',
  'codeartifact:ReadFromRepository',
  'codebuild:BatchGet*',
  'codebuild:DescribeCodeCoverages',
  'codebuild:DescribeTestCases',
  'codebuild:Get*',
  'codebuild:List*',
  ...CODECOMMIT_READ,
  'codedeploy:BatchGet*',
  'codedeploy:Get*',
  'codedeploy:List*',
  'codepipeline:Get*',
  'codepipeline:List*',
  'codestar-connections:Get*',
  'codestar-connections:List*',
  'codestar-notifications:Describe*',
  'codestar-notifications:List*',
  'events:Describe*',
  'events:List*',
  'events:TestEventPattern',
  'iam:Generate*',
  'iam:Get*',
  'iam:List*',
  'iam:Simulate*',
  'kms:Describe*',
  'kms:Get*',
  'kms:List*',
  'lambda:Get*',
  'lambda:List*',
  'logs:Describe*',
  'logs:FilterLogEvents',
  'logs:Get*',
  'logs:List*',
  'logs:StartQuery',
  'logs:StopQuery',
  'logs:TestMetricFilter',
  's3:DescribeJob',
  's3:Get*',
  's3:List*',
  'secretsmanager:DescribeSecret',
  'secretsmanager:GetResourcePolicy',
  'secretsmanager:List*',
  'sns:Get*',
  'sns:List*',
  'sqs:Get*',
  'sqs:List*',
  'sqs:ReceiveMessage',
  'ssm:Describe*',
  'ssm:Get*',
  'ssm:List*',
  'sts:GetAccessKeyInfo',
  'sts:GetCallerIdentity',
  'sts:GetSessionToken',
];

export const STATEMENTS: readonly ManagedStatements[] = [
  {
    name: 'AdministratorAccess',
    description: 'Full access to every service and resource.',
    statements: [allow(['*'])],
  },
  {
    name: 'PowerUserAccess',
    description: 'Full access to everything but the management of users, groups and accounts.',
    statements: [
      { Effect: 'Allow', NotAction: ['iam:*', 'organizations:*', 'account:*'], Resource: '*' },
      allow([
        'account:GetAccountInformation',
        'account:ListRegions',
        'iam:CreateServiceLinkedRole',
        'iam:DeleteServiceLinkedRole',
        'iam:ListRoles',
        'organizations:DescribeOrganization',
      ]),
    ],
  },
  { name: 'ReadOnlyAccess', description: 'Reading, without changing anything.', statements: [allow(READ_EVERYTHING)] },
  { name: 'IAMFullAccess', description: 'Full access to IAM.', statements: [allow(['iam:*'])] },
  {
    name: 'IAMReadOnlyAccess',
    description: 'Reading of IAM.',
    statements: [
      allow([
        'iam:GenerateCredentialReport',
        'iam:GenerateServiceLastAccessedDetails',
        'iam:Get*',
        'iam:List*',
        'iam:SimulateCustomPolicy',
        'iam:SimulatePrincipalPolicy',
      ]),
    ],
  },
  {
    name: 'AWSCodeCommitFullAccess',
    description: "Full access to CodeCommit, and to one's own git credentials.",
    statements: [allow(['codecommit:*']), ...CODECOMMIT_EVENTS, ...OWN_GIT_CREDENTIALS],
  },
  {
    name: 'AWSCodeCommitPowerUser',
    description: 'Full access to repositories, but no deletion of them.',
    statements: [
      allow([
        'codecommit:AssociateApprovalRuleTemplateWithRepository',
        'codecommit:BatchAssociateApprovalRuleTemplateWithRepositories',
        'codecommit:BatchDisassociateApprovalRuleTemplateFromRepositories',
        'codecommit:Create*',
        'codecommit:DeleteBranch',
        'codecommit:DeleteFile',
        'codecommit:DisassociateApprovalRuleTemplateFromRepository',
        'codecommit:GitPush',
        'codecommit:Merge*',
        'codecommit:OverridePullRequestApprovalRules',
        'codecommit:Post*',
        'codecommit:Put*',
        'codecommit:TagResource',
        'codecommit:Test*',
        'codecommit:UntagResource',
        'codecommit:Update*',
        ...CODECOMMIT_READ,
      ]),
      ...CODECOMMIT_EVENTS,
      ...OWN_GIT_CREDENTIALS,
    ],
  },
  {
    name: 'AWSCodeCommitReadOnly',
    description: 'Reading of repositories.',
    statements: [
      allow(CODECOMMIT_READ),
      allow(['events:DescribeRule', 'events:ListTargetsByRule'], 'arn:aws:events:*:*:rule/codecommit*'),
      ...OWN_GIT_CREDENTIALS.slice(0, 1),
      allow(['iam:ListAccessKeys', 'iam:ListSSHPublicKeys', 'iam:ListServiceSpecificCredentials'], OWN_USER),
    ],
  },
  {
    name: 'AWSCodeBuildAdminAccess',
    description: 'Full access to CodeBuild.',
    statements: [
      allow([
        'codebuild:*',
        ...BUILD_SOURCES,
        ...BUILD_VIEW,
        'events:DeleteRule',
        'events:DescribeRule',
        'events:DisableRule',
        'events:EnableRule',
        'events:ListTargetsByRule',
        'events:ListRuleNamesByTarget',
        'events:PutRule',
        'events:PutTargets',
        'events:RemoveTargets',
      ]),
      allow(['logs:DeleteLogGroup'], 'arn:aws:logs:*:*:log-group:/aws/codebuild/*:log-stream:*'),
      allow(['ssm:PutParameter'], 'arn:aws:ssm:*:*:parameter/CodeBuild/*'),
    ],
  },
  {
    name: 'AWSCodeBuildDeveloperAccess',
    description: 'Running builds, but no administration of projects.',
    statements: [
      allow([
        'codebuild:StartBuild',
        'codebuild:StopBuild',
        'codebuild:StartBuildBatch',
        'codebuild:StopBuildBatch',
        'codebuild:RetryBuild',
        'codebuild:RetryBuildBatch',
        'codebuild:BatchGet*',
        'codebuild:GetResourcePolicy',
        'codebuild:DescribeTestCases',
        'codebuild:DescribeCodeCoverages',
        'codebuild:List*',
        ...BUILD_SOURCES,
        ...BUILD_VIEW,
        'events:DescribeRule',
        'events:ListTargetsByRule',
        'events:ListRuleNamesByTarget',
      ]),
      allow(['ssm:PutParameter'], 'arn:aws:ssm:*:*:parameter/CodeBuild/*'),
    ],
  },
  {
    name: 'AWSCodeBuildReadOnlyAccess',
    description: 'Reading of projects and builds.',
    statements: [
      allow([
        'codebuild:BatchGet*',
        'codebuild:GetResourcePolicy',
        'codebuild:List*',
        'codebuild:DescribeTestCases',
        'codebuild:DescribeCodeCoverages',
        'codecommit:GetBranch',
        'codecommit:GetCommit',
        'codecommit:GetRepository',
        'cloudwatch:GetMetricStatistics',
        'events:DescribeRule',
        'events:ListTargetsByRule',
        'events:ListRuleNamesByTarget',
        'logs:GetLogEvents',
      ]),
    ],
  },
  {
    name: 'AWSCodePipeline_FullAccess',
    description: 'Full access to CodePipeline.',
    statements: [
      allow([
        'codepipeline:*',
        'codebuild:BatchGetProjects',
        'codebuild:CreateProject',
        'codebuild:ListCuratedEnvironmentImages',
        'codebuild:ListProjects',
        'codecommit:BatchGetRepositories',
        'codecommit:ListBranches',
        'codecommit:ListRepositories',
        'codedeploy:BatchGetApplications',
        'codedeploy:GetApplication',
        'codedeploy:GetDeploymentGroup',
        'codedeploy:ListApplications',
        'codedeploy:ListDeploymentGroups',
        'events:DescribeRule',
        'events:ListRules',
        'events:ListTargetsByRule',
        'iam:GetRole',
        'iam:ListRoles',
        'lambda:ListFunctions',
        's3:GetBucketPolicy',
        's3:GetBucketVersioning',
        's3:GetObjectVersion',
        's3:ListAllMyBuckets',
        's3:ListBucket',
        'sns:ListTopics',
      ]),
      allow(['s3:CreateBucket', 's3:GetObject', 's3:PutBucketPolicy'], 'arn:aws:s3:::codepipeline-*'),
      allow(
        [
          'events:DeleteRule',
          'events:DisableRule',
          'events:EnableRule',
          'events:PutRule',
          'events:PutTargets',
          'events:RemoveTargets',
        ],
        'arn:aws:events:*:*:rule/codepipeline-*',
      ),
      allow(['iam:PassRole'], 'arn:aws:iam::*:role/service-role/cwe-role-*', {
        StringEquals: { 'iam:PassedToService': ['events.amazonaws.com'] },
      }),
      allow(['iam:PassRole'], '*', { StringEquals: { 'iam:PassedToService': ['codepipeline.amazonaws.com'] } }),
    ],
  },
  {
    name: 'AWSCodePipeline_ReadOnlyAccess',
    description: 'Reading of pipelines.',
    statements: [
      allow(PIPELINE_VIEW),
      allow(['s3:GetObject', 's3:GetBucketPolicy', 's3:ListBucket'], 'arn:aws:s3:::codepipeline-*'),
    ],
  },
  {
    name: 'AWSCodePipelineApproverAccess',
    description: 'Reading of pipelines, and approving.',
    statements: [
      allow([
        'codepipeline:GetPipeline',
        'codepipeline:GetPipelineState',
        'codepipeline:GetPipelineExecution',
        'codepipeline:ListPipelineExecutions',
        'codepipeline:ListPipelines',
        'codepipeline:PutApprovalResult',
      ]),
    ],
  },
  {
    name: 'AWSCodePipelineCustomActionAccess',
    description: 'What a job worker needs.',
    statements: [
      allow([
        'codepipeline:AcknowledgeJob',
        'codepipeline:GetJobDetails',
        'codepipeline:PollForJobs',
        'codepipeline:PutJobFailureResult',
        'codepipeline:PutJobSuccessResult',
      ]),
    ],
  },
  { name: 'AmazonS3FullAccess', description: 'Full access to S3.', statements: [allow(['s3:*'])] },
  {
    name: 'AmazonS3ReadOnlyAccess',
    description: 'Reading of S3.',
    statements: [allow(['s3:Describe*', 's3:Get*', 's3:List*'])],
  },
  { name: 'CloudWatchLogsFullAccess', description: 'Full access to logs.', statements: [allow(['logs:*'])] },
  {
    name: 'CloudWatchLogsReadOnlyAccess',
    description: 'Reading of logs.',
    statements: [
      allow([
        'logs:Describe*',
        'logs:FilterLogEvents',
        'logs:Get*',
        'logs:List*',
        'logs:StartLiveTail',
        'logs:StartQuery',
        'logs:StopLiveTail',
        'logs:StopQuery',
        'logs:TestMetricFilter',
      ]),
    ],
  },
  {
    name: 'AmazonEventBridgeFullAccess',
    description: 'Full access to EventBridge.',
    statements: [
      allow(['events:*']),
      allow(['iam:PassRole'], 'arn:aws:iam::*:role/*', {
        StringLike: { 'iam:PassedToService': 'events.amazonaws.com' },
      }),
    ],
  },
  {
    name: 'AmazonEventBridgeReadOnlyAccess',
    description: 'Reading of EventBridge.',
    statements: [allow(['events:Describe*', 'events:List*', 'events:TestEventPattern'])],
  },
  {
    name: 'AWSCloudTrail_ReadOnlyAccess',
    description: 'Reading of the audit trail.',
    statements: [
      allow([
        'cloudtrail:Describe*',
        'cloudtrail:Get*',
        'cloudtrail:List*',
        'cloudtrail:LookupEvents',
        's3:ListAllMyBuckets',
      ]),
    ],
  },
  ...OWN_CREDENTIALS_STATEMENTS,
  ...PLATFORM_STATEMENTS,
  ...SERVICE_ROLE_STATEMENTS,
];
