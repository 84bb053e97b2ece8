import type { BusEvent, Context, Tx } from '../../kernel/context.ts';
import type { Consumer } from '../../kernel/service.ts';
import { startExecution } from './start.ts';
import { findPipelineById, type Pipeline, tables } from './store.ts';
import type { SourceRow } from './tables.ts';

/** How long the commits of events are kept for rules that start pipelines with those events' ids. */
const KEEP_CHANGES_MS = 25 * 3600_000;

/** Writes down what starts the pipeline by itself. */
export async function replaceSources(tx: Tx, pipeline: Pipeline): Promise<void> {
  await tables(tx).deleteFrom('codepipeline_sources').where('pipeline_id', '=', pipeline.id).execute();
  await tables(tx).insertInto('codepipeline_sources').values(sourcesOf(pipeline)).execute();
}

function sourcesOf(pipeline: Pipeline): SourceRow[] {
  const { id, account, region, declaration } = pipeline;
  return declaration.stages![0]!.actions!.map(({ name, actionTypeId, configuration = {} }) => {
    const isGit = actionTypeId!.provider === 'CodeCommit';
    return {
      pipeline_id: id,
      action_name: name!,
      account,
      region,
      provider: actionTypeId!.provider!,
      location: configuration[isGit ? 'RepositoryName' : 'S3Bucket']!,
      reference: configuration[isGit ? 'BranchName' : 'S3ObjectKey']!,
      // AWS looks for changes unless told not to; here the change's own event tells, at once.
      detects: configuration['PollForSourceChanges'] === 'false' ? 0 : 1,
    };
  });
}

/**
 * A change of a source starts the pipelines that detect it, pinned to what changed: one execution for one event however
 * often it comes (P2). For pipelines that a rule of EventBridge starts it notes the commit by the event's id.
 */
export const sourceChanges: Consumer = {
  name: 'codepipeline.source-changes',
  async handle(event, ctx) {
    const change = changeOf(event);
    if (change === undefined) return;
    const sources = await tables(ctx)
      .selectFrom('codepipeline_sources')
      .selectAll()
      .where('account', '=', event.account)
      .where('region', '=', event.region)
      .where('provider', '=', change.provider)
      .where('location', '=', change.location)
      .where('reference', '=', change.reference)
      .execute();
    if (sources.length === 0) return;
    await ctx.tx(async (tx) => {
      await forgetOldChanges(tx, ctx);
      for (const source of sources) await noteChange(tx, ctx, source, event, change);
      for (const source of sources.filter(({ detects }) => detects === 1)) await startFor(tx, ctx, source, event);
    });
  },
};

interface Change {
  readonly provider: 'CodeCommit' | 'S3';
  readonly location: string;
  readonly reference: string;
  readonly revisionType: 'COMMIT_ID' | 'S3_OBJECT_VERSION_ID';
  readonly revision: string;
}

function changeOf(event: BusEvent): Change | undefined {
  const { source, detailType, detail } = event;
  if (source === 'aws.codecommit' && detailType === 'CodeCommit Repository State Change') return pushOf(detail);
  // S3 tells this between Slipway's own parts, for versioned buckets; EventBridge learns only what the bucket allows.
  if (source !== 'slipway.s3' || detailType !== 'Object Written') return undefined;
  return {
    provider: 'S3',
    location: String(detail['bucket']),
    reference: String(detail['key']),
    revisionType: 'S3_OBJECT_VERSION_ID',
    revision: String(detail['versionId']),
  };
}

function pushOf(detail: BusEvent['detail']): Change | undefined {
  const { event, referenceType, referenceName, repositoryName, commitId } = detail;
  if ((event !== 'referenceCreated' && event !== 'referenceUpdated') || referenceType !== 'branch') return undefined;
  return {
    provider: 'CodeCommit',
    location: String(repositoryName),
    reference: String(referenceName),
    revisionType: 'COMMIT_ID',
    revision: String(commitId),
  };
}

async function forgetOldChanges(tx: Tx, ctx: Context): Promise<void> {
  const before = ctx.now().getTime() - KEEP_CHANGES_MS;
  await tables(tx).deleteFrom('codepipeline_source_changes').where('seen_at', '<', before).execute();
}

async function noteChange(
  tx: Tx,
  ctx: Context,
  { pipeline_id, action_name }: SourceRow,
  event: BusEvent,
  { revisionType, revision }: Change,
): Promise<void> {
  const seen_at = ctx.now().getTime();
  await tables(tx)
    .insertInto('codepipeline_source_changes')
    .values({ event_id: event.id, pipeline_id, action_name, revision_type: revisionType, revision, seen_at })
    .onConflict((c) => c.columns(['event_id', 'pipeline_id', 'action_name']).doNothing())
    .execute();
}

async function startFor(tx: Tx, ctx: Context, source: SourceRow, event: BusEvent): Promise<void> {
  const pipeline = await findPipelineById(tx, source.pipeline_id);
  if (pipeline === undefined) return;
  await startExecution(tx, ctx, pipeline, {
    trigger: { type: 'PollForSourceChanges', detail: source.action_name },
    token: event.id,
  });
}
