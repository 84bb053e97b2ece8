import type { ActionDeclaration } from '@aws-sdk/client-codepipeline';
import type { SupportedActionType } from './action-types.ts';
import { readEnvironmentVariables } from './environment-variables.ts';
import { variableReferences } from './variables.ts';

/**
 * Says what is wrong with an action's configuration: an unknown key, a missing one, a value that cannot be executed.
 * Values with variable references are left to the run.
 * @returns the message, or `undefined`.
 */
export function configurationProblem(action: ActionDeclaration, type: SupportedActionType): string | undefined {
  const configuration = action.configuration ?? {};
  for (const { name, required } of type.properties) {
    if (required && !Object.hasOwn(configuration, name)) {
      return `Action configuration for action '${action.name}' is missing required configuration '${name}'`;
    }
  }
  const known = new Set(type.properties.map(({ name }) => name));
  const unknown = Object.keys(configuration)
    .sort()
    .find((key) => !known.has(key));
  if (unknown !== undefined) {
    return `Action configuration for action '${action.name}' contains unknown configuration '${unknown}'`;
  }
  for (const [key, value] of Object.entries(configuration)) {
    if (variableReferences(value).length > 0) continue;
    const problem = valueProblem(action, key, value);
    if (problem !== undefined) return problem;
  }
  return sourceProblem(action);
}

const BOOLEANS = new Set([
  'PollForSourceChanges',
  'BatchEnabled',
  'CombineArtifacts',
  'Extract',
  'AllowOverrideForS3ObjectKey',
]);

function valueProblem({ name }: ActionDeclaration, key: string, value: string): string | undefined {
  const text = `Action configuration for action '${name}' has the value '${value}' for '${key}'`;
  if (BOOLEANS.has(key) && value !== 'true' && value !== 'false') return `${text}, which must be true or false`;
  switch (key) {
    case 'OutputArtifactFormat':
      if (value === 'CODEBUILD_CLONE_REF') return `${text}, which is not implemented by Slipway`;
      return value === 'CODE_ZIP' ? undefined : `${text}, which must be CODE_ZIP or CODEBUILD_CLONE_REF`;
    case 'BatchEnabled':
    case 'CombineArtifacts':
      return value === 'true' ? `${text}; batch builds are not implemented by Slipway` : undefined;
    case 'NotificationArn':
      return `${text}; notifications of approvals are not implemented by Slipway`;
    case 'KMSEncryptionKeyARN':
      return `${text}; encryption with customer managed keys is not implemented by Slipway`;
    case 'EnvironmentVariables': {
      const variables = readEnvironmentVariables(value);
      return 'problem' in variables ? `Action configuration for action '${name}': ${variables.problem}` : undefined;
    }
    default:
      return undefined;
  }
}

/** A build with several inputs must say which one holds the buildspec. */
function sourceProblem({
  name,
  actionTypeId,
  configuration = {},
  inputArtifacts = [],
}: ActionDeclaration): string | undefined {
  if (actionTypeId!.provider !== 'CodeBuild') return undefined;
  const primary = configuration['PrimarySource'];
  if (primary === undefined) {
    return inputArtifacts.length > 1
      ? `Action configuration for action '${name}' is missing required configuration 'PrimarySource'`
      : undefined;
  }
  if (variableReferences(primary).length > 0 || inputArtifacts.some((artifact) => artifact.name === primary))
    return undefined;
  return `Action configuration for action '${name}' names the PrimarySource '${primary}', which is not one of its input artifacts`;
}
