import { allow, type ManagedStatements } from './managed-statements.ts';

/** Policies of service-linked roles: what each service may do in an account, nobody else can attach them. */
export const SERVICE_ROLE_STATEMENTS: readonly ManagedStatements[] = (
  [
    [
      'AWSCodeStarNotificationsServiceRolePolicy',
      'Lets CodeStar Notifications read what it tells of, and its rules at EventBridge.',
      [
        'events:PutTargets',
        'events:PutRule',
        'events:DescribeRule',
        'events:RemoveTargets',
        'events:DeleteRule',
        'sns:CreateTopic',
        'codecommit:GetCommentsForPullRequest',
        'codecommit:GetCommentsForComparedCommit',
        'codecommit:GetDifferences',
        'codecommit:GetPullRequest',
        'codepipeline:GetPipelineExecution',
      ],
    ],
    [
      'AmazonCodeGuruReviewerServiceRolePolicy',
      'Lets CodeGuru Reviewer read repositories and comment on pull requests.',
      [
        'codecommit:GetRepository',
        'codecommit:GetBranch',
        'codecommit:DescribePullRequestEvents',
        'codecommit:GitPull',
        'codecommit:PostCommentForPullRequest',
        'events:PutRule',
        'events:PutTargets',
        'events:DeleteRule',
        'events:RemoveTargets',
      ],
    ],
    [
      'CloudWatchEventsServiceRolePolicy',
      'Lets EventBridge act on alarms and builds for its rules.',
      ['cloudwatch:DescribeAlarms', 'codebuild:StartBuild'],
    ],
    [
      'AmazonEventBridgeApiDestinationsServiceRolePolicy',
      'Lets EventBridge keep the secrets of API destinations.',
      [
        'secretsmanager:CreateSecret',
        'secretsmanager:UpdateSecret',
        'secretsmanager:DescribeSecret',
        'secretsmanager:DeleteSecret',
        'secretsmanager:GetSecretValue',
        'secretsmanager:PutSecretValue',
      ],
    ],
    [
      'CloudTrailServiceRolePolicy',
      'Lets CloudTrail keep the trails of an organization.',
      [
        'cloudtrail:*',
        'organizations:DescribeAccount',
        'organizations:DescribeOrganization',
        'organizations:ListAccounts',
      ],
    ],
    [
      'AWSLogDeliveryServiceRolePolicy',
      'Lets services deliver their logs.',
      ['firehose:PutRecord', 'firehose:PutRecordBatch', 'firehose:ListTagsForDeliveryStream'],
    ],
    [
      'AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy',
      'Lets KMS keep the replicas of multi-Region keys alike.',
      ['kms:SynchronizeMultiRegionKey'],
    ],
  ] as const
).map(([name, description, actions]) => ({
  name,
  path: '/aws-service-role/',
  description,
  statements: [allow(actions)],
}));
