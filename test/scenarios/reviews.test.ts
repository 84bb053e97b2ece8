import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GitClient } from '../../src/git/harness.ts';
import { withoutAws as skip, aws as typed } from '../aws-cli.ts';
import { type Keys, startServer, type TestServer, temporaryFolder } from '../harness.ts';

const REPOSITORY = 'arn:aws:codecommit:us-east-1:123456789012:shop';

/** What every developer may do: everything in the repository, but what moves `main`. */
const DEVELOPERS = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: 'codecommit:*', Resource: REPOSITORY },
    {
      Effect: 'Deny',
      Action: [
        'codecommit:GitPush',
        'codecommit:DeleteBranch',
        'codecommit:PutFile',
        'codecommit:CreateCommit',
        'codecommit:MergeBranchesBy*',
      ],
      Resource: REPOSITORY,
      Condition: {
        StringEqualsIfExists: { 'codecommit:References': ['refs/heads/main'] },
        Null: { 'codecommit:References': 'false' },
      },
    },
    { Effect: 'Deny', Action: 'codecommit:OverridePullRequestApprovalRules', Resource: '*' },
  ],
};

/** The real command line as somebody; answers its JSON, or its complaint. */
function shellOf(server: TestServer, keys: Keys, folder: string) {
  const env = { ...server.env(keys), HOME: folder };
  const aws = async (...args: string[]) => {
    const { stdout } = await typed(['codecommit', ...args, '--output', 'json'], env);
    return stdout.trim() === '' ? {} : JSON.parse(stdout);
  };
  const refused = async (...args: string[]) => {
    const failure = await aws(...args).then(
      () => assert.fail(`aws ${args.join(' ')} did not fail`),
      (error: { stderr: string }) => error,
    );
    return failure.stderr;
  };
  return { aws, refused };
}

/** A member of the group with a git password. */
async function member(server: TestServer, name: string, folder: string) {
  const { iam } = server.root_;
  await iam.createUser({ UserName: name });
  await iam.addUserToGroup({ GroupName: 'developers', UserName: name });
  const { AccessKey } = await iam.createAccessKey({ UserName: name });
  const { ServiceSpecificCredential: git } = await iam.createServiceSpecificCredential({
    UserName: name,
    ServiceName: 'codecommit.amazonaws.com',
  });
  const remote = new URL(`${server.url}/v1/repos/shop`);
  remote.username = encodeURIComponent(git!.ServiceUserName!);
  remote.password = encodeURIComponent(git!.ServicePassword!);
  const keys = { accessKeyId: AccessKey!.AccessKeyId!, secretAccessKey: AccessKey!.SecretAccessKey! };
  return { ...shellOf(server, keys, folder), codecommit: server.clients(keys).codecommit, remote: remote.href };
}

test('a team: main is protected, pull requests need two approvals, and git says why a push is refused', {
  skip,
}, async (t) => {
  const server = await startServer(t);
  const { codecommit, iam } = server.root_;
  const folder = await temporaryFolder(t);
  const root = shellOf(server, server.root, folder);

  // The administrator sets up the team.
  await iam.createGroup({ GroupName: 'developers' });
  await iam.putGroupPolicy({
    GroupName: 'developers',
    PolicyName: 'shop',
    PolicyDocument: JSON.stringify(DEVELOPERS),
  });
  const shop = { repositoryName: 'shop' };
  await codecommit.createRepository(shop);
  const file = { ...shop, filePath: 'shop.txt', fileContent: Buffer.from('open\n') };
  const { commitId: first } = await codecommit.putFile({ ...file, branchName: 'main' });
  const content = JSON.stringify({
    Version: '2018-11-08',
    DestinationReferences: ['refs/heads/main'],
    Statements: [
      {
        Type: 'Approvers',
        NumberOfApprovalsNeeded: 2,
        ApprovalPoolMembers: ['CodeCommitApprovers:123456789012:ben', 'CodeCommitApprovers:123456789012:cleo'],
      },
    ],
  });
  const approvalRuleTemplateName = '2-approvers-for-main';
  const named = ['--approval-rule-template-name', approvalRuleTemplateName];
  await root.aws('create-approval-rule-template', ...named, '--approval-rule-template-content', content);
  await codecommit.associateApprovalRuleTemplateWithRepository({ ...shop, approvalRuleTemplateName });
  const ada = await member(server, 'ada', folder);
  const ben = await member(server, 'ben', folder);
  const cleo = await member(server, 'cleo', folder);

  // Ada works on a branch. What goes to main is refused by its reference, and only that.
  const copy = new GitClient(await temporaryFolder(t));
  await copy.run('clone', '-q', ada.remote, '.');
  await copy.run('checkout', '-q', '-b', 'feature/prices');
  await copy.commitFile('prices.txt', 'tea 2\n');
  const push = await copy.attempt(['push', 'origin', 'feature/prices', 'feature/prices:main']);
  assert.match(push.stderr, /\[new branch\]\s+feature\/prices -> feature\/prices/);
  assert.match(push.stderr, /! \[remote rejected\] feature\/prices -> main \(.*explicit deny/);
  const tip = await copy.run('rev-parse', 'HEAD');

  const targets = 'repositoryName=shop,sourceReference=feature/prices';
  const opened = await ada.aws('create-pull-request', '--title', 'Prices', '--targets', targets);
  const { pullRequestId, revisionId, approvalRules } = opened.pullRequest;
  assert.equal(approvalRules[0].originApprovalRuleTemplate.approvalRuleTemplateName, approvalRuleTemplateName);
  const pull = { pullRequestId };
  const id = ['--pull-request-id', pullRequestId];
  const merge = ['merge-pull-request-by-squash', ...id, '--repository-name', 'shop', '--commit-message', 'Prices'];
  assert.match(await ada.refused(...merge), /PullRequestApprovalRulesNotSatisfiedException/);
  const approve = (who: typeof ada, revision: string) =>
    who.codecommit.updatePullRequestApprovalState({ ...pull, revisionId: revision, approvalState: 'APPROVE' });
  await assert.rejects(approve(ada, revisionId), { name: 'PullRequestCannotBeApprovedByAuthorException' });
  const override = ['override-pull-request-approval-rules', ...id, '--revision-id', revisionId];
  assert.match(await ada.refused(...override, '--override-status', 'OVERRIDE'), /AccessDenied.*explicit deny/);
  const rule = { ...pull, approvalRuleName: approvalRuleTemplateName };
  await assert.rejects(ada.codecommit.deletePullRequestApprovalRule(rule), {
    name: 'CannotDeleteApprovalRuleFromTemplateException',
  });

  // Ben comments on the line and approves; Ada answers with a commit, which takes the approval away.
  const within = [...id, '--repository-name', 'shop', '--before-commit-id', first!, '--after-commit-id'];
  const location = 'filePath=prices.txt,filePosition=1,relativeFileVersion=AFTER';
  const comment = ['post-comment-for-pull-request', ...within, tip, '--location', location];
  const { commentId } = (await ben.aws(...comment, '--content', 'Coffee?')).comment;
  await ada.codecommit.postCommentReply({ inReplyTo: commentId, content: 'Yes' });
  await ada.codecommit.putCommentReaction({ commentId, reactionValue: ':thumbsup:' });
  await approve(ben, revisionId);
  await copy.commitFile('prices.txt', 'coffee 3\ntea 2\n');
  await copy.run('push', '-q', 'origin', 'feature/prices');
  const { pullRequest: now } = await ada.codecommit.getPullRequest(pull);
  assert.notEqual(now!.revisionId, revisionId);
  await assert.rejects(approve(ben, revisionId), { name: 'RevisionNotCurrentException' });
  const second = await copy.run('rev-parse', 'HEAD');
  const moved = await cleo.aws('get-comments-for-pull-request', ...within, second);
  const [thread] = moved.commentsForPullRequestData;
  assert.deepEqual([thread.location.filePosition, thread.afterCommitId], [2, second], 'the comment went with its line');
  assert.deepEqual(thread.comments[0].reactionCounts, { THUMBSUP: 1 });

  // Two approvals of this revision, and it is merged; the branch and the request are done.
  for (const who of [ben, cleo]) await approve(who, now!.revisionId!);
  const { evaluation } = await ada.codecommit.evaluatePullRequestApprovalRules({
    ...pull,
    revisionId: now!.revisionId!,
  });
  assert.equal(evaluation!.approved, true);
  const merged = await ada.aws(...merge);
  assert.equal(merged.pullRequest.pullRequestStatus, 'CLOSED');
  assert.equal(merged.pullRequest.pullRequestTargets[0].mergeMetadata.isMerged, true);
  await copy.run('fetch', '-q', 'origin');
  assert.equal(await copy.run('show', 'origin/main:prices.txt'), 'coffee 3\ntea 2');
  assert.equal(await copy.run('rev-parse', 'origin/main^'), first);
  const { pullRequestEvents } = await ada.aws('describe-pull-request-events', ...id);
  assert.deepEqual(
    pullRequestEvents.map((event: { pullRequestEventType: string }) => event.pullRequestEventType.slice(13)),
    [
      ...['CREATED', 'APPROVAL_RULE_CREATED', 'APPROVAL_STATE_CHANGED', 'SOURCE_REFERENCE_UPDATED'],
      ...['APPROVAL_STATE_CHANGED', 'APPROVAL_STATE_CHANGED', 'MERGE_STATE_CHANGED'],
    ],
  );
});
