import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemIds } from '../ids.ts';
import { loadRootKey } from '../secrets.ts';
import { testFolder } from '../testing/databases.ts';
import {
  beginRestore,
  DataFolderBusyError,
  loadRootCredentials,
  takeDataFolder,
  UnfinishedRestoreError,
} from './data-folder.ts';
import { readOrMake } from './durable-file.ts';

/** Another process that takes the folder and then waits to be killed. */
async function takeElsewhere(folder: string): Promise<ChildProcess> {
  const module = new URL('./data-folder.ts', import.meta.url).href;
  const script = `
    const { takeDataFolder } = await import(${JSON.stringify(module)});
    try { await takeDataFolder(${JSON.stringify(folder)}); console.log('taken'); } catch (error) { console.log(error.name); }
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  Object.assign(child, { said: String(line).trim() });
  return child;
}

const said = (child: ChildProcess) => (child as ChildProcess & { said: string }).said;

test('a data folder has one owner; its lock goes with the process, however that ends', async (t) => {
  const folder = join(await testFolder(t), 'data');
  const first = await takeElsewhere(folder);
  t.after(() => first.kill('SIGKILL'));
  assert.equal(said(first), 'taken');
  await assert.rejects(takeDataFolder(folder), DataFolderBusyError);
  const exited = once(first, 'exit');
  first.kill('SIGKILL');
  await exited;
  const own = await takeDataFolder(folder);
  const second = await takeElsewhere(folder);
  t.after(() => second.kill('SIGKILL'));
  assert.equal(said(second), 'DataFolderBusyError');
  await assert.rejects(takeDataFolder(folder), DataFolderBusyError);
  own.release();
  (await takeDataFolder(folder)).release();
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
});

test('nothing starts on a folder whose restore did not come to its end', async (t) => {
  const folder = join(await testFolder(t), 'data');
  const own = await takeDataFolder(folder);
  const finish = await beginRestore(folder);
  own.release();
  await assert.rejects(takeDataFolder(folder), UnfinishedRestoreError);
  await finish();
  (await takeDataFolder(folder)).release();
});

test('the root key and the root user’s key are made once and only their owner reads them', async (t) => {
  const folder = await testFolder(t);
  const key = await loadRootKey(join(folder, 'root.key'));
  assert.equal(key.length, 32);
  assert.deepEqual(await loadRootKey(join(folder, 'root.key')), key);
  const credentials = await loadRootCredentials(folder, systemIds);
  assert.match(credentials.accessKeyId, /^AKIA[A-Z2-7]{16}$/);
  assert.match(credentials.secretAccessKey, /^[A-Za-z0-9]{40}$/);
  assert.deepEqual(await loadRootCredentials(folder, systemIds), credentials);
  for (const name of ['root.key', 'root-credentials.json']) {
    assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name);
  }
});

test('a file that a crash left half made is made anew', async (t) => {
  const path = join(await testFolder(t), 'secret');
  await writeFile(`${path}.new`, 'ha');
  assert.equal(await readOrMake(path, () => 'whole'), 'whole');
  assert.equal(await readFile(path, 'utf8'), 'whole');
  await writeFile(path, 'other', { mode: 0o644 });
  assert.equal(await readOrMake(path, () => assert.fail('it is there')), 'other');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});
