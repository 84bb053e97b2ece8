/** For tests only: what provokes the errors of single operations, or of a few that are alike. */
import { repositoryKeysOf } from '../git-cache.ts';
import { type Cause, mergeOf, target } from './fault-changes.ts';
import type { Input, World } from './fault-world.ts';
import { fillApprovals, withFullTable } from './filled-tables.ts';
import { ruleContent } from './reviews.ts';

type Cases = Record<string, Cause>;

const rule = ruleContent(1);
const content = Buffer.from('x');
const names = (count: number) => Array.from({ length: count }, (_, n) => `r${n}`);

/** Two calls with one token that say different things. */
const twice =
  (operation: string, more: Input) =>
  async ({ call }: World, input: Input) => {
    const clientRequestToken = `token-${operation}`;
    await call(operation, { ...input, clientRequestToken });
    await call(operation, { ...input, ...more, clientRequestToken });
  };

const topic = (region: string) => `arn:aws:sns:${region}:123456789012:topic`;
const trigger = (more: Input) => ({
  triggers: [{ name: 'one', destinationArn: topic('us-east-1'), branches: [], events: ['all'], ...more }],
});

const triggers: Cases = {
  RepositoryTriggersListRequired: { triggers: undefined },
  MaximumRepositoryTriggersExceeded: { triggers: names(11).flatMap((name) => trigger({ name }).triggers) },
  RepositoryTriggerNameRequired: trigger({ name: undefined }),
  InvalidRepositoryTriggerName: trigger({ name: 'a b' }),
  RepositoryTriggerDestinationArnRequired: trigger({ destinationArn: undefined }),
  InvalidRepositoryTriggerDestinationArn: trigger({ destinationArn: 'arn:aws:sqs:us-east-1:123456789012:queue' }),
  InvalidRepositoryTriggerRegion: trigger({ destinationArn: topic('eu-west-1') }),
  InvalidRepositoryTriggerCustomData: trigger({ customData: 'x'.repeat(1_001) }),
  RepositoryTriggerBranchNameListRequired: trigger({ branches: undefined }),
  MaximumBranchesExceeded: trigger({ branches: names(11) }),
  InvalidRepositoryTriggerBranchName: trigger({ branches: ['a..b'] }),
  RepositoryTriggerEventsListRequired: trigger({ events: undefined }),
  InvalidRepositoryTriggerEvents: trigger({ events: ['push'] }),
};

/** Another commit comes to the destination after the pull request was looked at. */
const overtaken =
  (operation: string) =>
  async (world: World, input: Input): Promise<unknown> => {
    const { server, root, call } = world;
    const keys = await repositoryKeysOf(server.kernel.serviceContext('codecommit.amazonaws.com'));
    const branch = { repositoryName: 'code', branchName: 'race' };
    keys.unlock = async (...given) => {
      // Back to the method of the class.
      Reflect.deleteProperty(keys, 'unlock');
      const { branch: tip } = await root.getBranch(branch);
      const file = { filePath: operation, fileContent: Buffer.from(operation) };
      await root.putFile({ ...branch, parentCommitId: tip!.commitId!, ...file });
      return keys.unlock(...given);
    };
    return call(operation, { ...input, ...mergeOf({ input, world }, 'race') });
  };

const put = (filePath: string, more: Input = { fileContent: content }) => ({ filePath, ...more });

/** By operation, and by the error's name without `Exception`. */
export const CASES: Record<string, Cases> = {
  AssociateApprovalRuleTemplateWithRepository: {
    async MaximumRuleTemplatesAssociatedWithRepository({ call }) {
      for (let n = 0; n < 26; n += 1) {
        const approvalRuleTemplateName = `many ${n}`;
        await call('CreateApprovalRuleTemplate', { approvalRuleTemplateName, approvalRuleTemplateContent: rule });
        await call('AssociateApprovalRuleTemplateWithRepository', {
          approvalRuleTemplateName,
          repositoryName: 'other',
        });
      }
    },
  },
  BatchDescribeMergeConflicts: { MaximumFileContentToLoadExceeded: { filePaths: names(1_001) } },
  CreateApprovalRuleTemplate: {
    ApprovalRuleTemplateNameAlreadyExists: { approvalRuleTemplateName: 'associated' },
    NumberOfRuleTemplatesExceeded: ({ server, call }, input) =>
      withFullTable(server, 'codecommit_approval_templates', 1_000, () => call('CreateApprovalRuleTemplate', input)),
  },
  CreateBranch: { BranchNameExists: { branchName: 'main' } },
  CreateCommit: {
    FileEntryRequired: { putFiles: undefined },
    MaximumFileEntriesExceeded: { putFiles: names(101).map((name) => put(name)) },
    PutFileEntryConflict: { putFiles: [put('x'), put('x/y')] },
    SourceFileOrContentRequired: { putFiles: [put('x', {})] },
    FileContentAndSourceFileSpecified: {
      putFiles: [put('x', { fileContent: content, sourceFile: { filePath: 'a/one' } })],
    },
    RestrictedSourceFile: { putFiles: [put('x', { sourceFile: { filePath: 'b/.gitkeep' } })] },
    SamePathRequest: { putFiles: [put('x'), put('x')] },
    InvalidDeletionParameter: {
      putFiles: undefined,
      keepEmptyFolders: true,
      deleteFiles: [{ filePath: 'b/.gitkeep' }],
    },
    NoChange: { putFiles: [put('a/one', { fileContent: Buffer.from('1') })] },
  },
  CreatePullRequest: {
    IdempotencyParameterMismatch: twice('CreatePullRequest', { title: 'Another' }),
    ReferenceNameRequired: target({ sourceReference: undefined }),
    InvalidReferenceName: target({ sourceReference: 'a..b' }),
    ReferenceDoesNotExist: target({ sourceReference: 'none' }),
    ReferenceTypeNotSupported: target({ sourceReference: 'refs/tags/v1' }),
    TargetsRequired: { targets: [] },
    InvalidTargets: { targets: [...target({}).targets, ...target({}).targets] },
    MultipleRepositoriesInPullRequest: {
      targets: [...target({}).targets, ...target({ repositoryName: 'other' }).targets],
    },
    SourceAndDestinationAreSame: target({ sourceReference: 'refs/heads/main' }),
    MaximumOpenPullRequestsExceeded: ({ server, call }, input) => {
      const one = { ...input, ...target({ repositoryName: 'other' }) };
      return withFullTable(server, 'codecommit_pull_requests', 1_000, () => call('CreatePullRequest', one));
    },
  },
  CreatePullRequestApprovalRule: {
    ApprovalRuleNameAlreadyExists: { approvalRuleName: 'own' },
    // Of a pull request that nothing else is about.
    async NumberOfRulesExceeded({ call, code }, input) {
      const pullRequestId = code.pulls.plain;
      const approvalRule = (n: number) => ({ ...input, pullRequestId, approvalRuleName: `n ${n}` });
      for (let n = 0; n < 31; n += 1) await call('CreatePullRequestApprovalRule', approvalRule(n));
    },
  },
  CreateRepository: {
    RepositoryNameExists: { repositoryName: 'app' },
    async RepositoryLimitExceeded({ call }, input) {
      await call('CreateRepository', { ...input, repositoryName: 'the-last' });
      try {
        await call('CreateRepository', input);
      } finally {
        await call('DeleteRepository', { repositoryName: 'the-last' });
      }
    },
    EncryptionKeyInvalidId: { kmsKeyId: 'not a key!' },
    EncryptionKeyInvalidUsage: async ({ call, server }, input) => {
      const { KeyMetadata } = await server.root_.kms.createKey({
        KeySpec: 'HMAC_256',
        KeyUsage: 'GENERATE_VERIFY_MAC',
      });
      return call('CreateRepository', { ...input, kmsKeyId: KeyMetadata!.Arn });
    },
  },
  DeleteApprovalRuleTemplate: { ApprovalRuleTemplateInUse: { approvalRuleTemplateName: 'associated' } },
  DeleteBranch: { DefaultBranchCannotBeDeleted: { branchName: 'main' } },
  DeletePullRequestApprovalRule: { CannotDeleteApprovalRuleFromTemplate: { approvalRuleName: 'associated' } },
  DescribePullRequestEvents: {
    InvalidPullRequestEventType: { pullRequestEventType: 'OPENED' },
    InvalidActorArn: { actorArn: 'alice' },
    ActorDoesNotExist: { actorArn: 'arn:aws:iam::999999999999:user/alice' },
  },
  GetCommentReactions: { InvalidReactionUserArn: { reactionUserArn: 'arn:aws:s3:::alice' } },
  GetFolder: { FolderDoesNotExist: { folderPath: 'none' } },
  GetMergeConflicts: {
    InvalidSourceCommitSpecifier: { sourceCommitSpecifier: 'a..b' },
    InvalidDestinationCommitSpecifier: { destinationCommitSpecifier: '-x~' },
  },
  ListPullRequests: {
    InvalidAuthorArn: { authorArn: 'alice' },
    AuthorDoesNotExist: { authorArn: 'arn:aws:iam::999999999999:user/alice' },
  },
  ListRepositories: { InvalidSortBy: { sortBy: 'size' }, InvalidOrder: { order: 'up' } },
  MergeBranchesByFastForward: { ConcurrentReferenceUpdate: { targetBranch: 'conflict-feature' } },
  MergeBranchesBySquash: { ConcurrentReferenceUpdate: { targetBranch: 'conflict-feature' } },
  MergeBranchesByThreeWay: { ConcurrentReferenceUpdate: { targetBranch: 'conflict-feature' } },
  MergePullRequestByFastForward: { ConcurrentReferenceUpdate: overtaken('MergePullRequestByFastForward') },
  MergePullRequestBySquash: { ConcurrentReferenceUpdate: overtaken('MergePullRequestBySquash') },
  MergePullRequestByThreeWay: { ConcurrentReferenceUpdate: overtaken('MergePullRequestByThreeWay') },
  OverridePullRequestApprovalRules: {
    OverrideStatusRequired: { overrideStatus: undefined },
    InvalidOverrideStatus: { overrideStatus: 'IGNORE' },
    async OverrideAlreadySet({ call }, input) {
      await call('OverridePullRequestApprovalRules', { ...input, overrideStatus: 'OVERRIDE' });
      try {
        await call('OverridePullRequestApprovalRules', { ...input, overrideStatus: 'OVERRIDE' });
      } finally {
        await call('OverridePullRequestApprovalRules', { ...input, overrideStatus: 'REVOKE' });
      }
    },
  },
  PostCommentForComparedCommit: {
    IdempotencyParameterMismatch: twice('PostCommentForComparedCommit', { content: 'X' }),
  },
  PostCommentForPullRequest: { IdempotencyParameterMismatch: twice('PostCommentForPullRequest', { content: 'X' }) },
  PostCommentReply: { IdempotencyParameterMismatch: twice('PostCommentReply', { content: 'X' }) },
  PutCommentReaction: {
    ReactionValueRequired: { reactionValue: undefined },
    InvalidReactionValue: { reactionValue: ':nothing:' },
  },
  PutFile: {
    FileContentRequired: { fileContent: undefined },
    SameFileContent: { filePath: 'a/one', fileContent: Buffer.from('1') },
  },
  PutRepositoryTriggers: triggers,
  TagResource: { TagsMapRequired: { tags: undefined } },
  TestRepositoryTriggers: triggers,
  UntagResource: {
    TagKeysListRequired: { tagKeys: undefined },
    InvalidTagKeysList: { tagKeys: ['k'.repeat(129)] },
  },
  UpdateApprovalRuleTemplateName: { ApprovalRuleTemplateNameAlreadyExists: { newApprovalRuleTemplateName: 'free' } },
  UpdateComment: {
    CommentNotCreatedByCaller: ({ call, bob }, input) => call('UpdateComment', input, bob),
  },
  UpdatePullRequestApprovalRuleContent: { CannotModifyApprovalRuleFromTemplate: { approvalRuleName: 'associated' } },
  UpdatePullRequestApprovalState: {
    ApprovalStateRequired: { approvalState: undefined },
    InvalidApprovalState: { approvalState: 'LIKE' },
    PullRequestCannotBeApprovedByAuthor: { approvalState: 'APPROVE' },
    MaximumNumberOfApprovalsExceeded: async ({ server, call, bob, revisionId }, input) => {
      await fillApprovals(server, 1, revisionId, 200);
      await call('UpdatePullRequestApprovalState', { ...input, approvalState: 'APPROVE' }, bob);
    },
  },
  UpdatePullRequestStatus: {
    PullRequestStatusRequired: { pullRequestStatus: undefined },
    InvalidPullRequestStatusUpdate: { pullRequestId: '2' },
  },
  UpdateRepositoryEncryptionKey: {
    EncryptionKeyRequired: { kmsKeyId: undefined },
    EncryptionKeyInvalidId: { kmsKeyId: 'not a key!' },
    EncryptionKeyInvalidUsage: async ({ call, server }, input) => {
      const { KeyMetadata } = await server.root_.kms.createKey({
        KeySpec: 'HMAC_256',
        KeyUsage: 'GENERATE_VERIFY_MAC',
      });
      return call('UpdateRepositoryEncryptionKey', { ...input, kmsKeyId: KeyMetadata!.Arn });
    },
  },
  UpdateRepositoryName: { RepositoryNameExists: { newName: 'app' } },
};
