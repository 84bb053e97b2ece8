import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { CodeCommit, ConflictMetadata, MergeHunk } from '@aws-sdk/client-codecommit';
import { startWithRepository } from './harness.ts';
import { Histories, type TreeSpec } from './merge-harness.ts';

const app = { repositoryName: 'app' };
const merge = {
  ...app,
  sourceCommitSpecifier: 'feature',
  destinationCommitSpecifier: 'main',
  mergeOption: 'THREE_WAY_MERGE',
} as const;
const LINKED = '1234567890123456789012345678901234567890';

interface Lab {
  codecommit: CodeCommit;
  histories: Histories;
}

async function lab(t: TestContext): Promise<Lab> {
  const { alice } = await startWithRepository(t);
  return { codecommit: alice.codecommit, histories: await Histories.start(t, alice.remote('app')) };
}

async function fork({ histories }: Lab, trees: { base: TreeSpec; main: TreeSpec; feature: TreeSpec }) {
  const base = await histories.commit('main', [], trees.base);
  const main = await histories.commit('main', [base], trees.main);
  const feature = await histories.commit('feature', [base], trees.feature);
  await histories.push();
  return { base, main, feature };
}

const text = (...lines: string[]) => lines.map((line) => `${line}\n`).join('');
/** A hunk with its lines readable. */
const shown = ({ isConflict, ...sides }: MergeHunk) => ({
  isConflict,
  ...Object.fromEntries(
    Object.entries(sides).map(([side, detail]) => [
      side,
      `${detail.startLine}-${detail.endLine} ${Buffer.from(detail.hunkContent!, 'base64').toString().replaceAll('\n', '|')}`,
    ]),
  ),
});
const summary = (conflict: ConflictMetadata) => ({
  path: conflict.filePath,
  kinds: [
    conflict.contentConflict ? 'content' : '',
    conflict.fileModeConflict ? 'mode' : '',
    conflict.objectTypeConflict ? 'type' : '',
  ].join(''),
  count: conflict.numberOfConflicts,
  did: `${conflict.mergeOperations!.source ?? '-'}${conflict.mergeOperations!.destination ?? '-'}`,
});

test('a conflict is described as AWS does, by file and by line', async (t) => {
  const l = await lab(t);
  const { codecommit } = l;
  const commits = await fork(l, {
    base: { f: text('a', 'b', 'c', 'd', 'e', 'f', 'g'), still: 'x' },
    main: { f: text('a', 'B', 'c', 'd', 'e', 'F', 'g'), still: 'x' },
    feature: { f: text('a', 'bb', 'c', 'd', 'e', 'f', 'g', 'h'), still: 'x' },
  });
  const ids = { sourceCommitId: commits.feature, destinationCommitId: commits.main, baseCommitId: commits.base };
  const metadata = {
    filePath: 'f',
    fileSizes: { source: 17, destination: 14, base: 14 },
    fileModes: { source: 'NORMAL', destination: 'NORMAL', base: 'NORMAL' },
    objectTypes: { source: 'FILE', destination: 'FILE', base: 'FILE' },
    numberOfConflicts: 1,
    isBinaryFile: { source: false, destination: false, base: false },
    contentConflict: true,
    fileModeConflict: false,
    objectTypeConflict: false,
    mergeOperations: { source: 'M', destination: 'M' },
  };
  const plain = ({ $metadata: _, ...output }: { $metadata: unknown } & Record<string, unknown>) => output;
  for (const conflictDetailLevel of [undefined, 'FILE_LEVEL', 'LINE_LEVEL'] as const) {
    const answer = plain({ ...(await codecommit.getMergeConflicts({ ...merge, conflictDetailLevel })) });
    assert.deepEqual(answer, { mergeable: false, ...ids, conflictMetadataList: [metadata] });
  }
  const forward = await codecommit.getMergeConflicts({ ...merge, mergeOption: 'FAST_FORWARD_MERGE' });
  assert.deepEqual(plain({ ...forward }), { mergeable: false, ...ids, conflictMetadataList: [] });

  const file = await codecommit.describeMergeConflicts({ ...merge, filePath: 'f' });
  assert.deepEqual(file.conflictMetadata, metadata);
  assert.deepEqual(file.mergeHunks!.map(shown), [
    {
      isConflict: true,
      source: '0-8 a|bb|c|d|e|f|g|h|',
      destination: '0-7 a|B|c|d|e|F|g|',
      base: '0-7 a|b|c|d|e|f|g|',
    },
  ]);
  const line = { ...merge, filePath: 'f', conflictDetailLevel: 'LINE_LEVEL' } as const;
  const byLine = await codecommit.describeMergeConflicts(line);
  const hunks = [
    { isConflict: false, base: '0-1 a|' },
    { isConflict: true, source: '1-2 bb|', destination: '1-2 B|', base: '1-2 b|' },
    { isConflict: false, base: '2-5 c|d|e|' },
    { isConflict: false, destination: '5-6 F|' },
    { isConflict: false, base: '6-7 g|' },
    { isConflict: false, source: '7-8 h|' },
  ];
  assert.deepEqual(byLine.mergeHunks!.map(shown), hunks);
  const accepted = await codecommit.describeMergeConflicts({ ...line, conflictResolutionStrategy: 'ACCEPT_SOURCE' });
  assert.equal(accepted.conflictMetadata!.numberOfConflicts, 0);
  assert.deepEqual(shown(accepted.mergeHunks![1]!), { isConflict: false, source: '1-2 bb|' });

  // Pages of hunks go on where the last one ended, whatever happens to the branch.
  const first = await codecommit.describeMergeConflicts({ ...line, maxMergeHunks: 4 });
  await codecommit.deleteBranch({ ...app, branchName: 'feature' });
  const second = await codecommit.describeMergeConflicts({ ...line, maxMergeHunks: 4, nextToken: first.nextToken });
  assert.deepEqual([...first.mergeHunks!, ...second.mergeHunks!].map(shown), hunks);
  assert.equal(second.nextToken, undefined);
  assert.equal(second.sourceCommitId, commits.feature);
});

test('every kind of conflict is found once, under its own name, and can be resolved', async (t) => {
  const l = await lab(t);
  const { codecommit, histories } = l;
  await fork(l, {
    base: {
      bin: Buffer.from([0, 1]),
      gone: 'a\n',
      left: 'a\n',
      dir: 'file\n',
      tree: 'x\n',
      link: 'plain\n',
      clean: '1',
      sub: { submodule: LINKED },
    },
    main: {
      bin: Buffer.from([0, 2]),
      gone: 'b\n',
      'dir/x': 'folder\n',
      tree: 'y\n',
      link: 'changed\n',
      clean: '1',
      added: 'main\n',
      mode: 'same\n',
      sub: { submodule: LINKED.replace('1', '2') },
    },
    feature: {
      bin: Buffer.from([0, 3]),
      left: 'b\n',
      dir: 'changed\n',
      'tree/z': 'z\n',
      link: { mode: '120000', content: 'clean' },
      clean: '2',
      added: 'feature\n',
      mode: { mode: '100755', content: 'same\n' },
      sub: { submodule: LINKED.replace('1', '3') },
    },
  });
  const { conflictMetadataList: list, mergeable } = await codecommit.getMergeConflicts(merge);
  assert.equal(mergeable, false);
  assert.deepEqual(list!.map(summary), [
    { path: 'added', kinds: 'content', count: 1, did: 'AA' },
    { path: 'bin', kinds: 'content', count: 1, did: 'MM' },
    { path: 'dir', kinds: 'type', count: 1, did: 'MM' },
    { path: 'gone', kinds: 'content', count: 1, did: 'DM' },
    { path: 'left', kinds: 'content', count: 1, did: 'MD' },
    { path: 'link', kinds: 'type', count: 1, did: 'MM' },
    { path: 'mode', kinds: 'mode', count: 1, did: 'AA' },
    { path: 'sub', kinds: 'content', count: 1, did: 'MM' },
    { path: 'tree', kinds: 'type', count: 1, did: 'MM' },
  ]);
  const at = (path: string) => list!.find(({ filePath }) => filePath === path)!;
  assert.deepEqual(at('bin').isBinaryFile, { source: true, destination: true, base: true });
  assert.deepEqual(at('mode').fileModes, { source: 'EXECUTABLE', destination: 'NORMAL' });
  assert.deepEqual(at('sub').objectTypes, { source: 'GIT_LINK', destination: 'GIT_LINK', base: 'GIT_LINK' });
  assert.deepEqual(at('dir').objectTypes, { source: 'FILE', destination: 'DIRECTORY', base: 'FILE' });
  assert.deepEqual(at('link').objectTypes, { source: 'SYMBOLIC_LINK', destination: 'FILE', base: 'FILE' });
  assert.deepEqual(at('gone').fileSizes, { destination: 2, base: 2 });

  // Pages of files; a page may end within a file.
  const paths: string[] = [];
  let nextToken: string | undefined;
  let pages = 0;
  do {
    const page = await codecommit.batchDescribeMergeConflicts({ ...merge, maxConflictFiles: 4, nextToken });
    paths.push(...page.conflicts!.map(({ conflictMetadata }) => conflictMetadata!.filePath!));
    assert.ok(page.conflicts!.length <= 4);
    nextToken = page.nextToken;
    pages += 1;
  } while (nextToken !== undefined);
  assert.deepEqual([paths, pages], [list!.map(({ filePath }) => filePath), 3]);
  const named = await codecommit.batchDescribeMergeConflicts({
    ...merge,
    filePaths: ['gone', 'nowhere', 'clean', '../x'],
  });
  assert.deepEqual(
    named.conflicts!.map(({ conflictMetadata, mergeHunks }) => [conflictMetadata!.filePath, ...mergeHunks!.map(shown)]),
    [
      ['gone', { isConflict: true, destination: '0-1 b|', base: '0-1 a|' }],
      ['clean', { isConflict: false, source: '0-1 2' }],
    ],
  );
  assert.deepEqual(
    named.errors!.map(({ filePath, exceptionName }) => [filePath, exceptionName]),
    [
      ['nowhere', 'FileDoesNotExistException'],
      ['../x', 'InvalidPathException'],
    ],
  );

  const tree = async (more: object) => {
    const made = await codecommit.createUnreferencedMergeCommit({ ...merge, ...more });
    await histories.git.run('fetch', '-q', 'origin', made.commitId!);
    await histories.git.run('fsck', '--strict');
    return (await histories.git.run('ls-tree', '-r', made.commitId!)).split('\n');
  };
  const listOf = (commit: string) => histories.git.run('ls-tree', '-r', commit).then((lines) => lines.split('\n'));
  const [main, feature] = [await listOf('main'), await listOf('feature')];
  const clean = feature.find((line) => line.endsWith('\tclean'));
  assert.deepEqual(await tree({ conflictResolutionStrategy: 'ACCEPT_SOURCE' }), feature);
  const destination = main.map((line) => (line.endsWith('\tclean') ? clean : line));
  assert.deepEqual(await tree({ conflictResolutionStrategy: 'ACCEPT_DESTINATION' }), destination);
  const byLine = { conflictDetailLevel: 'LINE_LEVEL', conflictResolutionStrategy: 'ACCEPT_DESTINATION' };
  assert.deepEqual(await tree(byLine), destination);

  const keep = (filePath: string, side: 'SOURCE' | 'DESTINATION' | 'BASE') => ({
    filePath,
    replacementType: `KEEP_${side}`,
  });
  const resolved = await tree({
    conflictResolutionStrategy: 'AUTOMERGE',
    conflictResolution: {
      replaceContents: [
        {
          filePath: 'added',
          replacementType: 'USE_NEW_CONTENT',
          content: Buffer.from('both\n'),
          fileMode: 'EXECUTABLE',
        },
        ...[keep('bin', 'BASE'), keep('dir', 'SOURCE'), keep('link', 'DESTINATION'), keep('left', 'SOURCE')],
        ...[keep('sub', 'SOURCE'), keep('tree', 'SOURCE')],
      ],
      deleteFiles: [{ filePath: 'gone' }],
      setFileModes: [{ filePath: 'mode', fileMode: 'EXECUTABLE' }],
    },
  });
  const line = (lines: string[], path: string) => lines.find((one) => one.endsWith(`\t${path}`))!;
  assert.deepEqual(
    resolved.map((one) => one.split('\t')[1]),
    ['added', 'bin', 'clean', 'dir', 'left', 'link', 'mode', 'sub', 'tree/z'],
  );
  assert.match(resolved[0]!, /^100755 /);
  for (const path of ['dir', 'left', 'mode', 'sub', 'tree/z']) assert.equal(line(resolved, path), line(feature, path));
  assert.equal(line(resolved, 'link'), line(main, 'link'));
  assert.match(line(resolved, 'bin'), /^100644 blob /);
});
