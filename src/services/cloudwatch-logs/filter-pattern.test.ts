import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileFilterPattern, FilterPatternError } from './filter-pattern.ts';

const CASES: [pattern: string, message: string, matches: boolean][] = [
  ['', 'anything', true],
  ['ERROR', 'an ERROR here', true],
  ['ERROR', 'an error here', false],
  ['ERROR Exception', 'ERROR Exception', true],
  ['ERROR Exception', 'ERROR only', false],
  ['"two words"', 'the two words here', true],
  ['"two words"', 'two other words', false],
  ['ERROR -Timeout', 'ERROR Timeout', false],
  ['ERROR -Timeout', 'ERROR other', true],
  ['?ERROR ?WARN', 'a WARN', true],
  ['?ERROR ?WARN', 'an INFO', false],
  ['{ $.level = "error" }', '{"level":"error"}', true],
  ['{ $.level = "err*" }', '{"level":"error"}', true],
  ['{ $.level = "error" }', 'level error', false],
  ['{ $.n > 3 }', '{"n":4}', true],
  ['{ $.n > 3 }', '{"n":3}', false],
  ['{ $.n >= 3 && $.a.b[1] = "x" }', '{"n":3,"a":{"b":[0,"x"]}}', true],
  ['{ ($.a = 1 || $.b = 2) && $.c IS TRUE }', '{"b":2,"c":true}', true],
  ['{ $.a IS NULL }', '{"a":null}', true],
  ['{ $.a NOT EXISTS }', '{"b":1}', true],
  ['{ $.a EXISTS }', '{"b":1}', false],
  ['{ $.__proto__ EXISTS }', '{"b":1}', false],
  ['{ $.a != "x" }', '{"a":"y"}', true],
  ['[ip, user, code = 4*]', '10.0.0.1 bob 404', true],
  ['[ip, user, code = 4*]', '10.0.0.1 bob 200', false],
  ['[ip, user, code = 4*]', '10.0.0.1 bob', false],
  ['[ip, ..., size > 100]', '10.0.0.1 "GET / HTTP/1.1" x y 1000', true],
  ['[ip, ..., size > 100]', '10.0.0.1 5', false],
  ['[a = "x y", b = "p q", c]', '[x y]"p q" z', true],
  ['[a = "[x", b = y, c]', '[x y "z', true],
  ['[a = "x]", b]', ' x] ""', true],
];

test('filter patterns match what AWS says they match', () => {
  for (const [pattern, message, matches] of CASES) {
    assert.equal(compileFilterPattern(pattern)(message), matches, `${pattern} on ${message}`);
  }
});

test('patterns that are none, or of a kind that is not implemented, are refused', () => {
  for (const pattern of ['%a+%', '{ $.a = }', '{ $.a', '[a, b', '{ a = 1 }', '{ ($.a = 1 }', '[..., ...]']) {
    assert.throws(() => compileFilterPattern(pattern), FilterPatternError, pattern);
  }
});

test('I3: matching takes time linear in the message', () => {
  const filter = compileFilterPattern(`{ $.a = "${'*a'.repeat(200)}b" }`);
  const message = JSON.stringify({ a: 'a'.repeat(100_000) });
  const start = performance.now();
  assert.equal(filter(message), false);
  assert.ok(performance.now() - start < 2_000);
  // Brackets and quotation marks that are opened and never closed.
  for (const sign of ['[', '"']) {
    const fields = compileFilterPattern('[a, b]');
    const begin = performance.now();
    assert.equal(fields(`${sign} `.repeat(125_001)), false);
    assert.ok(performance.now() - begin < 2_000, sign);
  }
});
