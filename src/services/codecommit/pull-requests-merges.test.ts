import assert from 'node:assert/strict';
import { test } from 'node:test';
import { app, arnOf, openPullRequest, reviewing, ruleContent } from './testing/reviews.ts';

const REPOSITORY = 'arn:aws:codecommit:us-east-1:123456789012:app';

test('a merge closes the pull request, in each of the three ways', async (t) => {
  const { root, main, feature, branch, put, person, events } = await reviewing(t);
  const alice = await person('alice');
  await branch('second');
  await branch('third');
  for (const name of ['feature', 'second', 'third']) await openPullRequest(root, name);
  const merged = async (call: Promise<{ pullRequest?: object | undefined }>, pullRequestId: string) => {
    const answered = (await call).pullRequest!;
    const { pullRequest } = await root.getPullRequest({ pullRequestId });
    assert.deepEqual(answered, pullRequest);
    assert.equal(pullRequest!.pullRequestStatus, 'CLOSED');
    return pullRequest!.pullRequestTargets![0]!;
  };
  const tip = async () => (await root.getBranch({ ...app, branchName: 'main' })).branch!.commitId!;
  const one = { ...app, pullRequestId: '1' };
  await assert.rejects(alice.mergePullRequestByFastForward({ ...one, sourceCommitId: main }), {
    name: 'TipOfSourceReferenceIsDifferentException',
  });
  const fast = await merged(alice.mergePullRequestByFastForward({ ...one, sourceCommitId: feature }), '1');
  assert.equal(fast.destinationCommit, main);
  assert.deepEqual(fast.mergeMetadata, {
    isMerged: true,
    mergedBy: arnOf('alice'),
    mergeCommitId: feature,
    mergeOption: 'FAST_FORWARD_MERGE',
  });
  assert.equal(await tip(), feature);

  const text = { authorName: 'Ada', email: 'ada@example.com', commitMessage: 'As one' };
  const squashed = await merged(
    alice.mergePullRequestBySquash({ ...app, pullRequestId: '2', conflictDetailLevel: 'LINE_LEVEL', ...text }),
    '2',
  );
  assert.equal(squashed.mergeMetadata!.mergeCommitId, await tip());
  const { commit } = await root.getCommit({ ...app, commitId: await tip() });
  assert.deepEqual([commit!.parents, commit!.message, commit!.author!.name], [[feature], 'As one\n', 'Ada']);

  await put('main', 'elsewhere.txt', 'x');
  const before = await tip();
  const joined = await merged(alice.mergePullRequestByThreeWay({ ...app, pullRequestId: '3' }), '3');
  const { commit: merge } = await root.getCommit({ ...app, commitId: await tip() });
  assert.deepEqual(merge!.parents, [before, joined.sourceCommit]);
  assert.deepEqual(joined.mergeMetadata, {
    isMerged: true,
    mergedBy: arnOf('alice'),
    mergeCommitId: await tip(),
    mergeOption: 'THREE_WAY_MERGE',
  });
  await assert.rejects(alice.mergePullRequestByThreeWay({ ...app, pullRequestId: '3' }), {
    name: 'PullRequestAlreadyClosedException',
  });
  const told = await events('pullRequestMergeStatusUpdated', 3);
  assert.deepEqual(
    told.map(({ detail }) => [detail['pullRequestId'], detail['mergeOption'], detail['isMerged']]),
    [
      ['1', 'FAST_FORWARD_MERGE', 'True'],
      ['2', 'SQUASH_MERGE', 'True'],
      ['3', 'THREE_WAY_MERGE', 'True'],
    ],
  );
  const moves = (await events('referenceUpdated')).filter(({ detail }) => 'mergeOption' in detail);
  assert.deepEqual(
    moves.map(({ detail }) => detail['mergeOption']),
    ['FAST_FORWARD_MERGE', 'SQUASH_MERGE', 'THREE_WAY_MERGE'],
  );
});

test('what cannot be merged, or is not approved, is not merged and stays open', async (t) => {
  const { root, put, person } = await reviewing(t);
  const [alice, bob] = [await person('alice'), await person('bob')];
  await put('feature', 'a.txt', 'ours\n');
  const { revisionId } = await openPullRequest(alice);
  const one = { ...app, pullRequestId: '1' };
  await put('main', 'a.txt', 'theirs\n');
  for (const merge of [
    'mergePullRequestByFastForward',
    'mergePullRequestBySquash',
    'mergePullRequestByThreeWay',
  ] as const) {
    await assert.rejects(alice[merge](one), { name: 'ManualMergeRequiredException' }, merge);
  }
  await alice.createPullRequestApprovalRule({
    pullRequestId: '1',
    approvalRuleName: 'bob',
    approvalRuleContent: ruleContent(1, [arnOf('bob')]),
  });
  const resolved = { ...one, conflictResolutionStrategy: 'ACCEPT_SOURCE' } as const;
  const unsatisfied = { name: 'PullRequestApprovalRulesNotSatisfiedException' };
  await assert.rejects(alice.mergePullRequestBySquash(resolved), unsatisfied);
  const approval = { pullRequestId: '1', approvalState: 'APPROVE' } as const;
  await root.updatePullRequestApprovalState({ ...approval, revisionId: revisionId! });
  await assert.rejects(alice.mergePullRequestBySquash(resolved), unsatisfied, 'root is not in the pool');
  await bob.updatePullRequestApprovalState({ ...approval, revisionId: revisionId! });
  await put('feature', 'b.txt', 'smuggled in after the approval');
  await assert.rejects(alice.mergePullRequestBySquash(resolved), unsatisfied);
  const { pullRequest } = await root.getPullRequest({ pullRequestId: '1' });
  assert.equal(pullRequest!.pullRequestStatus, 'OPEN');
  await root.overridePullRequestApprovalRules({
    pullRequestId: '1',
    revisionId: pullRequest!.revisionId!,
    overrideStatus: 'OVERRIDE',
  });
  const merged = await alice.mergePullRequestBySquash(resolved);
  assert.equal(merged.pullRequest!.pullRequestStatus, 'CLOSED');
});

test('R6: of merges, pushes and approvals at once each has one outcome, and each change one event', async (t) => {
  const { root, branch, put, person, events, seen } = await reviewing(t);
  const [alice, bob] = [await person('alice'), await person('bob')];
  const names = ['feature', 'x', 'y', 'z'];
  for (const name of names.slice(1)) await branch(name);
  const opened = [];
  for (const name of names) opened.push(await openPullRequest(root, name));
  const pulls = opened.map(({ pullRequestId }) => pullRequestId!);
  const settled = await Promise.allSettled([
    ...pulls.flatMap((pullRequestId) =>
      [alice, bob].map((who) => who.mergePullRequestBySquash({ ...app, pullRequestId })),
    ),
  ]);
  const won = settled.filter(({ status }) => status === 'fulfilled').length;
  for (const result of settled) {
    if (result.status === 'fulfilled') continue;
    assert.match(result.reason.name, /^(ConcurrentReferenceUpdate|PullRequestAlreadyClosed)Exception$/);
  }
  const states = await Promise.all(pulls.map((pullRequestId) => root.getPullRequest({ pullRequestId })));
  const closed = states.filter(({ pullRequest }) => pullRequest!.pullRequestStatus === 'CLOSED');
  assert.ok(won >= 1);
  assert.equal(closed.length, won);
  const merged = await events('pullRequestMergeStatusUpdated', won);
  assert.equal(new Set(merged.map(({ detail }) => detail['pullRequestId'])).size, won);

  // Approvals that race with pushes count for the revision that they were given to, or not at all.
  await branch('racing');
  const { pullRequestId, revisionId } = await openPullRequest(root, 'racing');
  const approve = { pullRequestId: pullRequestId!, revisionId: revisionId!, approvalState: 'APPROVE' } as const;
  const [pushed, ...approvals] = await Promise.allSettled([
    put('racing', 'more.txt', 'x'),
    alice.updatePullRequestApprovalState(approve),
    alice.updatePullRequestApprovalState(approve),
    bob.updatePullRequestApprovalState(approve),
  ]);
  assert.equal(pushed!.status, 'fulfilled');
  for (const result of approvals) {
    if (result.status === 'rejected') assert.equal(result.reason.name, 'RevisionNotCurrentException');
  }
  const { approvals: counted } = await root.getPullRequestApprovalStates(approve);
  const now = (await root.getPullRequest({ pullRequestId: pullRequestId! })).pullRequest!;
  assert.notEqual(now.revisionId, revisionId);
  const after = await root.getPullRequestApprovalStates({ ...approve, revisionId: now.revisionId! });
  assert.deepEqual(after.approvals, []);
  await events('pullRequestSourceBranchUpdated');
  const changes = seen.filter(({ detail }) => detail['event'] === 'pullRequestApprovalStateChanged');
  const { pullRequestEvents } = await root.describePullRequestEvents({ pullRequestId: pullRequestId! });
  const history = pullRequestEvents!.filter(
    ({ approvalStateChangedEventMetadata }) => approvalStateChangedEventMetadata,
  );
  assert.deepEqual([changes.length, history.length], [counted!.length, counted!.length]);
});

test('a protected branch: the merge is denied by the reference that it would move', async (t) => {
  const { root, person } = await reviewing(t);
  const protect = {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 'codecommit:*', Resource: REPOSITORY },
      {
        Effect: 'Deny',
        Action: 'codecommit:MergePullRequestBy*',
        Resource: REPOSITORY,
        Condition: {
          StringEqualsIfExists: { 'codecommit:References': ['refs/heads/main'] },
          Null: { 'codecommit:References': 'false' },
        },
      },
    ],
  };
  const dev = await person('dev', protect);
  await root.createBranch({
    ...app,
    branchName: 'team',
    commitId: (await root.getBranch({ ...app, branchName: 'main' })).branch!.commitId!,
  });
  await openPullRequest(dev);
  await dev.createPullRequest({
    title: 'Into team',
    targets: [{ ...app, sourceReference: 'feature', destinationReference: 'team' }],
  });
  await assert.rejects(dev.mergePullRequestByFastForward({ ...app, pullRequestId: '1' }), {
    name: 'AccessDeniedException',
    message: /MergePullRequestByFastForward on resource: .*:app with an explicit deny/,
  });
  const { pullRequest } = await dev.mergePullRequestByFastForward({ ...app, pullRequestId: '2' });
  assert.equal(pullRequest!.pullRequestStatus, 'CLOSED');
});

test('I11: numbers and comments of another repository open nothing, and tell nothing', async (t) => {
  const { root, main, feature, person } = await reviewing(t);
  await root.createRepository({ repositoryName: 'mine' });
  const { revisionId } = await openPullRequest(root);
  const posted = await root.postCommentForComparedCommit({
    ...app,
    beforeCommitId: main,
    afterCommitId: feature,
    content: 'secret',
  });
  const commentId = posted.comment!.commentId!;
  const only = (name: string) => ({
    Effect: 'Allow',
    Action: 'codecommit:*',
    Resource: `arn:aws:codecommit:us-east-1:123456789012:${name}`,
  });
  const policy = (...Statement: object[]) => ({ Version: '2012-10-17', Statement });
  const mallory = await person('mallory', policy(only('mine')));
  const kept = await person('kept', policy(only('*'), { ...only('app'), Effect: 'Deny' }));
  const reader = await person('reader', policy({ ...only('app'), Action: 'codecommit:Get*' }));

  const calls = (pullRequestId: string, id: string) => {
    const pull = { pullRequestId };
    const revision = { ...pull, revisionId: revisionId! };
    const named = { ...pull, approvalRuleName: 'n' };
    return [
      (who: typeof root) => who.getPullRequest(pull),
      (who: typeof root) => who.updatePullRequestTitle({ ...pull, title: 'x' }),
      (who: typeof root) => who.updatePullRequestDescription({ ...pull, description: 'x' }),
      (who: typeof root) => who.updatePullRequestStatus({ ...pull, pullRequestStatus: 'CLOSED' }),
      (who: typeof root) => who.describePullRequestEvents(pull),
      (who: typeof root) => who.getCommentsForPullRequest(pull),
      (who: typeof root) => who.getPullRequestApprovalStates(revision),
      (who: typeof root) => who.getPullRequestOverrideState(revision),
      (who: typeof root) => who.overridePullRequestApprovalRules({ ...revision, overrideStatus: 'OVERRIDE' }),
      (who: typeof root) => who.evaluatePullRequestApprovalRules(revision),
      (who: typeof root) => who.updatePullRequestApprovalState({ ...revision, approvalState: 'APPROVE' }),
      (who: typeof root) => who.createPullRequestApprovalRule({ ...named, approvalRuleContent: ruleContent(1) }),
      (who: typeof root) => who.deletePullRequestApprovalRule(named),
      (who: typeof root) => who.updatePullRequestApprovalRuleContent({ ...named, newRuleContent: ruleContent(1) }),
      (who: typeof root) => who.getComment({ commentId: id }),
      (who: typeof root) => who.updateComment({ commentId: id, content: 'x' }),
      (who: typeof root) => who.deleteCommentContent({ commentId: id }),
      (who: typeof root) => who.postCommentReply({ inReplyTo: id, content: 'x' }),
      (who: typeof root) => who.putCommentReaction({ commentId: id, reactionValue: ':ship:' }),
      (who: typeof root) => who.getCommentReactions({ commentId: id }),
    ];
  };
  const foreign = calls('1', commentId);
  const absent = calls('999', '00000000-0000-4000-8000-000000000000');
  const refusal = async (call: (who: typeof root) => Promise<unknown>, who: typeof root) => {
    const error = await call(who).then(
      () => assert.fail(`${call} was not refused`),
      (refused: Error) => refused,
    );
    return `${error.name}: ${error.message}`
      .replaceAll(/\b999\b|00000000-0000-4000-8000-000000000000/g, 'ID')
      .replaceAll(commentId, 'ID')
      .replace(/request 1\b/, 'request ID');
  };
  for (const who of [mallory, kept]) {
    for (const [at, call] of foreign.entries()) {
      const told = await refusal(call, who);
      assert.equal(told, await refusal(absent[at]!, who), `${call}`);
      assert.match(told, who === mallory ? /^AccessDeniedException/ : /DoesNotExistException/);
      assert.doesNotMatch(told, /:app\b/);
    }
  }
  // Named together with a repository of one's own, the number is not there either.
  const mixed = { repositoryName: 'mine', pullRequestId: '1' };
  const gone = { name: 'PullRequestDoesNotExistException' };
  await assert.rejects(mallory.mergePullRequestByFastForward(mixed), gone);
  await assert.rejects(
    mallory.postCommentForPullRequest({ ...mixed, beforeCommitId: main, afterCommitId: feature, content: 'x' }),
    gone,
  );
  await assert.rejects(root.mergePullRequestByFastForward(mixed), {
    name: 'RepositoryNotAssociatedWithPullRequestException',
  });
  // Who may see it is told on what he lacks a right.
  await assert.rejects(reader.updatePullRequestTitle({ pullRequestId: '1', title: 'x' }), {
    name: 'AccessDeniedException',
    message: /codecommit:UpdatePullRequestTitle on resource: arn:aws:codecommit:us-east-1:123456789012:app because/,
  });
  await assert.rejects(reader.deleteCommentContent({ commentId }), { message: /resource: .*:app because/ });
  assert.equal((await reader.getComment({ commentId })).comment!.content, 'secret');
  const { pullRequest } = await root.getPullRequest({ pullRequestId: '1' });
  assert.deepEqual([pullRequest!.pullRequestStatus, pullRequest!.approvalRules], ['OPEN', []]);
});
