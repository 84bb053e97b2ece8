import type { BusEvent, Context, Tx } from '../../kernel/context.ts';
import type { Consumer } from '../../kernel/service.ts';
import { startExecution } from './start.ts';
import { findPipelineById, type Pipeline, tables } from './store.ts';
import type { SourceRow } from './tables.ts';

/** How long the commits of events are kept for rules that start pipelines with those events' ids. */
const KEEP_CHANGES_MS = 25 * 3600_000;

/** Writes down what starts the pipeline by itself. */
export async function replaceSources(tx: Tx, pipeline: Pipeline): Promise<void> {
  const seen = await tables(tx)
    .deleteFrom('codepipeline_sources')
    .where('pipeline_id', '=', pipeline.id)
    .returningAll()
    .execute();
  for (const row of sourcesOf(pipeline)) {
    const before = seen.find((one) => one.action_name === row.action_name && one.location === row.location);
    const seen_revision = before?.reference === row.reference ? before.seen_revision : null;
    await tables(tx)
      .insertInto('codepipeline_sources')
      .values({ ...row, seen_revision })
      .execute();
  }
}

function sourcesOf(pipeline: Pipeline): Omit<SourceRow, 'seen_revision'>[] {
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
 * A push to a branch starts the pipelines that detect changes of it, pinned to the pushed commit: one execution for one
 * event however often it comes (P2). For those that a rule of EventBridge starts it notes the commit by the event's id.
 */
export const sourceChanges: Consumer = {
  name: 'codepipeline.source-changes',
  async handle(event, ctx) {
    const push = pushOf(event);
    if (push === undefined) return;
    const sources = await tables(ctx)
      .selectFrom('codepipeline_sources')
      .selectAll()
      .where('account', '=', event.account)
      .where('region', '=', event.region)
      .where('provider', '=', 'CodeCommit')
      .where('location', '=', push.repository)
      .where('reference', '=', push.branch)
      .execute();
    if (sources.length === 0) return;
    await ctx.tx(async (tx) => {
      for (const source of sources) await noteChange(tx, ctx, source, event, push.commitId);
      for (const source of sources.filter(({ detects }) => detects === 1)) await startFor(tx, ctx, source, event);
    });
  },
};

interface Push {
  readonly repository: string;
  readonly branch: string;
  readonly commitId: string;
}

function pushOf(event: BusEvent): Push | undefined {
  if (event.source !== 'aws.codecommit' || event.detailType !== 'CodeCommit Repository State Change') return undefined;
  const { event: what, referenceType, referenceName, repositoryName, commitId } = event.detail;
  if (what !== 'referenceCreated' && what !== 'referenceUpdated') return undefined;
  if (referenceType !== 'branch') return undefined;
  return { repository: String(repositoryName), branch: String(referenceName), commitId: String(commitId) };
}

async function noteChange(tx: Tx, ctx: Context, source: SourceRow, event: BusEvent, commitId: string): Promise<void> {
  const now = ctx.now().getTime();
  await tables(tx)
    .deleteFrom('codepipeline_source_changes')
    .where('seen_at', '<', now - KEEP_CHANGES_MS)
    .execute();
  const { pipeline_id, action_name } = source;
  await tables(tx)
    .insertInto('codepipeline_source_changes')
    .values({ event_id: event.id, pipeline_id, action_name, commit_id: commitId, seen_at: now })
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
