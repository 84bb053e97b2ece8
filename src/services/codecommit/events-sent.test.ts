import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BusEvent } from '../../kernel/context.ts';
import { eventually } from '../../kernel/testing/eventually.ts';
import { EVENT_FIELDS, PERSON_FIELDS } from './testing/event-fields.ts';
import {
  ACCOUNT,
  app,
  type CodeCommit,
  openPullRequest,
  type Reviewing,
  reviewing,
  ruleContent,
} from './testing/reviews.ts';

const ALLOW_ALL = [{ Effect: 'Allow', Action: '*', Resource: '*' }];
const MARY = `arn:aws:sts::${ACCOUNT}:assumed-role/Admin/Mary_Major`;
const other = { repositoryName: 'other' };

/** Clients of a session whose tags say who stands behind it. */
async function sessionOf({ server }: Reviewing): Promise<CodeCommit> {
  const { iam } = server.root_;
  const document = (statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement: statement });
  const Principal = { AWS: ACCOUNT };
  const trust = [{ Effect: 'Allow', Principal, Action: ['sts:AssumeRole', 'sts:TagSession'] }];
  await iam.createRole({ RoleName: 'Admin', AssumeRolePolicyDocument: document(trust) });
  await iam.putRolePolicy({ RoleName: 'Admin', PolicyName: 'all', PolicyDocument: document(ALLOW_ALL) });
  const { Credentials: keys } = await (await server.user('ada')).sts.assumeRole({
    RoleArn: `arn:aws:iam::${ACCOUNT}:role/Admin`,
    RoleSessionName: 'Mary_Major',
    Tags: [
      { Key: 'displayName', Value: 'Mary Major' },
      { Key: 'emailAddress', Value: 'mary_major@example.com' },
      { Key: 'team', Value: 'blue' },
    ],
  });
  return server.clients({
    accessKeyId: keys!.AccessKeyId!,
    secretAccessKey: keys!.SecretAccessKey!,
    sessionToken: keys!.SessionToken!,
  }).codecommit;
}

/** Every change that AWS documents an event for, in the order of AWS's page. */
async function changeEverything({ root, main, feature, put, branch }: Reviewing, mary: CodeCommit): Promise<void> {
  await mary.createBranch({ ...app, branchName: 'myBranch', commitId: main });
  const sides = { ...app, sourceCommitSpecifier: 'feature', destinationCommitSpecifier: 'myBranch' };
  await put('myBranch', 'b.txt', 'b');
  await mary.createUnreferencedMergeCommit({ ...sides, mergeOption: 'SQUASH_MERGE' });
  await mary.mergeBranchesByThreeWay(sides);
  await mary.deleteBranch({ ...app, branchName: 'myBranch' });
  const compared = { ...app, beforeCommitId: main, afterCommitId: feature, content: 'secret words' };
  const { comment } = await mary.postCommentForComparedCommit(compared);
  const { comment: reply } = await mary.postCommentReply({ inReplyTo: comment!.commentId!, content: 'secret words' });
  await mary.updateComment({ commentId: reply!.commentId!, content: 'other secret words' });

  const { pullRequestId, revisionId } = await openPullRequest(root, 'feature', { description: 'Why' });
  const pull = { pullRequestId: pullRequestId! };
  await changeTemplates(mary);
  const rule = { ...pull, approvalRuleName: 'own', approvalRuleContent: ruleContent(1) };
  await mary.createPullRequestApprovalRule(rule);
  await mary.updatePullRequestApprovalRuleContent({ ...rule, newRuleContent: ruleContent(2) });
  await mary.deletePullRequestApprovalRule(rule);
  const revision = { ...pull, revisionId: revisionId! };
  for (const overrideStatus of ['OVERRIDE', 'REVOKE'] as const) {
    await mary.overridePullRequestApprovalRules({ ...revision, overrideStatus });
  }
  for (const approvalState of ['APPROVE', 'REVOKE'] as const) {
    await mary.updatePullRequestApprovalState({ ...revision, approvalState });
  }
  const { comment: asked } = await mary.postCommentForPullRequest({ ...compared, ...pull });
  const { comment: answer } = await mary.postCommentReply({ inReplyTo: asked!.commentId!, content: 'secret words' });
  await mary.deleteCommentContent({ commentId: answer!.commentId! });
  for (const reactionValue of [':thumbsdown:', ':smile:']) {
    await mary.putCommentReaction({ commentId: comment!.commentId!, reactionValue });
  }
  const parentCommitId = feature;
  const file = { ...app, branchName: 'feature', filePath: 'more.txt', fileContent: Buffer.from('more') };
  await mary.putFile({ ...file, parentCommitId });
  await mary.mergePullRequestByFastForward({ ...app, ...pull });
  await branch('second');
  const targets = [{ ...app, sourceReference: 'second' }];
  const second = await mary.createPullRequest({ title: 'Second', description: 'Why', targets });
  const closed = { pullRequestId: second.pullRequest!.pullRequestId!, pullRequestStatus: 'CLOSED' } as const;
  await mary.updatePullRequestStatus(closed);
}

async function changeTemplates(mary: CodeCommit): Promise<void> {
  const template = { approvalRuleTemplateName: 'template' };
  const repositoryNames = ['app', 'other'];
  await mary.createApprovalRuleTemplate({ ...template, approvalRuleTemplateContent: ruleContent(1) });
  await mary.updateApprovalRuleTemplateContent({ ...template, newRuleContent: ruleContent(2) });
  await mary.associateApprovalRuleTemplateWithRepository({ ...template, ...app });
  await mary.disassociateApprovalRuleTemplateFromRepository({ ...template, ...app });
  await mary.batchAssociateApprovalRuleTemplateWithRepositories({ ...template, repositoryNames });
  await mary.batchDisassociateApprovalRuleTemplateFromRepositories({ ...template, repositoryNames });
  await mary.deleteApprovalRuleTemplate(template);
}

/** Fields of an event by a session with tags; they tell of whoever calls, where the event tells of a caller at all. */
function fieldsFor(detailType: string, fields: readonly string[]): string[] {
  const isAboutReference = detailType === 'CodeCommit Repository State Change';
  return [...new Set([...fields, ...(isAboutReference ? [] : PERSON_FIELDS)])].toSorted();
}

test('every event that AWS documents is sent, with every field that it documents', async (t) => {
  const at = await reviewing(t);
  await at.root.createRepository(other);
  const mary = await sessionOf(at);
  const before = at.seen.length;
  await changeEverything(at, mary);
  await eventually(() => at.seen.some(({ detail }) => detail['event'] === 'pullRequestStatusChanged'));
  const sent = at.seen.slice(before).filter(({ detail }) => detail['callerUserArn'] === MARY);
  for (const [event, detailType, fields] of EVENT_FIELDS) {
    const expected = fieldsFor(detailType, fields);
    const alike = sent.filter(({ detail }) => detail['event'] === event);
    const keys = alike.map(({ detail }) => Object.keys(detail).toSorted());
    assert.ok(
      keys.some((found) => found.join() === expected.join()),
      `${event}: ${expected}, not ${keys.join(' or ') || 'sent'}`,
    );
    for (const one of alike) checkEnvelope(one, detailType);
  }
  const documented = new Set(EVENT_FIELDS.map(([event]) => event));
  for (const { detail } of sent) assert.ok(documented.has(detail['event'] as string), String(detail['event']));
});

function checkEnvelope(
  { id, source, account, region, time, resources, detailType, detail }: BusEvent,
  expected: string,
) {
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.deepEqual([source, account, region, detailType], ['aws.codecommit', ACCOUNT, 'us-east-1', expected]);
  const arn = (name: string) => `arn:aws:codecommit:us-east-1:${ACCOUNT}:${name}`;
  const repositories = detail['repositories'] as object | undefined;
  const names = repositories === undefined ? ['app'] : Object.keys(repositories);
  assert.deepEqual(resources, names.map(arn));
  if ('displayName' in detail) assert.equal(detail['displayName'], 'Mary Major');
  assert.doesNotMatch(JSON.stringify(detail), /secret words|blue/, 'neither contents of comments nor other tags');
  if (expected !== 'CodeCommit Pull Request State Change') return;
  assert.deepEqual(detail['repositoryNames'], ['app']);
  const isOver = /MergeStatus|StatusChanged/.test(detail['event'] as string);
  assert.equal(detail['pullRequestStatus'], isOver ? 'Closed' : 'Open');
  assert.equal(detail['isMerged'], detail['event'] === 'pullRequestMergeStatusUpdated' ? 'True' : 'False');
}
