import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { LocalWorkspace } from './local-workspace.ts';

let root: string;
let workspace: LocalWorkspace;

before(async () => {
  const outer = await mkdtemp(join(tmpdir(), 'slipway-workspace-'));
  root = join(outer, 'workspace');
  await mkdir(join(root, 'a', 'b'), { recursive: true });
  await writeFile(join(outer, 'secret'), 'secret');
  await writeFile(join(root, 'a', 'file'), 'content');
  await writeFile(join(root, 'run.sh'), '#!/bin/sh\n');
  await chmod(join(root, 'run.sh'), 0o755);
  const links: [string, string][] = [
    ['to-file', 'a/file'],
    ['absolute', '/mounted/a/file'],
    ['absolute-out', '/etc/passwd'],
    ['absolute-trick', '/mounted/../etc/passwd'],
    ['absolute-prefix', '/mounted-not/a/file'],
    ['up', '../secret'],
    ['loop', 'loop'],
    ['dangling', 'nothing'],
    ['a/b/to-root', '../..'],
    // Read as text this stays inside; followed link by link it leads out.
    ['trick', 'a/b/to-root/../secret'],
    ['folder', 'a'],
  ];
  for (const [path, target] of links) await symlink(target, join(root, path));
  workspace = new LocalWorkspace(root, '/mounted');
});
after(() => rm(join(root, '..'), { recursive: true }));

const READABLE = ['a/file', './a//file', 'to-file', 'absolute', 'folder/file', 'a/b/to-root/a/file', 'a/../a/file'];
for (const path of READABLE) {
  test(`${path} is read`, async () => assert.equal(await text(await workspace.open(path)), 'content'));
}

const REFUSED: [path: string, reason: string][] = [
  ['../secret', 'outside'],
  ['up', 'outside'],
  ['a/../../secret', 'outside'],
  ['absolute-out', 'outside'],
  ['absolute-trick', 'outside'],
  ['absolute-prefix', 'outside'],
  ['trick', 'outside'],
  ['loop', 'missing'],
  ['dangling', 'missing'],
  ['a/file/x', 'missing'],
  ['a/file/../file', 'missing'],
  ['a\0b', 'missing'],
  ['x'.repeat(5000), 'missing'],
  ['a', 'wrong-kind'],
];
for (const [path, reason] of REFUSED) {
  test(`A2: ${JSON.stringify(path.slice(0, 20))} is refused: ${reason}`, () =>
    assert.rejects(workspace.open(path), { reason }));
}

test('list is sorted, does not follow links, tells modes and targets', async () => {
  const seen: string[] = [];
  for await (const entry of workspace.list('a')) seen.push(`${entry.type} ${entry.path} ${entry.target ?? ''}`);
  assert.deepEqual(seen, ['folder b ', 'link b/to-root ../..', 'file file ']);
  assert.equal((await workspace.stat('run.sh')).mode & 0o777, 0o755);
  assert.equal((await workspace.stat('folder')).type, 'folder');
  await assert.rejects(listed(workspace.list('a/file')), { reason: 'wrong-kind' });
  await assert.rejects(listed(workspace.list('..')), { reason: 'outside' });
});

async function listed(entries: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const entry of entries) all.push(entry);
  return all;
}
