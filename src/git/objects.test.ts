import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { archiveCommit } from './archive.ts';
import { changeRepository } from './change.ts';
import { diffEntries, type FileChange } from './diff.ts';
import { isGitFailure } from './failure.ts';
import { GitClient, startGitServer, type TestServer, temporaryFolder, workingCopy } from './harness.ts';
import { isAncestor, walkCommits } from './history.ts';
import { formatCommit, formatTree, objectIdOf, parseCommit, parsePerson, parseTree } from './object-format.ts';
import { ObjectWriter } from './object-writer.ts';
import type { Repository } from './repository.ts';
import { editTree, type TreeEdit } from './tree-edit.ts';

const ADA = { name: 'Ada', email: 'ada@example.com', date: '1700000000 +0100' };

async function start(t: TestContext): Promise<{ server: TestServer; alice: GitClient; repository: Repository }> {
  const server = await startGitServer(t);
  const alice = await workingCopy(t, server, 'r1');
  return { server, alice, repository: server.store.repository(server.truths.truth('r1')) };
}

/** Commits edits through the API's road; texts become files, null deletes. */
async function commitEdits(
  server: TestServer,
  repository: Repository,
  edits: Record<string, string | null>,
): Promise<string> {
  const state = await repository.state();
  const parent = state.refs.get('refs/heads/main')?.id ?? null;
  return repository.read(async ({ objects }) => {
    const writer = new ObjectWriter();
    const changes: TreeEdit[] = Object.entries(edits).map(([path, text]) => ({
      path,
      entry: text === null ? null : { mode: '100644', id: writer.add('blob', Buffer.from(text)) },
    }));
    const before = parent === null ? null : (await objects.commit(parent)).tree;
    const tree = await editTree(objects, writer, before, changes);
    const body = formatCommit({
      tree,
      parents: parent === null ? [] : [parent],
      author: ADA,
      committer: ADA,
      message: 'by API',
    });
    const id = writer.add('commit', body);
    const refused = await changeRepository(repository, {
      updates: [{ name: 'refs/heads/main', from: parent, to: id }],
      atomic: true,
      pack: writer,
      commit: async (change) => server.truths.commit('r1', change),
    });
    assert.deepEqual([...refused], []);
    return id;
  });
}

test('commits made here are commits to git', async (t) => {
  const { server, alice, repository } = await start(t);
  await commitEdits(server, repository, {
    'README.md': 'hello\n',
    'src/a/b.txt': 'deep\n',
    'src-old': 'x',
    'src.txt': 'y',
  });
  const id = await commitEdits(server, repository, {
    'src/a/b.txt': null,
    'src/c.txt': 'new\n',
    'README.md': 'hello again\n',
  });
  await alice.run('pull', '-q', 'origin', 'main');
  await alice.run('fsck', '--strict');
  assert.equal(await alice.run('rev-parse', 'HEAD'), id);
  assert.equal(await alice.run('ls-tree', '-r', '--name-only', 'HEAD'), 'README.md\nsrc-old\nsrc.txt\nsrc/c.txt');
  assert.equal(
    await alice.run('log', '-1', '--format=%an|%ae|%ad|%s', '--date=raw'),
    'Ada|ada@example.com|1700000000 +0100|by API',
  );
});

const REFUSED_EDITS: [string, Record<string, string | null>, string][] = [
  ['a file where a folder is', { src: 'x' }, 'path-is-folder'],
  ['a file below a file', { 'README.md/x': 'x' }, 'path-below-file'],
  ['to delete what is not there', { nothing: null }, 'path-missing'],
  ['to delete below what is not there', { 'nothing/at/all': null }, 'path-missing'],
  ['to delete a folder', { src: null }, 'path-missing'],
  ['a file and a file below it', { a: 'x', 'a/b': 'y' }, 'path-below-file'],
];
for (const [name, edits, reason] of REFUSED_EDITS) {
  test(`an edit cannot be: ${name}`, async (t) => {
    const { server, repository } = await start(t);
    await commitEdits(server, repository, { 'README.md': 'x', 'src/a': 'y' });
    await assert.rejects(
      commitEdits(server, repository, edits),
      (error) => isGitFailure(error) && error.reason === reason,
    );
  });
}

test('G6: an edit below a link is refused, and nothing is written through it', async (t) => {
  const { server, alice, repository } = await start(t);
  const blob = await alice.feed('/tmp', 'hash-object', '-w', '--stdin');
  await alice.run('update-index', '--add', '--cacheinfo', `120000,${blob},link`);
  await alice.run('commit', '-q', '-m', 'link');
  await alice.run('push', '-q', 'origin', 'main');
  await assert.rejects(commitEdits(server, repository, { 'link/canary': 'x' }), (error) =>
    isGitFailure(error, 'path-below-file'),
  );
});

test('deleting the last file of a folder deletes the folder; deleting all leaves the empty tree', async (t) => {
  const { server, alice, repository } = await start(t);
  await commitEdits(server, repository, { 'a/b/c': 'x', d: 'y' });
  await commitEdits(server, repository, { 'a/b/c': null });
  const id = await commitEdits(server, repository, { d: null });
  await alice.run('pull', '-q', 'origin', 'main');
  assert.equal(await alice.run('rev-parse', `${id}^{tree}`), '4b825dc642cb6eb9a060e54bf8d69288fbee4904');
});

async function seeded(t: TestContext) {
  const started = await start(t);
  const { alice } = started;
  await alice.commitFile('a.txt', 'one');
  await alice.run('checkout', '-q', '-b', 'side');
  await alice.commitFile('side.txt', 'side');
  await alice.run('checkout', '-q', 'main');
  await alice.commitFile('b.txt', 'two');
  await alice.run('merge', '-q', '--no-ff', '-m', 'merge', 'side');
  await alice.run('push', '-q', 'origin', 'main', 'side');
  return started;
}

test('objects are read by id, path and type, within their caps', async (t) => {
  const { alice, repository } = await seeded(t);
  const head = await alice.run('rev-parse', 'HEAD');
  await repository.read(async ({ objects }) => {
    const commit = await objects.commit(head);
    assert.equal(commit.message, 'merge\n');
    assert.deepEqual(commit.parents, (await alice.run('rev-parse', 'HEAD^1', 'HEAD^2')).split('\n'));
    const entry = await objects.findPath(commit.tree, 'side.txt');
    assert.equal((await objects.blob(entry!.id, 100)).toString(), 'side');
    await assert.rejects(objects.blob(entry!.id, 3), (error) => isGitFailure(error, 'object-too-large'));
    await assert.rejects(objects.blob(head, 1_000), (error) => isGitFailure(error, 'object-wrong-type'));
    await assert.rejects(objects.commit('0'.repeat(40)), (error) => isGitFailure(error, 'object-missing'));
    for (const path of ['nothing', 'side.txt/x', '/side.txt', '../side.txt', 'side.txt/', '.']) {
      assert.equal(await objects.findPath(commit.tree, path), null, path);
    }
  });
});

for (const name of ['-h', '--output=x', 'HEAD', '@{-1}', ':/x', 'HEAD@{1}', 'main', 'a\n--batch', '']) {
  test(`G1: ${JSON.stringify(name)} is no object`, async (t) => {
    const { repository } = await seeded(t);
    await repository.read(async ({ objects }) => {
      assert.equal(await objects.findInfo(name), null);
      await assert.rejects(objects.commit(name), (error) => isGitFailure(error, 'object-missing'));
    });
    await assert.rejects(archiveCommit(repository, { commitId: name, format: 'zip' }), (error) =>
      isGitFailure(error, 'object-missing'),
    );
  });
}

test('many questions at once get their own answers', async (t) => {
  const { alice, repository } = await seeded(t);
  const ids = (await alice.run('rev-list', '--objects', '--all', '--no-object-names')).split('\n');
  await repository.read(async ({ objects }) => {
    const infos = await Promise.all([...ids, 'f'.repeat(40), ...ids].map((id) => objects.findInfo(id)));
    assert.equal(infos[ids.length], null);
    for (const [at, id] of ids.entries()) assert.equal(infos[at]?.type, await alice.run('cat-file', '-t', id));
  });
});

test('reads go on when the reader was killed and the cache deleted', async (t) => {
  const { server, alice, repository } = await seeded(t);
  const head = await alice.run('rev-parse', 'HEAD');
  await repository.read(({ objects }) => objects.commit(head));
  await server.store.surroundings.git.close();
  await rm(join(server.folder, 'cache', 'repositories'), { recursive: true });
  const commit = await repository.read(({ objects }) => objects.commit(head));
  assert.equal(commit.message, 'merge\n');
});

test('history is walked newest first, each commit once', async (t) => {
  const { alice, repository } = await seeded(t);
  const head = await alice.run('rev-parse', 'HEAD');
  await repository.read(async (lease) => {
    const { objects } = lease;
    const walked = await Array.fromAsync(walkCommits(objects, [head]), (commit) => commit.id);
    assert.deepEqual([...walked].sort(), (await alice.run('rev-list', 'HEAD')).split('\n').sort());
    assert.equal(walked[0], head);
    const [main, side] = (await alice.run('rev-parse', 'main~1', 'side')).split('\n') as [string, string];
    assert.equal(await isAncestor(repository, lease, { ancestor: side, descendant: head }), true);
    assert.equal(await isAncestor(repository, lease, { ancestor: side, descendant: main }), false);
    assert.equal(await isAncestor(repository, lease, { ancestor: head, descendant: head }), true);
  });
});

test('differences are those of git diff-tree', async (t) => {
  const { server, alice, repository } = await start(t);
  const first = await commitEdits(server, repository, {
    a: '1',
    'b/c': '2',
    'b/d': '3',
    e: '4',
    'f/g/h': '5',
    same: '6',
  });
  await commitEdits(server, repository, { a: 'changed', 'b/c': null, 'b/d': null, e: null, 'f/g/h': null });
  const second = await commitEdits(server, repository, { b: 'now a file', 'e/x': 'now a folder', 'f/g/i': 'new' });
  await alice.run('pull', '-q', 'origin', 'main');
  const theirs = (await alice.run('diff-tree', '-r', '--no-renames', '--name-status', first, second)).split('\n');
  const ours = await repository.read(async ({ objects }) => {
    const side = async (id: string) => ({ path: '', entry: { mode: '40000', id: (await objects.commit(id)).tree } });
    return Array.fromAsync(diffEntries(objects, await side(first), await side(second)), describe);
  });
  assert.deepEqual(ours.sort(), theirs.sort());
});

function describe(change: FileChange): string {
  const letter = change.before === null ? 'A' : change.after === null ? 'D' : 'M';
  return `${letter}\t${(change.after ?? change.before)?.path}`;
}

test('an archive holds the commit byte for byte', async (t) => {
  const { server, repository } = await start(t);
  const commitId = await commitEdits(server, repository, { 'a.txt': 'x\r\ny\n', 'b/c.sh': '#!/bin/sh\n' });
  const archive = await Array.fromAsync(await archiveCommit(repository, { commitId, format: 'tar' }));
  const unpacked = new GitClient(await temporaryFolder(t));
  await unpacked.run('init', '-q');
  const { spawnSync } = await import('node:child_process');
  const tar = spawnSync('tar', ['-x', '-C', unpacked.folder], { input: Buffer.concat(archive) });
  assert.equal(tar.status, 0);
  assert.equal(await unpacked.run('hash-object', '--no-filters', 'a.txt'), objectIdOf('blob', Buffer.from('x\r\ny\n')));
});

test('an archive that nobody reads to its end frees its place', async (t) => {
  const { server, repository } = await start(t);
  const commitId = await commitEdits(server, repository, { a: 'x' });
  const stream = await archiveCommit(repository, { commitId, format: 'zip', level: 1 });
  stream.destroy();
  while (repository.busy) await new Promise(setImmediate);
});

test('trees and commits survive a round trip', () => {
  const name = fc
    .string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
    .filter((text) => !text.includes('/') && !text.includes('\0'));
  const entry = fc.record({
    rawName: name.map((text) => Buffer.from(text)),
    mode: fc.constantFrom('100644', '40000', '120000'),
    id: fc.constant('a'.repeat(40)),
  });
  fc.assert(
    fc.property(fc.uniqueArray(entry, { selector: (one) => one.rawName.toString(), maxLength: 20 }), (entries) => {
      const parsed = parseTree(formatTree(entries));
      assert.deepEqual(parsed.map((one) => one.name).sort(), entries.map((one) => one.rawName.toString()).sort());
      assert.deepEqual(formatTree(parsed), formatTree(entries));
    }),
  );
  const hostile = { name: 'Eve\nparent 123 <x>', email: 'e>\0<e', date: '1 +0000' };
  const commit = parseCommit(
    formatCommit({ tree: 'b'.repeat(40), parents: [], author: hostile, committer: ADA, message: 'hi' }),
  );
  assert.deepEqual(commit.parents, []);
  assert.deepEqual(commit.author, { name: 'Eveparent 123 x', email: 'ee', date: '1 +0000' });
  assert.equal(commit.message, 'hi\n');
  assert.deepEqual(parsePerson('odd'), { name: 'odd', email: '', date: '' });
});
