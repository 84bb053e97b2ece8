import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { HandClock } from '../kernel/testing/hand-clock.ts';
import { GitFailure } from './failure.ts';
import { GitClient, startGitServer, type TestServer, temporaryFolder, workingCopy } from './harness.ts';
import type { PackRecord } from './truth.ts';
import { GRACE_MS, packsToFold } from './upkeep.ts';

async function manyPushes(
  t: TestContext,
  count: number,
  clock?: HandClock,
): Promise<{ server: TestServer; alice: GitClient }> {
  const server = await startGitServer(t, clock === undefined ? {} : { clock });
  const alice = await workingCopy(t, server, 'r1');
  for (let number = 0; number < count; number += 1) {
    await alice.commitFile('a.txt', `line ${number}\n`);
    await alice.run('push', '-q', 'origin', 'main');
  }
  return { server, alice };
}

async function cloneAndCheck(t: TestContext, server: TestServer, alice: GitClient): Promise<void> {
  const bob = new GitClient(await temporaryFolder(t));
  await bob.run('clone', '-q', '--no-local', server.remote('r1'), '.');
  await bob.run('fsck', '--strict');
  assert.equal(await bob.run('rev-parse', 'HEAD'), await alice.run('rev-parse', 'HEAD'));
  assert.equal(await bob.run('rev-list', '--count', 'HEAD'), await alice.run('rev-list', '--count', 'HEAD'));
}

test('many small packs are folded into one, and the old blobs go', async (t) => {
  const { server, alice } = await manyPushes(t, 8);
  const repository = server.store.repository(server.truths.truth('r1'));
  assert.equal((await repository.state()).packs.length, 8);
  const lease = await repository.lease();
  server.truths.now = () => Date.now() - GRACE_MS;
  await server.store.maintain(repository, { mostPacks: 4 });
  await server.store.maintain(repository, { mostPacks: 4 });
  const { packs } = await repository.state();
  assert.ok(packs.length <= 3, `${packs.length} packs`);
  assert.equal((await Array.fromAsync(server.blobs.list('git/r1'))).length, packs.length * 2);
  assert.equal((await lease.objects.commit(await alice.run('rev-parse', 'main~7'))).parents.length, 0);
  lease.release();
  await cloneAndCheck(t, server, alice);
  const indexes = (await readdir(join(repository.gitDir, 'objects', 'pack'))).filter((name) => name.endsWith('.idx'));
  assert.equal(indexes.length, packs.length);
  await alice.commitFile('after', 'fold');
  await alice.run('push', '-q', 'origin', 'main');
  await cloneAndCheck(t, server, alice);
  assert.deepEqual(server.reported, []);
});

test('objects that no branch leads to any more survive the fold', async (t) => {
  const { server, alice } = await manyPushes(t, 4);
  const old = await alice.run('rev-parse', 'HEAD');
  await alice.run('push', '-q', '--force', 'origin', 'main~2:main');
  const repository = server.store.repository(server.truths.truth('r1'));
  await server.store.maintain(repository, { mostPacks: 1 });
  assert.equal((await repository.state()).packs.length, 1);
  assert.equal((await repository.read(({ objects }) => objects.findInfo(old)))?.type, 'commit');
});

test('a node that had an old list of packs reads the new one', async (t) => {
  const { server, alice } = await manyPushes(t, 5);
  const other = await startGitServer(t, { folder: server.folder, cache: 'other-cache' });
  const theirs = other.store.repository(other.truths.truth('r1'));
  await theirs.state();
  await server.store.maintain(server.store.repository(server.truths.truth('r1')), { mostPacks: 2 });
  await cloneAndCheck(t, other, alice);
});

test('two nodes that fold at once do not lose a pack', async (t) => {
  const { server, alice } = await manyPushes(t, 5);
  const other = await startGitServer(t, { folder: server.folder, cache: 'other-cache' });
  const stores = [server, other].map((one) => ({ one, repository: one.store.repository(one.truths.truth('r1')) }));
  await Promise.allSettled(stores.map(({ one, repository }) => one.store.maintain(repository, { mostPacks: 2 })));
  await cloneAndCheck(t, server, alice);
  await cloneAndCheck(t, other, alice);
});

test('pushes and clones go on while packs are folded', async (t) => {
  const { server, alice } = await manyPushes(t, 6);
  const repository = server.store.repository(server.truths.truth('r1'));
  const folding = (async () => {
    for (let round = 0; round < 4; round += 1) await server.store.maintain(repository, { mostPacks: 1 });
  })();
  for (let number = 0; number < 4; number += 1) {
    await alice.commitFile('b.txt', `line ${number}\n`);
    await alice.run('push', '-q', 'origin', 'main');
    await cloneAndCheck(t, server, alice);
  }
  await folding;
  assert.deepEqual(server.reported, []);
});

test('a large repository gets bitmaps, and loses them with the packs that they name', async (t) => {
  const server = await startGitServer(t);
  const alice = await workingCopy(t, server, 'r1');
  const stream = Array.from({ length: 2_500 }, (_, at) => {
    return `commit refs/heads/main\nmark :${at + 1}\ncommitter A <a@b> ${1_700_000_000 + at} +0000\ndata 1\nx\nM 100644 inline f\ndata ${String(at).length}\n${at}\n`;
  });
  await alice.feed(stream.join(''), 'fast-import', '--quiet');
  await alice.run('push', '-q', 'origin', 'main');
  const repository = server.store.repository(server.truths.truth('r1'));
  const bitmaps = async () =>
    (await readdir(join(repository.gitDir, 'objects', 'pack'))).filter((name) => name.endsWith('.bitmap'));
  // A pack that is let go meanwhile takes the lock of the index with it.
  const { git } = server.store.surroundings;
  const run = git.run.bind(git);
  const once = t.mock.method(git, 'run', async (...args: Parameters<typeof run>) => {
    if (args[0][0] !== 'multi-pack-index') return run(...args);
    repository.removals += 1;
    throw new GitFailure('process-failed', 'git multi-pack-index failed');
  });
  await server.store.maintain(repository);
  assert.ok(once.mock.calls.some(({ arguments: [[command]] }) => command === 'multi-pack-index'));
  once.mock.restore();
  assert.equal((await bitmaps()).length, 0);
  await server.store.maintain(repository);
  assert.equal((await bitmaps()).length, 1);
  await cloneAndCheck(t, server, alice);
  await alice.run('reset', '-q', '--hard');
  await alice.commitFile('more', 'x');
  await alice.run('push', '-q', 'origin', 'main');
  await cloneAndCheck(t, server, alice);
  await server.store.maintain(repository, { mostPacks: 1 });
  await cloneAndCheck(t, server, alice);
  assert.equal((await bitmaps()).length, 1);
  assert.deepEqual(server.reported, []);
});

test('old blobs without an owner are swept, young ones and owned ones are not', async (t) => {
  const { server, alice } = await manyPushes(t, 2);
  const old = `git/r1/${(Date.now() - 4 * 3_600_000).toString(16).padStart(12, '0')}${'a'.repeat(20)}`;
  const young = `git/r1/${Date.now().toString(16).padStart(12, '0')}${'b'.repeat(20)}`;
  for (const stem of [old, young]) {
    await server.blobs.put(`${stem}.pack`, Buffer.from('x'));
    await server.blobs.put(`${stem}.idx`, Buffer.from('x'));
  }
  await server.store.maintain(server.store.repository(server.truths.truth('r1')));
  const keys = await Array.fromAsync(server.blobs.list('git/r1'));
  assert.equal(keys.length, 6);
  assert.equal(keys.includes(`${young}.pack`), true);
  assert.equal(keys.includes(`${old}.pack`), false);
  await cloneAndCheck(t, server, alice);
});

test('the blobs of folded packs stay for a while, for those who read by an older list', async (t) => {
  const clock = new HandClock(Date.now());
  const { server, alice } = await manyPushes(t, 6, clock);
  const truth = server.truths.truth('r1');
  const repository = server.store.repository(truth);
  const old = (await repository.state()).packs;
  await server.store.maintain(repository, { mostPacks: 2 });
  const stored = await repository.packs.ids();
  for (const { id } of old) assert.equal(stored.has(id), true);
  assert.equal((await truth.droppedPacks()).length, 6);
  // Another node, which has the old list, still gets what it names.
  for (const pack of old) assert.ok((await Array.fromAsync(await repository.packs.get(pack, 'pack'))).length > 0);
  await clock.advance(GRACE_MS);
  await server.store.maintain(repository);
  assert.deepEqual(
    [...(await repository.packs.ids())],
    (await repository.state()).packs.map(({ id }) => id),
  );
  assert.deepEqual(await truth.droppedPacks(), []);
  await cloneAndCheck(t, server, alice);
});

test('packs that a former version stored plain are read, and sealed by upkeep', async (t) => {
  const { server, alice } = await manyPushes(t, 2);
  const repository = server.store.repository(server.truths.truth('r1'));
  for (const pack of (await repository.state()).packs) {
    for (const part of ['pack', 'idx'] as const) {
      const plain = Buffer.concat(await Array.fromAsync(await repository.packs.get(pack, part)));
      await server.blobs.put(`git/r1/${pack.id}.${part}`, plain);
    }
  }
  server.truths.unseal('r1');
  await repository.removeCache();
  await cloneAndCheck(t, server, alice);
  await server.store.maintain(repository);
  const { packs } = await repository.state();
  assert.deepEqual(
    packs.map(({ sealed }) => sealed),
    [true],
  );
  await repository.removeCache();
  await cloneAndCheck(t, server, alice);
  await alice.commitFile('after', 'sealing');
  await alice.run('push', '-q', 'origin', 'main');
  await cloneAndCheck(t, server, alice);
  assert.deepEqual(server.reported, []);
});

const sized = (...sizes: number[]): PackRecord[] =>
  sizes.map((bytes, at) => ({ id: String(at), objects: 1, bytes, sealed: true }));
for (const [name, packs, most, folded] of [
  ['few packs stay', sized(1, 1, 1), 3, 0],
  ['small ones are folded, a large one stays', sized(1, 1, 1, 1, 1_000_000), 4, 4],
  ['equal ones are folded together', sized(5, 5, 5, 5, 5, 5), 2, 6],
  ['a ladder is left alone above the folded ones', sized(1, 2, 100, 1_000, 10_000), 4, 3],
] as const) {
  test(`packs to fold: ${name}`, () => assert.equal(packsToFold(packs, most).length, folded));
}
