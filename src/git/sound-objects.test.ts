import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { GitClient, temporaryFolder } from './harness.ts';
import { makePack } from './made-pack.ts';
import { formatTree } from './object-format.ts';
import { ObjectWriter } from './object-writer.ts';
import { isPlainName } from './sound-objects.ts';

/** What hostile names are made of: `.git` and its relatives as HFS+, NTFS and Windows read them, and what surrounds them. */
const PIECES = [
  ...['.git', '.GIT', '.gIt', 'git~1', 'GIT~2', 'gitmod~1', 'gi7eba~1', 'gi7d29~2', 'gitatt~1', '~1', '~'],
  ...['.gitmodules', '.GitModules', '.gitattributes', '.gitignore', '.mailmap', 'modules', 'attributes', 'hub', 'keep'],
  ...['\u200c', '\u200d', '\ufeff', '\u202e', '\u206a', 'é', 'ß', 'İ'],
  ...['.', '..', ' ', '::$INDEX_ALLOCATION', ':', '\\', 'a', 'README', '-', '0'],
];

const ORDINARY = [
  'README.md',
  '.github',
  '.gitlab-ci.yml',
  '.gitignore',
  '.gitkeep',
  '.gitea',
  'git',
  'x.git',
  '.mailmap.bak',
];

test('what git has to say about names, it is asked about', async (t) => {
  const generated = fc.sample(fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 4 }), {
    numRuns: 5_000,
    seed: 20_261_128,
  });
  const names = [...new Set([...ORDINARY, ...PIECES, ...generated.map((pieces) => pieces.join(''))])];
  const writer = new ObjectWriter();
  /** Names by the ids of their tree and of what stands there, which git refuses as .gitmodules and as .gitattributes. */
  const named = new Map<string, string>();
  for (const name of names) {
    const blob = writer.add(
      'blob',
      Buffer.from(`[submodule "../x"]\n\tpath = -x\n\turl = -u\n# ${name} ${'x'.repeat(3_000)}\n`),
    );
    named.set(blob, name);
    named.set(writer.add('tree', formatTree([{ mode: '100644', rawName: Buffer.from(name), id: blob }])), name);
  }
  const folder = await temporaryFolder(t);
  const git = new GitClient(folder);
  await git.run('init', '-q', '--bare');
  const { pack, index } = await makePack(writer);
  await mkdir(join(folder, 'objects', 'pack'), { recursive: true });
  await writeFile(join(folder, 'objects', 'pack', 'pack-1.pack'), pack);
  await writeFile(join(folder, 'objects', 'pack', 'pack-1.idx'), index.bytes);
  const { stderr } = await git.attempt(['fsck', '--full', '--strict', '--no-dangling']);
  const refused = new Set(
    [...stderr.matchAll(/^error in (?:tree|blob) ([0-9a-f]{40})/gm)].map(([, id]) => named.get(id!)!),
  );
  // Or nothing was tried.
  assert.ok(refused.size > 150, `${refused.size} names were refused`);
  assert.ok(refused.has('.GitModules') && refused.has('.gitattributes') && refused.has('git~1'));
  const missed = [...refused].filter((name) => isPlainName(Buffer.from(name).toString('latin1')));
  assert.deepEqual(missed, []);
  for (const name of ORDINARY) assert.equal(isPlainName(Buffer.from(name).toString('latin1')), true, name);
});

for (const name of ['', '.', '..', 'a/b', 'a\0b', 'a\nb', 'x'.repeat(256)]) {
  test(`git is asked about the name ${JSON.stringify(name.slice(0, 10))}`, () => {
    assert.equal(isPlainName(Buffer.from(name).toString('latin1')), false);
  });
}
