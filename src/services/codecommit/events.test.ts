import assert from 'node:assert/strict';
import { test } from 'node:test';
import samples from './testdata/events.json' with { type: 'json' };
import { eventSamples } from './testing/event-samples.ts';

/** Fields that AWS documents for every event of a kind, and those of single events. */
const PULL_REQUEST = [
  'author',
  'callerUserArn',
  'creationDate',
  'description',
  'destinationCommit',
  'destinationReference',
  'event',
  'isMerged',
  'lastModifiedDate',
  'notificationBody',
  'pullRequestId',
  'pullRequestStatus',
  'repositoryNames',
  'revisionId',
  'sourceCommit',
  'sourceReference',
  'title',
];
const RULE = [...PULL_REQUEST, 'approvalRuleContentSha256', 'approvalRuleId', 'approvalRuleName'];
const COMMENT = [
  'afterCommitId',
  'beforeCommitId',
  'callerUserArn',
  'commentId',
  'event',
  'inReplyTo',
  'notificationBody',
  'repositoryId',
  'repositoryName',
];
const PERSON = ['displayName', 'emailAddress'];
const REFERENCE = [
  'event',
  'repositoryName',
  'repositoryId',
  'referenceType',
  'referenceName',
  'referenceFullName',
  // AWS's samples leave this one out; its events have it.
  'callerUserArn',
];
const MERGE = [
  'baseCommitId',
  'sourceCommitId',
  'destinationCommitId',
  'mergeOption',
  'conflictDetailsLevel',
  'conflictResolutionStrategy',
];
const TEMPLATE = [
  'approvalRuleTemplateContentSha256',
  'approvalRuleTemplateId',
  'approvalRuleTemplateName',
  'callerUserArn',
  'creationDate',
  'event',
  'lastModifiedDate',
  'notificationBody',
  'repositories',
];
const REACTION = [
  'callerUserArn',
  'commentId',
  'event',
  'notificationBody',
  'reactionEmojis',
  'reactionShortcodes',
  'reactionUnicodes',
  'repositoryId',
  'repositoryName',
];

/** Source: CodeCommit User Guide, "Monitoring CodeCommit events in Amazon EventBridge", in its order. */
const FIELDS: [event: string, detailType: string, fields: string[]][] = [
  ['referenceCreated', 'CodeCommit Repository State Change', [...REFERENCE, 'commitId']],
  ['referenceUpdated', 'CodeCommit Repository State Change', [...REFERENCE, ...MERGE, 'commitId', 'oldCommitId']],
  ['referenceDeleted', 'CodeCommit Repository State Change', [...REFERENCE, 'oldCommitId']],
  [
    'unreferencedMergeCommitCreated',
    'CodeCommit Repository State Change',
    ['callerUserArn', 'event', 'repositoryName', 'repositoryId', 'commitId', ...MERGE],
  ],
  ['commentOnCommitCreated', 'CodeCommit Comment on Commit', [...COMMENT, ...PERSON]],
  ['commentOnCommitUpdated', 'CodeCommit Comment on Commit', [...COMMENT, ...PERSON]],
  ['commentOnPullRequestCreated', 'CodeCommit Comment on Pull Request', [...COMMENT, ...PERSON, 'pullRequestId']],
  ['commentOnPullRequestUpdated', 'CodeCommit Comment on Pull Request', [...COMMENT, 'pullRequestId']],
  ['pullRequestCreated', 'CodeCommit Pull Request State Change', [...PULL_REQUEST, ...PERSON]],
  ['pullRequestSourceBranchUpdated', 'CodeCommit Pull Request State Change', PULL_REQUEST],
  ['pullRequestStatusChanged', 'CodeCommit Pull Request State Change', PULL_REQUEST],
  ['pullRequestMergeStatusUpdated', 'CodeCommit Pull Request State Change', [...PULL_REQUEST, 'mergeOption']],
  ['approvalRuleTemplateCreated', 'CodeCommit Approval Rule Template Change', TEMPLATE],
  ['approvalRuleTemplateUpdated', 'CodeCommit Approval Rule Template Change', TEMPLATE],
  ['approvalRuleTemplateDeleted', 'CodeCommit Approval Rule Template Change', TEMPLATE],
  ['approvalRuleTemplateAssociatedWithRepository', 'CodeCommit Approval Rule Template Change', TEMPLATE],
  ['approvalRuleTemplateDisassociatedFromRepository', 'CodeCommit Approval Rule Template Change', TEMPLATE],
  ['batchAssociateApprovalRuleTemplateWithRepositories', 'CodeCommit Approval Rule Template Change', TEMPLATE],
  ['batchDisassociateApprovalRuleTemplateFromRepositories', 'CodeCommit Approval Rule Template Change', TEMPLATE],
  ['pullRequestApprovalRuleCreated', 'CodeCommit Pull Request State Change', RULE],
  ['pullRequestApprovalRuleDeleted', 'CodeCommit Pull Request State Change', RULE],
  ['pullRequestApprovalRuleOverridden', 'CodeCommit Pull Request State Change', [...PULL_REQUEST, 'overrideStatus']],
  ['pullRequestApprovalRuleOverridden', 'CodeCommit Pull Request State Change', [...PULL_REQUEST, 'overrideStatus']],
  ['pullRequestApprovalStateChanged', 'CodeCommit Pull Request State Change', [...PULL_REQUEST, 'approvalStatus']],
  ['pullRequestApprovalStateChanged', 'CodeCommit Pull Request State Change', [...PULL_REQUEST, 'approvalStatus']],
  ['pullRequestApprovalRuleUpdated', 'CodeCommit Pull Request State Change', RULE],
  ['commentReactionCreated', 'CodeCommit Comment Reaction Change', REACTION],
  ['commentReactionUpdated', 'CodeCommit Comment Reaction Change', REACTION],
  ['commentReactionUpdated', 'CodeCommit Comment Reaction Change', REACTION],
];

test('each event has the fields that AWS documents, and no others', () => {
  const made = eventSamples();
  assert.equal(made.length, FIELDS.length);
  for (const [at, [event, detailType, fields]] of FIELDS.entries()) {
    const { source, detail, ...rest } = made[at]!;
    assert.equal(detail['event'], event);
    assert.equal(rest.detailType, detailType, event);
    assert.equal(source, 'aws.codecommit');
    assert.deepEqual(Object.keys(detail).sort(), [...fields].sort(), event);
    assert.doesNotMatch(JSON.stringify(detail), /secret words/, 'the content of a comment is in no event');
  }
});

test('the samples of the events are those in testdata', () => {
  assert.deepEqual(JSON.parse(JSON.stringify(eventSamples())), samples, 'see testing/event-samples.ts');
});
