import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { testFolder } from '../testing/databases.ts';
import { BlobNotFoundError, FolderBlobStore } from './blobs.ts';

async function openStore(t: TestContext): Promise<{ store: FolderBlobStore; root: string }> {
  const root = join(await testFolder(t), 'blobs');
  const store = new FolderBlobStore(root);
  await store.open();
  return { store, root };
}

async function keys(store: FolderBlobStore, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const key of store.list(prefix)) found.push(key);
  return found.sort();
}

async function* chunks(...parts: (string | Error)[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield Buffer.from(part);
  }
}

const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex');

test('what is put comes back, with its size and digest', async (t) => {
  const { store } = await openStore(t);
  assert.deepEqual(await store.put('a/b/one', Buffer.from('hello')), { size: 5, sha256: sha256('hello') });
  assert.deepEqual(await store.put('a/two', chunks('he', '', 'llo ', 'world')), {
    size: 11,
    sha256: sha256('hello world'),
  });
  assert.deepEqual(await store.put('empty', chunks()), { size: 0, sha256: sha256('') });
  const large = Buffer.alloc(3_000_001, 'x');
  assert.deepEqual(await store.put('a/large', Readable.from([large.subarray(0, 7), large.subarray(7)])), {
    size: large.length,
    sha256: sha256(large),
  });
  assert.equal(String(await buffer(await store.get('a/b/one'))), 'hello');
  assert.equal(String(await buffer(await store.get('a/two'))), 'hello world');
  assert.equal((await buffer(await store.get('empty'))).length, 0);
  assert.equal(sha256(await buffer(await store.get('a/large'))), sha256(large));
  assert.equal(await store.size('a/large'), large.length);
});

test('a second put replaces, and a reader of the first goes on reading it', async (t) => {
  const { store } = await openStore(t);
  await store.put('k', Buffer.alloc(1_000_000, '1'));
  const first = await store.get('k');
  await store.put('k', Buffer.from('2'));
  assert.equal(sha256(await buffer(first)), sha256(Buffer.alloc(1_000_000, '1')));
  assert.equal(String(await buffer(await store.get('k'))), '2');
  const deleted = await store.get('k');
  await store.delete('k');
  assert.equal(String(await buffer(deleted)), '2');
});

test('ranges have both ends inclusive', async (t) => {
  const { store } = await openStore(t);
  await store.put('k', Buffer.from('0123456789'));
  const cases: [number, number, string][] = [
    [0, 0, '0'],
    [0, 9, '0123456789'],
    [3, 5, '345'],
    [9, 9, '9'],
    [8, 100, '89'],
    [10, 12, ''],
  ];
  for (const [start, end, expected] of cases) {
    assert.equal(String(await buffer(await store.get('k', { start, end }))), expected, `${start}-${end}`);
  }
});

test('a source that fails leaves nothing, and what was there stays', async (t) => {
  const { store, root } = await openStore(t);
  await store.put('kept', Buffer.from('old'));
  const failure = new Error('the client hung up');
  await assert.rejects(store.put('kept', chunks('new', failure)), (error) => error === failure);
  await assert.rejects(store.put('a/b/new', chunks(failure)), (error) => error === failure);
  const broken = new Readable({ read: () => undefined });
  broken.push('part');
  process.nextTick(() => broken.destroy(failure));
  await assert.rejects(store.put('stream', broken), (error) => error === failure);
  assert.equal(String(await buffer(await store.get('kept'))), 'old');
  assert.deepEqual(await keys(store, 'a'), []);
  await assert.rejects(store.get('stream'), BlobNotFoundError);
  assert.deepEqual(await readdir(join(root, '.tmp')), []);
});

test('R9: a disk that takes no more bytes refuses the put and leaves nothing', async (t) => {
  const { store, root } = await openStore(t);
  // A chunk that the system refuses to write stands for a full disk: both come out of the same call.
  const unwritable = { byteLength: 5 } as Uint8Array;
  await assert.rejects(
    store.put(
      'k',
      (async function* () {
        yield Buffer.from('first');
        yield unwritable;
      })(),
    ),
  );
  assert.deepEqual(await readdir(join(root, '.tmp')), []);
  await assert.rejects(store.size('k'), BlobNotFoundError);
  // A folder that cannot be made, at the last step.
  await store.put('taken', Buffer.from('a file'));
  await assert.rejects(store.put('taken/below', Buffer.from('x')));
  assert.deepEqual(await readdir(join(root, '.tmp')), []);
  assert.equal(String(await buffer(await store.get('taken'))), 'a file');
});

test('what is not there is not found; deleting it is fine', async (t) => {
  const { store } = await openStore(t);
  await store.put('a/b', Buffer.from('x'));
  for (const key of ['none', 'a', 'a/c', 'a/b/c']) await assert.rejects(store.size(key), BlobNotFoundError, key);
  for (const key of ['none', 'a/c', 'a/b/c']) await assert.rejects(store.get(key), BlobNotFoundError, key);
  await store.delete('none');
  await store.delete('a/b');
  await store.delete('a/b');
  await assert.rejects(store.get('a/b'), BlobNotFoundError);
});

test('lists go by whole segments and never show what is not finished', async (t) => {
  const { store } = await openStore(t);
  for (const key of ['a/1', 'a/b/2', 'a/b/c/3', 'ab/4', 'x']) await store.put(key, Buffer.from(key));
  let resume: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    resume = resolve;
  });
  let started: () => void = () => undefined;
  const began = new Promise<void>((resolve) => {
    started = resolve;
  });
  const slow = store.put(
    'a/slow',
    (async function* () {
      yield Buffer.from('part');
      started();
      await gate;
    })(),
  );
  await began;
  assert.deepEqual(await keys(store, 'a'), ['a/1', 'a/b/2', 'a/b/c/3']);
  assert.deepEqual(await keys(store, 'a/b'), ['a/b/2', 'a/b/c/3']);
  assert.deepEqual(await keys(store, 'a/1'), []);
  assert.deepEqual(await keys(store, 'none'), []);
  resume();
  await slow;
  assert.ok((await keys(store, 'a')).includes('a/slow'));
});

test('A1: a key that is no key of ours is refused before the disk is touched', async (t) => {
  const { store, root } = await openStore(t);
  const bad = [
    '',
    '.',
    '..',
    '../x',
    'a/../b',
    '/x',
    'a//b',
    'a/',
    'a/.',
    '.tmp/x',
    'a/.hidden',
    'a b',
    'a\0b',
    'ü',
    'a\\b',
    'a:b',
    'x'.repeat(501),
  ];
  for (const key of bad) {
    await assert.rejects(store.put(key, Buffer.from('x')), /bad blob key/, key);
    await assert.rejects(store.get(key), /bad blob key/, key);
    await assert.rejects(store.size(key), /bad blob key/, key);
    await assert.rejects(store.delete(key), /bad blob key/, key);
    await assert.rejects(keys(store, key), /bad blob key/, key);
  }
  assert.deepEqual(await readdir(root), ['.tmp']);
});

test('puts at once, into the same new folder and onto the same key', async (t) => {
  const { store } = await openStore(t);
  const names = Array.from({ length: 40 }, (_, n) => `new/${n % 4}/deep/${n}`);
  await Promise.all(names.map((name) => store.put(name, Buffer.from(name))));
  assert.deepEqual(await keys(store, 'new'), [...names].sort());
  const bodies = Array.from({ length: 10 }, (_, n) => Buffer.alloc(100_000, String(n)));
  await Promise.all(bodies.map((body) => store.put('same', body)));
  const stored = await buffer(await store.get('same'));
  assert.ok(
    bodies.some((body) => body.equals(stored)),
    'one of them, whole',
  );
});

test('what a killed process left half written is gone at the next start; the rest is there', async (t) => {
  const { store, root } = await openStore(t);
  await store.put('a', Buffer.from('x'));
  await writeFile(join(root, '.tmp', 'half'), 'half');
  await mkdir(join(root, '.tmp', 'folder'));
  const again = new FolderBlobStore(root);
  await again.open();
  assert.deepEqual(await readdir(join(root, '.tmp')), []);
  assert.equal(String(await buffer(await again.get('a'))), 'x');
});
