import type * as codebuildSdk from '@aws-sdk/client-codebuild';
import { Fault } from '../../../kernel/fault.ts';
import { readEnvironmentVariables } from '../environment-variables.ts';
import { headObject } from '../job.ts';
import type { InputArtifact, Job, MadeArtifact, Outcome, Provider } from './provider.ts';

/**
 * Builds or tests with CodeBuild: the input artifacts are the build's sources, its artifacts go where the pipeline says.
 * @see https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeBuild.html
 */
export const codeBuild: Provider = {
  async start(job) {
    const variables = readEnvironmentVariables(job.configuration['EnvironmentVariables'] ?? '[]');
    if ('problem' in variables) return { status: 'Failed', code: 'ConfigurationError', message: variables.problem };
    const primary = primaryInput(job);
    const secondary = job.inputs.filter((input) => input !== primary);
    const [firstOutput, ...otherOutputs] = job.outputs;
    const { build } = await job.role.call<typeof codebuildSdk, 'StartBuild'>('codebuild', 'StartBuild', {
      projectName: job.configuration['ProjectName']!,
      idempotencyToken: job.id,
      sourceTypeOverride: 'CODEPIPELINE',
      sourceLocationOverride: locationOf(primary),
      ...(job.sourceRevision === undefined ? {} : { sourceVersion: job.sourceRevision }),
      secondarySourcesOverride: secondary.map((input) => ({
        type: 'CODEPIPELINE',
        location: locationOf(input),
        sourceIdentifier: input.name,
      })),
      artifactsOverride: firstOutput === undefined ? { type: 'NO_ARTIFACTS' } : artifactsTo(firstOutput),
      secondaryArtifactsOverride:
        otherOutputs.length === 0
          ? []
          : job.outputs.map((output) => ({ ...artifactsTo(output), artifactIdentifier: output.name })),
      environmentVariablesOverride: variables,
    });
    return running(build!);
  },
  async observe(job) {
    const { builds = [] } = await job.role.call<typeof codebuildSdk, 'BatchGetBuilds'>('codebuild', 'BatchGetBuilds', {
      ids: [job.externalId!],
    });
    const [build] = builds;
    if (build === undefined) {
      return { status: 'Failed', code: 'JobFailed', message: `The build ${job.externalId} does not exist any more` };
    }
    if (build.buildStatus === 'IN_PROGRESS') return running(build);
    return build.buildStatus === 'SUCCEEDED' ? succeeded(job, build) : failed(build);
  },
  async cancel({ externalId, role }) {
    await role.call<typeof codebuildSdk, 'StopBuild'>('codebuild', 'StopBuild', { id: externalId! });
  },
};

function primaryInput(job: Job): InputArtifact {
  const name = job.configuration['PrimarySource'];
  return job.inputs.find((input) => input.name === name) ?? job.inputs[0]!;
}

function locationOf({ s3location: { bucket, key } }: { s3location: { bucket: string; key: string } }): string {
  return `${bucket}/${key}`;
}

/** The place of an output artifact: the object is the archive itself. */
function artifactsTo({ s3location: { bucket, key } }: { s3location: { bucket: string; key: string } }) {
  return { type: 'CODEPIPELINE', location: bucket, name: key, packaging: 'ZIP' } as const;
}

function external(build: codebuildSdk.Build) {
  return { externalId: build.id, externalUrl: build.logs?.deepLink };
}

function running(build: codebuildSdk.Build): Outcome {
  return { status: 'Running', ...external(build) };
}

async function succeeded(job: Job, build: codebuildSdk.Build): Promise<Outcome> {
  const artifacts: MadeArtifact[] = [];
  for (const { name, s3location } of job.outputs) {
    try {
      const { ETag: etag, ContentLength: size } = await headObject(job.role, s3location.bucket, s3location.key);
      artifacts.push({ name, etag: etag!, size: size!, sha256: undefined });
    } catch (error) {
      if (!(error instanceof Fault) || !/NotFound|NoSuch/.test(error.name)) throw error;
      const message = `The build ${build.id} succeeded but did not put out the artifact ${name}`;
      return { status: 'Failed', code: 'JobFailed', message, ...external(build) };
    }
  }
  const exported = build.exportedEnvironmentVariables ?? [];
  const variables = Object.fromEntries(exported.map(({ name, value }) => [name!, value ?? '']));
  return { status: 'Succeeded', ...external(build), artifacts, variables };
}

/** The reasons of the phases that failed; CodeBuild puts the command and its last lines of output into them. */
function failed(build: codebuildSdk.Build): Outcome {
  const reasons = (build.phases ?? [])
    .filter(({ phaseStatus }) => phaseStatus !== undefined && phaseStatus !== 'SUCCEEDED')
    .flatMap(({ phaseType, contexts = [] }) =>
      contexts
        .filter(({ message }) => message !== undefined && message !== '')
        .map(({ statusCode, message }) => ` Phase: ${phaseType}, Code: ${statusCode}, Message: ${message}`),
    );
  const message = `Build terminated with state: ${build.buildStatus}.${reasons.join('.')}`;
  return { status: 'Failed', code: 'JobFailed', message, summary: message, ...external(build) };
}
