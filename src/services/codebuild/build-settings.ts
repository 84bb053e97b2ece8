import type * as sdk from '@aws-sdk/client-codebuild';
import type { Caller } from '../../kernel/auth/identity.ts';
import { checkSettings, checkVariables, invalid, type ProjectSettings, withDefaults } from './project-rules.ts';

/** Everything that one build does: the project as it was, with what StartBuild put in its place. Never changed. */
export interface BuildSettings {
  source: sdk.ProjectSource;
  sourceVersion?: string;
  secondarySources: sdk.ProjectSource[];
  secondarySourceVersions: sdk.ProjectSourceVersion[];
  artifacts: sdk.ProjectArtifacts;
  secondaryArtifacts: sdk.ProjectArtifacts[];
  cache: sdk.ProjectCache;
  environment: sdk.ProjectEnvironment;
  serviceRole: string;
  logsConfig?: sdk.LogsConfig;
  timeoutInMinutes: number;
  queuedTimeoutInMinutes: number;
  encryptionKey: string;
  initiator: string;
}

export type StartInput = Omit<sdk.StartBuildCommandInput, 'projectName' | 'idempotencyToken'>;

/** Overrides whose values have no meaning here: given one that asks for something, the call is refused by name. */
const NOT_IMPLEMENTED = [
  'sourceAuthOverride',
  'buildStatusConfigOverride',
  'certificateOverride',
  'debugSessionEnabled',
  'fleetOverride',
  'registryCredentialOverride',
  'reportBuildStatusOverride',
  'autoRetryLimitOverride',
] as const satisfies readonly (keyof StartInput)[];

/**
 * The settings of a build of `project`, with the overrides of StartBuild.
 * @throws InvalidInputException
 */
export function buildSettings(
  project: ProjectSettings,
  input: StartInput,
  caller: Caller,
  defaultKey: string,
): BuildSettings {
  for (const name of NOT_IMPLEMENTED) {
    const value = input[name];
    if (value !== undefined && value !== false && value !== 0) throw invalid(`${name} is not implemented by Slipway.`);
  }
  checkVariables(input.environmentVariablesOverride ?? []);
  const merged = withDefaults({
    ...project,
    source: overriddenSource(project.source!, input),
    sourceVersion: input.sourceVersion ?? project.sourceVersion,
    secondarySources: input.secondarySourcesOverride ?? project.secondarySources,
    secondarySourceVersions: input.secondarySourcesVersionOverride ?? project.secondarySourceVersions,
    artifacts: input.artifactsOverride ?? project.artifacts!,
    secondaryArtifacts: input.secondaryArtifactsOverride ?? project.secondaryArtifacts,
    cache: input.cacheOverride ?? project.cache,
    environment: overriddenEnvironment(project.environment!, input),
    serviceRole: input.serviceRoleOverride ?? project.serviceRole,
    logsConfig: input.logsConfigOverride ?? project.logsConfig,
    timeoutInMinutes: input.timeoutInMinutesOverride ?? project.timeoutInMinutes,
    queuedTimeoutInMinutes: input.queuedTimeoutInMinutesOverride ?? project.queuedTimeoutInMinutes,
    encryptionKey: input.encryptionKeyOverride ?? project.encryptionKey,
  });
  checkSettings(merged);
  checkPipelineSources(merged);
  return {
    source: merged.source!,
    ...(merged.sourceVersion === undefined ? {} : { sourceVersion: merged.sourceVersion }),
    secondarySources: merged.secondarySources!,
    secondarySourceVersions: merged.secondarySourceVersions!,
    artifacts: merged.artifacts!,
    secondaryArtifacts: merged.secondaryArtifacts!,
    cache: merged.cache!,
    environment: merged.environment!,
    serviceRole: merged.serviceRole!,
    ...(merged.logsConfig === undefined ? {} : { logsConfig: merged.logsConfig }),
    timeoutInMinutes: merged.timeoutInMinutes!,
    queuedTimeoutInMinutes: merged.queuedTimeoutInMinutes!,
    encryptionKey: merged.encryptionKey ?? defaultKey,
    initiator: initiatorOf(caller),
  };
}

function overriddenSource(source: sdk.ProjectSource, input: StartInput): sdk.ProjectSource {
  const type = input.sourceTypeOverride ?? source.type;
  // A location of another type means nothing for this one.
  const { location, ...rest } = source;
  const kept = type === source.type ? location : undefined;
  const changes: Partial<sdk.ProjectSource> = {
    type,
    location: input.sourceLocationOverride ?? kept,
    buildspec: input.buildspecOverride ?? source.buildspec,
    gitCloneDepth: input.gitCloneDepthOverride ?? source.gitCloneDepth,
    gitSubmodulesConfig: input.gitSubmodulesConfigOverride ?? source.gitSubmodulesConfig,
    insecureSsl: input.insecureSslOverride ?? source.insecureSsl,
  };
  const defined = Object.entries(changes).filter(([, value]) => value !== undefined);
  return { ...rest, ...Object.fromEntries(defined) } as sdk.ProjectSource;
}

function overriddenEnvironment(environment: sdk.ProjectEnvironment, input: StartInput): sdk.ProjectEnvironment {
  const variables = new Map((environment.environmentVariables ?? []).map((one) => [one.name, one]));
  for (const one of input.environmentVariablesOverride ?? []) variables.set(one.name, one);
  return {
    ...environment,
    type: input.environmentTypeOverride ?? environment.type,
    image: input.imageOverride ?? environment.image,
    computeType: input.computeTypeOverride ?? environment.computeType,
    privilegedMode: input.privilegedModeOverride ?? environment.privilegedMode,
    imagePullCredentialsType: input.imagePullCredentialsTypeOverride ?? environment.imagePullCredentialsType,
    environmentVariables: [...variables.values()],
  };
}

/** A project of a pipeline has no source of its own: only a pipeline knows where it is. */
function checkPipelineSources({ source, secondarySources = [], artifacts }: ProjectSettings): void {
  if ([source!, ...secondarySources].some(({ type, location }) => type === 'CODEPIPELINE' && !location)) {
    throw invalid('Cannot start a build with source type CODEPIPELINE outside of a pipeline');
  }
  if (artifacts!.type === 'CODEPIPELINE' && (!artifacts!.location || !artifacts!.name)) {
    throw invalid('Cannot start a build with artifacts type CODEPIPELINE outside of a pipeline');
  }
}

/** Who started a build, as `initiator` and `CODEBUILD_INITIATOR` show it. */
export function initiatorOf(caller: Caller): string {
  switch (caller.type) {
    case 'Root':
      return 'root';
    case 'IAMUser':
      return caller.userName;
    case 'AssumedRole':
      return caller.invokedBy === 'codepipeline.amazonaws.com'
        ? `codepipeline/${caller.sessionName}`
        : `${caller.roleName}/${caller.sessionName}`;
    case 'FederatedUser':
      return caller.federatedName;
    case 'WebIdentityUser':
    case 'SAMLUser':
      return caller.userName;
    case 'AWSService':
      return caller.service;
    case 'Anonymous':
      return 'anonymous';
  }
}
