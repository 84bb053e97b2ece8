import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { mergeBaseOf } from './pull-requests-merge-base.ts';
import { findRepositoryById } from './store.ts';

test('a repository that is deleted between the look-up and its opening does not exist', async (t) => {
  const server = await startServer(t);
  const { codecommit } = server.root_;
  const { repositoryMetadata } = await codecommit.createRepository({ repositoryName: 'app' });
  const ctx = server.kernel.serviceContext('codecommit.amazonaws.com');
  const row = await findRepositoryById(ctx, repositoryMetadata!.repositoryId!);
  await codecommit.deleteRepository({ repositoryName: 'app' });
  await assert.rejects(mergeBaseOf(ctx, row!, '1'.repeat(40), '2'.repeat(40)), {
    name: 'RepositoryDoesNotExistException',
    message: 'app does not exist',
  });
});
