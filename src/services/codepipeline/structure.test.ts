import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { planOf } from './plan.ts';
import {
  admit,
  approval,
  build,
  conditions,
  deploy,
  pipeline,
  type Refusal,
  STAGE,
  STRUCTURE,
  source,
  stage,
  testRefusals,
  withBuild,
  withStage,
  withStages,
} from './structure-samples.ts';
import { artifactBucketOf } from './structure-stores.ts';

const refused: Refusal[] = [
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
];

describe('structures that are refused', () => testRefusals(refused));

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
