import * as sdk from '@aws-sdk/client-codebuild';
import { type Fault, fault } from '../../kernel/fault.ts';

/** What CreateProject and UpdateProject may set; the members have the same names in both and in the project itself. */
export type ProjectSettings = Omit<sdk.CreateProjectCommandInput, 'tags'> & { tags?: sdk.Tag[] };

/** Source types that a build can be made from here. */
const SOURCES: readonly string[] = ['CODECOMMIT', 'CODEPIPELINE', 'S3', 'NO_SOURCE'];
/** Members of a project that change how builds run and that are not carried out here yet. */
const NOT_IMPLEMENTED = ['buildBatchConfig', 'fileSystemLocations', 'vpcConfig'] as const;
const DEFAULT_TIMEOUT_MINUTES = 60;
const DEFAULT_QUEUED_TIMEOUT_MINUTES = 480;
const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const MAX_TAGS = 50;
/** The key that S3 uses by itself. */
const AWS_MANAGED_KEY = /(^|:)alias\/aws\/s3$/;

export function invalid(message: string): Fault {
  return fault(sdk.InvalidInputException, message);
}

/** Holds a project against the rules. @throws InvalidInputException */
export function checkProject(project: ProjectSettings): void {
  checkSettings(project);
  if ((project.artifacts!.type === 'CODEPIPELINE') !== (project.source!.type === 'CODEPIPELINE')) {
    throw invalid(
      'Invalid artifacts: artifact type CODEPIPELINE goes with source type CODEPIPELINE only, and the other way round',
    );
  }
}

/**
 * Holds what a project and a build have in common against CodeBuild's rules and against what Slipway carries out: what it
 * would have to ignore it refuses by name. @throws InvalidInputException
 */
export function checkSettings(project: ProjectSettings): void {
  for (const member of NOT_IMPLEMENTED) {
    const value = project[member];
    const isEmpty = Array.isArray(value) ? value.length === 0 : value === undefined || Object.keys(value).length === 0;
    if (!isEmpty) throw invalid(`The project setting ${member} is not implemented by Slipway.`);
  }
  checkSource(project.source!, 'source');
  for (const source of project.secondarySources ?? []) {
    if (source.sourceIdentifier === undefined) throw invalid('Each secondary source needs a sourceIdentifier.');
    checkSource(source, `secondarySources ${source.sourceIdentifier}`);
  }
  checkArtifacts(project);
  checkEnvironment(project.environment!);
  checkLogs(project.logsConfig);
  if (!/^arn:aws[\w-]*:iam::\d{12}:role\/.+/.test(project.serviceRole!))
    throw invalid("Invalid service role: Service role account ID does not match caller's account or is not a role ARN");
  if (project.cache !== undefined && project.cache.type !== 'NO_CACHE')
    throw invalid(`The cache type ${project.cache.type} is not implemented by Slipway.`);
  if (project.encryptionKey !== undefined && !AWS_MANAGED_KEY.test(project.encryptionKey))
    throw invalid('Encryption of artifacts with a key of your own is not implemented by Slipway.');
  if ((project.autoRetryLimit ?? 0) > 0) throw invalid('Automatic retries of builds are not implemented by Slipway.');
  if (project.badgeEnabled) throw invalid('Build badges are not implemented by Slipway.');
  if ((project.tags ?? []).length > MAX_TAGS) throw invalid('A project can have no more than 50 tags.');
  if (project.concurrentBuildLimit !== undefined && project.concurrentBuildLimit < 1)
    throw invalid('concurrentBuildLimit must be 1 or more.');
}

function checkSource(source: sdk.ProjectSource, where: string): void {
  const { type, location, buildspec } = source;
  if (!SOURCES.includes(type!)) throw invalid(`The source type ${type} is not implemented by Slipway.`);
  if ((type === 'CODECOMMIT' || type === 'S3') && (location === undefined || location === '')) {
    throw invalid(`Invalid project ${where}: location must not be empty for source type ${type}`);
  }
  if (type === 'NO_SOURCE') {
    if (location !== undefined && location !== '')
      throw invalid(`Invalid project ${where}: location must not be set for source type NO_SOURCE`);
    if (where === 'source' && (buildspec === undefined || buildspec === '')) {
      throw invalid(`Invalid project ${where}: buildspec must be given inline for source type NO_SOURCE`);
    }
  }
  if (source.gitSubmodulesConfig?.fetchSubmodules) throw invalid('Git submodules are not implemented by Slipway.');
  if (source.auth !== undefined) throw invalid('Source authorisations are not implemented by Slipway.');
  if (type === 'S3' && !/^[^/]+\/.+/.test(location!.replace(/^arn:aws:s3:::/, '')))
    throw invalid(`Invalid project ${where}: location must be bucket/path/file.zip or bucket/folder/`);
}

function checkArtifacts({ artifacts }: ProjectSettings): void {
  const { type, location } = artifacts!;
  if (type === 'S3' && (location === undefined || location === ''))
    throw invalid('Invalid artifacts: location must not be empty for artifact type S3');
}

function checkEnvironment({
  type,
  environmentVariables = [],
  fleet,
  dockerServer,
  registryCredential,
}: sdk.ProjectEnvironment): void {
  if (type?.startsWith('WINDOWS') || type?.startsWith('MAC'))
    throw invalid(`The environment type ${type} is not implemented by Slipway.`);
  if (fleet !== undefined || dockerServer !== undefined || registryCredential !== undefined) {
    throw invalid('Fleets, Docker servers and registry credentials are not implemented by Slipway.');
  }
  checkVariables(environmentVariables);
}

/** Holds environment variables of a project or of a StartBuild against the rules. @throws InvalidInputException */
export function checkVariables(variables: readonly sdk.EnvironmentVariable[]): void {
  for (const { name, type = 'PLAINTEXT' } of variables) {
    if (!ENVIRONMENT_NAME.test(name!)) throw invalid(`Invalid environment variable name: ${name}`);
    if (name!.startsWith('CODEBUILD_'))
      throw invalid(`Invalid environment variable name: ${name} (the prefix CODEBUILD_ is reserved)`);
    if (type !== 'PLAINTEXT') throw invalid(`Environment variables of type ${type} are not implemented by Slipway.`);
  }
}

function checkLogs(logs: sdk.LogsConfig | undefined): void {
  if (logs?.s3Logs?.status === 'ENABLED') throw invalid('Build logs in S3 are not implemented by Slipway.');
}

/** A new project with CodeBuild's defaults in place. */
export function withDefaults(project: ProjectSettings): ProjectSettings {
  return {
    ...project,
    source: { ...project.source!, ...(project.source!.insecureSsl === undefined ? { insecureSsl: false } : {}) },
    artifacts: withArtifactDefaults(project.artifacts!),
    secondarySources: project.secondarySources ?? [],
    secondaryArtifacts: (project.secondaryArtifacts ?? []).map(withArtifactDefaults),
    secondarySourceVersions: project.secondarySourceVersions ?? [],
    cache: project.cache ?? { type: 'NO_CACHE' },
    environment: {
      imagePullCredentialsType: 'CODEBUILD',
      privilegedMode: false,
      ...project.environment!,
      environmentVariables: (project.environment!.environmentVariables ?? []).map((one) => ({
        type: 'PLAINTEXT' as const,
        ...one,
      })),
    },
    timeoutInMinutes: project.timeoutInMinutes ?? DEFAULT_TIMEOUT_MINUTES,
    queuedTimeoutInMinutes: project.queuedTimeoutInMinutes ?? DEFAULT_QUEUED_TIMEOUT_MINUTES,
    tags: project.tags ?? [],
  };
}

function withArtifactDefaults(artifacts: sdk.ProjectArtifacts): sdk.ProjectArtifacts {
  if (artifacts.type !== 'S3') return artifacts;
  return {
    namespaceType: 'NONE',
    packaging: 'NONE',
    overrideArtifactName: false,
    encryptionDisabled: false,
    ...artifacts,
  };
}
