import assert from 'node:assert/strict';
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { isGitFailure } from './failure.ts';
import { GitClient, temporaryFolder } from './harness.ts';
import { PackIndex } from './pack-index.ts';
import { applyDelta, PackReader, packInFile, packInMemory } from './pack-reader.ts';

const NOBODY = () => ({ dead: false, info: async () => null, contents: async () => null });

test('every object of a pack that git has made, differences and all, is read as git reads it', async (t) => {
  const client = new GitClient(await temporaryFolder(t));
  await client.run('init', '-q', '-b', 'main');
  const lines = Array.from({ length: 3_000 }, (_, at) => `line ${at * 7919} of a file that changes little\n`);
  for (let round = 0; round < 12; round += 1) {
    lines[round * 100] = `changed in round ${round}\n`;
    await client.commitFile('long.txt', lines.join(''));
    await client.commitFile('empty.txt', round % 2 === 0 ? '' : 'x');
  }
  await client.run('tag', '-a', 'v1', '-m', 'one');
  await client.run('repack', '-adfq', '--depth=50');
  const folder = join(client.folder, '.git', 'objects', 'pack');
  const name = (await readdir(folder)).find((one) => one.endsWith('.pack'))!;
  const path = join(folder, name);
  const index = await PackIndex.read(path.replace(/pack$/, 'idx'));
  const file = await open(path, 'r');
  t.after(() => file.close());
  const check = await client.feed(`${[...index.ids()].join('\n')}\n`, 'cat-file', '--batch-check');
  for (const source of [packInMemory(await readFile(path)), packInFile(file)]) {
    const reader = new PackReader(source, index, NOBODY);
    for (const line of check.split('\n')) {
      const [id, type, size] = line.split(' ') as [string, string, string];
      assert.deepEqual(await reader.info(id), { type, size: Number(size) });
      const { body } = (await reader.contents(id, 1_000_000))!;
      await writeFile(join(client.folder, 'object'), body);
      assert.equal(await client.run('hash-object', '--no-filters', '-t', type, 'object'), id);
    }
    assert.equal(await reader.contents('f'.repeat(40), 100), null);
    const [large] = check
      .split('\n')
      .find((line) => line.includes(' blob 1'))!
      .split(' ') as [string];
    await assert.rejects(reader.contents(large, 50_000), (error) => isGitFailure(error, 'object-too-large'));
  }
});

test('a difference that does not fit, or is any bytes at all, is refused and nothing else', () => {
  const base = Buffer.from('the base of it all');
  assert.equal(applyDelta(base, Buffer.from([18, 5, 0x90, 3, 2, 0x21, 0x21]), 100).toString(), 'the!!');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        assert.ok(applyDelta(base, Buffer.from([18, ...bytes]), 1_000).length <= 1_000);
      } catch (error) {
        assert.ok(isGitFailure(error));
      }
    }),
    { numRuns: 5_000 },
  );
});
