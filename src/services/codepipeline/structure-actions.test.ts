import { describe } from 'node:test';
import {
  ACTION,
  approval,
  build,
  deploy,
  pipeline,
  type Refusal,
  STRUCTURE,
  source,
  stage,
  testRefusals,
  withBuild,
  withDeploy,
  withStages,
} from './structure-samples.ts';

const refused: Refusal[] = [
  // actions
  [
    'an action name twice',
    withStages(stage('Source', source()), stage('B', build(), build({ outputArtifacts: [] }))),
    ACTION,
    "Action name 'Compile' is used more than once in stage 'B'",
  ],
  [
    'an unknown provider',
    withBuild({ actionTypeId: { category: 'Build', provider: 'CodeBuildd', owner: 'AWS', version: '1' } }),
    ACTION,
    "ActionType (Category: 'Build', Provider: 'CodeBuildd', Owner: 'AWS', Version: '1') in action 'Compile' is not available in region 'US_EAST_1'",
  ],
  [
    'a provider in a category that it does not have',
    withBuild({ actionTypeId: { category: 'Deploy', provider: 'CodeBuild', owner: 'AWS', version: '1' } }),
    ACTION,
    "ActionType (Category: 'Deploy', Provider: 'CodeBuild', Owner: 'AWS', Version: '1') in action 'Compile' is not available in region 'US_EAST_1'",
  ],
  [
    'a custom action',
    withBuild({ actionTypeId: { category: 'Build', provider: 'Jenkins', owner: 'Custom', version: '1' } }),
    ACTION,
    "ActionType (Category: 'Build', Provider: 'Jenkins', Owner: 'Custom', Version: '1') in action 'Compile' is not available in region 'US_EAST_1'",
  ],
  [
    'a provider that AWS has and this server does not',
    withDeploy({ actionTypeId: { category: 'Deploy', provider: 'CodeDeploy', owner: 'AWS', version: '1' } }),
    ACTION,
    "ActionType (Category: 'Deploy', Provider: 'CodeDeploy', Owner: 'AWS', Version: '1') in action 'Copy' is not implemented by Slipway",
  ],
  [
    'a GitHub source',
    withStages(
      stage(
        'Source',
        source({ actionTypeId: { category: 'Source', provider: 'GitHub', owner: 'ThirdParty', version: '1' } }),
      ),
      stage('B', approval()),
    ),
    ACTION,
    "ActionType (Category: 'Source', Provider: 'GitHub', Owner: 'ThirdParty', Version: '1') in action 'Pull' is not implemented by Slipway",
  ],
  [
    'no input',
    withBuild({ inputArtifacts: [] }),
    ACTION,
    'Action Compile declares 0 input artifacts which is less than the minimum count (1)',
  ],
  [
    'six outputs',
    withBuild({ outputArtifacts: [...'abcdef'].map((name) => ({ name })) }),
    ACTION,
    'Action Compile declares 6 output artifacts which is more than the maximum count (5)',
  ],
  [
    'an approval with input',
    withStages(stage('Source', source()), stage('B', approval({ inputArtifacts: [{ name: 'SourceOutput' }] }))),
    ACTION,
    'Action Approve declares 1 input artifacts which is more than the maximum count (0)',
  ],
  [
    'a timeout of a build',
    withBuild({ timeoutInMinutes: 10 }),
    ACTION,
    'Action Compile declares timeoutInMinutes, which is available only to manual approval actions',
  ],
  [
    'commands',
    withBuild({ commands: ['ls'] }),
    ACTION,
    'Action Compile declares commands, which its action type does not take',
  ],
  [
    'environmentVariables',
    withBuild({ environmentVariables: [{ name: 'a', value: 'b' }] }),
    ACTION,
    'Action Compile declares environmentVariables, which its action type does not take',
  ],
  [
    'files of an output',
    withBuild({ outputArtifacts: [{ name: 'x', files: ['a'] }] }),
    ACTION,
    'Action Compile declares files of an output artifact, which its action type does not take',
  ],
  [
    'another region',
    pipeline({
      artifactStore: undefined,
      artifactStores: { 'us-east-1': { type: 'S3', location: 'a' }, 'eu-west-1': { type: 'S3', location: 'b' } },
      stages: [stage('Source', source()), stage('Build', build({ region: 'eu-west-1' }))],
    }),
    ACTION,
    'Action Compile runs in region eu-west-1; cross-region actions are not implemented by Slipway',
  ],
  // configuration
  [
    'a missing key',
    withBuild({ configuration: {} }),
    ACTION,
    "Action configuration for action 'Compile' is missing required configuration 'ProjectName'",
  ],
  [
    'no configuration',
    withDeploy({ configuration: undefined }),
    ACTION,
    "Action configuration for action 'Copy' is missing required configuration 'BucketName'",
  ],
  [
    'an unknown key',
    withBuild({ configuration: { ProjectName: 'a', Zeta: '1', Alpha: '1' } }),
    ACTION,
    "Action configuration for action 'Compile' contains unknown configuration 'Alpha'",
  ],
  [
    'batch builds',
    withBuild({ configuration: { ProjectName: 'a', BatchEnabled: 'true' } }),
    ACTION,
    "Action configuration for action 'Compile' has the value 'true' for 'BatchEnabled'; batch builds are not implemented by Slipway",
  ],
  [
    'not a boolean',
    withDeploy({ configuration: { BucketName: 'a', Extract: 'yes' } }),
    ACTION,
    "Action configuration for action 'Copy' has the value 'yes' for 'Extract', which must be true or false",
  ],
  [
    'a full clone',
    withStages(
      stage(
        'Source',
        source({
          configuration: { RepositoryName: 'a', BranchName: 'b', OutputArtifactFormat: 'CODEBUILD_CLONE_REF' },
        }),
      ),
      stage('B', approval()),
    ),
    ACTION,
    "Action configuration for action 'Pull' has the value 'CODEBUILD_CLONE_REF' for 'OutputArtifactFormat', which is not implemented by Slipway",
  ],
  [
    'an approval that notifies',
    withStages(
      stage('Source', source()),
      stage('B', approval({ configuration: { NotificationArn: 'arn:aws:sns:us-east-1:123456789012:t' } })),
    ),
    ACTION,
    "Action configuration for action 'Approve' has the value 'arn:aws:sns:us-east-1:123456789012:t' for 'NotificationArn'; notifications of approvals are not implemented by Slipway",
  ],
  [
    'environment variables that are no JSON',
    withBuild({ configuration: { ProjectName: 'a', EnvironmentVariables: '{}' } }),
    ACTION,
    "Action configuration for action 'Compile': EnvironmentVariables must be a JSON array",
  ],
  [
    'two inputs without a primary',
    withStages(
      stage('Source', source(), source({ name: 'Other', outputArtifacts: [{ name: 'Other' }] })),
      stage('B', build({ inputArtifacts: [{ name: 'SourceOutput' }, { name: 'Other' }] })),
    ),
    ACTION,
    "Action configuration for action 'Compile' is missing required configuration 'PrimarySource'",
  ],
  [
    'a primary that is no input',
    withBuild({ configuration: { ProjectName: 'a', PrimarySource: 'x' } }),
    ACTION,
    "Action configuration for action 'Compile' names the PrimarySource 'x', which is not one of its input artifacts",
  ],
  // artifacts
  [
    'an output twice',
    withStages(stage('Source', source()), stage('B', build({ outputArtifacts: [{ name: 'SourceOutput' }] }))),
    STRUCTURE,
    'Output Artifact Bundle name must be unique within the pipeline. SourceOutput has been used more than once.',
  ],
  [
    'an input that nobody puts out',
    withBuild({ inputArtifacts: [{ name: 'Gone' }] }),
    STRUCTURE,
    'Input Artifact Bundle Gone in action Compile is not the output of an action that precedes it',
  ],
  [
    'an input of a neighbour',
    withStages(stage('Source', source()), stage('B', build(), deploy())),
    STRUCTURE,
    'Input Artifact Bundle BuildOutput in action Copy is not the output of an action that precedes it',
  ],
  [
    'an input twice',
    withBuild({
      inputArtifacts: [{ name: 'SourceOutput' }, { name: 'SourceOutput' }],
      configuration: { ProjectName: 'a', PrimarySource: 'SourceOutput' },
    }),
    ACTION,
    'Action Compile declares the input artifact SourceOutput more than once',
  ],
  // variables
  [
    'a variable twice',
    pipeline({ variables: [{ name: 'a' }, { name: 'a', defaultValue: 'x' }] }),
    STRUCTURE,
    'Variable names must be unique. The following variable name is already in use: a',
  ],
  [
    'a namespace twice',
    withStages(stage('Source', source({ namespace: 'n' })), stage('Build', build({ namespace: 'n' }))),
    ACTION,
    'Namespaces must be unique across the pipeline definition. The following occur more than once in the pipeline. StageName=[Build], ActionName=[Compile], Namespace=[n]',
  ],
  [
    'a reserved namespace',
    withBuild({ namespace: 'variables' }),
    ACTION,
    'Namespaces must not be one of the reserved names codepipeline and variables. StageName=[Build], ActionName=[Compile], Namespace=[variables]',
  ],
  [
    'a namespace that does not exist',
    withBuild({ configuration: { ProjectName: '#{no.such}' } }),
    ACTION,
    'Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.). The following pipeline execution variables are referencing a namespace that does not exist.\nStageName=[Build], ActionName=[Compile], ActionConfigurationKey=[ProjectName], VariableReferenceText=[no.such]',
  ],
  [
    'a reference without a key',
    withBuild({ configuration: { ProjectName: '#{x}' } }),
    ACTION,
    'Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.). The following pipeline execution variables are not in that format.\nStageName=[Build], ActionName=[Compile], ActionConfigurationKey=[ProjectName], VariableReferenceText=[x]',
  ],
  [
    'a namespace of a later action',
    withBuild({ namespace: 'n', configuration: { ProjectName: '#{n.x}' } }),
    ACTION,
    'The following pipeline execution variables are referencing the namespace of an action that does not precede.\nStageName=[Build], ActionName=[Compile], ActionConfigurationKey=[ProjectName], VariableReferenceText=[n.x]',
  ],
  [
    'an undeclared pipeline variable',
    pipeline({
      variables: [{ name: 'a' }],
      stages: [stage('Source', source()), stage('Build', build({ configuration: { ProjectName: '#{variables.b}' } }))],
    }),
    STRUCTURE,
    "The referenced variables haven't been declared.\nStageName=[Build], ActionName=[Compile], ActionConfigurationKey=[ProjectName], VariableReferenceText=[variables.b]",
  ],
  [
    'a pipeline variable in a source',
    pipeline({
      variables: [{ name: 'a' }],
      stages: [
        stage('Source', source({ configuration: { RepositoryName: 'a', BranchName: '#{variables.a}' } })),
        stage('Build', build()),
      ],
    }),
    STRUCTURE,
    'Variables at the pipeline level cannot be used in source actions.\nStageName=[Source], ActionName=[Pull], ActionConfigurationKey=[BranchName], VariableReferenceText=[variables.a]',
  ],
];

describe('actions that are refused', () => testRefusals(refused));
