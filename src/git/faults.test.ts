import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { eventually } from '../kernel/testing/eventually.ts';
import type { GitChild } from './git-process.ts';
import { GitClient, startGitServer, temporaryFolder, workingCopy } from './harness.ts';
import { FLUSH, pktLine } from './pkt-line.ts';
import { Quarantine } from './quarantine.ts';

const run = promisify(execFile);
const LARGE_BYTES = 48 * 1024 * 1024;
/** What may be held of a pack of {@link LARGE_BYTES} while the next one in line takes nothing of it. */
const MOST_HELD_BYTES = 16 * 1024 * 1024;
const STILL_MS = 300;

/** Writes a file of bytes that no compression shrinks, the same at every run, without ever holding them. */
async function writeNoise(path: string, bytes: number): Promise<void> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'noise'), Buffer.alloc(16));
  const piece = Buffer.alloc(1024 * 1024);
  const file = await open(path, 'w');
  for (let written = 0; written < bytes; written += piece.length) await file.write(cipher.update(piece));
  await file.close();
}

/**
 * Bytes that something holds: what is left when all that nobody holds is let go of. What the process has taken from the
 * system tells when the collector found time, and little else.
 */
async function bytesHeld(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // What is swept in the background counts until it is.
  for (let round = 0; round < 4; round += 1) {
    collect();
    await turn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Waits until something has not changed for a while, in which whoever could change it had his turn. */
async function comesToRest(value: () => number): Promise<void> {
  let [last, since] = [Number.NaN, 0];
  await eventually(() => {
    const now = value();
    if (now !== last) since = performance.now();
    last = now;
    return performance.now() - since > STILL_MS;
  });
}

test('a large pack goes in and out in flat memory, held back by whoever takes nothing of it', async (t) => {
  const server = await startGitServer(t);
  const alice = await workingCopy(t, server, 'r1');
  alice.config.push('core.compression=0', 'pack.compression=0');
  await alice.commitFile('small', '1');
  await alice.run('push', '-q', 'origin', 'main');
  await writeNoise(join(alice.folder, 'large'), LARGE_BYTES);
  await alice.run('add', 'large');
  await alice.run('commit', '-q', '-m', 'large');
  const before = await bytesHeld();
  const isFlat = async (what: string) => {
    const held = (await bytesHeld()) - before;
    t.diagnostic(`${what}: ${(held / 1024 ** 2).toFixed(1)} MiB`);
    assert.ok(held < MOST_HELD_BYTES, `${what}: ${held} bytes are held`);
  };

  const { git } = server.store.surroundings;
  const spawn = git.spawn.bind(git);
  const started = { 'index-pack': Promise.withResolvers<GitChild>(), 'upload-pack': Promise.withResolvers<GitChild>() };
  t.mock.method(git, 'spawn', (...args: Parameters<typeof spawn>) => {
    const child = spawn(...args);
    started[args[0][0] as keyof typeof started]?.resolve(child);
    return child;
  });

  // A store that takes nothing, and whatever the client can send meanwhile.
  const taken = Promise.withResolvers<void>();
  const put = server.blobs.put.bind(server.blobs);
  const stores = t.mock.method(server.blobs, 'put', async (...args: Parameters<typeof put>) => {
    await taken.promise;
    return put(...args);
  });
  const pushing = alice.run('push', '-q', 'origin', 'main');
  const stdin = (await started['index-pack'].promise).stdin as Socket;
  await comesToRest(() => stdin.bytesWritten);
  assert.ok(stdin.bytesWritten < MOST_HELD_BYTES, `git has read ${stdin.bytesWritten} bytes`);
  await isFlat('in');
  taken.resolve();
  await pushing;
  stores.mock.restore();

  // From the sealed blob, not from what the push left in the cache, to a client that takes nothing.
  await server.store.repository(server.truths.truth('r1')).removeCache();
  const want = pktLine(`want ${await alice.run('rev-parse', 'HEAD')}\n`);
  const headers = { 'content-type': 'application/x-git-upload-pack-request', 'git-protocol': 'version=2' };
  const fetching = request(`${server.remote('r1')}/git-upload-pack`, { method: 'POST', headers });
  fetching.end(Buffer.concat([pktLine('command=fetch'), Buffer.from('0001'), want, pktLine('done\n'), FLUSH]));
  const [answer] = (await once(fetching, 'response')) as [IncomingMessage];
  const { stdout } = await started['upload-pack'].promise;
  await comesToRest(() => (stdout.readableFlowing === false ? 1 : Number.NaN));
  await isFlat('out');
  let bytes = 0;
  for await (const chunk of answer) bytes += (chunk as Buffer).length;
  assert.ok(bytes > LARGE_BYTES);
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
  await writeNoise(join(alice.folder, 'large'), 12 * 1024 * 1024);
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
