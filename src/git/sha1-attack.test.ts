import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isCollisionAttack } from './sha1-attack.ts';
import { CONDITIONS, DISTURBANCES } from './sha1-disturbances.ts';

interface Collision {
  name: string;
  messages: [string[], string[]];
}

const collisions = JSON.parse(
  readFileSync(new URL('testdata/sha1-collisions.json', import.meta.url), 'utf8'),
) as Collision[];
const sha1 = (bytes: Uint8Array) => createHash('sha1').update(bytes).digest('hex');

for (const { name, messages } of collisions) {
  test(`G9: both messages of a known collision are recognised, whatever follows: ${name}`, () => {
    const [one, other] = messages.map((lines) => Buffer.from(lines.join(''), 'hex')) as [Buffer, Buffer];
    assert.equal(sha1(one), sha1(other));
    assert.notDeepEqual(one, other);
    for (const message of [one, other]) {
      assert.equal(isCollisionAttack([message]), true);
      assert.equal(isCollisionAttack([message.subarray(0, 7), message.subarray(7), Buffer.from('more')]), true);
      // Behind something else the same bytes collide with nothing.
      assert.equal(isCollisionAttack([Buffer.from('x'), message]), false);
      assert.equal(isCollisionAttack([message.subarray(0, message.length - 64)]), false);
    }
  });
}

test('texts and noise are no attacks, of whatever length', () => {
  for (const size of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1_000]) {
    assert.equal(isCollisionAttack([Buffer.alloc(size, 'text of any kind, ')]), false);
  }
  let noise = Buffer.from('seed');
  const pieces = Array.from({ length: 40_000 }, () => (noise = createHash('sha256').update(noise).digest()));
  assert.equal(isCollisionAttack(pieces), false);
});

test('what two messages differ by expands like a message, and each kind has conditions that rule it out', () => {
  assert.equal(DISTURBANCES.length, 32);
  for (const { difference } of DISTURBANCES) {
    for (let t = 16; t < 80; t++) {
      const word = difference[t - 3]! ^ difference[t - 8]! ^ difference[t - 14]! ^ difference[t - 16]!;
      assert.equal(difference[t], (word << 1) | (word >>> 31));
    }
  }
  // Without conditions each block would be computed 33 times.
  for (let at = 0; at < 32; at++) assert.ok(CONDITIONS.filter(({ mask }) => ((mask >>> at) & 1) === 1).length >= 4);
});
