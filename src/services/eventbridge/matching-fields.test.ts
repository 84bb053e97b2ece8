import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileEventPattern, matchesEvent } from './pattern.ts';

/** 444 characters that make 1,000 alternatives: ten fields at each of three levels. */
function explosivePattern(): object {
  const branches = (prefix: string) => Array.from({ length: 10 }, (_, at) => ({ [`${prefix}${at}`]: ['n'] }));
  return { detail: { a: { $or: branches('p'), b: { $or: branches('q'), c: { $or: branches('r') } } } } };
}

for (const [what, detail] of [
  ['numbers', { a: Array.from({ length: 120_000 }, () => 0) }],
  ['empty objects', { a: Array.from({ length: 80_000 }, () => ({})) }],
  ['objects with one field', { a: Array.from({ length: 26_000 }, () => ({ p0: 'n' })) }],
  ['numbers at the bottom', { a: { p0: 'n', b: { q0: 'n', c: Array.from({ length: 120_000 }, () => 0) } } }],
] as const) {
  test(`I3: a short pattern with 1,000 alternatives against 240 KB of ${what} does not stop the server`, () => {
    const pattern = compileEventPattern(JSON.stringify(explosivePattern()));
    const before = process.cpuUsage();
    assert.equal(matchesEvent(pattern, { detail }), false);
    const { user, system } = process.cpuUsage(before);
    const ms = (user + system) / 1000;
    assert.ok(ms < 1_000, `took ${ms} ms`);
  });
}

test('the 1,000 alternatives still find the one element that satisfies one of them', () => {
  const pattern = compileEventPattern(JSON.stringify(explosivePattern()));
  const split = [{ p3: 'n' }, { b: { q9: 'n', c: { r0: 'n' } } }];
  assert.equal(matchesEvent(pattern, { detail: { a: split } }), false, 'spread over two elements');
  assert.equal(matchesEvent(pattern, { detail: { a: [...split, { ...split[0], ...split[1] }] } }), true);
  const last = { p9: 'n', b: { q9: 'n', c: [{}, { r9: 'n' }] } };
  assert.equal(matchesEvent(pattern, { detail: { a: last } }), true, 'the last alternative');
});
