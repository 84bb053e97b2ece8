import * as sdk from '@aws-sdk/client-codecommit';
import { changeRepository } from '../../git/change.ts';
import { isGitFailure, printable } from '../../git/failure.ts';
import { formatCommit } from '../../git/object-format.ts';
import { ObjectWriter } from '../../git/object-writer.ts';
import type { ObjectReader } from '../../git/objects.ts';
import type { Lease, Repository } from '../../git/repository.ts';
import { editTree, type TreeEdit } from '../../git/tree-edit.ts';
import { STALE } from '../../git/truth.ts';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { isSubmodule } from './file-modes.ts';
import { BY_ID, gitFault, openRepository } from './git-cache.ts';
import { moveRefs } from './refs.ts';
import { checkCommitTexts, requireBranchName, requireParentCommitId } from './rules.ts';
import { BRANCHES, branchDoesNotExist, branchRef, TAGS } from './store.ts';
import type { RepositoryRow } from './tables.ts';

/** A commit that the API shall make at the tip of a branch. */
export interface CommitDraft {
  branchName: string;
  parentCommitId: string | undefined;
  name: string | undefined;
  email: string | undefined;
  /** Left out or empty, `plan` says it. */
  message: string | undefined;
}

/** What the new commit is made on. `tree` is null in an empty repository. */
export interface Base {
  objects: ObjectReader;
  /** Takes the contents of new files. */
  writer: ObjectWriter;
  tree: string | null;
}

/** What the new commit changes, and the message for it where the caller gave none. */
export interface EditPlan {
  edits: TreeEdit[];
  message: string;
}

export interface MadeCommit {
  commitId: string;
  treeId: string;
}

/**
 * Holds a draft by itself against AWS's rules, before anything is looked up.
 * @throws InvalidBranchNameException, InvalidParentCommitIdException, CommitMessageLengthExceededException and the like
 */
export function checkDraft({ branchName, parentCommitId, name, email, message }: CommitDraft): CommitDraft {
  requireBranchName(branchName);
  checkCommitTexts({ message, name, email });
  if (parentCommitId !== undefined) requireParentCommitId(parentCommitId);
  return { branchName, parentCommitId, name, email, message };
}

/**
 * Makes a commit of edits and moves the branch to it, on the same road as a push. Everything happens on objects, so a
 * link in the repository leads nowhere.
 * @param draft a checked one: {@link checkDraft}. @param plan looks at the base and says what to change; may fault.
 * @throws ParentCommitIdRequiredException, ParentCommitIdOutdatedException, ParentCommitDoesNotExistException,
 *   BranchDoesNotExistException, BranchNameIsTagNameException, NoChangeException, InvalidPathException and the like
 */
export async function commitToBranch(
  ctx: Context,
  row: RepositoryRow,
  draft: CommitDraft,
  plan: (base: Base) => Promise<EditPlan>,
): Promise<MadeCommit> {
  try {
    const repository = await openRepository(ctx, row.id);
    return await repository.read((lease) => makeCommit(ctx, row, repository, lease, draft, plan), BY_ID);
  } catch (error) {
    throw gitFault(error, row.name);
  }
}

async function makeCommit(
  ctx: Context,
  row: RepositoryRow,
  repository: Repository,
  lease: Lease,
  draft: CommitDraft,
  plan: (base: Base) => Promise<EditPlan>,
): Promise<MadeCommit> {
  const { objects } = lease;
  const parent = await requireParent(lease, row, draft);
  const tree = parent === null ? null : (await objects.commit(parent)).tree;
  const writer = new ObjectWriter();
  const { edits, message } = await plan({ objects, writer, tree });
  for (const { path } of edits) await requireOutsideSubmodules(objects, tree, path.toString());
  const treeId = await newTree(objects, writer, tree, edits);
  requireSmallFolders(writer);
  if (treeId === tree) throw fault(sdk.NoChangeException, 'The commit would change nothing.');
  const person = {
    name: draft.name || authorOf(ctx),
    email: draft.email ?? '',
    date: `${Math.floor(ctx.now().getTime() / 1000)} +0000`,
  };
  const commit = {
    tree: treeId,
    parents: parent === null ? [] : [parent],
    author: person,
    committer: person,
    message: draft.message || message,
  };
  const commitId = writer.add('commit', formatCommit(commit));
  await moveBranch(ctx, row, repository, writer, { name: branchRef(draft.branchName), from: parent, to: commitId });
  return { commitId, treeId };
}

/** AWS takes the caller's ARN where no name is given. */
export function authorOf({ caller }: Context): string {
  if ('arn' in caller) return caller.arn;
  return caller.type === 'AWSService' ? caller.service : 'anonymous';
}

/** The commit at the tip of the branch, held against what the caller believes; null for the first commit of all. */
async function requireParent(
  { state, objects }: Lease,
  row: RepositoryRow,
  draft: CommitDraft,
): Promise<string | null> {
  const { branchName, parentCommitId } = draft;
  const branch = state.refs.get(branchRef(branchName));
  if (branch === undefined) {
    if (state.refs.has(`${TAGS}${branchName}`)) {
      throw fault(sdk.BranchNameIsTagNameException, `${branchName} is the name of a tag, not of a branch`);
    }
    const isEmpty = ![...state.refs.keys()].some((name) => name.startsWith(BRANCHES));
    if (!isEmpty) throw branchDoesNotExist(row, branchName);
    if (parentCommitId === undefined) return null;
  }
  if (parentCommitId === undefined) {
    throw fault(sdk.ParentCommitIdRequiredException, `The parent commit ID is required: ${branchName} is not empty`);
  }
  if (parentCommitId === branch?.id) return parentCommitId;
  if (branch === undefined || (await objects.findInfo(parentCommitId))?.type !== 'commit') {
    throw fault(sdk.ParentCommitDoesNotExistException, `The parent commit ${parentCommitId} does not exist`);
  }
  throw outdated(branchName);
}

function outdated(branchName: string) {
  return fault(
    sdk.ParentCommitIdOutdatedException,
    `The parent commit ID is not the current tip of the branch ${branchName}`,
  );
}

/** @throws FilePathConflictsWithSubmodulePathException for a path at or below a submodule */
async function requireOutsideSubmodules(objects: ObjectReader, tree: string | null, path: string): Promise<void> {
  if (tree === null) return;
  const names = path.split('/');
  const found = await objects.findAlong(tree, names);
  const depth = found.findIndex(({ mode }) => isSubmodule(mode)) + 1;
  if (depth === 0) return;
  const at = names.slice(0, depth).join('/');
  throw fault(sdk.FilePathConflictsWithSubmodulePathException, `The path ${path} conflicts with the submodule ${at}`);
}

async function newTree(
  objects: ObjectReader,
  writer: ObjectWriter,
  tree: string | null,
  edits: readonly TreeEdit[],
): Promise<string> {
  try {
    return await editTree(objects, writer, tree, edits);
  } catch (error) {
    if (isGitFailure(error, 'path-is-folder')) {
      throw fault(sdk.FileNameConflictsWithDirectoryNameException, error.message);
    }
    if (isGitFailure(error, 'path-below-file')) {
      throw fault(sdk.DirectoryNameConflictsWithFileNameException, error.message);
    }
    if (isGitFailure(error, 'path-missing')) throw fault(sdk.FileDoesNotExistException, error.message);
    throw error;
  }
}

/** AWS's limit of a folder that a commit of the API changes: its own list of files, not what is in them. */
const MAX_FOLDER_BYTES = 6 * 1024 * 1024;

/** @throws FolderContentSizeLimitExceededException */
export function requireSmallFolders(writer: ObjectWriter): void {
  if (writer.largest('tree') <= MAX_FOLDER_BYTES) return;
  throw fault(
    sdk.FolderContentSizeLimitExceededException,
    'The commit would make a folder whose contents exceed 6 MB. Split the files across several folders.',
  );
}

async function moveBranch(
  ctx: Context,
  row: RepositoryRow,
  repository: Repository,
  writer: ObjectWriter,
  update: { name: string; from: string | null; to: string },
): Promise<void> {
  const refused = await changeRepository(repository, {
    updates: [update],
    atomic: true,
    pack: writer,
    commit: (change) => moveRefs(ctx, row.id, change),
    signal: ctx.signal,
  }).catch((error: unknown) => {
    // git's own checks found something in the new objects, such as a .gitmodules that would run commands.
    if (isGitFailure(error, 'pack-refused')) throw fault(sdk.InvalidPathException, printable(error.message));
    throw error;
  });
  const problem = refused.get(update.name);
  if (problem === undefined) return;
  if (problem === STALE) throw outdated(update.name.slice(BRANCHES.length));
  throw fault(sdk.InvalidBranchNameException, problem);
}
