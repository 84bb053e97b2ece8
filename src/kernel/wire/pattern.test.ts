import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { services } from '../../services.ts';
import { constraintsOf } from '../testing/services.ts';
import { compilePattern } from './pattern.ts';

/** Repeated, these make patterns go back and forth. */
const SEEDS = [
  ...['a', 'A', '0', 'aA0', '_', ' ', '/', '.', '-', ':', ',', '=', '@', '[', '\\', '{', 'ü', '\n', '\t'],
  ...[
    'a.',
    'a-',
    'a/',
    'a:',
    'a,',
    'a=',
    'a b',
    '1.',
    'a@',
    ' \t',
    'arn:aws:',
    's3://a',
    'arn:aws:iam::123456789012:role/a',
  ],
];
const STARTS = ['', 'a', '/', 'arn:aws:iam::'];
const ENDS = ['', '!', '$', '\0', '\n'];
/** Growing, so that a pattern without bound is caught while it still ends. */
const LENGTHS = [16, 20, 24, 28, 32, 100, 1_000, 10_000];
const LONG_MS = 400;

/** The slowest of many texts, as soon as one is too slow. */
function slowText(regex: RegExp, maxLength: number): string | undefined {
  for (const seed of SEEDS) {
    for (const start of STARTS) {
      for (const end of ENDS) {
        for (const length of LENGTHS) {
          if (length > maxLength * 2) break;
          const text = start + seed.repeat(Math.ceil(Math.min(length, maxLength) / seed.length)) + end;
          const before = performance.now();
          regex.test(text);
          const took = performance.now() - before;
          if (took > LONG_MS) return `${Math.round(took)} ms over ${text.length} characters of ${JSON.stringify(seed)}`;
        }
      }
    }
  }
  return undefined;
}

test('F5: no pattern of a model takes long over any text', () => {
  const seen = new Set<string>();
  // S3 words its checks itself: its table is not held against inputs.
  const tables = services.filter(({ constraints }) => constraints !== undefined).map(({ constraints }) => constraints!);
  assert.ok(tables.length >= 7);
  for (const { members } of tables) {
    for (const [key, { pattern, max = 10_000 }] of Object.entries(members)) {
      if (pattern === undefined || seen.has(`${pattern} ${max}`)) continue;
      seen.add(`${pattern} ${max}`);
      const slow = slowText(compilePattern(pattern), max);
      assert.equal(slow, undefined, `${key} ${pattern}`);
    }
  }
});

test('patterns that were rewritten match what they matched before', () => {
  const originals = [
    '^[ \\t]*[\\x20-\\x7E]+([ \\t]+[\\x20-\\x7E]+)*[ \\t]*$',
    '^[ \\t]*[^\\x00-\\x1F:\\x7F]+([ \\t]+[^\\x00-\\x1F:\\x7F]+)*[ \\t]*$',
  ];
  const texts = fc.string({ unit: fc.constantFrom(' ', '\t', 'a', ':', '~', '\x7f', '\n', 'ü', '\0'), maxLength: 9 });
  for (const pattern of originals) {
    const before = new RegExp(`^(?:${pattern})$`, 'u');
    assert.notEqual(compilePattern(pattern).source, before.source);
    fc.assert(
      fc.property(texts, (text) => {
        assert.equal(compilePattern(pattern).test(text), before.test(text), JSON.stringify(text));
      }),
      { numRuns: 2_000 },
    );
  }
});

test('patterns match whole texts, Unicode classes included', () => {
  for (const folder of readdirSync('src/services')) {
    const { members } = constraintsOf(folder);
    for (const { pattern } of Object.values(members)) {
      if (pattern === undefined || !/\\p\{/.test(pattern)) continue;
      assert.ok(compilePattern(pattern).flags.includes('u'), `${folder}: ${pattern} loses its \\p`);
    }
  }
  assert.equal(compilePattern('[a-z]+').test('abc\n'), false);
  assert.equal(compilePattern('[a-z]+').test('abc def'), false);
  assert.equal(compilePattern('[\\p{L}\\p{Z}]+').test('ü ß'), true);
});
