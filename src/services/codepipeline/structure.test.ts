import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ActionDeclaration, PipelineDeclaration, StageDeclaration } from '@aws-sdk/client-codepipeline';
import { Fault } from '../../kernel/fault.ts';
import { planOf } from './plan.ts';
import { admitStructure } from './structure.ts';
import { artifactBucketOf } from './structure-stores.ts';

type Action = Partial<ActionDeclaration> & { name: string };

const action = (category: string, provider: string, more: Action): ActionDeclaration =>
  ({ actionTypeId: { category, provider, owner: 'AWS', version: '1' }, ...more }) as ActionDeclaration;

const source = (more: Partial<ActionDeclaration> = {}) =>
  action('Source', 'CodeCommit', {
    name: 'Pull',
    configuration: { RepositoryName: 'app', BranchName: 'main' },
    outputArtifacts: [{ name: 'SourceOutput' }],
    ...more,
  });
const build = (more: Partial<ActionDeclaration> = {}) =>
  action('Build', 'CodeBuild', {
    name: 'Compile',
    configuration: { ProjectName: 'app' },
    inputArtifacts: [{ name: 'SourceOutput' }],
    outputArtifacts: [{ name: 'BuildOutput' }],
    ...more,
  });
const approval = (more: Partial<ActionDeclaration> = {}) => action('Approval', 'Manual', { name: 'Approve', ...more });
const deploy = (more: Partial<ActionDeclaration> = {}) =>
  action('Deploy', 'S3', {
    name: 'Copy',
    configuration: { BucketName: 'site', Extract: 'true' },
    inputArtifacts: [{ name: 'BuildOutput' }],
    ...more,
  });

const stage = (name: string, ...actions: ActionDeclaration[]): StageDeclaration => ({ name, actions });

const pipeline = (more: Partial<PipelineDeclaration> = {}): PipelineDeclaration => ({
  name: 'p',
  roleArn: 'arn:aws:iam::123456789012:role/p',
  artifactStore: { type: 'S3', location: 'artifacts' },
  stages: [stage('Source', source()), stage('Build', build()), stage('Deploy', approval(), deploy({ runOrder: 2 }))],
  ...more,
});
const withStages = (...stages: StageDeclaration[]) => pipeline({ stages });
const withBuild = (more: Partial<ActionDeclaration>) =>
  withStages(stage('Source', source()), stage('Build', build(more)));
const withDeploy = (more: Partial<ActionDeclaration>) =>
  withStages(stage('Source', source()), stage('Build', build()), stage('Deploy', deploy(more)));
const withStage = (more: Partial<StageDeclaration>, type?: 'V1' | 'V2') =>
  pipeline({ stages: [stage('Source', source()), { ...stage('Build', build()), ...more }], pipelineType: type });

const admit = (given: PipelineDeclaration) => admitStructure(given, 1, { region: 'us-east-1' });
const conditions = [
  { rules: [{ name: 'r', ruleTypeId: { category: 'Rule', provider: 'DeploymentWindow' } as const }] },
];

const STRUCTURE = 'InvalidStructureException';
const ACTION = 'InvalidActionDeclarationException';
const STAGE = 'InvalidStageDeclarationException';

/** [what, pipeline, error, message] */
const refused: [string, PipelineDeclaration, string, string][] = [
  [
    'no stage',
    withStages(),
    STRUCTURE,
    'Pipeline has only 0 stage(s). There should be a minimum of 2 stages in a pipeline',
  ],
  [
    'one stage',
    withStages(stage('Source', source())),
    STRUCTURE,
    'Pipeline has only 1 stage(s). There should be a minimum of 2 stages in a pipeline',
  ],
  [
    '51 stages',
    withStages(stage('Source', source()), ...Array.from({ length: 50 }, (_, i) => stage(`s${i}`, approval()))),
    STRUCTURE,
    'Pipeline has too many stages. There can only be up to 50 stages in a pipeline',
  ],
  [
    'a stage name twice',
    withStages(stage('Source', source()), stage('B', build()), stage('B', approval())),
    STAGE,
    "Stage name 'B' is used more than once",
  ],
  [
    'an empty stage',
    withStages(stage('Source', source()), stage('B')),
    STAGE,
    "Stage 'B' must contain at least one action",
  ],
  [
    'blockers',
    withStage({ blockers: [{ name: 'b', type: 'Schedule' }] }),
    'InvalidBlockerDeclarationException',
    "Stage 'Build' declares blockers, which are reserved for future use",
  ],
  [
    'a build in the first stage',
    withStages(stage('Source', source(), build()), stage('B', approval())),
    STRUCTURE,
    'Pipeline should start with a stage that only contains source actions',
  ],
  [
    'no source',
    withStages(stage('A', approval()), stage('B', approval())),
    STRUCTURE,
    'Pipeline should start with a stage that only contains source actions',
  ],
  [
    'a source in a later stage',
    withStages(stage('Source', source()), stage('B', build(), source({ name: 'x', outputArtifacts: [{ name: 'x' }] }))),
    STRUCTURE,
    'Source actions can only be included in the first stage of the pipeline',
  ],
  [
    'sources only',
    withStages(stage('Source', source()), stage('B', source({ name: 'x', outputArtifacts: [{ name: 'x' }] }))),
    STRUCTURE,
    'Pipeline should contain at least 1 action whose category is not Source',
  ],
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
  // stores
  [
    'no store',
    pipeline({ artifactStore: undefined }),
    STRUCTURE,
    "Pipeline must declare an artifact store with 'pipeline.artifactStore' or 'pipeline.artifactStores'.",
  ],
  [
    'both stores',
    pipeline({ artifactStores: {} }),
    STRUCTURE,
    "Pipeline cannot declare both 'pipeline.artifactStore' and 'pipeline.artifactStores'.",
  ],
  [
    'stores without this region',
    pipeline({ artifactStore: undefined, artifactStores: { 'eu-west-1': { type: 'S3', location: 'a' } } }),
    STRUCTURE,
    "Your pipeline must have an artifact store, such as an artifact bucket, for each region where you have an action. The following region is missing in 'pipeline.artifactStores': us-east-1.",
  ],
  [
    'one store and two regions',
    withBuild({ region: 'eu-west-1' }),
    STRUCTURE,
    "Your pipeline contains actions in more than one region. Use 'pipeline.artifactStores' instead of 'pipeline.artifactStore' to declare an artifact store, such as an artifact bucket, for each region where you have an action.",
  ],
  [
    'a key of the store',
    pipeline({ artifactStore: { type: 'S3', location: 'a', encryptionKey: { id: 'k', type: 'KMS' } } }),
    STRUCTURE,
    'The artifact store names the encryption key k; customer managed keys of artifact stores are not implemented by Slipway',
  ],
  // types
  [
    'V1 and QUEUED',
    pipeline({ pipelineType: 'V1', executionMode: 'QUEUED' }),
    STRUCTURE,
    'QUEUED or PARALLEL mode can only be used with V2 pipelines',
  ],
  [
    'V1 and variables',
    pipeline({ pipelineType: 'V1', variables: [{ name: 'a' }] }),
    STRUCTURE,
    'Pipeline variable can only be used with V2 pipelines',
  ],
  [
    'V1 and conditions',
    withStage({ onFailure: { result: 'RETRY' } }, 'V1'),
    STAGE,
    'Stage level conditions can only be used with V2 pipelines.',
  ],
  [
    'triggers',
    pipeline({
      triggers: [{ providerType: 'CodeStarSourceConnection', gitConfiguration: { sourceActionName: 'Pull' } }],
    }),
    STRUCTURE,
    'Triggers for connections must reference a CodeStarSourceConnection action.',
  ],
  [
    'conditions on entry',
    withStage({ beforeEntry: { conditions } }),
    STAGE,
    "Stage 'Build' declares beforeEntry conditions, which are not implemented by Slipway",
  ],
  [
    'conditions on success',
    withStage({ onSuccess: { conditions } }),
    STAGE,
    "Stage 'Build' declares onSuccess conditions, which are not implemented by Slipway",
  ],
  [
    'conditions on failure',
    withStage({ onFailure: { conditions } }),
    STAGE,
    "Stage 'Build' declares onFailure conditions, which are not implemented by Slipway",
  ],
  [
    'automatic rollback',
    withStage({ onFailure: { result: 'ROLLBACK' } }),
    STAGE,
    "Stage 'Build' declares the onFailure result ROLLBACK, which is not implemented by Slipway",
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

describe('structures that are refused', () => {
  for (const [what, given, name, message] of refused) {
    test(what, () => {
      assert.throws(
        () => admit(given),
        (error) => {
          assert.ok(error instanceof Fault, String(error));
          assert.deepEqual([error.name, error.message], [name, message]);
          return true;
        },
      );
    });
  }
});

describe('structures that are admitted', () => {
  test('defaults are filled in, nothing else changes', () => {
    const given = pipeline();
    const before = structuredClone(given);
    const admitted = admit(given);
    assert.deepEqual(given, before, 'the input is not changed');
    assert.equal(admitted.version, 1);
    assert.equal(admitted.pipelineType, 'V1');
    assert.equal(admitted.executionMode, 'SUPERSEDED');
    const [approve, copy] = admitted.stages![2]!.actions!;
    assert.deepEqual(approve, {
      ...approval(),
      runOrder: 1,
      configuration: {},
      inputArtifacts: [],
      outputArtifacts: [],
    });
    assert.deepEqual(copy, { ...deploy(), runOrder: 2, outputArtifacts: [] });
  });

  test('fields of V2 make the pipeline V2', () => {
    assert.equal(admit(pipeline({ variables: [{ name: 'a' }] })).pipelineType, 'V2');
    assert.equal(admit(pipeline({ executionMode: 'PARALLEL' })).pipelineType, 'V2');
    assert.equal(admit(withStage({ onFailure: { result: 'FAIL' } })).pipelineType, 'V2');
  });

  test('fields of V2 are kept and returned', () => {
    const given = pipeline({
      pipelineType: 'V2',
      executionMode: 'QUEUED',
      variables: [{ name: 'env', defaultValue: 'beta', description: 'where to' }],
      stages: [
        stage('Source', source({ namespace: 'Src' })),
        {
          ...stage(
            'Build',
            build({
              configuration: {
                ProjectName: 'a',
                EnvironmentVariables:
                  '[{"name":"C","value":"#{Src.CommitId} #{variables.env} #{codepipeline.PipelineExecutionId}"}]',
              },
            }),
          ),
          onFailure: { result: 'RETRY', retryConfiguration: { retryMode: 'ALL_ACTIONS' } },
        },
      ],
    });
    const admitted = admit(given);
    assert.deepEqual(admitted.variables, given.variables);
    assert.deepEqual(admitted.stages![1]!.onFailure, given.stages![1]!.onFailure);
    assert.deepEqual(
      planOf(admitted).stages.map(({ autoRetry }) => autoRetry),
      [undefined, 'ALL_ACTIONS'],
    );
  });

  test('an output of the same stage feeds a higher run order', () => {
    admit(withStages(stage('Source', source()), stage('B', build(), deploy({ runOrder: 2 }))));
  });

  test('stores by region', () => {
    const given = pipeline({
      artifactStore: undefined,
      artifactStores: { 'us-east-1': { type: 'S3', location: 'here' } },
    });
    assert.equal(artifactBucketOf(admit(given), 'us-east-1'), 'here');
  });

  test('the plan knows run orders, approvals and timeouts', () => {
    const plan = planOf(
      admit(
        pipeline({
          stages: [stage('Source', source()), stage('D', approval({ timeoutInMinutes: 5 }), build({ runOrder: 3 }))],
        }),
      ),
    );
    assert.deepEqual(plan.stages[1]!.actions, [
      { name: 'Approve', runOrder: 1, timeoutMs: 300_000, isApproval: true },
      { name: 'Compile', runOrder: 3, timeoutMs: 36 * 3_600_000, isApproval: false },
    ]);
  });
});
