import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gitUser, workingCopy } from './harness.ts';
import { app, arnOf, openPullRequest, reviewing } from './testing/reviews.ts';

test('a pull request from its creation to its closing, as AWS shows it', async (t) => {
  const { root, main, feature, person, events } = await reviewing(t);
  const alice = await person('alice');
  const clientRequestToken = 'token-1';
  const more = { title: 'A title', description: 'Why', clientRequestToken };
  const made = await openPullRequest(alice, 'refs/heads/feature', more);
  const { revisionId, creationDate, lastActivityDate, ...rest } = made;
  assert.match(revisionId!, /^[0-9a-f]{64}$/);
  assert.deepEqual(creationDate, lastActivityDate);
  assert.deepEqual(rest, {
    pullRequestId: '1',
    title: 'A title',
    description: 'Why',
    pullRequestStatus: 'OPEN',
    authorArn: arnOf('alice'),
    pullRequestTargets: [
      {
        ...app,
        sourceReference: 'refs/heads/feature',
        destinationReference: 'refs/heads/main',
        destinationCommit: main,
        sourceCommit: feature,
        mergeBase: main,
        mergeMetadata: { isMerged: false },
      },
    ],
    clientRequestToken,
    approvalRules: [],
  });
  assert.deepEqual((await root.getPullRequest({ pullRequestId: '1' })).pullRequest, made);

  // The same token with the same words is the same pull request; with others it is a mistake.
  assert.deepEqual(await openPullRequest(alice, 'refs/heads/feature', more), made);
  await assert.rejects(openPullRequest(alice, 'refs/heads/feature', { ...more, title: 'Another' }), {
    name: 'IdempotencyParameterMismatchException',
  });
  assert.equal((await openPullRequest(root, 'feature', { clientRequestToken })).pullRequestId, '2', 'another caller');

  const titled = await alice.updatePullRequestTitle({ pullRequestId: '1', title: 'Better' });
  assert.equal(titled.pullRequest!.title, 'Better');
  const described = await alice.updatePullRequestDescription({ pullRequestId: '1', description: 'More' });
  assert.equal(described.pullRequest!.description, 'More');
  assert.ok(described.pullRequest!.lastActivityDate! >= lastActivityDate!);
  const status = (pullRequestStatus: 'OPEN' | 'CLOSED') =>
    alice.updatePullRequestStatus({ pullRequestId: '1', pullRequestStatus });
  assert.equal((await status('OPEN')).pullRequest!.pullRequestStatus, 'OPEN');
  assert.equal((await status('CLOSED')).pullRequest!.pullRequestStatus, 'CLOSED');
  assert.equal((await status('CLOSED')).pullRequest!.pullRequestStatus, 'CLOSED');
  await assert.rejects(status('OPEN'), { name: 'InvalidPullRequestStatusUpdateException' });
  const closed = { name: 'PullRequestAlreadyClosedException' };
  await assert.rejects(alice.updatePullRequestTitle({ pullRequestId: '1', title: 'x' }), closed);
  await assert.rejects(alice.updatePullRequestDescription({ pullRequestId: '1', description: 'x' }), closed);
  assert.equal((await events('pullRequestStatusChanged')).length, 1, 'what changes nothing tells nothing');
  assert.equal((await events('pullRequestCreated', 2)).length, 2);
});

test('pull requests are listed by activity, by status and by author, in pages', async (t) => {
  const { root, person, branch } = await reviewing(t);
  const alice = await person('alice');
  for (const name of ['one', 'two', 'three']) {
    await branch(name);
    await openPullRequest(name === 'two' ? alice : root, name);
  }
  const list = async (more: object) => (await root.listPullRequests({ ...app, ...more })).pullRequestIds;
  assert.deepEqual(await list({}), ['3', '2', '1']);
  await root.updatePullRequestTitle({ pullRequestId: '1', title: 'Now the latest' });
  assert.deepEqual(await list({}), ['1', '3', '2']);
  await root.updatePullRequestStatus({ pullRequestId: '3', pullRequestStatus: 'CLOSED' });
  assert.deepEqual(await list({ pullRequestStatus: 'OPEN' }), ['1', '2']);
  assert.deepEqual(await list({ pullRequestStatus: 'CLOSED' }), ['3']);
  assert.deepEqual(await list({ authorArn: arnOf('alice') }), ['2']);
  assert.deepEqual(await list({ authorArn: arnOf('nobody') }), []);
  const first = await root.listPullRequests({ ...app, maxResults: 2 });
  assert.deepEqual(first.pullRequestIds, ['3', '1']);
  const second = await root.listPullRequests({ ...app, maxResults: 2, nextToken: first.nextToken });
  assert.deepEqual([second.pullRequestIds, second.nextToken], [['2'], undefined]);
});

test('a push makes a new revision; a deleted branch closes; a fast-forward that is pushed merges', async (t) => {
  const { server, root, main, feature, branch, events } = await reviewing(t);
  const alice = await gitUser(server, 'alice');
  const made = await openPullRequest(alice.codecommit);
  await branch('doomed');
  await openPullRequest(alice.codecommit, 'doomed');
  const copy = await workingCopy(t, alice.remote('app'));
  await copy.run('fetch', '-q', 'origin');
  await copy.run('checkout', '-q', 'feature');
  await copy.commitFile('more.txt', '1');
  const second = await copy.run('rev-parse', 'HEAD');
  await copy.run('push', '-q', 'origin', 'feature');
  const get = async (pullRequestId: string) => (await root.getPullRequest({ pullRequestId })).pullRequest!;
  const revised = await get('1');
  assert.notEqual(revised.revisionId, made.revisionId);
  assert.equal(revised.pullRequestTargets![0]!.sourceCommit, second);

  // Rewritten history is a new revision, too.
  await copy.run('commit', '-q', '--amend', '-m', 'again');
  const third = await copy.run('rev-parse', 'HEAD');
  await copy.run('push', '-q', '--force', 'origin', 'feature', ':doomed');
  assert.notEqual((await get('1')).revisionId, revised.revisionId);
  const doomed = await get('2');
  assert.equal(doomed.pullRequestStatus, 'CLOSED');
  assert.deepEqual(doomed.pullRequestTargets![0]!.mergeMetadata, { isMerged: false });

  // Merge and deletion in one push: it was merged.
  await copy.run('push', '-q', 'origin', `${third}:main`, ':feature');
  const merged = await get('1');
  assert.equal(merged.pullRequestStatus, 'CLOSED');
  assert.equal(merged.pullRequestTargets![0]!.destinationCommit, main);
  assert.deepEqual(merged.pullRequestTargets![0]!.mergeMetadata, {
    isMerged: true,
    mergedBy: arnOf('alice'),
    mergeCommitId: third,
    mergeOption: 'FAST_FORWARD_MERGE',
  });
  const { pullRequestEvents } = await root.describePullRequestEvents({ pullRequestId: '1' });
  const actorArn = arnOf('alice');
  const reference = (afterCommitId: string) => ({ ...app, beforeCommitId: main, afterCommitId, mergeBase: main });
  assert.deepEqual(
    pullRequestEvents!.map(({ eventDate, ...event }) => event),
    [
      {
        pullRequestId: '1',
        pullRequestEventType: 'PULL_REQUEST_CREATED',
        actorArn,
        pullRequestCreatedEventMetadata: {
          ...app,
          sourceCommitId: feature,
          destinationCommitId: main,
          mergeBase: main,
        },
      },
      ...[second, third].map((tip) => ({
        pullRequestId: '1',
        pullRequestEventType: 'PULL_REQUEST_SOURCE_REFERENCE_UPDATED',
        actorArn,
        pullRequestSourceReferenceUpdatedEventMetadata: reference(tip),
      })),
      {
        pullRequestId: '1',
        pullRequestEventType: 'PULL_REQUEST_MERGE_STATE_CHANGED',
        actorArn,
        pullRequestMergedStateChangedEventMetadata: {
          ...app,
          destinationReference: 'refs/heads/main',
          mergeMetadata: merged.pullRequestTargets![0]!.mergeMetadata,
        },
      },
    ],
  );
  assert.equal((await events('pullRequestSourceBranchUpdated', 2)).length, 2);
  assert.equal((await events('pullRequestMergeStatusUpdated')).length, 1);
  assert.equal((await events('pullRequestStatusChanged')).length, 1);

  // Pages and filters of the history.
  const page = await root.describePullRequestEvents({ pullRequestId: '1', maxResults: 3 });
  assert.equal(page.pullRequestEvents!.length, 3);
  const rest = await root.describePullRequestEvents({ pullRequestId: '1', maxResults: 3, nextToken: page.nextToken });
  assert.deepEqual([rest.pullRequestEvents!.length, rest.nextToken], [1, undefined]);
  const count = async (more: object) =>
    (await root.describePullRequestEvents({ pullRequestId: '1', ...more })).pullRequestEvents!.length;
  assert.equal(await count({ pullRequestEventType: 'PULL_REQUEST_CREATED' }), 1);
  assert.equal(await count({ actorArn }), 4);
  assert.equal(await count({ actorArn: arnOf('bob') }), 0);
});

test('a destination that moves on or is forced leaves the pull request open; its deletion closes it', async (t) => {
  const { root, put, feature, branch } = await reviewing(t);
  await openPullRequest(root);
  const { pullRequest: other } = await root.createPullRequest({
    title: 'Into a branch',
    targets: [{ ...app, sourceReference: 'feature', destinationReference: await branch('base').then(() => 'base') }],
  });
  const tip = await put('main', 'b.txt', 'b');
  const { pullRequest } = await root.getPullRequest({ pullRequestId: '1' });
  assert.equal(pullRequest!.pullRequestStatus, 'OPEN');
  assert.equal(pullRequest!.pullRequestTargets![0]!.destinationCommit, tip, 'the destination is where its branch is');
  assert.equal(pullRequest!.pullRequestTargets![0]!.sourceCommit, feature);
  await root.deleteBranch({ ...app, branchName: 'base' });
  const closed = await root.getPullRequest({ pullRequestId: other!.pullRequestId! });
  assert.equal(closed.pullRequest!.pullRequestStatus, 'CLOSED');
  await root.createBranch({ ...app, branchName: 'base', commitId: tip });
  const still = await root.getPullRequest({ pullRequestId: other!.pullRequestId! });
  assert.equal(still.pullRequest!.pullRequestStatus, 'CLOSED');
});

test('a renamed repository keeps its pull requests; a deleted one takes them with it', async (t) => {
  const { root, branch } = await reviewing(t);
  await openPullRequest(root);
  await root.updateRepositoryName({ oldName: 'app', newName: 'new' });
  const { pullRequest } = await root.getPullRequest({ pullRequestId: '1' });
  assert.equal(pullRequest!.pullRequestTargets![0]!.repositoryName, 'new');
  await root.updateRepositoryName({ oldName: 'new', newName: 'app' });
  await root.deleteRepository(app);
  await assert.rejects(root.getPullRequest({ pullRequestId: '1' }), { name: 'PullRequestDoesNotExistException' });
  await root.createRepository(app);
  await root.putFile({ ...app, branchName: 'main', filePath: 'a', fileContent: Buffer.from('a') });
  await branch('feature');
  assert.equal((await openPullRequest(root)).pullRequestId, '2', 'numbers are never used again');
});
