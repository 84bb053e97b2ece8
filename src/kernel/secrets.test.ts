import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Secrets } from './secrets.ts';

const secrets = new Secrets(randomBytes(32));

test('what is sealed opens with the same purpose and bound value, and looks different each time', () => {
  for (const text of ['', 'x', 'ü😀', 'a'.repeat(10_000)]) {
    const sealed = secrets.seal('p', 'row-1', text);
    assert.equal(String(secrets.open('p', 'row-1', sealed)), text);
    assert.notEqual(secrets.seal('p', 'row-1', text), sealed);
  }
  const bytes = randomBytes(50);
  assert.deepEqual(secrets.open('p', 'b', secrets.seal('p', 'b', bytes)), bytes);
});

test('a sealed text that was changed, moved or is another’s does not open', () => {
  const sealed = secrets.seal('p', 'row-1', 'secret');
  assert.throws(() => secrets.open('q', 'row-1', sealed), 'wrong purpose');
  assert.throws(() => secrets.open('p', 'row-2', sealed), 'moved to another row');
  assert.throws(() => new Secrets(randomBytes(32)).open('p', 'row-1', sealed), 'another installation');
  const bytes = Buffer.from(sealed, 'base64');
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at]! ^= 1;
    assert.throws(() => secrets.open('p', 'row-1', flipped.toString('base64')), `byte ${at}`);
  }
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => secrets.open('p', 'row-1', bytes.subarray(0, length).toString('base64')), `${length} bytes`);
  }
  assert.throws(() => secrets.open('p', 'row-1', 'not base64 at all!'));
});

test('a digest depends on key, purpose and text', () => {
  const mac = secrets.mac('p', 'text');
  assert.equal(mac.length, 32);
  assert.deepEqual(secrets.mac('p', Buffer.from('text')), mac);
  for (const other of [
    secrets.mac('q', 'text'),
    secrets.mac('p', 'texu'),
    new Secrets(randomBytes(32)).mac('p', 'text'),
  ]) {
    assert.notDeepEqual(other, mac);
  }
});

test('a root key of another length is refused', () => {
  for (const length of [0, 16, 31, 33]) assert.throws(() => new Secrets(Buffer.alloc(length)), /32 bytes/);
});
