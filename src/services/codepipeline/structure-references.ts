import {
  InvalidActionDeclarationException,
  InvalidStructureException,
  type PipelineVariableDeclaration,
} from '@aws-sdk/client-codepipeline';
import { fault } from '../../kernel/fault.ts';
import { isBefore, type PlacedAction } from './placed-action.ts';
import {
  EXECUTION_ID_KEY,
  PIPELINE_NAMESPACE,
  SERVICE_NAMESPACE,
  type VariableReference,
  variableReferences,
} from './variables.ts';

const FORMAT =
  'Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.).';

/**
 * Checks the `#{namespace.key}` references of all configurations: their form, that the namespace is that of an action
 * which precedes, and that a pipeline variable is declared. Whether an action will have put out the key shows at the run.
 * @throws InvalidActionDeclarationException or InvalidStructureException
 */
export function checkReferences(
  placed: readonly PlacedAction[],
  variables: readonly PipelineVariableDeclaration[],
): void {
  const producers = new Map(
    placed.filter(({ action }) => action.namespace !== undefined).map((one) => [one.action.namespace!, one]),
  );
  const declared = new Set(variables.map(({ name }) => name!));
  for (const one of placed) {
    for (const [key, value] of Object.entries(one.action.configuration ?? {})) {
      for (const reference of variableReferences(value)) {
        const where = `StageName=[${one.stageName}], ActionName=[${one.action.name}], ActionConfigurationKey=[${key}], VariableReferenceText=[${reference.text}]`;
        if (reference.namespace === undefined) {
          throw actionFault(`${FORMAT} The following pipeline execution variables are not in that format.\n${where}`);
        }
        if (reference.namespace === PIPELINE_NAMESPACE) checkPipelineVariable(one, reference, declared, where);
        else checkNamespace(one, reference, producers, where);
      }
    }
  }
}

function actionFault(message: string) {
  return fault(InvalidActionDeclarationException, message);
}

function checkPipelineVariable(
  { action }: PlacedAction,
  { key }: VariableReference,
  declared: ReadonlySet<string>,
  where: string,
): void {
  if (declared.size === 0) throw unknownNamespace(where);
  if (action.actionTypeId!.category === 'Source') {
    throw fault(
      InvalidStructureException,
      `Variables at the pipeline level cannot be used in source actions.\n${where}`,
    );
  }
  if (!declared.has(key!)) {
    throw fault(InvalidStructureException, `The referenced variables haven't been declared.\n${where}`);
  }
}

function unknownNamespace(where: string) {
  return actionFault(
    `${FORMAT} The following pipeline execution variables are referencing a namespace that does not exist.\n${where}`,
  );
}

function checkNamespace(
  one: PlacedAction,
  { namespace, key }: VariableReference,
  producers: ReadonlyMap<string, PlacedAction>,
  where: string,
): void {
  if (namespace === SERVICE_NAMESPACE) {
    if (key === EXECUTION_ID_KEY) return;
    throw actionFault(`The namespace ${SERVICE_NAMESPACE} has no variable ${key}.\n${where}`);
  }
  const producer = producers.get(namespace!);
  if (producer === undefined) throw unknownNamespace(where);
  if (!isBefore(producer, one)) {
    throw actionFault(
      `The following pipeline execution variables are referencing the namespace of an action that does not precede.\n${where}`,
    );
  }
}
