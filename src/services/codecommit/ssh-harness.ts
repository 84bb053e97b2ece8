/** For tests only: users with an SSH key, by the `ssh` program and by the bare protocol. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import ssh2 from 'ssh2';
import { type Clients, type TestServer, temporaryFolder } from '../../../test/harness.ts';

const run = promisify(execFile);

export interface SshUser {
  keyId: string;
  keyPath: string;
  privateKey: string;
  /** Environment for git. */
  env: Record<string, string>;
  /** Options for `ssh`. */
  options: string[];
}

/** True where the `ssh` program is there; else the test is skipped by name. */
export async function hasSsh(t: TestContext): Promise<boolean> {
  try {
    await run('ssh', ['-V']);
    return true;
  } catch {
    t.skip('needs ssh');
    return false;
  }
}

type KeyPair = Record<'private' | 'public', string>;

/** To make one takes a tenth of a second: each server gets the same, one after the other. */
const pairs: KeyPair[] = [];
const used = new WeakMap<TestServer, number>();

/** A key that nobody else has on that server. */
function keyPairFor(server: TestServer): KeyPair {
  const next = used.get(server) ?? 0;
  used.set(server, next + 1);
  pairs[next] ??= ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 });
  return pairs[next];
}

/** Makes a user with a key of his own. */
export async function sshUser(
  t: TestContext,
  server: TestServer,
  name: string,
  { policy, root = server.root_ }: { policy?: object; root?: Clients } = {},
): Promise<SshUser> {
  await server.user(name, policy, root);
  const pair = keyPairFor(server);
  const { SSHPublicKey: key } = await root.iam.uploadSSHPublicKey({
    UserName: name,
    SSHPublicKeyBody: pair.public,
  });
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
  return { keyId: key!.SSHPublicKeyId!, keyPath, privateKey: pair.private, env, options };
}

/** Options for an `ssh` that knows no host and asks nobody. */
export function sshOptions(keyPath: string): string[] {
  const settings = [
    'IdentitiesOnly=yes',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'BatchMode=yes',
  ];
  return ['-F', '/dev/null', '-i', keyPath, ...settings.flatMap((one) => ['-o', one])];
}

export function sshPortOf({ addresses: [address] }: Pick<TestServer, 'addresses'>): number {
  return Number(new URL(address!).port);
}

/** Logs in by the bare protocol. The connection ends with the test. */
export async function login(
  t: TestContext,
  server: Pick<TestServer, 'addresses'>,
  { keyId, privateKey }: Pick<SshUser, 'keyId' | 'privateKey'>,
): Promise<ssh2.Client> {
  // The server hangs up when it stops, or when it has had enough.
  const client = new ssh2.Client().on('error', () => undefined);
  t.after(() => client.destroy());
  client.connect({
    host: '127.0.0.1',
    port: sshPortOf(server),
    username: keyId,
    privateKey,
    algorithms: { cipher: ['aes128-gcm@openssh.com'] },
  });
  await once(client, 'ready');
  // Small questions, each after the answer to the one before.
  return client.setNoDelay(true);
}

/** Starts a command. */
export function start(
  client: ssh2.Client,
  command: string,
  options: ssh2.ExecOptions = {},
): Promise<ssh2.ClientChannel> {
  return new Promise((resolve, reject) => {
    client.exec(command, options, (error, made) => (error === undefined ? resolve(made) : reject(error)));
  });
}

/** What a command came to. */
export interface Ran {
  /** Exit status; undefined where the channel was closed without one. */
  status: number | undefined;
  output: Buffer;
  errors: string;
}

/** Waits for the end of a command. */
export function ended(channel: ssh2.ClientChannel): Promise<Ran> {
  const output: Buffer[] = [];
  let errors = '';
  channel.on('data', (chunk: Buffer) => output.push(chunk));
  channel.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return new Promise((resolve) => {
    channel.once('close', (status?: number) => resolve({ status, output: Buffer.concat(output), errors }));
  });
}

/** Runs a command with that input. */
export async function exec(client: ssh2.Client, command: string, input: string | Uint8Array = ''): Promise<Ran> {
  const channel = await start(client, command);
  const end = ended(channel);
  channel.end(input);
  return end;
}
