import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startWithRepository } from './harness.ts';

const app = { repositoryName: 'app' };
const main = { ...app, branchName: 'main' };
const bytes = (text: string) => Buffer.from(text);

async function seeded(t: TestContext) {
  const { server } = await startWithRepository(t);
  const { codecommit } = server.root_;
  const made = await codecommit.createCommit({
    ...main,
    putFiles: [
      { filePath: 'a/one', fileContent: bytes('1') },
      { filePath: 'a/two', fileContent: bytes('2'), fileMode: 'EXECUTABLE' },
      { filePath: 'b/.gitkeep', fileContent: bytes('') },
    ],
  });
  const paths = async (folderPath: string) =>
    (await codecommit.getFolder({ ...app, folderPath })).files!.map(({ absolutePath }) => absolutePath);
  return { server, codecommit, first: made, parentCommitId: made.commitId!, paths };
}

test('one commit adds, replaces, copies, moves and deletes', async (t) => {
  const { codecommit, first, parentCommitId, paths } = await seeded(t);
  assert.deepEqual(
    first.filesAdded!.map(({ absolutePath, fileMode }) => [absolutePath, fileMode]),
    [
      ['a/one', 'NORMAL'],
      ['a/two', 'EXECUTABLE'],
      ['b/.gitkeep', 'NORMAL'],
    ],
  );
  const made = await codecommit.createCommit({
    ...main,
    parentCommitId,
    authorName: 'Bob',
    email: 'bob@example.com',
    commitMessage: 'all at once',
    putFiles: [
      { filePath: 'a/one', fileContent: bytes('changed') },
      { filePath: 'c/copy', sourceFile: { filePath: 'a/one' } },
      { filePath: 'c/moved', sourceFile: { filePath: 'a/two', isMove: true } },
      { filePath: 'new', fileContent: bytes('n') },
    ],
    deleteFiles: [{ filePath: 'b/.gitkeep' }],
  });
  const names = (files: typeof made.filesAdded) => files!.map(({ absolutePath }) => absolutePath);
  assert.deepEqual(names(made.filesAdded), ['c/copy', 'c/moved', 'new']);
  assert.deepEqual(names(made.filesUpdated), ['a/one']);
  assert.deepEqual(names(made.filesDeleted), ['a/two', 'b/.gitkeep']);
  assert.deepEqual(await paths('a'), ['a/one']);
  assert.deepEqual(await paths('c'), ['c/copy', 'c/moved']);
  await assert.rejects(codecommit.getFolder({ ...app, folderPath: 'b' }), { name: 'FolderDoesNotExistException' });
  // A copy is made of the parent commit's file.
  const copy = await codecommit.getFile({ ...app, filePath: 'c/copy' });
  assert.equal(Buffer.from(copy.fileContent!).toString(), '1');
  assert.equal((await codecommit.getFile({ ...app, filePath: 'c/moved' })).fileMode, 'EXECUTABLE');
  const { commit } = await codecommit.getCommit({ ...app, commitId: made.commitId! });
  assert.equal(commit!.message, 'all at once\n');
  assert.equal(commit!.treeId, made.treeId);
  assert.equal(commit!.author!.email, 'bob@example.com');
});

test('a file makes room for a folder in one commit, modes change, and empty folders are kept if asked', async (t) => {
  const { codecommit, parentCommitId, paths } = await seeded(t);
  const second = await codecommit.createCommit({
    ...main,
    parentCommitId,
    keepEmptyFolders: true,
    putFiles: [{ filePath: 'x/y', fileContent: bytes('deep') }],
    deleteFiles: [{ filePath: 'a/one' }, { filePath: 'a/two' }],
  });
  assert.deepEqual(await paths('a'), ['a/.gitkeep']);
  const third = await codecommit.createCommit({
    ...main,
    parentCommitId: second.commitId,
    putFiles: [{ filePath: 'x/y/z', fileContent: bytes('deeper') }],
    deleteFiles: [{ filePath: 'x/y' }],
  });
  assert.deepEqual(await paths('x/y'), ['x/y/z']);
  const fourth = await codecommit.createCommit({
    ...main,
    parentCommitId: third.commitId,
    setFileModes: [{ filePath: 'x/y/z', fileMode: 'EXECUTABLE' }],
  });
  assert.deepEqual(
    fourth.filesUpdated!.map(({ fileMode }) => fileMode),
    ['EXECUTABLE'],
  );
  assert.equal((await codecommit.getFile({ ...app, filePath: 'x/y/z' })).fileMode, 'EXECUTABLE');
});

test('each mistake with a commit has its own fault, and changes nothing', async (t) => {
  const { codecommit, parentCommitId } = await seeded(t);
  const commit = { ...main, parentCommitId };
  const put = (filePath: string, text = 'x') => ({ filePath, fileContent: bytes(text) });
  const cases: [fault: string, input: object][] = [
    ['FileEntryRequiredException', {}],
    ['MaximumFileEntriesExceededException', { putFiles: Array.from({ length: 101 }, (_, n) => put(`f${n}`)) }],
    ['NoChangeException', { putFiles: [put('a/one', '1')] }],
    ['NoChangeException', { setFileModes: [{ filePath: 'a/two', fileMode: 'EXECUTABLE' }] }],
    ['SamePathRequestException', { putFiles: [put('x'), put('x', 'y')] }],
    ['SamePathRequestException', { putFiles: [put('/x'), put('x/', 'y')] }],
    ['SamePathRequestException', { putFiles: [put('a/one')], deleteFiles: [{ filePath: 'a/one' }] }],
    [
      'SamePathRequestException',
      {
        deleteFiles: [{ filePath: 'a/one' }],
        putFiles: [{ filePath: 'z', sourceFile: { filePath: 'a/one', isMove: true } }],
      },
    ],
    ['PutFileEntryConflictException', { putFiles: [put('x'), put('x/y')] }],
    ['SourceFileOrContentRequiredException', { putFiles: [{ filePath: 'x' }] }],
    ['FileContentAndSourceFileSpecifiedException', { putFiles: [{ ...put('x'), sourceFile: { filePath: 'a/one' } }] }],
    ['RestrictedSourceFileException', { putFiles: [{ filePath: 'x', sourceFile: { filePath: 'b/.gitkeep' } }] }],
    ['FileDoesNotExistException', { putFiles: [{ filePath: 'x', sourceFile: { filePath: 'none' } }] }],
    ['FileDoesNotExistException', { deleteFiles: [{ filePath: 'none' }] }],
    ['FileDoesNotExistException', { deleteFiles: [{ filePath: 'a' }] }],
    ['FileDoesNotExistException', { setFileModes: [{ filePath: 'none', fileMode: 'NORMAL' }] }],
    ['FileModeRequiredException', { setFileModes: [{ filePath: 'a/one' }] }],
    ['InvalidFileModeException', { setFileModes: [{ filePath: 'a/one', fileMode: 'SYMLINK' }] }],
    ['InvalidFileModeException', { putFiles: [{ ...put('x'), fileMode: 'x' }] }],
    ['PathRequiredException', { deleteFiles: [{}] }],
    ['PathRequiredException', { putFiles: [put('/')] }],
    ['InvalidPathException', { putFiles: [put('.git/hooks/x')] }],
    ['FileNameConflictsWithDirectoryNameException', { putFiles: [put('a')] }],
    ['DirectoryNameConflictsWithFileNameException', { putFiles: [put('a/one/x')] }],
    [
      'FileContentSizeLimitExceededException',
      { putFiles: [{ filePath: 'x', fileContent: Buffer.alloc(6 * 1024 * 1024 + 1) }] },
    ],
    ['BranchDoesNotExistException', { branchName: 'none', putFiles: [put('x')] }],
    ['ParentCommitIdRequiredException', { parentCommitId: undefined, putFiles: [put('x')] }],
    ['ParentCommitDoesNotExistException', { parentCommitId: 'e'.repeat(40), putFiles: [put('x')] }],
    ['InvalidDeletionParameterException', { keepEmptyFolders: true, deleteFiles: [{ filePath: 'b/.gitkeep' }] }],
  ];
  for (const [name, input] of cases) {
    await assert.rejects(
      codecommit.createCommit({ ...commit, ...input }),
      { name },
      `${name}: ${JSON.stringify(input).slice(0, 200)}`,
    );
  }
  assert.equal((await codecommit.getBranch(main)).branch!.commitId, parentCommitId);
});
