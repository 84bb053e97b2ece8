import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { behind, type From, listKeys } from './list-keys.ts';

interface Row {
  key: Buffer;
  place: number;
}

/** What a list must show, by the definition: every key once, those under a common prefix together. */
function expected(keys: string[], prefix: string, delimiter: string | undefined, after: string): string[] {
  const shown = new Set<string>();
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue;
    const at = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
    const entry = at === -1 ? key : key.slice(0, at + delimiter!.length);
    if (Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0 && entry !== after) shown.add(entry);
  }
  return [...shown].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function source(keys: string[]) {
  const rows = keys.map((key) => ({ key: Buffer.from(key), place: -1 })).sort((a, b) => Buffer.compare(a.key, b.key));
  const read = { rows: 0, looks: 0 };
  const fetch = async (from: From, end: Buffer | undefined, limit: number): Promise<Row[]> => {
    const found = rows
      .filter(({ key }) => {
        const order = Buffer.compare(key, from.key);
        return (order > 0 || (order === 0 && from.inclusive)) && (end === undefined || Buffer.compare(key, end) < 0);
      })
      .slice(0, limit);
    read.rows += found.length;
    read.looks++;
    return found;
  };
  return { fetch, read };
}

test('pages put together show what the definition says, for any keys, prefix, delimiter and page size', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '-', 'é', '🚀', '\uffff'), maxLength: 6 });
  const property = fc.asyncProperty(
    fc.uniqueArray(
      text.filter((key) => key !== ''),
      { maxLength: 30 },
    ),
    text,
    fc.option(fc.constantFrom('/', '-', '//', 'é'), { nil: undefined }),
    fc.integer({ min: 1, max: 8 }),
    async (keys, prefix, delimiter, max) => {
      const { fetch } = source(keys);
      const shown: string[] = [];
      let marker: string | undefined;
      for (let page = 0; page < 100; page++) {
        const listed = await listKeys<Row>({
          prefix,
          delimiter,
          max,
          fetch,
          from: marker === undefined ? undefined : { key: Buffer.from(marker), inclusive: false },
        });
        const entries = [...listed.rows.map(({ key }) => key.toString()), ...listed.prefixes];
        assert.ok(entries.length <= max);
        shown.push(...entries);
        if (!listed.truncated) break;
        const { last } = listed;
        marker = typeof last === 'string' ? last : last!.key.toString();
      }
      const sorted = shown.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      assert.deepEqual(sorted, expected(keys, prefix, delimiter, ''));
    },
  );
  await fc.assert(property, { numRuns: 500 });
});

test('what lies under a common prefix is not read', async () => {
  const keys = Array.from({ length: 20_000 }, (_, at) => `folder-${at % 4}/file-${at}`);
  const { fetch, read } = source(keys);
  const listed = await listKeys<Row>({ prefix: '', delimiter: '/', max: 1000, fetch, from: undefined });
  assert.deepEqual(listed.prefixes, ['folder-0/', 'folder-1/', 'folder-2/', 'folder-3/']);
  assert.ok(read.rows < 1100, `${read.rows} rows were read`);
  assert.ok(read.looks <= 5, `${read.looks} looks`);
});

test('the first byte string behind a prefix', () => {
  assert.equal(behind(Buffer.from('a'))?.toString(), 'b');
  assert.deepEqual(behind(Buffer.from([1, 0xff, 0xff])), Buffer.from([2]));
  assert.equal(behind(Buffer.from([0xff])), undefined);
  assert.equal(behind(Buffer.alloc(0)), undefined);
});
