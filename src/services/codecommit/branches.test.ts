import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startWithRepository } from './harness.ts';
import { tables } from './tables.ts';

const app = { repositoryName: 'app' };

/** A repository with a commit on `main`; answers its id. */
async function seeded(t: Parameters<typeof startWithRepository>[0]) {
  const { server } = await startWithRepository(t);
  const { codecommit } = server.root_;
  const made = await codecommit.putFile({ ...app, branchName: 'main', filePath: 'a', fileContent: Buffer.from('1') });
  return { server, codecommit, commitId: made.commitId! };
}

test('branches are made, listed, made the default and deleted', async (t) => {
  const { codecommit, commitId } = await seeded(t);
  await codecommit.createBranch({ ...app, branchName: 'feature/x', commitId });
  await codecommit.createBranch({ ...app, branchName: 'ä', commitId });
  assert.deepEqual((await codecommit.listBranches(app)).branches, ['feature/x', 'main', 'ä']);
  assert.deepEqual((await codecommit.getBranch({ ...app, branchName: 'ä' })).branch, { branchName: 'ä', commitId });
  await codecommit.updateDefaultBranch({ ...app, defaultBranchName: 'feature/x' });
  await codecommit.updateDefaultBranch({ ...app, defaultBranchName: 'feature/x' });
  assert.equal((await codecommit.getRepository(app)).repositoryMetadata!.defaultBranch, 'feature/x');
  const { deletedBranch } = await codecommit.deleteBranch({ ...app, branchName: 'main' });
  assert.deepEqual(deletedBranch, { branchName: 'main', commitId });
  assert.equal((await codecommit.deleteBranch({ ...app, branchName: 'main' })).deletedBranch, undefined);
  assert.deepEqual((await codecommit.listBranches(app)).branches, ['feature/x', 'ä']);
});

test('each mistake with a branch has its own fault', async (t) => {
  const { codecommit, commitId } = await seeded(t);
  const none = { repositoryName: 'none' };
  const cases: [fault: string, call: () => Promise<unknown>][] = [
    ['RepositoryDoesNotExistException', () => codecommit.createBranch({ ...none, branchName: 'x', commitId })],
    ['BranchNameExistsException', () => codecommit.createBranch({ ...app, branchName: 'main', commitId })],
    ['InvalidBranchNameException', () => codecommit.createBranch({ ...app, branchName: 'main/x', commitId })],
    ['InvalidBranchNameException', () => codecommit.createBranch({ ...app, branchName: 'x'.repeat(257), commitId })],
    ['BranchNameRequiredException', () => codecommit.createBranch({ ...app, commitId } as never)],
    ['CommitIdRequiredException', () => codecommit.createBranch({ ...app, branchName: 'x' } as never)],
    ['InvalidCommitIdException', () => codecommit.createBranch({ ...app, branchName: 'x', commitId: 'main' })],
    [
      'CommitDoesNotExistException',
      () => codecommit.createBranch({ ...app, branchName: 'x', commitId: 'a'.repeat(40) }),
    ],
    ['BranchDoesNotExistException', () => codecommit.getBranch({ ...app, branchName: 'none' })],
    ['RepositoryNameRequiredException', () => codecommit.getBranch({ branchName: 'none' } as never)],
    ['BranchNameRequiredException', () => codecommit.getBranch({ ...app } as never)],
    ['BranchDoesNotExistException', () => codecommit.updateDefaultBranch({ ...app, defaultBranchName: 'none' })],
    ['BranchNameRequiredException', () => codecommit.updateDefaultBranch({ ...app } as never)],
    ['DefaultBranchCannotBeDeletedException', () => codecommit.deleteBranch({ ...app, branchName: 'main' })],
    ['RepositoryDoesNotExistException', () => codecommit.deleteBranch({ ...none, branchName: 'main' })],
    ['InvalidContinuationTokenException', () => codecommit.listBranches({ ...app, nextToken: 'x' })],
  ];
  for (const [name, call] of cases) await assert.rejects(call, { name }, `${name}: ${call}`);
});

test('a tree is no commit to put a branch at', async (t) => {
  const { codecommit, commitId } = await seeded(t);
  const { commit } = await codecommit.getCommit({ ...app, commitId });
  await assert.rejects(codecommit.createBranch({ ...app, branchName: 'x', commitId: commit!.treeId! }), {
    name: 'CommitDoesNotExistException',
  });
});

test('G1: names that look like options or revisions are refused in every field that names a branch', async (t) => {
  const { codecommit, commitId } = await seeded(t);
  const hostile = [
    '-h',
    '--output=x',
    '--upload-pack=id',
    '--exec=id',
    'a\0--exec=id',
    '@{-1}',
    ':/x',
    '^{/x}',
    'HEAD@{1}',
    'HEAD',
    'a..b',
    'a b',
    'a\nb',
    'b'.repeat(40),
    'x.lock',
    '.x',
    'x/',
    '/x',
    'x//y',
    'x~1',
    'x^',
    'x?',
    'x*',
    'x[',
    'x\\y',
  ];
  for (const branchName of hostile) {
    const invalid = { name: 'InvalidBranchNameException' };
    await assert.rejects(codecommit.createBranch({ ...app, branchName, commitId }), invalid, branchName);
    await assert.rejects(codecommit.getBranch({ ...app, branchName }), invalid, branchName);
    await assert.rejects(codecommit.deleteBranch({ ...app, branchName }), invalid, branchName);
    await assert.rejects(
      codecommit.updateDefaultBranch({ ...app, defaultBranchName: branchName }),
      invalid,
      branchName,
    );
    const file = { ...app, branchName, filePath: 'x', fileContent: Buffer.from('x') };
    await assert.rejects(codecommit.putFile({ ...file, parentCommitId: commitId }), invalid, branchName);
  }
  assert.deepEqual((await codecommit.listBranches(app)).branches, ['main']);
});

test('pages of branches are complete', async (t) => {
  const { server, codecommit, commitId } = await seeded(t);
  const { repositoryId } = (await codecommit.getRepository(app)).repositoryMetadata!;
  await server.kernel.serviceContext('codecommit.amazonaws.com').tx(async (tx) => {
    for (let n = 0; n < 1_100; n += 1) {
      const row = { repository_id: repositoryId!, name: `refs/heads/b${n}`, object_id: commitId, peeled: null };
      await tables(tx).insertInto('codecommit_refs').values(row).execute();
    }
  });
  const first = await codecommit.listBranches(app);
  const second = await codecommit.listBranches({ ...app, nextToken: first.nextToken });
  assert.equal(first.branches!.length, 1_000);
  assert.equal(second.nextToken, undefined);
  assert.equal(new Set([...first.branches!, ...second.branches!]).size, 1_101);
});
