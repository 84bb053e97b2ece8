/** For tests only: errors that the model lists and that are not provoked in `exceptions.test.ts`, each with its reason. */

/** Errors of operations that cannot occur here. */
export const NEVER: [operations: readonly string[], error: string, reason: string][] = [
  [['CreatePullRequest'], 'TargetRequired', 'a null in a list is left out before the call: the list is empty then'],
  [['CreatePullRequest'], 'InvalidTarget', 'each thing that can be wrong with a target has an error of its own'],
  [['CreateRepository'], 'OperationNotAllowed', 'CodeCommit is open to every account of an installation'],
  [
    ['CreateRepository', 'TagResource', 'UntagResource'],
    'TagPolicy',
    'an installation has no tag policies: those are of AWS Organizations',
  ],
  [['UntagResource'], 'TooManyTags', 'taking tags away leaves no more than there were'],
  [['PutCommentReaction'], 'ReactionLimitExceeded', 'a second reaction of the same user replaces the first one'],
  [['PutFile'], 'InvalidDeletionParameter', 'it deletes nothing'],
  [
    ['MergePullRequestByFastForward'],
    'ReferenceDoesNotExist',
    'a pull request is closed as soon as one of its branches goes (PullRequestAlreadyClosed)',
  ],
  [
    ['MergeBranchesByFastForward', 'MergeBranchesBySquash', 'MergeBranchesByThreeWay'],
    'InvalidBranchName',
    'a bad target is InvalidTargetBranch, a bad destination InvalidCommit',
  ],
  [
    ['MergeBranchesByFastForward'],
    'TipsDivergenceExceeded',
    'it asks whether the source builds on the destination, however far; what does not is ManualMergeRequired',
  ],
  [['CreateUnreferencedMergeCommit'], 'ConcurrentReferenceUpdate', 'it moves no reference'],
  [['GetMergeConflicts'], 'InvalidCommit', 'it tells which of its two specifiers is not valid'],
  [
    ['GetMergeConflicts', 'GetMergeOptions'],
    'MaximumFileContentToLoadExceeded',
    'a page has fewer files than can be loaded; options need no contents',
  ],
  [['GetDifferences'], 'InvalidCommitId', 'its commits are specifiers, and a bad one is InvalidCommit'],
  [['ListFileCommitHistory'], 'CommitRequired', 'without a commit it is the history of the default branch'],
  [['CreateRepository'], 'EncryptionIntegrityChecksFailed', 'there is no wrapped key yet whose check could fail'],
];

/** Errors that take long or many commits: the test file that provokes them names them. */
export const ELSEWHERE: [operations: readonly string[], error: string, file: string][] = [
  [['ListFileCommitHistory'], 'TipsDivergenceExceeded', 'merges-limits.test.ts'], // after a minute of git's time
];

/**
 * Operations that read and write rows only. They need no object of a repository, and so no key: they go on when it is
 * disabled, gone or somebody else's, and throw none of the `Encryption...` errors that the model lists for them.
 */
export const WITHOUT_KEY: ReadonlySet<string> = new Set([
  'AssociateApprovalRuleTemplateWithRepository',
  'BatchAssociateApprovalRuleTemplateWithRepositories',
  'BatchDisassociateApprovalRuleTemplateFromRepositories',
  'BatchGetRepositories',
  'CreatePullRequest',
  'CreatePullRequestApprovalRule',
  'DeleteBranch',
  'DeletePullRequestApprovalRule',
  'DeleteRepository',
  'DescribePullRequestEvents',
  'DisassociateApprovalRuleTemplateFromRepository',
  'EvaluatePullRequestApprovalRules',
  'GetBranch',
  'GetComment',
  'GetPullRequest',
  'GetPullRequestApprovalStates',
  'GetPullRequestOverrideState',
  'GetRepository',
  'GetRepositoryTriggers',
  'ListAssociatedApprovalRuleTemplatesForRepository',
  'ListBranches',
  'ListPullRequests',
  'ListRepositoriesForApprovalRuleTemplate',
  'OverridePullRequestApprovalRules',
  'PutRepositoryTriggers',
  'TestRepositoryTriggers',
  'UpdateDefaultBranch',
  'UpdatePullRequestApprovalRuleContent',
  'UpdatePullRequestApprovalState',
  'UpdatePullRequestStatus',
  'UpdateRepositoryDescription',
]);
