import type { ActionCategory, ActionTypeId } from '@aws-sdk/client-codepipeline';

/** One key of an action's configuration. */
export interface ConfigurationProperty {
  readonly name: string;
  readonly required: boolean;
}

/** An action type that this server executes. Numbers are CodePipeline's own. */
export interface SupportedActionType {
  readonly category: ActionCategory;
  readonly provider: string;
  readonly properties: readonly ConfigurationProperty[];
  readonly inputs: { readonly min: number; readonly max: number };
  readonly outputs: { readonly min: number; readonly max: number };
  /** How long a run may take unless the action says otherwise. */
  readonly timeoutMinutes: number;
}

const NONE = { min: 0, max: 0 };
const ONE = { min: 1, max: 1 };
const HOUR = 60;
const DAY = 24 * HOUR;

const required = (name: string): ConfigurationProperty => ({ name, required: true });
const optional = (name: string): ConfigurationProperty => ({ name, required: false });

const codeBuild = (category: ActionCategory): SupportedActionType => ({
  category,
  provider: 'CodeBuild',
  properties: [
    required('ProjectName'),
    optional('PrimarySource'),
    optional('BatchEnabled'),
    optional('CombineArtifacts'),
    optional('EnvironmentVariables'),
  ],
  inputs: { min: 1, max: 5 },
  outputs: { min: 0, max: 5 },
  timeoutMinutes: 36 * HOUR,
});

/**
 * The action types that can run here, as ListActionTypes reports them.
 * @see https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-pipeline-structure.html
 */
export const SUPPORTED_ACTION_TYPES: readonly SupportedActionType[] = [
  {
    category: 'Source',
    provider: 'CodeCommit',
    properties: [
      required('RepositoryName'),
      required('BranchName'),
      optional('PollForSourceChanges'),
      optional('OutputArtifactFormat'),
    ],
    inputs: NONE,
    outputs: ONE,
    timeoutMinutes: HOUR,
  },
  {
    category: 'Source',
    provider: 'S3',
    properties: [
      required('S3Bucket'),
      required('S3ObjectKey'),
      optional('PollForSourceChanges'),
      optional('AllowOverrideForS3ObjectKey'),
    ],
    inputs: NONE,
    outputs: ONE,
    timeoutMinutes: HOUR,
  },
  codeBuild('Build'),
  codeBuild('Test'),
  {
    category: 'Approval',
    provider: 'Manual',
    properties: [optional('NotificationArn'), optional('CustomData'), optional('ExternalEntityLink')],
    inputs: NONE,
    outputs: NONE,
    timeoutMinutes: 7 * DAY,
  },
  {
    category: 'Deploy',
    provider: 'S3',
    properties: [
      required('BucketName'),
      required('Extract'),
      optional('ObjectKey'),
      optional('KMSEncryptionKeyARN'),
      optional('CannedACL'),
      optional('CacheControl'),
    ],
    inputs: ONE,
    outputs: NONE,
    timeoutMinutes: 90,
  },
];

/** Providers that AWS publishes under owner AWS and this server does not execute, by `category/provider`. */
const PUBLISHED = new Set([
  ...[
    'Source/ECR',
    'Source/CodeStarSourceConnection',
    'Build/ECRBuildAndPublish',
    'Build/Commands',
    'Compute/Commands',
  ],
  ...[
    'Test/DeviceFarm',
    'Deploy/CloudFormation',
    'Deploy/CloudFormationStackSet',
    'Deploy/CloudFormationStackInstances',
  ],
  ...[
    'Deploy/CodeDeploy',
    'Deploy/CodeDeployToECS',
    'Deploy/EC2',
    'Deploy/ECS',
    'Deploy/EKS',
    'Deploy/ElasticBeanstalk',
  ],
  ...['Deploy/AppConfig', 'Deploy/OpsWorks', 'Deploy/ServiceCatalog', 'Deploy/AlexaSkillsKit', 'Deploy/Lambda'],
  ...['Invoke/Lambda', 'Invoke/StepFunctions', 'Invoke/CodePipeline', 'Invoke/InspectorScan'],
]);

/** The supported type with that id, or `undefined`. */
export function actionTypeOf(id: ActionTypeId): SupportedActionType | undefined {
  if (id.owner !== 'AWS' || id.version !== '1') return undefined;
  return SUPPORTED_ACTION_TYPES.find(({ category, provider }) => category === id.category && provider === id.provider);
}

/** True for a type that exists in AWS but cannot run here, which deserves another answer than a misspelt one. */
export function isPublishedActionType(id: ActionTypeId): boolean {
  if (id.owner === 'ThirdParty') return id.category === 'Source' && id.provider === 'GitHub' && id.version === '1';
  return id.owner === 'AWS' && id.version === '1' && PUBLISHED.has(`${id.category}/${id.provider}`);
}
