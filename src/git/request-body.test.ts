import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Clock, systemClock } from '../kernel/clock.ts';
import { isGitFailure } from './failure.ts';
import { readBody } from './request-body.ts';

/** Starts a server that reads one body as `read` says, and a client's request to it. */
async function exchange<T>(
  t: TestContext,
  headers: Record<string, string>,
  read: (message: IncomingMessage) => Promise<T>,
) {
  const result = Promise.withResolvers<T>();
  const server = createServer((message, response) => {
    result.resolve(read(message));
    result.promise.then(
      () => response.end(),
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const client = httpRequest({ port, host: '127.0.0.1', method: 'POST', headers });
  client.on('error', () => client.destroy());
  client.on('response', (response) => response.resume());
  return { client, result: result.promise };
}

const readAll =
  (capBytes: number, clock: Clock = systemClock) =>
  async (message: IncomingMessage) =>
    Array.fromAsync(readBody(message, clock, capBytes));

for (const encoding of ['identity', 'gzip']) {
  test(`a body comes whole and in large pieces (${encoding})`, async (t) => {
    const body = randomBytes(3_000_000);
    const { client, result } = await exchange(t, { 'content-encoding': encoding }, readAll(3_000_000));
    client.end(encoding === 'gzip' ? gzipSync(body) : body);
    const pieces = await result;
    assert.deepEqual(Buffer.concat(pieces), body);
    assert.ok(pieces.slice(0, -1).every((piece) => piece.length >= 256 * 1024));
  });
}

test('an empty body has no pieces', async (t) => {
  const { client, result } = await exchange(t, {}, readAll(10));
  client.end();
  assert.deepEqual(await result, []);
});

test('G10: a body beyond the cap is given up, packed or not', async (t) => {
  for (const [headers, body] of [
    [{}, Buffer.alloc(2_000_000)],
    [{ 'content-encoding': 'gzip' }, gzipSync(Buffer.alloc(200_000_000))],
  ] as const) {
    const { client, result } = await exchange(t, headers, readAll(1_000_000));
    client.end(body);
    await assert.rejects(result, (error) => isGitFailure(error, 'body-too-large'));
  }
});

test('a body that is cut off, is no gzip, or is packed otherwise is refused', async (t) => {
  const cut = await exchange(t, { 'content-length': '100' }, readAll(1_000));
  cut.client.write('half');
  cut.client.once('socket', (socket) => socket.once('connect', () => setImmediate(() => cut.client.destroy())));
  await assert.rejects(cut.result, (error) => isGitFailure(error, 'stopped'));
  const noGzip = await exchange(t, { 'content-encoding': 'gzip' }, readAll(1_000));
  noGzip.client.end('plain');
  await assert.rejects(noGzip.result, (error) => isGitFailure(error, 'bad-request'));
  const brotli = await exchange(t, { 'content-encoding': 'br' }, readAll(1_000));
  brotli.client.end('x');
  await assert.rejects(brotli.result, (error) => isGitFailure(error, 'bad-request'));
});

test('G13: a body that stalls is given up, and one that waits for its reader is not', async (t) => {
  const timers: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    after: (_, run) => {
      timers.push(run);
      return { cancel: () => undefined };
    },
  };
  const { client, result } = await exchange(t, { 'content-length': '3000000' }, async (message) => {
    const pieces = readBody(message, clock, 3_000_000);
    const first = await pieces.next();
    assert.ok((first.value as Uint8Array).length >= 256 * 1024);
    // Nobody asks for more: however often it is looked at, the client is not to blame.
    for (let look = 0; look < 5; look += 1) timers.shift()!();
    const second = Promise.allSettled([pieces.next()]);
    while (timers.length > 0 && !message.destroyed) {
      timers.shift()!();
      await new Promise(setImmediate);
    }
    return second;
  });
  client.write(randomBytes(400_000));
  const [second] = await result;
  assert.ok(second?.status === 'rejected' && isGitFailure(second.reason, 'stopped'));
});
