import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startWithRepository } from './harness.ts';
import { Histories, type TreeSpec } from './merge-harness.ts';
import { app, openPullRequest, reviewing, ruleContent } from './testing/reviews.ts';

type Input = Record<string, unknown>;

const MIB = 1024 ** 2;
const ARN = 'arn:aws:codecommit:us-east-1:123456789012:app';
const text = (length: number) => 'x'.repeat(length);
const many = <T>(count: number, make: (n: number) => T) => Array.from({ length: count }, (_, n) => make(n));
const users = (count: number) => many(count, (n) => `CodeCommitApprovers:123456789012:user${n}`);
const branches = (count: number) => many(count, (n) => `branch${n}`);
const pull = { pullRequestId: '1' };
/** A rule whose text has so many characters: space between members says nothing. */
const ruleOf = (length: number) => ruleContent(1).replace('{', `{${' '.repeat(length - ruleContent(1).length)}`);
/** A path of so many characters, in as few folders as can be. */
const pathOf = (length: number) => {
  const folders = 'f'.repeat(255).concat('/').repeat(15);
  return folders + text(length - folders.length);
};
const trigger = (more: Input) => ({
  name: 'one',
  destinationArn: 'arn:aws:sns:us-east-1:123456789012:topic',
  branches: [],
  events: ['all'],
  ...more,
});
const template = (more: Input) => ({
  approvalRuleTemplateName: 'a template',
  approvalRuleTemplateContent: ruleContent(1),
  ...more,
});

interface Limit {
  /** As AWS names it. Source: CodeCommit User Guide, "Quotas in AWS CodeCommit", and the API reference's errors. */
  what: string;
  operation: string;
  most: number;
  /** An input that measures so much. @param at the tip of `main`. */
  of(size: number, at: { tip: string; feature: string }): Input;
  error: string;
}

const put = (filePath: string, fileContent: Buffer) => ({ filePath, fileContent });
const commit = (tip: string, putFiles: Input[]) => ({
  ...app,
  ...{ branchName: 'main', parentCommitId: tip },
  putFiles,
});
/** Files together of so many bytes, none of them too large. */
const together = (bytes: number) => {
  const half = Math.floor(bytes / 2);
  return [put('half', Buffer.alloc(half, 'a')), put('rest', Buffer.alloc(bytes - half, 'b'))];
};
/** A file that no other row writes. */
const file = (tip: string, more: Input) => ({
  ...app,
  ...{ branchName: 'main', parentCommitId: tip },
  ...put('a.txt', Buffer.from(Object.keys(more).join())),
  ...more,
});

const LIMITS: Limit[] = [
  {
    what: 'repository names',
    operation: 'CreateRepository',
    most: 100,
    of: (size) => ({ repositoryName: text(size) }),
    error: 'InvalidRepositoryName',
  },
  {
    what: 'repository descriptions',
    operation: 'UpdateRepositoryDescription',
    most: 1_000,
    of: (size) => ({ ...app, repositoryDescription: text(size) }),
    error: 'InvalidRepositoryDescription',
  },
  {
    what: 'repository tags',
    operation: 'TagResource',
    most: 50,
    of: (size) => ({ resourceArn: ARN, tags: Object.fromEntries(many(size, (n) => [`k${n}`, 'v'])) }),
    error: 'TooManyTags',
  },
  {
    what: 'tag key names',
    operation: 'UntagResource',
    most: 128,
    of: (size) => ({ resourceArn: ARN, tagKeys: [text(size)] }),
    error: 'InvalidTagKeysList',
  },
  {
    what: 'tag values',
    operation: 'TagResource',
    most: 256,
    of: (size) => ({ resourceArn: ARN, tags: { k0: text(size) } }),
    error: 'InvalidTagsMap',
  },
  {
    what: 'branch names',
    operation: 'CreateBranch',
    most: 256,
    of: (size, { tip }) => ({ ...app, branchName: text(size), commitId: tip }),
    error: 'InvalidBranchName',
  },
  {
    what: 'triggers in a repository',
    operation: 'PutRepositoryTriggers',
    most: 10,
    of: (size) => ({ ...app, triggers: many(size, (n) => trigger({ name: `t${n}` })) }),
    error: 'MaximumRepositoryTriggersExceeded',
  },
  {
    what: 'trigger names',
    operation: 'PutRepositoryTriggers',
    most: 100,
    of: (size) => ({ ...app, triggers: [trigger({ name: text(size) })] }),
    error: 'InvalidRepositoryTriggerName',
  },
  {
    what: 'custom data for triggers',
    operation: 'PutRepositoryTriggers',
    most: 1_000,
    of: (size) => ({ ...app, triggers: [trigger({ customData: text(size) })] }),
    error: 'InvalidRepositoryTriggerCustomData',
  },
  {
    what: 'branches of a trigger',
    operation: 'PutRepositoryTriggers',
    most: 10,
    of: (size) => ({ ...app, triggers: [trigger({ branches: branches(size) })] }),
    error: 'MaximumBranchesExceeded',
  },
  {
    what: 'files in one commit',
    operation: 'CreateCommit',
    most: 100,
    of: (size, { tip }) =>
      commit(
        tip,
        many(size, (n) => put(`many/${n}`, Buffer.from('x'))),
      ),
    error: 'MaximumFileEntriesExceeded',
  },
  {
    what: 'folders above a file',
    operation: 'PutFile',
    most: 20,
    of: (size, { tip }) => file(tip, { filePath: `${'d/'.repeat(size)}file` }),
    error: 'InvalidPath',
  },
  {
    what: 'file paths',
    operation: 'PutFile',
    // No name in it is longer than file systems take.
    most: 4_096,
    of: (size, { tip }) => file(tip, { filePath: pathOf(size) }),
    error: 'InvalidPath',
  },
  {
    what: 'file size',
    operation: 'PutFile',
    most: 6 * MIB,
    of: (size, { tip }) => file(tip, { fileContent: Buffer.alloc(size, 'x') }),
    error: 'FileContentSizeLimitExceeded',
  },
  {
    what: 'file size in a commit',
    operation: 'CreateCommit',
    most: 6 * MIB,
    of: (size, { tip }) => commit(tip, [put('large', Buffer.alloc(size, 'y'))]),
    error: 'FileContentSizeLimitExceeded',
  },
  {
    what: 'combined size of the changes of a commit',
    operation: 'CreateCommit',
    most: 7 * MIB,
    of: (size, { tip }) => commit(tip, together(size)),
    error: 'FileContentSizeLimitExceeded',
  },
  {
    what: 'user names in commits',
    operation: 'PutFile',
    most: 1_024,
    of: (size, { tip }) => file(tip, { name: text(size) }),
    error: 'NameLengthExceeded',
  },
  {
    what: 'email addresses in commits',
    operation: 'PutFile',
    most: 256,
    of: (size, { tip }) => file(tip, { email: text(size) }),
    error: 'InvalidEmail',
  },
  {
    what: 'commit messages',
    operation: 'PutFile',
    most: 256 * 1024,
    of: (size, { tip }) => file(tip, { commitMessage: text(size) }),
    error: 'CommitMessageLengthExceeded',
  },
  {
    what: 'repositories in a batch',
    operation: 'BatchGetRepositories',
    most: 100,
    of: (size) => ({ repositoryNames: many(size, (n) => `r${n}`) }),
    error: 'MaximumRepositoryNamesExceeded',
  },
  {
    what: 'commits in a batch',
    operation: 'BatchGetCommits',
    most: 100,
    of: (size) => ({ ...app, commitIds: many(size, (n) => String(n)) }),
    error: 'CommitIdsLimitExceeded',
  },
  {
    what: 'pull request titles',
    operation: 'UpdatePullRequestTitle',
    most: 150,
    of: (size) => ({ ...pull, title: text(size) }),
    error: 'InvalidTitle',
  },
  {
    what: 'pull request descriptions',
    operation: 'UpdatePullRequestDescription',
    most: 10_240,
    of: (size) => ({ ...pull, description: text(size) }),
    error: 'InvalidDescription',
  },
  {
    what: 'comment length',
    operation: 'PostCommentForComparedCommit',
    most: 10_240,
    // A character that is two units of UTF-16 is one.
    of: (size, { tip, feature }) => ({
      ...app,
      beforeCommitId: tip,
      afterCommitId: feature,
      content: '\u{1F600}'.repeat(size),
    }),
    error: 'CommentContentSizeLimitExceeded',
  },
  {
    what: 'comments on a page',
    operation: 'GetCommentsForComparedCommit',
    most: 500,
    of: (size, { tip }) => ({ ...app, afterCommitId: tip, maxResults: size }),
    error: 'InvalidMaxResults',
  },
  {
    what: 'comments of a pull request on a page',
    operation: 'GetCommentsForPullRequest',
    most: 500,
    of: (size) => ({ ...pull, maxResults: size }),
    error: 'InvalidMaxResults',
  },
  {
    what: 'events of a pull request on a page',
    operation: 'DescribePullRequestEvents',
    most: 100,
    of: (size) => ({ ...pull, maxResults: size }),
    error: 'InvalidMaxResults',
  },
  {
    what: 'approval rule names',
    operation: 'CreatePullRequestApprovalRule',
    most: 100,
    of: (size) => ({ ...pull, approvalRuleName: text(size), approvalRuleContent: ruleContent(1) }),
    error: 'InvalidApprovalRuleName',
  },
  {
    what: 'approval rule template names',
    operation: 'CreateApprovalRuleTemplate',
    most: 100,
    of: (size) => template({ approvalRuleTemplateName: text(size) }),
    error: 'InvalidApprovalRuleTemplateName',
  },
  {
    what: 'approval rule content length',
    operation: 'CreatePullRequestApprovalRule',
    most: 3_000,
    of: (size) => ({ ...pull, approvalRuleName: 'long', approvalRuleContent: ruleOf(size) }),
    error: 'InvalidApprovalRuleContent',
  },
  {
    what: 'approval rule template content length',
    operation: 'UpdateApprovalRuleTemplateContent',
    most: 3_000,
    of: (size) => ({ approvalRuleTemplateName: text(100), newRuleContent: ruleOf(size) }),
    error: 'InvalidApprovalRuleTemplateContent',
  },
  {
    what: 'approval rule template description length',
    operation: 'UpdateApprovalRuleTemplateDescription',
    most: 1_000,
    of: (size) => ({ approvalRuleTemplateName: text(100), approvalRuleTemplateDescription: text(size) }),
    error: 'InvalidApprovalRuleTemplateDescription',
  },
  {
    what: 'approvers in an approval pool',
    operation: 'CreatePullRequestApprovalRule',
    most: 50,
    of: (size) => ({ ...pull, approvalRuleName: 'pool', approvalRuleContent: ruleContent(1, users(size)) }),
    error: 'InvalidApprovalRuleContent',
  },
  {
    what: 'destination references of a template',
    operation: 'CreateApprovalRuleTemplate',
    most: 100,
    of: (size) =>
      template({
        approvalRuleTemplateName: 'many branches',
        approvalRuleTemplateContent: ruleContent(1, undefined, branches(size)),
      }),
    error: 'InvalidApprovalRuleTemplateContent',
  },
  {
    what: 'approvals that a rule can ask for',
    operation: 'CreatePullRequestApprovalRule',
    most: 200,
    of: (size) => ({ ...pull, approvalRuleName: 'needed', approvalRuleContent: ruleContent(size) }),
    error: 'InvalidApprovalRuleContent',
  },
];

test('each of AWS’s quotas of lengths, sizes and counts is reached, and not passed', async (t) => {
  const { root, main, feature } = await reviewing(t);
  await openPullRequest(root);
  let tip = main;
  const call = async (operation: string, input: Input) => {
    const method = operation.charAt(0).toLowerCase() + operation.slice(1);
    return (root as unknown as Record<string, (input: Input) => Promise<Input>>)[method]!(input);
  };
  for (const { what, operation, most, of, error } of LIMITS) {
    const beyond = { name: `${error}Exception` };
    await assert.rejects(call(operation, of(most + 1, { tip, feature })), beyond, `${what}: ${most + 1}`);
    const made = await call(operation, of(most, { tip, feature })).catch((thrown: Error) => {
      throw new Error(`${what}: ${most} is refused: ${thrown.message}`, { cause: thrown });
    });
    if (['PutFile', 'CreateCommit'].includes(operation)) tip = made['commitId'] as string;
  }
});

test('a merge keeps the folders that it would leave empty, if asked, also those that its resolution empties', async (t) => {
  const { alice } = await startWithRepository(t);
  const { codecommit } = alice;
  const histories = await Histories.start(t, alice.remote('app'));
  const files: TreeSpec = {
    'gone/deep/file': '1',
    'conflict/file': 'a\n',
    'stays/one': '1',
    'stays/two': '2',
    other: '1',
  };
  const { 'gone/deep/file': _, 'stays/two': __, ...fewer } = files;
  const base = await histories.commit('main', [], files);
  await histories.commit('main', [base], { ...files, 'conflict/file': 'b\n', other: '2' });
  await histories.commit('feature', [base], { ...fewer, 'conflict/file': 'c\n' });
  await histories.push();
  const merge = {
    ...app,
    sourceCommitSpecifier: 'feature',
    destinationCommitSpecifier: 'main',
    mergeOption: 'SQUASH_MERGE' as const,
    conflictResolutionStrategy: 'AUTOMERGE' as const,
    conflictResolution: { deleteFiles: [{ filePath: 'conflict/file' }] },
  };
  const pathsOf = async (commitId: string) => {
    await histories.git.run('fetch', '-q', 'origin', commitId);
    return (await histories.git.run('ls-tree', '-r', '--name-only', commitId)).split('\n');
  };
  const plain = await codecommit.createUnreferencedMergeCommit(merge);
  assert.deepEqual(await pathsOf(plain.commitId!), ['other', 'stays/one']);
  const kept = await codecommit.createUnreferencedMergeCommit({ ...merge, keepEmptyFolders: true });
  const keepers = ['conflict/.gitkeep', 'gone/deep/.gitkeep'];
  assert.deepEqual(await pathsOf(kept.commitId!), [...keepers, 'other', 'stays/one']);
  const merged = await codecommit.mergeBranchesByThreeWay({
    ...merge,
    mergeOption: undefined,
    keepEmptyFolders: true,
  } as never);
  assert.deepEqual(await pathsOf(merged.commitId!), [...keepers, 'other', 'stays/one']);
});
