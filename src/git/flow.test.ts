import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { systemClock } from '../kernel/clock.ts';
import { giveBack, passOn } from './flow.ts';

test('memory is given back at once, but what shares it with others is left alone', () => {
  const own = Buffer.allocUnsafeSlow(100_000);
  giveBack(own);
  assert.equal(own.length, 0);
  const whole = Buffer.allocUnsafeSlow(100_000).fill('x');
  giveBack(whole.subarray(0, 50_000));
  giveBack(Buffer.from(whole.buffer, 1));
  assert.equal(whole.toString().length, 100_000);
  const pooled = Buffer.from('of the pool');
  giveBack(pooled as Buffer<ArrayBuffer>);
  assert.equal(pooled.toString(), 'of the pool');
});

test('pieces of an answer are given back when they are sent, unless somebody else reads them, too', async (t) => {
  const pieces = (byte: number) => [1, 2, 3].map(() => Buffer.allocUnsafeSlow(200_000).fill(byte));
  const alone = pieces(1);
  const shared = pieces(2);
  const server = createServer((request, response) => {
    const source = Readable.from(request.url === '/alone' ? alone : shared);
    if (request.url === '/shared') source.on('data', () => undefined);
    source.pause();
    void passOn(source, response, systemClock).then(() => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const get = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
    return Buffer.from(await answer.arrayBuffer());
  };
  assert.ok((await get('/alone')).equals(Buffer.alloc(600_000, 1)));
  assert.deepEqual(
    alone.map(({ length }) => length),
    [0, 0, 0],
  );
  assert.ok((await get('/shared')).equals(Buffer.alloc(600_000, 2)));
  assert.ok(Buffer.concat(shared).equals(Buffer.alloc(600_000, 2)));
});
