import { allow, type ManagedStatements } from './managed-statements.ts';

// biome-ignore lint/suspicious/noTemplateCurlyInString: a policy variable
const OWN_NAME = '${aws:username}';
const OWN_USER = `arn:aws:iam::*:user/${OWN_NAME}`;

/** What people need for themselves: the policies that AWS's pages on CodeCommit tell to attach. */
export const OWN_CREDENTIALS_STATEMENTS: readonly ManagedStatements[] = [
  {
    name: 'IAMUserChangePassword',
    description: "Changing one's own password.",
    statements: [
      allow(['iam:ChangePassword'], [OWN_USER, `arn:aws:iam::*:user/*/${OWN_NAME}`]),
      allow(['iam:GetAccountPasswordPolicy']),
    ],
  },
  {
    name: 'IAMUserSSHKeys',
    description: "Management of one's own SSH keys.",
    statements: [
      allow(
        [
          'iam:DeleteSSHPublicKey',
          'iam:GetSSHPublicKey',
          'iam:ListSSHPublicKeys',
          'iam:UpdateSSHPublicKey',
          'iam:UploadSSHPublicKey',
        ],
        OWN_USER,
      ),
    ],
  },
  {
    name: 'IAMSelfManageServiceSpecificCredentials',
    description: "Management of one's own service-specific credentials, such as git passwords.",
    statements: [
      allow(
        [
          'iam:CreateServiceSpecificCredential',
          'iam:DeleteServiceSpecificCredential',
          'iam:ListServiceSpecificCredentials',
          'iam:ResetServiceSpecificCredential',
          'iam:UpdateServiceSpecificCredential',
        ],
        OWN_USER,
      ),
    ],
  },
];

const BEARER_TOKEN = allow(['sts:GetServiceBearerToken'], '*', {
  StringEquals: { 'sts:AWSServiceName': 'codeartifact.amazonaws.com' },
});

/** Of the services around a pipeline. */
export const PLATFORM_STATEMENTS: readonly ManagedStatements[] = [
  {
    name: 'AWSKeyManagementServicePowerUser',
    description: 'Making and tagging keys and their aliases.',
    statements: [
      allow([
        'kms:CreateAlias',
        'kms:CreateKey',
        'kms:DeleteAlias',
        'kms:Describe*',
        'kms:GenerateRandom',
        'kms:Get*',
        'kms:List*',
        'kms:TagResource',
        'kms:UntagResource',
        'iam:ListGroups',
        'iam:ListRoles',
        'iam:ListUsers',
      ]),
    ],
  },
  {
    name: 'AWSCloudTrail_FullAccess',
    description: 'Full access to trails and what they need.',
    statements: [
      allow(['cloudtrail:*']),
      allow(
        ['s3:CreateBucket', 's3:PutBucketPolicy', 's3:PutBucketPublicAccessBlock'],
        ['arn:aws:s3:::aws-cloudtrail-logs*'],
      ),
      allow(['s3:GetBucketLocation', 's3:GetBucketPolicy', 's3:ListAllMyBuckets']),
      allow(
        ['sns:AddPermission', 'sns:CreateTopic', 'sns:GetTopicAttributes', 'sns:SetTopicAttributes'],
        ['arn:aws:sns:*:*:aws-cloudtrail-logs*'],
      ),
      allow(['sns:ListTopics', 'lambda:ListFunctions']),
      allow(['logs:CreateLogGroup'], ['arn:aws:logs:*:*:log-group:aws-cloudtrail-logs*']),
      allow(['iam:GetRolePolicy', 'iam:GetUser', 'iam:ListRoles']),
      allow(['iam:PassRole'], '*', { StringEquals: { 'iam:PassedToService': 'cloudtrail.amazonaws.com' } }),
      allow(['kms:CreateAlias', 'kms:CreateKey', 'kms:ListAliases', 'kms:ListKeys']),
    ],
  },
  {
    name: 'AWSCodeDeployFullAccess',
    description: 'Full access to CodeDeploy.',
    statements: [allow(['codedeploy:*'])],
  },
  {
    name: 'AWSCodeDeployReadOnlyAccess',
    description: 'Reading of CodeDeploy.',
    statements: [allow(['codedeploy:Batch*', 'codedeploy:Get*', 'codedeploy:List*'])],
  },
  {
    name: 'AWSCodeDeployDeployerAccess',
    description: 'Registering and deploying revisions.',
    statements: [
      allow([
        'codedeploy:Batch*',
        'codedeploy:CreateDeployment',
        'codedeploy:Get*',
        'codedeploy:List*',
        'codedeploy:RegisterApplicationRevision',
      ]),
    ],
  },
  {
    name: 'AmazonEC2RoleforAWSCodeDeploy',
    path: '/service-role/',
    description: 'Reading revisions, for the agent on a host.',
    statements: [allow(['s3:GetObject', 's3:GetObjectVersion', 's3:ListBucket'])],
  },
  {
    name: 'AWSCodeArtifactAdminAccess',
    description: 'Full access to CodeArtifact.',
    statements: [allow(['codeartifact:*']), BEARER_TOKEN],
  },
  {
    name: 'AWSCodeArtifactReadOnlyAccess',
    description: 'Reading of CodeArtifact.',
    statements: [
      allow(['codeartifact:Describe*', 'codeartifact:Get*', 'codeartifact:List*', 'codeartifact:ReadFromRepository']),
      BEARER_TOKEN,
    ],
  },
  {
    name: 'AWSLambdaBasicExecutionRole',
    path: '/service-role/',
    description: 'Writing logs.',
    statements: [allow(['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'])],
  },
];
