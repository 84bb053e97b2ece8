import type * as sdk from '@aws-sdk/client-codebuild';
import type { BuildSettings } from './build-settings.ts';
import type { Buildspec } from './buildspec.ts';

/** What the environment of a build is made of, beside its settings. */
export interface BuildFacts {
  id: string;
  arn: string;
  number: number;
  region: string;
  /** Epoch milliseconds. */
  startedAt: number;
  resolvedSourceVersion?: string;
  logStream: string;
  /** Folder of each source as the build sees it; '' is the primary one. */
  sourceFolders: ReadonlyMap<string, string>;
  /** Where the build reaches this installation. */
  endpointUrl: string;
  credentialsUrl: string;
  credentialsToken: string;
}

/**
 * The environment of a build: plain variables by precedence (StartBuild, project, buildspec), and what CodeBuild adds and
 * nobody can replace. Values are literal.
 * @see https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
 */
export function buildEnvironment(
  settings: BuildSettings,
  { variables, gitCredentialHelper }: Pick<Buildspec, 'variables' | 'gitCredentialHelper'>,
  facts: BuildFacts,
): Record<string, string> {
  const given = settings.environment.environmentVariables ?? [];
  return {
    // No git in a build waits for somebody to type a password.
    GIT_TERMINAL_PROMPT: '0',
    ...(gitCredentialHelper ? GIT_CREDENTIAL_HELPER : {}),
    ...Object.fromEntries(variables),
    ...Object.fromEntries(given.map(({ name, value }) => [name!, value ?? ''])),
    ...definedOnly(codebuildVariables(settings, facts)),
  };
}

/**
 * Configuration of git by environment: the helper is the AWS CLI, which has to be there, as in CodeBuild's images. It is
 * asked for passwords only: version 1 knows its option for `get` alone and complains of it after every success.
 */
const GIT_CREDENTIAL_HELPER: Readonly<Record<string, string>> = {
  GIT_CONFIG_COUNT: '2',
  GIT_CONFIG_KEY_0: 'credential.helper',
  GIT_CONFIG_VALUE_0: '!f() { test "$1" != get || aws codecommit credential-helper --ignore-host-check get; }; f',
  GIT_CONFIG_KEY_1: 'credential.useHttpPath',
  GIT_CONFIG_VALUE_1: 'true',
};

function codebuildVariables(settings: BuildSettings, facts: BuildFacts): Record<string, string | undefined> {
  const variables: Record<string, string | undefined> = {
    AWS_REGION: facts.region,
    AWS_DEFAULT_REGION: facts.region,
    AWS_ENDPOINT_URL: facts.endpointUrl,
    AWS_CONTAINER_CREDENTIALS_FULL_URI: facts.credentialsUrl,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: facts.credentialsToken,
    // There is no instance to ask; SDKs would wait for one.
    AWS_EC2_METADATA_DISABLED: 'true',
    CODEBUILD_CI: 'true',
    CODEBUILD_BUILD_ARN: facts.arn,
    CODEBUILD_BUILD_ID: facts.id,
    CODEBUILD_BUILD_IMAGE: settings.environment.image,
    CODEBUILD_BUILD_NUMBER: String(facts.number),
    CODEBUILD_BUILD_SUCCEEDING: '1',
    CODEBUILD_INITIATOR: settings.initiator,
    CODEBUILD_KMS_KEY_ID: settings.encryptionKey,
    CODEBUILD_LOG_PATH: facts.logStream,
    CODEBUILD_RESOLVED_SOURCE_VERSION: facts.resolvedSourceVersion,
    CODEBUILD_SOURCE_REPO_URL: repositoryUrl(settings.source),
    CODEBUILD_SOURCE_VERSION: sourceVersion(settings.source, settings.sourceVersion),
    CODEBUILD_START_TIME: String(facts.startedAt),
  };
  for (const [id, folder] of facts.sourceFolders) variables[`CODEBUILD_SRC_DIR${id === '' ? '' : `_${id}`}`] = folder;
  for (const source of settings.secondarySources) {
    const id = source.sourceIdentifier!;
    const version = settings.secondarySourceVersions.find(({ sourceIdentifier }) => sourceIdentifier === id);
    variables[`CODEBUILD_SOURCE_REPO_URL_${id}`] = repositoryUrl(source);
    variables[`CODEBUILD_SOURCE_VERSION_${id}`] = sourceVersion(source, version?.sourceVersion);
  }
  return variables;
}

/** The pipeline's artifact bucket is not the build's repository. */
function repositoryUrl({ type, location }: sdk.ProjectSource): string | undefined {
  return type === 'CODEPIPELINE' || type === 'NO_SOURCE' ? undefined : location;
}

/** What the build was started with: a pipeline names the object, the others a version if any. */
export function sourceVersion({ type, location }: sdk.ProjectSource, version: string | undefined): string | undefined {
  return type === 'CODEPIPELINE' ? `arn:aws:s3:::${location}` : version;
}

function definedOnly(variables: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
