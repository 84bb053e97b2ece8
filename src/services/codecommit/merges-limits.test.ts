import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GitFailure } from '../../git/failure.ts';
import type { FileRevision } from '../../git/file-history.ts';
import { historyPage } from './commits.ts';
import { readRepository } from './git-cache.ts';
import { startWithRepository } from './harness.ts';
import { Histories } from './merge-harness.ts';
import { type MergeLimits, mergeBaseOf, requireFewFiles, withMerge } from './merges-evaluate.ts';

const app = { repositoryName: 'app' };

test('a merge has limits', async (t) => {
  const { server, alice } = await startWithRepository(t);
  const histories = await Histories.start(t, alice.remote('app'));
  const base = await histories.commit('main', [], { a: '1' });
  const main = await histories.commit('main', [base], { a: '1', b: '1', c: '1' });
  const feature = await histories.commit('feature', [base], { a: '1', d: '1' });
  await histories.push();
  const ctx = server.kernel.serviceContext('codecommit.amazonaws.com');
  const { repositoryMetadata } = await alice.codecommit.getRepository(app);
  const row = { id: repositoryMetadata!.repositoryId!, name: 'app' } as Parameters<typeof withMerge>[1];
  const limited = (limits: Partial<MergeLimits>) => {
    const spec = { sourceCommitId: feature, destinationCommitId: main };
    return withMerge(ctx, row, spec, async () => undefined, { divergence: 2, items: 3, files: 0, ...limits });
  };
  await limited({});
  await assert.rejects(limited({ divergence: 1 }), { name: 'TipsDivergenceExceededException' });
  // GetMergeCommit looks for the merge base alone.
  const baseWithin = (divergence: number) =>
    readRepository(ctx, row, (lease, repository) => {
      const limits = { divergence, items: 0, files: 0 };
      const spec = { sourceCommitId: feature, destinationCommitId: main };
      return mergeBaseOf(ctx, lease, repository, spec, limits);
    });
  assert.equal(await baseWithin(2), base);
  await assert.rejects(baseWithin(1), { name: 'TipsDivergenceExceededException' });
  await assert.rejects(limited({ items: 2 }), { name: 'MaximumItemsToCompareExceededException' });
  assert.throws(() => requireFewFiles(1_001), { name: 'MaximumFileContentToLoadExceededException' });
});

test('the history of a file that takes git too long is refused; what came before is not shown', async () => {
  const revision = { commitId: 'a', path: 'f', blobId: 'b', children: [] } as unknown as FileRevision;
  async function* history(end: Error): AsyncGenerator<FileRevision> {
    yield revision;
    throw end;
  }
  const tooLong = new GitFailure('stopped', 'git log took too long');
  await assert.rejects(historyPage(history(tooLong), 0, 10), { name: 'TipsDivergenceExceededException' });
  const other = new GitFailure('process-failed', 'git log failed');
  await assert.rejects(historyPage(history(other), 0, 10), (error) => error === other);
});

test('G9: files of more than 100,000 lines are one stretch: nobody waits for millions of line ends', async (t) => {
  const { alice } = await startWithRepository(t);
  const histories = await Histories.start(t, alice.remote('app'));
  // Both the first and the last line are in conflict.
  const text = (side: string, lines: number) => `${side}\n${'\n'.repeat(lines - 2)}${side}\n`;
  const files = (side: string) => ({ few: text(side, 100_000), many: text(side, 100_001) });
  const base = await histories.commit('main', [], files('base'));
  await histories.commit('feature', [base], files('feature'));
  await histories.commit('main', [base], files('main'));
  await histories.push();
  const spec = {
    ...app,
    sourceCommitSpecifier: 'feature',
    destinationCommitSpecifier: 'main',
    mergeOption: 'THREE_WAY_MERGE',
    conflictDetailLevel: 'LINE_LEVEL',
  } as const;
  const { conflictMetadataList = [] } = await alice.codecommit.getMergeConflicts(spec);
  const counts = conflictMetadataList.map(({ filePath, numberOfConflicts }) => [filePath, numberOfConflicts]);
  assert.deepEqual(counts, [
    ['few', 2],
    ['many', 1],
  ]);
  const { mergeHunks } = await alice.codecommit.describeMergeConflicts({ ...spec, filePath: 'many' });
  const stretches = mergeHunks!.map(({ isConflict, source, destination, base: common }) => [
    isConflict,
    ...[source, destination, common].map((side) => [side!.startLine, side!.endLine]),
  ]);
  assert.deepEqual(stretches, [[true, [0, 100_001], [0, 100_001], [0, 100_001]]]);
  assert.equal(Buffer.from(mergeHunks![0]!.source!.hunkContent!, 'base64').toString(), text('feature', 100_001));
});

test('G9: a merge that keeps empty folders looks through thousands of them in one walk', async (t) => {
  const { alice } = await startWithRepository(t);
  const histories = await Histories.start(t, alice.remote('app'));
  const many = Object.fromEntries(Array.from({ length: 30_000 }, (_, at) => [`${at}/f`, '1']));
  const base = await histories.commit('main', [], many);
  await histories.commit('feature', [base], { ...many, b: '1', '15/f': '2' });
  await histories.commit('main', [base], { ...many, c: '1' });
  await histories.push();
  const spec = { ...app, sourceCommitSpecifier: 'feature', destinationCommitSpecifier: 'main' };
  // Once without looking at folders: what the merge itself takes on this machine.
  await alice.codecommit.createUnreferencedMergeCommit({ ...spec, mergeOption: 'SQUASH_MERGE' });
  const took = async (keepEmptyFolders: boolean) => {
    const began = performance.now();
    await alice.codecommit.createUnreferencedMergeCommit({ ...spec, mergeOption: 'SQUASH_MERGE', keepEmptyFolders });
    return performance.now() - began;
  };
  const [without, withThem] = [await took(false), await took(true)];
  assert.ok(withThem < 3 * without + 1_000, `${withThem} ms, ${without} ms without`);
});
