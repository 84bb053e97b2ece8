import * as sdk from '@aws-sdk/client-codecommit';
import { changeRepository, type WantedUpdate } from '../../git/change.ts';
import { isGitFailure, printable } from '../../git/failure.ts';
import { isAncestor } from '../../git/history.ts';
import { formatCommit } from '../../git/object-format.ts';
import { ObjectWriter } from '../../git/object-writer.ts';
import type { Lease, Repository } from '../../git/repository.ts';
import { type RepositoryState, STALE } from '../../git/truth.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { authorOf, requireSmallFolders } from './branch-commits.ts';
import { requireCommit } from './comments-locations.ts';
import { manualMergeRequired, readResolution, resolvedTree } from './conflicts-resolve.ts';
import { type MergeFacts, unreferencedMergeCommitCreated } from './events.ts';
import { readRepository } from './git-cache.ts';
import { keepersOf } from './kept-folders.ts';
import { type Merge, type MergeSpec, withMerge } from './merges-evaluate.ts';
import { moveRefs } from './refs.ts';
import { checkCommitTexts } from './rules.ts';
import { BRANCHES, branchRef } from './store.ts';
import { type RepositoryRow, tables } from './tables.ts';

/** A merge that shall be made. */
export interface MergeRequest extends MergeSpec {
  option: sdk.MergeOptionTypeEnum;
  resolution?: sdk.ConflictResolution | undefined;
  keepEmptyFolders?: boolean | undefined;
  /** Left out, the caller's ARN. */
  name?: string | undefined;
  email?: string | undefined;
  /** Left out, it names the two sides. */
  message?: string | undefined;
  /** For the default message. */
  sourceName: string;
  destinationName: string;
}

/** A merge that was made. After a fast-forward, `commitId` is the source commit. */
export interface MadeMerge {
  commitId: string;
  treeId: string;
  baseCommitId: string | undefined;
}

/** Changes that belong into the transaction that moves the branch; what it throws undoes the merge. */
export type WithMerge = (tx: Tx, repository: RepositoryRow, merge: MadeMerge) => Promise<void>;

/**
 * Merges the source commit into a branch whose tip is the destination commit, and moves the branch.
 * @param also further changes of the same transaction.
 * @throws ManualMergeRequiredException, ConcurrentReferenceUpdateException (the tip is another one by now),
 *   TipsDivergenceExceededException, MaximumItemsToCompareExceededException, the faults of a resolution and of commit texts
 */
export async function mergeIntoBranch(
  ctx: Context,
  row: RepositoryRow,
  branchName: string,
  request: MergeRequest,
  also?: WithMerge,
): Promise<MadeMerge> {
  if (request.option === 'FAST_FORWARD_MERGE') return fastForward(ctx, row, branchName, request, also);
  return withMergeCommit(ctx, row, request, async (made, writer, repository, basis) => {
    const update = { name: branchRef(branchName), from: request.destinationCommitId, to: made.commitId };
    await move(ctx, row, repository, { update, writer, request, made, also, basis });
    return made;
  });
}

/**
 * Makes the commit of a merge without moving anything to it.
 * @throws InvalidMergeOptionException for a fast-forward, and as {@link mergeIntoBranch}
 */
export async function makeUnreferencedMerge(
  ctx: Context,
  row: RepositoryRow,
  request: MergeRequest,
): Promise<MadeMerge> {
  if (request.option === 'FAST_FORWARD_MERGE') {
    throw fault(sdk.InvalidMergeOptionException, 'A fast-forward merge makes no merge commit.');
  }
  return withMergeCommit(ctx, row, request, async (made, writer, repository, basis) => {
    await move(ctx, row, repository, { update: null, writer, request, made, also: undefined, basis });
    return made;
  });
}

/**
 * Holds a merge by itself against AWS's rules, before anything is looked up: each operation that merges begins with it.
 * @throws the faults of a resolution and of commit texts
 */
export function checkMerge<T extends Partial<MergeRequest>>(options: T): T {
  const { message, name, email, resolution, strategy } = options;
  readResolution(resolution, strategy);
  checkCommitTexts({ message, name, email });
  return options;
}

async function fastForward(
  ctx: Context,
  row: RepositoryRow,
  branchName: string,
  request: MergeRequest,
  also: WithMerge | undefined,
): Promise<MadeMerge> {
  const { sourceCommitId: source, destinationCommitId: destination } = request;
  return readRepository(ctx, row, async (lease, repository) => {
    if (!(await isForward(ctx, lease, repository, request))) throw manualMergeRequired();
    const { tree: treeId } = await lease.objects.commit(source);
    const made: MadeMerge = { commitId: source, treeId, baseCommitId: destination };
    const update = { name: branchRef(branchName), from: destination, to: source };
    await move(ctx, row, repository, { update, writer: null, request, made, also, basis: lease.state });
    return made;
  });
}

/** Whether the source builds on the destination, however many commits lie between. What git does not find in its time is not there. */
async function isForward(ctx: Context, lease: Lease, repository: Repository, request: MergeSpec): Promise<boolean> {
  const { sourceCommitId: descendant, destinationCommitId: ancestor } = request;
  for (const id of [ancestor, descendant]) await requireCommit(lease.objects, id);
  try {
    return await isAncestor(repository, lease, { ancestor, descendant }, { signal: ctx.signal });
  } catch (error) {
    if (ctx.signal?.aborted || !isGitFailure(error, 'stopped')) throw error;
    return false;
  }
}

/** Runs `work` with the new commit, which is in the writer only. */
function withMergeCommit<T>(
  ctx: Context,
  row: RepositoryRow,
  request: MergeRequest,
  work: (made: MadeMerge, writer: ObjectWriter, repository: Repository, basis: RepositoryState) => Promise<T>,
): Promise<T> {
  return withMerge(ctx, row, request, async (merge, repository) => {
    const writer = new ObjectWriter();
    const treeId = await treeOf(merge, request, writer);
    const person = {
      name: request.name || authorOf(ctx),
      email: request.email ?? '',
      date: `${Math.floor(ctx.now().getTime() / 1000)} +0000`,
    };
    const { sourceCommitId: source, destinationCommitId: destination } = request;
    const commit = {
      tree: treeId,
      parents: request.option === 'SQUASH_MERGE' ? [destination] : [destination, source],
      author: person,
      committer: person,
      message: request.message || defaultMessage(request),
    };
    const commitId = writer.add('commit', formatCommit(commit));
    return work({ commitId, treeId, baseCommitId: merge.baseCommitId }, writer, repository, merge.lease.state);
  });
}

async function treeOf(merge: Merge, request: MergeRequest, writer: ObjectWriter): Promise<string> {
  const resolution = readResolution(request.resolution, request.strategy);
  const scratch = new ObjectWriter();
  const resolved = await resolvedTree(merge, request, resolution, scratch);
  const treeId = request.keepEmptyFolders === true ? await keepersOf(merge, resolved, scratch) : resolved;
  await merge.trees.collect(treeId, scratch, writer);
  requireSmallFolders(writer);
  return treeId;
}

function defaultMessage({ option, sourceName, destinationName }: MergeRequest): string {
  const what = option === 'SQUASH_MERGE' ? 'Squash merge' : 'Merge';
  return `${what} of ${sourceName} into ${destinationName}`;
}

/** What the events say about a merge. */
function factsOf(request: MergeRequest, { baseCommitId }: MadeMerge): MergeFacts {
  return {
    baseCommitId,
    sourceCommitId: request.sourceCommitId,
    destinationCommitId: request.destinationCommitId,
    mergeOption: request.option,
    conflictDetailsLevel: request.detailLevel ?? 'FILE_LEVEL',
    conflictResolutionStrategy: request.strategy ?? 'NONE',
  };
}

interface Move {
  /** null for a commit that nothing shall lead to. */
  update: (WantedUpdate & { to: string }) | null;
  /** null where there is no new object. */
  writer: ObjectWriter | null;
  request: MergeRequest;
  made: MadeMerge;
  also: WithMerge | undefined;
  /** What the merge was made from: its commits are remembered, referenced or not. */
  basis: RepositoryState;
}

async function move(ctx: Context, row: RepositoryRow, repository: Repository, wanted: Move): Promise<void> {
  const { update, writer, request, made } = wanted;
  const merge = factsOf(request, made);
  const within = async (tx: Tx, present: RepositoryRow) => {
    if (update === null) await tx.emit(unreferencedMergeCommitCreated(present, made.commitId, merge, ctx.caller));
    if (writer !== null) await remember(tx, present, request, made, ctx.now());
    await wanted.also?.(tx, present, made);
  };
  const refused = await changeRepository(repository, {
    updates: update === null ? [] : [update],
    atomic: true,
    pack: writer,
    basis: wanted.basis,
    unreferenced: update === null,
    commit: (change) => moveRefs(ctx, row.id, change, { merge, within }),
    signal: ctx.signal,
  }).catch((error: unknown) => {
    // git's own checks found something in the new objects, such as a .gitmodules that would run commands.
    if (isGitFailure(error, 'pack-refused')) throw fault(sdk.InvalidPathException, printable(error.message));
    throw error;
  });
  const problem = update === null ? undefined : refused.get(update.name);
  if (problem === undefined) return;
  if (problem === STALE) throw concurrentUpdate(update!.name.slice(BRANCHES.length));
  throw fault(sdk.InvalidTargetBranchException, problem);
}

/** Somebody else has moved the branch. */
export function concurrentUpdate(branchName: string) {
  return fault(
    sdk.ConcurrentReferenceUpdateException,
    `The merge cannot be completed because the target branch ${branchName} has been modified.`,
  );
}

/** Keeps what was merged into which commit, for GetMergeCommit. */
async function remember(
  tx: Tx,
  { id }: RepositoryRow,
  request: MergeRequest,
  made: MadeMerge,
  now: Date,
): Promise<void> {
  await tables(tx)
    .insertInto('codecommit_merge_commits')
    .values({
      repository_id: id,
      source_id: request.sourceCommitId,
      commit_id: made.commitId,
      destination_id: request.destinationCommitId,
      base_id: made.baseCommitId ?? null,
      merge_option: request.option,
      detail_level: request.detailLevel ?? 'FILE_LEVEL',
      strategy: request.strategy ?? 'NONE',
      made_at: now.getTime(),
    })
    // The same merge by the same person in the same second is the same commit.
    .onConflict((c) => c.columns(['repository_id', 'source_id', 'commit_id']).doNothing())
    .execute();
}
