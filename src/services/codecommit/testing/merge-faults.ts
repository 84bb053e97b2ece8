/** For tests only: what can go wrong when a pull request is merged. */
type Input = Record<string, unknown>;

const OF_THE_MERGE = 'thrown by the merge itself, which has a test of its own: merges.test.ts, conflicts.test.ts';
const resolution = (entry: Input) => ({
  conflictResolutionStrategy: 'AUTOMERGE',
  conflictResolution: { replaceContents: [entry] },
});

const RESOLVED: Record<string, Input | string> = {
  TipOfSourceReferenceIsDifferent: { sourceCommitId: 'a'.repeat(40) },
  PullRequestApprovalRulesNotSatisfied: {},
  ManualMergeRequired: OF_THE_MERGE,
  ConcurrentReferenceUpdate: 'provoked by merges that race: pull-requests-merges.test.ts',
  ReferenceDoesNotExist: 'a pull request is closed as soon as one of its branches goes (PullRequestAlreadyClosed)',
  TipsDivergenceExceeded: OF_THE_MERGE,
  NameLengthExceeded: OF_THE_MERGE,
  InvalidEmail: OF_THE_MERGE,
  CommitMessageLengthExceeded: OF_THE_MERGE,
  InvalidConflictDetailLevel: { conflictDetailLevel: 'WORD_LEVEL' },
  InvalidConflictResolutionStrategy: { conflictResolutionStrategy: 'BEST' },
  InvalidConflictResolution: OF_THE_MERGE,
  ReplacementTypeRequired: resolution({ filePath: 'a.txt' }),
  InvalidReplacementType: resolution({ filePath: 'a.txt', replacementType: 'KEEP_ALL' }),
  MultipleConflictResolutionEntries: OF_THE_MERGE,
  ReplacementContentRequired: OF_THE_MERGE,
  MaximumConflictResolutionEntriesExceeded: OF_THE_MERGE,
  PathRequired: resolution({ replacementType: 'KEEP_BASE' }),
  InvalidPath: OF_THE_MERGE,
  InvalidFileMode: resolution({ filePath: 'a.txt', replacementType: 'KEEP_BASE', fileMode: 'SECRET' }),
  InvalidReplacementContent: OF_THE_MERGE,
  FileContentSizeLimitExceeded: OF_THE_MERGE,
  FolderContentSizeLimitExceeded: 'there is no limit of a folder',
  MaximumFileContentToLoadExceeded: OF_THE_MERGE,
  MaximumItemsToCompareExceeded: OF_THE_MERGE,
};

/** By operation. */
export const MERGE_FAULTS = {
  MergePullRequestByFastForward: RESOLVED,
  MergePullRequestBySquash: RESOLVED,
  MergePullRequestByThreeWay: RESOLVED,
};
