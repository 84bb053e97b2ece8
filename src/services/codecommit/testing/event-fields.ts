/** For tests only: the fields of each event that AWS documents. */

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
export const PERSON_FIELDS = ['displayName', 'emailAddress'];
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
export const EVENT_FIELDS: [event: string, detailType: string, fields: string[]][] = [
  ['referenceCreated', 'CodeCommit Repository State Change', [...REFERENCE, 'commitId']],
  ['referenceUpdated', 'CodeCommit Repository State Change', [...REFERENCE, ...MERGE, 'commitId', 'oldCommitId']],
  ['referenceDeleted', 'CodeCommit Repository State Change', [...REFERENCE, 'oldCommitId']],
  [
    'unreferencedMergeCommitCreated',
    'CodeCommit Repository State Change',
    ['callerUserArn', 'event', 'repositoryName', 'repositoryId', 'commitId', ...MERGE],
  ],
  ['commentOnCommitCreated', 'CodeCommit Comment on Commit', [...COMMENT, ...PERSON_FIELDS]],
  ['commentOnCommitUpdated', 'CodeCommit Comment on Commit', [...COMMENT, ...PERSON_FIELDS]],
  [
    'commentOnPullRequestCreated',
    'CodeCommit Comment on Pull Request',
    [...COMMENT, ...PERSON_FIELDS, 'pullRequestId'],
  ],
  ['commentOnPullRequestUpdated', 'CodeCommit Comment on Pull Request', [...COMMENT, 'pullRequestId']],
  ['pullRequestCreated', 'CodeCommit Pull Request State Change', [...PULL_REQUEST, ...PERSON_FIELDS]],
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
