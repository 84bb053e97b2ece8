import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { type GitClient, startGitServer, type TestServer, temporaryFolder, workingCopy } from './harness.ts';
import { PacketReader, pktLine } from './pkt-line.ts';

/** References of every kind: names at the edges of the order, annotated tags, tags of tags, tags of files. */
async function withReferences(t: TestContext): Promise<{ server: TestServer; alice: GitClient; bare: string }> {
  const server = await startGitServer(t);
  const alice = await workingCopy(t, server, 'r1');
  await alice.commitFile('a.txt', 'a');
  const blob = await alice.run('rev-parse', 'HEAD:a.txt');
  for (const name of ['a-b', 'a.b', 'a/b', 'm', 'zoé', 'Z', 'main2']) await alice.run('branch', name);
  await alice.commitFile('a.txt', 'b');
  await alice.run('tag', 'light');
  await alice.run('tag', '-m', 'one', 'v1');
  await alice.run('tag', '-m', 'of a tag', 'v1.1', 'v1');
  await alice.run('tag', '-m', 'of a file', 'file', blob);
  await alice.run('notes', 'add', '-m', 'a note');
  await alice.run('push', '-q', 'origin', 'main');
  await alice.run('push', '-q', '--all', 'origin');
  await alice.run('push', '-q', 'origin', '--tags');
  await alice.run('push', '-q', 'origin', 'refs/notes/commits');
  const bare = await temporaryFolder(t);
  await alice.run('init', '-q', '--bare', '-b', 'main', bare);
  await alice.run('push', '-q', bare, ...['heads', 'tags', 'notes'].map((kind) => `refs/${kind}/*:refs/${kind}/*`));
  await alice.run('-C', bare, 'config', 'uploadpack.allowFilter', 'true');
  return { server, alice, bare };
}

/** What the real server answers. */
function uploadPack(args: readonly string[], protocol: string, input: Uint8Array | string = ''): Promise<Buffer> {
  const env = { PATH: process.env['PATH'], GIT_PROTOCOL: protocol, GIT_CONFIG_NOSYSTEM: '1', HOME: '/nonexistent' };
  const child = spawn('git', args, { env });
  // One that only advertises reads nothing.
  child.stdin.on('error', () => child.stdin.destroy());
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', () => resolve(Buffer.concat(chunks)));
  });
}

async function bytesOf(url: string, init: RequestInit): Promise<Buffer> {
  const response = await fetch(url, init);
  assert.equal(response.status, 200);
  return Buffer.from(await response.arrayBuffer());
}

/** All lines; of the first reference's, what stands behind NUL by itself. */
async function linesOf(bytes: Buffer): Promise<{ lines: string[]; capabilities: string[] }> {
  const reader = new PacketReader(
    (async function* () {
      yield bytes;
    })(),
  );
  const lines: string[] = [];
  let capabilities: string[] = [];
  for (let packet = await reader.next(); packet !== 'end'; packet = await reader.next()) {
    const [line, said] = (typeof packet === 'string' ? packet : packet.toString()).split('\0');
    lines.push(said === undefined ? line! : `${line}\n`);
    if (said !== undefined) capabilities = said.trim().split(' ');
  }
  return { lines, capabilities };
}

for (const [version, service] of [
  [0, 'git-upload-pack'],
  [1, 'git-upload-pack'],
  [0, 'git-receive-pack'],
  [1, 'git-receive-pack'],
] as const) {
  test(`references are advertised by ${service} as git does, in version ${version}`, async (t) => {
    const { server, bare } = await withReferences(t);
    const protocol = `version=${version}`;
    const ours = await bytesOf(`${server.remote('r1')}/info/refs?service=${service}`, {
      headers: { 'git-protocol': protocol },
    });
    const theirs = await uploadPack([service.slice('git-'.length), '--http-backend-info-refs', bare], protocol);
    const expected = await linesOf(theirs);
    const { lines, capabilities } = await linesOf(ours);
    assert.deepEqual(lines, [`# service=${service}\n`, 'flush', ...expected.lines]);
    assert.equal(lines.includes('version 1\n'), version === 1);
    // What is offered here git offers, too, in the same words.
    const notOffered = capabilities.filter((one) => !one.startsWith('agent=') && !expected.capabilities.includes(one));
    assert.deepEqual(notOffered, []);
    const symref = (list: readonly string[]) => list.filter((one) => one.startsWith('symref='));
    assert.deepEqual(symref(capabilities), symref(expected.capabilities));
  });
}

for (const args of [
  [],
  ['peel', 'symrefs'],
  ['symrefs', 'ref-prefix refs/heads/a'],
  ['peel', 'symrefs', 'unborn', 'ref-prefix refs/heads/', 'ref-prefix refs/tags/', 'ref-prefix HEAD'],
  ['peel', 'ref-prefix refs/tags/v1', 'ref-prefix refs/tags/v1'],
  ['ref-prefix refs/heads/zo\u00e9', 'ref-prefix refs/notes/'],
  ['peel', 'ref-prefix nothing'],
]) {
  test(`ls-refs (${args.join(', ') || 'without arguments'}) is answered in the very bytes of git`, async (t) => {
    const { server, bare } = await withReferences(t);
    const request = Buffer.concat([
      pktLine('command=ls-refs\n'),
      pktLine('object-format=sha1'),
      Buffer.from('0001'),
      ...args.map((arg) => pktLine(`${arg}\n`)),
      Buffer.from('0000'),
    ]);
    const expected = await uploadPack(['upload-pack', '--stateless-rpc', bare], 'version=2', request);
    const ask = () =>
      bytesOf(`${server.remote('r1')}/git-upload-pack`, {
        method: 'POST',
        body: request,
        headers: { 'git-protocol': 'version=2', 'content-type': 'application/x-git-upload-pack-request' },
      });
    assert.equal((await ask()).toString(), expected.toString());
    assert.equal((await ask()).toString(), expected.toString());
  });
}

test('a reference that moves, one that comes and one that goes are seen at once', async (t) => {
  const { server, alice } = await withReferences(t);
  const main = async () => (await alice.run('ls-remote', 'origin', 'refs/heads/main')).slice(0, 40);
  assert.equal(await main(), await alice.run('rev-parse', 'main'));
  await alice.commitFile('a.txt', 'c');
  await alice.run('push', '-q', 'origin', 'main', 'main:refs/heads/fresh', ':refs/heads/m');
  assert.equal(await main(), await alice.run('rev-parse', 'main'));
  const names = (await alice.run('ls-remote', '--heads', 'origin')).split('\n').map((line) => line.slice(41));
  assert.ok(names.includes('refs/heads/fresh') && !names.includes('refs/heads/m'));
  const old = await alice.run('-c', 'protocol.version=0', 'ls-remote', '--heads', 'origin');
  assert.deepEqual(
    old.split('\n').map((line) => line.slice(41)),
    names,
  );
  assert.deepEqual(server.reported, []);
});
