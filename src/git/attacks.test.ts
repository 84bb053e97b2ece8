import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { archiveCommit } from './archive.ts';
import { diffEntries } from './diff.ts';
import { isGitFailure } from './failure.ts';
import {
  entry,
  type GitClient,
  type GitResult,
  packOf,
  startGitServer,
  type TestServer,
  temporaryFolder,
  workingCopy,
} from './harness.ts';
import { DEFAULT_PACK_LIMITS } from './incoming-pack.ts';
import { objectIdOf } from './object-format.ts';
import { pktLine } from './pkt-line.ts';
import { ZERO_ID } from './ref-name.ts';

const EMPTY_BLOB = 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391';

async function start(t: TestContext): Promise<{ server: TestServer; mallory: GitClient }> {
  const server = await startGitServer(t);
  const mallory = await workingCopy(t, server, 'r1');
  await mallory.commitFile('a.txt', 'a');
  await mallory.run('push', '-q', 'origin', 'main');
  await mallory.feed('', 'hash-object', '-w', '--stdin');
  return { server, mallory };
}

/** Pushes raw bytes, as no well-behaved client would, and answers what the server says. */
async function pushRaw(server: TestServer, name: string, to: string, pack: Uint8Array): Promise<string> {
  const command = pktLine(`${ZERO_ID} ${to} ${name}\0report-status`);
  const response = await fetch(`${server.remote('r1')}/git-receive-pack`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-receive-pack-request' },
    body: Buffer.concat([command, Buffer.from('0000'), pack]),
  });
  return response.text();
}

/** A tree written byte by byte. */
function treeOf(...entries: [mode: string, name: string | Buffer, id: string][]): Buffer {
  return Buffer.concat(
    entries.flatMap(([mode, name, id]) => [
      Buffer.from(`${mode} `),
      Buffer.from(name as string),
      Buffer.from([0]),
      Buffer.from(id, 'hex'),
    ]),
  );
}

async function pushTree(mallory: GitClient, tree: Buffer): Promise<GitResult> {
  const treeId = await mallory.feed(tree, 'hash-object', '--literally', '-w', '-t', 'tree', '--stdin');
  const commit = await mallory.run('commit-tree', '-m', 'hostile', treeId);
  return mallory.attempt(['push', 'origin', `${commit}:refs/heads/hostile`]);
}

function commitOf(tree: string, parent?: string): Buffer {
  const line = parent === undefined ? '' : `parent ${parent}\n`;
  return Buffer.from(`tree ${tree}\n${line}author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n`);
}

const REFUSED_TREES: [string, (blob: string) => Buffer][] = [
  ['.git', (blob) => treeOf(['100644', '.git', blob])],
  ['.GIT', (blob) => treeOf(['100644', '.GIT', blob])],
  ['git~1', (blob) => treeOf(['100644', 'git~1', blob])],
  ['.g\\u200cit', (blob) => treeOf(['100644', '.g\u200cit', blob])],
  ['".git "', (blob) => treeOf(['100644', '.git ', blob])],
  ['.git::$INDEX_ALLOCATION', (blob) => treeOf(['100644', '.git::$INDEX_ALLOCATION', blob])],
  ['..', (blob) => treeOf(['100644', '..', blob])],
  ['.', (blob) => treeOf(['100644', '.', blob])],
  ['a slash in a name', (blob) => treeOf(['100644', 'a/b', blob])],
  ['a name twice', (blob) => treeOf(['100644', 'a', blob], ['100644', 'a', blob])],
  ['an empty name', (blob) => treeOf(['100644', '', blob])],
  ['a zero-padded mode', (blob) => treeOf(['0100644', 'a', blob])],
  ['entries out of order', (blob) => treeOf(['100644', 'b', blob], ['100644', 'a', blob])],
  ['.gitmodules as a link', (blob) => treeOf(['120000', '.gitmodules', blob])],
  ['an object of zeros', () => treeOf(['100644', 'a', ZERO_ID])],
  ['bytes that are no tree', () => Buffer.from('not a tree')],
];

for (const [name, tree] of REFUSED_TREES) {
  test(`G5: a tree with ${name} is refused`, async (t) => {
    const { server, mallory } = await start(t);
    const body = tree(EMPTY_BLOB);
    const commit = commitOf(objectIdOf('tree', body));
    const pack = packOf(entry(3, 0, Buffer.alloc(0)), entry(2, body.length, body), entry(1, commit.length, commit));
    const answer = await pushRaw(server, 'refs/heads/hostile', objectIdOf('commit', commit), pack);
    assert.match(answer, /unpack (?!ok)/);
    assert.match(answer, /ng refs\/heads\/hostile/);
    assert.equal(answer.includes(server.folder), false);
    assert.equal(await mallory.run('ls-remote', 'origin', 'hostile'), '');
  });
}

for (const [name, text] of [
  ['url', '[submodule "x"]\n\tpath = x\n\turl = -u./payload\n'],
  ['path', '[submodule "x"]\n\tpath = -x\n\turl = https://example.com/x\n'],
  ['name', '[submodule "../x"]\n\tpath = x\n\turl = https://example.com/x\n'],
  ['update', '[submodule "x"]\n\tpath = x\n\turl = https://example.com/x\n\tupdate = !touch canary\n'],
  ['newline in the url', '[submodule "x"]\n\tpath = x\n\turl = "https://example.com/\\nx"\n'],
] as const) {
  test(`G5: .gitmodules with a hostile ${name} is refused`, async (t) => {
    const { mallory } = await start(t);
    const blob = await mallory.feed(text, 'hash-object', '-w', '--stdin');
    assert.equal((await pushTree(mallory, treeOf(['100644', '.gitmodules', blob]))).status, 1);
  });
}

test('G5: trees that git takes do no harm to archive and diff', async (t) => {
  const { server, mallory } = await start(t);
  const link = await mallory.feed('/etc/passwd', 'hash-object', '-w', '--stdin');
  const names: [string, string, string][] = [
    ['100644', '\u001b]0;title\u0007', EMPTY_BLOB],
    ['100644', '..\\x', EMPTY_BLOB],
    ['120000', '.gitattributes', link],
    ['100644', '<img src=x onerror=alert(1)>', EMPTY_BLOB],
    ['120000', 'link', link],
    ['100644', 'line\nend', EMPTY_BLOB],
    ['100644', 'x'.repeat(4_200), EMPTY_BLOB],
  ];
  const sorted = names.sort((a, b) => Buffer.compare(Buffer.from(a[1]), Buffer.from(b[1])));
  assert.equal((await pushTree(mallory, treeOf(...sorted))).status, 0);
  const repository = server.store.repository(server.truths.truth('r1'));
  const commitId = (await repository.state()).refs.get('refs/heads/hostile')!.id;
  const archive = Buffer.concat(await Array.fromAsync(await archiveCommit(repository, { commitId, format: 'tar' })));
  assert.equal(archive.includes('root:'), false);
  await repository.read(async ({ objects }) => {
    const { tree } = await objects.commit(commitId);
    const after = { path: '', entry: { mode: '40000', id: tree } };
    const changes = await Array.fromAsync(diffEntries(objects, { path: '', entry: null }, after));
    assert.deepEqual(
      changes.map((change) => change.after?.path),
      sorted.map(([, name]) => name),
    );
  });
});

test('G5: ten objects that unfold to billions of files are not unfolded', async (t) => {
  const { server, mallory } = await start(t);
  let tree = await mallory.feed(treeOf(['100644', 'f', EMPTY_BLOB]), 'hash-object', '-w', '-t', 'tree', '--stdin');
  for (let level = 0; level < 10; level += 1) {
    const entries = Array.from({ length: 10 }, (_, at): [string, string, string] => ['40000', `d${at}`, tree]);
    tree = await mallory.feed(treeOf(...entries), 'hash-object', '-w', '-t', 'tree', '--stdin');
  }
  const commitId = await mallory.run('commit-tree', '-m', 'bomb', tree);
  await mallory.run('push', '-q', 'origin', `${commitId}:refs/heads/bomb`);
  const repository = server.store.repository(server.truths.truth('r1'));
  await assert.rejects(archiveCommit(repository, { commitId, format: 'zip' }), (error) =>
    isGitFailure(error, 'tree-too-large'),
  );
  await repository.read(async ({ objects }) => {
    const bomb = diffEntries(objects, { path: '', entry: null }, { path: '', entry: { mode: '40000', id: tree } });
    assert.equal((await bomb.next()).value?.after?.path, `${'d0/'.repeat(10)}f`);
  });
});

for (const name of [
  'refs/heads/--upload-pack=id',
  'refs/heads/HEAD',
  `refs/heads/${'a'.repeat(40)}`,
  `refs/replace/${'b'.repeat(40)}`,
  'refs/pull/1/head',
  'refs/heads/../../config',
  'refs/heads/a\u001b[31m',
  'HEAD',
  'config',
  'refs/heads/x.lock',
]) {
  test(`G16: the reference ${JSON.stringify(name)} cannot be pushed`, async (t) => {
    const { server, mallory } = await start(t);
    const pack = Buffer.concat([Buffer.from('PACK\0\0\0\u0002\0\0\0\0')]);
    const head = await mallory.run('rev-parse', 'HEAD');
    const answer = await pushRaw(server, name, head, Buffer.concat([pack, createHash('sha1').update(pack).digest()]));
    assert.match(answer, /ng /);
    assert.doesNotMatch(answer, /ok refs/);
    assert.equal(answer.includes('\u001b'), false);
    assert.equal((await mallory.run('ls-remote', 'origin')).split('\n').length, 2);
  });
}

test('G4: push options are not offered, and refused from a client that sends them all the same', async (t) => {
  const { server, mallory } = await start(t);
  assert.match(
    (await mallory.attempt(['push', '-o', 'a;b', 'origin', 'main:refs/heads/x'])).stderr,
    /does not support push options/,
  );
  const head = await mallory.run('rev-parse', 'HEAD');
  const response = await fetch(`${server.remote('r1')}/git-receive-pack`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-receive-pack-request' },
    body: `${pktLine(`${ZERO_ID} ${head} refs/heads/x\0report-status push-options`)}00000009a;b0000`,
  });
  assert.equal(response.status, 400);
});

const blob = entry(3, 5, Buffer.from('hello'));
const whole = packOf(blob);
const BROKEN_PACKS: [string, Buffer][] = [
  ['cut off', whole.subarray(0, -10)],
  ['with a wrong checksum', Buffer.concat([whole.subarray(0, -1), Buffer.from([whole.at(-1)! ^ 1])])],
  ['with a flipped byte', Buffer.concat([whole.subarray(0, 16), Buffer.from([whole[16]! ^ 0x40]), whole.subarray(17)])],
  ['with another count', Buffer.concat([whole.subarray(0, 11), Buffer.from([9]), whole.subarray(12)])],
  ['with a size that lies', packOf(entry(3, 50, Buffer.from('hello')))],
  ['of an unknown type', packOf(entry(5, 5, Buffer.from('hello')))],
  [
    'with a difference to nothing',
    packOf(Buffer.concat([Buffer.from([0x75]), Buffer.alloc(20, 7), deflateSync(Buffer.from('\0\0\0\0\0'))])),
  ],
  ['that is no pack', Buffer.alloc(100, 'x')],
  ['that is missing', Buffer.alloc(0)],
];

for (const [name, pack] of BROKEN_PACKS) {
  test(`G9: a pack ${name} is refused and leaves nothing`, async (t) => {
    const { server, mallory } = await start(t);
    const answer = await pushRaw(server, 'refs/heads/x', await mallory.run('rev-parse', 'HEAD'), pack);
    assert.match(answer, /unpack (?!ok)/);
    assert.match(answer, /ng refs\/heads\/x/);
    assert.deepEqual(server.reported, []);
    await nothingLeft(server, 1);
  });
}

test('G9: a pack whose objects lead to ones that are nowhere is refused', async (t) => {
  const { server, mallory } = await start(t);
  const treeless = commitOf('1'.repeat(40));
  const lone = packOf(entry(1, treeless.length, treeless));
  const answer = await pushRaw(server, 'refs/heads/x', objectIdOf('commit', treeless), lone);
  assert.match(answer, /unpack did not receive expected object/);
  const orphan = commitOf(await mallory.run('rev-parse', 'HEAD^{tree}'), '2'.repeat(40));
  const pack = packOf(entry(1, orphan.length, orphan));
  assert.match(await pushRaw(server, 'refs/heads/x', objectIdOf('commit', orphan), pack), /unpack (?!ok)/);
  assert.match(
    await pushRaw(server, 'refs/heads/x', 'c'.repeat(40), whole),
    /ng refs\/heads\/x missing necessary objects/,
  );
  await nothingLeft(server, 1);
});

test('G9: a few kilobytes that declare a huge file are refused', async (t) => {
  const { server, mallory } = await start(t);
  server.rules = { limits: { ...DEFAULT_PACK_LIMITS, maxObjectBytes: 20 * 1024 * 1024 } };
  const size = 40 * 1024 * 1024;
  const answer = await pushRaw(
    server,
    'refs/heads/x',
    await mallory.run('rev-parse', 'HEAD'),
    packOf(entry(3, size, Buffer.alloc(size))),
  );
  assert.match(answer, /unpack a file is larger than/);
  await nothingLeft(server, 1);
});

test('G9: a few kilobytes that cost more processor time than they can justify are stopped', async (t) => {
  const { server, mallory } = await start(t);
  server.rules = { limits: { ...DEFAULT_PACK_LIMITS, cpuBaseMs: 0 } };
  const size = 400 * 1024 * 1024;
  const pack = packOf(entry(3, size, Buffer.alloc(size)));
  const answer = await pushRaw(server, 'refs/heads/x', await mallory.run('rev-parse', 'HEAD'), pack);
  assert.match(answer, /unpack the pack costs too much to unpack/);
  await nothingLeft(server, 1);
});

test('G9: a large pack that is refused at its end leaves nothing', async (t) => {
  const { server, mallory } = await start(t);
  const noise = randomBytes(3_000_000);
  const pack = packOf(entry(3, noise.length, noise));
  pack[pack.length - 1]! ^= 1;
  const answer = await pushRaw(server, 'refs/heads/x', await mallory.run('rev-parse', 'HEAD'), pack);
  assert.match(answer, /unpack (?!ok)/);
  await nothingLeft(server, 1);
});

test('G9: a pack beyond the limit is refused', async (t) => {
  const { server, mallory } = await start(t);
  server.rules = { limits: { ...DEFAULT_PACK_LIMITS, maxPackBytes: 50_000 } };
  mallory.config.push('core.compression=0');
  await mallory.commitFile('big', 'x'.repeat(200_000));
  assert.notEqual((await mallory.attempt(['push', 'origin', 'main'])).status, 0);
  await nothingLeft(server, 1);
});

test('G9: a difference that unfolds beyond the memory limit ends that push only', async (t) => {
  const { server, mallory } = await start(t);
  // Each level copies the one before it a hundred times: 64 KiB, 6.4 MB, 640 MB, 64 GB.
  const base = Buffer.alloc(65_536, 'b');
  const entries = [entry(3, base.length, base)];
  const offsets = [12];
  let size = base.length;
  for (let level = 0; level < 3; level += 1) {
    const copies: number[] = [];
    for (let copied = 0; copied < 100; copied += 1) {
      for (let at = 0; at < size; at += 0xffffff) {
        const length = Math.min(0xffffff, size - at);
        copies.push(
          0xff,
          at & 255,
          (at >> 8) & 255,
          (at >> 16) & 255,
          Math.floor(at / 2 ** 24) & 255,
          length & 255,
          (length >> 8) & 255,
          length >> 16,
        );
      }
    }
    const delta = Buffer.concat([varint(size), varint(size * 100), Buffer.from(copies)]);
    const here = offsets[level]! + entries[level]!.length;
    const back = here - offsets[level]!;
    entries.push(offsetEntry(delta, back));
    offsets.push(here);
    size *= 100;
  }
  const answer = await pushRaw(server, 'refs/heads/x', await mallory.run('rev-parse', 'HEAD'), packOf(...entries));
  assert.match(answer, /unpack (?!ok)/);
  await nothingLeft(server, 1);
  assert.match(await mallory.run('ls-remote', 'origin'), /main/);
});

function varint(value: number): Buffer {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    bytes[bytes.length - 1]! |= 0x80;
    bytes.push(rest % 128);
  }
  return Buffer.from(bytes);
}

function offsetEntry(delta: Buffer, back: number): Buffer {
  const whole = entry(6, delta.length, delta);
  const header = whole.subarray(0, whole.length - deflateSync(delta).length);
  const offset = [back & 127];
  for (let rest = back >> 7; rest > 0; rest >>= 7) {
    rest -= 1;
    offset.unshift(0x80 | (rest & 127));
  }
  return Buffer.concat([header, Buffer.from(offset), whole.subarray(header.length)]);
}

/** Quarantine is empty, and only the blobs of accepted packs are there. */
async function nothingLeft(server: TestServer, packs: number): Promise<void> {
  while ((await readdir(join(server.folder, 'cache', 'quarantine'))).length > 0) await new Promise(setImmediate);
  assert.equal((await Array.fromAsync(server.blobs.list('git/r1'))).length, packs * 2);
}

test('G14: of pushes to one branch at the same time exactly one wins each round', async (t) => {
  const server = await startGitServer(t);
  const first = await workingCopy(t, server, 'r1');
  await first.commitFile('a', '0');
  await first.run('push', '-q', 'origin', 'main');
  const rivals = await Promise.all(Array.from({ length: 6 }, () => workingCopy(t, server, 'r1')));
  for (let round = 0; round < 3; round += 1) {
    await Promise.all(
      rivals.map(async (rival, at) => {
        await rival.run('fetch', '-q', 'origin');
        await rival.run('reset', '-q', '--hard', 'origin/main');
        await rival.commitFile(`by-${at}`, `${round}`);
      }),
    );
    const results = await Promise.all(rivals.map((rival) => rival.attempt(['push', 'origin', 'main'])));
    const winners = results.flatMap((result, at) => (result.status === 0 ? [at] : []));
    assert.equal(winners.length, 1);
    assert.equal(
      (await first.run('ls-remote', 'origin', 'main')).slice(0, 40),
      await rivals[winners[0]!]!.run('rev-parse', 'HEAD'),
    );
  }
  await first.run('fetch', '-q', 'origin');
  assert.equal(await first.run('rev-list', '--count', 'origin/main'), '4');
  assert.deepEqual(server.reported, []);
});

test('G14: a branch and a folder of the same name cannot both win', async (t) => {
  const { server, mallory } = await start(t);
  const head = await mallory.run('rev-parse', 'HEAD');
  const other = await workingCopy(t, server, 'r1');
  await other.run('fetch', '-q', 'origin');
  const results = await Promise.all([
    mallory.attempt(['push', 'origin', `${head}:refs/heads/x`]),
    other.attempt(['push', 'origin', `${head}:refs/heads/x/y`]),
  ]);
  assert.deepEqual(results.map((result) => result.status).sort(), [0, 1]);
});

test('G16: hooks, configuration and attributes in pushed content are content', async (t) => {
  const { server, mallory } = await start(t);
  const canary = join(await temporaryFolder(t), 'canary');
  for (const name of ['post-receive', 'pre-receive', 'update', 'post-update', 'config', 'objects-info-alternates']) {
    await mallory.commitFile(name, `#!/bin/sh\ntouch ${canary}\n`);
  }
  await mallory.commitFile(
    '.gitattributes',
    '* export-subst filter=evil\nsecret.txt export-ignore\n*.crlf eol=crlf\n*.u16 working-tree-encoding=UTF-16\n',
  );
  await mallory.commitFile('secret.txt', '$Format:%H$\n');
  await mallory.commitFile('x.crlf', 'a\nb\n');
  await mallory.run('push', '-q', 'origin', 'main');
  const repository = server.store.repository(server.truths.truth('r1'));
  const commitId = await mallory.run('rev-parse', 'HEAD');
  const archive = Buffer.concat(await Array.fromAsync(await archiveCommit(repository, { commitId, format: 'tar' })));
  assert.ok(archive.includes('secret.txt'));
  assert.ok(archive.includes('$Format:%H$\n'));
  assert.ok(archive.includes('a\nb\n'));
  await assert.rejects(readdir(canary), { code: 'ENOENT' });
});
