/**
 * For tests only: one sample of each event that CodeCommit sends.
 *
 *   node src/services/codecommit/testing/event-samples.ts > src/services/codecommit/testdata/events.json
 */
import type { Caller } from '../../../kernel/auth/identity.ts';
import type { EventDraft } from '../../../kernel/context.ts';
import * as events from '../events.ts';
import type { ApprovalRuleRow, ApprovalTemplateRow, CommentRow, PullRequestRow } from '../review-tables.ts';
import type { RepositoryRow } from '../tables.ts';

const account = '123456789012';
const AT = Date.parse('2019-11-06T19:02:14Z');
const commit = (digit: string) => digit.repeat(40);
const sha256 = (digit: string) => digit.repeat(64);

const repository: RepositoryRow = {
  id: '12345678-1234-5678-abcd-12345678abcd',
  account,
  region: 'us-east-2',
  name: 'MyDemoRepo',
  description: null,
  head: 'refs/heads/main',
  generation: 1,
  collections: 0,
  mentions: 0,
  collected_at: null,
  created_at: AT,
  modified_at: AT,
} as RepositoryRow;

const user: Caller = {
  type: 'IAMUser',
  account,
  arn: `arn:aws:iam::${account}:user/Mary_Major`,
  principalId: 'AIDAEXAMPLE',
  userName: 'Mary_Major',
};

const session = {
  type: 'AssumedRole',
  account,
  arn: `arn:aws:sts::${account}:assumed-role/Admin/Mary_Major`,
  principalId: 'AROAEXAMPLE:Mary_Major',
  roleArn: `arn:aws:iam::${account}:role/Admin`,
  roleName: 'Admin',
  roleId: 'AROAEXAMPLE',
  sessionName: 'Mary_Major',
  issuedAt: AT,
  sessionPolicies: [],
  sessionTags: { displayName: 'Mary Major', emailAddress: 'mary_major@example.com', team: 'x' },
} as Caller;

const pullRequest: PullRequestRow = {
  id: 'a',
  account,
  region: 'us-east-2',
  number: 227,
  repository_id: repository.id,
  title: 'My example pull request',
  description: 'An example description.',
  status: 'OPEN',
  author_arn: `arn:aws:iam::${account}:user/Li_Juan`,
  source_reference: 'refs/heads/test-branch',
  destination_reference: 'refs/heads/main',
  source_commit: commit('1'),
  destination_commit: commit('2'),
  revision_id: sha256('3'),
  client_request_token: null,
  request_sha256: null,
  created_at: AT,
  activity_at: AT + 60_000,
  is_merged: 0,
  merged_by: null,
  merge_commit: null,
  merge_option: null,
};
const closed: PullRequestRow = { ...pullRequest, status: 'CLOSED' };

const rule: ApprovalRuleRow = {
  id: '0a9b5dfc-0000-4000-8000-000000000000',
  pull_request: 'a',
  name: '1-approver-needed',
  content: '{}',
  content_sha256: sha256('4'),
  created_at: AT,
  modified_at: AT,
  modified_by: '',
  template_id: null,
  template_name: null,
};

const template: ApprovalTemplateRow = {
  id: 'd7385967-0000-4000-8000-000000000000',
  account,
  region: 'us-east-2',
  name: '2-approvers-required-for-main',
  description: null,
  content: '{}',
  content_sha256: sha256('5'),
  created_at: AT,
  modified_at: AT + 60_000,
  modified_by: '',
};

const comment: CommentRow = {
  id: '463b0000-0000-4000-8000-000000000000',
  repository_id: repository.id,
  pull_request: null,
  before_commit: commit('6'),
  after_commit: commit('7'),
  before_blob: null,
  after_blob: null,
  file_path: null,
  file_position: null,
  file_version: null,
  in_reply_to: '695b0000-0000-4000-8000-000000000000',
  sequence: 1,
  place: 1,
  content: 'secret words',
  author_arn: user.arn,
  client_request_token: null,
  request_sha256: null,
  created_at: AT,
  modified_at: AT,
};

const merge: events.MergeFacts = {
  baseCommitId: commit('8'),
  sourceCommitId: commit('9'),
  destinationCommitId: commit('2'),
  mergeOption: 'THREE_WAY_MERGE',
  conflictDetailsLevel: 'LINE_LEVEL',
  conflictResolutionStrategy: 'AUTOMERGE',
};

const branch = { name: 'refs/heads/myBranch', forced: false };
const thumbsDown = { emoji: '\u{1F44E}', shortCode: ':thumbsdown:', unicode: 'U+1F44E' };
const other = { ...repository, id: '22222222-1234-5678-abcd-12345678abcd', name: 'MyTestRepo' };

/** Samples in the order of AWS's page of them. */
export function eventSamples(): EventDraft[] {
  const pull = (row: PullRequestRow, change: events.PullRequestChange, caller: Caller = user) =>
    events.pullRequestStateChange(repository, row, change, caller);
  const templated = (event: events.TemplateEvent, ...about: RepositoryRow[]) =>
    events.templateChange(template, event, about, user);
  const after = commit('a');
  const before = commit('b');
  return [
    events.repositoryStateChange(repository, { ...branch, before: null, after }, user)!,
    events.repositoryStateChange(repository, { ...branch, before, after }, user, merge)!,
    events.repositoryStateChange(repository, { ...branch, before, after: null }, user)!,
    events.unreferencedMergeCommitCreated(repository, after, { ...merge, mergeOption: 'SQUASH_MERGE' }, user),
    events.commentChange(repository, comment, undefined, 'Created', session),
    events.commentChange(repository, comment, undefined, 'Updated', session),
    events.commentChange(repository, comment, '201', 'Created', session),
    events.commentChange(repository, comment, '201', 'Updated', user),
    pull(pullRequest, { event: 'pullRequestCreated' }, session),
    pull(pullRequest, { event: 'pullRequestSourceBranchUpdated' }),
    pull(closed, { event: 'pullRequestStatusChanged' }),
    pull({ ...closed, is_merged: 1 }, { event: 'pullRequestMergeStatusUpdated', mergeOption: 'FAST_FORWARD_MERGE' }),
    templated('approvalRuleTemplateCreated'),
    templated('approvalRuleTemplateUpdated'),
    templated('approvalRuleTemplateDeleted'),
    templated('approvalRuleTemplateAssociatedWithRepository', repository),
    templated('approvalRuleTemplateDisassociatedFromRepository', repository),
    templated('batchAssociateApprovalRuleTemplateWithRepositories', repository, other),
    templated('batchDisassociateApprovalRuleTemplateFromRepositories', repository, other),
    pull(pullRequest, { event: 'pullRequestApprovalRuleCreated', rule }),
    pull(pullRequest, { event: 'pullRequestApprovalRuleDeleted', rule }),
    pull(pullRequest, { event: 'pullRequestApprovalRuleOverridden', overrideStatus: 'OVERRIDE' }),
    pull(pullRequest, { event: 'pullRequestApprovalRuleOverridden', overrideStatus: 'REVOKE' }),
    pull(pullRequest, { event: 'pullRequestApprovalStateChanged', approvalStatus: 'APPROVE' }),
    pull(pullRequest, { event: 'pullRequestApprovalStateChanged', approvalStatus: 'REVOKE' }),
    pull(pullRequest, { event: 'pullRequestApprovalRuleUpdated', rule }),
    events.reactionChange(repository, comment.id, thumbsDown, 'Created', user),
    events.reactionChange(repository, comment.id, thumbsDown, 'Updated', user),
    events.reactionChange(repository, comment.id, undefined, 'Updated', user),
  ];
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(eventSamples(), null, 2)}\n`);
