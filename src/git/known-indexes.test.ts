import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from './harness.ts';
import { KnownIndexes } from './known-indexes.ts';
import { PackIndex } from './pack-index.ts';

const CHECKSUM = Buffer.alloc(20);

/** An index of so many objects, whose ids begin with the number of the pack. */
function indexOf(pack: number, objects: number): PackIndex {
  const ids = Array.from(
    { length: objects },
    (_, n) => pack.toString(16).padStart(8, '0') + n.toString(16).padStart(32, '0'),
  );
  return PackIndex.of(
    ids.map((id, n) => ({ id, offset: 12 + n, crc: 0 })),
    CHECKSUM,
  );
}

test('indexes are read once, and those that were kept need no file', async (t) => {
  const folder = await temporaryFolder(t);
  const pathOf = (packId: string) => join(folder, packId);
  const indexes = new KnownIndexes();
  await writeFile(pathOf('a'), indexOf(1, 3).bytes);
  indexes.keep('b', indexOf(2, 1));
  const packs = [
    { id: 'a', objects: 3 },
    { id: 'b', objects: 1 },
  ];
  const [a, b] = (await indexes.all(packs, pathOf))!;
  assert.deepEqual([a!.count, b!.count], [3, 1]);
  assert.equal(a!.bytes.length, PackIndex.bytesFor(3));
  await rm(pathOf('a'));
  assert.deepEqual(await indexes.all(packs, pathOf), [a, b]);
  assert.deepEqual(await indexes.all([], pathOf), []);
  assert.equal(await indexes.all([...packs, { id: 'gone', objects: 1 }], pathOf), null);
  await assert.rejects(indexes.all([{ id: '', objects: 1 }], pathOf), { code: 'EISDIR' });
});

test('large repositories are not looked at here, and what was not used for long leaves the memory', async (t) => {
  const folder = await temporaryFolder(t);
  const pathOf = (packId: string) => join(folder, packId);
  const indexes = new KnownIndexes();
  assert.equal(await indexes.all([{ id: 'a', objects: 20_000 }], pathOf), null);
  const halves = ['b', 'c'].map((id) => ({ id, objects: 10_000 }));
  assert.equal(await indexes.all(halves, pathOf), null);
  indexes.keep('large', indexOf(1, 20_000));
  assert.equal(await indexes.all([{ id: 'large', objects: 1 }], pathOf), null);
  // Half a megabyte each: the memory has room for sixteen, and one of them is used between the others.
  const index = indexOf(2, 18_000);
  const isThere = async (id: string) => (await indexes.all([{ id, objects: 18_000 }], pathOf)) !== null;
  for (let pack = 0; pack < 30; pack++) {
    indexes.keep(`p${pack}`, index);
    assert.equal(await isThere('p0'), true);
  }
  assert.deepEqual([await isThere('p1'), await isThere('p29')], [false, true]);
});
