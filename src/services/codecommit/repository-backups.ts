import { bundleRepository } from '../../git/bundle.ts';
import type { RepositoryState } from '../../git/truth.ts';
import type { Context } from '../../kernel/context.ts';
import { isFault } from '../../kernel/fault.ts';
import type { RepositoryBackup, RepositoryBackupRequest } from '../../kernel/repository-backup.ts';
import { tagsOf } from '../../kernel/tags.ts';
import { gitFault, openRepository } from './git-cache.ts';
import { repositoryShape } from './repositories.ts';
import { backupOfReviews } from './repository-backups-reviews.ts';
import { repositoryArn, repositoryResource } from './resources.ts';
import { repositoryByName } from './store.ts';
import type { RepositoryRow } from './tables.ts';
import { triggerTables } from './trigger-tables.ts';

/** Of the metadata document: changes when a reader of an older one would misread it. */
const FORMAT = 1;

/** The calls that together read what a backup holds: whoever gets it must be allowed every one of them. */
const ACTIONS = [
  ...['GitPull', 'GetRepository', 'GetRepositoryTriggers', 'ListTagsForResource'],
  ...['ListPullRequests', 'GetPullRequest', 'DescribePullRequestEvents'],
  ...['GetPullRequestApprovalStates', 'GetPullRequestOverrideState'],
  ...['GetCommentsForPullRequest', 'GetCommentsForComparedCommit', 'GetCommentReactions'],
  'ListAssociatedApprovalRuleTemplatesForRepository',
] as const;

/** Gives a backup of a repository: authorised as the calls that read the same, recorded as the pull that it is. */
export async function repositoryBackup(
  { repositoryName }: RepositoryBackupRequest,
  ctx: Context,
): Promise<RepositoryBackup> {
  const resource = repositoryResource(ctx, repositoryName);
  const record = (error: { errorCode?: string; errorMessage?: string }) =>
    ctx.record({
      eventSource: 'codecommit.amazonaws.com',
      eventName: 'GitPull',
      readOnly: true,
      resources: [resource.arn],
      requestParameters: { repositoryName, bundle: true },
      ...error,
    });
  try {
    for (const action of ACTIONS) await ctx.authorize(`codecommit:${action}`, resource);
    await ctx.authorize('codecommit:GetApprovalRuleTemplate', '*');
    const backup = await open(ctx, await repositoryByName(ctx, ctx, repositoryName));
    record({});
    return backup;
  } catch (error) {
    if (isFault(error)) record({ errorCode: error.name, errorMessage: error.message });
    throw error;
  }
}

/** Reviews are read after the references: what they say of commits may be newer than the bundle, never older. */
async function open(ctx: Context, row: RepositoryRow): Promise<RepositoryBackup> {
  try {
    const repository = await openRepository(ctx, row.id);
    const { state, stream } = await bundleRepository(repository, ctx.signal);
    try {
      return { bundle: stream, metadata: await metadataOf(ctx, row, state) };
    } catch (error) {
      stream?.destroy();
      throw error;
    }
  } catch (error) {
    throw gitFault(error, row.name);
  }
}

async function metadataOf(ctx: Context, row: RepositoryRow, { refs, head }: RepositoryState) {
  const triggers = await triggerTables(ctx)
    .selectFrom('codecommit_trigger_sets')
    .select('triggers')
    .where('repository_id', '=', row.id)
    .executeTakeFirst();
  return {
    format: FORMAT,
    takenAt: ctx.now(),
    repositoryMetadata: repositoryShape(ctx, row),
    head,
    references: Object.fromEntries([...refs.values()].map(({ name, id }) => [name, id])),
    tags: await tagsOf(ctx, repositoryArn(row, row.name)),
    triggers: triggers === undefined ? [] : (JSON.parse(triggers.triggers) as unknown),
    ...(await backupOfReviews(ctx, row)),
  };
}
