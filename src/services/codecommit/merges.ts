import * as sdk from '@aws-sdk/client-codecommit';
import { isObjectId } from '../../git/ref-name.ts';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { ConditionKeys, Operation, OperationName } from '../../kernel/service.ts';
import { readRepository } from './git-cache.ts';
import {
  checkMerge,
  concurrentUpdate,
  type MergeRequest,
  makeUnreferencedMerge,
  mergeIntoBranch,
} from './merges-commit.ts';
import { ofRepository, references } from './resources.ts';
import { requireTargetBranchName } from './rules.ts';
import { requireSpecifiers, resolveCommit } from './specifiers.ts';
import { BRANCHES, branchDoesNotExist, branchRef, findRef, findRepository, repositoryByName, TAGS } from './store.ts';
import type { RepositoryRow } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** What the three operations have in common. */
interface MergeInput {
  repositoryName: string;
  sourceCommitSpecifier: string;
  destinationCommitSpecifier: string;
  targetBranch?: string | undefined;
}

/** Moves the branch to the source commit when it is an ancestor of it. */
export const MergeBranchesByFastForward: Op<'MergeBranchesByFastForward'> = {
  resource: ofRepository,
  conditions: targetReferences,
  handle: (input, ctx) => mergeBranches(ctx, input, { option: 'FAST_FORWARD_MERGE' }),
};

/** Puts all changes of the source into one commit on the branch. */
export const MergeBranchesBySquash: Op<'MergeBranchesBySquash'> = {
  resource: ofRepository,
  conditions: targetReferences,
  handle: (input, ctx) => mergeBranches(ctx, input, { option: 'SQUASH_MERGE', ...optionsOf(input) }),
};

/** Makes a merge commit with both sides as parents. */
export const MergeBranchesByThreeWay: Op<'MergeBranchesByThreeWay'> = {
  resource: ofRepository,
  conditions: targetReferences,
  handle: (input, ctx) => mergeBranches(ctx, input, { option: 'THREE_WAY_MERGE', ...optionsOf(input) }),
};

/** Makes the commit that a merge would make; it can only be had by its id. */
export const CreateUnreferencedMergeCommit: Op<'CreateUnreferencedMergeCommit'> = {
  resource: ofRepository,
  conditions: destinationReferences,
  async handle(input, ctx) {
    const options = checkMerge({ option: input.mergeOption, ...optionsOf(input) });
    requireSpecifiers(input);
    const repository = await repositoryByName(ctx, ctx, input.repositoryName);
    const request = { ...(await sidesOf(ctx, repository, input)), ...options };
    const { commitId, treeId } = await makeUnreferencedMerge(ctx, repository, request);
    return { commitId, treeId };
  },
};

type MergeOptions = Omit<MergeRequest, keyof Awaited<ReturnType<typeof sidesOf>>>;

/** The members of a request that say how to merge. */
export function optionsOf(
  input: Pick<
    sdk.MergeBranchesBySquashInput,
    | 'conflictDetailLevel'
    | 'conflictResolutionStrategy'
    | 'conflictResolution'
    | 'keepEmptyFolders'
    | 'authorName'
    | 'email'
    | 'commitMessage'
  >,
): Omit<MergeOptions, 'option'> {
  return {
    detailLevel: input.conflictDetailLevel,
    strategy: input.conflictResolutionStrategy,
    resolution: input.conflictResolution,
    keepEmptyFolders: input.keepEmptyFolders,
    name: input.authorName,
    email: input.email,
    message: input.commitMessage,
  };
}

async function mergeBranches(ctx: Context, input: MergeInput, options: MergeOptions) {
  checkMerge(options);
  requireSpecifiers(input);
  if (input.targetBranch !== undefined) requireTargetBranchName(input.targetBranch);
  const repository = await repositoryByName(ctx, ctx, input.repositoryName);
  const sides = await sidesOf(ctx, repository, input);
  const branchName = await requireTarget(ctx, repository, input, sides.destinationCommitId);
  const { commitId, treeId } = await mergeIntoBranch(ctx, repository, branchName, { ...sides, ...options });
  return { commitId, treeId };
}

/** Both commits, by the names that the caller has for them. */
async function sidesOf(ctx: Context, repository: RepositoryRow, input: MergeInput) {
  const { sourceCommitSpecifier: sourceName, destinationCommitSpecifier: destinationName } = input;
  return readRepository(ctx, repository, async (lease) => ({
    sourceCommitId: await resolveCommit(lease, sourceName),
    destinationCommitId: await resolveCommit(lease, destinationName),
    sourceName,
    destinationName,
  }));
}

/**
 * The branch that the merge shall move. Its tip must be the destination commit: anything else would lose commits.
 * @throws BranchNameRequiredException, BranchDoesNotExistException, BranchNameIsTagNameException,
 *   ConcurrentReferenceUpdateException
 */
async function requireTarget(
  ctx: Context,
  repository: RepositoryRow,
  input: MergeInput,
  destinationCommitId: string,
): Promise<string> {
  const name = targetNameOf(repository, input);
  const tip = await findRef(ctx, repository.id, branchRef(name));
  if (tip === undefined) {
    if ((await findRef(ctx, repository.id, `${TAGS}${name}`)) !== undefined) {
      throw fault(sdk.BranchNameIsTagNameException, `${name} is the name of a tag, not of a branch`);
    }
    if (input.targetBranch !== undefined) throw branchDoesNotExist(repository, name);
    throw fault(sdk.BranchNameRequiredException, 'A target branch is required: the destination is not a branch.');
  }
  if (tip.object_id !== destinationCommitId) throw concurrentUpdate(name);
  return name;
}

/** Short name of the branch that the merge is applied to: the destination, unless it is named by itself. */
function targetNameOf(repository: RepositoryRow | undefined, input: MergeInput): string {
  const { targetBranch, destinationCommitSpecifier: destination } = input;
  if (targetBranch !== undefined) return targetBranch;
  const name = destination === 'HEAD' ? (repository?.head ?? destination) : destination;
  if (name.startsWith(TAGS)) return name.slice(TAGS.length);
  return name.startsWith(BRANCHES) ? name.slice(BRANCHES.length) : name;
}

/** `conditions` of the operations that merge into a branch. */
async function targetReferences(input: MergeInput, ctx: Context): Promise<ConditionKeys> {
  const isHead = input.targetBranch === undefined && input.destinationCommitSpecifier === 'HEAD';
  const repository = isHead ? await findRepository(ctx, ctx, input.repositoryName) : undefined;
  return references([branchRef(targetNameOf(repository, input))]);
}

/**
 * `conditions` of the operations that are about a merge and move nothing: the branch or tag that the destination is named
 * by. A commit that is named by its id is no reference: then the key is not there.
 */
export async function destinationReferences(
  {
    repositoryName,
    destinationCommitSpecifier: name,
  }: Pick<MergeInput, 'repositoryName' | 'destinationCommitSpecifier'>,
  ctx: Context,
): Promise<ConditionKeys> {
  if (isObjectId(name)) return {};
  if (name.startsWith('refs/')) return references([name]);
  const repository = await findRepository(ctx, ctx, repositoryName);
  if (name === 'HEAD') return repository?.head == null ? {} : references([repository.head]);
  const has = async (ref: string) => repository !== undefined && (await findRef(ctx, repository.id, ref)) !== undefined;
  const isTag = !(await has(branchRef(name))) && (await has(`${TAGS}${name}`));
  return references([isTag ? `${TAGS}${name}` : branchRef(name)]);
}
