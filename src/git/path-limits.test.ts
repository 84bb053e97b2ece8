import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { type GitClient, startGitServer, workingCopy } from './harness.ts';
import { DEFAULT_PACK_LIMITS } from './incoming-pack.ts';

async function commit(client: GitClient, path: string): Promise<void> {
  await mkdir(dirname(join(client.folder, path)), { recursive: true });
  await client.commitFile(path, path);
}

test('paths of pushed files are held against limits, wherever a new commit has them', async (t) => {
  const server = await startGitServer(t);
  const limits = { ...DEFAULT_PACK_LIMITS, maxPathCharacters: 30, maxFolders: 3 };
  const alice = await workingCopy(t, server, 'r1');
  await commit(alice, 'one/two/three/file');
  await commit(alice, `ä${'x'.repeat(29)}`);
  // Before there were limits.
  await commit(alice, 'old/1/2/3/4/5/file');
  await alice.run('rm', '-q', '-r', 'old');
  await alice.run('commit', '-q', '-m', 'no old');
  await alice.run('push', '-q', 'origin', 'main', 'main~1:refs/heads/old');
  server.rules = { limits };
  const good = await alice.run('rev-parse', 'HEAD');
  const refusal = async (...references: string[]) => {
    const { status, stderr } = await alice.attempt(['push', 'origin', ...references]);
    return status === 0 ? null : (/rejected\] .* -> .* \((.*)\)/.exec(stderr)?.[1] ?? stderr);
  };
  assert.equal(await refusal(`${good}:refs/heads/fine`, 'main~1:refs/heads/old2'), null);
  await commit(alice, 'other');
  assert.equal(await refusal('main'), null);
  const base = await alice.run('rev-parse', 'HEAD');

  await commit(alice, 'a/b/c/d/file');
  await alice.run('rm', '-q', '-r', 'a');
  await alice.run('commit', '-q', '-m', 'gone, but in the history');
  assert.match((await refusal('main'))!, /^the path 'a\/b\/c\/d\/?' has more than 3 folders$/);
  await alice.run('reset', '-q', '--hard', base);

  await commit(alice, `folder/${'y'.repeat(24)}`);
  assert.match((await refusal('main'))!, /^the path 'folder\/y+' is longer than 30 characters$/);
  await alice.run('reset', '-q', '--hard', base);

  // A folder that is fine where it is, and not where it goes.
  await alice.run('mv', 'one', 'moved');
  await alice.run('commit', '-q', '-m', 'move');
  assert.equal(await refusal('main'), null);
  await mkdir(join(alice.folder, 'deeper'));
  await alice.run('mv', 'moved', 'deeper/moved');
  await alice.run('commit', '-q', '-m', 'move on');
  assert.match((await refusal('main'))!, /has more than 3 folders$/);
  const tree = await alice.run('rev-parse', 'HEAD^{tree}');
  assert.match((await refusal(`${tree}:refs/tags/tree`))!, /has more than 3 folders$/);
  assert.match((await refusal('main', `${base}:refs/heads/fine2`))!, /has more than 3 folders$/);
  assert.match(await alice.run('ls-remote', 'origin'), /fine2/);
  assert.deepEqual(server.reported, []);
});
