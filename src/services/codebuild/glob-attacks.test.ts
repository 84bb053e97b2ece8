import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileGlob } from './glob.ts';

const HOSTILE: [what: string, pattern: string][] = [
  ['braces that are never closed', '{'.repeat(60_000)],
  ['braces in braces', '{'.repeat(20_000) + '}'.repeat(20_000)],
  ['braces in braces after open ones', '{'.repeat(30_000) + '}'.repeat(20_000)],
  ['braces in braces before open ones', '{'.repeat(20_000) + '}'.repeat(20_000) + '{'.repeat(30_000)],
  ['many pairs', '{a,b}'.repeat(10_000)],
  ['many choices', `{${','.repeat(60_000)}}`],
  ['brackets', '['.repeat(60_000)],
];

for (const [what, pattern] of HOSTILE) {
  test(`I3: an artifact pattern of ${what} does not stop the server`, () => {
    const before = process.cpuUsage();
    assert.equal(compileGlob(pattern).matches('a'.repeat(200)), false);
    const { user, system } = process.cpuUsage(before);
    assert.ok((user + system) / 1000 < 500, `took ${(user + system) / 1000} ms`);
  });
}

test('braces: nested, after one that stays open, and empty', () => {
  assert.ok(compileGlob('a{b,c{d,e}}f').matches('acef'));
  assert.ok(compileGlob('{a/{b,c}').matches('{a/c'));
  assert.ok(compileGlob('x}{y,z}').matches('x}z'));
  assert.ok(compileGlob(`${'{a,'.repeat(3)}b${'}'.repeat(3)}`).matches('b'));
});
