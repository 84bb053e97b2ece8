import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGitServer, workingCopy } from './harness.ts';
import type { RepositoryState, RepositoryTruth } from './truth.ts';

test('G14: a look at an older list of packs takes no pack away from those who came after', async (t) => {
  const server = await startGitServer(t);
  const truth = server.truths.truth('r1');
  // The list of packs as a busy database would give it: late.
  let held: Promise<RepositoryState> | undefined;
  const slow: RepositoryTruth = { ...truth, load: (known) => held ?? truth.load(known) };
  const repository = server.store.repository(slow);
  const alice = await workingCopy(t, server, 'r1');
  await alice.commitFile('a', '1');
  await alice.run('push', '-q', 'origin', 'main');
  await repository.read(async () => undefined);

  // A push that has everything but its transaction.
  const arrived = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  server.rules.commit = async (change) => {
    if (change.updates.some(({ name }) => name === 'refs/heads/slow')) {
      arrived.resolve();
      await go.promise;
    }
    return server.truths.commit('r1', change);
  };
  await alice.commitFile('a', '2');
  const tip = await alice.run('rev-parse', 'HEAD');
  const pushed = alice.run('push', '-q', 'origin', 'HEAD:refs/heads/slow');
  await arrived.promise;
  const bob = await workingCopy(t, server, 'r1');
  await bob.commitFile('b', '1');
  await bob.run('push', '-q', 'origin', 'HEAD:refs/heads/other');

  const answer = Promise.withResolvers<RepositoryState>();
  const old = await truth.load();
  held = answer.promise;
  const asked = repository.lease(); // has asked for the list, which does not name the slow push's pack
  held = undefined;
  go.resolve();
  await pushed;
  answer.resolve(old);
  const late = await asked;
  const writer = await repository.lease(); // may rely on what the slow push brought
  late.release();
  await repository.settled();

  assert.equal((await writer.objects.findInfo(tip))?.type, 'commit');
  writer.release();
});
