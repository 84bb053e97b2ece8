import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCopyRange, readRange } from './range.ts';

test('A6: ranges of an object of 10 bytes', () => {
  const cases: [string | undefined, ReturnType<typeof readRange>][] = [
    [undefined, undefined],
    ['bytes=0-0', { start: 0, end: 0 }],
    ['bytes=2-5', { start: 2, end: 5 }],
    ['bytes=2-', { start: 2, end: 9 }],
    ['bytes=2-100', { start: 2, end: 9 }],
    ['bytes=2-9999999999999999999', { start: 2, end: 9 }],
    ['bytes=-3', { start: 7, end: 9 }],
    ['bytes=-100', { start: 0, end: 9 }],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=10-20', 'unsatisfiable'],
    ['bytes=5-2', undefined],
    ['bytes=0-1,3-4', undefined],
    [`bytes=${Array.from({ length: 1000 }, (_, at) => `${at}-${at}`).join(',')}`, undefined],
    ['bytes=--1', undefined],
    ['bytes=a-b', undefined],
    ['bytes=-', undefined],
    ['bytes', undefined],
    ['lines=0-1', undefined],
    ['bytes=99999999999999999999999999-', undefined],
  ];
  for (const [header, expected] of cases)
    assert.deepEqual(readRange(header, 10), expected, String(header).slice(0, 40));
});

test('A6: no byte of an empty object can be asked for', () => {
  for (const header of ['bytes=0-', 'bytes=0-0', 'bytes=-1', 'bytes=-0']) {
    assert.equal(readRange(header, 0), 'unsatisfiable', header);
  }
});

test('the range of a copy lies inside its source', () => {
  assert.deepEqual(readCopyRange('bytes=0-9', 10), { start: 0, end: 9 });
  for (const text of ['bytes=0-10', 'bytes=5-4', 'bytes=5-', 'bytes=-5', '0-5', 'bytes=0-1,2-3']) {
    assert.equal(readCopyRange(text, 10), undefined, text);
  }
});
