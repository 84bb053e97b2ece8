import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { codecommit } from './service.ts';

const app = { repositoryName: 'app' };
const main = { ...app, branchName: 'main' };
const resourceArn = 'arn:aws:codecommit:us-east-1:123456789012:app';
const commitId = 'a'.repeat(40);
const sides = { ...app, sourceCommitSpecifier: 'x', destinationCommitSpecifier: 'main' };
const pull = { pullRequestId: '1' };
const rule = { ...pull, approvalRuleName: 'a rule' };
const revision = { ...pull, revisionId: 'a'.repeat(64) };
const template = { approvalRuleTemplateName: 'a template' };
const commentId = '00000000-0000-4000-8000-000000000000';
const content = '{"Version":"2018-11-08","Statements":[{"Type":"Approvers","NumberOfApprovalsNeeded":1}]}';

const triggers = [
  { name: 'a', destinationArn: 'arn:aws:sns:us-east-1:123456789012:topic', branches: [], events: ['all'] },
];

/** A valid call of every operation that there is. */
const CALLS: Record<string, object> = {
  AssociateApprovalRuleTemplateWithRepository: { ...app, ...template },
  BatchAssociateApprovalRuleTemplateWithRepositories: { ...template, repositoryNames: ['app'] },
  BatchDescribeMergeConflicts: { ...sides, mergeOption: 'SQUASH_MERGE' },
  BatchDisassociateApprovalRuleTemplateFromRepositories: { ...template, repositoryNames: ['app'] },
  BatchGetCommits: { ...app, commitIds: [commitId] },
  BatchGetRepositories: { repositoryNames: ['app'] },
  CreateApprovalRuleTemplate: { ...template, approvalRuleTemplateContent: content },
  CreateBranch: { ...main, commitId },
  CreateCommit: { ...main, deleteFiles: [{ filePath: 'a' }] },
  CreatePullRequest: { title: 'x', targets: [{ ...app, sourceReference: 'x' }] },
  CreatePullRequestApprovalRule: { ...rule, approvalRuleContent: content },
  CreateRepository: { repositoryName: 'new' },
  CreateUnreferencedMergeCommit: { ...sides, mergeOption: 'SQUASH_MERGE' },
  DeleteApprovalRuleTemplate: template,
  DeleteBranch: main,
  DeleteCommentContent: { commentId },
  DeleteFile: { ...main, filePath: 'a', parentCommitId: commitId },
  DeletePullRequestApprovalRule: rule,
  DeleteRepository: app,
  DescribeMergeConflicts: { ...sides, mergeOption: 'SQUASH_MERGE', filePath: 'a' },
  DescribePullRequestEvents: pull,
  DisassociateApprovalRuleTemplateFromRepository: { ...app, ...template },
  EvaluatePullRequestApprovalRules: revision,
  GetApprovalRuleTemplate: template,
  GetBlob: { ...app, blobId: commitId },
  GetBlobDifferences: { ...app, afterBlobId: commitId },
  GetBranch: main,
  GetComment: { commentId },
  GetCommentReactions: { commentId },
  GetCommentsForComparedCommit: { ...app, afterCommitId: commitId },
  GetCommentsForPullRequest: pull,
  GetCommit: { ...app, commitId },
  GetDifferences: { ...app, afterCommitSpecifier: 'main' },
  GetFile: { ...app, filePath: 'a' },
  GetFolder: { ...app, folderPath: '/' },
  GetMergeCommit: sides,
  GetMergeConflicts: { ...sides, mergeOption: 'SQUASH_MERGE' },
  GetMergeOptions: sides,
  GetPullRequest: pull,
  GetPullRequestApprovalStates: revision,
  GetPullRequestOverrideState: revision,
  GetRepository: app,
  GetRepositoryTriggers: app,
  ListApprovalRuleTemplates: {},
  ListAssociatedApprovalRuleTemplatesForRepository: app,
  ListBranches: app,
  ListFileCommitHistory: { ...app, filePath: 'a' },
  ListPullRequests: app,
  ListRepositories: {},
  ListRepositoriesForApprovalRuleTemplate: template,
  ListTagsForResource: { resourceArn },
  MergeBranchesByFastForward: { ...sides, targetBranch: 'main' },
  MergeBranchesBySquash: { ...sides, targetBranch: 'main' },
  MergeBranchesByThreeWay: { ...sides, targetBranch: 'main' },
  MergePullRequestByFastForward: { ...app, ...pull },
  MergePullRequestBySquash: { ...app, ...pull },
  MergePullRequestByThreeWay: { ...app, ...pull },
  OverridePullRequestApprovalRules: { ...revision, overrideStatus: 'OVERRIDE' },
  PostCommentForComparedCommit: { ...app, afterCommitId: commitId, content: 'x' },
  PostCommentForPullRequest: { ...app, ...pull, beforeCommitId: commitId, afterCommitId: commitId, content: 'x' },
  PostCommentReply: { inReplyTo: commentId, content: 'x' },
  PutCommentReaction: { commentId, reactionValue: ':ship:' },
  PutFile: { ...main, filePath: 'a', fileContent: Buffer.from('x') },
  PutRepositoryTriggers: { ...app, triggers },
  TagResource: { resourceArn, tags: { a: 'b' } },
  TestRepositoryTriggers: { ...app, triggers },
  UntagResource: { resourceArn, tagKeys: ['a'] },
  UpdateApprovalRuleTemplateContent: { ...template, newRuleContent: content },
  UpdateApprovalRuleTemplateDescription: { ...template, approvalRuleTemplateDescription: 'x' },
  UpdateApprovalRuleTemplateName: { oldApprovalRuleTemplateName: 'a', newApprovalRuleTemplateName: 'b' },
  UpdateComment: { commentId, content: 'x' },
  UpdateDefaultBranch: { ...app, defaultBranchName: 'main' },
  UpdatePullRequestApprovalRuleContent: { ...rule, newRuleContent: content },
  UpdatePullRequestApprovalState: { ...revision, approvalState: 'APPROVE' },
  UpdatePullRequestDescription: { ...pull, description: 'x' },
  UpdatePullRequestStatus: { ...pull, pullRequestStatus: 'CLOSED' },
  UpdatePullRequestTitle: { ...pull, title: 'x' },
  UpdateRepositoryDescription: app,
  UpdateRepositoryEncryptionKey: { ...app, kmsKeyId: 'key' },
  UpdateRepositoryName: { oldName: 'app', newName: 'new' },
};

/** Their denials name none. */
const ABOUT_NO_RESOURCE = new Set([
  'CreateApprovalRuleTemplate',
  'DeleteApprovalRuleTemplate',
  'GetApprovalRuleTemplate',
  'ListApprovalRuleTemplates',
  'ListRepositories',
  'ListRepositoriesForApprovalRuleTemplate',
  'UpdateApprovalRuleTemplateContent',
  'UpdateApprovalRuleTemplateDescription',
  'UpdateApprovalRuleTemplateName',
]);

test('X2: a user whose policy names other things can do nothing, and learns nothing', async (t) => {
  assert.deepEqual([...codecommit.operations.keys()].toSorted(), Object.keys(CALLS));
  const server = await startServer(t);
  const nobody = await server.user('nobody', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }],
  });
  const attempt = (operation: string) => {
    const method = operation.charAt(0).toLowerCase() + operation.slice(1);
    const call = (nobody.codecommit as unknown as Record<string, (input: object) => Promise<unknown>>)[method]!;
    return call.call(nobody.codecommit, CALLS[operation]!);
  };
  const denied = (operation: string) => ({
    name: 'AccessDeniedException',
    message: new RegExp(
      `user/nobody is not authorized to perform: codecommit:${operation} ${ABOUT_NO_RESOURCE.has(operation) ? 'because no ' : 'on resource: '}`,
    ),
  });
  for (const operation of codecommit.operations.keys()) await assert.rejects(attempt(operation), denied(operation));
  await server.root_.codecommit.createRepository(app);
  for (const operation of codecommit.operations.keys()) await assert.rejects(attempt(operation), denied(operation));
  const { repositories } = await server.root_.codecommit.listRepositories({});
  assert.deepEqual(
    repositories!.map(({ repositoryName }) => repositoryName),
    ['app'],
  );
});

/** Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS CodeCommit"; GitPush is no operation. */
const WITH_REFERENCES = [
  'CreateBranch',
  'CreateCommit',
  'CreateUnreferencedMergeCommit',
  'DeleteBranch',
  'DeleteFile',
  'GetMergeCommit',
  'MergeBranchesByFastForward',
  'MergeBranchesBySquash',
  'MergeBranchesByThreeWay',
  'MergePullRequestByFastForward',
  'MergePullRequestBySquash',
  'MergePullRequestByThreeWay',
  'PutFile',
];

test('codecommit:References is there for the operations that AWS documents it for, and for no other', () => {
  const golden = readFileSync(new URL('../../../test/golden/authorization.txt', import.meta.url), 'utf8');
  const found = golden.matchAll(/^codecommit:(\w+) .* codecommit:References$/gm);
  assert.deepEqual(
    [...found].map(([, operation]) => operation),
    WITH_REFERENCES,
  );
});
