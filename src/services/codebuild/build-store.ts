import * as sdk from '@aws-sdk/client-codebuild';
import { parseArn } from '../../kernel/arn.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { sourceVersion } from './build-environment.ts';
import type { BuildSettings } from './build-settings.ts';
import { durationInSeconds, type PhaseRecord } from './phases.ts';
import { buildArn, buildIdOf, logStreamArn } from './resources.ts';
import type { BuildTable, BuildTables } from './tables.ts';

/** What a build has come to so far, beside its phases. */
export interface BuildResult {
  resolvedSourceVersion?: string;
  exportedVariables?: { name: string; value: string }[];
  artifacts?: ArtifactResult;
  secondaryArtifacts?: ArtifactResult[];
  logs?: { groupName: string; streamName: string };
}

export interface ArtifactResult {
  /** `arn:aws:s3:::bucket/key` */
  location: string;
  sha256sum?: string;
  md5sum?: string;
  artifactIdentifier?: string;
}

/** The build of that id in the caller's account and region, if there is one. */
export function findBuild(ctx: Context, source: Context | Tx, id: string): Promise<BuildTable | undefined> {
  return source
    .db<BuildTables>()
    .selectFrom('codebuild_builds')
    .selectAll()
    .where('id', '=', buildIdOf(ctx, id))
    .where('account', '=', ctx.account)
    .where('region', '=', ctx.region)
    .executeTakeFirst();
}

/** @throws ResourceNotFoundException */
export async function buildById(ctx: Context, source: Context | Tx, id: string): Promise<BuildTable> {
  const build = await findBuild(ctx, source, id);
  if (build === undefined) {
    throw fault(
      sdk.ResourceNotFoundException,
      `Build cannot be found: ${parseArn(id) === undefined ? buildArn(ctx, id) : id}`,
    );
  }
  return build;
}

/** Phases before the build environment exists: they have no contexts in AWS's answers. */
const WITHOUT_CONTEXT: readonly string[] = ['SUBMITTED', 'QUEUED', 'COMPLETED'];

/** The build as the API shows it. */
export function buildOf(row: BuildTable): sdk.Build {
  const settings = JSON.parse(row.settings) as BuildSettings;
  const result = JSON.parse(row.result) as BuildResult;
  const phases = JSON.parse(row.phases) as PhaseRecord[];
  const { initiator, logsConfig, ...shown } = settings;
  return {
    ...shown,
    sourceVersion: sourceVersion(settings.source, settings.sourceVersion),
    id: row.id,
    arn: buildArn(row, row.id),
    buildNumber: row.number,
    projectName: row.project,
    startTime: new Date(row.created_at),
    ...(row.ended_at === null ? {} : { endTime: new Date(row.ended_at) }),
    currentPhase: phases.at(-1)!.type,
    buildStatus: row.status as sdk.StatusType,
    buildComplete: row.state === 'over',
    ...(result.resolvedSourceVersion === undefined ? {} : { resolvedSourceVersion: result.resolvedSourceVersion }),
    phases: phases.map(phaseOf),
    artifacts: artifactsOf(settings.artifacts, result.artifacts),
    secondaryArtifacts: settings.secondaryArtifacts.map((one) =>
      artifactsOf(
        one,
        result.secondaryArtifacts?.find(({ artifactIdentifier }) => artifactIdentifier === one.artifactIdentifier),
      ),
    ),
    logs: logsOf(row, logsConfig, result),
    initiator,
    exportedEnvironmentVariables: result.exportedVariables ?? [],
  };
}

function phaseOf(record: PhaseRecord): sdk.BuildPhase {
  const { type, status, startedAt, endedAt, context } = record;
  const contexts = [context ?? { statusCode: '', message: '' }];
  return {
    phaseType: type,
    ...(status === undefined ? {} : { phaseStatus: status }),
    startTime: new Date(startedAt),
    ...(endedAt === undefined ? {} : { endTime: new Date(endedAt), durationInSeconds: durationInSeconds(record) }),
    ...(status === undefined || (WITHOUT_CONTEXT.includes(type) && context === undefined) ? {} : { contexts }),
  };
}

function artifactsOf(asked: sdk.ProjectArtifacts, made: ArtifactResult | undefined): sdk.BuildArtifacts {
  const { artifactIdentifier, overrideArtifactName, encryptionDisabled } = asked;
  return {
    ...(asked.type === 'NO_ARTIFACTS' ? { location: '' } : {}),
    ...made,
    ...(artifactIdentifier === undefined ? {} : { artifactIdentifier }),
    ...(overrideArtifactName === undefined ? {} : { overrideArtifactName }),
    ...(encryptionDisabled === undefined ? {} : { encryptionDisabled }),
  };
}

function logsOf(row: BuildTable, config: sdk.LogsConfig | undefined, { logs }: BuildResult): sdk.LogsLocation {
  const cloudWatchLogs = config?.cloudWatchLogs ?? { status: 'ENABLED' };
  return {
    ...(logs === undefined ? {} : { ...logs, cloudWatchLogsArn: logStreamArn(row, logs.groupName, logs.streamName) }),
    cloudWatchLogs,
    s3Logs: config?.s3Logs ?? { status: 'DISABLED', encryptionDisabled: false },
  };
}
