import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { changeRepository } from './change.ts';
import { isGitFailure } from './failure.ts';
import { GitClient, startGitServer, type TestServer, temporaryFolder, workingCopy } from './harness.ts';
import { SMALL_PACK_BYTES } from './incoming-pack.ts';
import { makePack } from './made-pack.ts';
import { formatCommit, formatTree } from './object-format.ts';
import { ObjectWriter } from './object-writer.ts';
import type { ObjectReader } from './objects.ts';
import type { Repository } from './repository.ts';
import { editTree } from './tree-edit.ts';

const ADA = { name: 'Ada', email: 'ada@example.com', date: '1700000000 +0100' };
const MAIN = 'refs/heads/main';

interface Started {
  server: TestServer;
  repository: Repository;
  alice: GitClient;
  /** Git's commands that were started since they were asked for. */
  started(): string[];
}

async function start(t: TestContext): Promise<Started> {
  const server = await startGitServer(t);
  const alice = await workingCopy(t, server, 'r1');
  const { git } = server.store.surroundings;
  const spawn = git.spawn.bind(git);
  const commands: string[] = [];
  git.spawn = (args, options) => {
    commands.push(args[0]!);
    return spawn(args, options);
  };
  const repository = server.store.repository(server.truths.truth('r1'));
  return { server, repository, alice, started: () => commands.splice(0) };
}

/** Commits what `make` has put into a writer and named as the new root tree. */
async function commit(
  { server, repository }: Started,
  make: (writer: ObjectWriter, before: string | null, objects: ObjectReader) => Promise<string> | string,
  more: Partial<Parameters<typeof formatCommit>[0]> = {},
): Promise<string> {
  return repository.read(async ({ objects, state }) => {
    const parent = state.refs.get(MAIN)?.id ?? null;
    const writer = new ObjectWriter();
    const tree = await make(writer, parent === null ? null : (await objects.commit(parent)).tree, objects);
    const parents = parent === null ? [] : [parent];
    const id = writer.add(
      'commit',
      formatCommit({ tree, parents, author: ADA, committer: ADA, message: 'made', ...more }),
    );
    const refused = await changeRepository(repository, {
      updates: [{ name: MAIN, from: parent, to: id }],
      atomic: true,
      pack: writer,
      commit: async (change) => server.truths.commit('r1', change),
    });
    assert.deepEqual([...refused], []);
    return id;
  });
}

/** A maker that writes texts to paths, or takes an object that is there. */
function edits(files: Record<string, string | { id: string; mode?: string }>): Parameters<typeof commit>[1] {
  return (writer, before, objects) =>
    editTree(
      objects,
      writer,
      before,
      Object.entries(files).map(([path, content]) => ({
        path,
        entry:
          typeof content === 'string'
            ? { mode: '100644', id: writer.add('blob', Buffer.from(content)) }
            : { mode: content.mode ?? '100644', id: content.id },
      })),
    );
}

test('the index of a pack made here is, byte by byte, what git makes of it', async (t) => {
  const git = new GitClient(await temporaryFolder(t));
  for (const count of [1, 2, 700]) {
    const writer = new ObjectWriter();
    for (let n = 0; n < count; n++) writer.add('blob', Buffer.from(`${n} `.repeat(n * n)));
    const { pack, index } = await makePack(writer);
    await writeFile(join(git.folder, 'a.pack'), pack);
    await git.run('index-pack', '-o', 'theirs.idx', 'a.pack');
    assert.deepEqual(index.bytes, await readFile(join(git.folder, 'theirs.idx')));
  }
});

test('a commit starts no process, nor does reading what it made; all of it is as git wants it', async (t) => {
  const world = await start(t);
  const { server, repository, alice, started } = world;
  await commit(world, edits({ 'a/b.txt': 'one', 'c.txt': 'two' }));
  await repository.settled();
  started();
  const id = await commit(
    world,
    edits({ 'a/b.txt': 'three', 'a/d/e.txt': 'four', 'c-d.txt': 'x', 'c/d.txt': 'y'.repeat(70_000) }),
  );
  await repository.read(async ({ objects }) => {
    const { tree } = await objects.commit(id);
    assert.equal((await objects.blob((await objects.findPath(tree, 'a/d/e.txt'))!.id, 100)).toString(), 'four');
  });
  assert.deepEqual(started(), []);
  await alice.run('pull', '-q', 'origin', 'main');
  await alice.run('fsck', '--full', '--strict');
  assert.equal(await alice.run('rev-parse', 'HEAD'), id);
  await repository.read(async ({ gitDir }) => {
    await alice.run('--git-dir', gitDir, 'fsck', '--full', '--strict', '--connectivity-only');
    await alice.run('--git-dir', gitDir, 'fsck', '--full', '--strict');
  });
  assert.deepEqual(server.reported, []);
});

test('what was committed without a process is durable: another node reads it, and a deleted cache comes back', async (t) => {
  const world = await start(t);
  const { server, repository } = world;
  await commit(world, edits({ a: 'one' }));
  const id = await commit(world, edits({ b: 'two' }));
  await rm(join(server.folder, 'cache', 'repositories'), { recursive: true });
  const next = await commit(world, edits({ c: 'three' }));
  const other = await startGitServer(t, { folder: server.folder, cache: 'other-cache' });
  const carol = await workingCopy(t, other, 'r1');
  await carol.run('pull', '-q', 'origin', 'main');
  await carol.run('fsck', '--full', '--strict');
  assert.equal(await carol.run('log', '--format=%H'), `${next}\n${id}\n${await carol.run('rev-parse', 'HEAD~2')}`);
  assert.equal(repository.busy, false);
});

test('git is asked about new names that it has an opinion on, and once only', async (t) => {
  const world = await start(t);
  await commit(world, edits({ a: 'one' }));
  world.started();
  await commit(world, edits({ '.gitattributes': '* text\n' }));
  assert.deepEqual(
    world.started().filter((command) => command !== 'cat-file'),
    ['index-pack'],
  );
  await commit(world, edits({ b: 'two', 'sub/c': 'three' }));
  assert.deepEqual(
    world.started().filter((command) => command !== 'cat-file'),
    [],
  );
});

const EVIL = '[submodule "x"]\n\tpath = x\n\turl = -u./payload\n';
const REFUSED: [string, (world: Started) => Promise<unknown>][] = [
  ['G5: a hostile .gitmodules', (world) => commit(world, edits({ '.gitmodules': EVIL }))],
  [
    'G5: a file that was harmless under another name',
    (world) => commit(world, edits({ '.gitmodules': { id: new ObjectWriter().add('blob', Buffer.from(EVIL)) } })),
  ],
  ['G5: a folder .GIT', (world) => commit(world, edits({ '.GIT/config': 'x' }))],
  ['an entry without an object', (world) => commit(world, edits({ a: { id: 'a'.repeat(40) } }))],
  [
    'a folder that is called a file',
    (world) => commit(world, edits({ a: { id: '4b825dc642cb6eb9a060e54bf8d69288fbee4904', mode: '100644' } })),
  ],
  ['a parent that is none', (world) => commit(world, edits({ a: 'x' }), { parents: ['b'.repeat(40)] })],
  [
    'entries out of order',
    (world) =>
      commit(world, (writer) => {
        const id = writer.add('blob', Buffer.from('x'));
        const [a, b] = ['a', 'b'].map((name) => formatTree([{ mode: '100644', rawName: Buffer.from(name), id }]));
        return writer.add('tree', Buffer.concat([b!, a!]));
      }),
  ],
  [
    'a name twice',
    (world) =>
      commit(world, (writer) => {
        const id = writer.add('blob', Buffer.from('x'));
        const one = formatTree([{ mode: '100644', rawName: Buffer.from('a'), id }]);
        return writer.add('tree', Buffer.concat([one, one]));
      }),
  ],
];
for (const [name, work] of REFUSED) {
  test(`not to be committed: ${name}`, async (t) => {
    const world = await start(t);
    const id = await commit(world, edits({ notes: EVIL }));
    await assert.rejects(work(world), (error) => isGitFailure(error, 'pack-refused'));
    assert.equal((await world.repository.state()).refs.get(MAIN)!.id, id);
  });
}

test('many objects take the road of a pushed pack, and a large commit comes whole', async (t) => {
  const world = await start(t);
  await commit(world, edits({ first: 'x' }));
  world.started();
  const content = Array.from({ length: SMALL_PACK_BYTES / 8 + 1 }, (_, n) => `${n}\n`.padStart(9)).join('');
  const id = await commit(world, edits({ large: content }));
  assert.deepEqual(
    world.started().filter((command) => command !== 'cat-file'),
    ['index-pack'],
  );
  await world.alice.run('pull', '-q', 'origin', 'main');
  assert.equal(await world.alice.run('rev-parse', 'HEAD'), id);
  assert.equal(await world.alice.run('cat-file', '-s', 'HEAD:large'), String(content.length));
});
