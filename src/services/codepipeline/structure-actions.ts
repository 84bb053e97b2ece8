import {
  type ActionDeclaration,
  InvalidActionDeclarationException,
  InvalidStructureException,
  type PipelineDeclaration,
} from '@aws-sdk/client-codepipeline';
import { fault } from '../../kernel/fault.ts';
import { actionTypeOf, isPublishedActionType, type SupportedActionType } from './action-types.ts';
import { isBefore, type PlacedAction, placedActions, repeated } from './placed-action.ts';
import { configurationProblem } from './structure-configuration.ts';
import { checkReferences } from './structure-references.ts';

const actionFault = (message: string) => fault(InvalidActionDeclarationException, message);
const MAX_ACTIONS_PER_STAGE = 100;

/**
 * Checks every action by itself, then what they hand to each other: artifacts, namespaces, variables.
 * @throws InvalidActionDeclarationException or InvalidStructureException
 */
export function checkActions(pipeline: PipelineDeclaration, region: string): void {
  const placed = placedActions(pipeline);
  for (const { name, actions = [] } of pipeline.stages ?? []) checkNames(name!, actions);
  for (const { action } of placed) checkAction(action, region);
  checkOutputs(placed);
  checkInputs(placed);
  checkNamespaces(placed);
  checkReferences(placed, pipeline.variables ?? []);
}

function checkNames(stageName: string, actions: readonly ActionDeclaration[]): void {
  if (actions.length > MAX_ACTIONS_PER_STAGE) {
    throw actionFault(`Stage '${stageName}' has more than ${MAX_ACTIONS_PER_STAGE} actions`);
  }
  const twice = repeated(actions.map(({ name }) => name!));
  if (twice !== undefined) throw actionFault(`Action name '${twice}' is used more than once in stage '${stageName}'`);
}

function checkAction(action: ActionDeclaration, region: string): void {
  const type = supportedType(action, region);
  checkCounts(action, type);
  checkFields(action, region);
  const problem = configurationProblem(action, type);
  if (problem !== undefined) throw actionFault(problem);
}

function supportedType({ name, actionTypeId: id }: ActionDeclaration, region: string): SupportedActionType {
  const type = actionTypeOf(id!);
  if (type !== undefined) return type;
  const text = `ActionType (Category: '${id!.category}', Provider: '${id!.provider}', Owner: '${id!.owner}', Version: '${id!.version}') in action '${name}'`;
  if (isPublishedActionType(id!)) throw actionFault(`${text} is not implemented by Slipway`);
  throw actionFault(`${text} is not available in region '${region.toUpperCase().replaceAll('-', '_')}'`);
}

function checkCounts(
  { name, inputArtifacts = [], outputArtifacts = [] }: ActionDeclaration,
  type: SupportedActionType,
): void {
  const counts = [
    ['input', inputArtifacts.length, type.inputs],
    ['output', outputArtifacts.length, type.outputs],
  ] as const;
  for (const [kind, count, { min, max }] of counts) {
    if (count < min) {
      throw actionFault(
        `Action ${name} declares ${count} ${kind} artifacts which is less than the minimum count (${min})`,
      );
    }
    if (count > max) {
      throw actionFault(
        `Action ${name} declares ${count} ${kind} artifacts which is more than the maximum count (${max})`,
      );
    }
  }
}

/** Fields that some action types have in AWS and none of those that run here. */
function checkFields(action: ActionDeclaration, region: string): void {
  const { name, actionTypeId, timeoutInMinutes } = action;
  if (action.region !== undefined && action.region !== region) {
    throw actionFault(
      `Action ${name} runs in region ${action.region}; cross-region actions are not implemented by Slipway`,
    );
  }
  if (timeoutInMinutes !== undefined && actionTypeId!.category !== 'Approval') {
    throw actionFault(`Action ${name} declares timeoutInMinutes, which is available only to manual approval actions`);
  }
  for (const field of ['commands', 'outputVariables', 'environmentVariables'] as const) {
    if ((action[field] ?? []).length > 0) {
      throw actionFault(`Action ${name} declares ${field}, which its action type does not take`);
    }
  }
  if ((action.outputArtifacts ?? []).some(({ files = [] }) => files.length > 0)) {
    throw actionFault(`Action ${name} declares files of an output artifact, which its action type does not take`);
  }
}

function checkOutputs(placed: readonly PlacedAction[]): void {
  const twice = repeated(placed.flatMap(({ action }) => outputs(action)));
  if (twice !== undefined) {
    throw fault(
      InvalidStructureException,
      `Output Artifact Bundle name must be unique within the pipeline. ${twice} has been used more than once.`,
    );
  }
}

function outputs({ outputArtifacts = [] }: ActionDeclaration): string[] {
  return outputArtifacts.map(({ name }) => name!);
}

function checkInputs(placed: readonly PlacedAction[]): void {
  const producers = new Map(placed.flatMap((one) => outputs(one.action).map((name) => [name, one] as const)));
  for (const consumer of placed) {
    const names = (consumer.action.inputArtifacts ?? []).map(({ name }) => name!);
    const twice = repeated(names);
    if (twice !== undefined) {
      throw actionFault(`Action ${consumer.action.name} declares the input artifact ${twice} more than once`);
    }
    for (const name of names) {
      const producer = producers.get(name);
      if (producer !== undefined && isBefore(producer, consumer)) continue;
      throw fault(
        InvalidStructureException,
        `Input Artifact Bundle ${name} in action ${consumer.action.name} is not the output of an action that precedes it`,
      );
    }
  }
}

function checkNamespaces(placed: readonly PlacedAction[]): void {
  const seen = new Set<string>();
  for (const { stageName, action } of placed) {
    const { namespace } = action;
    if (namespace === undefined) continue;
    const where = `StageName=[${stageName}], ActionName=[${action.name}], Namespace=[${namespace}]`;
    if (namespace === 'codepipeline' || namespace === 'variables') {
      throw actionFault(`Namespaces must not be one of the reserved names codepipeline and variables. ${where}`);
    }
    if (seen.has(namespace)) {
      throw actionFault(
        `Namespaces must be unique across the pipeline definition. The following occur more than once in the pipeline. ${where}`,
      );
    }
    seen.add(namespace);
  }
}
