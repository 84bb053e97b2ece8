import {
  InvalidBlockerDeclarationException,
  InvalidStageDeclarationException,
  InvalidStructureException,
  type PipelineDeclaration,
  type StageDeclaration,
} from '@aws-sdk/client-codepipeline';
import { fault } from '../../kernel/fault.ts';
import { repeated } from './placed-action.ts';
import { checkActions } from './structure-actions.ts';
import { checkArtifactStores } from './structure-stores.ts';

/** Where the pipeline is declared. */
export interface StructureScope {
  readonly region: string;
}

const MIN_STAGES = 2;
const MAX_STAGES = 50;

/**
 * Holds a pipeline's structure against CodePipeline's rules and gives it back as the service stores and returns it:
 * with defaults, empty lists and the pipeline type that its fields ask for. Lengths, patterns and enums of single
 * members are checked before, by the operation's constraints.
 * @throws InvalidStructureException, InvalidStageDeclarationException or InvalidActionDeclarationException, in AWS's
 * words where they are known; what this server does not execute is refused by name.
 * @see https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-pipeline-structure.html
 */
export function admitStructure(
  pipeline: PipelineDeclaration,
  version: number,
  scope: StructureScope,
): PipelineDeclaration {
  const admitted = withDefaults(pipeline, version);
  checkStageCount(admitted);
  checkPipelineType(admitted);
  checkVariables(admitted);
  checkStages(admitted);
  checkArtifactStores(admitted, scope.region);
  checkActions(admitted, scope.region);
  checkTriggers(admitted);
  return admitted;
}

function withDefaults(pipeline: PipelineDeclaration, version: number): PipelineDeclaration {
  return {
    ...pipeline,
    version,
    executionMode: pipeline.executionMode ?? 'SUPERSEDED',
    pipelineType: pipeline.pipelineType ?? (needsV2(pipeline) ? 'V2' : 'V1'),
    stages: (pipeline.stages ?? []).map((stage) => ({
      ...stage,
      actions: (stage.actions ?? []).map((action) => ({
        ...action,
        runOrder: action.runOrder ?? 1,
        configuration: action.configuration ?? {},
        inputArtifacts: action.inputArtifacts ?? [],
        outputArtifacts: action.outputArtifacts ?? [],
      })),
    })),
  };
}

/** A pipeline that says nothing of its type gets the one that its fields need. */
function needsV2(pipeline: PipelineDeclaration): boolean {
  return (
    (pipeline.variables ?? []).length > 0 ||
    (pipeline.triggers ?? []).length > 0 ||
    (pipeline.executionMode ?? 'SUPERSEDED') !== 'SUPERSEDED' ||
    (pipeline.stages ?? []).some(hasConditions)
  );
}

function hasConditions(stage: StageDeclaration): boolean {
  return stage.beforeEntry !== undefined || stage.onSuccess !== undefined || stage.onFailure !== undefined;
}

const structure = (message: string) => fault(InvalidStructureException, message);

function checkStageCount({ stages = [] }: PipelineDeclaration): void {
  if (stages.length < MIN_STAGES) {
    throw structure(
      `Pipeline has only ${stages.length} stage(s). There should be a minimum of ${MIN_STAGES} stages in a pipeline`,
    );
  }
  if (stages.length > MAX_STAGES) {
    throw structure(`Pipeline has too many stages. There can only be up to ${MAX_STAGES} stages in a pipeline`);
  }
}

function checkPipelineType(pipeline: PipelineDeclaration): void {
  if (pipeline.pipelineType === 'V2') return;
  if (pipeline.executionMode !== 'SUPERSEDED') {
    throw structure('QUEUED or PARALLEL mode can only be used with V2 pipelines');
  }
  if ((pipeline.variables ?? []).length > 0) throw structure('Pipeline variable can only be used with V2 pipelines');
  if ((pipeline.triggers ?? []).length > 0) throw structure('Triggers on tag can only be used with V2 pipelines');
  if ((pipeline.stages ?? []).some(hasConditions)) {
    throw fault(InvalidStageDeclarationException, 'Stage level conditions can only be used with V2 pipelines.');
  }
}

function checkVariables({ variables = [] }: PipelineDeclaration): void {
  const twice = repeated(variables.map(({ name }) => name!));
  if (twice !== undefined) {
    throw structure(`Variable names must be unique. The following variable name is already in use: ${twice}`);
  }
}

function checkStages({ stages = [], executionMode }: PipelineDeclaration): void {
  const twice = repeated(stages.map(({ name }) => name!));
  if (twice !== undefined) throw stageFault(`Stage name '${twice}' is used more than once`);
  for (const stage of stages) checkStage(stage, executionMode === 'PARALLEL');
  const categories = stages.map(({ actions = [] }) => actions.map(({ actionTypeId }) => actionTypeId!.category));
  if (categories.flat().every((category) => category === 'Source')) {
    throw structure('Pipeline should contain at least 1 action whose category is not Source');
  }
  if (categories[0]!.some((category) => category !== 'Source')) {
    throw structure('Pipeline should start with a stage that only contains source actions');
  }
  if (categories.slice(1).flat().includes('Source')) {
    throw structure('Source actions can only be included in the first stage of the pipeline');
  }
}

const stageFault = (message: string) => fault(InvalidStageDeclarationException, message);

function checkStage(stage: StageDeclaration, isParallel: boolean): void {
  const { name, actions = [], blockers = [], beforeEntry, onSuccess, onFailure } = stage;
  if (actions.length === 0) throw stageFault(`Stage '${name}' must contain at least one action`);
  if (blockers.length > 0) {
    throw fault(
      InvalidBlockerDeclarationException,
      `Stage '${name}' declares blockers, which are reserved for future use`,
    );
  }
  if (beforeEntry !== undefined || onSuccess !== undefined) {
    const which = beforeEntry !== undefined ? 'beforeEntry' : 'onSuccess';
    throw stageFault(`Stage '${name}' declares ${which} conditions, which are not implemented by Slipway`);
  }
  if (onFailure !== undefined) checkOnFailure(name!, onFailure, isParallel);
}

/** Of the failure gate one automatic retry is executed; failing is what happens anyway. */
function checkOnFailure(
  name: string,
  { result, conditions, retryConfiguration }: NonNullable<StageDeclaration['onFailure']>,
  isParallel: boolean,
): void {
  if (result !== undefined && conditions !== undefined) {
    throw stageFault(
      `The following stage cannot have a failure exit gate configured with both top level result and conditions: '${name}'`,
    );
  }
  if (result === 'ROLLBACK' && isParallel) {
    throw stageFault('Failure conditions with rollback result type cannot be added to a PARALLEL pipeline.');
  }
  if (conditions !== undefined) {
    throw stageFault(`Stage '${name}' declares onFailure conditions, which are not implemented by Slipway`);
  }
  if (result !== 'RETRY' && result !== 'FAIL') {
    throw stageFault(`Stage '${name}' declares the onFailure result ${result}, which is not implemented by Slipway`);
  }
  if (retryConfiguration !== undefined && result !== 'RETRY') {
    throw stageFault(`Stage '${name}' declares a retry configuration without the onFailure result RETRY`);
  }
}

/** Triggers belong to connections, which this server does not have; AWS refuses them for other sources in these words. */
function checkTriggers({ triggers = [] }: PipelineDeclaration): void {
  if (triggers.length > 0) {
    throw structure('Triggers for connections must reference a CodeStarSourceConnection action.');
  }
}
