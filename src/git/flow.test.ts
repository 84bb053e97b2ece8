import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveBack } from './flow.ts';

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
