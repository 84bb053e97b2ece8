import * as sdk from '@aws-sdk/client-codecommit';
import { diffEntries } from '../../git/diff.ts';
import { isGitFailure } from '../../git/failure.ts';
import { countDivergence, mergeBases, NEAR_COMMITS, nearMergeBase } from '../../git/merge-base.ts';
import { type MergedTrees, withMergedTrees } from '../../git/merge-tree.ts';
import type { ObjectReader, PathEntry } from '../../git/objects.ts';
import type { Lease, Repository } from '../../git/repository.ts';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { requireCommit } from './comments-locations.ts';
import { type FileConflict, findConflicts } from './conflicts-find.ts';
import { readRepository } from './git-cache.ts';
import type { RepositoryRow } from './tables.ts';

/** AWS has limits on each of these and publishes none of them. */
export interface MergeLimits {
  /** Commits that only one of the two histories has. */
  divergence: number;
  /** Files that differ from the merge base, on both sides together. */
  items: number;
  /** Files whose contents one request may need. */
  files: number;
}

export const MERGE_LIMITS: MergeLimits = { divergence: 100_000, items: 200_000, files: 1_000 };

/** What shall be merged, and when a file counts as being in conflict. */
export interface MergeSpec {
  sourceCommitId: string;
  destinationCommitId: string;
  /** AWS's default is FILE_LEVEL. */
  detailLevel?: sdk.ConflictDetailLevelTypeEnum | undefined;
  /** AWS's default is NONE. */
  strategy?: sdk.ConflictResolutionStrategyTypeEnum | undefined;
}

/** A merge as git sees it. Valid only while the `work` that it was given to runs. */
export interface Merge {
  lease: Lease;
  trees: MergedTrees;
  baseCommitId: string;
  /** Root trees. */
  roots: { base: string; source: string; destination: string };
  /** Files in conflict by the detail level, before a strategy is looked at. */
  found: FileConflict[];
  /** Those of `found` that the strategy leaves to the caller. Empty: the merge can be made. */
  conflicts: FileConflict[];
}

/**
 * Has git merge two commits, source into destination, and tells what is in conflict.
 * @throws TipsDivergenceExceededException (too far apart, or unrelated), MaximumItemsToCompareExceededException,
 *   CommitDoesNotExistException
 */
export async function withMerge<T>(
  ctx: Context,
  row: RepositoryRow,
  spec: MergeSpec,
  work: (merge: Merge, repository: Repository) => Promise<T>,
  limits: MergeLimits = MERGE_LIMITS,
): Promise<T> {
  return readRepository(ctx, row, (lease, repository) => {
    const given = { ctx, lease, repository, spec, limits };
    return evaluate(given, (merge) => work(merge, repository));
  });
}

interface Given {
  ctx: Context;
  lease: Lease;
  repository: Repository;
  spec: MergeSpec;
  limits: MergeLimits;
}

async function evaluate<T>(given: Given, work: (merge: Merge) => Promise<T>): Promise<T> {
  const { ctx, lease, repository, spec, limits } = given;
  const { sourceCommitId, destinationCommitId, detailLevel = 'FILE_LEVEL', strategy = 'NONE' } = spec;
  const [baseCommitId, ...otherBases] = await findMergeBases(given);
  if (baseCommitId === undefined) throw unrelated();
  const roots = {
    base: (await lease.objects.commit(baseCommitId)).tree,
    source: (await lease.objects.commit(sourceCommitId)).tree,
    destination: (await lease.objects.commit(destinationCommitId)).tree,
  };
  await requireFewItems(lease.objects, roots, limits);
  // Thrown inside git's part it is git's failure; what `work` throws is its own.
  const pair = {
    ours: destinationCommitId,
    theirs: sourceCommitId,
    roots: { ours: roots.destination, theirs: roots.source },
    baseRoot: otherBases.length === 0 ? roots.base : null,
  };
  let isMerged = false;
  try {
    return await withMergedTrees(
      repository,
      lease,
      pair,
      async (trees) => {
        isMerged = true;
        const byFile = detailLevel === 'FILE_LEVEL' && strategy !== 'AUTOMERGE';
        const found = await findConflicts(trees, roots, byFile);
        const isResolved = strategy === 'ACCEPT_SOURCE' || strategy === 'ACCEPT_DESTINATION';
        return work({ lease, trees, baseCommitId, roots, found, conflicts: isResolved ? [] : found });
      },
      ctx.signal,
    );
  } catch (error) {
    if (isMerged || ctx.signal?.aborted || !isGitFailure(error, 'stopped')) throw error;
    throw tooFarApart();
  }
}

/** git's first choice first. */
async function findMergeBases({ ctx, lease, repository, spec, limits }: Given): Promise<string[]> {
  const pair = [spec.destinationCommitId, spec.sourceCommitId] as const;
  // Named by a branch or by the caller a moment ago; it may have been taken out since.
  for (const id of pair) await requireCommit(lease.objects, id);
  // What is near is not too far apart, whichever commits are between.
  const near = limits.divergence < NEAR_COMMITS ? undefined : await nearMergeBase(lease.objects, pair);
  if (near !== undefined) return near === null ? [] : [near];
  try {
    // Each commit is an object, so a small repository needs no counting.
    const objects = lease.state.packs.reduce((sum, pack) => sum + pack.objects, 0);
    const isFar =
      objects > limits.divergence &&
      (await countDivergence(repository, lease, pair, limits.divergence + 1)) > limits.divergence;
    if (isFar) throw tooFarApart();
    return await mergeBases(repository, lease, pair, ctx.signal);
  } catch (error) {
    if (ctx.signal?.aborted || !isGitFailure(error, 'stopped')) throw error;
    throw tooFarApart();
  }
}

/**
 * The commit that both sides build on; undefined when their histories are unrelated.
 * @throws TipsDivergenceExceededException
 */
export async function mergeBaseOf(
  ctx: Context,
  lease: Lease,
  repository: Repository,
  spec: MergeSpec,
  limits: MergeLimits = MERGE_LIMITS,
): Promise<string | undefined> {
  return (await findMergeBases({ ctx, lease, repository, spec, limits }))[0];
}

/** git refuses these, too, unless it is told otherwise. */
function unrelated() {
  return fault(
    sdk.TipsDivergenceExceededException,
    'The histories of the provided commit specifiers have no commit in common, so they cannot be merged.',
  );
}

function tooFarApart() {
  return fault(
    sdk.TipsDivergenceExceededException,
    'The divergence between the tips of the provided commit specifiers is too great to determine whether there might be any merge conflicts.',
  );
}

async function requireFewItems(objects: ObjectReader, roots: Merge['roots'], limits: MergeLimits): Promise<void> {
  const root = (id: string): { path: string; entry: PathEntry } => ({ path: '', entry: { mode: '40000', id } });
  let items = 0;
  try {
    for (const side of [roots.source, roots.destination]) {
      for await (const _ of diffEntries(objects, root(roots.base), root(side))) {
        items += 1;
        if (items > limits.items) throw tooManyItems();
      }
    }
  } catch (error) {
    throw isGitFailure(error, 'tree-too-large') ? tooManyItems() : error;
  }
}

function tooManyItems() {
  return fault(
    sdk.MaximumItemsToCompareExceededException,
    'The number of items to compare between the source or destination branches and the merge base has exceeded the maximum allowed.',
  );
}

/** @throws MaximumFileContentToLoadExceededException */
export function requireFewFiles(files: number, limits: MergeLimits = MERGE_LIMITS): void {
  if (files <= limits.files) return;
  throw fault(
    sdk.MaximumFileContentToLoadExceededException,
    `The number of files to load exceeds the allowed limit of ${limits.files}.`,
  );
}
