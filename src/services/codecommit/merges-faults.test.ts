import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startWithRepository } from './harness.ts';
import { Histories, type TreeSpec } from './merge-harness.ts';

const app = { repositoryName: 'app' };
const sides = { ...app, sourceCommitSpecifier: 'feature', destinationCommitSpecifier: 'main' };
const NOWHERE = 'a'.repeat(40);
const MERGES = ['mergeBranchesByFastForward', 'mergeBranchesBySquash', 'mergeBranchesByThreeWay'] as const;
const MAKERS = ['mergeBranchesBySquash', 'mergeBranchesByThreeWay', 'createUnreferencedMergeCommit'] as const;
const DESCRIBERS = ['describeMergeConflicts', 'batchDescribeMergeConflicts'] as const;
const COMPARERS = ['getMergeConflicts', ...DESCRIBERS] as const;
const ALL = [...MERGES, 'createUnreferencedMergeCommit', ...COMPARERS, 'getMergeOptions', 'getMergeCommit'] as const;

const big = Buffer.alloc(6 * 1024 * 1024 + 1, 'x');
const replace = (...entries: object[]) => ({
  conflictResolutionStrategy: 'AUTOMERGE',
  conflictResolution: {
    replaceContents: entries.map((entry) => ({ filePath: 'f', replacementType: 'KEEP_BASE', ...entry })),
  },
});
const modes = (...entries: object[]) => ({
  conflictResolutionStrategy: 'AUTOMERGE',
  conflictResolution: { setFileModes: entries },
});
/** Branches whose files are too large to look into. */
const LARGE = { sourceCommitSpecifier: 'large-feature', destinationCommitSpecifier: 'large' };
const many = Array.from({ length: 101 }, (_, at) => ({ filePath: `f${at}` }));

/** Operations, what is wrong with the request, and the error that AWS models for it. */
const TABLE: [readonly (typeof ALL)[number][], object, string][] = [
  [ALL, { repositoryName: undefined }, 'RepositoryNameRequiredException'],
  [ALL, { repositoryName: '!' }, 'InvalidRepositoryNameException'],
  [ALL, { repositoryName: 'nowhere' }, 'RepositoryDoesNotExistException'],
  [ALL, { sourceCommitSpecifier: undefined }, 'CommitRequiredException'],
  [ALL, { destinationCommitSpecifier: undefined }, 'CommitRequiredException'],
  [ALL, { sourceCommitSpecifier: NOWHERE }, 'CommitDoesNotExistException'],
  [ALL, { destinationCommitSpecifier: 'nowhere' }, 'CommitDoesNotExistException'],
  [ALL.filter((name) => name !== 'getMergeConflicts'), { sourceCommitSpecifier: 'a..b' }, 'InvalidCommitException'],
  [['getMergeConflicts'], { sourceCommitSpecifier: 'a..b' }, 'InvalidSourceCommitSpecifierException'],
  [['getMergeConflicts'], { destinationCommitSpecifier: '-x~' }, 'InvalidDestinationCommitSpecifierException'],
  [
    ALL.filter((name) => !['getMergeCommit', 'mergeBranchesByFastForward'].includes(name)),
    { sourceCommitSpecifier: 'stranger' },
    'TipsDivergenceExceededException',
  ],
  [
    ALL.filter((name) => name !== 'mergeBranchesByFastForward'),
    { conflictDetailLevel: 'X' },
    'InvalidConflictDetailLevelException',
  ],
  [
    ALL.filter((name) => name !== 'mergeBranchesByFastForward'),
    { conflictResolutionStrategy: 'X' },
    'InvalidConflictResolutionStrategyException',
  ],
  [['createUnreferencedMergeCommit', ...COMPARERS], { mergeOption: undefined }, 'MergeOptionRequiredException'],
  [['createUnreferencedMergeCommit', ...COMPARERS], { mergeOption: 'X' }, 'InvalidMergeOptionException'],
  [
    ['createUnreferencedMergeCommit', ...DESCRIBERS],
    { mergeOption: 'FAST_FORWARD_MERGE' },
    'InvalidMergeOptionException',
  ],
  [COMPARERS, { nextToken: 'x' }, 'InvalidContinuationTokenException'],
  [['getMergeConflicts', 'batchDescribeMergeConflicts'], { maxConflictFiles: 0 }, 'InvalidMaxConflictFilesException'],
  [DESCRIBERS, { maxMergeHunks: -1 }, 'InvalidMaxMergeHunksException'],
  [['describeMergeConflicts'], { filePath: undefined }, 'PathRequiredException'],
  [['describeMergeConflicts'], { filePath: '../f' }, 'InvalidPathException'],
  [['describeMergeConflicts'], { filePath: 'nowhere' }, 'FileDoesNotExistException'],
  [['describeMergeConflicts'], { ...LARGE, filePath: 'huge' }, 'MaximumFileContentToLoadExceededException'],
  [
    MAKERS,
    { ...LARGE, conflictDetailLevel: 'LINE_LEVEL', conflictResolutionStrategy: 'ACCEPT_SOURCE' },
    'MaximumFileContentToLoadExceededException',
  ],
  [MERGES, { targetBranch: 'a..b' }, 'InvalidTargetBranchException'],
  // The model's shortest name has one character, and a target that breaks it is no valid target.
  [MERGES, { targetBranch: '' }, 'InvalidTargetBranchException'],
  [MERGES, { targetBranch: 'nowhere' }, 'BranchDoesNotExistException'],
  [MERGES, { targetBranch: 'v1' }, 'BranchNameIsTagNameException'],
  [MERGES, { destinationCommitSpecifier: 'BASE' }, 'BranchNameRequiredException'],
  [MERGES, { targetBranch: 'feature' }, 'ConcurrentReferenceUpdateException'],
  [[...MERGES, 'createUnreferencedMergeCommit'], {}, 'ManualMergeRequiredException'],
  [MAKERS, { conflictResolution: { deleteFiles: [{ filePath: 'f' }] } }, 'InvalidConflictResolutionException'],
  [MAKERS, replace({ filePath: 'clean' }), 'InvalidConflictResolutionException'],
  [
    MAKERS,
    { conflictResolutionStrategy: 'AUTOMERGE', conflictResolution: { deleteFiles: many } },
    'MaximumConflictResolutionEntriesExceededException',
  ],
  [MAKERS, replace({}, {}), 'MultipleConflictResolutionEntriesException'],
  [MAKERS, replace({ replacementType: undefined }), 'ReplacementTypeRequiredException'],
  [MAKERS, replace({ replacementType: 'X' }), 'InvalidReplacementTypeException'],
  [MAKERS, replace({ replacementType: 'USE_NEW_CONTENT' }), 'ReplacementContentRequiredException'],
  [MAKERS, replace({ content: Buffer.from('x') }), 'InvalidReplacementContentException'],
  [MAKERS, replace({ filePath: undefined }), 'PathRequiredException'],
  [MAKERS, replace({ filePath: 'a/.git/b' }), 'InvalidPathException'],
  [MAKERS, replace({ replacementType: 'USE_NEW_CONTENT', content: big }), 'FileContentSizeLimitExceededException'],
  [MAKERS, modes({ filePath: 'f' }), 'FileModeRequiredException'],
  [MAKERS, modes({ filePath: 'f', fileMode: 'SYMLINK' }), 'InvalidFileModeException'],
  [MAKERS, modes({ filePath: 'f', fileMode: 'X' }), 'InvalidFileModeException'],
  [MAKERS, { authorName: 'x'.repeat(1_025) }, 'NameLengthExceededException'],
  [MAKERS, { email: 'a b' }, 'InvalidEmailException'],
  [MAKERS, { commitMessage: 'x'.repeat(256 * 1024 + 1) }, 'CommitMessageLengthExceededException'],
];

test('each modelled error of the merge operations is thrown for its reason, and nothing changes', async (t) => {
  const { alice } = await startWithRepository(t);
  const { codecommit } = alice;
  const histories = await Histories.start(t, alice.remote('app'));
  const tree = (f: string): TreeSpec => ({ f, clean: 'x' });
  const base = await histories.commit('main', [], tree('a\n'));
  await histories.commit('main', [base], tree('b\n'));
  await histories.commit('feature', [base], tree('c\n'));
  const huge = Buffer.concat([Buffer.from('a\n'), big]);
  const large = await histories.commit('large', [base], { huge });
  await histories.commit('large', [large], { huge: Buffer.concat([huge, Buffer.from('1')]) });
  await histories.commit('large-feature', [large], { huge: Buffer.concat([huge, Buffer.from('2')]) });
  await histories.commit('stranger', [], { f: 'x' });
  await histories.git.run('tag', 'v1', base);
  await histories.push();
  await histories.git.run('push', '-q', 'origin', 'v1');
  const refs = async () => histories.git.run('ls-remote', 'origin');
  const before = await refs();
  for (const [operations, wrong, name] of TABLE) {
    const refused = operations.map((operation) => {
      const input = { ...sides, mergeOption: 'SQUASH_MERGE', filePath: 'f', ...wrong };
      if (input.destinationCommitSpecifier === 'BASE') input.destinationCommitSpecifier = base;
      const call = codecommit[operation].bind(codecommit) as (input: object) => Promise<unknown>;
      return assert.rejects(call(input), { name }, `${operation} ${JSON.stringify(wrong).slice(0, 200)}`);
    });
    await Promise.all(refused);
  }
  assert.equal(await refs(), before);
});
