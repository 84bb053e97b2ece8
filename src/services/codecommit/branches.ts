import * as sdk from '@aws-sdk/client-codecommit';
import { hasCommit } from '../../git/history.ts';
import { STALE } from '../../git/truth.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { readRepository } from './git-cache.ts';
import { moveRefs, touch } from './refs.ts';
import { invalidToken } from './repositories.ts';
import { branchReferences, ofRepository } from './resources.ts';
import { requireBranchName, requireCommitId } from './rules.ts';
import { AFTER_BRANCHES, BRANCHES, branchByName, branchRef, findRef, repositoryByName } from './store.ts';
import { tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS does not say how many branches a page holds. */
const PAGE = 1_000;

/** Makes a branch at a commit; the default branch stays what it is. */
export const CreateBranch: Op<'CreateBranch'> = {
  resource: ofRepository,
  conditions: branchReferences,
  async handle({ repositoryName, branchName, commitId }, ctx) {
    requireBranchName(branchName);
    requireCommitId(commitId);
    const row = await repositoryByName(ctx, ctx, repositoryName);
    const update = { name: branchRef(branchName), from: null, to: commitId, peeled: null, forced: false };
    const refused = await readRepository(ctx, row, async ({ objects, state: { collections } }) => {
      if (await hasCommit(objects, commitId)) {
        return moveRefs(ctx, row.id, { updates: [update], atomic: true, pack: null, collections });
      }
      throw fault(sdk.CommitDoesNotExistException, `Commit ${commitId} does not exist in repository ${repositoryName}`);
    });
    const problem = refused.get(update.name);
    if (problem === STALE) {
      throw fault(sdk.BranchNameExistsException, `Branch ${branchName} already exists in repository ${repositoryName}`);
    }
    if (problem !== undefined) throw fault(sdk.InvalidBranchNameException, problem);
    return {};
  },
};

export const GetBranch: Op<'GetBranch'> = {
  resource: ofRepository,
  async handle({ repositoryName, branchName }, ctx) {
    if (repositoryName === undefined)
      throw fault(sdk.RepositoryNameRequiredException, 'A repository name is required.');
    if (branchName === undefined) throw fault(sdk.BranchNameRequiredException, 'A branch name is required.');
    requireBranchName(branchName);
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    const { object_id: commitId } = await branchByName(ctx, repository, branchName);
    return { branch: { branchName, commitId } };
  },
};

/** Lists by name. */
export const ListBranches: Op<'ListBranches'> = {
  resource: ofRepository,
  async handle({ repositoryName, nextToken }, ctx) {
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    const scope = `ListBranches ${repository.id}`;
    const after = cursorOf<string>(ctx, scope, nextToken, invalidToken) ?? BRANCHES;
    const rows = await tables(ctx)
      .selectFrom('codecommit_refs')
      .select('name')
      .where('repository_id', '=', repository.id)
      .where('name', '>', after)
      .where('name', '<', AFTER_BRANCHES)
      .orderBy('name')
      .limit(PAGE + 1)
      .execute();
    const { items, token } = page(ctx, scope, rows, PAGE, ({ name }) => name);
    return { branches: items.map(({ name }) => name.slice(BRANCHES.length)), nextToken: token };
  },
};

/** Deletes a branch that is not the default one; one that does not exist is fine. */
export const DeleteBranch: Op<'DeleteBranch'> = {
  resource: ofRepository,
  conditions: branchReferences,
  async handle({ repositoryName, branchName }, ctx) {
    requireBranchName(branchName);
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    const name = branchRef(branchName);
    for (;;) {
      const { head } = await repositoryByName(ctx, ctx, repositoryName);
      if (name === head) {
        throw fault(
          sdk.DefaultBranchCannotBeDeletedException,
          `${branchName} is the default branch of ${repositoryName}`,
        );
      }
      const branch = await findRef(ctx, repository.id, name);
      if (branch === undefined) return {};
      const commitId = branch.object_id;
      const update = { name, from: commitId, to: null, peeled: null, forced: false };
      const refused = await moveRefs(ctx, repository.id, {
        updates: [update],
        atomic: true,
        pack: null,
        collections: null,
      });
      if (refused.size === 0) return { deletedBranch: { branchName, commitId } };
      // Somebody moved it, or made it the default, between the look and the transaction: look again.
    }
  },
};

export const UpdateDefaultBranch: Op<'UpdateDefaultBranch'> = {
  resource: ofRepository,
  async handle({ repositoryName, defaultBranchName }, ctx) {
    requireBranchName(defaultBranchName);
    await ctx.tx(async (tx) => {
      const repository = await repositoryByName(tx, ctx, repositoryName);
      const { name } = await branchByName(tx, repository, defaultBranchName);
      if (name !== repository.head) await touch(tx, repository, name, ctx.now());
    });
    return {};
  },
};
