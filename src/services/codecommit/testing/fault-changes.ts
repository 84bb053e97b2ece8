/** For tests only: changes of a good input that provoke the same error in every operation that declares it. */
import { code, type Input, LONG_NAME, NONE, NOWHERE, type Pair, type World } from './fault-world.ts';
import { app } from './reviews.ts';

/** A changed input, or a call of its own. */
export type Cause = Input | ((world: World, input: Input) => unknown);

interface About {
  operation: string;
  input: Input;
  world: World;
}

/** The input with its first member of one of these names set; `undefined` leaves it out. */
function set(input: Input, names: string[], value: unknown): Input {
  return { [names.find((one) => one in input) ?? names[0]!]: value };
}

export const target = (more: Input) => ({
  targets: [{ ...app, sourceReference: 'feature', destinationReference: 'main', ...more }],
});
const repository = ['repositoryName', 'oldName', 'newName'];
const templateNames = ['approvalRuleTemplateName', 'oldApprovalRuleTemplateName'];
const ruleContents = ['approvalRuleContent', 'newRuleContent'];
const templateContents = ['approvalRuleTemplateContent', 'newRuleContent'];
const comments = ['commentId', 'inReplyTo'];
const paths = ['filePath', 'folderPath'];
const specifiers = ['sourceCommitSpecifier', 'afterCommitSpecifier', 'commitSpecifier'];
const file = (more: Input) => ({ location: { filePath: 'a.txt', ...more } });
const many = (count: number) => Array.from({ length: count }, (_, n) => `r${n}`);
/** The member that names a branch. */
function branch(input: Input, name: unknown): Input {
  if ('sourceCommitSpecifier' in input) return { targetBranch: name };
  return set(input, ['branchName', 'defaultBranchName'], name);
}

function setRepository(input: Input, name: unknown): Input {
  if ('targets' in input) return target({ repositoryName: name });
  if ('resourceArn' in input) return { resourceArn: `arn:aws:codecommit:us-east-1:123456789012:${name}` };
  if ('repositoryNames' in input) return { repositoryNames: [name] };
  return set(input, repository, name);
}

/** Merges another pair of branches. */
export function mergeOf({ input, world }: Pick<About, 'input' | 'world'>, pair: Pair): Input {
  if ('pullRequestId' in input) return { ...code, pullRequestId: world.code.pulls[pair] };
  return { sourceCommitSpecifier: `${pair}-feature`, destinationCommitSpecifier: pair };
}

const big = Buffer.alloc(6 * 1024 ** 2 + 1, 'x');
const contents = (...entries: Input[]) => ({
  conflictResolutionStrategy: 'AUTOMERGE',
  conflictResolution: {
    replaceContents: entries.map((entry) => ({ filePath: 'f', replacementType: 'KEEP_BASE', ...entry })),
  },
});
const modes = (entry: Input) => ({
  conflictResolutionStrategy: 'AUTOMERGE',
  conflictResolution: { setFileModes: [{ filePath: 'f', ...entry }] },
});
const isMerge = (operation: string) => /^(Merge|CreateUnreferenced)/.test(operation);
/** A merge's path stands in its resolution, a comment's in its location. */
function path({ operation, input }: About, value: unknown): Input {
  if (isMerge(operation)) return contents({ filePath: value });
  if ('location' in input) return { location: { filePath: value } };
  if (operation === 'GetDifferences') return { afterPath: value };
  if ('putFiles' in input) return { putFiles: [{ filePath: value, fileContent: Buffer.from('x') }] };
  return set(input, paths, value);
}

/** By the error's name without `Exception`. */
export const CHANGES: Record<string, (about: About) => Cause> = {
  RepositoryNameRequired: ({ input }) => setRepository(input, undefined),
  InvalidRepositoryName: ({ input }) => setRepository(input, 'a b'),
  RepositoryDoesNotExist: ({ input }) => setRepository(input, 'none'),
  RepositoryNotAssociatedWithPullRequest: () => ({ repositoryName: 'other' }),
  RepositoryNamesRequired: () => ({ repositoryNames: undefined }),
  MaximumRepositoryNamesExceeded: () => ({ repositoryNames: many(101) }),
  InvalidRepositoryDescription: () => ({ repositoryDescription: 'd'.repeat(1_001) }),
  PullRequestIdRequired: () => ({ pullRequestId: undefined }),
  InvalidPullRequestId: () => ({ pullRequestId: '1 or 2' }),
  PullRequestDoesNotExist: () => ({ pullRequestId: '999' }),
  PullRequestAlreadyClosed: ({ operation }) => ({ pullRequestId: '2', ...(isMerge(operation) ? app : {}) }),
  RevisionIdRequired: () => ({ revisionId: undefined }),
  InvalidRevisionId: () => ({ revisionId: 'latest' }),
  RevisionNotCurrent: () => ({ revisionId: 'a'.repeat(64) }),
  ApprovalRuleNameRequired: () => ({ approvalRuleName: undefined }),
  InvalidApprovalRuleName: () => ({ approvalRuleName: 'a/b' }),
  ApprovalRuleDoesNotExist: () => ({ approvalRuleName: 'none' }),
  ApprovalRuleContentRequired: ({ input }) => set(input, ruleContents, undefined),
  InvalidApprovalRuleContent: ({ input }) => set(input, ruleContents, '{}'),
  ApprovalRuleTemplateNameRequired: ({ input }) => set(input, templateNames, undefined),
  InvalidApprovalRuleTemplateName: ({ input }) => set(input, templateNames, 'a.git'),
  ApprovalRuleTemplateDoesNotExist: ({ input }) => set(input, templateNames, 'none'),
  ApprovalRuleTemplateContentRequired: ({ input }) => set(input, templateContents, undefined),
  InvalidApprovalRuleTemplateContent: ({ input }) => set(input, templateContents, '[]'),
  InvalidApprovalRuleTemplateDescription: () => ({ approvalRuleTemplateDescription: 'd'.repeat(1_001) }),
  InvalidRuleContentSha256: () => ({ existingRuleContentSha256: 'f'.repeat(64) }),
  ClientRequestTokenRequired: () => ({ clientRequestToken: '' }),
  InvalidClientRequestToken: () => ({ clientRequestToken: 'x'.repeat(65) }),
  CommentIdRequired: ({ input }) => set(input, comments, undefined),
  InvalidCommentId: ({ input }) => set(input, comments, 'first'),
  CommentDoesNotExist: ({ input }) => set(input, comments, NOWHERE),
  CommentDeleted: ({ input, world }) => set(input, comments, world.deletedId),
  CommentContentRequired: () => ({ content: ' ' }),
  CommentContentSizeLimitExceeded: () => ({ content: 'c'.repeat(10_241) }),
  CommitIdRequired: ({ input }) => set(input, ['afterCommitId', 'commitId'], undefined),
  InvalidCommitId: ({ input }) => set(input, ['sourceCommitId', 'afterCommitId', 'commitId'], 'main'),
  CommitIdDoesNotExist: () => ({ commitId: NONE }),
  CommitIdsListRequired: () => ({ commitIds: undefined }),
  CommitIdsLimitExceeded: () => ({ commitIds: many(101) }),
  CommitRequired: ({ input }) => set(input, specifiers, undefined),
  InvalidCommit: ({ input }) => set(input, specifiers, 'a..b'),
  CommitDoesNotExist: ({ input }) => set(input, [...specifiers, 'afterCommitId', 'commitId'], NONE),
  BeforeCommitIdAndAfterCommitIdAreSame: ({ world }) => ({
    beforeCommitId: world.feature,
    afterCommitId: world.feature,
  }),
  BranchNameRequired: ({ input, world }) =>
    'sourceCommitSpecifier' in input ? { destinationCommitSpecifier: world.code.base } : branch(input, undefined),
  InvalidBranchName: ({ input }) => branch(input, 'a..b'),
  BranchDoesNotExist: ({ input }) => branch(input, 'none'),
  BranchNameIsTagName: ({ input }) => branch(input, 'v1'),
  InvalidTargetBranch: () => ({ targetBranch: 'a..b' }),
  ParentCommitIdRequired: () => ({ parentCommitId: undefined }),
  InvalidParentCommitId: () => ({ parentCommitId: 'main' }),
  ParentCommitDoesNotExist: () => ({ parentCommitId: NONE }),
  ParentCommitIdOutdated: ({ world }) => ({ parentCommitId: world.code.base }),
  PathRequired: (about) => path(about, undefined),
  InvalidPath: (about) => path(about, '../a'),
  PathDoesNotExist: (about) => path(about, 'none'),
  FileDoesNotExist: ({ input }) =>
    'putFiles' in input ? { deleteFiles: [{ filePath: 'none' }] } : { filePath: 'none' },
  InvalidFileLocation: () => file({ filePath: 'folder' }),
  InvalidFilePosition: () => file({ filePosition: 4, relativeFileVersion: 'AFTER' }),
  InvalidRelativeFileVersionEnum: () => file({ relativeFileVersion: 'NEITHER' }),
  BlobIdRequired: ({ input }) => set(input, ['blobId', 'afterBlobId'], undefined),
  InvalidBlobId: ({ input }) => set(input, ['blobId', 'afterBlobId'], 'f'),
  BlobIdDoesNotExist: ({ input }) => set(input, ['blobId', 'afterBlobId'], NONE),
  FileTooLarge: ({ input, world }) =>
    'filePath' in input
      ? { commitSpecifier: 'large', filePath: 'huge' }
      : set(input, ['blobId', 'afterBlobId'], world.code.hugeBlob),
  NameLengthExceeded: ({ operation, input }) => ({
    [isMerge(operation) || 'putFiles' in input ? 'authorName' : 'name']: 'n'.repeat(1_025),
  }),
  InvalidEmail: () => ({ email: 'a b' }),
  CommitMessageLengthExceeded: () => ({ commitMessage: 'm'.repeat(256 * 1024 + 1) }),
  FileContentSizeLimitExceeded: ({ operation, input }) => {
    if (isMerge(operation)) return contents({ replacementType: 'USE_NEW_CONTENT', content: big });
    return 'putFiles' in input ? { putFiles: [{ filePath: 'x', fileContent: big }] } : { fileContent: big };
  },
  FolderContentSizeLimitExceeded: ({ operation, input, world }) => {
    if (isMerge(operation)) return mergeOf({ input, world }, 'wide');
    const added = { filePath: `w/${'m'.repeat(LONG_NAME)}`, fileContent: Buffer.from('x') };
    return {
      branchName: 'wide',
      parentCommitId: world.code.wide,
      ...('putFiles' in input ? { putFiles: [added] } : added),
    };
  },
  FileModeRequired: ({ operation }) => (isMerge(operation) ? modes({}) : { setFileModes: [{ filePath: 'f' }] }),
  InvalidFileMode: ({ operation, input }) => {
    if (isMerge(operation)) return modes({ fileMode: 'SYMLINK' });
    return 'putFiles' in input ? { setFileModes: [{ filePath: 'f', fileMode: 'SYMLINK' }] } : { fileMode: '0777' };
  },
  FileNameConflictsWithDirectoryName: (about) => path(about, 'a'),
  DirectoryNameConflictsWithFileName: (about) => path(about, 'a/one/x'),
  FilePathConflictsWithSubmodulePath: (about) => path(about, 'sub/x'),
  MergeOptionRequired: () => ({ mergeOption: undefined }),
  InvalidMergeOption: () => ({ mergeOption: 'REBASE' }),
  ManualMergeRequired: (about) => mergeOf(about, 'conflict'),
  TipsDivergenceExceeded: (about) => mergeOf(about, 'stranger'),
  MaximumItemsToCompareExceeded: (about) => mergeOf(about, 'many'),
  MaximumFileContentToLoadExceeded: (about) => ({
    ...mergeOf(about, 'large'),
    ...(isMerge(about.operation) ? { conflictResolutionStrategy: 'ACCEPT_SOURCE' } : { filePath: 'huge' }),
    conflictDetailLevel: 'LINE_LEVEL',
  }),
  InvalidConflictDetailLevel: () => ({ conflictDetailLevel: 'WORD_LEVEL' }),
  InvalidConflictResolutionStrategy: () => ({ conflictResolutionStrategy: 'BEST' }),
  InvalidConflictResolution: () => ({ conflictResolution: { deleteFiles: [{ filePath: 'f' }] } }),
  MaximumConflictResolutionEntriesExceeded: () => ({
    conflictResolutionStrategy: 'AUTOMERGE',
    conflictResolution: { deleteFiles: many(101).map((filePath) => ({ filePath })) },
  }),
  MultipleConflictResolutionEntries: () => contents({}, {}),
  ReplacementTypeRequired: () => contents({ replacementType: undefined }),
  InvalidReplacementType: () => contents({ replacementType: 'KEEP_ALL' }),
  ReplacementContentRequired: () => contents({ replacementType: 'USE_NEW_CONTENT' }),
  InvalidReplacementContent: () => contents({ content: Buffer.from('x') }),
  TipOfSourceReferenceIsDifferent: () => ({ sourceCommitId: NONE }),
  PullRequestApprovalRulesNotSatisfied: () => ({ ...app, pullRequestId: '1' }),
  InvalidMaxConflictFiles: () => ({ maxConflictFiles: 0 }),
  InvalidMaxMergeHunks: () => ({ maxMergeHunks: -1 }),
  InvalidMaxResults: ({ operation }) => ({
    [/Differences$/.test(operation) ? 'MaxResults' : 'maxResults']: 0,
  }),
  InvalidContinuationToken: ({ operation }) => ({
    [/Differences$/.test(operation) ? 'NextToken' : 'nextToken']: 'x',
  }),
  TitleRequired: () => ({ title: '' }),
  InvalidTitle: () => ({ title: 't'.repeat(151) }),
  InvalidDescription: () => ({ description: 'd'.repeat(10_241) }),
  InvalidPullRequestStatus: () => ({ pullRequestStatus: 'MERGED' }),
  ResourceArnRequired: () => ({ resourceArn: undefined }),
  InvalidResourceArn: () => ({ resourceArn: 'app' }),
  InvalidTagsMap: () => ({ tags: { 'a\u0007': 'v' } }),
  TooManyTags: () => ({ tags: Object.fromEntries(many(51).map((key) => [key, 'v'])) }),
  InvalidSystemTagUsage: ({ input }) => ('tagKeys' in input ? { tagKeys: ['aws:x'] } : { tags: { 'aws:x': 'v' } }),
};
