import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { HandClock } from '../kernel/testing/hand-clock.ts';
import { changeRepository } from './change.ts';
import { isGitFailure } from './failure.ts';
import {
  COLLECT_AFTER_MS,
  GitClient,
  startGitServer,
  type TestServer,
  temporaryFolder,
  workingCopy,
} from './harness.ts';
import { ObjectWriter } from './object-writer.ts';
import type { Repository } from './repository.ts';
import { GRACE_MS } from './upkeep.ts';

interface Place {
  server: TestServer;
  clock: HandClock;
  repository: Repository;
  alice: GitClient;
}

/** A repository with one commit on `main`, pushed. Nothing is compressed, so that files are found again in what is stored. */
async function place(t: TestContext): Promise<Place> {
  const clock = new HandClock(Date.now());
  const server = await startGitServer(t, { clock });
  // Upkeep runs when a test says so.
  server.store.surroundings.changed = () => undefined;
  const alice = await workingCopy(t, server, 'r1');
  alice.config.push('core.compression=0', 'pack.compression=0', 'core.looseCompression=0');
  await alice.commitFile('a.txt', 'first\n');
  await alice.run('push', '-q', 'origin', 'main');
  return { server, clock, alice, repository: server.store.repository(server.truths.truth('r1')) };
}

async function graceIsOver({ clock }: Place): Promise<void> {
  await clock.advance(COLLECT_AFTER_MS);
}

function maintain({ server, repository }: Place): Promise<void> {
  return server.store.maintain(repository);
}

async function has({ repository }: Place, id: string): Promise<boolean> {
  return repository.read(async ({ objects }) => (await objects.findInfo(id)) !== null);
}

/** Pushes a commit with such a file to a branch of its own and deletes the branch. @returns the commit's id */
async function pushAndDelete({ alice }: Place, name: string, content: string): Promise<string> {
  await alice.run('checkout', '-q', '-b', name, 'main');
  await alice.commitFile(`${name}.txt`, content);
  await alice.run('push', '-q', 'origin', name);
  await alice.run('push', '-q', 'origin', '--delete', name);
  const tip = await alice.run('rev-parse', 'HEAD');
  await alice.run('checkout', '-q', 'main');
  return tip;
}

/** Clones from the server's cache and from the truth alone, and has git check both. */
async function everythingIsWhole(t: TestContext, { server, repository }: Place): Promise<GitClient> {
  const cache = new GitClient(repository.gitDir);
  await cache.run('fsck', '--full', '--strict', '--connectivity-only');
  const fresh = await startGitServer(t, { folder: server.folder, cache: `fresh-${randomBytes(4).toString('hex')}` });
  const bob = new GitClient(await temporaryFolder(t));
  await bob.run('clone', '-q', '--mirror', fresh.remote('r1'), '.');
  await bob.run('fsck', '--full', '--strict');
  return bob;
}

/** True when a file below the folder holds the text. */
async function holds(folder: string, text: string): Promise<boolean> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && (await readFile(join(entry.parentPath, entry.name))).includes(text)) return true;
  }
  return false;
}

test('a secret that was force-pushed away is gone after the grace: from the packs, the cache and the disk', async (t) => {
  const at = await place(t);
  const { server, alice, repository, clock } = at;
  const secret = `password-${randomBytes(16).toString('hex')}`;
  await alice.commitFile('.env', secret);
  await alice.run('push', '-q', 'origin', 'main');
  const leaked = await alice.run('rev-parse', 'HEAD');
  const blobId = await alice.run('rev-parse', 'HEAD:.env');
  const read = () => repository.read(async ({ objects }) => (await objects.blob(blobId, 1_000)).toString());
  assert.equal(await read(), secret);
  const bob = new GitClient(await temporaryFolder(t));
  await bob.run('clone', '-q', server.remote('r1'), '.');
  await alice.run('reset', '-q', '--hard', 'HEAD~1');
  await alice.run('push', '-q', '--force', 'origin', 'main');
  const cache = join(server.folder, 'cache');
  assert.equal(await holds(cache, secret), true);

  await clock.advance(COLLECT_AFTER_MS - 60_000);
  await maintain(at);
  assert.equal(await has(at, leaked), true);
  assert.equal(server.collections.length, 0);

  await clock.advance(60_000);
  const old = (await repository.state()).packs;
  await maintain(at);
  assert.equal(await has(at, leaked), false);
  assert.equal(await holds(cache, secret), false);
  // It was in memory, too.
  await assert.rejects(read(), (error) => isGitFailure(error, 'object-missing'));
  assert.equal(server.store.surroundings.objects.find('r1.0', blobId), undefined);
  const [collection] = server.collections;
  assert.equal(collection!.packsBefore, 2);
  assert.equal(collection!.packsAfter, 1);
  assert.equal(collection!.objectsBefore - collection!.objectsAfter, 3);
  assert.ok(collection!.bytesAfter < collection!.bytesBefore);

  await clock.advance(GRACE_MS);
  await maintain(at);
  const blobs = await Array.fromAsync(server.blobs.list('git/r1'));
  assert.equal(blobs.length, 2);
  for (const { id } of old)
    assert.equal(
      blobs.some((key) => key.includes(id)),
      false,
    );
  await everythingIsWhole(t, at);
  // Whoever has it can bring it back; he brings all of it.
  await bob.run('push', '-q', 'origin', 'HEAD:refs/heads/back');
  assert.equal(await has(at, leaked), true);
  await everythingIsWhole(t, at);
  assert.deepEqual(server.reported, []);
});

test('tips that something else leads to cost nothing: merged branches, revived branches, what rows name', async (t) => {
  const at = await place(t);
  const { server, alice, repository } = at;
  await alice.run('push', '-q', 'origin', 'main:refs/heads/merged');
  await alice.run('push', '-q', 'origin', '--delete', 'merged');
  const named = await pushAndDelete(at, 'named', 'named');
  server.truths.mention('r1', named, 0);
  const revived = await pushAndDelete(at, 'revived', 'revived');
  await alice.run('push', '-q', 'origin', `${revived}:refs/heads/again`);
  await graceIsOver(at);
  const { packs } = await repository.state();
  await maintain(at);
  assert.deepEqual((await repository.state()).packs, packs);
  assert.deepEqual(await repository.truth.looseTips(), []);
  const lost = await pushAndDelete(at, 'lost', 'lost');
  await graceIsOver(at);
  await maintain(at);
  assert.equal(server.collections.length, 1);
  assert.deepEqual([await has(at, named), await has(at, revived), await has(at, lost)], [true, true, false]);
  await everythingIsWhole(t, at);
});

test('annotated tags, tags of files and a repository without any reference', async (t) => {
  const at = await place(t);
  const { alice, server } = at;
  await alice.run('tag', '-a', '-m', 'one', 'one');
  const file = await alice.feed('a tagged file', 'hash-object', '-w', '--stdin');
  await alice.run('tag', 'file', file);
  await alice.run('push', '-q', 'origin', 'one', 'file');
  const one = await alice.run('rev-parse', 'one');
  await alice.run('push', '-q', 'origin', '--delete', 'one');
  await graceIsOver(at);
  await maintain(at);
  assert.deepEqual([await has(at, one), await has(at, file)], [false, true]);
  await everythingIsWhole(t, at);
  await alice.run('push', '-q', 'origin', '--delete', 'main', 'file');
  await graceIsOver(at);
  await maintain(at);
  assert.deepEqual((await at.repository.state()).packs, []);
  await alice.run('push', '-q', 'origin', 'main');
  await everythingIsWhole(t, at);
  assert.deepEqual(server.reported, []);
});

test('who reads keeps what he reads, who comes after does not see it', async (t) => {
  const at = await place(t);
  const { repository } = at;
  const lost = await pushAndDelete(at, 'lost', 'lost');
  await graceIsOver(at);
  const early = await repository.lease();
  await maintain(at);
  const late = await repository.lease();
  assert.equal((await early.objects.findInfo(lost))?.type, 'commit');
  assert.equal(await late.objects.findInfo(lost), null);
  // A process that the early reader starts now.
  assert.equal(await new GitClient(early.gitDir).run('cat-file', '-t', lost), 'commit');
  early.release();
  await repository.settled();
  await assert.rejects(readdir(early.gitDir), { code: 'ENOENT' });
  late.release();
  await everythingIsWhole(t, at);
});

/** Runs `work` in the middle of the next collection: after all is packed, before the transaction. */
function during({ server }: Place, work: () => Promise<void>): void {
  server.truths.beforeCollect = async () => {
    server.truths.beforeCollect = async () => undefined;
    await work();
  };
}

test('what is pushed or named while a collection is at work is kept', async (t) => {
  const at = await place(t);
  const { server, alice, repository } = at;
  const [lost, named] = [await pushAndDelete(at, 'lost', 'lost'), await pushAndDelete(at, 'named', 'named')];
  await graceIsOver(at);
  during(at, async () => {
    await alice.commitFile('b.txt', 'in between');
    await alice.run('push', '-q', 'origin', 'main');
    during(at, async () => server.truths.mention('r1', named, 0));
  });
  await maintain(at);
  assert.deepEqual([await has(at, lost), await has(at, named)], [false, true]);
  assert.equal((await repository.state()).packs.length, 3);
  assert.equal((await everythingIsWhole(t, at).then((bob) => bob.run('rev-list', '--count', 'main'))).trim(), '2');
  assert.deepEqual(server.reported, []);
});

test('a push that leans on what was taken out meanwhile is refused, any other one goes through', async (t) => {
  const at = await place(t);
  const { server, alice, repository } = at;
  const lost = await pushAndDelete(at, 'lost', 'lost');
  await graceIsOver(at);
  /** Collects between the checks of a change and its transaction. */
  const collectFirst = (): void => {
    server.rules.commit = async (change) => {
      server.rules.commit = async (later) => server.truths.commit('r1', later);
      await maintain(at);
      return server.truths.commit('r1', change);
    };
  };
  collectFirst();
  await alice.commitFile('b.txt', 'needs main only');
  await alice.run('push', '-q', 'origin', 'main');
  assert.equal(server.collections.length, 1);
  await everythingIsWhole(t, at);

  // The client leaves out what it believes the server to have.
  const other = await pushAndDelete(at, 'other', 'other');
  await graceIsOver(at);
  const writer = new ObjectWriter();
  const tree = await alice.run('rev-parse', `${other}^{tree}`);
  const person = 'Ada <ada@example.com> 1700000000 +0000';
  const text = `tree ${tree}\nparent ${other}\nauthor ${person}\ncommitter ${person}\n\nleans\n`;
  const to = writer.add('commit', Buffer.from(text));
  const blobs = async () => (await Array.fromAsync(server.blobs.list('git/r1'))).length;
  const update = { name: 'refs/heads/leans', from: null, to };
  let before = 0;
  const commit = async (change: Parameters<typeof server.truths.commit>[1]) => {
    if (server.collections.length === 1) {
      await maintain(at);
      before = await blobs();
    }
    return server.truths.commit('r1', change);
  };
  const request = { updates: [update], atomic: true, pack: writer.pack(), commit };
  await assert.rejects(changeRepository(repository, request), { reason: 'pack-refused' });
  assert.equal(server.collections.length, 2);
  assert.equal(await blobs(), before - 2);
  // A reference to what is there no more.
  const refused = await changeRepository(repository, {
    updates: [{ name: 'refs/heads/lost', from: null, to: lost }],
    atomic: true,
    pack: null,
    commit: async (change) => server.truths.commit('r1', change),
  });
  assert.deepEqual([...refused.values()], ['missing necessary objects']);
  await everythingIsWhole(t, at);
});

test('a row that names an object is refused when the object may have gone since it was looked at', async (t) => {
  const at = await place(t);
  const { server, repository } = at;
  const lost = await pushAndDelete(at, 'lost', 'lost');
  await graceIsOver(at);
  const lease = await repository.lease();
  assert.equal((await lease.objects.findInfo(lost))?.type, 'commit');
  await maintain(at);
  assert.throws(() => server.truths.mention('r1', lost, lease.state.collections), { reason: 'collected' });
  // The caller of a merge is told to look again himself.
  const request = { updates: [{ name: 'refs/heads/x', from: null, to: lost }], atomic: true, pack: null };
  const commit = async () => assert.fail('it must not come to the transaction');
  await assert.rejects(changeRepository(repository, { ...request, commit, basis: lease.state }), {
    reason: 'collected',
  });
  lease.release();
});

test('two nodes: the other one forgets what was taken out, and one of two collections is enough', async (t) => {
  const at = await place(t);
  const { server, clock } = at;
  const other = await startGitServer(t, { folder: server.folder, cache: 'other-cache', clock });
  const theirs = other.store.repository(other.truths.truth('r1'));
  const lost = await pushAndDelete(at, 'lost', 'lost');
  assert.equal((await theirs.read(({ objects }) => objects.findInfo(lost)))?.type, 'commit');
  await graceIsOver(at);
  const outcomes = await Promise.allSettled([maintain(at), other.store.maintain(theirs)]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'fulfilled'],
  );
  assert.equal(server.collections.length + other.collections.length >= 1, true);
  assert.equal(await theirs.read(({ objects }) => objects.findInfo(lost)), null);
  await everythingIsWhole(t, at);
});

test('a reference to an object that is not there stops a collection: nothing is dropped', async (t) => {
  const at = await place(t);
  const { server, repository } = at;
  await pushAndDelete(at, 'lost', 'lost');
  await graceIsOver(at);
  const ghost = { name: 'refs/heads/ghost', from: null, to: 'f'.repeat(40), peeled: null, forced: false };
  server.truths.commit('r1', { updates: [ghost], atomic: true, pack: null, collections: null });
  const { packs } = await repository.state();
  await assert.rejects(maintain(at), { reason: 'process-failed' });
  assert.deepEqual((await repository.state()).packs, packs);
});
