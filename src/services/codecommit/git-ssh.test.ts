import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { startServer, type TestServer, temporaryFolder } from '../../../test/harness.ts';
import { recorded } from '../../kernel/testing/recorded.ts';
import { readSshCommand } from './ssh-command.ts';
import { exec, hasSsh, login, type SshUser, sshPortOf, sshUser } from './ssh-harness.ts';

const run = promisify(execFile);

/** The address of a repository for a user, as `cloneUrlSsh` says it. */
async function urlOf(server: TestServer, user: SshUser, repositoryName: string): Promise<string> {
  const { repositoryMetadata } = await server.root_.codecommit.getRepository({ repositoryName });
  const url = repositoryMetadata!.cloneUrlSsh!;
  assert.equal(Number(new URL(url).port), sshPortOf(server));
  return url.replace('ssh://', `ssh://${user.keyId}@`);
}

async function failure(running: Promise<unknown>): Promise<string> {
  const error = await running.then(
    () => assert.fail('it should have failed'),
    (reason: { stderr?: string; message: string }) => reason,
  );
  return error.stderr ?? error.message;
}

const PULL_ONLY = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 'codecommit:GitPull', Resource: '*' }],
};

test('git over SSH: push, clone and fetch in both protocols, and what is not allowed', async (t) => {
  if (!(await hasSsh(t))) return;
  const server = await startServer(t);
  await server.root_.codecommit.createRepository({ repositoryName: 'app' });
  const alice = await sshUser(t, server, 'alice');
  const folder = await temporaryFolder(t);
  const url = await urlOf(server, alice, 'app');
  const git = async (user: SshUser, ...args: string[]) =>
    (await run('git', args, { cwd: folder, env: user.env })).stdout;
  await git(alice, 'init', '-q', '-b', 'main', 'work');
  await writeFile(join(folder, 'work/file'), 'one\n');
  await git(alice, '-C', 'work', 'add', '.');
  await git(alice, '-C', 'work', 'commit', '-qm', 'one');
  await git(alice, '-C', 'work', 'tag', '-am', 'first', 'v1');
  await git(alice, '-C', 'work', 'push', '-q', url, 'main', 'v1');

  for (const version of ['0', '1', '2']) {
    await git(alice, '-c', `protocol.version=${version}`, 'clone', '-q', url, `clone-${version}`);
    assert.equal(await readFile(join(folder, `clone-${version}/file`), 'utf8'), 'one\n');
  }
  await writeFile(join(folder, 'work/file'), 'two\n');
  await git(alice, '-C', 'work', 'commit', '-qam', 'two');
  await git(alice, '-C', 'work', 'push', '-q', url, 'main');
  for (const version of ['0', '2']) {
    await git(alice, '-C', `clone-${version}`, '-c', `protocol.version=${version}`, 'pull', '-q');
    assert.equal(await readFile(join(folder, `clone-${version}/file`), 'utf8'), 'two\n');
  }
  await git(alice, 'clone', '-q', '--depth', '1', url, 'shallow');
  await git(alice, '-C', 'clone-2', 'fetch', '-q');
  const { branch } = await server.root_.codecommit.getBranch({ repositoryName: 'app', branchName: 'main' });
  assert.equal(branch!.commitId, (await git(alice, '-C', 'work', 'rev-parse', 'HEAD')).trim());

  const bob = await sshUser(t, server, 'bob', { policy: PULL_ONLY });
  await git(bob, 'clone', '-q', await urlOf(server, bob, 'app'), 'bobs');
  await git(bob, '-C', 'bobs', 'commit', '-q', '--allow-empty', '-m', 'mine');
  assert.match(
    await failure(git(bob, '-C', 'bobs', 'push', '-q')),
    /user\/bob is not authorized to perform: codecommit:GitPush on resource: arn:aws:codecommit:us-east-1:123456789012:app/,
  );
  assert.match(await failure(git(alice, 'clone', `${url}x`)), /repository '\/v1\/repos\/appx' not found/);

  const pushes = (await recorded(server.kernel, 'GitPush')).map(({ text }) => JSON.parse(text));
  assert.deepEqual(
    pushes.map(({ userIdentity, errorCode, additionalEventData }) => [
      userIdentity.userName,
      errorCode,
      additionalEventData.protocol,
    ]),
    [
      ['bob', 'AccessDenied', 'SSH'],
      ['alice', undefined, 'SSH'],
      ['alice', undefined, 'SSH'],
    ],
  );
  assert.equal(pushes[0].sourceIPAddress, '127.0.0.1');
});

test('G3: over SSH there are two commands and a greeting, for the very key that the login name says', async (t) => {
  if (!(await hasSsh(t))) return;
  const server = await startServer(t);
  await server.root_.codecommit.createRepository({ repositoryName: 'app' });
  const alice = await sshUser(t, server, 'alice');
  const mallory = await sshUser(t, server, 'mallory');
  const ssh = (options: string[], keyId: string, ...command: string[]) =>
    run('ssh', [...options, '-p', String(sshPortOf(server)), `${keyId}@127.0.0.1`, ...command]);

  const greeting = await ssh(alice.options, alice.keyId);
  assert.match(greeting.stdout, /successfully authenticated/);
  for (const command of [
    'id',
    'git-upload-pack --help',
    "git-receive-pack 'a';id",
    "git-upload-pack '/v1/repos/app';id",
    "git-upload-archive '/v1/repos/app'",
    "git-upload-pack '/v1/repos/app' '--strict'",
    'scp -t /tmp/x',
    'git-shell',
  ]) {
    assert.match(
      await failure(ssh(alice.options, alice.keyId, command)),
      /Only git-upload-pack and git-receive-pack/,
      command,
    );
  }
  for (const path of ['-oProxyCommand=id', '/v1/repos/../../etc', '/app', 'v1/repos/none', '/v1/repos/app/x', '']) {
    const told = await failure(ssh(alice.options, alice.keyId, `git-upload-pack '${path}'`));
    assert.equal(told, `fatal: repository '${path}' not found\n`);
  }
  await failure(ssh([...alice.options, '-s'], alice.keyId, 'sftp'));
  // Somebody else's key, an unknown id, no key id at all.
  for (const login of [mallory.keyId, 'APKAAAAAAAAAAAAAAAAA', 'git', 'alice', server.root.accessKeyId]) {
    assert.match(await failure(ssh(alice.options, login)), /Permission denied \(publickey\)/, login);
  }
  // A port is not forwarded.
  assert.match(
    await failure(ssh([...alice.options, '-W', `127.0.0.1:${new URL(server.url).port}`], alice.keyId)),
    /forwarding failed|open failed/,
  );
  const mode = (await stat(join(server.config.data, 'ssh_host_ed25519_key'))).mode & 0o777;
  assert.equal(mode, 0o600);

  await server.root_.iam.updateSSHPublicKey({ UserName: 'alice', SSHPublicKeyId: alice.keyId, Status: 'Inactive' });
  assert.match(await failure(ssh(alice.options, alice.keyId)), /Permission denied/);
});

test('a key that is switched off opens nothing more, also on a connection that stands', async (t) => {
  const server = await startServer(t);
  const { codecommit, iam } = server.root_;
  await codecommit.createRepository({ repositoryName: 'app' });
  const alice = await sshUser(t, server, 'alice');
  const client = await login(t, server, alice);
  const first = await exec(client, "git-upload-pack '/v1/repos/app'", '0000');
  assert.equal(first.status, 0, first.errors);
  await iam.updateSSHPublicKey({ UserName: 'alice', SSHPublicKeyId: alice.keyId, Status: 'Inactive' });
  const second = await exec(client, "git-upload-pack '/v1/repos/app'", '0000');
  assert.deepEqual([second.status, second.errors], [128, 'The SSH key is not active any more.\n']);
});

test('old algorithms are not spoken, and strict key exchange is', async (t) => {
  const server = await startServer(t);
  const offered = await new Promise<string>((resolve, reject) => {
    const socket = connect(sshPortOf(server), '127.0.0.1');
    let text = '';
    socket.write('SSH-2.0-test\r\n');
    socket.once('error', reject).once('close', () => resolve(text));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.includes('hmac-sha2-512-etm')) socket.destroy();
    });
  });
  assert.match(offered, /kex-strict-s-v00@openssh\.com/);
  assert.doesNotMatch(offered, /sha1\b|cbc|arcfour|ssh-dss|hmac-md5|group1-|3des/);
});

test('garbage and clients that say nothing do no harm', async (t) => {
  const server = await startServer(t);
  const ends = Array.from({ length: 20 }, (_, at) => {
    const socket = connect(sshPortOf(server), '127.0.0.1');
    const bytes = Buffer.from(Array.from({ length: 400 }, (__, i) => (i * 31 + at * 17) % 256));
    socket.write(at % 2 === 0 ? bytes : Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), bytes]));
    return new Promise<void>((resolve) =>
      socket
        .once('error', () => resolve())
        .once('close', () => resolve())
        .resume(),
    );
  });
  await Promise.all(ends);
  await server.root_.codecommit.createRepository({ repositoryName: 'still-there' });
});

test('where git over SSH is switched off, repositories have no address for it', async (t) => {
  const server = await startServer(t, { settings: { sshPort: null } });
  const { repositoryMetadata } = await server.root_.codecommit.createRepository({ repositoryName: 'app' });
  assert.equal(repositoryMetadata!.cloneUrlHttp, `${server.url}/v1/repos/app`);
  assert.equal(repositoryMetadata!.cloneUrlSsh, undefined);
  assert.deepEqual(server.addresses, []);
});

test('only the two commands are read', () => {
  assert.deepEqual(readSshCommand("git-upload-pack '/v1/repos/My.App'"), {
    service: 'git-upload-pack',
    path: '/v1/repos/My.App',
    repositoryName: 'My.App',
  });
  assert.equal(readSshCommand("git-receive-pack 'v1/repos/a.git'")?.repositoryName, 'a');
  // As git quotes them; there is no repository of such a name.
  assert.deepEqual(readSshCommand("git-upload-pack '/v1/repos/it'\\''s'\\!''"), {
    service: 'git-upload-pack',
    path: "/v1/repos/it's!",
    repositoryName: undefined,
  });
  for (const text of [
    "git-upload-pack '/v1/repos/a\n'",
    "git-upload-pack '/v1/repos/a'\n",
    "git-upload-pack '/v1/repos/a\0'",
    "git-upload-pack '/v1/repos/a''/v1/repos/b'",
    'git-upload-pack /v1/repos/a',
    "git upload-pack '/v1/repos/a'",
    "git-upload-pack '/v1/repos/a",
    "git-upload-pack '",
  ]) {
    assert.equal(readSshCommand(text), undefined, JSON.stringify(text));
  }
});
