import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { GitClient, temporaryFolder } from './harness.ts';

async function startServer(
  t: TestContext,
  folder: string,
  point: string,
): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'crash-server.ts'), folder, point], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const [url] = (await once(createInterface(child.stdout!), 'line')) as [string];
  return { child, url };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** [where it is killed, whether the push may have happened]: after the transaction it has, though nobody was told. */
const POINTS: [string, boolean][] = [
  ['pack-arriving', false],
  ['before-blobs', false],
  ['after-pack-blob', false],
  ['after-index-blob', false],
  ['before-transaction', false],
  ['after-transaction', true],
];

for (const [point, hasHappened] of POINTS) {
  test(`G15: killed at ${point}: nothing acknowledged is lost, nothing blocks the next push`, async (t) => {
    const folder = await temporaryFolder(t);
    const alice = new GitClient(await temporaryFolder(t));
    await alice.run('init', '-q', '-b', 'main');
    const first = await startServer(t, folder, 'never');
    await alice.commitFile('a.txt', 'acknowledged');
    await alice.run('push', '-q', `${first.url}/r1`, 'main');
    const acknowledged = await alice.run('rev-parse', 'HEAD');
    await stop(first.child);

    const second = await startServer(t, folder, point);
    await alice.commitFile('a.txt', 'cut off');
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
