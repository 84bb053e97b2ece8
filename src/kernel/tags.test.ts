import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Context, Tx } from './context.ts';
import type { AnyTransaction, Database } from './store/database.ts';
import { deleteAllTags, putTags, removeTags, type TagProblem, type Tags, tagProblem, tagsOf } from './tags.ts';
import { TEST_DATABASES } from './testing/databases.ts';

test('tag sets are held against AWS’s rules', () => {
  const many = (count: number, from = 0): Tags =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n + from}`, 'v']));
  const cases: [Tags, Tags, TagProblem | undefined][] = [
    [{}, {}, undefined],
    [{ k: '' }, {}, undefined],
    [{ 'Ünï 1_.:/=+-@': 'äöü _.:/=+-@' }, {}, undefined],
    [{ ['k'.repeat(128)]: 'v'.repeat(256) }, {}, undefined],
    [{ '': 'v' }, {}, 'bad-key'],
    [{ ['k'.repeat(129)]: 'v' }, {}, 'bad-key'],
    [{ 'k!': 'v' }, {}, 'bad-key'],
    [{ 'k\n': 'v' }, {}, 'bad-key'],
    [{ k: 'v'.repeat(257) }, {}, 'bad-value'],
    [{ k: '<v>' }, {}, 'bad-value'],
    [{ k: '\0' }, {}, 'bad-value'],
    [{ 'aws:k': 'v' }, {}, 'system-tag'],
    [{ 'AWS:k': 'v' }, {}, 'system-tag'],
    [{ awsome: 'v' }, {}, undefined],
    [many(50), {}, undefined],
    [many(51), {}, 'too-many'],
    [many(25), many(25, 25), undefined],
    [many(25), many(25), undefined],
    [many(26), many(25, 26), 'too-many'],
  ];
  for (const [tags, existing, problem] of cases) {
    assert.equal(tagProblem(tags, existing), problem, JSON.stringify(tags).slice(0, 80));
  }
});

for (const dialect of TEST_DATABASES) {
  test(`tags are put, replaced, removed, and go with their resource (${dialect.name})`, async (t) => {
    const database: Database = await dialect.open(t);
    const reader = { db: () => database.reader } as unknown as Context;
    const change = (run: (tx: Tx) => Promise<void>) =>
      database.transaction((transaction: AnyTransaction) => run({ db: () => transaction } as unknown as Tx));
    const [one, two] = ['arn:aws:x:::one', 'arn:aws:x:::two'];
    await change(async (tx) => {
      await putTags(tx, one, { b: '2', a: '1', A: '3' });
      await putTags(tx, two, { a: 'other' });
      await putTags(tx, two, {});
    });
    assert.deepEqual(Object.entries(await tagsOf(reader, one)), [
      ['A', '3'],
      ['a', '1'],
      ['b', '2'],
    ]);
    await change(async (tx) => {
      await putTags(tx, one, { a: 'new', __proto__x: 'p' });
      await removeTags(tx, one, ['b', 'absent']);
      await removeTags(tx, one, []);
      assert.deepEqual(await tagsOf(tx, one), { A: '3', __proto__x: 'p', a: 'new' });
    });
    await change((tx) => deleteAllTags(tx, one));
    assert.deepEqual([await tagsOf(reader, one), await tagsOf(reader, two)], [{}, { a: 'other' }]);
    await change((tx) => putTags(tx, one, Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`k${n}`, 'v']))));
    assert.equal(Object.keys(await tagsOf(reader, one)).length, 50);
  });
}
