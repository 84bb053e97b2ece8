import * as sdk from '@aws-sdk/client-codecommit';
import { isGitFailure } from '../../git/failure.ts';
import { isFolder } from '../../git/object-format.ts';
import type { ObjectReader } from '../../git/objects.ts';
import { isObjectId } from '../../git/ref-name.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { fileModeOf, isSubmodule } from './file-modes.ts';
import { readRepository } from './git-cache.ts';
import { ofRepository } from './resources.ts';
import { filePathOf, gitPath, MAX_FILE_BYTES } from './rules.ts';
import { requireSpecifier, resolveCommit } from './specifiers.ts';
import { repositoryByName } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** A file of a commit with its content. A link is a file whose content is its target. */
export const GetFile: Op<'GetFile'> = {
  resource: ofRepository,
  async handle({ repositoryName, commitSpecifier, filePath }, ctx) {
    const path = filePathOf(filePath);
    requireSpecifier(commitSpecifier);
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    return readRepository(ctx, repository, async (lease) => {
      const commitId = await resolveCommit(lease, commitSpecifier);
      const { tree } = await lease.objects.commit(commitId);
      const entry = await lease.objects.findPath(tree, path);
      if (entry === null || isFolder(entry.mode) || isSubmodule(entry.mode)) {
        throw fault(sdk.FileDoesNotExistException, `The file ${path} does not exist in commit ${commitId}`);
      }
      const fileContent = await contentOf(lease.objects, entry.id);
      const fileMode = fileModeOf(entry.mode);
      return { commitId, blobId: entry.id, filePath: path, fileMode, fileSize: fileContent.length, fileContent };
    });
  },
};

/** What stands in a folder of a commit, by kind. `/` is the root. */
export const GetFolder: Op<'GetFolder'> = {
  resource: ofRepository,
  async handle({ repositoryName, commitSpecifier, folderPath }, ctx) {
    const path = gitPath(folderPath);
    requireSpecifier(commitSpecifier);
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    return readRepository(ctx, repository, async (lease) => {
      const commitId = await resolveCommit(lease, commitSpecifier);
      const { tree } = await lease.objects.commit(commitId);
      const folder = await lease.objects.findPath(tree, path);
      if (folder === null || !isFolder(folder.mode)) {
        throw fault(sdk.FolderDoesNotExistException, `The folder ${path} does not exist in commit ${commitId}`);
      }
      return { commitId, folderPath: path, treeId: folder.id, ...(await listFolder(lease.objects, folder.id, path)) };
    });
  },
};

async function listFolder(objects: ObjectReader, treeId: string, path: string) {
  const subFolders: sdk.Folder[] = [];
  const files: sdk.File[] = [];
  const symbolicLinks: sdk.SymbolicLink[] = [];
  const subModules: sdk.SubModule[] = [];
  for (const { name, mode, id } of await objects.tree(treeId)) {
    const place = { absolutePath: path === '' ? name : `${path}/${name}`, relativePath: name };
    if (isFolder(mode)) subFolders.push({ treeId: id, ...place });
    else if (isSubmodule(mode)) subModules.push({ commitId: id, ...place });
    else {
      const fileMode = fileModeOf(mode);
      (fileMode === 'SYMLINK' ? symbolicLinks : files).push({ blobId: id, ...place, fileMode });
    }
  }
  return { subFolders, files, symbolicLinks, subModules };
}

/** The content of a blob, whichever commit it belongs to. */
export const GetBlob: Op<'GetBlob'> = {
  resource: ofRepository,
  async handle({ repositoryName, blobId }, ctx) {
    requireBlobId(blobId);
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    return readRepository(ctx, repository, async ({ objects }) => {
      await requireBlob(objects, blobId, repositoryName);
      return { content: await contentOf(objects, blobId) };
    });
  },
};

/** @throws InvalidBlobIdException */
export function requireBlobId(blobId: string): void {
  if (!isObjectId(blobId)) throw fault(sdk.InvalidBlobIdException, 'The blob ID is not valid.');
}

/** @throws BlobIdDoesNotExistException */
export async function requireBlob(objects: ObjectReader, blobId: string, repositoryName: string): Promise<void> {
  if ((await objects.findInfo(blobId))?.type === 'blob') return;
  throw fault(sdk.BlobIdDoesNotExistException, `The blob ${blobId} does not exist in ${repositoryName}`);
}

/** @throws FileTooLargeException beyond 6 MB */
export async function contentOf(objects: ObjectReader, blobId: string): Promise<Buffer> {
  try {
    return await objects.blob(blobId, MAX_FILE_BYTES);
  } catch (error) {
    if (!isGitFailure(error, 'object-too-large')) throw error;
    throw fault(sdk.FileTooLargeException, 'The file is larger than 6 MB; use a Git client to read it.');
  }
}
