import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { eventually } from '../../kernel/testing/eventually.ts';
import { HandClock } from '../../kernel/testing/hand-clock.ts';
import { exec, login, sshPortOf, sshUser } from './ssh-harness.ts';
import { watchStall } from './ssh-limits.ts';

test('G13: over SSH, 600 connections that never log in keep nobody out, and go', async (t) => {
  const server = await startServer(t);
  const alice = await sshUser(t, server, 'alice');
  const open = new Set<number>();
  const sockets = Array.from({ length: 600 }, (_, n) => {
    const socket = connect(sshPortOf(server), '127.0.0.1');
    socket.on('error', () => undefined).on('close', () => open.delete(n));
    socket.on('connect', () => open.add(n)).write('SSH-2.0-slow\r\n');
    return socket.resume();
  });
  // Some are hung up on before they are greeted; more than there is room for must have been at the door.
  let greeted = 0;
  const arrived = sockets.map((socket) => once(socket, 'data').then(() => (greeted += 1)));
  await Promise.allSettled(arrived);
  assert.ok(greeted > 100, `only ${greeted} came to the door`);
  const client = await login(t, server, alice);
  // The greeting is for shells; a command that is not git's is refused by one who is in.
  assert.equal((await exec(client, 'id')).status, 128);
  await eventually(() => open.size <= 100);
  for (const socket of sockets) socket.destroy();
});

test('a failure while a command is looked at is that command’s: the server goes on', async (t) => {
  const server = await startServer(t);
  const client = await login(t, server, await sshUser(t, server, 'alice'));
  const { identity } = server.kernel;
  const findSshKey = t.mock.method(identity, 'findSshKey', () => Promise.reject(new Error('the database is away')));
  const failed = await exec(client, "git-upload-pack '/v1/repos/none'");
  assert.deepEqual([failed.status, failed.errors], [128, 'internal error\n']);
  findSshKey.mock.restore();
  const { errors } = await exec(client, "git-upload-pack '/v1/repos/none'");
  assert.match(errors, /'\/v1\/repos\/none' not found/);
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
