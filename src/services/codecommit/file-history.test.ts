import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startWithRepository } from './harness.ts';
import { Histories } from './merge-harness.ts';

const app = { repositoryName: 'app' };
const body = (text: string) => `${text}\n${'a line that stays\n'.repeat(10)}`;

test('the history of a file has every line of it, follows renames, and comes in pages', async (t) => {
  const { alice } = await startWithRepository(t);
  const { codecommit } = alice;
  const histories = await Histories.start(t, alice.remote('app'));
  const other = { other: 'x' };
  const born = await histories.commit('main', [], { ...other, 'old name': body('1') });
  const untouched = await histories.commit('main', [born], { other: 'y', 'old name': body('1') });
  const renamed = await histories.commit('main', [untouched], { ...other, 'd/new "name"': body('1') });
  const left = await histories.commit('main', [renamed], { ...other, 'd/new "name"': body('left') });
  const right = await histories.commit('side', [renamed], { ...other, 'd/new "name"': body('right') });
  const merged = await histories.commit('main', [left, right], { ...other, 'd/new "name"': body('both') });
  const gone = await histories.commit('main', [merged], other);
  const back = await histories.commit('main', [gone], { ...other, 'd/new "name"': body('back') });
  await histories.push();
  const file = { ...app, filePath: '/d/new "name"' };

  const { revisionDag, nextToken } = await codecommit.listFileCommitHistory(file);
  assert.equal(nextToken, undefined);
  const shown = revisionDag!.map(({ commit, path, revisionChildren }) => [commit!.commitId, path, revisionChildren]);
  const path = 'd/new "name"';
  const sides = [left, right].sort();
  const expected = new Map<string, [string, string[]]>([
    [back, [path, []]],
    [merged, [path, [back]]],
    [left, [path, [merged]]],
    [right, [path, [merged]]],
    [renamed, [path, sides]],
    [born, ['old name', [renamed]]],
  ]);
  assert.equal(shown.length, expected.size);
  for (const [id, at, children] of shown as [string, string, string[]][]) {
    assert.deepEqual([at, children.toSorted()], expected.get(id), id);
  }
  assert.deepEqual([shown[0]![0], shown.at(-1)![0]], [back, born]);
  for (const { commit, blobId, path } of revisionDag!) {
    assert.equal(await histories.git.run('rev-parse', `${commit!.commitId}:${path}`), blobId);
    assert.deepEqual(commit, (await codecommit.getCommit({ ...app, commitId: commit!.commitId! })).commit);
  }

  const paged: string[] = [];
  let token: string | undefined;
  do {
    const page = await codecommit.listFileCommitHistory({ ...file, maxResults: 2, nextToken: token });
    paged.push(...page.revisionDag!.map(({ commit }) => commit!.commitId!));
    token = page.nextToken;
  } while (token !== undefined);
  assert.deepEqual(
    paged,
    shown.map(([id]) => id),
  );

  const before = await codecommit.listFileCommitHistory({ ...app, filePath: 'old name', commitSpecifier: untouched });
  assert.deepEqual(
    before.revisionDag!.map(({ commit }) => commit!.commitId),
    [born],
  );
  for (const filePath of ['nowhere', 'd', '../x', '--all', ':(glob)**', '-p']) {
    assert.deepEqual((await codecommit.listFileCommitHistory({ ...app, filePath })).revisionDag, [], filePath);
  }
  const fails = (input: object, name: string) =>
    assert.rejects(codecommit.listFileCommitHistory({ ...file, ...input }), { name });
  await fails({ maxResults: 0 }, 'InvalidMaxResultsException');
  await fails({ nextToken: 'x' }, 'InvalidContinuationTokenException');
  await fails({ commitSpecifier: 'nowhere' }, 'CommitDoesNotExistException');
  await fails({ commitSpecifier: 'a..b' }, 'InvalidCommitException');
});
