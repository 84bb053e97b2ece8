import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { systemClock } from '../../kernel/clock.ts';
import { eventually } from '../../kernel/testing/eventually.ts';
import { send, signedHeaders } from '../../kernel/testing/raw-http.ts';
import { judge, type LifecycleRule, midnightAfter } from './lifecycle-rules.ts';
import type { ObjectTable } from './tables.ts';
import { refused } from './testing/refusals.ts';

const DAY_MS = 24 * 60 * 60_000;

test('rules as S3 counts: days end at midnight, kept versions are counted, tags and sizes must fit', () => {
  const noon = Date.UTC(2026, 0, 15, 12);
  assert.equal(new Date(midnightAfter(noon, 3)).toISOString(), '2026-01-19T00:00:00.000Z');
  const version = (id: string, modifiedAt: number, more: Partial<ObjectTable> = {}) =>
    ({
      key: Buffer.from('logs/a'),
      version_id: id,
      modified_at: modifiedAt,
      is_delete_marker: 0,
      size: 10,
      tags: null,
      ...more,
    }) as ObjectTable;
  const rule = (more: Partial<LifecycleRule>): LifecycleRule => ({
    id: 'r',
    enabled: true,
    prefix: '',
    tags: {},
    shown: {} as never,
    ...more,
  });
  const at = (days: number) => noon + days * DAY_MS;
  const marker = { is_delete_marker: 1, size: 0 };
  const cases: [string, LifecycleRule, ObjectTable[], number, boolean, string[]][] = [
    ['not yet', rule({ expiration: { days: 3 } }), [version('1', noon)], at(3), false, []],
    ['due', rule({ expiration: { days: 3 } }), [version('1', noon)], at(4), true, []],
    ['another prefix', rule({ prefix: 'x/', expiration: { days: 3 } }), [version('1', noon)], at(9), false, []],
    ['a date', rule({ expiration: { at: at(1) } }), [version('1', noon)], at(1), true, []],
    ['too small', rule({ largerThan: 10, expiration: { days: 1 } }), [version('1', noon)], at(9), false, []],
    [
      'large enough',
      rule({ largerThan: 9, smallerThan: 11, expiration: { days: 1 } }),
      [version('1', noon)],
      at(9),
      true,
      [],
    ],
    ['no tag', rule({ tags: { a: 'b' }, expiration: { days: 1 } }), [version('1', noon)], at(9), false, []],
    [
      'the tag',
      rule({ tags: { a: 'b' }, expiration: { days: 1 } }),
      [version('1', noon, { tags: '{"a":"b","c":"d"}' })],
      at(9),
      true,
      [],
    ],
    [
      'noncurrent',
      rule({ noncurrent: { days: 2, keep: 0 } }),
      [version('2', noon), version('1', at(-9))],
      at(3),
      false,
      ['1'],
    ],
    [
      'noncurrent since its successor came',
      rule({ noncurrent: { days: 2, keep: 0 } }),
      [version('2', noon), version('1', at(-9))],
      at(1),
      false,
      [],
    ],
    [
      'the newest noncurrent are kept',
      rule({ noncurrent: { days: 1, keep: 1 } }),
      [version('3', noon), version('2', noon), version('1', noon)],
      at(9),
      false,
      ['1'],
    ],
    ['a lone marker', rule({ expiration: { markers: true } }), [version('m', noon, marker)], noon, false, ['m']],
    [
      'a marker with versions',
      rule({ expiration: { markers: true } }),
      [version('m', noon, marker), version('1', noon)],
      at(9),
      false,
      [],
    ],
    ['a lone marker by age', rule({ expiration: { days: 2 } }), [version('m', noon, marker)], at(3), false, ['m']],
  ];
  for (const [name, one, versions, now, expires, removes] of cases) {
    assert.deepEqual(judge([one], versions, now), { expires, removes }, name);
  }
});

test('lifecycle configurations', async (t) => {
  let shiftMs = -10 * DAY_MS;
  const clock = { ...systemClock, now: () => new Date(Date.now() + shiftMs) };
  const server = await startServer(t, { clock });
  const { s3 } = server.root_;
  const Bucket = 'aging';
  /** Ten days ago; the SDK would sign with today's date. */
  const past = async (method: string, path: string, more: { body?: string; headers?: Record<string, string> } = {}) => {
    const request = { method, path, ...more };
    const headers = signedHeaders(request, new URL(server.url).host, 's3', server.root, clock.now());
    assert.ok((await send(server.url, { ...request, headers })).status < 300, path);
  };
  await past('PUT', `/${Bucket}`);
  await past('PUT', '/versions');
  const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  await past('PUT', '/versions?versioning=', { body: enabled });
  await past('PUT', `/${Bucket}/old/a`, { body: 'x' });
  await past('PUT', `/${Bucket}/old/tagged`, { body: 'x', headers: { 'x-amz-tagging': 'keep=yes' } });
  await past('PUT', `/${Bucket}/other`, { body: 'x' });
  await past('POST', `/${Bucket}/old/upload?uploads=`);
  for (const body of ['1', '2', '3']) await past('PUT', '/versions/k', { body });
  await past('PUT', '/versions/gone', { body: 'x' });
  await past('DELETE', '/versions/gone');
  shiftMs = 0;
  await s3.putObject({ Bucket, Key: 'old/new', Body: 'x' });

  await t.test('are held against S3 rules', async () => {
    const put = (...Rules: object[]) =>
      s3.putBucketLifecycleConfiguration({ Bucket, LifecycleConfiguration: { Rules: Rules as never } });
    const rule = (more: object) => ({ ID: 'r', Status: 'Enabled', Filter: { Prefix: '' }, ...more });
    const midnight = new Date(Date.UTC(2026, 0, 1));
    const cases: [object[], string, number][] = [
      [[], 'MalformedXML', 400],
      [[rule({})], 'InvalidRequest', 400],
      [[rule({ Filter: undefined, Expiration: { Days: 1 } })], 'MalformedXML', 400],
      [[rule({ Prefix: 'a', Expiration: { Days: 1 } })], 'MalformedXML', 400],
      [[rule({ Status: 'On', Expiration: { Days: 1 } })], 'MalformedXML', 400],
      [[rule({ Expiration: { Days: 0 } })], 'InvalidArgument', 400],
      [[rule({ Expiration: { Days: 1, Date: midnight } })], 'MalformedXML', 400],
      [[rule({ Expiration: { Date: new Date(1) } })], 'InvalidArgument', 400],
      [[rule({ Expiration: { Days: 1 } }), rule({ Expiration: { Days: 1 } })], 'InvalidArgument', 400],
      [[rule({ Filter: { And: { Prefix: 'a' } }, Expiration: { Days: 1 } })], 'MalformedXML', 400],
      [
        [
          rule({
            Filter: { Tag: { Key: 'a', Value: 'b' } },
            AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
          }),
        ],
        'InvalidRequest',
        400,
      ],
      [
        [rule({ NoncurrentVersionExpiration: { NoncurrentDays: 1, NewerNoncurrentVersions: 101 } })],
        'InvalidArgument',
        400,
      ],
      [[rule({ Transitions: [{ Days: 30, StorageClass: 'GLACIER' }] })], 'NotImplemented', 501],
    ];
    for (const [rules, name, status] of cases) await refused(put(...rules), name, status);
    await refused(s3.getBucketLifecycleConfiguration({ Bucket }), 'NoSuchLifecycleConfiguration', 404);
  });

  await t.test('are carried out, shown on answers, and kept as they were put', async () => {
    const Rules = [
      {
        ID: 'old',
        Status: 'Enabled' as const,
        Filter: { Prefix: 'old/' },
        Expiration: { Days: 7 },
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
      },
      { ID: 'off', Status: 'Disabled' as const, Filter: { Prefix: 'other' }, Expiration: { Days: 1 } },
      {
        ID: 'date',
        Status: 'Enabled' as const,
        Filter: { Prefix: 'never' },
        Expiration: { Date: new Date(Date.UTC(2020, 0, 1)) },
      },
    ];
    const put = await s3.putBucketLifecycleConfiguration({ Bucket, LifecycleConfiguration: { Rules } });
    assert.equal(put.TransitionDefaultMinimumObjectSize, 'all_storage_classes_128K');
    assert.deepEqual((await s3.getBucketLifecycleConfiguration({ Bucket })).Rules, Rules);
    await eventually(async () => (await s3.listObjectsV2({ Bucket })).KeyCount === 2);
    await eventually(async () => ((await s3.listMultipartUploads({ Bucket })).Uploads ?? []).length === 0);
    const { Contents } = await s3.listObjectsV2({ Bucket });
    assert.deepEqual(
      Contents!.map(({ Key }) => Key),
      ['old/new', 'other'],
    );
    const expected = new Date(midnightAfter(Date.now(), 7)).toUTCString();
    const { Expiration } = await s3.headObject({ Bucket, Key: 'old/new' });
    assert.equal(Expiration, `expiry-date="${expected}", rule-id="old"`);
    assert.equal((await s3.putObject({ Bucket, Key: 'old/new', Body: 'y' })).Expiration, Expiration);
    assert.equal((await s3.headObject({ Bucket, Key: 'other' })).Expiration, undefined);
    const { AbortRuleId } = await s3.createMultipartUpload({ Bucket, Key: 'old/again' });
    assert.equal(AbortRuleId, 'old');
    await s3.deleteBucketLifecycle({ Bucket });
    await refused(s3.getBucketLifecycleConfiguration({ Bucket }), 'NoSuchLifecycleConfiguration', 404);
  });

  await t.test('of versions: markers for current ones, the newest noncurrent kept, lone markers removed', async () => {
    const Rules = [
      {
        ID: 'versions',
        Status: 'Enabled' as const,
        Filter: { And: { Prefix: 'k', ObjectSizeLessThan: 100 } },
        Expiration: { Days: 3 },
        NoncurrentVersionExpiration: { NoncurrentDays: 3, NewerNoncurrentVersions: 1 },
      },
      {
        ID: 'markers',
        Status: 'Enabled' as const,
        Filter: { Prefix: 'gone' },
        Expiration: { ExpiredObjectDeleteMarker: true },
        NoncurrentVersionExpiration: { NoncurrentDays: 1 },
      },
    ];
    await s3.putBucketLifecycleConfiguration({ Bucket: 'versions', LifecycleConfiguration: { Rules } });
    const versions = async () => {
      const { Versions = [], DeleteMarkers = [] } = await s3.listObjectVersions({ Bucket: 'versions' });
      return [
        Versions.map(({ Key, IsLatest }) => [Key, IsLatest]),
        DeleteMarkers.map(({ Key, IsLatest }) => [Key, IsLatest]),
      ];
    };
    await eventually(async () => (await versions())[1]!.some(([key]) => key === 'k'));
    // The marker of `gone` was alone only after its version had gone: the next run takes it.
    await s3.putBucketLifecycleConfiguration({ Bucket: 'versions', LifecycleConfiguration: { Rules } });
    await eventually(async () => !(await versions())[1]!.some(([key]) => key === 'gone'));
    // The expired version is now the newest noncurrent one, so the one before it is no longer kept.
    await eventually(async () => (await versions())[0]!.length === 1);
    assert.deepEqual(await versions(), [[['k', false]], [['k', true]]]);
  });
});
