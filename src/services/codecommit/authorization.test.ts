import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { codecommit } from './service.ts';

const app = { repositoryName: 'app' };
const main = { ...app, branchName: 'main' };
const resourceArn = 'arn:aws:codecommit:us-east-1:123456789012:app';
const commitId = 'a'.repeat(40);

/** A valid call of every operation that there is. */
const CALLS: Record<string, object> = {
  BatchGetCommits: { ...app, commitIds: [commitId] },
  BatchGetRepositories: { repositoryNames: ['app'] },
  CreateBranch: { ...main, commitId },
  CreateCommit: { ...main, deleteFiles: [{ filePath: 'a' }] },
  CreateRepository: { repositoryName: 'new' },
  DeleteBranch: main,
  DeleteFile: { ...main, filePath: 'a', parentCommitId: commitId },
  DeleteRepository: app,
  GetBlob: { ...app, blobId: commitId },
  GetBranch: main,
  GetCommit: { ...app, commitId },
  GetDifferences: { ...app, afterCommitSpecifier: 'main' },
  GetFile: { ...app, filePath: 'a' },
  GetFolder: { ...app, folderPath: '/' },
  GetRepository: app,
  ListBranches: app,
  ListRepositories: {},
  ListTagsForResource: { resourceArn },
  PutFile: { ...main, filePath: 'a', fileContent: Buffer.from('x') },
  TagResource: { resourceArn, tags: { a: 'b' } },
  UntagResource: { resourceArn, tagKeys: ['a'] },
  UpdateDefaultBranch: { ...app, defaultBranchName: 'main' },
  UpdateRepositoryDescription: app,
  UpdateRepositoryName: { oldName: 'app', newName: 'new' },
};

test('X2: a user whose policy names other things can do nothing, and learns nothing', async (t) => {
  assert.deepEqual([...codecommit.operations.keys()].toSorted(), Object.keys(CALLS));
  const server = await startServer(t);
  const nobody = await server.user('nobody', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }],
  });
  const attempt = (operation: string) => {
    const method = operation.charAt(0).toLowerCase() + operation.slice(1);
    const call = (nobody.codecommit as unknown as Record<string, (input: object) => Promise<unknown>>)[method]!;
    return call.call(nobody.codecommit, CALLS[operation]!);
  };
  const denied = (operation: string) => ({
    name: 'AccessDeniedException',
    message: new RegExp(`user/nobody is not authorized to perform: codecommit:${operation} on resource: `),
  });
  for (const operation of codecommit.operations.keys()) await assert.rejects(attempt(operation), denied(operation));
  await server.root_.codecommit.createRepository(app);
  for (const operation of codecommit.operations.keys()) await assert.rejects(attempt(operation), denied(operation));
  const { repositories } = await server.root_.codecommit.listRepositories({});
  assert.deepEqual(
    repositories!.map(({ repositoryName }) => repositoryName),
    ['app'],
  );
});
