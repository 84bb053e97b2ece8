import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type GitClient, startGitServer, workingCopy } from './harness.ts';
import { nearMergeBase } from './merge-base.ts';

/** A commit names its parents by how far back they were made; a clock that stands still, or goes backwards, is not rare. */
const history = fc.array(
  fc.record({
    parents: fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { maxLength: 2 }),
    seconds: fc.integer({ min: 0, max: 30 }),
  }),
  { minLength: 6, maxLength: 24 },
);

async function commitAll(
  git: GitClient,
  commits: readonly { parents: number[]; seconds: number }[],
): Promise<string[]> {
  const stream = commits.map(({ parents, seconds }, at) => {
    const [from, merge] = parents.map((back) => at - back).filter((one) => one >= 0);
    const person = `A <a@example.com> ${1_700_000_000 + seconds} +0000`;
    const lines = [
      'reset refs/heads/all',
      `commit refs/heads/all`,
      `mark :${at + 1}`,
      `committer ${person}`,
      'data 1',
      `${at % 10}`,
    ];
    if (from !== undefined) lines.push(`from :${from + 1}`);
    if (merge !== undefined) lines.push(`merge :${merge + 1}`);
    // A message of one byte would make commits the same.
    lines.push(`M 100644 inline ${at}`, 'data 0', '');
    return `${lines.join('\n')}\nreset refs/heads/c${at}\nfrom :${at + 1}\n\n`;
  });
  await git.feed(stream.join(''), 'fast-import', '--quiet', '--force');
  const printed = await git.run('for-each-ref', '--format=%(refname:lstrip=2) %(objectname)', 'refs/heads/c*');
  const ids = new Map(printed.split('\n').map((line) => line.split(' ') as [string, string]));
  return commits.map((_, at) => ids.get(`c${at}`)!);
}

test('the merge base that is found without a process is the one that git finds', async (t) => {
  const server = await startGitServer(t);
  const git = await workingCopy(t, server, 'r1');
  let found = 0;
  let run = 0;
  await fc.assert(
    fc.asyncProperty(history, async (commits) => {
      const ids = await commitAll(git, commits);
      run += 1;
      const id = `run-${run}`;
      await git.run('push', '-q', server.remote(id), ...ids.map((one, at) => `${one}:refs/heads/c${at}`));
      await server.store.repository(server.truths.truth(id)).read(async ({ objects }) => {
        for (const pair of [
          [ids.at(-1)!, ids.at(-2)!],
          [ids.at(-1)!, ids.at(-4)!],
        ] as [string, string][]) {
          const { stdout } = await git.attempt(['merge-base', '--all', ...pair]);
          const expected = stdout.split('\n').filter(Boolean);
          const near = await nearMergeBase(objects, pair);
          // Of several git chooses.
          if (near === undefined) continue;
          assert.deepEqual(near === null ? [] : [near], expected);
          found += 1;
        }
      });
    }),
    { numRuns: 12, endOnFailure: true },
  );
  assert.ok(found > 5, `${found} were found`);
});
