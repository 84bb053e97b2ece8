import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lineMoves } from './comments-relocation.ts';
import { REACTIONS, reactionOf } from './reactions-values.ts';
import { app, arnOf, openPullRequest, reviewing } from './testing/reviews.ts';

test('comments on two commits: at places, with answers, changed and deleted', async (t) => {
  const { root, main, feature, person, events } = await reviewing(t);
  const [alice, bob] = [await person('alice'), await person('bob')];
  const between = { ...app, beforeCommitId: main, afterCommitId: feature };
  const location = { filePath: 'feature.txt', filePosition: 1, relativeFileVersion: 'AFTER' } as const;
  const clientRequestToken = 'once';
  const post = { ...between, location, content: 'Why?', clientRequestToken };
  const posted = await alice.postCommentForComparedCommit(post);
  const { comment, afterBlobId, ...where } = posted;
  const { $metadata, ...shown } = where;
  assert.deepEqual(shown, { ...between, location });
  assert.match(afterBlobId!, /^[0-9a-f]{40}$/);
  const { commentId, creationDate, lastModifiedDate, ...rest } = comment!;
  assert.deepEqual(creationDate, lastModifiedDate);
  assert.deepEqual(rest, {
    content: 'Why?',
    authorArn: arnOf('alice'),
    deleted: false,
    clientRequestToken,
    callerReactions: [],
    reactionCounts: {},
  });
  assert.deepEqual((await alice.postCommentForComparedCommit(post)).comment, comment);
  await assert.rejects(alice.postCommentForComparedCommit({ ...post, content: 'Other' }), {
    name: 'IdempotencyParameterMismatchException',
  });
  await bob.postCommentForComparedCommit({ ...between, content: 'About it all' });
  await bob.postCommentForComparedCommit({ ...between, location, content: 'At the same line' });
  const { comment: reply } = await bob.postCommentReply({ inReplyTo: commentId!, content: 'Because.' });
  assert.equal(reply!.inReplyTo, commentId);
  const first = await root.postCommentForComparedCommit({ ...app, afterCommitId: main, content: 'The first commit' });
  assert.equal(first.beforeCommitId, undefined);

  const list = async (more: object = {}) => root.getCommentsForComparedCommit({ ...between, ...more });
  const { commentsForComparedCommitData: groups } = await list();
  assert.deepEqual(
    groups!.map((group) => [group.location?.filePosition, group.comments!.map(({ content }) => content)]),
    [
      [1, ['Why?', 'At the same line', 'Because.']],
      [undefined, ['About it all']],
    ],
  );
  assert.equal(groups![0]!.afterBlobId, afterBlobId);
  const page = await list({ maxResults: 2 });
  const next = await list({ maxResults: 2, nextToken: page.nextToken });
  assert.deepEqual(
    [page, next].map(({ commentsForComparedCommitData: data }) => data!.flatMap(({ comments }) => comments!).length),
    [2, 2],
  );
  assert.equal(next.nextToken, undefined);
  const alone = await root.getCommentsForComparedCommit({ ...app, afterCommitId: main });
  assert.equal(alone.commentsForComparedCommitData!.length, 1);

  await assert.rejects(bob.updateComment({ commentId, content: 'Mine now' }), {
    name: 'CommentNotCreatedByCallerException',
  });
  const updated = await alice.updateComment({ commentId, content: 'How?' });
  assert.equal(updated.comment!.content, 'How?');
  const deleted = await root.deleteCommentContent({ commentId });
  assert.deepEqual([deleted.comment!.deleted, deleted.comment!.content], [true, undefined]);
  for (const call of [
    () => root.getComment({ commentId }),
    () => alice.updateComment({ commentId, content: 'x' }),
    () => root.deleteCommentContent({ commentId }),
    () => root.putCommentReaction({ commentId, reactionValue: ':eyes:' }),
    () => root.getCommentReactions({ commentId }),
  ]) {
    await assert.rejects(call, { name: 'CommentDeletedException' });
  }
  await bob.postCommentReply({ inReplyTo: commentId!, content: 'A pity.' });
  const { commentsForComparedCommitData: after } = await list();
  assert.deepEqual([after![0]!.comments!.length, after![0]!.comments![0]!.content], [4, undefined]);
  assert.equal((await events('commentOnCommitCreated', 6)).length, 6);
  assert.equal((await events('commentOnCommitUpdated', 2)).length, 2);
});

test('comments on a pull request stay at their lines while the branch goes on', async (t) => {
  const { root, main, feature, put, events } = await reviewing(t);
  await openPullRequest(root);
  const old = await put('feature', 'a.txt', 'one\ntwo\nTHREE\nfour\n');
  const base = { ...app, pullRequestId: '1', beforeCommitId: main };
  const at = (filePosition: number, relativeFileVersion: 'BEFORE' | 'AFTER' = 'AFTER') => ({
    location: { filePath: 'a.txt', filePosition, relativeFileVersion },
  });
  const post = (content: string, more: object) =>
    root.postCommentForPullRequest({ ...base, afterCommitId: old, content, ...more });
  await post('stays', at(4));
  await post('changes', at(3));
  await post('before', at(2, 'BEFORE'));
  await post('the file', { location: { filePath: 'a.txt', relativeFileVersion: 'AFTER' } });
  await post('another file', { location: { filePath: 'feature.txt' } });
  await post('general', {});
  const now = await put('feature', 'a.txt', 'zero\none\ntwo\nthree again\nfour\n');
  const places = async (more: object) => {
    const { commentsForPullRequestData: data } = await root.getCommentsForPullRequest({ pullRequestId: '1', ...more });
    return data!.map(({ comments, afterCommitId, location }) => [
      comments![0]!.content,
      afterCommitId === now ? 'now' : 'old',
      location?.filePosition,
    ]);
  };
  const made = [
    ['stays', 'old', 4],
    ['changes', 'old', 3],
    ['before', 'old', 2],
    ['the file', 'old', undefined],
    ['another file', 'old', undefined],
    ['general', 'old', undefined],
  ];
  assert.deepEqual(await places({}), made);
  assert.deepEqual(await places({ ...base, afterCommitId: old }), made);
  assert.deepEqual(await places({ ...base, afterCommitId: now }), [
    ['stays', 'now', 5],
    ['changes', 'old', 3],
    ['before', 'now', 2],
    ['the file', 'now', undefined],
    ['another file', 'now', undefined],
    ['general', 'old', undefined],
  ]);
  assert.equal((await events('commentOnPullRequestCreated', 6)).length, 6);
  const { pullRequest } = await root.getPullRequest({ pullRequestId: '1' });
  assert.ok(pullRequest!.lastActivityDate! > pullRequest!.creationDate!, 'a comment is activity');
  await root.updatePullRequestStatus({ pullRequestId: '1', pullRequestStatus: 'CLOSED' });
  await post('afterwards', { afterCommitId: feature });
});

test('a line that is in both versions moves with it, and no line moves to another one', () => {
  const text = fc.array(fc.constantFrom('a\n', 'b\n', 'c\n', 'd\n', '\n'), { maxLength: 12 });
  fc.assert(
    fc.property(text, text, (old, now) => {
      const moves = lineMoves(Buffer.from(old.join('')), Buffer.from(now.join('')));
      let last = -1;
      for (const [line, to] of moves.entries()) {
        if (to < 0) continue;
        assert.equal(now[to], old[line]);
        assert.ok(to > last);
        last = to;
      }
    }),
  );
  assert.deepEqual([...lineMoves(Buffer.from('a\nb'), Buffer.from('x\na\nb'))], [1, 2]);
});

test('reactions: one for each user, in three forms, counted, replaced and taken back', async (t) => {
  const { root, main, person, events } = await reviewing(t);
  const [alice, bob] = [await person('alice'), await person('bob')];
  const { comment } = await root.postCommentForComparedCommit({ ...app, afterCommitId: main, content: 'Look' });
  const { commentId } = comment!;
  const react = (who: typeof alice, reactionValue: string) => who.putCommentReaction({ commentId, reactionValue });
  await react(alice, '\u{1F44D}');
  await react(bob, ':thumbsup:');
  await react(bob, ':thumbsup:');
  await react(root, 'U+2764');
  const seen = (await bob.getComment({ commentId })).comment!;
  assert.deepEqual(seen.callerReactions, ['THUMBSUP']);
  assert.deepEqual(seen.reactionCounts, { HEART: 1, THUMBSUP: 2 });
  const thumbsUp = { emoji: '\u{1F44D}', shortCode: ':thumbsup:', unicode: 'U+1F44D' };
  const { reactionsForComment } = await root.getCommentReactions({ commentId });
  assert.deepEqual(reactionsForComment![1], {
    reaction: thumbsUp,
    reactionUsers: [arnOf('alice'), arnOf('bob')],
    reactionsFromDeletedUsersCount: 0,
  });
  const ofBob = await root.getCommentReactions({ commentId, reactionUserArn: arnOf('bob') });
  assert.deepEqual(
    ofBob.reactionsForComment!.map(({ reactionUsers }) => reactionUsers),
    [[arnOf('bob')]],
  );
  const page = await root.getCommentReactions({ commentId, maxResults: 1 });
  const rest = await root.getCommentReactions({ commentId, maxResults: 1, nextToken: page.nextToken });
  assert.deepEqual([rest.reactionsForComment![0]!.reaction!.shortCode, rest.nextToken], [':thumbsup:', undefined]);
  await react(bob, ':ship:');
  await react(alice, 'none');
  await react(alice, ':none:');
  assert.deepEqual((await root.getComment({ commentId })).comment!.reactionCounts, { HEART: 1, SHIP: 1 });
  assert.equal((await events('commentReactionCreated', 3)).length, 3);
  assert.equal((await events('commentReactionUpdated', 2)).length, 2);
});

test('each reaction is known in its three forms, and nothing else is', () => {
  for (const [name, { emoji, shortCode, unicode }] of Object.entries(REACTIONS)) {
    for (const value of [emoji, shortCode, unicode, unicode.toLowerCase(), ` ${emoji} `]) {
      assert.equal(reactionOf(value), name, value);
    }
  }
  assert.equal(reactionOf('\u{2764}'), 'HEART');
  for (const value of ['', ' ', 'none', 'NONE', ':none:', 'U+0000']) assert.equal(reactionOf(value), null);
  for (const value of ['thumbsup', ':thumbs:', 'U+1F600', '\u{1F600}', '\u{1F44D}\u{1F44D}', 'x']) {
    assert.equal(reactionOf(value), undefined, value);
  }
});
