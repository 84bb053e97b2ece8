import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../clock.ts';
import { ReadCache } from './read-cache.ts';

function setup(maxEntries = 10) {
  let nowMs = 0;
  const cache = new ReadCache<string>({ ...systemClock, monotonicMs: () => nowMs }, { maxAgeMs: 500, maxEntries });
  const loads: string[] = [];
  const load = (key: string, value: string | undefined) => async () => {
    loads.push(key);
    return value;
  };
  return { cache, loads, load, pass: (ms: number) => (nowMs += ms) };
}

test('a value is read once, until it is old', async () => {
  const { cache, loads, load, pass } = setup();
  assert.equal(await cache.get('a', load('a', 'one')), 'one');
  assert.equal(cache.get('a', load('a', 'two')), 'one', 'at once, without a promise');
  pass(500);
  assert.equal(await cache.get('a', load('a', 'two')), 'two');
  assert.equal(loads.length, 2);
});

test('what does not exist is asked for again', async () => {
  const { cache, loads, load } = setup();
  assert.equal(await cache.get('a', load('a', undefined)), undefined);
  assert.equal(await cache.get('a', load('a', 'one')), 'one');
  assert.equal(loads.length, 2);
});

test('concurrent readers share one read', async () => {
  const { cache, loads, load } = setup();
  assert.deepEqual(await Promise.all([cache.get('a', load('a', 'one')), cache.get('a', load('a', 'two'))]), [
    'one',
    'one',
  ]);
  assert.equal(loads.length, 1);
});

test('S10: what was being read when everything changed is not kept', async () => {
  const { cache, load } = setup();
  const gate = Promise.withResolvers<string>();
  const early = cache.get('a', () => gate.promise);
  cache.clear();
  const late = cache.get('a', load('a', 'new'));
  gate.resolve('old');
  assert.equal(await early, 'old');
  assert.equal(await late, 'new');
  assert.equal(cache.get('a', load('a', 'never')), 'new');
});

test('a failed read is not kept, and the cache stays bounded', async () => {
  const { cache, load } = setup(2);
  await assert.rejects(async () => cache.get('a', () => Promise.reject(new Error('no database'))), /no database/);
  for (const key of ['a', 'b', 'c']) await cache.get(key, load(key, key));
  assert.ok(cache.get('a', load('a', 'again')) instanceof Promise, 'the oldest has gone');
  assert.equal(cache.get('c', load('c', 'again')), 'c');
});
