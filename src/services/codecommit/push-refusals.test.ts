import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gitUser, workingCopy } from './harness.ts';
import { app, reviewing } from './testing/reviews.ts';

/** AWS's own example of a policy that protects a branch. */
const PROTECTED = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: 'codecommit:*', Resource: '*' },
    {
      Effect: 'Deny',
      Action: 'codecommit:GitPush',
      Resource: '*',
      Condition: {
        StringEqualsIfExists: { 'codecommit:References': ['refs/heads/release'] },
        Null: { 'codecommit:References': 'false' },
      },
    },
  ],
};

test('a push of several references: each is moved or refused by itself, with its own reason; an atomic one is all or nothing', async (t) => {
  const { server, root, main, feature, events, seen } = await reviewing(t);
  await root.createBranch({ ...app, branchName: 'release', commitId: main });
  const bob = await gitUser(server, 'bob', PROTECTED);
  const copy = await workingCopy(t, bob.remote('app'));
  await copy.run('fetch', '-q', 'origin');
  await copy.run('reset', '-q', '--hard', 'origin/main');
  await copy.commitFile('new.txt', 'new');
  const tip = await copy.run('rev-parse', 'HEAD');
  const wanted = [
    'HEAD:refs/heads/release',
    'HEAD:refs/heads/feature/below',
    'HEAD:refs/heads/new',
    'HEAD:refs/tags/v1',
    'HEAD:refs/pull/1/head',
    ':refs/heads/main',
  ];
  const before = seen.length;
  const push = await copy.attempt(['push', 'origin', ...wanted]);
  assert.equal(push.status, 1);
  const lines: RegExp[] = [
    /! \[remote rejected\] HEAD -> release \(User: \S+ is not authorized to perform: codecommit:GitPush .*explicit deny/,
    /! \[remote rejected\] HEAD -> feature\/below \('refs\/heads\/feature' exists; cannot create 'refs\/heads\/feature\/below'\)/,
    /! \[remote rejected\] HEAD -> refs\/pull\/1\/head \(.+\)/,
    /! \[remote rejected\] main \(deletion of the current branch prohibited\)/,
    /\* \[new branch\] +HEAD -> new/,
    /\* \[new tag\] +HEAD -> v1/,
  ];
  for (const line of lines) assert.match(push.stderr, line);
  const refs = async () => (await copy.run('ls-remote', 'origin')).split('\n').map((line) => line.split('\t'));
  const moved = [
    [tip, 'refs/heads/new'],
    [tip, 'refs/tags/v1'],
  ];
  const kept = [
    [main, 'HEAD'],
    [feature, 'refs/heads/feature'],
    [main, 'refs/heads/main'],
    [main, 'refs/heads/release'],
  ];
  const byName = (a: string[], b: string[]) => (a[1]! < b[1]! ? -1 : 1);
  assert.deepEqual((await refs()).toSorted(byName), [...kept, ...moved].toSorted(byName));
  await events('referenceCreated', 2);
  const told = seen.slice(before).map(({ detail }) => detail['referenceFullName']);
  assert.deepEqual(told.toSorted(), ['refs/heads/new', 'refs/tags/v1']);

  const atomic = await copy.attempt(['push', '--atomic', 'origin', 'HEAD:refs/heads/release', 'HEAD:refs/heads/other']);
  assert.equal(atomic.status, 1);
  assert.match(atomic.stderr, /! \[remote rejected\] HEAD -> other \(atomic/);
  assert.deepEqual((await refs()).toSorted(byName), [...kept, ...moved].toSorted(byName));
});
