/** For tests only: an input of each operation that succeeds in the world of `fault-world.ts`. */
import { code, type Input, NONE, type World } from './fault-world.ts';
import { app, ruleContent } from './reviews.ts';

const ARN = 'arn:aws:codecommit:us-east-1:123456789012:app';
const rule = ruleContent(1);
const bytes = (text: string) => Buffer.from(text);
const sides = { ...code, sourceCommitSpecifier: 'plain-feature', destinationCommitSpecifier: 'plain' };
const merge = { ...sides, mergeOption: 'THREE_WAY_MERGE' };
const triggers = [
  { name: 'one', destinationArn: 'arn:aws:sns:us-east-1:123456789012:topic', branches: [], events: ['all'] },
];

/** By operation. */
export function goodInputs(world: World): Record<string, Input> {
  return { ...reviewInputs(world), ...codeInputs(world), ...mergeInputs(world) };
}

function reviewInputs({ main, feature, revisionId, commentId }: World): Record<string, Input> {
  const pull = { pullRequestId: '1' };
  const revision = { ...pull, revisionId };
  const named = { ...pull, approvalRuleName: 'own' };
  const template = { approvalRuleTemplateName: 'associated' };
  const compared = { ...app, beforeCommitId: main, afterCommitId: feature };
  const comment = {
    content: 'Words',
    location: { filePath: 'feature.txt', filePosition: 1, relativeFileVersion: 'AFTER' },
  };
  return {
    AssociateApprovalRuleTemplateWithRepository: { ...app, ...template },
    BatchAssociateApprovalRuleTemplateWithRepositories: { ...template, repositoryNames: ['app'] },
    BatchDisassociateApprovalRuleTemplateFromRepositories: { ...template, repositoryNames: [] },
    CreateApprovalRuleTemplate: { approvalRuleTemplateName: 'new', approvalRuleTemplateContent: rule },
    CreatePullRequest: { title: 'T', targets: [{ ...app, sourceReference: 'feature', destinationReference: 'main' }] },
    CreatePullRequestApprovalRule: { ...pull, approvalRuleName: 'new', approvalRuleContent: rule },
    DeleteApprovalRuleTemplate: { approvalRuleTemplateName: 'none' },
    DeleteCommentContent: { commentId },
    DeletePullRequestApprovalRule: { ...pull, approvalRuleName: 'none' },
    DescribePullRequestEvents: pull,
    DisassociateApprovalRuleTemplateFromRepository: { ...app, approvalRuleTemplateName: 'free' },
    EvaluatePullRequestApprovalRules: revision,
    GetApprovalRuleTemplate: template,
    GetComment: { commentId },
    GetCommentReactions: { commentId },
    GetCommentsForComparedCommit: compared,
    GetCommentsForPullRequest: { ...pull, ...compared },
    GetPullRequest: pull,
    GetPullRequestApprovalStates: revision,
    GetPullRequestOverrideState: revision,
    ListApprovalRuleTemplates: {},
    ListAssociatedApprovalRuleTemplatesForRepository: app,
    ListPullRequests: app,
    ListRepositoriesForApprovalRuleTemplate: template,
    OverridePullRequestApprovalRules: { ...revision, overrideStatus: 'REVOKE' },
    PostCommentForComparedCommit: { ...compared, ...comment },
    PostCommentForPullRequest: { ...pull, ...compared, ...comment },
    PostCommentReply: { inReplyTo: commentId, content: 'Words' },
    PutCommentReaction: { commentId, reactionValue: ':ship:' },
    UpdateApprovalRuleTemplateContent: { ...template, newRuleContent: rule },
    UpdateApprovalRuleTemplateDescription: { ...template, approvalRuleTemplateDescription: 'D' },
    UpdateApprovalRuleTemplateName: {
      oldApprovalRuleTemplateName: 'associated',
      newApprovalRuleTemplateName: 'associated',
    },
    UpdateComment: { commentId, content: 'Other words' },
    UpdatePullRequestApprovalRuleContent: { ...named, newRuleContent: rule },
    UpdatePullRequestApprovalState: { ...revision, approvalState: 'REVOKE' },
    UpdatePullRequestDescription: { ...pull, description: 'D' },
    UpdatePullRequestStatus: { ...pull, pullRequestStatus: 'OPEN' },
    UpdatePullRequestTitle: { ...pull, title: 'T' },
  };
}

function codeInputs({ code: { tip, smallBlob } }: World): Record<string, Input> {
  const at = { commitSpecifier: 'main', filePath: 'a/one' };
  const work = (branchName: string) => ({ ...code, branchName, parentCommitId: tip });
  return {
    BatchGetCommits: { ...code, commitIds: [tip, NONE] },
    BatchGetRepositories: { repositoryNames: ['app', 'none'] },
    CreateBranch: { ...code, branchName: 'new', commitId: tip },
    CreateCommit: { ...work('work-commit'), putFiles: [{ filePath: 'new', fileContent: bytes('new') }] },
    CreateRepository: { repositoryName: 'new' },
    DeleteBranch: { ...code, branchName: 'new' },
    DeleteFile: { ...work('work-delete'), filePath: 'a/one' },
    DeleteRepository: { repositoryName: 'new' },
    GetBlob: { ...code, blobId: smallBlob },
    GetBlobDifferences: { ...code, afterBlobId: smallBlob },
    GetBranch: { ...code, branchName: 'main' },
    GetCommit: { ...code, commitId: tip },
    GetDifferences: { ...code, afterCommitSpecifier: 'main' },
    GetFile: { ...code, ...at },
    GetFolder: { ...code, commitSpecifier: 'main', folderPath: 'a' },
    GetRepository: code,
    GetRepositoryTriggers: code,
    ListBranches: code,
    ListFileCommitHistory: { ...code, ...at },
    ListRepositories: {},
    ListTagsForResource: { resourceArn: ARN },
    PutFile: { ...work('work-put'), filePath: 'new', fileContent: bytes('new') },
    PutRepositoryTriggers: { ...code, triggers },
    TagResource: { resourceArn: ARN, tags: { team: 'blue' } },
    TestRepositoryTriggers: { ...code, triggers },
    UntagResource: { resourceArn: ARN, tagKeys: ['team'] },
    UpdateDefaultBranch: { ...code, defaultBranchName: 'main' },
    UpdateRepositoryDescription: { ...code, repositoryDescription: 'D' },
    UpdateRepositoryEncryptionKey: { ...code, kmsKeyId: 'alias/aws/codecommit' },
    UpdateRepositoryName: { oldName: 'other', newName: 'renamed' },
  };
}

function mergeInputs({ code: { pulls } }: World): Record<string, Input> {
  return {
    BatchDescribeMergeConflicts: merge,
    CreateUnreferencedMergeCommit: merge,
    DescribeMergeConflicts: { ...merge, filePath: 'plain' },
    GetMergeCommit: sides,
    GetMergeConflicts: merge,
    GetMergeOptions: sides,
    MergeBranchesByFastForward: sides,
    MergeBranchesBySquash: sides,
    MergeBranchesByThreeWay: sides,
    MergePullRequestByFastForward: { ...code, pullRequestId: pulls.forward },
    MergePullRequestBySquash: { ...code, pullRequestId: pulls.squash },
    MergePullRequestByThreeWay: { ...code, pullRequestId: pulls.threeWay },
  };
}
