import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { changeRepository } from './change.ts';
import { startGitServer, workingCopy } from './harness.ts';
import { withMergedTrees } from './merge-tree.ts';
import { formatCommit } from './object-format.ts';
import { ObjectWriter } from './object-writer.ts';
import type { Lease, Repository } from './repository.ts';
import { editTree } from './tree-edit.ts';

const ADA = { name: 'Ada', email: 'ada@example.com', date: '1700000000 +0000' };
const PATHS = ['a', 'b', 'c/d', 'c/e', 'c/f/g', 'c/f/h', 'i/j', 'k é'];

/** For each path: a text, or no file. */
const files = fc
  .array(fc.option(fc.constantFrom('1', '2'), { freq: 3 }), { minLength: PATHS.length, maxLength: PATHS.length })
  .map((texts) => new Map(PATHS.flatMap((path, at) => (texts[at] === null ? [] : [[path, texts[at]!] as const]))));

/** Each side changes a few paths of the base. */
const merge = fc.record({
  base: files,
  ours: fc.record({ from: files, paths: fc.subarray(PATHS, { maxLength: 4 }) }),
  theirs: fc.record({ from: files, paths: fc.subarray(PATHS, { maxLength: 4 }) }),
});

interface Made {
  commit: string;
  root: string;
}

async function commit(
  server: Awaited<ReturnType<typeof startGitServer>>,
  repository: Repository,
  lease: Lease,
  name: string,
  content: ReadonlyMap<string, string>,
  parents: string[],
): Promise<Made> {
  const writer = new ObjectWriter();
  const edits = [...content].map(([path, text]) => ({
    path,
    entry: { mode: '100644', id: writer.add('blob', Buffer.from(text)) },
  }));
  const root = await editTree(lease.objects, writer, null, edits);
  const id = writer.add('commit', formatCommit({ tree: root, parents, author: ADA, committer: ADA, message: name }));
  const from = lease.state.refs.get(name)?.id ?? null;
  const refused = await changeRepository(repository, {
    updates: [{ name, from, to: id }],
    atomic: true,
    pack: writer,
    commit: async (change) => server.truths.commit('r1', change),
  });
  assert.deepEqual([...refused], []);
  return { commit: id, root };
}

test('where no file was changed by both sides, a merge starts no process and makes the tree that git makes', async (t) => {
  const server = await startGitServer(t);
  const alice = await workingCopy(t, server, 'r1');
  const repository = server.store.repository(server.truths.truth('r1'));
  const { git } = server.store.surroundings;
  const spawn = git.spawn.bind(git);
  let merges = 0;
  git.spawn = (args, options) => {
    if (args.includes('merge-tree')) merges += 1;
    return spawn(args, options);
  };
  let simple = 0;
  let run = 0;
  await fc.assert(
    fc.asyncProperty(merge, async ({ base, ours, theirs }) => {
      run += 1;
      const changed = ({ from, paths }: typeof ours) => {
        const content = new Map(base);
        for (const path of paths) {
          const text = from.get(path);
          if (text === undefined) content.delete(path);
          else content.set(path, text);
        }
        return content;
      };
      const made = await repository.read(async (lease) => {
        const name = (side: string) => `refs/heads/${side}-${run}`;
        const root = await commit(server, repository, lease, name('base'), base, []);
        const left = await commit(server, repository, lease, name('ours'), changed(ours), [root.commit]);
        const right = await commit(server, repository, lease, name('theirs'), changed(theirs), [root.commit]);
        return { root, left, right };
      });
      merges = 0;
      const pair = {
        ours: made.left.commit,
        theirs: made.right.commit,
        roots: { ours: made.left.root, theirs: made.right.root },
        baseRoot: made.root.root,
      };
      const writer = new ObjectWriter();
      const result = await repository.read((lease) =>
        withMergedTrees(repository, lease, pair, async (merged) => {
          await merged.collect(merged.treeId, new ObjectWriter(), writer);
          return merged;
        }),
      );
      await alice.run('fetch', '-q', 'origin', `refs/heads/ours-${run}`, `refs/heads/theirs-${run}`);
      const { status, stdout } = await alice.attempt([
        ...['-c', 'merge.renames=false', 'merge-tree', '--write-tree', '--name-only'],
        ...[made.left.commit, made.right.commit],
      ]);
      const [treeId] = stdout.split('\n');
      assert.equal(result.treeId, treeId);
      if (merges > 0) return;
      simple += 1;
      assert.equal(status, 0);
      // What no side has is there to be packed.
      const isOld = [made.left.root, made.right.root].includes(result.treeId);
      assert.equal(writer.has(result.treeId), !isOld);
    }),
    { numRuns: 25, endOnFailure: true },
  );
  assert.ok(simple >= 5, `${simple} of ${run} were simple`);
});
