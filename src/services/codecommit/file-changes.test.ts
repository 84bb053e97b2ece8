import assert from 'node:assert/strict';
import { readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '../../../test/harness.ts';
import { GitClient } from '../../git/harness.ts';
import { startWithRepository, workingCopy } from './harness.ts';

const app = { repositoryName: 'app' };
const main = { ...app, branchName: 'main' };
const bytes = (text: string) => Buffer.from(text);

async function seeded(t: TestContext) {
  const { server, alice } = await startWithRepository(t);
  const { codecommit } = alice;
  const first = await codecommit.putFile({ ...main, filePath: 'a/b.txt', fileContent: bytes('one') });
  return { server, alice, codecommit, first: first.commitId! };
}

test('the first file makes the branch and its commit, which git can clone', async (t) => {
  const { alice, codecommit, first } = await seeded(t);
  const clone = new GitClient(await temporaryFolder(t));
  await clone.run('clone', '-q', alice.remote('app'), '.');
  await clone.run('fsck', '--strict');
  assert.equal(await clone.run('rev-parse', 'main'), first);
  assert.equal(await clone.run('show', 'HEAD:a/b.txt'), 'one');
  const { commit } = await codecommit.getCommit({ ...app, commitId: first });
  assert.equal(commit!.author!.name, 'arn:aws:iam::123456789012:user/alice');
  assert.equal(commit!.author!.email, '');
  assert.match(commit!.author!.date!, /^\d+ \+0000$/);
  assert.equal(commit!.message, 'Added a/b.txt\n');
});

test('files are replaced, with message, author and mode', async (t) => {
  const { codecommit, first } = await seeded(t);
  const second = await codecommit.putFile({
    ...main,
    parentCommitId: first,
    filePath: '/a/b.txt',
    fileContent: bytes('two'),
    fileMode: 'EXECUTABLE',
    commitMessage: 'run it',
    name: 'Bob',
    email: 'bob@example.com',
  });
  const file = await codecommit.getFile({ ...app, filePath: 'a/b.txt' });
  assert.equal(file.blobId, second.blobId);
  assert.equal(file.fileMode, 'EXECUTABLE');
  const { commit } = await codecommit.getCommit({ ...app, commitId: second.commitId! });
  assert.equal(commit!.treeId, second.treeId);
  assert.deepEqual(commit!.parents, [first]);
  assert.equal(commit!.message, 'run it\n');
  assert.equal(commit!.committer!.name, 'Bob');
  const third = await codecommit.putFile({
    ...main,
    parentCommitId: second.commitId,
    filePath: 'a/b.txt',
    fileContent: bytes('three'),
  });
  const last = await codecommit.getFile({ ...app, filePath: 'a/b.txt' });
  assert.deepEqual([last.fileMode, last.fileSize, last.commitId], ['EXECUTABLE', 5, third.commitId]);
});

test('a file is deleted with its empty folders, or they are kept', async (t) => {
  const { codecommit, first } = await seeded(t);
  const kept = await codecommit.deleteFile({
    ...main,
    parentCommitId: first,
    filePath: 'a/b.txt',
    keepEmptyFolders: true,
  });
  assert.equal(kept.filePath, 'a/b.txt');
  const { files } = await codecommit.getFolder({ ...app, folderPath: 'a' });
  assert.deepEqual(
    files!.map(({ absolutePath }) => absolutePath),
    ['a/.gitkeep'],
  );
  await assert.rejects(
    codecommit.deleteFile({ ...main, parentCommitId: kept.commitId, filePath: 'a/.gitkeep', keepEmptyFolders: true }),
    { name: 'InvalidDeletionParameterException' },
  );
  await codecommit.deleteFile({ ...main, parentCommitId: kept.commitId, filePath: 'a/.gitkeep' });
  const root = await codecommit.getFolder({ ...app, folderPath: '/' });
  assert.deepEqual([root.subFolders, root.files], [[], []]);
});

test('each mistake with a change has its own fault, and changes nothing', async (t) => {
  const { codecommit, first, alice } = await seeded(t);
  const copy = await workingCopy(t, alice.remote('app'));
  await copy.run('fetch', '-q', 'origin');
  await copy.run('checkout', '-q', '-b', 'work', first);
  await copy.run('update-index', '--add', '--cacheinfo', `160000,${first},sub`);
  await copy.run('commit', '-q', '-m', 'sub');
  await copy.run('push', '-q', 'origin', 'work:main', 'work:refs/tags/v1');
  const tip = await copy.run('rev-parse', 'work');
  const file = { ...main, parentCommitId: tip, filePath: 'x', fileContent: bytes('x') };
  const gone = { ...main, parentCommitId: tip, filePath: 'a/b.txt' };
  const cases: [fault: string, call: () => Promise<unknown>][] = [
    ['RepositoryDoesNotExistException', () => codecommit.putFile({ ...file, repositoryName: 'none' })],
    ['BranchDoesNotExistException', () => codecommit.putFile({ ...file, branchName: 'none' })],
    ['BranchNameIsTagNameException', () => codecommit.putFile({ ...file, branchName: 'v1' })],
    ['BranchNameRequiredException', () => codecommit.putFile({ ...file, branchName: undefined })],
    ['ParentCommitIdRequiredException', () => codecommit.putFile({ ...file, parentCommitId: undefined })],
    ['ParentCommitIdOutdatedException', () => codecommit.putFile({ ...file, parentCommitId: first })],
    ['ParentCommitDoesNotExistException', () => codecommit.putFile({ ...file, parentCommitId: 'd'.repeat(40) })],
    ['InvalidParentCommitIdException', () => codecommit.putFile({ ...file, parentCommitId: 'main' })],
    ['SameFileContentException', () => codecommit.putFile({ ...file, filePath: 'a/b.txt', fileContent: bytes('one') })],
    ['FileNameConflictsWithDirectoryNameException', () => codecommit.putFile({ ...file, filePath: 'a' })],
    ['DirectoryNameConflictsWithFileNameException', () => codecommit.putFile({ ...file, filePath: 'a/b.txt/c' })],
    ['FilePathConflictsWithSubmodulePathException', () => codecommit.putFile({ ...file, filePath: 'sub' })],
    ['FilePathConflictsWithSubmodulePathException', () => codecommit.putFile({ ...file, filePath: 'sub/x' })],
    ['FileContentRequiredException', () => codecommit.putFile({ ...file, fileContent: undefined })],
    [
      'FileContentSizeLimitExceededException',
      () => codecommit.putFile({ ...file, fileContent: Buffer.alloc(6 * 1024 * 1024 + 1) }),
    ],
    ['PathRequiredException', () => codecommit.putFile({ ...file, filePath: undefined })],
    ['PathRequiredException', () => codecommit.putFile({ ...file, filePath: '/' })],
    ['InvalidPathException', () => codecommit.putFile({ ...file, filePath: '../x' })],
    ['InvalidFileModeException', () => codecommit.putFile({ ...file, fileMode: '0777' as never })],
    ['CommitMessageLengthExceededException', () => codecommit.putFile({ ...file, commitMessage: 'x'.repeat(300_000) })],
    ['NameLengthExceededException', () => codecommit.putFile({ ...file, name: 'x'.repeat(1_025) })],
    ['InvalidEmailException', () => codecommit.putFile({ ...file, email: 'x y' })],
    ['FileDoesNotExistException', () => codecommit.deleteFile({ ...gone, filePath: 'none' })],
    ['FileDoesNotExistException', () => codecommit.deleteFile({ ...gone, filePath: 'a' })],
    ['FileDoesNotExistException', () => codecommit.deleteFile({ ...gone, filePath: 'sub' })],
    ['ParentCommitIdRequiredException', () => codecommit.deleteFile({ ...gone, parentCommitId: undefined })],
    ['ParentCommitIdOutdatedException', () => codecommit.deleteFile({ ...gone, parentCommitId: first })],
  ];
  for (const [name, call] of cases) await assert.rejects(call as never, { name }, `${name}: ${call}`);
  assert.equal((await codecommit.getBranch({ ...main })).branch!.commitId, tip);
});

test('a file of 6 MB goes through', async (t) => {
  const { codecommit, first } = await seeded(t);
  const fileContent = Buffer.alloc(6 * 1024 * 1024, 'slipway');
  await codecommit.putFile({ ...main, parentCommitId: first, filePath: 'large', fileContent });
  const file = await codecommit.getFile({ ...app, filePath: 'large' });
  assert.ok(fileContent.equals(file.fileContent!));
});

test('G14: of many writers at the same tip one wins each round, and nothing is lost', async (t) => {
  const { codecommit } = await seeded(t);
  // Whoever loses tries again: the tries grow with the square of the writers.
  const [writers, rounds] = [5, 5] as const;
  let wins = 0;
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      for (let round = 0; round < rounds; ) {
        const { branch } = await codecommit.getBranch(main);
        const file = {
          ...main,
          parentCommitId: branch!.commitId,
          filePath: `w${writer}-${round}`,
          fileContent: bytes('x'),
        };
        try {
          await codecommit.putFile(file);
          wins += 1;
          round += 1;
        } catch (error) {
          assert.equal((error as Error).name, 'ParentCommitIdOutdatedException', (error as Error).message);
        }
      }
    }),
  );
  assert.equal(wins, writers * rounds);
  const { files } = await codecommit.getFolder({ ...app, folderPath: '/' });
  assert.equal(files!.length, writers * rounds);
});

test('G6: a link in the repository is data: nothing is written or read through it', async (t) => {
  const { codecommit, alice, server } = await seeded(t);
  const outside = await temporaryFolder(t);
  const copy = await workingCopy(t, alice.remote('app'));
  await copy.run('pull', '-q', 'origin', 'main');
  await symlink(outside, join(copy.folder, 'out'));
  await symlink(join(outside, 'target'), join(copy.folder, 'file'));
  await symlink('.git/hooks', join(copy.folder, 'hooks'));
  await copy.run('add', '-A');
  await copy.run('commit', '-q', '-m', 'links');
  await copy.run('push', '-q', 'origin', 'main');
  const parentCommitId = await copy.run('rev-parse', 'HEAD');
  const put = (filePath: string) => ({
    ...main,
    parentCommitId,
    filePath,
    fileContent: bytes('#!/bin/sh\ntouch owned\n'),
  });
  for (const filePath of ['out/owned', 'hooks/post-commit', 'hooks/pre-receive']) {
    await assert.rejects(codecommit.putFile(put(filePath)), { name: 'DirectoryNameConflictsWithFileNameException' });
    await assert.rejects(
      codecommit.createCommit({ ...main, parentCommitId, putFiles: [{ filePath, fileContent: bytes('x') }] }),
      { name: 'DirectoryNameConflictsWithFileNameException' },
    );
    await assert.rejects(codecommit.getFile({ ...app, filePath }), { name: 'FileDoesNotExistException' });
  }
  // At the very path of the link, the link itself is replaced.
  await codecommit.putFile(put('file'));
  assert.equal((await codecommit.getFile({ ...app, filePath: 'file' })).fileMode, 'NORMAL');
  assert.deepEqual(await readdir(outside), []);
  const caches = await readdir(join(server.config.data, 'cache', 'git', 'repositories'), { recursive: true });
  assert.deepEqual(
    caches.filter((name) => name.includes('owned') || name.includes('hooks/')),
    [],
  );
});

test('G5: hostile trees are refused through the API', async (t) => {
  const { codecommit, first } = await seeded(t);
  const names = [
    '.git/config',
    '.GIT/hooks/pre-commit',
    'git~1/x',
    '.g\u200cit/x',
    '.git /x',
    '.git::$INDEX_ALLOCATION/x',
    'a/../../x',
    '..',
    '.',
    'a//b',
    '..\\x',
    'a\x1b[2J',
    'a\nb',
    'x'.repeat(4_200),
  ];
  for (const filePath of names) {
    const invalid = { name: 'InvalidPathException' };
    const fileContent = bytes('x');
    await assert.rejects(
      codecommit.putFile({ ...main, parentCommitId: first, filePath, fileContent }),
      invalid,
      filePath,
    );
    const putFiles = [{ filePath, fileContent }];
    await assert.rejects(codecommit.createCommit({ ...main, parentCommitId: first, putFiles }), invalid, filePath);
    const moved = [{ filePath, sourceFile: { filePath: 'a/b.txt', isMove: true } }];
    await assert.rejects(
      codecommit.createCommit({ ...main, parentCommitId: first, putFiles: moved }),
      invalid,
      filePath,
    );
  }
  const modules: [name: string, content: string, mode?: 'SYMLINK'][] = [
    ['a link', 'elsewhere', 'SYMLINK'],
    ['an option as url', '[submodule "x"]\n\tpath = x\n\turl = -u./payload\n'],
    ['an option as path', '[submodule "x"]\n\tpath = -x\n\turl = https://example.com/x\n'],
    ['a name that climbs', '[submodule "../x"]\n\tpath = x\n\turl = https://example.com/x\n'],
    ['a command as update', '[submodule "x"]\n\tpath = x\n\turl = https://example.com/x\n\tupdate = !touch owned\n'],
  ];
  for (const [name, content, fileMode] of modules) {
    await assert.rejects(
      codecommit.putFile({
        ...main,
        parentCommitId: first,
        filePath: '.gitmodules',
        fileContent: bytes(content),
        fileMode,
      }),
      { name: 'InvalidPathException' },
      name,
    );
  }
  assert.equal((await codecommit.getBranch(main)).branch!.commitId, first);
});
