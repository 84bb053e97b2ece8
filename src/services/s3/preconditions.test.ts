import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evaluateRead, names, type ReadConditions, type ReadOutcome } from './preconditions.ts';

const MODIFIED = Date.parse('2026-05-01T10:00:00.700Z');
const before = new Date('2026-05-01T09:59:59Z');
const exactly = new Date('2026-05-01T10:00:00Z');
const after = new Date('2026-05-01T10:00:01Z');

test('conditions of a read, in the order of RFC 9110', () => {
  const cases: [ReadConditions, ReadOutcome][] = [
    [{}, 'read'],
    [{ ifMatch: '"tag"' }, 'read'],
    [{ ifMatch: 'tag' }, 'read'],
    [{ ifMatch: '*' }, 'read'],
    [{ ifMatch: '"a", "tag"' }, 'read'],
    [{ ifMatch: '"other"' }, 'If-Match'],
    [{ ifNoneMatch: '"tag"' }, 'not-modified'],
    [{ ifNoneMatch: '*' }, 'not-modified'],
    [{ ifNoneMatch: '"other"' }, 'read'],
    [{ ifModifiedSince: before }, 'read'],
    [{ ifModifiedSince: exactly }, 'not-modified'],
    [{ ifModifiedSince: after }, 'not-modified'],
    [{ ifUnmodifiedSince: before }, 'If-Unmodified-Since'],
    [{ ifUnmodifiedSince: exactly }, 'read'],
    [{ ifUnmodifiedSince: after }, 'read'],
    // An entity tag decides; the date beside it is not looked at.
    [{ ifMatch: '"tag"', ifUnmodifiedSince: before }, 'read'],
    [{ ifNoneMatch: '"other"', ifModifiedSince: after }, 'read'],
    [{ ifNoneMatch: '"tag"', ifModifiedSince: before }, 'not-modified'],
    [{ ifMatch: '"other"', ifNoneMatch: '"tag"' }, 'If-Match'],
  ];
  for (const [conditions, expected] of cases) {
    assert.equal(evaluateRead(conditions, { etag: 'tag', modifiedAt: MODIFIED }), expected, JSON.stringify(conditions));
  }
});

test('a list of entity tags names one only as a whole', () => {
  assert.equal(names('"tag-1"', 'tag'), false);
  assert.equal(names('W/"tag"', 'tag'), true);
  assert.equal(names('', 'tag'), false);
});
