import * as sdk from '@aws-sdk/client-codecommit';
import { isFolder } from '../../git/object-format.ts';
import type { PathEntry } from '../../git/objects.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { type Base, checkDraft, commitToBranch } from './branch-commits.ts';
import { fileModeOf, gitMode, isSubmodule } from './file-modes.ts';
import { keptFolders } from './kept-folders.ts';
import { branchReferences, ofRepository } from './resources.ts';
import { filePathOf, newFilePathOf, requireFileSize } from './rules.ts';
import { repositoryByName } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Adds or replaces one file. In an empty repository this makes the branch. */
export const PutFile: Op<'PutFile'> = {
  resource: ofRepository,
  conditions: branchReferences,
  async handle(input, ctx) {
    const { branchName, parentCommitId, name, email, commitMessage: message, fileContent, fileMode } = input;
    const path = newFilePathOf(input.filePath);
    if (fileContent.byteLength === 0) {
      throw fault(sdk.FileContentRequiredException, 'The file is empty. Empty files cannot be added with this API.');
    }
    requireFileSize(fileContent);
    const draft = checkDraft({ branchName, parentCommitId, name, email, message });
    const repository = await repositoryByName(ctx, ctx, input.repositoryName);
    let blobId = '';
    const made = await commitToBranch(ctx, repository, draft, async (base) => {
      const before = await findFile(base, path);
      blobId = base.writer.add('blob', fileContent);
      const entry = { mode: modeFor(fileMode, before), id: blobId };
      if (before?.id === entry.id && fileModeOf(before.mode) === fileModeOf(entry.mode)) {
        throw fault(sdk.SameFileContentException, `The file ${path} has this very content already`);
      }
      return { edits: [{ path, entry }], message: `${before === null ? 'Added' : 'Edited'} ${path}` };
    });
    return { ...made, blobId };
  },
};

/** Deletes one file, and the folders that become empty with it unless they shall be kept. */
export const DeleteFile: Op<'DeleteFile'> = {
  resource: ofRepository,
  conditions: branchReferences,
  async handle(input, ctx) {
    const { branchName, parentCommitId, name, email, commitMessage: message, keepEmptyFolders = false } = input;
    const path = filePathOf(input.filePath);
    const draft = checkDraft({ branchName, parentCommitId, name, email, message });
    const repository = await repositoryByName(ctx, ctx, input.repositoryName);
    let blobId = '';
    const made = await commitToBranch(ctx, repository, draft, async (base) => {
      const before = await fileByPath(base, path);
      blobId = before.id;
      const edits = [{ path, entry: null }];
      const kept = keepEmptyFolders ? await keptFolders(base, edits) : [];
      return { edits: [...edits, ...kept], message: `Deleted ${path}` };
    });
    return { ...made, blobId, filePath: path };
  },
};

/** What stands at the path, if it is a file (or a link). */
export async function findFile({ objects, tree }: Base, path: string): Promise<PathEntry | null> {
  const entry = tree === null ? null : await objects.findPath(tree, path);
  return entry === null || isFolder(entry.mode) || isSubmodule(entry.mode) ? null : entry;
}

/** @throws FileDoesNotExistException */
export async function fileByPath(base: Base, path: string): Promise<PathEntry> {
  const entry = await findFile(base, path);
  if (entry === null) throw fault(sdk.FileDoesNotExistException, `The file ${path} does not exist`);
  return entry;
}

/** The mode that was asked for; else an executable file stays one, and anything else becomes a plain file. */
export function modeFor(asked: sdk.FileModeTypeEnum | undefined, before: PathEntry | null): string {
  if (asked !== undefined) return gitMode(asked);
  return gitMode(before !== null && fileModeOf(before.mode) === 'EXECUTABLE' ? 'EXECUTABLE' : 'NORMAL');
}
