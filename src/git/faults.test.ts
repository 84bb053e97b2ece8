import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { GitClient, startGitServer, temporaryFolder, workingCopy } from './harness.ts';
import { Quarantine } from './quarantine.ts';

const run = promisify(execFile);
const LARGE_BYTES = 128 * 1024 * 1024;
/** What a push of {@link LARGE_BYTES} may add to the memory of the process: pieces on their way, never the whole. */
const MOST_GROWTH_BYTES = 96 * 1024 * 1024;

/** Bytes that no compression shrinks, the same at every run. */
function noise(bytes: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, 'noise'), Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

test('a large pack goes in and out in flat memory', async (t) => {
  const server = await startGitServer(t);
  const alice = await workingCopy(t, server, 'r1');
  alice.config.push('core.compression=0', 'pack.compression=0');
  await alice.commitFile('small', '1');
  await alice.run('push', '-q', 'origin', 'main');
  await writeFile(join(alice.folder, 'large'), noise(LARGE_BYTES));
  await alice.run('add', 'large');
  await alice.run('commit', '-q', '-m', 'large');
  const before = process.memoryUsage().rss;
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 20);
  t.after(() => clearInterval(watch));
  await alice.run('push', '-q', 'origin', 'main');
  const repository = server.store.repository(server.truths.truth('r1'));
  // From the sealed blob, not from what the push left in the cache.
  await repository.removeCache();
  const bob = new GitClient(await temporaryFolder(t));
  await bob.run('clone', '-q', '--no-checkout', server.remote('r1'), '.');
  await bob.run('fsck', '--full', '--strict');
  const grown = most - before;
  t.diagnostic(`${Math.round(grown / 1024 ** 2)} MiB`);
  assert.ok(grown < MOST_GROWTH_BYTES, `${Math.round(grown / 1024 ** 2)} MiB more`);
});

test('a disk that fills in the midst of a push refuses it, keeps what was there, and works again with room', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-git-disk-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder]);
  } catch {
    await rm(folder, { recursive: true });
    t.skip('needs the right to mount a small disk');
    return;
  }
  const server = await startGitServer(t, { folder });
  // After the server has stopped.
  t.after(async () => {
    await run('umount', ['--lazy', folder]);
    await rm(folder, { recursive: true });
  });
  const alice = await workingCopy(t, server, 'r1');
  await alice.commitFile('a', '1');
  await alice.run('push', '-q', 'origin', 'main');
  const tip = await alice.run('rev-parse', 'HEAD');
  await writeFile(join(alice.folder, 'large'), noise(12 * 1024 * 1024));
  await alice.run('add', 'large');
  await alice.run('commit', '-q', '-m', 'large');
  assert.notEqual((await alice.attempt(['push', 'origin', 'main'])).status, 0);
  const bob = new GitClient(await temporaryFolder(t));
  await bob.run('clone', '-q', server.remote('r1'), '.');
  assert.equal(await bob.run('rev-parse', 'HEAD'), tip);
  assert.deepEqual(await readdir(join(folder, 'cache', 'quarantine')), []);
  await run('mount', ['-o', 'remount,size=64m', folder]);
  await alice.run('push', '-q', 'origin', 'main');
  await bob.run('pull', '-q');
  await bob.run('fsck', '--full', '--strict');
});

test('the cache folder may be deleted while several clients clone, fetch and push', async (t) => {
  const server = await startGitServer(t);
  const seed = await workingCopy(t, server, 'r1');
  for (const name of ['a', 'b', 'c']) await seed.commitFile(name, name);
  await seed.run('push', '-q', 'origin', 'main');
  const { git } = server.store.surroundings;
  const spawn = git.spawn.bind(git);
  const cache = join(server.folder, 'cache');
  let [begun, deleted] = [0, 0];
  const deletions: Promise<void>[] = [];
  // Every third git, or pack that needs none, finds the cache going away under it, all of it or what matters most; seven
  // times, since work is begun at most eight times.
  const mayDelete = () => {
    begun += 1;
    if (begun % 3 !== 0 || deleted === 7) return;
    deleted += 1;
    const folder = deleted % 2 === 0 ? cache : join(cache, 'repositories', 'r1', 'objects', 'pack');
    deletions.push(rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  };
  t.mock.method(git, 'spawn', (...args: Parameters<typeof spawn>) => {
    const child = spawn(...args);
    mayDelete();
    return child;
  });
  const { place } = Quarantine.prototype;
  t.mock.method(Quarantine.prototype, 'place', function (this: Quarantine, ...args: Parameters<typeof place>) {
    mayDelete();
    return place.apply(this, args);
  });
  const work = async (name: string) => {
    const client = new GitClient(await temporaryFolder(t));
    await client.run('clone', '-q', server.remote('r1'), '.');
    await client.run('checkout', '-q', '-b', name);
    for (let round = 0; round < 3; round++) {
      await client.commitFile(`${name}-${round}`, `${name} ${round}`);
      await client.run('push', '-q', 'origin', name);
      await client.run('fetch', '-q', 'origin');
      const folder = await temporaryFolder(t);
      await client.run('clone', '-q', '--bare', `--depth=${2 + round}`, server.remote('r1'), folder);
    }
    return [name, await client.run('rev-parse', name)] as const;
  };
  const tips = await Promise.all(['one', 'two', 'three', 'four'].map(work));
  await Promise.all(deletions);
  assert.equal(deleted, 7);
  t.mock.restoreAll();
  const bob = new GitClient(await temporaryFolder(t));
  await bob.run('clone', '-q', server.remote('r1'), '.');
  await bob.run('fsck', '--full', '--strict');
  for (const [name, tip] of tips) assert.equal(await bob.run('rev-parse', `origin/${name}`), tip);
});
