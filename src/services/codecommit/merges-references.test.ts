import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { gitUser, workingCopy } from './harness.ts';

const app = { repositoryName: 'app' };

/** AWS's example of a policy that protects a branch, for the operations that are about a merge and move nothing. */
const protect = (reference: string) => ({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: 'codecommit:*', Resource: '*' },
    {
      Effect: 'Deny',
      Action: ['codecommit:GetMergeCommit', 'codecommit:CreateUnreferencedMergeCommit'],
      Resource: '*',
      Condition: {
        StringEqualsIfExists: { 'codecommit:References': [reference] },
        Null: { 'codecommit:References': 'false' },
      },
    },
  ],
});

test('codecommit:References is the branch or tag that a merge’s destination is named by', async (t) => {
  const server = await startServer(t);
  const alice = await gitUser(server, 'alice');
  await alice.codecommit.createRepository(app);
  const copy = await workingCopy(t, alice.remote('app'));
  await copy.commitFile('a', '1');
  await copy.run('tag', 'v1');
  await copy.run('tag', 'both');
  await copy.run('branch', 'both');
  await copy.commitFile('b', '1');
  await copy.run('push', '-q', 'origin', 'main', 'refs/heads/both', '--tags');
  const tip = await copy.run('rev-parse', 'main');
  const bob = await server.user('bob', protect('refs/heads/main'));
  const carl = await server.user('carl', protect('refs/tags/v1'));
  const dora = await server.user('dora', protect('refs/heads/both'));
  const cases: [who: typeof bob, destination: string, isDenied: boolean][] = [
    [bob, 'main', true],
    [bob, 'refs/heads/main', true],
    [bob, 'HEAD', true],
    [bob, 'v1', false],
    [bob, tip, false],
    [carl, 'v1', true],
    [carl, 'refs/tags/v1', true],
    [carl, 'main', false],
    // A name that is both means the branch.
    [dora, 'both', true],
    [dora, 'refs/tags/both', false],
  ];
  for (const [{ codecommit }, destinationCommitSpecifier, isDenied] of cases) {
    const sides = { ...app, sourceCommitSpecifier: 'main', destinationCommitSpecifier };
    const calls = {
      GetMergeCommit: () => codecommit.getMergeCommit(sides),
      CreateUnreferencedMergeCommit: () =>
        codecommit.createUnreferencedMergeCommit({ ...sides, mergeOption: 'SQUASH_MERGE' }),
    };
    for (const [operation, call] of Object.entries(calls)) {
      const outcome = await call().then(
        () => 'done',
        (error: Error) => error.name,
      );
      assert.equal(outcome, isDenied ? 'AccessDeniedException' : 'done', `${operation} ${destinationCommitSpecifier}`);
    }
  }
});
