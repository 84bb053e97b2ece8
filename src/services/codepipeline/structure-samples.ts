import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ActionDeclaration, PipelineDeclaration, StageDeclaration } from '@aws-sdk/client-codepipeline';
import { Fault } from '../../kernel/fault.ts';
import { admitStructure } from './structure.ts';

type Action = Partial<ActionDeclaration> & { name: string };

export const action = (category: string, provider: string, more: Action): ActionDeclaration =>
  ({ actionTypeId: { category, provider, owner: 'AWS', version: '1' }, ...more }) as ActionDeclaration;

export const source = (more: Partial<ActionDeclaration> = {}) =>
  action('Source', 'CodeCommit', {
    name: 'Pull',
    configuration: { RepositoryName: 'app', BranchName: 'main' },
    outputArtifacts: [{ name: 'SourceOutput' }],
    ...more,
  });
export const build = (more: Partial<ActionDeclaration> = {}) =>
  action('Build', 'CodeBuild', {
    name: 'Compile',
    configuration: { ProjectName: 'app' },
    inputArtifacts: [{ name: 'SourceOutput' }],
    outputArtifacts: [{ name: 'BuildOutput' }],
    ...more,
  });
export const approval = (more: Partial<ActionDeclaration> = {}) =>
  action('Approval', 'Manual', { name: 'Approve', ...more });
export const deploy = (more: Partial<ActionDeclaration> = {}) =>
  action('Deploy', 'S3', {
    name: 'Copy',
    configuration: { BucketName: 'site', Extract: 'true' },
    inputArtifacts: [{ name: 'BuildOutput' }],
    ...more,
  });

export const stage = (name: string, ...actions: ActionDeclaration[]): StageDeclaration => ({ name, actions });

export const pipeline = (more: Partial<PipelineDeclaration> = {}): PipelineDeclaration => ({
  name: 'p',
  roleArn: 'arn:aws:iam::123456789012:role/p',
  artifactStore: { type: 'S3', location: 'artifacts' },
  stages: [stage('Source', source()), stage('Build', build()), stage('Deploy', approval(), deploy({ runOrder: 2 }))],
  ...more,
});
export const withStages = (...stages: StageDeclaration[]) => pipeline({ stages });
export const withBuild = (more: Partial<ActionDeclaration>) =>
  withStages(stage('Source', source()), stage('Build', build(more)));
export const withDeploy = (more: Partial<ActionDeclaration>) =>
  withStages(stage('Source', source()), stage('Build', build()), stage('Deploy', deploy(more)));
export const withStage = (more: Partial<StageDeclaration>, type?: 'V1' | 'V2') =>
  pipeline({ stages: [stage('Source', source()), { ...stage('Build', build()), ...more }], pipelineType: type });

export const conditions = [
  { rules: [{ name: 'r', ruleTypeId: { category: 'Rule', provider: 'DeploymentWindow' } as const }] },
];

export const STRUCTURE = 'InvalidStructureException';
export const ACTION = 'InvalidActionDeclarationException';
export const STAGE = 'InvalidStageDeclarationException';

/** [what, pipeline, error, message] */
export type Refusal = [what: string, given: PipelineDeclaration, name: string, message: string];

export const admit = (given: PipelineDeclaration) => admitStructure(given, 1, { region: 'us-east-1' });

/** One test for each structure that must be refused, with its error and words. */
export function testRefusals(refusals: readonly Refusal[]): void {
  for (const [what, given, name, message] of refusals) {
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
}
