import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGitServer, workingCopy } from './harness.ts';
import { Repository } from './repository.ts';
import type { RepositoryState, RepositoryTruth } from './truth.ts';

test('G14: a look at an older list of packs takes no pack away from those who came after', async (t) => {
  const server = await startGitServer(t);
  const alice = await workingCopy(t, server, 'r1');
  await alice.commitFile('a', '1');
  await alice.run('push', '-q', 'origin', 'main');

  // The same repository, whose list of packs the test can hold back as a busy database would.
  const truth = server.truths.truth('r1');
  let held: Promise<RepositoryState> | undefined;
  const slow: RepositoryTruth = { ...truth, load: (known) => held ?? truth.load(known) };
  const repository = new Repository(slow, {
    ...server.store.repository(truth).surroundings,
    folder: `${server.folder}/slow`,
  });
  await repository.read(async () => undefined);

  const gate = Promise.withResolvers<RepositoryState>();
  const old = await truth.load();
  held = gate.promise;
  const late = repository.lease(); // has asked for the list, and has no answer yet
  held = undefined;

  await alice.commitFile('a', '2');
  await alice.run('push', '-q', 'origin', 'main');
  const tip = await alice.run('rev-parse', 'HEAD');
  const reader = await repository.lease(); // knows the second pack, and has it
  repository.suspect(); // somebody saw git fail: the next lease looks at the files anew
  gate.resolve(old);
  (await late).release();
  const writer = await repository.lease();
  reader.release(); // whatever was to go when nobody reads it goes now
  await repository.settled();

  assert.equal((await writer.objects.findInfo(tip))?.type, 'commit');
  await repository.close();
  assert.equal((await repository.read(({ objects }) => objects.findInfo(tip)))?.type, 'commit');
  writer.release();
  await repository.close();
});
