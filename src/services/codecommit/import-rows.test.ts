import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PullRequestBundle, readBundle } from './import-bundle.ts';
import { rowsOf } from './import-rows.ts';
import type { RepositoryRow } from './tables.ts';

const repository = { id: 'r', name: 'app', account: '111122223333', region: 'us-east-1' } as RepositoryRow;
const arn = 'arn:aws:iam::111122223333:user/alice';
const at = '2020-01-01T00:00:00Z';
const commit = 'a'.repeat(40);
const pullRequest = {
  pullRequestId: '1',
  title: 'Work',
  pullRequestStatus: 'OPEN',
  authorArn: arn,
  revisionId: 'now',
  creationDate: at,
  lastActivityDate: at,
  pullRequestTargets: [
    {
      sourceReference: 'refs/heads/work',
      destinationReference: 'refs/heads/main',
      sourceCommit: commit,
      destinationCommit: commit,
    },
  ],
};
const rows = (more: object) =>
  rowsOf(repository, 'id', readBundle(JSON.stringify({ pullRequest, ...more })) as PullRequestBundle, 1);
const approval = (revisionId: string) => ({
  pullRequestEventType: 'PULL_REQUEST_APPROVAL_STATE_CHANGED',
  eventDate: at,
  actorArn: arn,
  approvalStateChangedEventMetadata: { revisionId, approvalStatus: 'APPROVE' },
});

test('what is no pull request is refused as such, members that are null and rules that nobody can evaluate too', () => {
  const comments = [{ afterCommitId: commit, comments: [null] }];
  const approvalRules = [{ ...rule, approvalRuleContent: 'no JSON' }];
  const bad = [{ events: [null] }, { revisions: [null] }, { comments: [null] }, { comments }];
  const badPulls = [{ pullRequestTargets: [null] }, { approvalRules: [null] }, { approvalRules }];
  const all = [...bad, ...badPulls.map((more) => ({ pullRequest: { ...pullRequest, ...more } }))];
  for (const more of all) assert.throws(() => rows(more), { name: 'ValidationError' }, JSON.stringify(more));
});

const comment = {
  commentId: '01234567-89ab-cdef-0123-456789abcdef',
  content: 'Why?',
  creationDate: at,
  lastModifiedDate: at,
  authorArn: arn,
};
const group = { afterCommitId: commit, location: { filePath: 'a.txt', filePosition: 3, relativeFileVersion: 'AFTER' } };
const rule = {
  approvalRuleId: 'x',
  approvalRuleName: 'One',
  approvalRuleContent: JSON.stringify({
    Version: '2018-11-08',
    Statements: [{ Type: 'Approvers', NumberOfApprovalsNeeded: 1 }],
  }),
  ruleContentSha256: 'a'.repeat(64),
  lastModifiedUser: arn,
  creationDate: at,
  lastModifiedDate: at,
};

test('every member is held against what the API lets it be', () => {
  const withPull = (more: object) => ({ pullRequest: { ...pullRequest, ...more } });
  const withTarget = (more: object) =>
    withPull({ pullRequestTargets: [{ ...pullRequest.pullRequestTargets[0], ...more }] });
  const withComment = (more: object) => ({ comments: [{ ...group, comments: [{ ...comment, ...more }] }] });
  const withLocation = (more: object) => ({
    comments: [{ ...group, location: { ...group.location, ...more }, comments: [comment] }],
  });
  const withRule = (more: object) => withPull({ approvalRules: [{ ...rule, ...more }] });
  const withEvent = (more: object) => ({ events: [{ ...approval('now'), ...more }] });
  const longest = 'x'.repeat(10_240);
  const good = [
    withPull({ title: 'x'.repeat(150), description: longest, pullRequestId: '10000000' }),
    withComment({ content: longest }),
    withLocation({ filePosition: 2 ** 31 - 1 }),
    withLocation({ filePosition: 0 }),
    withRule({ originApprovalRuleTemplate: { approvalRuleTemplateId: 'y', approvalRuleTemplateName: 'Two' } }),
    withEvent({}),
    withTarget({ mergeMetadata: { isMerged: true, mergedBy: arn } }),
    withEvent({ constructor: {}, somethingNew: { a: 1 } }),
  ];
  for (const more of good) assert.equal(rows(more).pullRequest.status, 'OPEN');
  const bad = [
    withPull({ title: 'x'.repeat(151) }),
    withPull({ title: '' }),
    withPull({ description: `${longest}x` }),
    withPull({ pullRequestId: '10000001' }),
    withPull({ pullRequestId: '999999999999999' }),
    withPull({ pullRequestId: '1e3' }),
    withPull({ creationDate: '+275760-09-13T00:00:00Z' }),
    withPull({ revisionId: 'a b' }),
    withPull({ authorArn: `${arn}\u001b[31m` }),
    withTarget({ sourceReference: 'work' }),
    withTarget({ sourceReference: 'refs/heads/--upload-pack=id' }),
    withTarget({ destinationReference: 'refs/tags/x' }),
    withTarget({ mergeMetadata: { isMerged: true, mergedBy: 'me' } }),
    withComment({ content: `${longest}x` }),
    withComment({ content: '\ud800' }),
    withComment({ commentId: '' }),
    withLocation({ filePosition: 1e308 }),
    withLocation({ filePosition: -1 }),
    withLocation({ filePosition: 1.5 }),
    withLocation({ filePosition: '3' }),
    withLocation({ relativeFileVersion: 'LATER' }),
    withLocation({ filePath: '../x' }),
    withLocation({ filePath: 7 }),
    { comments: [{ ...group, beforeBlobId: 'x', comments: [comment] }] },
    { comments: [{ ...group, comments: [comment, comment] }] },
    withRule({ approvalRuleName: 'x'.repeat(101) }),
    withRule({ ruleContentSha256: 'x' }),
    withRule({ approvalRuleId: '../x' }),
    withPull({ approvalRules: [rule, { ...rule, approvalRuleId: 'y' }] }),
    withEvent({ approvalStateChangedEventMetadata: { revisionId: 'now', approvalStatus: 'MAYBE' } }),
    withEvent({ approvalStateChangedEventMetadata: 'now' }),
    withEvent({ pullRequestCreatedEventMetadata: { mergeBase: { $ne: 1 } } }),
    withEvent({ approvalRuleEventMetadata: { approvalRuleContent: 'x'.repeat(3_001) } }),
  ];
  for (const more of bad)
    assert.throws(() => rows(more), { name: 'ValidationError' }, JSON.stringify(more).slice(0, 300));
});

test('of an event only what it may tell is kept; an approval that is told twice is one', () => {
  const event = {
    ...approval('now'),
    evil: 'x',
    pullRequestStatusChangedEventMetadata: { pullRequestStatus: 'OPEN', x: 1 },
  };
  const again = { revisionId: 'now', approvers: [arn, arn] };
  const made = rows({ events: [event], revisions: [again, again] });
  assert.deepEqual(JSON.parse(made.events[0]!.metadata), {
    approvalStateChangedEventMetadata: { revisionId: 'now', approvalStatus: 'APPROVE' },
    pullRequestStatusChangedEventMetadata: { pullRequestStatus: 'OPEN' },
  });
  assert.equal(made.approvals.length, 1);
});

test('a history of thousands of revisions costs their number, not its square', () => {
  const ids = Array.from({ length: 10_000 }, (_, index) => `revision-${index}`);
  const revisions = ids.map((revisionId) => ({ revisionId, approvers: [arn] }));
  const began = process.cpuUsage();
  const made = rows({ events: ids.map(approval), revisions });
  const { user } = process.cpuUsage(began);
  assert.equal(made.approvals.length, 10_000);
  assert.ok(user < 2_000_000, `${user / 1_000} ms`);
});
