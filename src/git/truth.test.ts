import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { changedState, type RepositoryState, sortRefs } from './truth.ts';

const NAMES = [
  'refs/heads/a',
  'refs/heads/a-b',
  'refs/heads/a/b',
  'refs/heads/\u{10000}',
  'refs/heads/\ue000',
  'refs/tags/v',
];
const updates = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom(...NAMES),
    to: fc.constantFrom(null, '1'.repeat(40), '2'.repeat(40)),
    peeled: fc.constantFrom(null, '3'.repeat(40)),
  }),
  { selector: ({ name }) => name, minLength: 1 },
);
const pack = (id: number) => ({ id: `${id}`.padStart(32, '0'), objects: 1, bytes: 1, sealed: true });

test('a state that follows changes is the one that is read anew', () => {
  fc.assert(
    fc.property(fc.array(updates, { maxLength: 8 }), (changes) => {
      let state: RepositoryState = { generation: 4, head: null, refs: new Map(), packs: [], collections: 2 };
      const rows = new Map<string, { name: string; id: string; peeled: string | null }>();
      for (const [at, change] of changes.entries()) {
        const before = [...state.refs];
        const next = changedState(state, { generation: 5 + at, head: 'refs/heads/a', updates: change, pack: pack(at) });
        // Whoever holds the old state sees no change.
        assert.deepEqual([...state.refs], before);
        state = next;
        for (const { name, to, peeled } of change) {
          if (to === null) rows.delete(name);
          else rows.set(name, { name, id: to, peeled });
        }
        assert.deepEqual([...state.refs], [...sortRefs(rows.values())]);
      }
      assert.equal(state.generation, 4 + changes.length);
      assert.deepEqual(
        state.packs,
        changes.map((_, at) => pack(at)),
      );
      assert.equal(state.collections, 2);
    }),
  );
});
