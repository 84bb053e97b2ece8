import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import ssh2 from 'ssh2';
import { startServer, type TestServer, temporaryFolder } from '../../../test/harness.ts';
import { recorded } from '../../kernel/testing/recorded.ts';
import { readSshCommand } from './ssh-command.ts';

const run = promisify(execFile);

async function hasSsh(t: TestContext): Promise<boolean> {
  try {
    await run('ssh', ['-V']);
    return true;
  } catch {
    t.skip('needs ssh');
    return false;
  }
}

interface SshUser {
  keyId: string;
  keyPath: string;
  privateKey: string;
  /** Environment for git. */
  env: Record<string, string>;
  /** Options and destination for `ssh`. */
  options: string[];
}

/** A user with an uploaded key. */
async function sshUser(t: TestContext, server: TestServer, name: string, policy?: object): Promise<SshUser> {
  await server.user(name, policy);
  const pair = ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 });
  const { SSHPublicKey: key } = await server.root_.iam.uploadSSHPublicKey({
    UserName: name,
    SSHPublicKeyBody: pair.public,
  });
  const keyId = key!.SSHPublicKeyId!;
  const keyPath = join(await temporaryFolder(t), 'key');
  await writeFile(keyPath, pair.private);
  await chmod(keyPath, 0o600);
  const options = sshOptions(keyPath);
  const env = {
    ...server.env(server.root),
    GIT_SSH_COMMAND: ['ssh', ...options].join(' '),
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: `${name}@example.com`,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: `${name}@example.com`,
  };
  return { keyId, keyPath, privateKey: pair.private, env, options };
}

function sshOptions(keyPath: string): string[] {
  const settings = [
    'IdentitiesOnly=yes',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'BatchMode=yes',
  ];
  return ['-F', '/dev/null', '-i', keyPath, ...settings.flatMap((one) => ['-o', one])];
}

const portOf = (server: TestServer) => Number(new URL(server.addresses[0]!).port);

/** The address of a repository for a user, as `cloneUrlSsh` says it. */
async function urlOf(server: TestServer, user: SshUser, repositoryName: string): Promise<string> {
  const { repositoryMetadata } = await server.root_.codecommit.getRepository({ repositoryName });
  const url = repositoryMetadata!.cloneUrlSsh!;
  assert.equal(Number(new URL(url).port), portOf(server));
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

  const bob = await sshUser(t, server, 'bob', PULL_ONLY);
  await git(bob, 'clone', '-q', await urlOf(server, bob, 'app'), 'bobs');
  await git(bob, '-C', 'bobs', 'commit', '-q', '--allow-empty', '-m', 'mine');
  assert.match(
    await failure(git(bob, '-C', 'bobs', 'push', '-q')),
    /user\/bob is not authorized to perform: codecommit:GitPush on resource: arn:aws:codecommit:us-east-1:123456789012:app/,
  );
  assert.match(await failure(git(alice, 'clone', `${url}x`)), /appx does not exist/);

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
    run('ssh', [...options, '-p', String(portOf(server)), `${keyId}@127.0.0.1`, ...command]);

  const greeting = await ssh(alice.options, alice.keyId);
  assert.match(greeting.stdout, /successfully authenticated/);
  for (const command of [
    'id',
    "git-upload-pack '-oProxyCommand=id'",
    'git-upload-pack --help',
    "git-receive-pack 'a';id",
    "git-upload-pack '/v1/repos/app';id",
    "git-upload-pack '/v1/repos/../../etc'",
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
  const client = new ssh2.Client();
  t.after(() => client.end());
  await new Promise<void>((resolve, reject) => {
    client.once('ready', () => resolve()).once('error', reject);
    client.connect({ host: '127.0.0.1', port: portOf(server), username: alice.keyId, privateKey: alice.privateKey });
  });
  const exec = (command: string) =>
    new Promise<{ status: number; errors: string; output: string }>((resolve, reject) => {
      client.exec(command, (error, channel) => {
        if (error) return reject(error);
        let [output, errors] = ['', ''];
        channel.on('data', (chunk: Buffer) => {
          output += chunk.toString();
          if (output.includes('0000')) channel.end('0000');
        });
        channel.stderr.on('data', (chunk: Buffer) => {
          errors += chunk.toString();
        });
        channel.once('close', (status: number) => resolve({ status, errors, output }));
      });
    });
  const first = await exec("git-upload-pack '/v1/repos/app'");
  assert.equal(first.status, 0, first.errors);
  await iam.updateSSHPublicKey({ UserName: 'alice', SSHPublicKeyId: alice.keyId, Status: 'Inactive' });
  const second = await exec("git-upload-pack '/v1/repos/app'");
  assert.deepEqual([second.status, second.errors], [128, 'The SSH key is not active any more.\n']);
});

test('old algorithms are not spoken, and strict key exchange is', async (t) => {
  const server = await startServer(t);
  const offered = await new Promise<string>((resolve, reject) => {
    const socket = connect(portOf(server), '127.0.0.1');
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
    const socket = connect(portOf(server), '127.0.0.1');
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

test('only the two commands are read', () => {
  assert.deepEqual(readSshCommand("git-upload-pack '/v1/repos/My.App'"), {
    service: 'git-upload-pack',
    repositoryName: 'My.App',
  });
  assert.deepEqual(readSshCommand("git-receive-pack 'v1/repos/a.git'")?.repositoryName, 'a');
  for (const text of [
    "git-upload-pack '/v1/repos/a\n'",
    "git-upload-pack '/v1/repos/a'\n",
    'git-upload-pack /v1/repos/a',
    "git upload-pack '/v1/repos/a'",
    "git-upload-pack ''",
  ]) {
    assert.equal(readSshCommand(text), undefined, text);
  }
});
