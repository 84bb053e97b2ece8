import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { gitUser, workingCopy } from './harness.ts';

const MIB = 1024 ** 2;

test('quotas that the settings name are those of pushes and repositories, in git’s words and AWS’s', async (t) => {
  const settings = {
    maxRepositories: 1,
    gitMaxPushReferences: 3,
    gitMaxPushMib: 3,
    gitMaxFileMib: 1,
    gitMaxCommitMib: 1,
    gitMaxPathCharacters: 30,
    gitMaxFolders: 3,
  };
  const server = await startServer(t, { settings });
  const { codecommit } = server.root_;
  await codecommit.createRepository({ repositoryName: 'app' });
  await assert.rejects(codecommit.createRepository({ repositoryName: 'second' }), {
    name: 'RepositoryLimitExceededException',
    message: 'The limit of 1 repositories is reached.',
  });
  const user = await gitUser(server, 'alice');
  const alice = await workingCopy(t, user.remote('app'));
  await alice.commitFile('a', '1');
  const first = await alice.run('rev-parse', 'HEAD');
  const isRefused = async (words: RegExp, ...references: string[]) => {
    const { status, stderr } = await alice.attempt(['push', 'origin', ...references]);
    assert.notEqual(status, 0);
    assert.match(stderr, words);
    await alice.run('reset', '-q', '--hard', first);
  };
  const branches = ['main', 'main:refs/heads/b', 'main:refs/heads/c', 'main:refs/heads/d'];
  const few = await alice.attempt(['push', 'origin', ...branches]);
  assert.notEqual(few.status, 0);
  await alice.run('push', '-q', 'origin', ...branches.slice(1));

  const file = async (bytes: number) => {
    await writeFile(join(alice.folder, `noise-${bytes}`), randomBytes(bytes));
    await alice.run('add', '.');
    await alice.run('commit', '-q', '-m', 'noise');
  };
  await file(MIB + 1);
  await isRefused(/a file is larger than 1048576 bytes/, 'main');
  for (let number = 0; number < 4; number += 1) await file(MIB - number);
  await isRefused(/the pack is larger than 3145728 bytes/, 'main');
  const long = await alice.feed('x '.repeat(MIB), 'commit-tree', 'HEAD^{tree}', '-p', 'HEAD', '-F', '-');
  await isRefused(/the metadata of a commit is larger than 1048576 bytes/, `${long}:refs/heads/main`);
  await alice.commitFile('x'.repeat(31), '1');
  await isRefused(/main \(the path 'x+' is longer than 30 characters\)/, 'main');
  await file(MIB);
  await alice.run('push', '-q', 'origin', 'main');
});
