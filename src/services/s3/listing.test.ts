import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kysely } from 'kysely';
import { startServer } from '../../../test/harness.ts';
import type { Database } from '../../kernel/store/database.ts';
import type { ObjectTable, Tables } from './tables.ts';
import { refused } from './testing/refusals.ts';
import { keyBytes } from './versions.ts';

test('lists of objects', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const Bucket = 'listed';
  await s3.createBucket({ Bucket });
  const keys = [
    'a',
    'a/',
    'a/b',
    'a/b/c',
    'a//d',
    'b',
    'b-',
    'B',
    'é',
    'e',
    'z',
    '\u{1f680}',
    '\uffee',
    'with space',
    'p+q',
    'x&<y>',
  ];
  for (const Key of keys) await s3.putObject({ Bucket, Key, Body: 'x' });
  const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

  await t.test('are in the order of UTF-8 bytes', async () => {
    const v2 = await s3.listObjectsV2({ Bucket });
    assert.deepEqual(
      v2.Contents?.map(({ Key }) => Key),
      sorted,
    );
    assert.equal(v2.KeyCount, keys.length);
    assert.equal(v2.IsTruncated, false);
    const v1 = await s3.listObjects({ Bucket });
    assert.deepEqual(
      v1.Contents?.map(({ Key }) => Key),
      sorted,
    );
    assert.ok(v1.Contents?.[0]?.Owner?.ID);
    assert.equal(v2.Contents?.[0]?.Owner, undefined);
    assert.ok((await s3.listObjectsV2({ Bucket, FetchOwner: true })).Contents?.[0]?.Owner?.ID);
    const { Size, ETag, StorageClass, LastModified } = v2.Contents![0]!;
    assert.deepEqual([Size, ETag, StorageClass], [1, '"9dd4e461268c8034f5c8564e155c67a6"', 'STANDARD']);
    assert.ok(LastModified instanceof Date);
  });

  await t.test('have prefixes and delimiters', async () => {
    const list = async (Prefix: string, Delimiter = '/') => {
      const { Contents = [], CommonPrefixes = [] } = await s3.listObjectsV2({ Bucket, Prefix, Delimiter });
      return [Contents.map(({ Key }) => Key), CommonPrefixes.map((entry) => entry.Prefix)];
    };
    assert.deepEqual(await list(''), [sorted.filter((key) => !key.includes('/')), ['a/']]);
    assert.deepEqual(await list('a/'), [
      ['a/', 'a/b'],
      ['a//', 'a/b/'],
    ]);
    assert.deepEqual(await list('a/b'), [['a/b'], ['a/b/']]);
    assert.deepEqual(await list('nothing'), [[], []]);
    assert.deepEqual(await list('', 'e'), [sorted.filter((key) => !key.includes('e')), ['e', 'with space']]);
  });

  await t.test('go on page by page: by token, by marker, from a start', async () => {
    const paged: (string | undefined)[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await s3.listObjectsV2({ Bucket, MaxKeys: 3, ContinuationToken });
      assert.ok((page.KeyCount ?? 0) <= 3);
      paged.push(...(page.Contents ?? []).map(({ Key }) => Key));
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    assert.deepEqual(paged, sorted);
    const marked: (string | undefined)[] = [];
    let Marker: string | undefined;
    for (;;) {
      const page = await s3.listObjects({ Bucket, MaxKeys: 2, Delimiter: '/', Marker });
      marked.push(
        ...(page.Contents ?? []).map(({ Key }) => Key),
        ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix),
      );
      if (page.IsTruncated !== true) break;
      Marker = page.NextMarker;
    }
    assert.deepEqual(marked.sort(), [...sorted.filter((key) => !key.includes('/')), 'a/'].sort());
    const started = await s3.listObjectsV2({ Bucket, StartAfter: 'e' });
    assert.deepEqual(
      started.Contents?.map(({ Key }) => Key),
      sorted.slice(sorted.indexOf('e') + 1),
    );
    await refused(s3.listObjectsV2({ Bucket, ContinuationToken: 'bm90IG91cnM' }), 'InvalidArgument', 400);
    assert.deepEqual((await s3.listObjectsV2({ Bucket, MaxKeys: 0 })).KeyCount, 0);
    assert.equal((await s3.listObjectsV2({ Bucket, MaxKeys: 5000 })).MaxKeys, 1000);
  });

  await t.test('spell keys for XML on request', async () => {
    const { Contents, EncodingType } = await s3.listObjectsV2({ Bucket, EncodingType: 'url' });
    assert.equal(EncodingType, 'url');
    const spelt = Contents!.map(({ Key }) => Key!);
    assert.deepEqual(
      spelt.map((key) => decodeURIComponent(key.replaceAll('+', ' '))),
      sorted,
    );
    assert.ok(spelt.includes('with+space') && spelt.includes('p%2Bq') && spelt.includes('a/b/c'));
    await refused(s3.listObjectsV2({ Bucket, EncodingType: 'base64' as 'url' }), 'InvalidArgument', 400);
  });

  await t.test('do not show what was deleted', async () => {
    await s3.putObject({ Bucket, Key: 'gone', Body: 'x' });
    await s3.deleteObject({ Bucket, Key: 'gone' });
    assert.equal((await s3.listObjectsV2({ Bucket, Prefix: 'gone' })).KeyCount, 0);
  });
});

test('a list costs the same whatever lies under its prefixes', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const timeOf = async (Bucket: string): Promise<number> => {
    const times: number[] = [];
    for (let round = 0; round < 9; round++) {
      const start = performance.now();
      const { CommonPrefixes = [] } = await s3.listObjectsV2({ Bucket, Delimiter: '/' });
      assert.equal(CommonPrefixes.length, 100);
      times.push(performance.now() - start);
    }
    // The least: what else the machine does makes others longer.
    return Math.min(...times);
  };
  for (const [Bucket, perFolder] of [
    ['few', 50],
    ['many', 1100],
  ] as const) {
    await s3.createBucket({ Bucket });
    await fill(server.kernel.database, Bucket, perFolder);
  }
  const [few, many] = [await timeOf('few'), await timeOf('many')];
  // 20 times the keys, more than a page under each prefix: reading them all would take 20 times as long.
  assert.ok(many < few * 2 + 25, `${many.toFixed(1)} ms against ${few.toFixed(1)} ms`);
});

/** Writes rows of objects without data: 100 folders. */
async function fill(database: Database, bucket: string, perFolder: number): Promise<void> {
  await database.transaction(async (tx) => {
    const db = tx as unknown as Kysely<Tables>;
    for (let folder = 0; folder < 100; folder++) {
      for (let at = 0; at < perFolder; at += 500) {
        const rows = Array.from(
          { length: Math.min(500, perFolder - at) },
          (_, file): ObjectTable => ({
            bucket,
            key: keyBytes(`folder-${folder}/file-${at + file}`),
            place: -1,
            version_id: 'null',
            is_latest: 1,
            is_delete_marker: 0,
            is_listed: 1,
            size: 0,
            etag: 'd41d8cd98f00b204e9800998ecf8427e',
            modified_at: 0,
            headers: '{}',
            metadata: '{}',
            tags: null,
            checksum: null,
            blob: null,
            data_key: null,
            upload: null,
            parts_count: null,
            encryption: null,
            owner: null,
            acl: null,
          }),
        );
        await db.insertInto('s3_objects').values(rows).execute();
      }
    }
  });
}
