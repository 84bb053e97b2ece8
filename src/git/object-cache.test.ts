import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGitFailure } from './failure.ts';
import { CachedObjects, MAX_KEPT_OBJECT_BYTES, ObjectCache } from './object-cache.ts';
import type { ObjectContents, ObjectSource } from './object-source.ts';

const blob = (size: number): ObjectContents => ({ type: 'blob', size, body: Buffer.alloc(size, 1) });

/** A source that has objects of a size by their ids, and counts what it is asked. */
function sourceOf(sizes: Record<string, number>): ObjectSource & { asked: string[] } {
  const asked: string[] = [];
  const find = (id: string) => {
    asked.push(id);
    return sizes[id] === undefined ? null : blob(sizes[id]);
  };
  return { dead: false, asked, info: async (id) => find(id), contents: async (id) => find(id) };
}

test('an object is asked for once, and found under its own scope only', async () => {
  const cache = new ObjectCache();
  const source = sourceOf({ a: 10 });
  for (let n = 0; n < 3; n++) {
    const objects = new CachedObjects(cache, 'r.0', () => source);
    assert.deepEqual(await objects.contents('a', 10), blob(10));
    assert.deepEqual(await objects.info('a'), { type: 'blob', size: 10 });
  }
  assert.deepEqual(source.asked, ['a']);
  await new CachedObjects(cache, 'r.1', () => source).contents('a', 10);
  assert.deepEqual(source.asked, ['a', 'a']);
});

test('what is not there is asked for each time, and what is kept has the same limit', async () => {
  const cache = new ObjectCache();
  const source = sourceOf({ a: 10 });
  const objects = new CachedObjects(cache, 'r.0', () => source);
  assert.equal(await objects.contents('b', 10), null);
  assert.equal(await objects.contents('b', 10), null);
  await objects.contents('a', 10);
  await assert.rejects(objects.contents('a', 9), (error) => isGitFailure(error, 'object-too-large'));
  assert.deepEqual(source.asked, ['b', 'b', 'a']);
});

test('the memory is bounded: large objects are not kept, and the longest unused go first', () => {
  const cache = new ObjectCache(10_000);
  cache.keep('r.0', 'large', blob(MAX_KEPT_OBJECT_BYTES + 1));
  assert.equal(cache.find('r.0', 'large'), undefined);
  for (let n = 0; n < 8; n++) {
    cache.keep('r.0', `${n}`, blob(1_000));
    cache.find('r.0', '0');
  }
  const kept = Array.from({ length: 8 }, (_, n) => cache.find('r.0', `${n}`) !== undefined);
  assert.deepEqual(kept, [true, false, true, true, true, true, true, true]);
});

test('a repository that is gone leaves nothing, and one whose name begins alike keeps all', () => {
  const cache = new ObjectCache();
  for (const scope of ['r.0', 'r.1', 'rr.0']) cache.keep(scope, 'a', blob(1));
  cache.forget('r.');
  assert.equal(cache.find('r.0', 'a') ?? cache.find('r.1', 'a'), undefined);
  assert.equal(cache.find('rr.0', 'a')?.size, 1);
});

test('a small piece of what git has answered does not keep the rest of it', () => {
  const cache = new ObjectCache();
  const answer = Buffer.alloc(1_000_000);
  cache.keep('r.0', 'a', { type: 'blob', size: 3, body: answer.subarray(5, 8) });
  assert.equal(cache.find('r.0', 'a')!.body.buffer.byteLength, 3);
});
