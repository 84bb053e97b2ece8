import assert from 'node:assert/strict';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startWithRepository, workingCopy } from './harness.ts';

const app = { repositoryName: 'app' };

/** A repository with every kind of entry, pushed by git. */
async function seeded(t: TestContext) {
  const { server, alice } = await startWithRepository(t);
  const copy = await workingCopy(t, alice.remote('app'));
  await copy.commitFile('first.txt', 'first\n');
  const first = await copy.run('rev-parse', 'HEAD');
  await writeFile(join(copy.folder, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  await symlink('../../etc/passwd', join(copy.folder, 'link'));
  await copy.run('update-index', '--add', '--cacheinfo', `160000,${first},sub`);
  const inner = await copy.feed('deep\n', 'hash-object', '-w', '--stdin');
  await copy.run('update-index', '--add', '--cacheinfo', `100644,${inner},folder/inner/ä b.txt`);
  await copy.run('add', 'run.sh', 'link');
  await copy.run('commit', '-q', '-m', 'everything', '-m', 'with a body');
  await copy.run('tag', '-a', 'v1', '-m', 'one');
  await copy.run('push', '-q', 'origin', 'main', 'v1');
  return { server, copy, codecommit: server.root_.codecommit, first, head: await copy.run('rev-parse', 'HEAD') };
}

test('files come back byte for byte, by every way to name a commit', async (t) => {
  const { codecommit, first, head } = await seeded(t);
  for (const commitSpecifier of [undefined, 'HEAD', 'main', 'refs/heads/main', 'v1', 'refs/tags/v1', head]) {
    const file = await codecommit.getFile({ ...app, commitSpecifier, filePath: '/folder/inner/ä b.txt' });
    assert.equal(Buffer.from(file.fileContent!).toString(), 'deep\n');
    assert.equal(file.commitId, head);
    assert.equal(file.filePath, 'folder/inner/ä b.txt');
    assert.equal(file.fileSize, 5);
    assert.equal(file.fileMode, 'NORMAL');
  }
  assert.equal((await codecommit.getFile({ ...app, filePath: 'run.sh' })).fileMode, 'EXECUTABLE');
  const link = await codecommit.getFile({ ...app, filePath: 'link' });
  assert.equal(link.fileMode, 'SYMLINK');
  assert.equal(Buffer.from(link.fileContent!).toString(), '../../etc/passwd');
  await assert.rejects(codecommit.getFile({ ...app, commitSpecifier: first, filePath: 'run.sh' }), {
    name: 'FileDoesNotExistException',
  });
});

test('a folder shows what it holds by kind', async (t) => {
  const { codecommit, copy, first, head } = await seeded(t);
  const root = await codecommit.getFolder({ ...app, folderPath: '/' });
  assert.equal(root.commitId, head);
  assert.equal(root.folderPath, '');
  assert.equal(root.treeId, await copy.run('rev-parse', 'HEAD^{tree}'));
  assert.deepEqual(root.subFolders, [
    { treeId: await copy.run('rev-parse', 'HEAD:folder'), absolutePath: 'folder', relativePath: 'folder' },
  ]);
  assert.deepEqual(
    root.files!.map(({ absolutePath, fileMode }) => [absolutePath, fileMode]),
    [
      ['first.txt', 'NORMAL'],
      ['run.sh', 'EXECUTABLE'],
    ],
  );
  assert.deepEqual(
    root.symbolicLinks!.map(({ absolutePath, fileMode }) => [absolutePath, fileMode]),
    [['link', 'SYMLINK']],
  );
  assert.deepEqual(root.subModules, [{ commitId: first, absolutePath: 'sub', relativePath: 'sub' }]);
  const inner = await codecommit.getFolder({ ...app, folderPath: 'folder/inner/' });
  assert.deepEqual(
    inner.files!.map(({ absolutePath, relativePath }) => [absolutePath, relativePath]),
    [['folder/inner/ä b.txt', 'ä b.txt']],
  );
});

test('commits tell their people, dates, message and parents', async (t) => {
  const { codecommit, first, head, copy } = await seeded(t);
  const { commit } = await codecommit.getCommit({ ...app, commitId: head });
  const date = await copy.run('log', '-1', '--format=%ad', '--date=raw');
  assert.deepEqual(commit, {
    commitId: head,
    treeId: await copy.run('rev-parse', 'HEAD^{tree}'),
    parents: [first],
    message: 'everything\n\nwith a body\n',
    author: { name: 'Ada', email: 'ada@example.com', date },
    committer: { name: 'Ada', email: 'ada@example.com', date },
    additionalData: '',
  });
  const batch = await codecommit.batchGetCommits({ ...app, commitIds: [first, 'b'.repeat(40), 'short', head] });
  assert.deepEqual(
    batch.commits!.map(({ commitId }) => commitId),
    [first, head],
  );
  assert.deepEqual(
    batch.errors!.map(({ commitId, errorCode }) => [commitId, errorCode]),
    [
      ['b'.repeat(40), 'CommitIdDoesNotExistException'],
      ['short', 'InvalidCommitIdException'],
    ],
  );
});

test('differences are what git says, page by page, though the branch moves', async (t) => {
  const { codecommit, copy, first, head } = await seeded(t);
  const all = await codecommit.getDifferences({ ...app, beforeCommitSpecifier: first, afterCommitSpecifier: 'main' });
  const listed = all.differences!.map(
    ({ changeType, afterBlob: after }) => `${changeType} ${after!.mode} ${after!.blobId} ${after!.path}`,
  );
  const raw = await copy.run('-c', 'core.quotePath=false', 'diff-tree', '-r', '--no-abbrev', first, head);
  assert.deepEqual(
    listed,
    raw.split('\n').map((line) => line.replace(/^:\d+ (\d+) \S+ (\S+) (\S+)\t/, '$3 $1 $2 ')),
  );
  const seen: string[] = [];
  let token: string | undefined;
  do {
    const page = await codecommit.getDifferences({
      ...app,
      beforeCommitSpecifier: first,
      afterCommitSpecifier: 'main',
      MaxResults: 1,
      NextToken: token,
    });
    seen.push(...page.differences!.map(({ afterBlob }) => afterBlob!.path!));
    token = page.NextToken;
    if (seen.length === 1) {
      await codecommit.putFile({
        ...app,
        branchName: 'main',
        parentCommitId: head,
        filePath: 'aaa',
        fileContent: Buffer.from('new'),
      });
    }
  } while (token !== undefined);
  assert.deepEqual(
    seen,
    all.differences!.map(({ afterBlob }) => afterBlob!.path),
  );
  const whole = await codecommit.getDifferences({ ...app, afterCommitSpecifier: first });
  assert.deepEqual(
    whole.differences!.map(({ changeType, afterBlob, beforeBlob }) => [changeType, afterBlob!.path, beforeBlob]),
    [['A', 'first.txt', undefined]],
  );
  const back = await codecommit.getDifferences({
    ...app,
    beforeCommitSpecifier: head,
    afterCommitSpecifier: first,
    beforePath: 'run.sh',
    afterPath: 'first.txt',
  });
  assert.deepEqual(
    back.differences!.map(({ changeType, afterBlob, beforeBlob }) => [changeType, beforeBlob!.path, afterBlob!.path]),
    [['M', 'run.sh', 'first.txt']],
  );
});

test('differences of folders are told by their paths within them, and a folder that is named once is meant on both sides', async (t) => {
  const { codecommit, head: parentCommitId } = await seeded(t);
  const put = (filePath: string, text: string) => ({ filePath, fileContent: Buffer.from(text) });
  const on = { ...app, branchName: 'main' };
  const putFiles = [put('lib/old/blob.txt', 'one'), put('lib/old/deep/same.txt', 'same'), put('lib/aside.txt', 'one')];
  const { commitId: before } = await codecommit.createCommit({ ...on, parentCommitId, putFiles });
  const { commitId: after } = await codecommit.createCommit({
    ...on,
    parentCommitId: before,
    putFiles: [
      put('lib/new/blob.txt', 'two'),
      put('lib/new/deep/more.txt', 'two'),
      put('lib/new/deep/same.txt', 'same'),
      put('lib/aside.txt', 'two'),
    ],
    deleteFiles: [{ filePath: 'lib/old/blob.txt' }, { filePath: 'lib/old/deep/same.txt' }],
  });
  const told = async (paths: { beforePath?: string; afterPath?: string }) => {
    const commits = { beforeCommitSpecifier: before, afterCommitSpecifier: after };
    const { differences } = await codecommit.getDifferences({ ...app, ...commits, ...paths });
    return differences!.map(({ changeType, beforeBlob, afterBlob }) => [changeType, beforeBlob?.path, afterBlob?.path]);
  };
  assert.deepEqual(await told({ beforePath: 'lib/old', afterPath: 'lib/new/' }), [
    ['M', 'blob.txt', 'blob.txt'],
    ['A', undefined, 'deep/more.txt'],
  ]);
  assert.deepEqual(await told({ afterPath: 'lib/new' }), [
    ['A', undefined, 'blob.txt'],
    ['A', undefined, 'deep/more.txt'],
    ['A', undefined, 'deep/same.txt'],
  ]);
  assert.deepEqual(await told({ beforePath: 'lib/old/deep' }), [['D', 'same.txt', undefined]]);
  assert.deepEqual(await told({ afterPath: 'lib/aside.txt' }), [['M', 'lib/aside.txt', 'lib/aside.txt']]);
});

test('each mistake with a file or commit has its own fault', async (t) => {
  const { codecommit, server, head, copy } = await seeded(t);
  await server.root_.codecommit.createRepository({ repositoryName: 'empty' });
  const empty = { repositoryName: 'empty' };
  const tree = await copy.run('rev-parse', 'HEAD^{tree}');
  const missing = 'c'.repeat(40);
  const cases: [fault: string, call: () => Promise<unknown>][] = [
    ['RepositoryDoesNotExistException', () => codecommit.getFile({ repositoryName: 'none', filePath: 'x' })],
    ['PathRequiredException', () => codecommit.getFile({ ...app } as never)],
    ['PathRequiredException', () => codecommit.getFile({ ...app, filePath: '' })],
    ['PathRequiredException', () => codecommit.getFolder({ ...app } as never)],
    ['InvalidPathException', () => codecommit.getFile({ ...app, filePath: 'a/../b' })],
    ['FileDoesNotExistException', () => codecommit.getFile({ ...app, filePath: 'none' })],
    ['FileDoesNotExistException', () => codecommit.getFile({ ...app, filePath: 'folder' })],
    ['FileDoesNotExistException', () => codecommit.getFile({ ...app, filePath: 'sub' })],
    ['FileDoesNotExistException', () => codecommit.getFile({ ...app, filePath: 'first.txt/x' })],
    ['FileDoesNotExistException', () => codecommit.getFile({ ...app, filePath: 'link/passwd' })],
    ['FolderDoesNotExistException', () => codecommit.getFolder({ ...app, folderPath: 'none' })],
    ['FolderDoesNotExistException', () => codecommit.getFolder({ ...app, folderPath: 'first.txt' })],
    ['FolderDoesNotExistException', () => codecommit.getFolder({ ...app, folderPath: 'link' })],
    ['CommitDoesNotExistException', () => codecommit.getFile({ ...app, filePath: 'x', commitSpecifier: 'none' })],
    ['CommitDoesNotExistException', () => codecommit.getFile({ ...app, filePath: 'x', commitSpecifier: missing })],
    ['CommitDoesNotExistException', () => codecommit.getFile({ ...app, filePath: 'x', commitSpecifier: tree })],
    ['CommitDoesNotExistException', () => codecommit.getFolder({ ...empty, folderPath: '/' })],
    ['InvalidCommitException', () => codecommit.getFile({ ...app, filePath: 'x', commitSpecifier: 'main~1' })],
    ['InvalidBlobIdException', () => codecommit.getBlob({ ...app, blobId: 'main' })],
    ['BlobIdRequiredException', () => codecommit.getBlob({ ...app } as never)],
    ['BlobIdDoesNotExistException', () => codecommit.getBlob({ ...app, blobId: missing })],
    ['BlobIdDoesNotExistException', () => codecommit.getBlob({ ...app, blobId: head })],
    ['InvalidCommitIdException', () => codecommit.getCommit({ ...app, commitId: 'main' })],
    ['CommitIdRequiredException', () => codecommit.getCommit({ ...app } as never)],
    ['CommitIdDoesNotExistException', () => codecommit.getCommit({ ...app, commitId: missing })],
    ['CommitIdDoesNotExistException', () => codecommit.getCommit({ ...app, commitId: tree })],
    ['CommitIdsListRequiredException', () => codecommit.batchGetCommits({ ...app } as never)],
    ['CommitIdsLimitExceededException', () => codecommit.batchGetCommits({ ...app, commitIds: Array(101).fill(head) })],
    ['CommitRequiredException', () => codecommit.getDifferences({ ...app } as never)],
    ['CommitDoesNotExistException', () => codecommit.getDifferences({ ...app, afterCommitSpecifier: 'none' })],
    [
      'InvalidMaxResultsException',
      () => codecommit.getDifferences({ ...app, afterCommitSpecifier: 'main', MaxResults: 0 }),
    ],
    [
      'PathDoesNotExistException',
      () => codecommit.getDifferences({ ...app, afterCommitSpecifier: 'main', afterPath: 'none' }),
    ],
    [
      'InvalidContinuationTokenException',
      () => codecommit.getDifferences({ ...app, afterCommitSpecifier: 'main', NextToken: 'x' }),
    ],
  ];
  for (const [name, call] of cases) await assert.rejects(call, { name }, `${name}: ${call}`);
});

test('G1: specifiers and paths never become options, revisions or pathspecs of git', async (t) => {
  const { codecommit, copy } = await seeded(t);
  const specifiers = [
    '-h',
    '--output=x',
    '--upload-pack=id',
    '--exec=id',
    'a\0--exec=id',
    '@{-1}',
    ':/x',
    '^{/x}',
    'HEAD@{1}',
    'HEAD^',
    'main:first.txt',
    '@',
    'refs/heads/main^{tree}',
    'refs/../../etc/passwd',
    '',
  ];
  for (const specifier of specifiers) {
    const refused = /^(InvalidCommitException|CommitDoesNotExistException)$/;
    const calls = [
      codecommit.getFile({ ...app, commitSpecifier: specifier, filePath: 'first.txt' }),
      codecommit.getFolder({ ...app, commitSpecifier: specifier, folderPath: '/' }),
      codecommit.getDifferences({ ...app, beforeCommitSpecifier: specifier, afterCommitSpecifier: 'main' }),
      codecommit.getDifferences({ ...app, afterCommitSpecifier: specifier }),
    ];
    await Promise.all(calls.map((call) => assert.rejects(call, (error: Error) => refused.test(error.name), specifier)));
  }
  for (const filePath of [
    '-h',
    '--output=x',
    ':(glob)*',
    ':x',
    '*',
    'first.tx?',
    '@{u}',
    '.git/config',
    'first.txt\n',
  ]) {
    await assert.rejects(codecommit.getFile({ ...app, filePath }), { name: 'FileDoesNotExistException' }, filePath);
  }
  for (const filePath of ['../first.txt', 'a/./b', './first.txt', 'a//b', ':/../x', 'a\0b']) {
    await assert.rejects(codecommit.getFile({ ...app, filePath }), { name: 'InvalidPathException' }, filePath);
  }
  await copy.run('fetch', '-q');
});

test('a file beyond 6 MB is left to git', async (t) => {
  const { codecommit, copy } = await seeded(t);
  await copy.commitFile('large', 'x'.repeat(6 * 1024 * 1024 + 1));
  await copy.commitFile('largest', 'x'.repeat(6 * 1024 * 1024));
  await copy.run('push', '-q', 'origin', 'main');
  await assert.rejects(codecommit.getFile({ ...app, filePath: 'large' }), { name: 'FileTooLargeException' });
  const blobId = await copy.run('rev-parse', 'HEAD:large');
  await assert.rejects(codecommit.getBlob({ ...app, blobId }), { name: 'FileTooLargeException' });
  const file = await codecommit.getFile({ ...app, filePath: 'largest' });
  assert.equal(file.fileContent!.byteLength, 6 * 1024 * 1024);
  const { content } = await codecommit.getBlob({ ...app, blobId: file.blobId! });
  assert.equal(content!.byteLength, 6 * 1024 * 1024);
});
