import type { ActionDeclaration, ResolvedPipelineVariable, SourceRevisionOverride } from '@aws-sdk/client-codepipeline';
import type * as s3Sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { ArtifactLocation } from './artifacts.ts';
import type { FoundRevision, InputArtifact, Job } from './providers/provider.ts';
import { pipelineArn } from './resources.ts';
import { assumeActionRole, assumePipelineRole } from './roles.ts';
import { findExecution, tables } from './store.ts';
import type { ActionRow, ExecutionRow } from './tables.ts';
import { EXECUTION_ID_KEY, PIPELINE_NAMESPACE, resolveConfiguration, SERVICE_NAMESPACE } from './variables.ts';

/** Why a job cannot begin although nothing is wrong with the server. */
export class JobRefused extends Error {
  override readonly name = 'JobRefused';
}

/**
 * Prepares the work of an action: assumes its role, fills in variables, makes sure that the inputs are what their
 * producers made.
 * @throws UnresolvedVariables, JobRefused, or the fault of a call that the role may not make
 */
export async function prepareJob(ctx: Context, row: ActionRow): Promise<Job> {
  const execution = await findExecution(ctx, row.pipeline_id, row.execution_id);
  if (execution === undefined) throw new JobRefused('The pipeline was deleted');
  const declaration = JSON.parse(row.declaration) as ActionDeclaration;
  const runs = await runsOf(ctx, execution);
  const configuration = resolveConfiguration(declaration.configuration ?? {}, scopesOf(execution, runs));
  // Whoever waits for a person calls nobody, so a role that is gone does not fail the approval.
  const role = row.category === 'Approval' ? ctx : await actionRole(ctx, row, declaration);
  return {
    id: row.id,
    executionId: execution.id,
    pipelineName: row.pipeline_name,
    pipelineArn: pipelineArn(row, row.pipeline_name),
    declaration,
    configuration,
    inputs: await checkedInputs(ctx, role, row, declaration),
    outputs: JSON.parse(row.outputs) as ArtifactLocation[],
    overrides: overridesOf(execution, row.action_name),
    sourceRevision: sourceRevisionOf(runs),
    externalId: row.external_id ?? row.token ?? undefined,
    role,
  };
}

/** The runs whose variables the execution may use; a rollback has those of the execution that it goes back to. */
async function runsOf(ctx: Context, execution: ExecutionRow): Promise<ActionRow[]> {
  const ids = [execution.id, ...(execution.rollback_target === null ? [] : [execution.rollback_target])];
  return tables(ctx)
    .selectFrom('codepipeline_action_executions')
    .selectAll()
    .where('execution_id', 'in', ids)
    .where('status', '=', 'Succeeded')
    .where('current', '=', 1)
    .orderBy('sequence')
    .execute();
}

function scopesOf(execution: ExecutionRow, runs: readonly ActionRow[]): Map<string, Map<string, string>> {
  const declared = JSON.parse(execution.variables) as ResolvedPipelineVariable[];
  const scopes = new Map([
    [SERVICE_NAMESPACE, new Map([[EXECUTION_ID_KEY, execution.id]])],
    [PIPELINE_NAMESPACE, new Map(declared.map(({ name, resolvedValue }) => [name!, resolvedValue!]))],
  ]);
  for (const run of runs) {
    const { namespace } = JSON.parse(run.declaration) as ActionDeclaration;
    if (namespace === undefined) continue;
    const put = run.variables === null ? {} : (JSON.parse(run.variables) as Record<string, string>);
    scopes.set(namespace, new Map(Object.entries(put)));
  }
  return scopes;
}

function overridesOf(execution: ExecutionRow, actionName: string): SourceRevisionOverride[] {
  const all = JSON.parse(execution.source_revisions) as SourceRevisionOverride[];
  return all.filter((override) => override.actionName === actionName);
}

function sourceRevisionOf(runs: readonly ActionRow[]): string | undefined {
  const source = runs.find((run) => run.revision !== null);
  return source === undefined ? undefined : (JSON.parse(source.revision!) as FoundRevision).revisionId;
}

/** A context that works as the pipeline's role or, assumed by that one, as the action's own. */
export async function actionRole(ctx: Context, row: ActionRow, { roleArn }: ActionDeclaration): Promise<Context> {
  const place = { account: row.account, region: row.region, pipelineName: row.pipeline_name };
  const role = await assumePipelineRole(ctx, place, row.pipeline_role_arn);
  return roleArn === undefined ? role : assumeActionRole(role, place, roleArn);
}

/**
 * The input artifacts, each compared with what its producer left (P8): an object that was replaced since is refused.
 * @throws JobRefused
 */
async function checkedInputs(
  ctx: Context,
  role: Context,
  row: ActionRow,
  { inputArtifacts = [] }: ActionDeclaration,
): Promise<InputArtifact[]> {
  if (inputArtifacts.length === 0) return [];
  const names = inputArtifacts.map(({ name }) => name!);
  const made = await tables(ctx)
    .selectFrom('codepipeline_artifacts')
    .selectAll()
    .where('execution_id', '=', row.execution_id)
    .where('name', 'in', names)
    .execute();
  return Promise.all(
    names.map(async (name) => {
      const artifact = made.find((one) => one.name === name);
      if (artifact === undefined) throw new JobRefused(`The input artifact ${name} was not made by this execution`);
      const { bucket, object_key: key } = artifact;
      await checkObject(role, name, bucket, key, artifact.etag, Number(artifact.size));
      const { etag, size, sha256 } = artifact;
      return { name, s3location: { bucket, key }, etag, size: Number(size), sha256: sha256 ?? undefined };
    }),
  );
}

async function checkObject(
  role: Context,
  name: string,
  bucket: string,
  key: string,
  etag: string,
  size: number,
): Promise<void> {
  let head: Awaited<ReturnType<typeof headObject>>;
  try {
    head = await headObject(role, bucket, key);
  } catch (error) {
    if (!MISSING.has((error as Error).name)) throw error;
    throw new JobRefused(`The input artifact ${name} is missing: there is no object ${key} in the bucket ${bucket}`);
  }
  if (head.ETag === etag && head.ContentLength === size) return;
  throw new JobRefused(
    `The input artifact ${name} is not what was made: the object ${key} in the bucket ${bucket} was replaced`,
  );
}

const MISSING = new Set(['NotFound', 'NoSuchKey', 'NoSuchBucket']);

/** What S3 tells of an object, asked as a role. */
export function headObject(role: Context, bucket: string, key: string) {
  return role.call<typeof s3Sdk, 'HeadObject'>('s3', 'HeadObject', { Bucket: bucket, Key: key });
}
