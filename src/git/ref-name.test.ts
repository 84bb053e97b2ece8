import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareNames, isObjectId, parentNames, refNameProblem } from './ref-name.ts';

const GOOD = [
  'refs/heads/main',
  'refs/heads/feature/a-b_c.d',
  'refs/tags/v1.0',
  'refs/notes/commits',
  'refs/heads/ü',
  'refs/heads/@x',
  'refs/heads/refs',
  'refs/heads/a/refs/b',
  'refs/heads/a@b',
];
const BAD = [
  'main',
  'HEAD',
  'refs/heads/',
  'refs/heads',
  'refs/pull/1/head',
  'refs/replace/0123',
  'refs/x',
  'refs/heads/HEAD',
  'refs/heads/refs/heads/main',
  'refs/tags/refs/heads/main',
  'refs/heads/-x',
  'refs/heads/--upload-pack=id',
  'refs/heads/a..b',
  'refs/heads/a//b',
  'refs/heads/a/',
  'refs/heads/.a',
  'refs/heads/a/.b',
  'refs/heads/a.lock',
  'refs/heads/a.lock/b',
  'refs/heads/a.',
  'refs/heads/a b',
  'refs/heads/a~1',
  'refs/heads/a^',
  'refs/heads/a:b',
  'refs/heads/a?',
  'refs/heads/a*',
  'refs/heads/a[b',
  'refs/heads/a\\b',
  'refs/heads/@',
  'refs/heads/a@{1}',
  'refs/heads/a\u0000b',
  'refs/heads/a\nb',
  'refs/heads/a\u007fb',
  'refs/heads/../../x',
  `refs/heads/${'a'.repeat(40)}`,
  `refs/heads/${'A1'.repeat(20)}`,
  `refs/heads/${'x'.repeat(257)}`,
  'refs/heads/a\ufffdb',
  'refs/heads/\ud800',
];

for (const name of GOOD) test(`G4: ${name} is accepted`, () => assert.equal(refNameProblem(name), null));
for (const name of BAD) {
  test(`G4: ${JSON.stringify(name).slice(0, 60)} is refused`, () =>
    assert.equal(typeof refNameProblem(name), 'string'));
}

test('256 characters are the longest name', () => {
  assert.equal(refNameProblem(`refs/heads/${'x'.repeat(256)}`), null);
});

test('names sort as their bytes do', () => {
  const names = [
    'refs/heads/b',
    'refs/heads/a/b',
    'refs/heads/a',
    'refs/heads/a-b',
    'refs/heads/\u{1f600}',
    'refs/heads/\uff5e',
    'refs/heads/é',
  ];
  const expected = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  assert.deepEqual([...names].sort(compareNames), expected);
});

test('only whole lower-case ids are ids', () => {
  assert.equal(isObjectId('a'.repeat(40)), true);
  for (const text of ['a'.repeat(39), 'a'.repeat(41), 'A'.repeat(40), `${'a'.repeat(39)}\n`, 'HEAD'])
    assert.equal(isObjectId(text), false);
});

test('parents of a name are the folders that it needs', () => {
  assert.deepEqual(parentNames('refs/heads/a/b/c'), ['refs/heads/a', 'refs/heads/a/b']);
  assert.deepEqual(parentNames('refs/heads/a'), []);
});
