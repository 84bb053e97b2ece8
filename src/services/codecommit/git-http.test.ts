import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startWithRepository, workingCopy } from './harness.ts';

test('a user pushes and clones with a git password', async (t) => {
  const { server, alice } = await startWithRepository(t);
  const copy = await workingCopy(t, alice.remote('app'));
  await copy.commitFile('a.txt', 'hello\n');
  await copy.run('push', '-q', 'origin', 'main');
  const { branch } = await alice.codecommit.getBranch({ repositoryName: 'app', branchName: 'main' });
  assert.equal(branch?.commitId, await copy.run('rev-parse', 'HEAD'));
});
