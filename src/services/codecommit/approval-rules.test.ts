import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256Of } from './approval-rules-content.ts';
import { app, arnOf, openPullRequest, reviewing, ruleContent } from './testing/reviews.ts';

test('rules of a pull request are made, changed, evaluated, overridden and deleted', async (t) => {
  const { root, put, person, events } = await reviewing(t);
  const [alice, bob, carol] = [await person('alice'), await person('bob'), await person('carol')];
  const { revisionId } = await openPullRequest(alice);
  const id = { pullRequestId: '1' };
  const now = { ...id, revisionId: revisionId! };
  const evaluate = async () => (await root.evaluatePullRequestApprovalRules(now)).evaluation;
  assert.deepEqual(await evaluate(), {
    approved: true,
    overridden: false,
    approvalRulesSatisfied: [],
    approvalRulesNotSatisfied: [],
  });

  const two = ruleContent(2);
  const made = await alice.createPullRequestApprovalRule({
    ...id,
    approvalRuleName: 'Two people',
    approvalRuleContent: two,
  });
  const { approvalRuleId, creationDate, lastModifiedDate, ...rule } = made.approvalRule!;
  assert.match(approvalRuleId!, /^[0-9a-f-]{36}$/);
  assert.deepEqual(creationDate, lastModifiedDate);
  assert.deepEqual(rule, {
    approvalRuleName: 'Two people',
    approvalRuleContent: two,
    ruleContentSha256: sha256Of(two),
    lastModifiedUser: arnOf('alice'),
  });
  const twice = { ...id, approvalRuleName: 'Two people', approvalRuleContent: two };
  await assert.rejects(bob.createPullRequestApprovalRule(twice), { name: 'ApprovalRuleNameAlreadyExistsException' });

  const approve = (who: typeof bob, approvalState: 'APPROVE' | 'REVOKE' = 'APPROVE') =>
    who.updatePullRequestApprovalState({ ...now, approvalState });
  await assert.rejects(approve(alice), { name: 'PullRequestCannotBeApprovedByAuthorException' });
  await approve(bob);
  await approve(bob);
  await approve(carol);
  assert.deepEqual((await root.getPullRequestApprovalStates(now)).approvals, [
    { userArn: arnOf('bob'), approvalState: 'APPROVE' },
    { userArn: arnOf('carol'), approvalState: 'APPROVE' },
  ]);
  assert.deepEqual((await evaluate())!.approvalRulesSatisfied, ['Two people']);
  await approve(carol, 'REVOKE');
  await approve(carol, 'REVOKE');
  assert.deepEqual((await evaluate())!.approvalRulesNotSatisfied, ['Two people']);

  const pool = ruleContent(1, ['CodeCommitApprovers:123456789012:car*']);
  const change = { ...id, approvalRuleName: 'Two people', newRuleContent: pool };
  await assert.rejects(
    bob.updatePullRequestApprovalRuleContent({ ...change, existingRuleContentSha256: sha256Of(pool) }),
    { name: 'InvalidRuleContentSha256Exception' },
  );
  const changed = await bob.updatePullRequestApprovalRuleContent({
    ...change,
    existingRuleContentSha256: sha256Of(two),
  });
  assert.equal(changed.approvalRule!.lastModifiedUser, arnOf('bob'));
  assert.equal(changed.approvalRule!.ruleContentSha256, sha256Of(pool));
  assert.equal((await evaluate())!.approved, false);

  const override = (overrideStatus: 'OVERRIDE' | 'REVOKE') =>
    carol.overridePullRequestApprovalRules({ ...now, overrideStatus });
  await override('REVOKE');
  await override('OVERRIDE');
  await assert.rejects(override('OVERRIDE'), { name: 'OverrideAlreadySetException' });
  assert.equal((await root.getPullRequestOverrideState(now)).overrider, arnOf('carol'));
  assert.equal((await evaluate())!.overridden, true);
  await override('REVOKE');
  const state = await root.getPullRequestOverrideState(now);
  assert.deepEqual([state.overridden, state.overrider], [false, undefined]);
  await override('OVERRIDE');

  // A new revision is nobody's approval and nobody's override; the old one keeps its own.
  await put('feature', 'x.txt', 'x');
  await assert.rejects(approve(bob), { name: 'RevisionNotCurrentException' });
  await assert.rejects(override('OVERRIDE'), { name: 'RevisionNotCurrentException' });
  await assert.rejects(root.evaluatePullRequestApprovalRules(now), { name: 'RevisionNotCurrentException' });
  const { pullRequest } = await root.getPullRequest(id);
  const next = { ...id, revisionId: pullRequest!.revisionId! };
  assert.deepEqual((await root.getPullRequestApprovalStates(next)).approvals, []);
  assert.equal((await root.getPullRequestApprovalStates(now)).approvals!.length, 1);
  assert.equal((await root.getPullRequestOverrideState(next)).overridden, false);
  assert.equal((await root.getPullRequestOverrideState(now)).overridden, true);

  const gone = await alice.deletePullRequestApprovalRule({ ...id, approvalRuleName: 'Two people' });
  assert.equal(gone.approvalRuleId, approvalRuleId);
  const again = await alice.deletePullRequestApprovalRule({ ...id, approvalRuleName: 'Two people' });
  assert.equal(again.approvalRuleId, undefined);

  const counts = { Created: 1, Updated: 1, Deleted: 1 };
  for (const [name, count] of Object.entries(counts)) {
    assert.equal((await events(`pullRequestApprovalRule${name}`)).length, count, name);
  }
  assert.equal((await events('pullRequestApprovalStateChanged', 3)).length, 3, 'what changes nothing tells nothing');
  assert.equal((await events('pullRequestApprovalRuleOverridden', 3)).length, 3);
  const { pullRequestEvents } = await root.describePullRequestEvents(id);
  assert.deepEqual(
    pullRequestEvents!.map(({ pullRequestEventType }) => pullRequestEventType!.slice('PULL_REQUEST_'.length)),
    [
      'CREATED',
      'APPROVAL_RULE_CREATED',
      ...Array(3).fill('APPROVAL_STATE_CHANGED'),
      'APPROVAL_RULE_UPDATED',
      ...Array(3).fill('APPROVAL_RULE_OVERRIDDEN'),
      'SOURCE_REFERENCE_UPDATED',
      'APPROVAL_RULE_DELETED',
    ],
  );
  const metadata = pullRequestEvents!.map(({ approvalRuleEventMetadata, ...event }) => [
    approvalRuleEventMetadata,
    event.approvalStateChangedEventMetadata,
    event.approvalRuleOverriddenEventMetadata,
  ]);
  assert.deepEqual(metadata[1]![0], {
    approvalRuleName: 'Two people',
    approvalRuleId,
    approvalRuleContent: two,
  });
  assert.deepEqual(metadata[4]![1], { revisionId, approvalStatus: 'REVOKE' });
  assert.deepEqual(metadata[6]![2], { revisionId, overrideStatus: 'OVERRIDE' });
});

test('templates make rules for the pull requests of their repositories, which nobody can change there', async (t) => {
  const { root, person, branch, events } = await reviewing(t);
  const alice = await person('alice');
  await root.createRepository({ repositoryName: 'other' });
  const content = ruleContent(1, undefined, ['refs/heads/main']);
  const made = await alice.createApprovalRuleTemplate({
    approvalRuleTemplateName: 'one for main',
    approvalRuleTemplateContent: content,
    approvalRuleTemplateDescription: 'Somebody looks',
  });
  const { creationDate, lastModifiedDate, approvalRuleTemplateId, ...template } = made.approvalRuleTemplate!;
  assert.deepEqual(creationDate, lastModifiedDate);
  assert.deepEqual(template, {
    approvalRuleTemplateName: 'one for main',
    approvalRuleTemplateDescription: 'Somebody looks',
    approvalRuleTemplateContent: content,
    ruleContentSha256: sha256Of(content),
    lastModifiedUser: arnOf('alice'),
  });
  const named = { approvalRuleTemplateName: 'one for main' };
  assert.deepEqual((await root.getApprovalRuleTemplate(named)).approvalRuleTemplate, made.approvalRuleTemplate);
  await root.createApprovalRuleTemplate({
    approvalRuleTemplateName: 'releases',
    approvalRuleTemplateContent: ruleContent(3, undefined, ['refs/heads/release-*']),
  });
  await root.associateApprovalRuleTemplateWithRepository({ ...named, ...app });
  await root.associateApprovalRuleTemplateWithRepository({ ...named, ...app });
  const batch = await root.batchAssociateApprovalRuleTemplateWithRepositories({
    approvalRuleTemplateName: 'releases',
    repositoryNames: ['app', 'other', 'none'],
  });
  assert.deepEqual(batch.associatedRepositoryNames, ['app', 'other']);
  assert.deepEqual(
    batch.errors!.map(({ repositoryName, errorCode }) => [repositoryName, errorCode]),
    [['none', 'RepositoryDoesNotExistException']],
  );
  const listed = await root.listAssociatedApprovalRuleTemplatesForRepository(app);
  assert.deepEqual(listed.approvalRuleTemplateNames, ['one for main', 'releases']);
  const page = await root.listAssociatedApprovalRuleTemplatesForRepository({ ...app, maxResults: 1 });
  const rest = await root.listAssociatedApprovalRuleTemplatesForRepository({ ...app, nextToken: page.nextToken });
  assert.deepEqual(rest.approvalRuleTemplateNames, ['releases']);
  const users = await root.listRepositoriesForApprovalRuleTemplate({ approvalRuleTemplateName: 'releases' });
  assert.deepEqual(users.repositoryNames, ['app', 'other']);

  const { approvalRules } = await openPullRequest(root);
  assert.equal(approvalRules!.length, 1);
  assert.deepEqual(approvalRules![0]!.originApprovalRuleTemplate, {
    approvalRuleTemplateId,
    approvalRuleTemplateName: 'one for main',
  });
  assert.equal(approvalRules![0]!.approvalRuleContent, content);
  assert.equal(approvalRules![0]!.lastModifiedUser, arnOf('alice'));
  const rule = { pullRequestId: '1', approvalRuleName: 'one for main' };
  await assert.rejects(root.deletePullRequestApprovalRule(rule), {
    name: 'CannotDeleteApprovalRuleFromTemplateException',
  });
  await assert.rejects(root.updatePullRequestApprovalRuleContent({ ...rule, newRuleContent: ruleContent(1) }), {
    name: 'CannotModifyApprovalRuleFromTemplateException',
  });

  // What happens to the template later is nothing to the rules that it has made.
  const updated = await root.updateApprovalRuleTemplateContent({
    ...named,
    newRuleContent: ruleContent(2),
    existingRuleContentSha256: sha256Of(content),
  });
  assert.equal(updated.approvalRuleTemplate!.ruleContentSha256, sha256Of(ruleContent(2)));
  await root.updateApprovalRuleTemplateDescription({ ...named, approvalRuleTemplateDescription: 'Two look' });
  await root.updateApprovalRuleTemplateName({
    oldApprovalRuleTemplateName: 'one for main',
    newApprovalRuleTemplateName: 'two',
  });
  const { pullRequest } = await root.getPullRequest({ pullRequestId: '1' });
  assert.deepEqual(pullRequest!.approvalRules, approvalRules);
  await branch('later');
  const later = await openPullRequest(root, 'later');
  assert.deepEqual(
    later.approvalRules!.map(({ approvalRuleName }) => approvalRuleName),
    ['two'],
  );
  const two = { approvalRuleTemplateName: 'two' };
  await assert.rejects(root.deleteApprovalRuleTemplate(two), { name: 'ApprovalRuleTemplateInUseException' });
  await root.disassociateApprovalRuleTemplateFromRepository({ ...two, ...app });
  await root.disassociateApprovalRuleTemplateFromRepository({ ...two, ...app });
  assert.equal((await root.deleteApprovalRuleTemplate(two)).approvalRuleTemplateId, approvalRuleTemplateId);
  assert.equal((await root.deleteApprovalRuleTemplate(two)).approvalRuleTemplateId, undefined);
  const undone = await root.batchDisassociateApprovalRuleTemplateFromRepositories({
    approvalRuleTemplateName: 'releases',
    repositoryNames: ['app', 'none'],
  });
  assert.deepEqual([undone.disassociatedRepositoryNames, undone.errors!.length], [['app'], 1]);
  assert.deepEqual((await root.listApprovalRuleTemplates({})).approvalRuleTemplateNames, ['releases']);
  await root.deleteRepository({ repositoryName: 'other' });
  await root.deleteApprovalRuleTemplate({ approvalRuleTemplateName: 'releases' });

  const expected = {
    approvalRuleTemplateCreated: 2,
    approvalRuleTemplateUpdated: 3,
    approvalRuleTemplateDeleted: 2,
    approvalRuleTemplateAssociatedWithRepository: 1,
    approvalRuleTemplateDisassociatedFromRepository: 1,
    batchAssociateApprovalRuleTemplateWithRepositories: 1,
    batchDisassociateApprovalRuleTemplateFromRepositories: 1,
    pullRequestApprovalRuleCreated: 2,
  };
  for (const [name, count] of Object.entries(expected)) assert.equal((await events(name, count)).length, count, name);
});
