import assert from 'node:assert/strict';
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { eventually } from '../kernel/testing/eventually.ts';
import { CacheFiles } from './cache-files.ts';
import { entry, GitClient, packOf, startGitServer, type TestServer, temporaryFolder, workingCopy } from './harness.ts';
import { makePack } from './made-pack.ts';
import { objectIdOf } from './object-format.ts';
import type { ObjectSource } from './object-source.ts';
import { areNew, readPushedObjects } from './pushed-objects.ts';
import { areSound } from './sound-objects.ts';

const NOTHING: ObjectSource = { dead: false, info: async () => null, contents: async () => null };
const SIGNED_BY_NOBODY = 'gpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----\n';

interface Pushing {
  server: TestServer;
  alice: GitClient;
  /** Whether a push needs git to look at its pack. */
  asksGit(...what: string[]): Promise<boolean>;
}

async function start(t: TestContext): Promise<Pushing> {
  const server = await startGitServer(t);
  const alice = await workingCopy(t, server, 'r1');
  const { git } = server.store.surroundings;
  const spawn = git.spawn.bind(git);
  let asked = 0;
  t.mock.method(git, 'spawn', (...args: Parameters<typeof spawn>) => {
    if (args[0][0] === 'index-pack') asked += 1;
    return spawn(...args);
  });
  const asksGit = async (...what: string[]) => {
    asked = 0;
    await alice.run('push', '-q', 'origin', ...what);
    return asked > 0;
  };
  return { server, alice, asksGit };
}

/** A clone of what the blobs hold, not of what the push has left in the cache. */
async function cloneAnew(t: TestContext, server: TestServer): Promise<GitClient> {
  await server.store.repository(server.truths.truth('r1')).removeCache();
  const bob = new GitClient(await temporaryFolder(t));
  await bob.run('clone', '-q', server.remote('r1'), '.');
  await bob.run('fsck', '--full', '--strict');
  return bob;
}

test('pushes of everyday commits start no git, and everything arrives', async (t) => {
  const { server, alice, asksGit } = await start(t);
  const lines = Array.from({ length: 200 }, (_, line) => `line ${line}`);
  await alice.commitFile('text.txt', lines.join('\n'));
  await alice.commitFile('.gitignore', 'node_modules\n');
  assert.equal(await asksGit('main'), false);
  // Thin: the file and its folder come as differences.
  await alice.commitFile('text.txt', lines.with(100, 'another line').join('\n'));
  assert.equal(await asksGit('main'), false);
  await alice.run('checkout', '-q', '-b', 'topic', 'HEAD~1');
  await writeFile(join(alice.folder, 'other.txt'), 'other');
  await alice.run('add', '.');
  await alice.run('mv', 'text.txt', 'moved.txt');
  await alice.run('commit', '-q', '-m', 'moves a file');
  await alice.run('rm', '-q', 'other.txt');
  await alice.run('commit', '-q', '-m', 'removes a file');
  assert.equal(await asksGit('topic'), false);
  await alice.run('checkout', '-q', 'main');
  await alice.run('merge', '-q', '--no-edit', 'topic');
  assert.equal(await asksGit('main'), false);
  await alice.run('revert', '--no-edit', '-m', '1', 'HEAD');
  assert.equal(await asksGit('main'), false);
  const bob = await cloneAnew(t, server);
  assert.equal(await bob.run('rev-parse', 'HEAD'), await alice.run('rev-parse', 'main'));
  assert.equal(await bob.run('rev-parse', 'origin/topic'), await alice.run('rev-parse', 'topic'));
  assert.deepEqual(server.reported, []);
});

test('a push is answered before its pack is in the cache, and whoever comes for it waits', async (t) => {
  const { server, alice } = await start(t);
  await alice.commitFile('a', '1');
  await alice.run('push', '-q', 'origin', 'main');
  const moving = Promise.withResolvers<void>();
  const { adoptPack } = CacheFiles.prototype;
  t.mock.method(
    CacheFiles.prototype,
    'adoptPack',
    async function (this: CacheFiles, ...args: Parameters<typeof adoptPack>) {
      await moving.promise;
      return adoptPack.apply(this, args);
    },
  );
  await alice.commitFile('a', '2');
  await alice.run('push', '-q', 'origin', 'main');
  const repository = server.store.repository(server.truths.truth('r1'));
  assert.equal(repository.busy, true);
  const bob = new GitClient(await temporaryFolder(t));
  const cloned = bob.run('clone', '-q', server.remote('r1'), '.').then(() => 'cloned');
  const asked = () => server.requests.some(({ path }) => path.endsWith('/git-upload-pack'));
  await eventually(asked);
  const waits = () => new Promise((resolve) => setImmediate(resolve, 'waits'));
  assert.equal(await Promise.race([cloned, waits()]), 'waits');
  // A server that stops, too: else it would write into a folder that may be gone.
  const closed = repository.close().then(() => 'closed');
  assert.equal(await Promise.race([closed, waits()]), 'waits');
  moving.resolve();
  assert.equal(await closed, 'closed');
  assert.equal(await cloned, 'cloned');
  assert.equal(await bob.run('rev-parse', 'HEAD'), await alice.run('rev-parse', 'HEAD'));
  await eventually(() => !repository.busy);
  assert.deepEqual(await readdir(join(server.folder, 'cache', 'quarantine')), []);
  assert.deepEqual(server.reported, []);
});

test('names that git has an opinion about need git once: what stays as it was has been looked at', async (t) => {
  const { server, alice, asksGit } = await start(t);
  await alice.commitFile('a', 'a');
  await alice.run('push', '-q', 'origin', 'main');
  await symlink('a', join(alice.folder, 'link'));
  await alice.run('add', 'link');
  await alice.commitFile('.gitattributes', '* text\n');
  assert.equal(await asksGit('main'), true);
  await alice.commitFile('a', 'b');
  assert.equal(await asksGit('main'), false);
  await alice.commitFile('.gitattributes', '* -text\n');
  assert.equal(await asksGit('main'), true);
  const tree = await alice.run('rev-parse', 'HEAD^{tree}');
  const parent = await alice.run('rev-parse', 'HEAD');
  const person = 'Ada <ada@example.com> 1700000000 +0000';
  const commit = `tree ${tree}\nparent ${parent}\nauthor ${person}\ncommitter ${person}\n${SIGNED_BY_NOBODY}\nsigned\n`;
  const signed = await alice.feed(commit, 'hash-object', '-t', 'commit', '-w', '--stdin');
  assert.equal(await asksGit(`${signed}:refs/heads/signed`), false);
  await alice.run('tag', '-a', '-m', 'a tag', 'v1');
  assert.equal(await asksGit('v1'), true);
  const bob = await cloneAnew(t, server);
  assert.equal(await bob.run('rev-parse', 'origin/signed'), signed);
});

test('the pack and index are what git makes of the same objects', async (t) => {
  const folder = await temporaryFolder(t);
  const client = new GitClient(folder);
  await client.run('init', '-q', '-b', 'main');
  for (let file = 0; file < 20; file++) await writeFile(join(folder, `f${file}`), `text ${file}`.repeat(50));
  await client.run('add', '.');
  await client.run('commit', '-q', '-m', 'files');
  const name = await client.feed('HEAD\n', 'pack-objects', '--revs', '-q', '--window=0', 'out');
  const pack = await readFile(join(folder, `out-${name}.pack`));
  const made = await makePack((await readPushedObjects(pack, NOTHING))!);
  assert.deepEqual(made.pack, pack);
  assert.deepEqual(made.index.bytes, await readFile(join(folder, `out-${name}.idx`)));
});

/** Objects of which some are as they should be, and some are not. */
function oddObjects(there: { blob: string; tree: string; commit: string }): fc.Arbitrary<[type: number, body: Buffer]> {
  const ids = fc.oneof(
    { weight: 6, arbitrary: fc.constant('') },
    { weight: 1, arbitrary: fc.constantFrom(there.blob, there.tree, there.commit, 'a'.repeat(40), '0'.repeat(40)) },
  );
  const modes = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('100644', '100755', '40000') },
    { weight: 1, arbitrary: fc.constantFrom('160000', '120000', '100664', '040000', '100600', '') },
  );
  const names = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('a', 'a.b', 'b', 'a-b', 'ä', '.gitignore', '.github', 'git', 'x y') },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        '.git',
        '.GIT',
        'git~1',
        '.g\u200cit',
        '.git ',
        '.git.',
        '..',
        '.',
        '',
        'a/b',
        'a\\.git',
        '.gitmodules',
        '.gitmodules.',
        'GITMOD~1',
        'gi7eba~1',
        '.mailmap',
        'x'.repeat(300),
      ),
    },
  );
  const trees = fc
    .uniqueArray(fc.tuple(modes, names, ids), { maxLength: 4, selector: ([, name]) => name })
    .chain((entries) =>
      fc.boolean().map((isSorted): [number, Buffer] => {
        const key = ([mode, name]: (typeof entries)[number]) => Buffer.from(mode === '40000' ? `${name}/` : name);
        const order = isSorted ? entries.toSorted((x, y) => Buffer.compare(key(x), key(y))) : entries;
        const bytes = order.map(([mode, name, id]) =>
          Buffer.concat([
            Buffer.from(`${mode} ${name}\0`),
            Buffer.from(id || (mode === '40000' ? there.tree : there.blob), 'hex'),
          ]),
        );
        return [2, Buffer.concat(bytes)];
      }),
    );
  const person = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('Ada <a@b> 1700000000 +0100', 'A B <> 0 -0930') },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        '<a@b> 1 +0000',
        'A <a@b> 01 +0000',
        'A<a@b> 1 +0000',
        'A <a<b> 1 +0000',
        'A <a@b> 1 +000',
        'A <a@b> 99999999999999999999 +0000',
        'A <a@b>',
        'A <a@b> 1 +0000 ',
      ),
    },
  );
  const line = fc.constantFrom(
    `parent ${there.commit}\n`,
    `parent ${there.blob}\n`,
    `parent ${'a'.repeat(40)}\n`,
    'parent x\n',
  );
  const parents = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('', `parent ${there.commit}\n`) },
    { weight: 1, arbitrary: line },
  );
  const roots = fc.oneof(
    { weight: 8, arbitrary: fc.constant(there.tree) },
    { weight: 1, arbitrary: fc.constantFrom(there.blob, 'a'.repeat(40), 'x') },
  );
  const ends = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('\ntext\n', '\n', 'encoding latin1\n\ntext', `${SIGNED_BY_NOBODY}\ntext`) },
    { weight: 1, arbitrary: fc.constantFrom('', '\n\0', 'x\n', 'author A <a> 1 +0000\n\nx') },
  );
  const commits = fc
    .tuple(roots, parents, person, person, ends)
    .map(([root, parent, author, committer, end]): [number, Buffer] => [
      1,
      Buffer.from(`tree ${root}\n${parent}author ${author}\ncommitter ${committer}\n${end}`),
    ]);
  return fc.oneof({ weight: 3, arbitrary: trees }, { weight: 2, arbitrary: commits });
}

test('git takes every object that is taken here', async (t) => {
  const { server, alice } = await start(t);
  await alice.commitFile('a', 'a');
  await alice.run('push', '-q', 'origin', 'main');
  const [commit, tree, blob] = (await alice.run('rev-parse', 'HEAD', 'HEAD^{tree}', 'HEAD:a')).split('\n') as [
    string,
    string,
    string,
  ];
  const repository = server.store.repository(server.truths.truth('r1'));
  const sound = new Map<string, Buffer>();
  let doubtful = 0;
  await repository.read(async (lease) => {
    for (const [type, body] of fc.sample(oddObjects({ commit, tree, blob }), { numRuns: 600, seed: 20_261_128 })) {
      const object = entry(type, body.length, body);
      const writer = await readPushedObjects(packOf(object), lease.source());
      if (writer !== null && (await areSound(writer, lease.objects))) sound.set([...writer.objects.keys()][0]!, object);
      else doubtful += 1;
    }
  });
  t.diagnostic(`${sound.size} sound, ${doubtful} doubtful`);
  assert.ok(sound.size > 50 && doubtful > 50, `${sound.size} sound, ${doubtful} doubtful`);
  await alice.feed(packOf(...sound.values()), 'index-pack', '--stdin', '--strict');
});

test('broken packs are left to git: cut off, lengthened, with a byte changed', async () => {
  const body = Buffer.from('some text that is in a file\n'.repeat(20));
  const pack = packOf(entry(3, body.length, body), entry(3, 1, Buffer.from('x')));
  const whole = await readPushedObjects(pack, NOTHING);
  assert.deepEqual([...whole!.objects.keys()], [objectIdOf('blob', body), objectIdOf('blob', Buffer.from('x'))]);
  const inner = (bytes: Buffer) => bytes.subarray(0, -20);
  const again = (bytes: Buffer) => packOf(bytes.subarray(12));
  for (let size = 0; size < pack.length; size++) {
    assert.equal(await readPushedObjects(pack.subarray(0, size), NOTHING), null, `of ${size} bytes`);
  }
  assert.equal(await readPushedObjects(Buffer.concat([pack, Buffer.from('x')]), NOTHING), null);
  // With a right checksum, but more or fewer bytes than its entries.
  for (const bytes of [Buffer.concat([inner(pack), Buffer.from('x')]), inner(pack).subarray(0, -1)]) {
    const wrong = again(bytes);
    wrong.writeUInt32BE(2, 8);
    assert.equal(await readPushedObjects(wrong, NOTHING), null);
  }
  const wrongSizes = [
    entry(3, body.length + 1, body),
    entry(3, body.length - 1, body),
    entry(5, 1, Buffer.from('x')),
    entry(0, 1, Buffer.from('x')),
  ];
  for (const one of wrongSizes) assert.equal(await readPushedObjects(packOf(one), NOTHING), null);
  const flipped = fc.tuple(fc.nat(pack.length - 1), fc.integer({ min: 1, max: 255 }));
  await fc.assert(
    fc.asyncProperty(flipped, async ([at, bits]) => {
      const wrong = Buffer.from(pack);
      wrong[at]! ^= bits;
      assert.equal(await readPushedObjects(wrong, NOTHING), null);
    }),
    { seed: 20_261_128, numRuns: 200 },
  );
});

test('other bytes under the id of an object that is there are not taken', async () => {
  const body = Buffer.from('new');
  const writer = (await readPushedObjects(packOf(entry(3, body.length, body)), NOTHING))!;
  const holding = (bytes: Buffer): ObjectSource => ({
    dead: false,
    info: async () => ({ type: 'blob', size: bytes.length }),
    contents: async () => ({ type: 'blob', size: bytes.length, body: bytes }),
  });
  assert.equal(await areNew(writer, NOTHING, null), true);
  assert.equal(await areNew(writer, holding(body), null), true);
  assert.equal(await areNew(writer, holding(Buffer.from('old')), null), false);
  assert.equal(await areNew(writer, holding(Buffer.from('other')), null), false);
  const broken: ObjectSource = { ...NOTHING, info: () => Promise.reject(new Error('the reader has ended')) };
  assert.equal(await areNew(writer, broken, null), false);
});

test('folders that hold one another a thousand million times are looked at in a moment', async () => {
  const entries: Buffer[] = [entry(3, 1, Buffer.from('x'))];
  let below = objectIdOf('blob', Buffer.from('x'));
  for (let depth = 0; depth < 9; depth++) {
    const mode = depth === 0 ? '100644' : '40000';
    const names = Array.from({ length: 10 }, (_, name) => [
      Buffer.from(`${mode} ${name}\0`),
      Buffer.from(below, 'hex'),
    ]);
    const tree = Buffer.concat(names.flat());
    entries.push(entry(2, tree.length, tree));
    below = objectIdOf('tree', tree);
  }
  const person = 'A <a@b> 1 +0000';
  const commit = Buffer.from(`tree ${below}\nauthor ${person}\ncommitter ${person}\n\nx\n`);
  entries.push(entry(1, commit.length, commit));
  const writer = await readPushedObjects(packOf(...entries), NOTHING);
  assert.equal(writer!.objects.size, entries.length);
});
