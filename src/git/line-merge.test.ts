import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { diffLines, LineNumbers, linesOf } from './line-diff.ts';
import { mergeLines } from './line-merge.ts';

const text = fc.array(fc.constantFrom('a', 'b', 'c', '', 'd'), { maxLength: 12 }).map((lines) => lines.join('\n'));
const bytes = (value: string) => linesOf(Buffer.from(value));

test('a text is cut into lines that keep their ends', () => {
  assert.deepEqual(bytes('a\n\nb').map(String), ['a\n', '\n', 'b']);
  assert.deepEqual(bytes(''), []);
});

test('the changes between two texts make one of the other', () => {
  fc.assert(
    fc.property(text, text, (before, after) => {
      const [a, b] = [bytes(before), bytes(after)];
      const numbers = new LineNumbers();
      let at = 0;
      const made: Buffer[] = [];
      for (const { aStart, aEnd, bStart, bEnd } of diffLines(numbers.of(a), numbers.of(b))) {
        assert.ok(aStart >= at && (aEnd > aStart || bEnd > bStart));
        made.push(...a.slice(at, aStart), ...b.slice(bStart, bEnd));
        at = aEnd;
      }
      assert.equal(Buffer.concat([...made, ...a.slice(at)]).toString(), after);
    }),
  );
});

test('texts without a common line, and very long ones, are compared in bounded time', () => {
  const long = (seed: number) => Int32Array.from({ length: 60_000 }, (_, at) => (at * seed) % 13);
  const changes = diffLines(long(5), long(7));
  assert.ok(changes.length >= 1);
});

test('stretches of a merge cover all three versions, and only a conflict is one', () => {
  fc.assert(
    fc.property(text, text, text, (base, ours, theirs) => {
      const sides = { base: bytes(base), ours: bytes(ours), theirs: bytes(theirs) };
      const at = { base: 0, ours: 0, theirs: 0 };
      for (const stretch of mergeLines(sides.base, sides.ours, sides.theirs)) {
        const shown = { base: '', ours: '', theirs: '' };
        for (const side of ['base', 'ours', 'theirs'] as const) {
          assert.equal(stretch[side].start, at[side]);
          at[side] = stretch[side].end;
          shown[side] = Buffer.concat(sides[side].slice(stretch[side].start, stretch[side].end)).toString();
        }
        if (stretch.kind === 'same') assert.ok(shown.base === shown.ours && shown.ours === shown.theirs);
        if (stretch.kind === 'ours') assert.equal(shown.base, shown.theirs);
        if (stretch.kind === 'theirs') assert.equal(shown.base, shown.ours);
        if (stretch.kind === 'both') assert.equal(shown.ours, shown.theirs);
        if (stretch.kind === 'conflict') assert.notEqual(shown.ours, shown.theirs);
      }
      assert.deepEqual(at, { base: sides.base.length, ours: sides.ours.length, theirs: sides.theirs.length });
    }),
  );
});

test('texts that were made to cost the square of their lines are compared in bounded time', () => {
  // Each line that stands once on both sides leaves one that stands once in what is left, and so on.
  const count = 60_000;
  const chain = Int32Array.from({ length: count }, (_, at) => (at % 2 === 0 ? at / 2 : (at + 1) / 2));
  const reversed = Int32Array.from(chain).reverse();
  // Stretches without a common line between lines that hold them apart.
  const apart = (seed: number) =>
    Int32Array.from({ length: 500_000 }, (_, at) => (at % 999 === 0 ? -at : (at * seed) % 7));
  const started = performance.now();
  for (const [a, b] of [[chain, reversed] as const, [apart(3), apart(5)] as const]) {
    const changes = diffLines(a, b);
    assert.ok(changes.length >= 1);
  }
  assert.ok(performance.now() - started < 10_000);
});
