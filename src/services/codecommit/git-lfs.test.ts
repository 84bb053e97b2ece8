import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { startServer, type TestServer, temporaryFolder } from '../../../test/harness.ts';

const run = promisify(execFile);

/** A user's git password as a Basic header, and the user in a URL. */
async function gitUser(server: TestServer, name: string, policy?: object) {
  await server.user(name, policy);
  const { ServiceSpecificCredential: credential } = await server.root_.iam.createServiceSpecificCredential({
    UserName: name,
    ServiceName: 'codecommit.amazonaws.com',
  });
  const [user, password] = [credential!.ServiceUserName!, credential!.ServicePassword!];
  return {
    header: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
    url: server.url.replace('http://', `http://${encodeURIComponent(user)}:${encodeURIComponent(password)}@`),
  };
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const READER = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: ['codecommit:GitPull', 'kms:Decrypt'], Resource: '*' }],
};

async function isThere(): Promise<boolean> {
  return run('git', ['lfs', 'version']).then(
    () => true,
    () => false,
  );
}

test('git lfs with a wrong password ends and says so, where it would ask for ever', async (t) => {
  if (!(await isThere())) {
    t.skip('needs git-lfs');
    return;
  }
  const server = await startServer(t);
  await server.root_.codecommit.createRepository({ repositoryName: 'app' });
  const cwd = await temporaryFolder(t);
  const env = { ...server.env(server.root), HOME: cwd, GIT_TERMINAL_PROMPT: '0' };
  const git = (...args: string[]) => run('git', args, { cwd, env, timeout: 30_000 });
  await git('lfs', 'install', '--skip-repo');
  await git('init', '-q', '-b', 'main');
  await git('lfs', 'track', '*.bin');
  await writeFile(join(cwd, 'model.bin'), 'large');
  await git('add', '.');
  await git('-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '-qm', 'one');
  // A helper that knows nothing else, as one for builds does.
  await git('config', 'credential.helper', '!f() { echo username=alice-at-123456789012; echo password=wrong; }; f');
  const failed = await git('lfs', 'push', `${server.url}/v1/repos/app`, 'main').then(
    () => assert.fail('it did not fail'),
    (error: { killed: boolean; stderr: string }) => error,
  );
  assert.equal(failed.killed, false, 'it asked again and again');
  assert.match(failed.stderr, /The user name or the password is wrong, or these git credentials are inactive\./);

  const batch = `${server.url}/v1/repos/app.git/info/lfs/objects/batch`;
  const missing = await fetch(batch, { method: 'POST' });
  assert.equal(missing.status, 401);
  assert.match(missing.headers.get('www-authenticate') ?? '', /^Basic /);
  const wrong = { authorization: `Basic ${Buffer.from('alice-at-123456789012:wrong').toString('base64')}` };
  const nothing = { ...wrong, authorization: `Basic ${Buffer.from('nobody:wrong').toString('base64')}` };
  const [one, two] = await Promise.all(
    [wrong, nothing].map(async (headers) => {
      const answer = await fetch(batch, { method: 'POST', headers });
      return [answer.status, await answer.text()];
    }),
  );
  assert.equal(one![0], 403);
  assert.deepEqual(one, two);
});

test('git lfs pushes and fetches large files, which lie sealed on disk', async (t) => {
  if (!(await isThere())) {
    t.skip('needs git-lfs');
    return;
  }
  const server = await startServer(t);
  await server.root_.codecommit.createRepository({ repositoryName: 'app' });
  const alice = await gitUser(server, 'alice');
  const folder = await temporaryFolder(t);
  const env = {
    ...server.env(server.root),
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@example.com',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@example.com',
    HOME: folder,
  };
  const git = (...args: string[]) => run('git', args, { cwd: folder, env });
  await git('lfs', 'install', '--skip-repo');
  await git('init', '-q', '-b', 'main', 'work');
  const content = Buffer.concat([Buffer.from('canary-of-a-large-file'), randomBytes(3_000_000)]);
  await writeFile(join(folder, 'work/model.bin'), content);
  await git('-C', 'work', 'lfs', 'track', '*.bin');
  await git('-C', 'work', 'add', '.');
  await git('-C', 'work', 'commit', '-qm', 'one');
  await git('-C', 'work', 'push', '-q', `${alice.url}/v1/repos/app`, 'main');
  await git('clone', '-q', `${alice.url}/v1/repos/app`, 'copy');
  assert.equal(sha256(await readFile(join(folder, 'copy/model.bin'))), sha256(content));
  // What git itself holds is the pointer.
  const { fileContent } = await server.root_.codecommit.getFile({ repositoryName: 'app', filePath: 'model.bin' });
  assert.match(Buffer.from(fileContent!).toString(), /^version https:\/\/git-lfs/);

  const blobs = join(server.config.data, 'blobs');
  const names = (await readdir(blobs, { recursive: true })).filter((name) => name.includes('/lfs/'));
  assert.ok(names.some((name) => name.endsWith(sha256(content))));
  for (const name of names.filter((one) => /[0-9a-f]{64}$/.test(one))) {
    assert.equal((await readFile(join(blobs, name))).includes('canary-of-a-large-file'), false);
  }
});

test('uploads are what their ids say, for those who may; a disabled key stops them', async (t) => {
  const server = await startServer(t);
  const { codecommit, kms } = server.root_;
  const { KeyMetadata: key } = await kms.createKey({});
  await codecommit.createRepository({ repositoryName: 'app', kmsKeyId: key!.KeyId! });
  const alice = await gitUser(server, 'alice');
  const bob = await gitUser(server, 'bob', READER);
  const at = `${server.url}/v1/repos/app.git/info/lfs/objects/`;
  const bytes = randomBytes(300_000);
  const oid = sha256(bytes);
  const send = async (
    method: string,
    path: string,
    user: { header: string } | undefined,
    body?: Uint8Array | string,
  ) => {
    const headers = { ...(user === undefined ? {} : { authorization: user.header }) };
    const answer = await fetch(at + path, { method, headers, ...(body === undefined ? {} : { body }) });
    return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
  };
  const batch = async (operation: string, user = alice, objects: object[] = [{ oid, size: bytes.length }]) => {
    const { status, body } = await send(
      'POST',
      'batch',
      user,
      JSON.stringify({ operation, transfers: ['basic'], objects }),
    );
    return { status, ...JSON.parse(body.toString()) };
  };
  assert.equal((await send('GET', oid, undefined)).status, 401);
  assert.equal((await batch('download')).objects[0].error.code, 404);
  assert.equal((await batch('upload', bob)).status, 403);
  assert.equal((await send('PUT', oid, bob, bytes)).status, 403);
  assert.ok((await batch('upload')).objects[0].actions.upload.href.endsWith(oid));
  assert.equal((await send('PUT', oid, alice, bytes.subarray(1))).status, 422);
  assert.equal((await batch('download')).objects[0].error.code, 404, 'nothing of a wrong upload stays');
  assert.equal((await send('PUT', oid, alice, bytes)).status, 200);
  assert.equal((await batch('upload')).objects[0].actions, undefined);
  assert.ok((await send('GET', oid, bob)).body.equals(bytes));

  for (const objects of [[{ oid: '../../etc/passwd', size: 1 }], [{ oid }], [{ oid, size: -1 }], [null], 'x']) {
    assert.equal((await batch('download', alice, objects as object[])).status, objects === 'x' ? 413 : 422);
  }
  assert.equal((await batch('download', alice, Array(1001).fill({ oid, size: 1 }))).status, 413);
  assert.equal((await batch('chmod')).status, 422);
  assert.equal((await send('GET', '../../HEAD', alice)).status, 404);

  await kms.disableKey({ KeyId: key!.KeyId! });
  assert.equal((await send('GET', oid, bob)).status, 403);
  await kms.enableKey({ KeyId: key!.KeyId! });
  assert.equal((await send('GET', oid, bob)).status, 200);
  await codecommit.deleteRepository({ repositoryName: 'app' });
  assert.equal((await send('GET', oid, alice)).status, 404);
});
