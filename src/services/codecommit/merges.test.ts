import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { CodeCommit } from '@aws-sdk/client-codecommit';
import { startWithRepository } from './harness.ts';
import { Histories, type TreeSpec } from './merge-harness.ts';

const app = { repositoryName: 'app' };
const sides = { ...app, sourceCommitSpecifier: 'feature', destinationCommitSpecifier: 'main' };

interface Lab {
  codecommit: CodeCommit;
  histories: Histories;
}

async function lab(t: TestContext): Promise<Lab> {
  const { alice } = await startWithRepository(t);
  return { codecommit: alice.codecommit, histories: await Histories.start(t, alice.remote('app')) };
}

/** Puts `main` and `feature` on a common base and pushes them. */
async function fork({ histories }: Lab, trees: { base: TreeSpec; main: TreeSpec; feature: TreeSpec }) {
  const base = await histories.commit('main', [], trees.base);
  const main = await histories.commit('main', [base], trees.main);
  const feature = await histories.commit('feature', [base], trees.feature);
  await histories.push();
  return { base, main, feature };
}

/** Path and content of every file of a commit that the server has. */
async function filesOf({ histories }: Lab, commit: string): Promise<Record<string, string>> {
  await histories.fetch();
  const files: Record<string, string> = {};
  for (const line of (await histories.git.run('ls-tree', '-r', commit)).split('\n').filter(Boolean)) {
    const [, mode, , id, path] = /^(\d+) (\w+) (\w+)\t(.*)$/.exec(line)!;
    files[path!] = `${mode === '100644' ? '' : `${mode} `}${await histories.git.run('cat-file', 'blob', id!)}`;
  }
  return files;
}

test('three-way and squash merges are commits that git agrees with, and fast-forward makes none', async (t) => {
  const l = await lab(t);
  const { codecommit, histories } = l;
  const trees = {
    base: { a: '1\n', 'd/b': '1\n' },
    main: { a: '2\n', 'd/b': '1\n' },
    feature: { a: '1\n', 'd/b': '2\n', 'd/c': 'new\n' },
  };
  const { main, feature } = await fork(l, trees);
  await assert.rejects(codecommit.mergeBranchesByFastForward(sides), { name: 'ManualMergeRequiredException' });
  const merged = { a: '2', 'd/b': '2', 'd/c': 'new' };

  const three = await codecommit.mergeBranchesByThreeWay({ ...sides, authorName: 'Bob', email: 'bob@example.com' });
  assert.deepEqual(await filesOf(l, three.commitId!), merged);
  assert.equal(await histories.git.run('rev-parse', 'main'), three.commitId);
  assert.equal(
    await histories.git.run('show', '-s', '--format=%P|%an|%ae|%cn|%s', 'main'),
    `${main} ${feature}|Bob|bob@example.com|Bob|Merge of feature into main`,
  );
  const { commit } = await codecommit.getCommit({ ...app, commitId: three.commitId! });
  assert.deepEqual(commit!.parents, [main, feature]);
  assert.equal(commit!.treeId, three.treeId);
  await histories.git.run('fsck', '--strict');

  await codecommit.createBranch({ ...app, branchName: 'other', commitId: main });
  const squash = await codecommit.mergeBranchesBySquash({
    ...sides,
    destinationCommitSpecifier: 'refs/heads/other',
    commitMessage: 'all of it',
  });
  assert.equal(squash.treeId, three.treeId);
  const squashed = (await codecommit.getCommit({ ...app, commitId: squash.commitId! })).commit!;
  assert.deepEqual(squashed.parents, [main]);
  assert.equal(squashed.message, 'all of it\n');
  assert.equal(squashed.author!.name, 'arn:aws:iam::123456789012:user/alice');

  const forward = await codecommit.mergeBranchesByFastForward({
    ...app,
    sourceCommitSpecifier: three.commitId!,
    destinationCommitSpecifier: feature,
    targetBranch: 'feature',
  });
  assert.deepEqual([forward.commitId, forward.treeId], [three.commitId, three.treeId]);
  const { branch } = await codecommit.getBranch({ ...app, branchName: 'feature' });
  assert.equal(branch!.commitId, three.commitId);
});

test('files that both sides have changed need a person, by file or by line, or a strategy', async (t) => {
  const l = await lab(t);
  const { codecommit } = l;
  const text = (first: string, last: string) => `${first}\nb\nc\nd\n${last}\n`;
  await fork(l, {
    base: { f: text('a', 'e'), g: 'same\n' },
    main: { f: text('A', 'e'), g: 'same\n' },
    feature: { f: text('a', 'E'), g: 'same\n' },
  });
  const manual = { name: 'ManualMergeRequiredException' };
  await assert.rejects(codecommit.mergeBranchesByThreeWay(sides), manual);
  await assert.rejects(codecommit.mergeBranchesBySquash({ ...sides, conflictDetailLevel: 'FILE_LEVEL' }), manual);
  const make = async (more: object) => {
    const made = await codecommit.createUnreferencedMergeCommit({ ...sides, mergeOption: 'SQUASH_MERGE', ...more });
    await l.histories.git.run('fetch', '-q', 'origin', made.commitId!);
    return (await filesOf(l, made.commitId!))['f']!.replaceAll('\n', '');
  };
  assert.equal(await make({ conflictDetailLevel: 'LINE_LEVEL' }), 'AbcdE');
  assert.equal(await make({ conflictResolutionStrategy: 'AUTOMERGE' }), 'AbcdE');
  assert.equal(await make({ conflictResolutionStrategy: 'ACCEPT_SOURCE' }), 'abcdE');
  assert.equal(await make({ conflictResolutionStrategy: 'ACCEPT_DESTINATION' }), 'Abcde');
  const byLine = { conflictDetailLevel: 'LINE_LEVEL' };
  assert.equal(await make({ ...byLine, conflictResolutionStrategy: 'ACCEPT_SOURCE' }), 'AbcdE');
});
