import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Clients } from '../../../test/harness.ts';
import { startServer } from '../../../test/harness.ts';

/** What is done to a key; several of these at the same time. */
type Step =
  | { do: 'put' | 'multipart' | 'create'; key: string; value: number }
  | { do: 'delete' | 'deleteOldest'; key: string }
  | { do: 'versioning'; status: 'Enabled' | 'Suspended' };

const keys = fc.constantFrom('a', 'b/c');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('put' as const, 'multipart' as const, 'create' as const),
      key: keys,
      value: fc.nat(999),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('delete' as const, 'deleteOldest' as const), key: keys }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('versioning' as const),
      status: fc.constantFrom('Enabled' as const, 'Suspended' as const),
    }),
  },
);

interface Seen {
  id: string;
  marker: boolean;
  latest: boolean;
  text: string | undefined;
}

async function history({ s3 }: Clients, Bucket: string, Key: string): Promise<Seen[]> {
  const { Versions = [], DeleteMarkers = [] } = await s3.listObjectVersions({ Bucket, Prefix: Key });
  const seen: Seen[] = [];
  for (const { VersionId, IsLatest } of Versions) {
    const got = await s3.getObject({ Bucket, Key, VersionId });
    seen.push({ id: VersionId!, marker: false, latest: IsLatest === true, text: await got.Body!.transformToString() });
  }
  for (const { VersionId, IsLatest } of DeleteMarkers) {
    seen.push({ id: VersionId!, marker: true, latest: IsLatest === true, text: undefined });
  }
  return seen;
}

/** Does a step. @returns the version that it made, or 'refused' where a condition did not hold */
async function run({ s3 }: Clients, Bucket: string, one: Step): Promise<string | undefined> {
  if (one.do === 'versioning') {
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: one.status } });
    return undefined;
  }
  const { key: Key } = one;
  if (one.do === 'delete') return (await s3.deleteObject({ Bucket, Key })).VersionId;
  if (one.do === 'deleteOldest') {
    const { Versions = [] } = await s3.listObjectVersions({ Bucket, Prefix: Key });
    const oldest = Versions.at(-1)?.VersionId;
    if (oldest !== undefined) await s3.deleteObject({ Bucket, Key, VersionId: oldest });
    return undefined;
  }
  if (!('value' in one)) throw new Error('no such step');
  const Body = `value ${one.value}`;
  if (one.do === 'put') return (await s3.putObject({ Bucket, Key, Body })).VersionId;
  if (one.do === 'create') {
    try {
      return (await s3.putObject({ Bucket, Key, Body, IfNoneMatch: '*' })).VersionId;
    } catch (error) {
      assert.match((error as Error).name, /PreconditionFailed|ConditionalRequestConflict/);
      return 'refused';
    }
  }
  const { UploadId } = await s3.createMultipartUpload({ Bucket, Key });
  const { ETag } = await s3.uploadPart({ Bucket, Key, UploadId, PartNumber: 1, Body });
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
  const [first, second] = await Promise.allSettled([
    s3.completeMultipartUpload({ Bucket, Key, UploadId, MultipartUpload }),
    s3.abortMultipartUpload({ Bucket, Key, UploadId }),
  ]);
  // One of the two wins; an upload is never both.
  if (first.status === 'rejected') {
    assert.equal((first.reason as Error).name, 'NoSuchUpload');
    assert.equal(second.status, 'fulfilled');
    return 'refused';
  }
  return first.value.VersionId;
}

test('versions, deletes and uploads that race leave what some order of them would', async (t) => {
  const server = await startServer(t);
  const clients = server.root_;
  let count = 0;
  const rounds = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(rounds, async (all) => {
      const Bucket = `model-${count++}`;
      await clients.s3.createBucket({ Bucket });
      await clients.s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
      for (const round of all) {
        const before = new Map<string, Seen[]>();
        for (const key of ['a', 'b/c']) before.set(key, await history(clients, Bucket, key));
        const made = await Promise.all(round.map((one) => run(clients, Bucket, one)));
        for (const key of ['a', 'b/c']) check(key, round, made, before.get(key)!, await history(clients, Bucket, key));
        const { Contents = [] } = await clients.s3.listObjectsV2({ Bucket });
        for (const key of ['a', 'b/c']) {
          const latest = (await history(clients, Bucket, key)).find((one) => one.latest);
          const listed = Contents.some(({ Key }) => Key === key);
          assert.equal(listed, latest !== undefined && !latest.marker, 'the list shows what is there');
        }
      }
      assert.deepEqual((await clients.s3.listMultipartUploads({ Bucket })).Uploads ?? [], [], 'every upload has ended');
    }),
    { numRuns: 12, seed: 4566, endOnFailure: true },
  );
});

function check(
  key: string,
  round: readonly Step[],
  made: readonly (string | undefined)[],
  before: Seen[],
  after: Seen[],
) {
  const mine = round.flatMap((one, at) => ('key' in one && one.key === key ? [{ one, id: made[at] }] : []));
  assert.equal(
    after.filter((one) => one.latest).length,
    after.length === 0 ? 0 : 1,
    'exactly one version is the newest',
  );
  assert.equal(new Set(after.map(({ id }) => id)).size, after.length, 'no version twice');
  const known = new Map(before.map((one) => [one.id, one]));
  for (const { id, text, marker } of after) {
    const writers = mine.filter((each) => each.id === id);
    const old = known.get(id);
    const isOld = old !== undefined && old.text === text && old.marker === marker;
    const isNew = writers.some(({ one }) =>
      marker ? one.do === 'delete' : 'value' in one && text === `value ${one.value}`,
    );
    assert.ok(isOld || isNew, `version ${id} is what somebody wrote`);
  }
  const removes = mine.filter(({ one }) => one.do === 'deleteOldest').length;
  const unique = mine.filter(({ id }) => id !== undefined && id !== 'refused' && id !== 'null');
  const lost = [...before.map(({ id }) => id).filter((id) => id !== 'null'), ...unique.map(({ id }) => id!)].filter(
    (id) => !after.some((one) => one.id === id),
  );
  assert.ok(lost.length <= removes, `${lost.length} versions are gone, ${removes} were deleted`);
}
