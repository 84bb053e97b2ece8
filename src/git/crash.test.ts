import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { COLLECT_AFTER_MS, GitClient, temporaryFolder } from './harness.ts';

async function startServer(
  t: TestContext,
  folder: string,
  point: string,
  aheadMs = 0,
): Promise<{ child: ChildProcess; url: string }> {
  const args = [join(import.meta.dirname, 'crash-server.ts'), folder, point, String(aheadMs)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [url] = (await once(createInterface(child.stdout!), 'line')) as [string];
  return { child, url };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/**
 * [where it is killed, the file that is changed, whether the push may have happened]: after the transaction it has, though
 * nobody was told. Attributes are looked at by a git of their own.
 */
const POINTS: [string, string, boolean][] = [
  ['pack-arriving', '.gitattributes', false],
  ['pack-placed', 'a.txt', false],
  ['before-blobs', 'a.txt', false],
  ['after-pack-blob', 'a.txt', false],
  ['after-pack-blob', '.gitattributes', false],
  ['after-index-blob', 'a.txt', false],
  ['before-transaction', 'a.txt', false],
  ['before-transaction', '.gitattributes', false],
  ['after-transaction', 'a.txt', true],
  ['before-adoption', 'a.txt', true],
  ['before-adoption', '.gitattributes', true],
];

for (const [point, file, hasHappened] of POINTS) {
  test(`G15: killed at ${point} of a push of ${file}: nothing acknowledged is lost, nothing blocks the next push`, async (t) => {
    const folder = await temporaryFolder(t);
    const alice = new GitClient(await temporaryFolder(t));
    await alice.run('init', '-q', '-b', 'main');
    const first = await startServer(t, folder, 'never');
    await alice.commitFile('a.txt', 'acknowledged');
    await alice.run('push', '-q', `${first.url}/r1`, 'main');
    const acknowledged = await alice.run('rev-parse', 'HEAD');
    await stop(first.child);

    const second = await startServer(t, folder, point);
    await alice.commitFile(file, '# cut off');
    const cutOff = await alice.run('rev-parse', 'HEAD');
    assert.notEqual((await alice.attempt(['push', '-q', `${second.url}/r1`, 'main'])).status, 0);
    await stop(second.child);

    const third = await startServer(t, folder, 'never');
    const remote = `${third.url}/r1`;
    const found = (await alice.run('ls-remote', remote, 'main')).slice(0, 40);
    assert.equal(found, hasHappened ? cutOff : acknowledged);
    assert.deepEqual(await readdir(join(folder, 'cache', 'quarantine')), []);
    await alice.commitFile('b.txt', 'the next push');
    await alice.run('push', '-q', remote, 'main');
    const bob = new GitClient(await temporaryFolder(t));
    await bob.run('clone', '-q', remote, '.');
    await bob.run('fsck', '--strict');
    assert.equal(await bob.run('rev-parse', 'HEAD'), await alice.run('rev-parse', 'HEAD'));
  });
}

/** Runs upkeep to its end, or to the end of the server. */
async function maintain(child: ChildProcess): Promise<void> {
  const answered = once(createInterface(child.stdout!), 'line');
  child.stdin!.write('\n');
  await Promise.race([answered, once(child, 'exit')]);
}

/** [where it is killed, whether the collection has happened] */
const COLLECTION_POINTS: [string, boolean][] = [
  ['after-pack-blob', false],
  ['before-collection', false],
  ['after-collection', true],
];

test('killed while objects are taken out: the list is the old one or the new one, and the next upkeep ends it', async (t) => {
  for (const [point, hasHappened] of COLLECTION_POINTS) {
    const folder = await temporaryFolder(t);
    const alice = new GitClient(await temporaryFolder(t));
    await alice.run('init', '-q', '-b', 'main');
    const first = await startServer(t, folder, 'never');
    await alice.commitFile('a.txt', 'stays');
    const kept = await alice.run('rev-parse', 'HEAD');
    await alice.commitFile('a.txt', 'goes');
    const lost = await alice.run('rev-parse', 'HEAD');
    await alice.run('push', '-q', `${first.url}/r1`, 'main');
    await alice.run('push', '-q', '--force', `${first.url}/r1`, `${kept}:main`);
    await stop(first.child);
    const second = await startServer(t, folder, point, COLLECT_AFTER_MS);
    await maintain(second.child);
    assert.equal(second.child.signalCode, 'SIGKILL', point);
    const third = await startServer(t, folder, 'never', COLLECT_AFTER_MS);
    const bob = new GitClient(await temporaryFolder(t));
    await bob.run('init', '-q', '--bare');
    const fetched = await bob.attempt(['fetch', '-q', `${third.url}/r1`, lost]);
    assert.equal(fetched.status === 0, !hasHappened, `${point}: ${fetched.stderr}`);
    await maintain(third.child);
    const carol = new GitClient(await temporaryFolder(t));
    await carol.run('clone', '-q', `${third.url}/r1`, '.');
    await carol.run('fsck', '--full', '--strict');
    assert.equal(await carol.run('rev-parse', 'HEAD'), kept);
    assert.notEqual((await carol.attempt(['fetch', '-q', 'origin', lost])).status, 0, point);
    await stop(third.child);
  }
});
