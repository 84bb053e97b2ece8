import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { refused, textOf } from './testing/refusals.ts';

test('versions', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const Bucket = 'versioned';
  await s3.createBucket({ Bucket });
  const setVersioning = (Status: 'Enabled' | 'Suspended') =>
    s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status } });
  const put = async (Key: string, Body: string) => (await s3.putObject({ Bucket, Key, Body })).VersionId;
  const history = async (Prefix: string) => {
    const { Versions = [], DeleteMarkers = [] } = await s3.listObjectVersions({ Bucket, Prefix });
    return { versions: Versions, markers: DeleteMarkers };
  };

  await put('before', 'unversioned');
  await setVersioning('Enabled');
  assert.equal((await s3.getBucketVersioning({ Bucket })).Status, 'Enabled');

  await t.test('every write makes one, and each stays readable by its id', async () => {
    const ids = [await put('a', 'one'), await put('a', 'two'), await put('a', 'three')];
    assert.equal(new Set(ids).size, 3);
    const latest = await s3.getObject({ Bucket, Key: 'a' });
    assert.equal(await textOf(latest), 'three');
    assert.equal(latest.VersionId, ids[2]);
    for (const [at, text] of ['one', 'two', 'three'].entries()) {
      const got = await s3.getObject({ Bucket, Key: 'a', VersionId: ids[at] });
      assert.equal(await textOf(got), text);
      assert.equal(got.VersionId, ids[at]);
    }
    const { versions } = await history('a');
    assert.deepEqual(
      versions.map(({ VersionId, IsLatest }) => [VersionId, IsLatest]),
      [
        [ids[2], true],
        [ids[1], false],
        [ids[0], false],
      ],
    );
    assert.equal((await s3.listObjectsV2({ Bucket, Prefix: 'a' })).KeyCount, 1);
  });

  await t.test('what was there before is the null version', async () => {
    const id = await put('before', 'versioned');
    const old = await s3.getObject({ Bucket, Key: 'before', VersionId: 'null' });
    assert.equal(await textOf(old), 'unversioned');
    assert.equal(old.VersionId, 'null');
    await s3.deleteObject({ Bucket, Key: 'before', VersionId: id });
    const again = await s3.getObject({ Bucket, Key: 'before' });
    assert.equal(await textOf(again), 'unversioned');
    assert.equal(again.VersionId, 'null');
  });

  await t.test('a delete hides the object behind a marker; deleting the marker brings it back', async () => {
    const id = await put('d', 'kept');
    const deleted = await s3.deleteObject({ Bucket, Key: 'd' });
    assert.equal(deleted.DeleteMarker, true);
    await refused(s3.getObject({ Bucket, Key: 'd' }), 'NoSuchKey', 404);
    await refused(s3.headObject({ Bucket, Key: 'd' }), 'NotFound', 404);
    assert.equal((await s3.listObjectsV2({ Bucket, Prefix: 'd' })).KeyCount, 0);
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'd', VersionId: id })), 'kept');
    await refused(s3.getObject({ Bucket, Key: 'd', VersionId: deleted.VersionId }), 'MethodNotAllowed', 405);
    const { versions, markers } = await history('d');
    assert.deepEqual(
      versions.map(({ IsLatest }) => IsLatest),
      [false],
    );
    assert.deepEqual(
      markers.map(({ VersionId, IsLatest }) => [VersionId, IsLatest]),
      [[deleted.VersionId, true]],
    );
    const undone = await s3.deleteObject({ Bucket, Key: 'd', VersionId: deleted.VersionId });
    assert.deepEqual([undone.DeleteMarker, undone.VersionId], [true, deleted.VersionId]);
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'd' })), 'kept');
    assert.equal((await s3.listObjectsV2({ Bucket, Prefix: 'd' })).KeyCount, 1);
  });

  await t.test('deleting a version is for good, and the one before becomes the newest', async () => {
    const [one, two] = [await put('p', 'one'), await put('p', 'two')];
    const gone = await s3.deleteObject({ Bucket, Key: 'p', VersionId: two });
    assert.deepEqual([gone.DeleteMarker, gone.VersionId], [undefined, two]);
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'p' })), 'one');
    await refused(s3.getObject({ Bucket, Key: 'p', VersionId: two }), 'NoSuchVersion', 404);
    await s3.deleteObject({ Bucket, Key: 'p', VersionId: two }); // again: no error
    const three = await put('p', 'three');
    await s3.deleteObject({ Bucket, Key: 'p', VersionId: one });
    assert.deepEqual(
      (await history('p')).versions.map(({ VersionId }) => VersionId),
      [three],
    );
    await refused(s3.getObject({ Bucket, Key: 'p', VersionId: '../../etc' }), 'InvalidArgument', 400);
  });

  await t.test('deleting many names versions and markers', async () => {
    const id = await put('m/1', 'x');
    await put('m/2', 'x');
    const Objects = [{ Key: 'm/1', VersionId: id }, { Key: 'm/2' }];
    const { Deleted } = await s3.deleteObjects({ Bucket, Delete: { Objects } });
    assert.deepEqual([Deleted?.[0]?.VersionId, Deleted?.[0]?.DeleteMarker], [id, undefined]);
    assert.equal(Deleted?.[1]?.DeleteMarker, true);
    assert.ok(Deleted?.[1]?.DeleteMarkerVersionId);
  });

  await t.test('a copy reads the version that it names', async () => {
    const [one] = [await put('c', 'one'), await put('c', 'two')];
    const copied = await s3.copyObject({ Bucket, Key: 'c2', CopySource: `${Bucket}/c?versionId=${one}` });
    assert.equal(copied.CopySourceVersionId, one);
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'c2' })), 'one');
    // Copying an older version over the object is how it is restored.
    await s3.copyObject({ Bucket, Key: 'c', CopySource: `${Bucket}/c?versionId=${one}` });
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'c' })), 'one');
  });

  await t.test('are listed page by page, across keys and inside one', async () => {
    for (const key of ['l/a', 'l/b', 'l/c']) for (const text of ['1', '2', '3']) await put(key, text);
    await s3.deleteObject({ Bucket, Key: 'l/b' });
    const all = await s3.listObjectVersions({ Bucket, Prefix: 'l/' });
    const order = (page: typeof all) =>
      [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ Key, VersionId }) => `${Key} ${VersionId}`);
    assert.equal(order(all).length, 10);
    const paged: string[] = [];
    let marker: { KeyMarker?: string; VersionIdMarker?: string } = {};
    for (;;) {
      const page = await s3.listObjectVersions({ Bucket, Prefix: 'l/', MaxKeys: 4, ...marker });
      paged.push(...order(page));
      if (page.IsTruncated !== true) break;
      marker = { KeyMarker: page.NextKeyMarker!, VersionIdMarker: page.NextVersionIdMarker! };
    }
    assert.deepEqual(paged.sort(), order(all).sort());
    const grouped = await s3.listObjectVersions({ Bucket, Delimiter: '/' });
    assert.deepEqual(
      grouped.CommonPrefixes?.map(({ Prefix }) => Prefix),
      ['l/', 'm/'],
    );
  });

  await t.test('while versioning is suspended, writes and deletes replace the null version only', async () => {
    const id = await put('s', 'versioned');
    await setVersioning('Suspended');
    assert.equal(await put('s', 'null one'), 'null');
    assert.equal(await put('s', 'null two'), 'null');
    assert.deepEqual(
      (await history('s')).versions.map(({ VersionId }) => VersionId),
      ['null', id],
    );
    const deleted = await s3.deleteObject({ Bucket, Key: 's' });
    assert.deepEqual([deleted.DeleteMarker, deleted.VersionId], [true, 'null']);
    const { versions, markers } = await history('s');
    assert.deepEqual(
      versions.map(({ VersionId }) => VersionId),
      [id],
    );
    assert.deepEqual(
      markers.map(({ VersionId }) => VersionId),
      ['null'],
    );
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 's', VersionId: id })), 'versioned');
    await setVersioning('Enabled');
    assert.notEqual(await put('s', 'new'), 'null');
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 's' })), 'new');
  });

  await t.test('writes at once are all kept, one of them the newest', async () => {
    const ids = await Promise.all(Array.from({ length: 12 }, (_, at) => put('r', String(at))));
    assert.equal(new Set(ids).size, 12);
    const { versions } = await history('r');
    assert.equal(versions.length, 12);
    assert.deepEqual(
      versions.map(({ IsLatest }) => IsLatest),
      [true, ...Array(11).fill(false)],
    );
    assert.equal((await s3.headObject({ Bucket, Key: 'r' })).VersionId, versions[0]!.VersionId);
  });

  await t.test('a marker keeps the bucket from being empty', async () => {
    await s3.createBucket({ Bucket: 'hidden' });
    await s3.putBucketVersioning({ Bucket: 'hidden', VersioningConfiguration: { Status: 'Enabled' } });
    const { VersionId } = await s3.deleteObject({ Bucket: 'hidden', Key: 'x' });
    await refused(s3.deleteBucket({ Bucket: 'hidden' }), 'BucketNotEmpty', 409);
    await s3.deleteObject({ Bucket: 'hidden', Key: 'x', VersionId });
    await s3.deleteBucket({ Bucket: 'hidden' });
  });
});
