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
  const rule = { approvalRuleId: 'x', approvalRuleName: 'x', ruleContentSha256: 'x', lastModifiedUser: arn };
  const approvalRules = [{ ...rule, approvalRuleContent: 'no JSON', creationDate: at, lastModifiedDate: at }];
  const bad = [{ events: [null] }, { revisions: [null] }, { comments: [null] }, { comments }];
  const badPulls = [{ pullRequestTargets: [null] }, { approvalRules: [null] }, { approvalRules }];
  const all = [...bad, ...badPulls.map((more) => ({ pullRequest: { ...pullRequest, ...more } }))];
  for (const more of all) assert.throws(() => rows(more), { name: 'ValidationError' }, JSON.stringify(more));
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
