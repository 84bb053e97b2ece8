import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import type { DiffHunk, GetBlobDifferencesInput } from '@aws-sdk/client-codecommit';
import fc from 'fast-check';
import { startServer, temporaryFolder } from '../../../test/harness.ts';

const app = { repositoryName: 'app' };
const lines = (...numbers: (number | string)[]) => numbers.map((line) => `${line}\n`).join('');
const upTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1);

async function started(t: TestContext) {
  const server = await startServer(t);
  const { codecommit } = server.root_;
  await codecommit.createRepository(app);
  let parentCommitId: string | undefined;
  /** The ids of blobs with these contents, made by one commit. */
  const blobs = async (...contents: (string | Uint8Array)[]) => {
    const putFiles = contents.map((content, n) => ({ filePath: `${n}`, fileContent: Buffer.from(content) }));
    const made = await codecommit.createCommit({ ...app, branchName: 'main', parentCommitId, putFiles });
    parentCommitId = made.commitId;
    const folder = await codecommit.getFolder({ ...app, folderPath: '/' });
    return contents.map((_, n) => folder.files!.find(({ relativePath }) => relativePath === `${n}`)!.blobId!);
  };
  const compare = (input: Partial<GetBlobDifferencesInput>) =>
    codecommit.getBlobDifferences({ ...app, afterBlobId: undefined, ...input });
  return { server, codecommit, blobs, compare };
}

/** Hunks as `git diff` prints them. */
function printed(hunks: readonly DiffHunk[]): string {
  const range = (start: number, count: number) => (count === 1 ? `${start}` : `${start},${count}`);
  const sign = { CONTEXT: ' ', ADD: '+', DELETE: '-' };
  return hunks
    .map(({ beforeStartLine, beforeLineCount, afterStartLine, afterLineCount, changes }) => {
      const head = `@@ -${range(beforeStartLine!, beforeLineCount!)} +${range(afterStartLine!, afterLineCount!)} @@\n`;
      return head + changes!.map(({ type, content }) => `${sign[type!]}${content}\n`).join('');
    })
    .join('');
}

test('hunks are those of git diff, with any context, with and without white space', async (t) => {
  const { blobs, compare } = await started(t);
  const folder = await temporaryFolder(t);
  const before = lines(...upTo(60));
  const after = lines('new', ...upTo(9), 'ten', 11, ...upTo(60).slice(13), ' 61').replace('30\n', '3 0 \n');
  const [beforeBlobId, afterBlobId] = await blobs(before, after);
  await Promise.all([writeFile(join(folder, 'a'), before), writeFile(join(folder, 'b'), after)]);
  for (const ignoreWhitespace of [false, true]) {
    for (const contextLines of [undefined, 0, 1, 5, 20]) {
      const args = ['diff', '--no-index', `-U${contextLines ?? 3}`, ...(ignoreWhitespace ? ['-w'] : []), 'a', 'b'];
      const { stdout } = await promisify(execFile)('git', args, { cwd: folder }).catch((e: { stdout: string }) => e);
      const answer = await compare({ beforeBlobId, afterBlobId, contextLines, ignoreWhitespace });
      // What git writes behind the second @@ is a heading.
      const expected = stdout.slice(stdout.indexOf('@@')).replace(/^(@@ .* @@).*$/gm, '$1');
      assert.equal(printed(answer.hunks!), expected, args.join(' '));
      assert.equal(answer.isBinary, false);
    }
  }
});

test('both blobs come out of the hunks again, whatever they hold', async (t) => {
  const { blobs, compare } = await started(t);
  const text = fc
    .array(fc.constantFrom('a\n', 'b\n', 'c\n', '\n', 'é\r\n'), { maxLength: 30 })
    .map((all) => all.join(''));
  const side = (hunks: readonly DiffHunk[], without: string) =>
    hunks.flatMap(({ changes }) =>
      changes!.filter(({ type }) => type !== without).map(({ content }) => `${content}\n`),
    );
  await fc.assert(
    fc.asyncProperty(text, text, async (before, after) => {
      fc.pre(before !== after);
      const [beforeBlobId, afterBlobId] = await blobs(`${before}z\n`, `${after}z\n`);
      const { hunks } = await compare({ beforeBlobId, afterBlobId, contextLines: 20 });
      const [first] = hunks!;
      // With so much context, what stands before and behind the hunks is the same on both sides.
      const whole = (text: string, start: number, changed: string) => {
        const all = text.split('\n').map((line) => `${line}\n`);
        return all
          .slice(start - 1)
          .join('')
          .startsWith(changed);
      };
      assert.ok(whole(`${before}z`, first!.beforeStartLine!, side([first!], 'ADD').join('')));
      assert.ok(whole(`${after}z`, first!.afterStartLine!, side([first!], 'DELETE').join('')));
    }),
    { numRuns: 25 },
  );
});

test('line numbers, sizes, added files, line ends, binary files', async (t) => {
  const { blobs, compare } = await started(t);
  const [one, two, bare, binary, empty] = await blobs('a\nb\n', 'a\nc\n', 'a\nb', Buffer.from([1, 0, 2]), '');
  assert.deepEqual((({ $metadata, ...answer }) => answer)(await compare({ beforeBlobId: one, afterBlobId: two })), {
    hunks: [
      {
        beforeStartLine: 1,
        beforeLineCount: 2,
        afterStartLine: 1,
        afterLineCount: 2,
        changes: [
          { type: 'CONTEXT', beforeLineNumber: 1, afterLineNumber: 1, content: 'a' },
          { type: 'DELETE', beforeLineNumber: 2, content: 'b' },
          { type: 'ADD', afterLineNumber: 2, content: 'c' },
        ],
      },
    ],
    isBinary: false,
    beforeBlobSize: 4,
    afterBlobSize: 4,
  });
  const added = await compare({ afterBlobId: one });
  assert.equal(added.beforeBlobSize, 0);
  assert.equal(printed(added.hunks!), '@@ -0,0 +1,2 @@\n+a\n+b\n');
  assert.equal(printed((await compare({ beforeBlobId: one, afterBlobId: empty })).hunks!), '@@ -1,2 +0,0 @@\n-a\n-b\n');
  assert.deepEqual((await compare({ beforeBlobId: one, afterBlobId: one })).hunks, []);
  const ends = await compare({ beforeBlobId: one, afterBlobId: bare });
  assert.equal(printed(ends.hunks!), '@@ -1,2 +1,2 @@\n a\n-b\n+b\n');
  assert.deepEqual((await compare({ beforeBlobId: one, afterBlobId: bare, ignoreWhitespace: true })).hunks, []);
  const odd = await compare({ beforeBlobId: one, afterBlobId: binary });
  assert.deepEqual([odd.isBinary, odd.hunks, odd.afterBlobSize], [true, [], 3]);
});

test('pages, and what is refused', async (t) => {
  const { server, blobs, compare } = await started(t);
  const before = upTo(500);
  const after = before.map((line) => (line % 2 === 0 ? line : `${line}!`));
  const [beforeBlobId, afterBlobId] = await blobs(lines(...before), lines(...after));
  const input = { beforeBlobId, afterBlobId, contextLines: 0 };
  const pages: DiffHunk[][] = [];
  for (let NextToken: string | undefined; pages.length === 0 || NextToken !== undefined; ) {
    const answer = await compare({ ...input, NextToken });
    pages.push(answer.hunks!);
    NextToken = answer.NextToken;
  }
  assert.deepEqual(
    pages.map((page) => page.length),
    [100, 100, 50],
  );
  assert.equal(new Set(pages.flat().map(({ beforeStartLine }) => beforeStartLine)).size, 250);
  const { NextToken } = await compare({ ...input, MaxResults: 7 });
  const none = '1'.repeat(40);
  const [small, many] = await blobs('x\n'.repeat(30_000), 'x\n'.repeat(100_001));
  assert.equal((await compare({ afterBlobId: small })).hunks![0]!.afterLineCount, 30_000);
  for (const [bad, name] of [
    [{ ...input, contextLines: 1, NextToken }, 'InvalidContinuationTokenException'],
    [{ ...input, MaxResults: 0 }, 'InvalidMaxResultsException'],
    [{ ...input, contextLines: 21 }, 'ValidationException'],
    [{ ...input, contextLines: -1 }, 'ValidationException'],
    [{ beforeBlobId }, 'BlobIdRequiredException'],
    [{ afterBlobId: none }, 'BlobIdDoesNotExistException'],
    [{ afterBlobId, beforeBlobId: none }, 'BlobIdDoesNotExistException'],
    [{ afterBlobId: many }, 'FileTooLargeException'],
    [{ afterBlobId: 'main' }, 'InvalidBlobIdException'],
    [{ ...input, repositoryName: 'none' }, 'RepositoryDoesNotExistException'],
    [{ ...input, repositoryName: 'a/b' }, 'InvalidRepositoryNameException'],
    [{ ...input, repositoryName: undefined }, 'RepositoryNameRequiredException'],
  ] as const) {
    await assert.rejects(compare(bad as Partial<GetBlobDifferencesInput>), { name }, name);
  }
  const reader = await server.user('reader', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'codecommit:GetBlob', Resource: '*' }],
  });
  await assert.rejects(reader.codecommit.getBlobDifferences({ ...app, afterBlobId }), {
    name: 'AccessDeniedException',
  });
});
