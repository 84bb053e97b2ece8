import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import ssh2 from 'ssh2';
import { startServer, type TestServer } from '../../../test/harness.ts';
import { eventually } from '../../kernel/testing/eventually.ts';
import { HandClock } from '../../kernel/testing/hand-clock.ts';
import { watchStall } from './ssh-limits.ts';

const portOf = (server: TestServer) => Number(new URL(server.addresses[0]!).port);

async function login(server: TestServer): Promise<ssh2.Client> {
  const pair = ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 });
  const { SSHPublicKey: key } = await server.root_.iam.uploadSSHPublicKey({
    UserName: 'alice',
    SSHPublicKeyBody: pair.public,
  });
  // The server hangs up when it stops.
  const client = new ssh2.Client().on('error', () => undefined);
  client.connect({
    host: '127.0.0.1',
    port: portOf(server),
    username: key!.SSHPublicKeyId!,
    privateKey: pair.private,
    algorithms: { cipher: ['aes128-gcm@openssh.com'] },
  });
  await once(client, 'ready');
  return client;
}

/** What a command came to. */
async function exec(client: ssh2.Client, command: string): Promise<{ code: number; errors: string }> {
  const channel = await new Promise<ssh2.ClientChannel>((resolve, reject) => {
    client.exec(command, (error, made) => (error === undefined ? resolve(made) : reject(error)));
  });
  let errors = '';
  channel.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  channel.resume();
  const [code] = (await once(channel, 'close')) as [number];
  return { code, errors };
}

test('G13: over SSH, 600 connections that never log in keep nobody out, and go', async (t) => {
  const server = await startServer(t);
  await server.user('alice');
  const open = new Set<number>();
  const sockets = Array.from({ length: 600 }, (_, n) => {
    const socket = connect(portOf(server), '127.0.0.1');
    socket.on('error', () => undefined).on('close', () => open.delete(n));
    socket.on('connect', () => open.add(n)).write('SSH-2.0-slow\r\n');
    return socket.resume();
  });
  // Some are hung up on before they are greeted; more than there is room for must have been at the door.
  let greeted = 0;
  const arrived = sockets.map((socket) => once(socket, 'data').then(() => (greeted += 1)));
  await Promise.allSettled(arrived);
  assert.ok(greeted > 100, `only ${greeted} came to the door`);
  const client = await login(server);
  // The greeting is for shells; a command that is not git's is refused by one who is in.
  assert.equal((await exec(client, 'id')).code, 128);
  await eventually(() => open.size <= 100);
  client.end();
  for (const socket of sockets) socket.destroy();
});

test('a failure while a command is looked at is that command’s: the server goes on', async (t) => {
  const server = await startServer(t);
  await server.user('alice');
  const client = await login(server);
  const { identity } = server.kernel;
  const findSshKey = t.mock.method(identity, 'findSshKey', () => Promise.reject(new Error('the database is away')));
  const failed = await exec(client, "git-upload-pack '/v1/repos/none'");
  assert.deepEqual(failed, { code: 128, errors: 'internal error\n' });
  findSshKey.mock.restore();
  const { errors } = await exec(client, "git-upload-pack '/v1/repos/none'");
  assert.match(errors, /none does not exist/);
  client.end();
});

test('who takes nothing for a minute is hung up on; who takes a little is not', async () => {
  const clock = new HandClock();
  const channel = new PassThrough({ highWaterMark: 10 });
  let stalled = 0;
  const watch = watchStall(clock, channel, () => {
    stalled += 1;
  });
  await clock.advance(600_000);
  assert.equal(stalled, 0, 'nothing waits');
  for (let minute = 0; minute < 5; minute += 1) {
    channel.write(Buffer.alloc(100));
    channel.write(Buffer.alloc(100));
    await clock.advance(60_000);
    const drained = once(channel, 'drain');
    channel.read();
    channel.read();
    await drained;
  }
  assert.equal(stalled, 0, 'it moves');
  channel.write(Buffer.alloc(100));
  channel.write(Buffer.alloc(100));
  await clock.advance(59_000);
  assert.equal(stalled, 0);
  await clock.advance(180_000);
  assert.equal(stalled, 1);
  watch.cancel();
  assert.equal(clock.waiting, 0);
});
