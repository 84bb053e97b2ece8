import type { Context } from '../../kernel/context.ts';
import { bucketArn } from './find-bucket.ts';
import type { ObjectTable } from './tables.ts';
import { type Change, type Deletion, keyText, NULL_VERSION } from './versions.ts';

/** API that wrote an object, as `Object Created` names it. */
export type Reason = 'PutObject' | 'CopyObject' | 'CompleteMultipartUpload';

/** Source of events between Slipway's own parts. EventBridge shows them to nobody. */
export const INTERNAL_SOURCE = 'slipway.s3';

/**
 * Tells of a new version: to EventBridge where the bucket asks for it, and, for versioned buckets, to Slipway's own
 * pipelines at once. Source of the form: S3 User Guide, "EventBridge event message structure".
 */
export async function emitWritten(change: Change, row: ObjectTable, reason: Reason): Promise<void> {
  const { tx, bucket } = change;
  const place = { resources: [bucketArn(bucket.name)], account: bucket.account, region: bucket.region };
  if (bucket.eventbridge === 1) {
    await tx.emit({
      ...place,
      source: 'aws.s3',
      detailType: 'Object Created',
      detail: { ...common(change, row, { size: row.size, etag: row.etag }), reason },
    });
  }
  if (bucket.versioning === 'Enabled') {
    await tx.emit({
      ...place,
      source: INTERNAL_SOURCE,
      detailType: 'Object Written',
      detail: { bucket: bucket.name, key: keyText(row.key), versionId: row.version_id, etag: row.etag },
    });
  }
}

/** Tells EventBridge of a deletion where the bucket asks for it. */
export async function emitDeleted(
  change: Change,
  { row, kind }: Deletion,
  reason: 'DeleteObject' | 'Lifecycle Expiration' = 'DeleteObject',
): Promise<void> {
  const { tx, bucket } = change;
  if (bucket.eventbridge !== 1) return;
  await tx.emit({
    source: 'aws.s3',
    detailType: 'Object Deleted',
    resources: [bucketArn(bucket.name)],
    account: bucket.account,
    region: bucket.region,
    detail: {
      ...common(change, row, row.etag === '' ? {} : { etag: row.etag }),
      reason,
      'deletion-type': kind,
    },
  });
}

/** Tells EventBridge that tags of a version were set or taken away, where the bucket asks for it. */
export async function emitTagged(change: Change, row: ObjectTable, tagged: boolean): Promise<void> {
  const { tx, bucket } = change;
  if (bucket.eventbridge !== 1) return;
  await tx.emit({
    source: 'aws.s3',
    detailType: tagged ? 'Object Tags Added' : 'Object Tags Deleted',
    resources: [bucketArn(bucket.name)],
    account: bucket.account,
    region: bucket.region,
    detail: common(change, row, { etag: row.etag }),
  });
}

function common({ ctx, bucket }: Change, row: ObjectTable, object: Record<string, unknown>): Record<string, unknown> {
  return {
    version: '0',
    bucket: { name: bucket.name },
    object: {
      key: keyText(row.key),
      ...object,
      ...(row.version_id === NULL_VERSION && bucket.versioning === 'Off' ? {} : { 'version-id': row.version_id }),
      sequencer: sequencer(ctx, row),
    },
    'request-id': ctx.requestId,
    ...requesterOf(ctx),
    ...(ctx.caller.type === 'AWSService' ? {} : { 'source-ip-address': ctx.sourceIp }),
  };
}

function requesterOf({ caller }: Context): { requester?: string } {
  if (caller.type === 'Anonymous') return {};
  return { requester: caller.type === 'AWSService' ? caller.service : caller.account };
}

/** Hexadecimal text that grows from one event of a key to the next. */
function sequencer(ctx: Context, row: ObjectTable): string {
  return `${ctx.now().getTime().toString(16).padStart(12, '0')}${(-row.place).toString(16).padStart(6, '0')}`.toUpperCase();
}
