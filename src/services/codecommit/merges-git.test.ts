import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { temporaryFolder } from '../../../test/harness.ts';
import { GitClient } from '../../git/harness.ts';
import { startWithRepository } from './harness.ts';
import { type FileSpec, Histories, type TreeSpec } from './merge-harness.ts';

const app = { repositoryName: 'app' };
const RUNS = Number(process.env['MERGE_RUNS'] ?? 5);

const lines = fc
  .array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 7 })
  .map((all) => all.map((l) => `${l}\n`).join(''));
const file: fc.Arbitrary<FileSpec> = fc.oneof(
  { weight: 8, arbitrary: lines },
  { weight: 1, arbitrary: lines.map((content) => ({ mode: '100755' as const, content })) },
  { weight: 1, arbitrary: fc.constantFrom('x', 'y').map((content) => ({ mode: '120000' as const, content })) },
  { weight: 1, arbitrary: fc.constantFrom(1, 2).map((byte) => Buffer.from([0, byte])) },
);
/** `d` is a file or a folder. */
const tree = fc
  .record({ a: file, 'b é': file, c: file, 'd/x': file, 'd/y': file, 'e/f/g': file, d: file }, { requiredKeys: ['a'] })
  .map(({ d, ...files }): TreeSpec => {
    const hasFolder = Object.keys(files).some((path) => path.startsWith('d/'));
    return (d === undefined || hasFolder ? files : { ...files, d }) as TreeSpec;
  });
/** Changes some files of a tree and leaves the others. */
const edits = fc.record({ other: tree, taken: fc.array(fc.constantFrom('a', 'b é', 'c', 'd', 'e'), { maxLength: 3 }) });

function edited(before: TreeSpec, { other, taken }: { other: TreeSpec; taken: readonly string[] }): TreeSpec {
  const isTaken = (path: string) => taken.includes(path.split('/')[0]!);
  const kept = Object.entries(before).filter(([path]) => !isTaken(path));
  return Object.fromEntries([...kept, ...Object.entries(other).filter(([path]) => isTaken(path))]);
}

const history = fc.record({
  base: tree,
  main: edits,
  feature: edits,
  /** Both sides take the other's commit and go on: two merge bases. */
  crossed: fc.option(fc.record({ main: edits, feature: edits }), { freq: 3 }),
});

test('of random histories, merges and their conflicts are those of git itself', async (t) => {
  const { alice } = await startWithRepository(t);
  const { codecommit } = alice;
  const histories = await Histories.start(t, alice.remote('app'));
  const copy = new GitClient(await temporaryFolder(t));
  await copy.run('clone', '-q', '--no-checkout', histories.git.folder, '.');
  copy.config.push('merge.renames=false', 'merge.conflictStyle=merge');

  /** What `git merge` in a work tree makes of it: a tree, or the paths that it leaves unmerged. */
  async function byGit(main: string, feature: string): Promise<{ tree: string } | { unmerged: string[] }> {
    await copy.run('fetch', '-q', '--force', 'origin', 'refs/heads/*:refs/remotes/origin/*');
    await copy.run('checkout', '-q', '--force', '--detach', main);
    const { status } = await copy.attempt(['merge', '-q', '--no-ff', '-m', 'x', feature]);
    if (status === 0) return { tree: await copy.run('rev-parse', 'HEAD^{tree}') };
    const unmerged = (await copy.run('-c', 'core.quotePath=false', 'ls-files', '-u')).split('\n');
    const paths = unmerged.map((line) => line.split('\t')[1]!.replace(/~(HEAD|[0-9a-f]{40})(_\d+)?$/, ''));
    await copy.run('reset', '-q', '--hard');
    await copy.run('clean', '-qfd');
    return { unmerged: [...new Set(paths)].sort() };
  }

  await fc.assert(
    fc.asyncProperty(history, async ({ base, main, feature, crossed }) => {
      const root = await histories.commit('main', [], base);
      const [ours, theirs] = [edited(base, main), edited(base, feature)];
      let left = await histories.commit('main', [root], ours);
      let right = await histories.commit('feature', [root], theirs);
      if (crossed !== null) {
        const [first, second] = [left, right];
        left = await histories.commit('main', [first, second], edited(ours, crossed.main));
        right = await histories.commit('feature', [second, first], edited(theirs, crossed.feature));
      }
      await histories.push();
      const expected = await byGit(left, right);
      const both = { ...app, sourceCommitSpecifier: 'feature', destinationCommitSpecifier: 'main' };
      const squash = { ...both, mergeOption: 'SQUASH_MERGE', conflictDetailLevel: 'LINE_LEVEL' } as const;
      const { conflictMetadataList: list } = await codecommit.getMergeConflicts(squash);
      const unmerged = list!.map(({ filePath }) => filePath!).sort();
      assert.deepEqual(unmerged, 'unmerged' in expected ? expected.unmerged : []);
      if ('tree' in expected) {
        assert.equal((await codecommit.createUnreferencedMergeCommit(squash)).treeId, expected.tree);
        assert.equal(
          (await codecommit.mergeBranchesByThreeWay({ ...both, conflictDetailLevel: 'LINE_LEVEL' })).treeId,
          expected.tree,
        );
        return;
      }
      for (const { numberOfConflicts } of list!) assert.ok(numberOfConflicts! > 0);
      // Whatever it is, a side can be accepted, and one side is what is there then.
      const { conflicts } = await codecommit.batchDescribeMergeConflicts(squash);
      assert.deepEqual(
        conflicts!.map(({ conflictMetadata }) => conflictMetadata),
        list,
      );
      for (const conflictDetailLevel of ['FILE_LEVEL', 'LINE_LEVEL'] as const) {
        const accepting = { ...squash, conflictDetailLevel, conflictResolutionStrategy: 'ACCEPT_SOURCE' } as const;
        const { commitId } = await codecommit.createUnreferencedMergeCommit(accepting);
        await copy.run('fetch', '-q', alice.remote('app'), commitId!);
        const files = await copy.run('ls-tree', '-r', '--name-only', commitId!);
        assert.doesNotMatch(files, /~/);
        if (conflictDetailLevel === 'LINE_LEVEL') continue;
        for (const path of unmerged) {
          const [theirs, made] = await Promise.all(
            ['FETCH_HEAD', right].map((id) => copy.attempt(['rev-parse', '-q', '--verify', `${id}:${path}`])),
          );
          const isFolder = (await copy.attempt(['cat-file', '-t', `${right}:${path}`])).stdout.trim() === 'tree';
          if (!isFolder) assert.equal(made!.stdout, theirs!.stdout, path);
        }
      }
    }),
    { numRuns: RUNS },
  );
});
