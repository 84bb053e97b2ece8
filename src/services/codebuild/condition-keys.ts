/** Condition keys of what calls say of a project or a build. Source: Service Authorization Reference, "AWS CodeBuild". */
import type * as sdk from '@aws-sdk/client-codebuild';
import type { ConditionKeys } from '../../kernel/service.ts';

type ProjectInput = Partial<sdk.CreateProjectCommandInput>;
type BuildInput = Partial<sdk.StartBuildCommandInput>;

/** Members whose presence is a key: `true` where the call has them. */
const PRESENT = [
  'artifacts',
  'buildBatchConfig',
  'cache',
  'environment',
  'environment.computeConfiguration',
  'environment.environmentVariables',
  'environment.registryCredential',
  'logsConfig',
  'logsConfig.s3Logs',
  'secondaryArtifacts',
  'secondarySources',
  'source',
  'source.buildspec',
  'vpcConfig',
] as const;

/** Members whose value is a key. */
const VALUES = [
  ...['artifacts.bucketOwnerAccess', 'artifacts.encryptionDisabled', 'artifacts.location', 'autoRetryLimit'],
  ...['buildBatchConfig.restrictions.computeTypesAllowed', 'buildBatchConfig.restrictions.fleetsAllowed'],
  ...['buildBatchConfig.serviceRole', 'cache.location', 'cache.modes', 'cache.type', 'concurrentBuildLimit'],
  ...['encryptionKey', 'environment.certificate', 'environment.computeConfiguration.disk'],
  ...['environment.computeConfiguration.instanceType', 'environment.computeConfiguration.machineType'],
  ...['environment.computeConfiguration.memory', 'environment.computeConfiguration.vCpu', 'environment.computeType'],
  ...['environment.fleet.fleetArn', 'environment.image', 'environment.imagePullCredentialsType'],
  ...['environment.privilegedMode', 'environment.registryCredential.credential'],
  ...['environment.registryCredential.credentialProvider', 'environment.type', 'logsConfig.s3Logs.bucketOwnerAccess'],
  ...['logsConfig.s3Logs.encryptionDisabled', 'logsConfig.s3Logs.location', 'logsConfig.s3Logs.status'],
  ...['serviceRole', 'source.auth.resource', 'source.auth.type', 'source.buildStatusConfig.context'],
  ...['source.buildStatusConfig.targetUrl', 'source.insecureSsl', 'source.location', 'vpcConfig.securityGroupIds'],
  ...['vpcConfig.subnets', 'vpcConfig.vpcId'],
];

/** Lists: the member that names an item, and those that are keys of the list and, behind `/<name>`, of the item. */
const LISTS = [
  { path: 'environment.environmentVariables', name: 'name', members: ['value'] },
  { path: 'fileSystemLocations', name: 'identifier', members: ['location', 'type'] },
  {
    path: 'secondaryArtifacts',
    name: 'artifactIdentifier',
    members: ['bucketOwnerAccess', 'encryptionDisabled', 'location'],
  },
  {
    path: 'secondarySources',
    name: 'sourceIdentifier',
    members: [
      ...['auth.resource', 'auth.type', 'buildStatusConfig.context', 'buildStatusConfig.targetUrl'],
      ...['insecureSsl', 'location'],
    ],
  },
] as const;

/** What CreateProject and UpdateProject say. */
export function projectConditions(input: ProjectInput): ConditionKeys {
  const keys: Record<string, string | string[]> = {};
  for (const path of PRESENT) if (at(input, path) !== undefined) keys[`codebuild:${path}`] = 'true';
  for (const path of VALUES) put(keys, `codebuild:${path}`, at(input, path));
  for (const { path, name, members } of LISTS) {
    const items = at(input, path);
    if (!Array.isArray(items)) continue;
    for (const member of [name, ...members]) {
      const values = items.map((item) => at(item, member)).filter((value) => value !== undefined);
      if (values.length > 0) put(keys, `codebuild:${path}.${member}`, values);
    }
    for (const item of items) {
      for (const member of members)
        put(keys, `codebuild:${path}/${String(at(item, name))}.${member}`, at(item, member));
    }
  }
  for (const { sourceIdentifier, buildspec } of input.secondarySources ?? []) {
    if (buildspec === undefined) continue;
    keys['codebuild:secondarySources.buildspec'] = 'true';
    keys[`codebuild:secondarySources/${sourceIdentifier}.buildspec`] = 'true';
  }
  return keys;
}

/** What StartBuild and RetryBuild override, under the names of what is overridden. */
export function buildConditions(input: BuildInput): ConditionKeys {
  return projectConditions({
    artifacts: input.artifactsOverride,
    autoRetryLimit: input.autoRetryLimitOverride,
    cache: input.cacheOverride,
    encryptionKey: input.encryptionKeyOverride,
    environment: given({
      certificate: input.certificateOverride,
      computeType: input.computeTypeOverride,
      environmentVariables: input.environmentVariablesOverride,
      fleet: input.fleetOverride,
      image: input.imageOverride,
      imagePullCredentialsType: input.imagePullCredentialsTypeOverride,
      privilegedMode: input.privilegedModeOverride,
      registryCredential: input.registryCredentialOverride,
      type: input.environmentTypeOverride,
    }),
    logsConfig: input.logsConfigOverride,
    secondaryArtifacts: input.secondaryArtifactsOverride,
    secondarySources: input.secondarySourcesOverride,
    serviceRole: input.serviceRoleOverride,
    source: given({
      auth: input.sourceAuthOverride,
      buildspec: input.buildspecOverride,
      buildStatusConfig: input.buildStatusConfigOverride,
      insecureSsl: input.insecureSslOverride,
      location: input.sourceLocationOverride,
      type: input.sourceTypeOverride,
    }),
  } as ProjectInput);
}

/** Undefined where no member is given. */
function given<T extends object>(members: T): T | undefined {
  return Object.values(members).some((value) => value !== undefined) ? members : undefined;
}

function at(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((found, name) => (found as Record<string, unknown> | undefined)?.[name], value);
}

function put(keys: Record<string, string | string[]>, key: string, value: unknown): void {
  if (value === undefined) return;
  keys[key] = Array.isArray(value) ? value.map(String) : String(value);
}
