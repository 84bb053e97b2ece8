import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import * as sdk from '@aws-sdk/client-cloudtrail';
import { startServer } from '../../../test/harness.ts';
import type { BusEvent } from '../../kernel/context.ts';
import { defineService } from '../../kernel/define-service.ts';
import { services } from '../../services.ts';

/** A service that hears every event of the bus. */
function listener() {
  const heard: BusEvent[] = [];
  const arrivals = new EventEmitter();
  const service = defineService({
    name: 'listener',
    sdk,
    protocol: 'json-1.1',
    signingName: 'listener',
    iamPrefix: 'listener',
    eventSource: 'listener.amazonaws.com',
    families: [],
    consumers: [
      {
        name: 'listener.all',
        async handle(event) {
          if (!/s3$/.test(event.source)) return;
          heard.push(event);
          arrivals.emit('event');
        },
      },
    ],
  });
  const until = async (count: number): Promise<BusEvent[]> => {
    while (heard.length < count) await once(arrivals, 'event');
    return heard.splice(0);
  };
  return { service, until };
}

test('events of objects', async (t) => {
  const { service, until } = listener();
  const server = await startServer(t, { services: [...services, service] });
  const { s3 } = server.root_;
  const { account } = server.config;
  const Bucket = 'evented';
  await s3.createBucket({ Bucket });
  assert.equal((await s3.getBucketNotificationConfiguration({ Bucket })).EventBridgeConfiguration, undefined);
  await s3.putObject({ Bucket, Key: 'silent', Body: 'x' }); // nobody asked: no event, or the counts below are wrong
  await s3.putBucketNotificationConfiguration({ Bucket, NotificationConfiguration: { EventBridgeConfiguration: {} } });
  assert.deepEqual((await s3.getBucketNotificationConfiguration({ Bucket })).EventBridgeConfiguration, {});

  await t.test('Object Created and Object Deleted, in the documented form', async () => {
    const { ETag } = await s3.putObject({ Bucket, Key: 'a/b', Body: 'hello' });
    await s3.copyObject({ Bucket, Key: 'c', CopySource: `${Bucket}/a/b` });
    await s3.deleteObject({ Bucket, Key: 'a/b' });
    await s3.deleteObject({ Bucket, Key: 'never-there' });
    const [created, copied, deleted] = await until(3);
    assert.deepEqual(
      {
        ...created,
        id: '',
        time: '',
        detail: {
          ...created!.detail,
          'request-id': '',
          object: { ...(created!.detail['object'] as object), sequencer: '' },
        },
      },
      {
        id: '',
        time: '',
        source: 'aws.s3',
        detailType: 'Object Created',
        account,
        region: 'us-east-1',
        resources: [`arn:aws:s3:::${Bucket}`],
        detail: {
          version: '0',
          bucket: { name: Bucket },
          object: { key: 'a/b', size: 5, etag: ETag!.replaceAll('"', ''), sequencer: '' },
          'request-id': '',
          requester: account,
          'source-ip-address': '127.0.0.1',
          reason: 'PutObject',
        },
      },
    );
    assert.equal(copied!.detail['reason'], 'CopyObject');
    assert.equal(deleted!.detailType, 'Object Deleted');
    assert.equal(deleted!.detail['deletion-type'], 'Permanently Deleted');
  });

  await t.test('tags set and taken away', async () => {
    await s3.putObjectTagging({ Bucket, Key: 'c', Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] } });
    await s3.deleteObjectTagging({ Bucket, Key: 'c' });
    const told = await until(2);
    assert.deepEqual(
      told.map(({ detailType, detail }) => [detailType, (detail['object'] as Record<string, unknown>)['key']]),
      [
        ['Object Tags Added', 'c'],
        ['Object Tags Deleted', 'c'],
      ],
    );
  });

  await t.test('a versioned bucket also tells our own pipelines, with or without EventBridge', async () => {
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
    const { VersionId, ETag } = await s3.putObject({ Bucket, Key: 'source.zip', Body: 'zip' });
    const [created, written] = await until(2);
    assert.equal((created!.detail['object'] as Record<string, unknown>)['version-id'], VersionId);
    const { source, detailType, detail, resources } = written!;
    assert.deepEqual(
      { source, detailType, detail, resources },
      {
        source: 'slipway.s3',
        detailType: 'Object Written',
        detail: { bucket: Bucket, key: 'source.zip', versionId: VersionId, etag: ETag!.replaceAll('"', '') },
        resources: [`arn:aws:s3:::${Bucket}`],
      },
    );
    await s3.putBucketNotificationConfiguration({ Bucket, NotificationConfiguration: {} });
    const { UploadId } = await s3.createMultipartUpload({ Bucket, Key: 'source.zip' });
    const part = await s3.uploadPart({ Bucket, Key: 'source.zip', UploadId, PartNumber: 1, Body: 'x' });
    const Parts = [{ PartNumber: 1, ETag: part.ETag }];
    await s3.completeMultipartUpload({ Bucket, Key: 'source.zip', UploadId, MultipartUpload: { Parts } });
    const [again] = await until(1);
    assert.equal(again!.source, 'slipway.s3');
  });

  await t.test('a delete marker is told as such', async () => {
    await s3.putBucketNotificationConfiguration({
      Bucket,
      NotificationConfiguration: { EventBridgeConfiguration: {} },
    });
    const { VersionId } = await s3.deleteObject({ Bucket, Key: 'source.zip' });
    const [marked] = await until(1);
    assert.equal(marked!.detail['deletion-type'], 'Delete Marker Created');
    assert.equal((marked!.detail['object'] as Record<string, unknown>)['version-id'], VersionId);
  });

  await t.test('what was refused is not told', async () => {
    await assert.rejects(s3.putObject({ Bucket, Key: 'x', Body: 'x', IfMatch: '"none"' }));
    await assert.rejects(s3.putObject({ Bucket, Key: 'x', Body: 'x', ChecksumCRC32: 'AAAAAA==' }));
    await s3.putObject({ Bucket, Key: 'y', Body: 'y' });
    const [created] = await until(2);
    assert.equal((created!.detail['object'] as Record<string, unknown>)['key'], 'y');
  });
});
