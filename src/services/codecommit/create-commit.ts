import * as sdk from '@aws-sdk/client-codecommit';
import type { PathEntry } from '../../git/objects.ts';
import type { TreeEdit } from '../../git/tree-edit.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { type Base, checkDraft, commitToBranch } from './branch-commits.ts';
import { fileByPath, findFile, modeFor } from './file-changes.ts';
import { fileModeOf, gitMode } from './file-modes.ts';
import { isKeeper, keptFolders } from './kept-folders.ts';
import { branchReferences, ofRepository } from './resources.ts';
import { filePathOf, newFilePathOf, requireCombinedSize, requireFileSize } from './rules.ts';
import { repositoryByName } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS's limit of entries in one commit. */
const MAX_ENTRIES = 100;

/** One file that the commit changes, with clean paths. */
type FileEntry =
  | { kind: 'put'; path: string; content: Uint8Array; mode: sdk.FileModeTypeEnum | undefined }
  | { kind: 'copy'; path: string; source: string; isMove: boolean; mode: sdk.FileModeTypeEnum | undefined }
  | { kind: 'delete'; path: string }
  | { kind: 'mode'; path: string; mode: sdk.FileModeTypeEnum };

interface Changes {
  filesAdded: sdk.FileMetadata[];
  filesUpdated: sdk.FileMetadata[];
  filesDeleted: sdk.FileMetadata[];
}

/** Adds, replaces, copies, moves and deletes files in one commit. In an empty repository this makes the branch. */
export const CreateCommit: Op<'CreateCommit'> = {
  resource: ofRepository,
  conditions: branchReferences,
  async handle(input, ctx) {
    const { branchName, parentCommitId, authorName: name, email, commitMessage: message } = input;
    const entries = entriesOf(input);
    const draft = checkDraft({ branchName, parentCommitId, name, email, message });
    const repository = await repositoryByName(ctx, ctx, input.repositoryName);
    let changes = noChanges();
    const made = await commitToBranch(ctx, repository, draft, async (base) => {
      changes = noChanges();
      const edits: TreeEdit[] = [];
      for (const entry of entries) edits.push(...(await editsOf(base, entry, changes)));
      const kept = input.keepEmptyFolders === true ? await keptFolders(base, edits) : [];
      for (const { path, entry } of kept) changes.filesAdded.push(metadata(path.toString(), entry!));
      return { edits: [...edits, ...kept], message: `Changed ${summary(entries)}` };
    });
    return { ...made, ...changes };
  },
};

function noChanges(): Changes {
  return { filesAdded: [], filesUpdated: [], filesDeleted: [] };
}

function summary(entries: readonly FileEntry[]): string {
  return entries.length === 1 ? entries[0]!.path : `${entries.length} files`;
}

/** Checks the request by itself. @throws the faults of CreateCommit about entries */
function entriesOf(input: sdk.CreateCommitCommandInput): FileEntry[] {
  const { putFiles = [], deleteFiles = [], setFileModes = [] } = input;
  const entries: FileEntry[] = [
    ...putFiles.map(putEntry),
    ...deleteFiles.map(({ filePath }) => ({ kind: 'delete' as const, path: filePathOf(filePath ?? '') })),
    ...setFileModes.map(({ filePath, fileMode }) => {
      const mode = plainMode(fileMode)!;
      return { kind: 'mode' as const, path: filePathOf(filePath ?? ''), mode };
    }),
  ];
  if (entries.length === 0) throw fault(sdk.FileEntryRequiredException, 'At least one file must be changed.');
  if (entries.length > MAX_ENTRIES) {
    throw fault(sdk.MaximumFileEntriesExceededException, `At most ${MAX_ENTRIES} files can be changed in one commit.`);
  }
  requireDistinctPaths(entries);
  requireCombinedSize(entries.flatMap((entry) => (entry.kind === 'put' ? [entry.content] : [])));
  return entries;
}

function putEntry({ filePath, fileContent, fileMode, sourceFile }: sdk.PutFileEntry): FileEntry {
  const path = newFilePathOf(filePath ?? '');
  const mode = plainMode(fileMode);
  if (fileContent !== undefined && sourceFile !== undefined) {
    throw fault(sdk.FileContentAndSourceFileSpecifiedException, `Both content and a source file are given for ${path}`);
  }
  if (fileContent !== undefined) {
    requireFileSize(fileContent);
    return { kind: 'put', path, content: fileContent, mode };
  }
  if (sourceFile === undefined) {
    throw fault(sdk.SourceFileOrContentRequiredException, `Neither content nor a source file is given for ${path}`);
  }
  const source = filePathOf(sourceFile.filePath ?? '');
  if (isKeeper(source)) throw fault(sdk.RestrictedSourceFileException, `${source} cannot be copied or moved`);
  return { kind: 'copy', path, source, isMove: sourceFile.isMove === true, mode };
}

/** A file cannot be made a link by its mode. */
function plainMode(mode: sdk.FileModeTypeEnum | undefined): sdk.FileModeTypeEnum | undefined {
  if (mode === 'SYMLINK') throw fault(sdk.InvalidFileModeException, 'The file mode must be EXECUTABLE or NORMAL.');
  return mode;
}

/** @throws SamePathRequestException, PutFileEntryConflictException */
function requireDistinctPaths(entries: readonly FileEntry[]): void {
  const seen = new Set<string>();
  const take = (path: string) => {
    if (seen.has(path)) throw fault(sdk.SamePathRequestException, `The path ${path} is changed more than once`);
    seen.add(path);
  };
  for (const entry of entries) {
    take(entry.path);
    if (entry.kind === 'copy' && entry.isMove) take(entry.source);
  }
  const written = new Set(entries.filter(({ kind }) => kind === 'put' || kind === 'copy').map(({ path }) => path));
  for (const path of written) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const folder = path.slice(0, at);
      if (!written.has(folder)) continue;
      throw fault(sdk.PutFileEntryConflictException, `${folder} would be both a file and a folder`);
    }
  }
}

/** The edits of one entry; what they change is noted in `changes`. */
async function editsOf(base: Base, entry: FileEntry, changes: Changes): Promise<TreeEdit[]> {
  const { path } = entry;
  if (entry.kind === 'delete') {
    changes.filesDeleted.push(metadata(path, await fileByPath(base, path)));
    return [{ path, entry: null }];
  }
  if (entry.kind === 'mode') {
    const file = await fileByPath(base, path);
    return [note(path, file, { mode: gitMode(entry.mode), id: file.id }, changes)];
  }
  const before = await findFile(base, path);
  if (entry.kind === 'put') {
    const id = base.writer.add('blob', entry.content);
    return [note(path, before, { mode: modeFor(entry.mode, before), id }, changes)];
  }
  const source = await fileByPath(base, entry.source);
  const mode = entry.mode === undefined ? source.mode : gitMode(entry.mode);
  const edit = note(path, before, { mode, id: source.id }, changes);
  if (!entry.isMove) return [edit];
  changes.filesDeleted.push(metadata(entry.source, source));
  return [edit, { path: entry.source, entry: null }];
}

function note(path: string, before: PathEntry | null, after: PathEntry, changes: Changes): TreeEdit {
  if (before === null) changes.filesAdded.push(metadata(path, after));
  else if (before.id !== after.id || before.mode !== after.mode) changes.filesUpdated.push(metadata(path, after));
  return { path, entry: after };
}

function metadata(path: string, { id, mode }: PathEntry): sdk.FileMetadata {
  return { absolutePath: path, blobId: id, fileMode: fileModeOf(mode) };
}
