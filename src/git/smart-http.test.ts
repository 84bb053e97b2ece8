import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { entry, GitClient, packOf, startGitServer, type TestServer, temporaryFolder, workingCopy } from './harness.ts';
import { pktLine } from './pkt-line.ts';
import { ZERO_ID } from './ref-name.ts';

/** A client's repository whose commits are pushed already. */
async function seeded(t: TestContext, commits = 3): Promise<{ server: TestServer; alice: GitClient }> {
  const server = await startGitServer(t);
  const alice = await workingCopy(t, server, 'r1');
  for (let number = 1; number <= commits; number += 1) await alice.commitFile('a.txt', `line ${number}\n`);
  await alice.run('push', '-q', 'origin', 'main');
  return { server, alice };
}

async function clone(t: TestContext, server: TestServer, ...options: string[]): Promise<GitClient> {
  const client = new GitClient(await temporaryFolder(t));
  await client.run('clone', '-q', ...options, server.remote('r1'), '.');
  return client;
}

test('what one user pushes another one clones and fetches', async (t) => {
  const { server, alice } = await seeded(t);
  const bob = await clone(t, server);
  assert.equal(await bob.run('rev-parse', 'HEAD'), await alice.run('rev-parse', 'HEAD'));
  await alice.commitFile('b.txt', 'more\n');
  await alice.run('push', '-q', 'origin', 'main');
  await bob.run('pull', '-q');
  assert.equal(await readFile(join(bob.folder, 'b.txt'), 'utf8'), 'more\n');
  await bob.run('fsck', '--strict');
  assert.deepEqual(server.reported, []);
});

test('ls-refs is answered without a git process', async (t) => {
  const { server, alice } = await seeded(t);
  const spawn = t.mock.method(server.store.surroundings.git, 'spawn');
  const listed = await alice.run('ls-remote', '--symref', 'origin');
  const head = await alice.run('rev-parse', 'HEAD');
  assert.equal(listed, `ref: refs/heads/main\tHEAD\n${head}\tHEAD\n${head}\trefs/heads/main`);
  assert.equal(spawn.mock.callCount(), 0);
  assert.equal(server.requests.at(-1)?.protocol, 'version=2');
});

test('an empty repository can be cloned and pushed to', async (t) => {
  const server = await startGitServer(t);
  const bob = await clone(t, server);
  await bob.run('checkout', '-q', '-b', 'main');
  await bob.commitFile('x', '1');
  await bob.run('push', '-q', 'origin', 'main');
  assert.equal(await bob.run('ls-remote', 'origin', 'main'), `${await bob.run('rev-parse', 'HEAD')}\trefs/heads/main`);
});

for (const version of ['0', '1', '2']) {
  test(`a client of protocol version ${version} clones, fetches and sees tags`, async (t) => {
    const { server, alice } = await seeded(t);
    await alice.run('tag', '-a', 'v1', '-m', 'one');
    await alice.run('tag', 'light');
    await alice.run('push', '-q', 'origin', '--tags');
    const bob = new GitClient(await temporaryFolder(t));
    bob.config.push(`protocol.version=${version}`);
    await bob.run('clone', '-q', server.remote('r1'), '.');
    assert.equal(await bob.run('rev-parse', 'v1^{commit}'), await alice.run('rev-parse', 'HEAD'));
    const listed = await bob.run('ls-remote', '--tags', 'origin');
    assert.match(listed, new RegExp(`${await alice.run('rev-parse', 'HEAD')}\trefs/tags/v1\\^\\{\\}`));
    await alice.commitFile('late.txt', 'late');
    await alice.run('push', '-q', 'origin', 'main');
    await bob.run('fetch', '-q');
    assert.equal(await bob.run('rev-parse', 'origin/main'), await alice.run('rev-parse', 'main'));
    assert.deepEqual(server.reported, []);
  });

  test(`shallow and deepened clones with protocol version ${version}`, async (t) => {
    const { server } = await seeded(t, 5);
    const bob = new GitClient(await temporaryFolder(t));
    bob.config.push(`protocol.version=${version}`);
    await bob.run('clone', '-q', '--depth=1', server.remote('r1'), '.');
    assert.equal(await bob.run('rev-list', '--count', 'HEAD'), '1');
    await bob.run('fetch', '-q', '--deepen=2');
    assert.equal(await bob.run('rev-list', '--count', 'HEAD'), '3');
    await bob.run('fetch', '-q', '--unshallow');
    assert.equal(await bob.run('rev-list', '--count', 'HEAD'), '5');
  });
}

test('a shallow clone can push', async (t) => {
  const { server, alice } = await seeded(t, 4);
  const bob = await clone(t, server, '--depth=1');
  await bob.commitFile('bob.txt', 'hello');
  await bob.run('push', '-q', 'origin', 'main');
  await alice.run('pull', '-q', 'origin', 'main');
  assert.equal(await alice.run('rev-list', '--count', 'HEAD'), '5');
});

test('partial clones fetch blobs when they need them', async (t) => {
  const { server } = await seeded(t);
  const bob = await clone(t, server, '--filter=blob:none', '--no-checkout');
  assert.match(await bob.run('rev-list', '--objects', '--missing=print', 'HEAD'), /^\?[0-9a-f]{40}$/m);
  await bob.run('checkout', '-q', 'main');
  assert.equal(await readFile(join(bob.folder, 'a.txt'), 'utf8'), 'line 3\n');
  const treeless = await clone(t, server, '--filter=tree:0');
  assert.equal(await readFile(join(treeless.folder, 'a.txt'), 'utf8'), 'line 3\n');
});

test('a filter that names an object as its rules is refused', async (t) => {
  const { server, alice } = await seeded(t);
  const bob = new GitClient(await temporaryFolder(t));
  const blob = await alice.run('rev-parse', 'HEAD:a.txt');
  const result = await bob.attempt([
    'clone',
    '-q',
    `--filter=sparse:oid=${blob}`,
    '--no-checkout',
    server.remote('r1'),
    '.',
  ]);
  assert.notEqual(result.status, 0);
  assert.match(result.stderr, /sparse:oid/);
});

test('branches and tags are deleted, and the client is told what it may not', async (t) => {
  const { server, alice } = await seeded(t);
  await alice.run('push', '-q', 'origin', 'main:refs/heads/old', 'main:refs/tags/t');
  await alice.run('push', '-q', 'origin', ':refs/heads/old', ':refs/tags/t');
  assert.equal((await alice.run('ls-remote', 'origin')).includes('old'), false);
  server.rules = {
    authorize: async (commands) => new Map(commands.map(({ name }) => [name, 'you may not, says AWS'])),
  };
  const result = await alice.attempt(['push', 'origin', ':main']);
  assert.equal(result.status, 1);
  assert.match(result.stderr, /\[remote rejected\] main \(you may not, says AWS\)/);
});

test('rewritten history needs force, and the transaction learns of it', async (t) => {
  const { server, alice } = await seeded(t);
  const seen: boolean[] = [];
  server.rules = {
    commit: async (change) => {
      seen.push(...change.updates.map((update) => update.forced));
      return server.truths.commit('r1', change);
    },
  };
  await alice.commitFile('b.txt', 'forward');
  await alice.run('push', '-q', 'origin', 'main');
  await alice.run('reset', '-q', '--hard', 'HEAD~2');
  await alice.commitFile('c.txt', 'other');
  assert.match((await alice.attempt(['push', 'origin', 'main'])).stderr, /non-fast-forward/);
  await alice.run('push', '-q', '--force', 'origin', 'main');
  await alice.run('push', '-q', 'origin', 'main:refs/heads/new');
  assert.deepEqual(seen, [false, true, false]);
});

test('a long way back is found out to be forward or not', async (t) => {
  const { server, alice } = await seeded(t, 1);
  const stream = Array.from({ length: 600 }, (_, at) => {
    const from = at === 0 ? `from ${'refs/heads/main^0'}\n` : '';
    return `commit refs/heads/long\nmark :${at + 1}\ncommitter A <a@b> ${1_700_000_000 + at} +0000\ndata 1\nx\n${from}`;
  });
  await alice.feed(stream.join(''), 'fast-import', '--quiet');
  const seen: boolean[] = [];
  server.rules = {
    commit: async (change) => {
      seen.push(...change.updates.map((update) => update.forced));
      return server.truths.commit('r1', change);
    },
  };
  await alice.run('push', '-q', 'origin', 'long:main');
  await alice.run('push', '-q', '--force', 'origin', 'long~599:main');
  assert.deepEqual(seen, [false, true]);
});

test('an atomic push is all or nothing', async (t) => {
  const { server, alice } = await seeded(t);
  await alice.commitFile('b.txt', 'b');
  server.rules = { authorize: async () => new Map([['refs/heads/locked', 'locked']]) };
  const result = await alice.attempt(['push', '--atomic', 'origin', 'main', 'main:locked']);
  assert.equal(result.status, 1);
  assert.equal((await alice.run('ls-remote', 'origin')).includes(await alice.run('rev-parse', 'HEAD')), false);
  await alice.attempt(['push', 'origin', 'main', 'main:locked']);
  assert.match(await alice.run('ls-remote', 'origin', 'main'), new RegExp(await alice.run('rev-parse', 'HEAD')));
});

test('4,000 references go in one push, 4,001 do not', async (t) => {
  const { server, alice } = await seeded(t, 1);
  const head = await alice.run('rev-parse', 'HEAD');
  const push = (folder: string, count: number) => {
    const commands = Array.from({ length: count }, (_, at) => {
      return pktLine(`${ZERO_ID} ${head} refs/heads/${folder}/${at}${at === 0 ? '\0report-status' : ''}`);
    });
    const emptyPack = Buffer.concat([Buffer.from('0000PACK\0\0\0\u0002\0\0\0\0')]);
    const checksum = createHash('sha1').update(emptyPack.subarray(4)).digest();
    return fetch(`${server.remote('r1')}/git-receive-pack`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-git-receive-pack-request' },
      body: Buffer.concat([...commands, emptyPack, checksum]),
    });
  };
  const report = await (await push('n', 4_000)).text();
  assert.match(report, /^000eunpack ok\n/);
  assert.equal(report.match(/ok refs\/heads\/n\//g)?.length, 4_000);
  assert.equal((await alice.run('ls-remote', 'origin', 'n/*')).split('\n').length, 4_000);
  assert.equal((await push('m', 4_001)).status, 400);
  assert.equal(await alice.run('ls-remote', 'origin', 'm/*'), '');
});

test('D/F conflicts are refused within a push and against what is there', async (t) => {
  const { alice } = await seeded(t);
  await alice.run('push', '-q', 'origin', 'main:refs/heads/a/b');
  for (const name of ['a', 'a/b/c']) {
    assert.match((await alice.attempt(['push', 'origin', `main:refs/heads/${name}`])).stderr, /cannot create/);
  }
  const both = await alice.attempt(['push', 'origin', 'main:refs/heads/x', 'main:refs/heads/x/y']);
  assert.match(both.stderr, /cannot create/);
  await alice.run('push', '-q', 'origin', ':refs/heads/a/b', 'main:refs/heads/a');
});

test('the cache may be deleted between and during requests', async (t) => {
  const { server, alice } = await seeded(t);
  await clone(t, server);
  await rm(join(server.folder, 'cache', 'repositories'), { recursive: true });
  // Asked for in other words, or the answer that is kept in memory would do.
  const bob = await clone(t, server, '--depth=3');
  assert.equal(await bob.run('rev-list', '--count', 'HEAD'), '3');
  await rm(join(server.folder, 'cache', 'repositories', 'r1', 'objects', 'pack'), { recursive: true });
  await alice.commitFile('b.txt', 'b');
  const first = await alice.attempt(['push', 'origin', 'main']);
  if (first.status !== 0) await alice.run('push', '-q', 'origin', 'main');
  const carol = await clone(t, server);
  assert.equal(await carol.run('rev-list', '--count', 'HEAD'), '4');
});

test('a large thin pack is stored with what it left out', async (t) => {
  const { server, alice } = await seeded(t);
  const lines = Array.from({ length: 40_000 }, (_, at) => randomBytes(30).toString('hex') + at);
  await alice.commitFile('large.txt', lines.join('\n'));
  await alice.run('push', '-q', 'origin', 'main');
  lines[20_000] = 'changed';
  await alice.commitFile('large.txt', lines.join('\n'));
  await writeFile(join(alice.folder, 'noise'), randomBytes(2_000_000));
  await alice.run('add', '.');
  await alice.run('commit', '-q', '-m', 'noise');
  await alice.run('push', '-q', 'origin', 'main');
  await rm(join(server.folder, 'cache', 'repositories'), { recursive: true });
  const bob = await clone(t, server);
  await bob.run('fsck');
  assert.equal(await bob.run('rev-parse', 'HEAD'), await alice.run('rev-parse', 'HEAD'));
});

test('the same fetch again, and at the same time, is answered by one git process until something changes', async (t) => {
  const { server, alice } = await seeded(t);
  const spawn = t.mock.method(server.store.surroundings.git, 'spawn');
  await Promise.all(Array.from({ length: 6 }, () => clone(t, server)));
  await clone(t, server);
  assert.equal(spawn.mock.callCount(), 1);
  await alice.commitFile('new.txt', 'new');
  await alice.run('push', '-q', 'origin', 'main');
  const bob = await clone(t, server);
  assert.equal(await bob.run('rev-parse', 'HEAD'), await alice.run('rev-parse', 'HEAD'));
});

test('an answer that git refuses is not kept, and the client hears why', async (t) => {
  const { server } = await seeded(t);
  const body = Buffer.concat([
    pktLine('command=fetch'),
    Buffer.from('0001'),
    pktLine(`want ${'d'.repeat(40)}\n`),
    pktLine('done\n'),
    Buffer.from('0000'),
  ]);
  const headers = { 'git-protocol': 'version=2', 'content-type': 'application/x-git-upload-pack-request' };
  for (const round of [1, 2]) {
    const response = await fetch(`${server.remote('r1')}/git-upload-pack`, { method: 'POST', headers, body });
    assert.match(await response.text(), /ERR upload-pack: not our ref d{40}/);
    assert.equal(server.reported.length, round);
  }
});

test('a transaction that fails is no success, and leaves nothing in the way', async (t) => {
  const { server, alice } = await seeded(t);
  server.rules = { commit: async () => Promise.reject(new Error('the disk is full')) };
  await alice.commitFile('b.txt', 'b');
  const failed = await alice.attempt(['push', 'origin', 'main']);
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /internal error/);
  assert.doesNotMatch(failed.stderr, /disk/);
  assert.match(String(server.reported[0]), /the disk is full/);
  server.rules = {};
  await alice.run('push', '-q', 'origin', 'main');
  const quarantine = join(server.folder, 'cache', 'quarantine');
  while ((await readdir(quarantine)).length > 0) await new Promise(setImmediate);
});

test('a gzip request is understood; a bomb in it is refused with 413', async (t) => {
  const { server } = await seeded(t);
  const lsRefs = Buffer.concat([
    pktLine('command=ls-refs\n'),
    Buffer.from('0001'),
    pktLine('peel\n'),
    Buffer.from('0000'),
  ]);
  const headers = {
    'git-protocol': 'version=2',
    'content-encoding': 'gzip',
    'content-type': 'application/x-git-upload-pack-request',
  };
  const url = `${server.remote('r1')}/git-upload-pack`;
  const good = await fetch(url, { method: 'POST', headers, body: gzipSync(lsRefs) });
  assert.match(await good.text(), /refs\/heads\/main/);
  const fetching = pktLine('command=fetch\n');
  const bomb = gzipSync(Buffer.concat([fetching, Buffer.alloc(80 * 1024 * 1024, '0009done\n')]));
  const before = process.memoryUsage().rss;
  const refused = await fetch(url, { method: 'POST', headers, body: bomb });
  assert.ok([400, 413, 200].includes(refused.status));
  assert.doesNotMatch(await refused.text(), /PACK/);
  const longLsRefs = gzipSync(
    Buffer.concat([
      pktLine('command=ls-refs\n'),
      Buffer.from('0001'),
      Buffer.alloc(2_000_000, pktLine('ref-prefix x\n')),
    ]),
  );
  assert.equal((await fetch(url, { method: 'POST', headers, body: longLsRefs })).status, 413);
  assert.equal((await fetch(url, { method: 'POST', headers, body: 'no gzip at all' })).status, 400);
  assert.ok(process.memoryUsage().rss - before < 200 * 1024 * 1024);
});

test('G11: only the three requests of smart HTTP exist', async (t) => {
  const { server } = await seeded(t);
  for (const path of [
    '/HEAD',
    '/config',
    '/info/refs',
    '/objects/info/packs',
    '/info/refs?service=git-upload-archive',
    '/info/refs?service=git-upload-pack&service=x',
    '/git-upload-archive',
    '/packed-refs',
    '/../r1/HEAD',
  ]) {
    assert.equal((await fetch(`${server.remote('r1')}${path}`)).status, 404, path);
  }
  assert.equal((await fetch(`${server.remote('r1')}/git-upload-pack`)).status, 404);
  const wrongType = await fetch(`${server.remote('r1')}/git-upload-pack`, { method: 'POST', body: '0000' });
  assert.equal(wrongType.status, 400);
});

test('G13: a client that hangs up takes its git along', async (t) => {
  const { server } = await seeded(t);
  const started = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const { git } = server.store.surroundings;
  const spawn = git.spawn.bind(git);
  t.mock.method(git, 'spawn', (...args: Parameters<typeof spawn>) => {
    const child = spawn(...args);
    if (args[0][0] === 'index-pack') {
      started.resolve();
      child.ended.then((end) => (end.stopped === 'abort' ? ended.resolve() : ended.reject(end)));
    }
    return child;
  });
  const commands = pktLine(`${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/x\0report-status`);
  const pack = packOf(entry(3, 3_000_000, randomBytes(3_000_000)));
  const body = Buffer.concat([commands, Buffer.from('0000'), pack.subarray(0, 2_000_000)]);
  const pushing = request(`${server.remote('r1')}/git-receive-pack`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-receive-pack-request', 'content-length': 5_000_000 },
  });
  pushing.on('error', () => pushing.destroy());
  pushing.write(body);
  await started.promise;
  pushing.destroy();
  await ended.promise;
});

test('G13: slow pushes keep no quick one waiting', async (t) => {
  const { server, alice } = await seeded(t);
  const commands = pktLine(`${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/x\0report-status`);
  const slow = Array.from({ length: 12 }, () => {
    const pushing = request(`${server.remote('r1')}/git-receive-pack`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-git-receive-pack-request', 'content-length': 5_000 },
    });
    pushing.on('error', () => pushing.destroy());
    pushing.write(Buffer.concat([commands, Buffer.from('0000'), packOf(entry(3, 9, Buffer.alloc(9))).subarray(0, 34)]));
    return pushing;
  });
  while (server.requests.filter(({ path }) => path.endsWith('/git-receive-pack')).length < 13) {
    await new Promise(setImmediate);
  }
  await alice.commitFile('quick.txt', 'quick');
  await alice.run('push', '-q', 'origin', 'main');
  for (const pushing of slow) pushing.destroy();
});

test('bytes that are no protocol are refused and the server lives on', async (t) => {
  const { server, alice } = await seeded(t);
  const type = { 'content-type': 'application/x-git-receive-pack-request' };
  const url = `${server.remote('r1')}/git-receive-pack`;
  for (const body of [
    'garbage',
    '0010short',
    pktLine('x'),
    pktLine(`${'0'.repeat(40)} ${'0'.repeat(40)} refs/heads/x\0`),
  ]) {
    const response = await fetch(url, {
      method: 'POST',
      headers: type,
      body: Buffer.concat([Buffer.from(body), Buffer.from('0000')]),
    });
    assert.equal(response.status, 400);
  }
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.end(
    'POST /r1/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-git-receive-pack-request\r\nContent-Length: 500\r\n\r\n0094',
  );
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
  assert.match(await alice.run('ls-remote', 'origin'), /main/);
});

test('objects of a tag on a tree and of a tag on a tag are kept', async (t) => {
  const { server, alice } = await seeded(t);
  await alice.run('tag', '-a', 'tree-tag', '-m', 'a tree', 'HEAD^{tree}');
  await alice.run('tag', '-a', 'inner', '-m', 'inner');
  await alice.run('tag', '-a', 'outer', '-m', 'outer', 'inner');
  await alice.run('push', '-q', 'origin', 'tree-tag', 'outer');
  const state = await server.store.repository(server.truths.truth('r1')).state();
  assert.equal(state.refs.get('refs/tags/outer')?.peeled, await alice.run('rev-parse', 'HEAD'));
  assert.equal(state.refs.get('refs/tags/tree-tag')?.peeled, await alice.run('rev-parse', 'HEAD^{tree}'));
  const refused = await alice.attempt(['push', 'origin', 'HEAD^{tree}:refs/heads/tree']);
  assert.notEqual(refused.status, 0);
});

test('a push of many files in a big pack arrives whole', async (t) => {
  const { server, alice } = await seeded(t);
  for (let file = 0; file < 200; file += 1) {
    await writeFile(
      join(alice.folder, `f${file}`),
      Array.from({ length: 900 }, (_, line) => `${file * line * 7919}`).join('\n'),
    );
  }
  await alice.run('add', '.');
  await alice.run('commit', '-q', '-m', 'many');
  alice.config.push('core.compression=0');
  await alice.run('push', '-q', 'origin', 'main');
  const bob = await clone(t, server);
  await bob.run('fsck', '--strict');
  assert.equal(await bob.run('rev-parse', 'HEAD^{tree}'), await alice.run('rev-parse', 'HEAD^{tree}'));
});

test('a large answer that is asked for again and again is packed twice, then read from a file', async (t) => {
  const { server, alice } = await seeded(t);
  for (let file = 0; file < 3; file += 1) await writeFile(join(alice.folder, `big${file}`), randomBytes(1_000_000));
  await alice.run('add', '.');
  await alice.run('commit', '-q', '-m', 'big');
  await alice.run('push', '-q', 'origin', 'main');
  const spawn = t.mock.method(server.store.surroundings.git, 'spawn');
  const answers = join(server.folder, 'cache', 'answers');
  for (let round = 0; round < 4; round += 1) {
    const bob = await clone(t, server);
    await bob.run('fsck');
    assert.equal(await bob.run('rev-parse', 'HEAD'), await alice.run('rev-parse', 'HEAD'));
    while (round === 1 && !(await readdir(answers)).some((name) => name.endsWith('.answer'))) {
      await new Promise(setImmediate);
    }
  }
  assert.equal(spawn.mock.callCount(), 2);
  await server.store.remove(server.truths.truth('r1'));
  assert.deepEqual(await readdir(answers), []);
  await clone(t, server);
  await clone(t, server);
  await rm(answers, { recursive: true });
  await (await clone(t, server)).run('fsck');
  await (await clone(t, server)).run('fsck');
  assert.deepEqual(server.reported, []);
});

test('a client that hangs up in the midst of a large answer leaves no half of it behind', async (t) => {
  const { server, alice } = await seeded(t);
  await writeFile(join(alice.folder, 'big'), randomBytes(8_000_000));
  await alice.run('add', '.');
  await alice.run('commit', '-q', '-m', 'big');
  await alice.run('push', '-q', 'origin', 'main');
  await clone(t, server);
  const request = Buffer.concat([
    pktLine('command=fetch'),
    Buffer.from('0001'),
    pktLine(`want ${await alice.run('rev-parse', 'HEAD')}\n`),
    pktLine('done\n'),
    Buffer.from('0000'),
  ]);
  const headers = { 'git-protocol': 'version=2', 'content-type': 'application/x-git-upload-pack-request' };
  const url = `${server.remote('r1')}/git-upload-pack`;
  for (let round = 0; round < 3; round += 1) {
    const abort = new AbortController();
    const response = await fetch(url, { method: 'POST', headers, body: request, signal: abort.signal });
    await response.body!.getReader().read();
    abort.abort();
  }
  const repository = server.store.repository(server.truths.truth('r1'));
  while (repository.busy) await new Promise(setImmediate);
  const whole = await fetch(url, { method: 'POST', headers, body: request });
  assert.ok((await whole.arrayBuffer()).byteLength > 8_000_000);
  const left = async () =>
    (await readdir(join(server.folder, 'cache', 'answers'))).filter((name) => !name.endsWith('.answer'));
  while ((await left()).length > 0) await new Promise(setImmediate);
});
