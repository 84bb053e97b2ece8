import assert from 'node:assert/strict';
import { test } from 'node:test';
import constraints from './constraints.generated.json' with { type: 'json' };
import { type ReviewTables, reviews } from './review-tables.ts';
import { tables } from './tables.ts';
import { MERGE_FAULTS } from './testing/merge-faults.ts';
import { app, type CodeCommit, openPullRequest, type Reviewing, reviewing, ruleContent } from './testing/reviews.ts';

type Input = Record<string, unknown>;
/** A changed input, a call of its own, or the reason why the exception cannot be had here. */
type Case = Input | ((world: World, input: Input) => unknown) | string;

interface World extends Reviewing {
  alice: CodeCommit;
  bob: CodeCommit;
  call(operation: string, input: Input, who?: CodeCommit): Promise<unknown>;
  revisionId: string;
  commentId: string;
  deletedId: string;
}

const NONE = 'a'.repeat(40);
const NOWHERE = '00000000-0000-4000-8000-000000000000';
const rule = ruleContent(1);

/** An input of each operation that succeeds. `1` is open, `2` is closed. */
function inputs({ main, feature, revisionId, commentId }: World): Record<string, Input> {
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
    MergePullRequestByFastForward: { ...app, ...pull },
    MergePullRequestBySquash: { ...app, ...pull },
    MergePullRequestByThreeWay: { ...app, ...pull },
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

/** The input with its first member of one of these names set; `undefined` leaves it out. */
function set(input: Input, names: string[], value: unknown): Input {
  const name = names.find((one) => one in input) ?? names[0]!;
  return { ...input, [name]: value };
}
const templateNames = ['approvalRuleTemplateName', 'oldApprovalRuleTemplateName'];
const target = (more: Input) => ({
  targets: [{ ...app, sourceReference: 'feature', destinationReference: 'main', ...more }],
});
const setRepository = (input: Input, repositoryName: unknown) =>
  'targets' in input ? target({ repositoryName }) : { repositoryName };
const file = (more: Input) => ({ location: { filePath: 'a.txt', ...more } });

/** Exceptions that the same change of an input provokes in every operation that declares them. */
const EVERYWHERE: Record<string, (input: Input, world: World) => Case> = {
  RepositoryNameRequired: (input) => ({ ...setRepository(input, undefined) }),
  InvalidRepositoryName: (input) => setRepository(input, 'a b'),
  RepositoryDoesNotExist: (input) => setRepository(input, 'none'),
  RepositoryNotAssociatedWithPullRequest: () => ({ repositoryName: 'other' }),
  RepositoryNamesRequired: () => ({ repositoryNames: undefined }),
  MaximumRepositoryNamesExceeded: () => ({ repositoryNames: Array.from({ length: 101 }, (_, n) => `r${n}`) }),
  PullRequestIdRequired: () => ({ pullRequestId: undefined }),
  InvalidPullRequestId: () => ({ pullRequestId: '1 or 2' }),
  PullRequestDoesNotExist: () => ({ pullRequestId: '999' }),
  PullRequestAlreadyClosed: () => ({ pullRequestId: '2' }),
  RevisionIdRequired: () => ({ revisionId: undefined }),
  InvalidRevisionId: () => ({ revisionId: 'latest' }),
  RevisionNotCurrent: () => ({ revisionId: 'a'.repeat(64) }),
  ApprovalRuleNameRequired: () => ({ approvalRuleName: undefined }),
  InvalidApprovalRuleName: () => ({ approvalRuleName: 'a/b' }),
  ApprovalRuleDoesNotExist: () => ({ approvalRuleName: 'none' }),
  ApprovalRuleContentRequired: (input) => set({ ...input }, ['approvalRuleContent', 'newRuleContent'], undefined),
  InvalidApprovalRuleContent: (input) => set({ ...input }, ['approvalRuleContent', 'newRuleContent'], '{}'),
  ApprovalRuleTemplateNameRequired: (input) => set({ ...input }, templateNames, undefined),
  InvalidApprovalRuleTemplateName: (input) => set({ ...input }, templateNames, 'a.git'),
  ApprovalRuleTemplateDoesNotExist: (input) => set({ ...input }, templateNames, 'none'),
  ApprovalRuleTemplateContentRequired: (input) =>
    set({ ...input }, ['approvalRuleTemplateContent', 'newRuleContent'], undefined),
  InvalidApprovalRuleTemplateContent: (input) =>
    set({ ...input }, ['approvalRuleTemplateContent', 'newRuleContent'], '[]'),
  InvalidApprovalRuleTemplateDescription: () => ({ approvalRuleTemplateDescription: 'd'.repeat(1_001) }),
  InvalidRuleContentSha256: () => ({ existingRuleContentSha256: 'f'.repeat(64) }),
  ClientRequestTokenRequired: () => ({ clientRequestToken: '' }),
  InvalidClientRequestToken: () => ({ clientRequestToken: 'x'.repeat(65) }),
  CommentIdRequired: (input) => set({ ...input }, ['commentId', 'inReplyTo'], undefined),
  InvalidCommentId: (input) => set({ ...input }, ['commentId', 'inReplyTo'], 'first'),
  CommentDoesNotExist: (input) => set({ ...input }, ['commentId', 'inReplyTo'], NOWHERE),
  CommentDeleted: (input, { deletedId }) => set({ ...input }, ['commentId', 'inReplyTo'], deletedId),
  CommentContentRequired: () => ({ content: ' ' }),
  CommentContentSizeLimitExceeded: () => ({ content: 'c'.repeat(10_241) }),
  CommitIdRequired: () => ({ afterCommitId: undefined }),
  InvalidCommitId: (input) => ({ ['afterCommitId' in input ? 'afterCommitId' : 'sourceCommitId']: 'main' }),
  CommitDoesNotExist: () => ({ afterCommitId: NONE }),
  BeforeCommitIdAndAfterCommitIdAreSame: (_, { feature }) => ({ beforeCommitId: feature, afterCommitId: feature }),
  PathRequired: () => ({ location: {} }),
  InvalidPath: () => file({ filePath: '../a' }),
  PathDoesNotExist: () => file({ filePath: 'none' }),
  InvalidFileLocation: () => file({ filePath: 'folder' }),
  InvalidFilePosition: () => file({ filePosition: 4, relativeFileVersion: 'AFTER' }),
  InvalidRelativeFileVersionEnum: () => file({ relativeFileVersion: 'NEITHER' }),
  InvalidMaxResults: () => ({ maxResults: 0 }),
  InvalidContinuationToken: () => ({ nextToken: 'x' }),
  TitleRequired: () => ({ title: '' }),
  InvalidTitle: () => ({ title: 't'.repeat(151) }),
  InvalidDescription: () => ({ description: 'd'.repeat(10_241) }),
  InvalidPullRequestStatus: () => ({ pullRequestStatus: 'MERGED' }),
};

/** Two calls with one token that say different things. */
const twice =
  (operation: string, more: Input) =>
  async ({ call }: World, input: Input) => {
    const clientRequestToken = `token-${operation}`;
    await call(operation, { ...input, clientRequestToken });
    await call(operation, { ...input, ...more, clientRequestToken });
  };

/** Exceptions of single operations. */
const SINGLE: Record<string, Record<string, Case>> = {
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
  CreateApprovalRuleTemplate: {
    ApprovalRuleTemplateNameAlreadyExists: { approvalRuleTemplateName: 'associated' },
    NumberOfRuleTemplatesExceeded: async ({ server, call }, input) => {
      await rows(server, 'codecommit_approval_templates', 1_000);
      await call('CreateApprovalRuleTemplate', input);
    },
  },
  CreatePullRequest: {
    IdempotencyParameterMismatch: twice('CreatePullRequest', { title: 'Another' }),
    ReferenceNameRequired: target({ sourceReference: undefined }),
    InvalidReferenceName: target({ sourceReference: 'a..b' }),
    ReferenceDoesNotExist: target({ sourceReference: 'none' }),
    ReferenceTypeNotSupported: target({ sourceReference: 'refs/tags/v1' }),
    TargetsRequired: { targets: [] },
    InvalidTargets: { targets: [...target({}).targets, ...target({}).targets] },
    TargetRequired: 'a null in a list is left out before the call: the list is empty then (TargetsRequired)',
    InvalidTarget: 'each thing that can be wrong with a target has an exception of its own',
    MultipleRepositoriesInPullRequest: {
      targets: [...target({}).targets, ...target({ repositoryName: 'other' }).targets],
    },
    SourceAndDestinationAreSame: target({ sourceReference: 'refs/heads/main' }),
    MaximumOpenPullRequestsExceeded: async ({ server, call }, input) => {
      await rows(server, 'codecommit_pull_requests', 1_000);
      await call('CreatePullRequest', {
        ...input,
        ...target({ repositoryName: 'other', destinationReference: 'main' }),
      });
    },
  },
  CreatePullRequestApprovalRule: {
    ApprovalRuleNameAlreadyExists: { approvalRuleName: 'own' },
    async NumberOfRulesExceeded({ call }, input) {
      for (let n = 0; n < 31; n += 1)
        await call('CreatePullRequestApprovalRule', { ...input, approvalRuleName: `n ${n}` });
    },
  },
  DeleteApprovalRuleTemplate: { ApprovalRuleTemplateInUse: { approvalRuleTemplateName: 'associated' } },
  DeletePullRequestApprovalRule: { CannotDeleteApprovalRuleFromTemplate: { approvalRuleName: 'associated' } },
  DescribePullRequestEvents: {
    InvalidPullRequestEventType: { pullRequestEventType: 'OPENED' },
    InvalidActorArn: { actorArn: 'alice' },
    ActorDoesNotExist: { actorArn: 'arn:aws:iam::999999999999:user/alice' },
  },
  GetCommentReactions: { InvalidReactionUserArn: { reactionUserArn: 'arn:aws:s3:::alice' } },
  ListPullRequests: {
    InvalidAuthorArn: { authorArn: 'alice' },
    AuthorDoesNotExist: { authorArn: 'arn:aws:iam::999999999999:user/alice' },
  },
  OverridePullRequestApprovalRules: {
    OverrideStatusRequired: { overrideStatus: undefined },
    InvalidOverrideStatus: { overrideStatus: 'IGNORE' },
    async OverrideAlreadySet({ call }, input) {
      await call('OverridePullRequestApprovalRules', { ...input, overrideStatus: 'OVERRIDE' });
      await call('OverridePullRequestApprovalRules', { ...input, overrideStatus: 'OVERRIDE' });
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
    ReactionLimitExceeded: 'a second reaction of the same user replaces the first one',
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
      await server.kernel.serviceContext('codecommit.amazonaws.com').tx(async (tx) => {
        const { id } = await reviews(tx)
          .selectFrom('codecommit_pull_requests')
          .select('id')
          .where('number', '=', 1)
          .executeTakeFirstOrThrow();
        for (let n = 0; n < 200; n += 1) {
          const row = {
            pull_request: id,
            revision_id: revisionId,
            user_arn: `arn:aws:iam::1:user/u${n}`,
            approved_at: 1,
          };
          await reviews(tx).insertInto('codecommit_approvals').values(row).execute();
        }
      });
      await call('UpdatePullRequestApprovalState', { ...input, approvalState: 'APPROVE' }, bob);
    },
  },
  UpdatePullRequestStatus: {
    PullRequestStatusRequired: { pullRequestStatus: undefined },
    InvalidPullRequestStatusUpdate: { pullRequestId: '2' },
  },
  ...MERGE_FAULTS,
};

/** Fills a table of the repository `other` with copies of what there is. */
async function rows(
  server: Reviewing['server'],
  table: 'codecommit_approval_templates' | 'codecommit_pull_requests',
  count: number,
): Promise<void> {
  await server.kernel.serviceContext('codecommit.amazonaws.com').tx(async (tx) => {
    const other = await tables(tx)
      .selectFrom('codecommit_repositories')
      .select('id')
      .where('name', '=', 'other')
      .executeTakeFirstOrThrow();
    const [row] = await reviews(tx).selectFrom(table).selectAll().limit(1).execute();
    for (let n = 0; n < count; n += 1) {
      const more =
        table === 'codecommit_pull_requests'
          ? { number: 10_000 + n, repository_id: other.id, status: 'OPEN' }
          : { name: `filled ${n}` };
      const copy = { ...row, id: `copy-${table}-${n}`, ...more } as ReviewTables[typeof table];
      await reviews(tx).insertInto(table).values(copy).execute();
    }
  });
}

async function world(t: Parameters<typeof reviewing>[0]): Promise<World> {
  const made = await reviewing(t);
  const { root, main, person, put } = made;
  const [alice, bob] = [await person('alice'), await person('bob')];
  const call = (operation: string, input: Input, who: CodeCommit = alice) => {
    const method = operation.charAt(0).toLowerCase() + operation.slice(1);
    return (who as unknown as Record<string, (input: Input) => Promise<unknown>>)[method]!(input);
  };
  await put('main', 'folder/file.txt', 'x');
  await put('feature', 'folder/file.txt', 'y');
  const feature = await put('feature', 'a.txt', 'one\ntwo\nthree\n# end\n').then(() =>
    put('feature', 'a.txt', '1\n2\n3'),
  );
  await root.createRepository({ repositoryName: 'other' });
  const other = { repositoryName: 'other', branchName: 'main', filePath: 'a', fileContent: Buffer.from('a') };
  const { commitId } = await root.putFile(other);
  await root.createBranch({ repositoryName: 'other', branchName: 'feature', commitId: commitId! });
  for (const approvalRuleTemplateName of ['associated', 'free']) {
    await root.createApprovalRuleTemplate({ approvalRuleTemplateName, approvalRuleTemplateContent: rule });
  }
  await root.associateApprovalRuleTemplateWithRepository({ ...app, approvalRuleTemplateName: 'associated' });
  const { revisionId } = await openPullRequest(alice);
  await openPullRequest(alice);
  await alice.updatePullRequestStatus({ pullRequestId: '2', pullRequestStatus: 'CLOSED' });
  await alice.createPullRequestApprovalRule({ pullRequestId: '1', approvalRuleName: 'own', approvalRuleContent: rule });
  const comment = async () => {
    const posted = { ...app, beforeCommitId: main, afterCommitId: feature, content: 'Words' };
    return (await alice.postCommentForComparedCommit(posted)).comment!.commentId!;
  };
  const [commentId, deletedId] = [await comment(), await comment()];
  await alice.deleteCommentContent({ commentId: deletedId });
  return { ...made, feature, alice, bob, call, revisionId: revisionId!, commentId, deletedId };
}

test('every exception that reviews declare is provoked, or there is a reason why not', async (t) => {
  const at = await world(t);
  const all = inputs(at);
  const declared = constraints.operations as Record<string, string[]>;
  const own = Object.keys(declared).filter(
    (name) => /PullRequest|Approval|Comment/.test(name) && !/Conflicts|MergeOptions/.test(name),
  );
  assert.deepEqual(own.toSorted(), Object.keys(all).toSorted());
  let [provoked, reasons] = [0, 0];
  for (const operation of Object.keys(all)) {
    const input = all[operation]!;
    for (const exception of new Set(declared[operation]!)) {
      const short = exception.replace(/Exception$/, '');
      if (short.startsWith('Encryption')) continue;
      const found: Case | undefined = SINGLE[operation]?.[short] ?? EVERYWHERE[short]?.(input, at);
      assert.ok(found !== undefined, `${operation}: ${short} is neither provoked nor explained`);
      if (typeof found === 'string') {
        reasons += 1;
        continue;
      }
      const run = async () =>
        typeof found === 'function' ? found(at, input) : at.call(operation, { ...input, ...found });
      await assert.rejects(run, (error: Error) => {
        assert.equal(error.name, exception, `${operation}, ${short}: ${error.message}`);
        assert.ok(error.message.length > 10);
        return true;
      });
      provoked += 1;
    }
  }
  assert.ok(provoked > 300, `${provoked} provoked, ${reasons} explained`);
});
