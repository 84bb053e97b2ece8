import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventually } from '../../kernel/testing/eventually.ts';
import { app, arnOf, type CodeCommit, reviewing, ruleContent } from './testing/reviews.ts';

/** What a pull request should be. */
interface Model {
  id: string;
  source: string;
  sourceCommit: string;
  status: 'OPEN' | 'CLOSED';
  merged: boolean;
  revisions: number;
  /** Of the current revision. */
  approvers: Set<string>;
  overridden: boolean;
  /** Approvals that the one rule needs; 0 without a rule. */
  needed: number;
}

const BRANCHES = ['x', 'y'];
const PEOPLE = ['author', 'bob', 'carol'];
const branch = fc.constantFrom(...BRANCHES);
const person = fc.constantFrom(...PEOPLE);
const pick = fc.nat(20);

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('push' as const), branch }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('open' as const), branch }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), branch }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('forward' as const), branch }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('main' as const) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('approve' as const), pick, person, give: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('override' as const), pick, give: fc.boolean() }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('rule' as const), pick, needed: fc.integer({ min: 1, max: 2 }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), pick }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('merge' as const), pick, fast: fc.boolean() }) },
  ),
  { minLength: 20, maxLength: 30 },
);
type Step = typeof steps extends fc.Arbitrary<(infer One)[]> ? One : never;

/** Scripts share a repository: no file is written twice with the same content. */
let written = 0;

test('R7: whatever happens in whatever order, pull requests are what a simple model says', async (t) => {
  const { server, root, put, person: user, seen } = await reviewing(t);
  const people = new Map<string, CodeCommit>();
  for (const name of PEOPLE) people.set(name, await user(name));
  const author = people.get('author')!;
  const tipOf = async (branchName: string) => (await root.getBranch({ ...app, branchName })).branch!.commitId!;

  const play = async (script: Step[]) => {
    const models: Model[] = [];
    /** Commits that a commit contains, itself too. */
    const contains = new Map<string, Set<string>>();
    const tips = new Map<string, string>();
    const all = (id: string) => contains.get(id) ?? new Set([id]);
    let told = 0;
    const start = await tipOf('main');
    tips.set('main', start);
    contains.set(start, new Set([start]));
    const commit = async (branchName: string) => {
      const parent = tips.get(branchName)!;
      const id = await put(branchName, `${written++}.txt`, `${written}`);
      contains.set(id, new Set([...all(parent), id]));
      return id;
    };
    /** What a branch that moves or goes does to open pull requests. */
    const follow = (name: string, to: string | undefined, isMerge?: Model) => {
      if (to === undefined) tips.delete(name);
      else tips.set(name, to);
      for (const model of models.filter(({ status }) => status === 'OPEN')) {
        if (model === isMerge) continue;
        if (model.source === name && to === undefined) {
          model.status = 'CLOSED';
          told += 1;
        } else if (model.source === name) {
          Object.assign(model, { sourceCommit: to, revisions: model.revisions + 1, overridden: false });
          model.approvers.clear();
          told += 1;
        } else if (name === 'main' && model.sourceCommit === to) {
          Object.assign(model, { status: 'CLOSED', merged: true });
          told += 1;
        }
      }
    };
    const ensure = async (name: string) => {
      if (tips.has(name)) return;
      await root.createBranch({ ...app, branchName: name, commitId: tips.get('main')! });
      tips.set(name, tips.get('main')!);
      follow(name, await commit(name));
    };
    const satisfied = ({ approvers, needed, overridden }: Model) => overridden || approvers.size >= needed;
    const revisionOf = async ({ id }: Model) =>
      (await root.getPullRequest({ pullRequestId: id })).pullRequest!.revisionId!;
    const expect = async (call: Promise<unknown>, fault: string | undefined) => {
      if (fault === undefined) await call;
      else await assert.rejects(call, { name: `${fault}Exception` });
    };

    for (const step of script) {
      const model = 'pick' in step ? models[step.pick % Math.max(models.length, 1)] : undefined;
      if ('pick' in step && model === undefined) continue;
      switch (step.kind) {
        case 'push':
          if (tips.has(step.branch)) follow(step.branch, await commit(step.branch));
          else await ensure(step.branch);
          break;
        case 'main':
          follow('main', await commit('main'));
          break;
        case 'remove':
          await root.deleteBranch({ ...app, branchName: step.branch });
          if (tips.has(step.branch)) follow(step.branch, undefined);
          break;
        case 'open': {
          await ensure(step.branch);
          const targets = [{ ...app, sourceReference: step.branch, destinationReference: 'main' }];
          const { pullRequest } = await author.createPullRequest({ title: 'T', targets });
          const sourceCommit = tips.get(step.branch)!;
          const fresh = { status: 'OPEN' as const, merged: false, revisions: 1, overridden: false, needed: 0 };
          models.push({
            id: pullRequest!.pullRequestId!,
            source: step.branch,
            sourceCommit,
            approvers: new Set(),
            ...fresh,
          });
          told += 1;
          break;
        }
        case 'forward': {
          const source = tips.get(step.branch);
          const destination = tips.get('main')!;
          if (source === undefined || source === destination) break;
          const can = all(source).has(destination);
          const call = root.mergeBranchesByFastForward({
            ...app,
            sourceCommitSpecifier: step.branch,
            destinationCommitSpecifier: 'main',
          });
          await expect(call, can ? undefined : 'ManualMergeRequired');
          if (can) follow('main', source);
          break;
        }
        case 'approve': {
          const approvalState = step.give ? 'APPROVE' : 'REVOKE';
          const revisionId = await revisionOf(model!);
          const call = people
            .get(step.person)!
            .updatePullRequestApprovalState({ pullRequestId: model!.id, revisionId, approvalState });
          if (model!.status === 'CLOSED') await expect(call, 'PullRequestAlreadyClosed');
          else if (step.give && step.person === 'author') await expect(call, 'PullRequestCannotBeApprovedByAuthor');
          else {
            await call;
            const had = model!.approvers.has(step.person);
            if (had !== step.give) told += 1;
            if (step.give) model!.approvers.add(step.person);
            else model!.approvers.delete(step.person);
          }
          break;
        }
        case 'override': {
          const overrideStatus = step.give ? 'OVERRIDE' : 'REVOKE';
          const revisionId = await revisionOf(model!);
          const call = root.overridePullRequestApprovalRules({ pullRequestId: model!.id, revisionId, overrideStatus });
          if (model!.status === 'CLOSED') await expect(call, 'PullRequestAlreadyClosed');
          else if (step.give && model!.overridden) await expect(call, 'OverrideAlreadySet');
          else {
            await call;
            if (model!.overridden !== step.give) told += 1;
            model!.overridden = step.give;
          }
          break;
        }
        case 'rule': {
          const call = root.createPullRequestApprovalRule({
            pullRequestId: model!.id,
            approvalRuleName: 'rule',
            approvalRuleContent: ruleContent(step.needed),
          });
          if (model!.status === 'CLOSED') await expect(call, 'PullRequestAlreadyClosed');
          else if (model!.needed > 0) await expect(call, 'ApprovalRuleNameAlreadyExists');
          else {
            await call;
            model!.needed = step.needed;
            told += 1;
          }
          break;
        }
        case 'close':
          await root.updatePullRequestStatus({ pullRequestId: model!.id, pullRequestStatus: 'CLOSED' });
          if (model!.status === 'OPEN') told += 1;
          model!.status = 'CLOSED';
          break;
        case 'merge': {
          const input = { ...app, pullRequestId: model!.id };
          const destination = tips.get('main')!;
          const call = step.fast ? root.mergePullRequestByFastForward(input) : root.mergePullRequestByThreeWay(input);
          const can = !step.fast || all(model!.sourceCommit).has(destination);
          if (model!.status === 'CLOSED') await expect(call, 'PullRequestAlreadyClosed');
          else if (!satisfied(model!)) await expect(call, 'PullRequestApprovalRulesNotSatisfied');
          else if (!can) await expect(call, 'ManualMergeRequired');
          else {
            await call;
            Object.assign(model!, { status: 'CLOSED', merged: true });
            told += 1;
            const to = step.fast ? model!.sourceCommit : await tipOf('main');
            if (!step.fast) contains.set(to, new Set([...all(destination), ...all(model!.sourceCommit), to]));
            follow('main', to, model);
          }
          break;
        }
      }
    }
    for (const model of models) {
      const { pullRequest } = await root.getPullRequest({ pullRequestId: model.id });
      const target = pullRequest!.pullRequestTargets![0]!;
      assert.deepEqual(
        [pullRequest!.pullRequestStatus, target.mergeMetadata!.isMerged, target.sourceCommit],
        [model.status, model.merged, model.sourceCommit],
        model.id,
      );
      const revision = { pullRequestId: model.id, revisionId: pullRequest!.revisionId! };
      const { approvals } = await root.getPullRequestApprovalStates(revision);
      assert.deepEqual(approvals!.map(({ userArn }) => userArn).toSorted(), [...model.approvers].map(arnOf).toSorted());
      const { evaluation } = await root.evaluatePullRequestApprovalRules(revision);
      assert.deepEqual(
        [evaluation!.approved, evaluation!.overridden],
        [model.approvers.size >= model.needed, model.overridden],
      );
      const { pullRequestEvents } = await root.describePullRequestEvents({ pullRequestId: model.id });
      const updates = pullRequestEvents!.filter(
        ({ pullRequestSourceReferenceUpdatedEventMetadata: updated }) => updated,
      );
      assert.equal(updates.length, model.revisions - 1);
    }
    return { told, models: models.length, open: models.filter(({ status }) => status === 'OPEN').length };
  };

  let expected = 0;
  let played = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const { told, models, open } = await play(script);
      // What is still open closes with its branch.
      expected += told + open;
      played += models;
      for (const branchName of BRANCHES) await root.deleteBranch({ ...app, branchName });
      const { pullRequestIds } = await root.listPullRequests({ ...app, pullRequestStatus: 'OPEN' });
      assert.deepEqual(pullRequestIds, []);
    }),
    { numRuns: Number(process.env['MODEL_RUNS'] ?? 4), endOnFailure: true },
  );
  // Every acknowledged change has told of itself exactly once, after a restart, too.
  await server.restart();
  const pulls = () => seen.filter(({ detailType }) => detailType === 'CodeCommit Pull Request State Change');
  let history = 0;
  for (let number = 1; number <= played; number += 1) {
    const { pullRequestEvents } = await root.describePullRequestEvents({ pullRequestId: String(number) });
    history += pullRequestEvents!.length;
  }
  assert.equal(history, expected);
  await eventually(() => pulls().length >= history);
  assert.equal(pulls().length, history);
  assert.equal(new Set(pulls().map(({ id }) => id)).size, history);
});
