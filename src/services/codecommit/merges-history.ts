import type * as sdk from '@aws-sdk/client-codecommit';
import { isAncestor } from '../../git/history.ts';
import type { Lease, Repository } from '../../git/repository.ts';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { readRepository } from './git-cache.ts';
import { destinationReferences } from './merges.ts';
import { mergeBaseOf } from './merges-evaluate.ts';
import { ofRepository } from './resources.ts';
import { requireSpecifiers, resolveCommit } from './specifiers.ts';
import { repositoryByName } from './store.ts';
import { type MergeCommitRow, tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Remembered merges of one source that are looked at, the latest first. */
const MAX_REMEMBERED = 20;
/** Commits of the destination's own line that are looked at. */
const MAX_FIRST_PARENTS = 1_000;

/**
 * The commit by which a source came into a destination: one that this service has made for the two, referenced or not, or
 * one that stands in the destination's history. There is none after a fast-forward, and none before a merge.
 */
export const GetMergeCommit: Op<'GetMergeCommit'> = {
  resource: ofRepository,
  conditions: destinationReferences,
  async handle(input, ctx) {
    requireSpecifiers(input);
    const row = await repositoryByName(ctx, ctx, input.repositoryName);
    return readRepository(ctx, row, async (lease, repository) => {
      const sourceCommitId = await resolveCommit(lease, input.sourceCommitSpecifier);
      const destinationCommitId = await resolveCommit(lease, input.destinationCommitSpecifier);
      const pair = { sourceCommitId, destinationCommitId };
      const made = await findMade(ctx, lease, repository, pair, input);
      const baseCommitId = made?.base_id ?? (await mergeBaseOf(ctx, lease, repository, pair));
      const mergedCommitId = made?.commit_id ?? (await findPushed(lease, pair));
      return {
        ...pair,
        ...(baseCommitId === undefined ? {} : { baseCommitId }),
        ...(mergedCommitId === undefined ? {} : { mergedCommitId }),
      };
    });
  },
};

interface Pair {
  sourceCommitId: string;
  destinationCommitId: string;
}

/** A merge that the API has made: for these very commits, or one that the destination has grown upon since. */
async function findMade(
  ctx: Context,
  lease: Lease,
  repository: Repository,
  { sourceCommitId, destinationCommitId }: Pair,
  input: Pick<sdk.GetMergeCommitInput, 'conflictDetailLevel' | 'conflictResolutionStrategy'>,
): Promise<MergeCommitRow | undefined> {
  const { conflictDetailLevel: level, conflictResolutionStrategy: strategy } = input;
  const rows = await tables(ctx)
    .selectFrom('codecommit_merge_commits')
    .selectAll()
    .where('repository_id', '=', repository.id)
    .where('source_id', '=', sourceCommitId)
    .$if(level !== undefined, (query) => query.where('detail_level', '=', level!))
    .$if(strategy !== undefined, (query) => query.where('strategy', '=', strategy!))
    .orderBy('made_at', 'desc')
    .orderBy('commit_id')
    .limit(MAX_REMEMBERED)
    .execute();
  const exact = rows.find((row) => row.destination_id === destinationCommitId);
  if (exact !== undefined) return exact;
  for (const row of rows) {
    const pair = { ancestor: row.commit_id, descendant: destinationCommitId };
    if (await isAncestor(repository, lease, pair)) return row;
  }
  return undefined;
}

/** A merge that somebody has pushed: on the destination's own line, with the source as a further parent. */
async function findPushed({ objects }: Lease, { sourceCommitId, destinationCommitId }: Pair) {
  let id: string | undefined = destinationCommitId;
  for (let looked = 0; id !== undefined && looked < MAX_FIRST_PARENTS; looked += 1) {
    const { parents } = await objects.commit(id);
    if (parents.slice(1).includes(sourceCommitId)) return id;
    id = parents[0];
  }
  return undefined;
}
