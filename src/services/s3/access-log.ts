/**
 * Delivers access logs, as best it can: lines are kept in memory for up to a minute, and what a killed server had not
 * delivered is lost, as S3 says of its own logs. A target whose policy does not let the log service in gets nothing.
 */
import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import { isFault } from '../../kernel/fault.ts';
import { UPPER_ALNUM } from '../../kernel/ids.ts';
import type { AnsweredRequest } from '../../kernel/service.ts';
import { type AccessRecord, accessRecord } from './access-log-line.ts';
import { bucketArn, findBucket, ownerOf } from './find-bucket.ts';
import type { BucketTable } from './tables.ts';

const DELIVERER = 'logging.s3.amazonaws.com';
/** Lines of one object wait this long for others. */
const DELIVER_MS = 60_000;
const MAX_WAITING = 10_000;

/** One installation's lines on their way. */
class AccessLog {
  readonly #ctx: Context;
  #waiting = new Map<string, AccessRecord[]>();
  #count = 0;
  /** Buckets that did not log when last looked at, and until when that is believed. */
  readonly #silent = new Map<string, number>();
  #timer: { cancel(): void } | undefined;
  #delivery: Promise<void> = Promise.resolve();

  constructor(ctx: Context) {
    this.#ctx = ctx;
  }

  note(answered: AnsweredRequest): void {
    const bucket = answered.target?.labels['Bucket'];
    if (bucket === undefined || (this.#silent.get(bucket) ?? 0) > this.#ctx.clock.monotonicMs()) return;
    const lines = this.#waiting.get(bucket);
    const record = accessRecord(answered);
    if (lines === undefined) this.#waiting.set(bucket, [record]);
    else lines.push(record);
    this.#count++;
    if (this.#count >= MAX_WAITING) void this.deliver();
    else this.#timer ??= this.#ctx.clock.after(DELIVER_MS, () => void this.deliver());
  }

  forget(bucket: string): void {
    this.#silent.delete(bucket);
  }

  /** Delivers what waits; one delivery at a time. */
  deliver(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    this.#count = 0;
    this.#delivery = this.#delivery
      .then(() => this.#deliverAll(waiting))
      .catch((error: unknown) => this.#ctx.log.error({ err: error }, 'access logs were not delivered'));
    return this.#delivery;
  }

  async #deliverAll(waiting: ReadonlyMap<string, AccessRecord[]>): Promise<void> {
    for (const [name, records] of waiting) {
      const bucket = await findBucket(this.#ctx, name);
      if (bucket === undefined || bucket.logging === null) {
        if (this.#silent.size >= MAX_WAITING) this.#silent.clear();
        this.#silent.set(name, this.#ctx.clock.monotonicMs() + DELIVER_MS);
        continue;
      }
      await this.#deliverOf(bucket, JSON.parse(bucket.logging) as sdk.LoggingEnabled, records);
    }
  }

  async #deliverOf(bucket: BucketTable, to: sdk.LoggingEnabled, records: readonly AccessRecord[]): Promise<void> {
    const { ID } = ownerOf(bucket.account);
    const target = await findBucket(this.#ctx, to.TargetBucket!);
    // The name may be somebody else's by now, whose policy lets S3 write the logs of his own buckets there.
    if (target?.account !== bucket.account || target.region !== bucket.region) {
      this.#ctx.log.warn({ bucket: bucket.name, target: to.TargetBucket }, 'an access log has no target any more');
      return;
    }
    const service = this.#ctx.asService(DELIVERER, bucket.account, bucket.region, bucketArn(bucket.name));
    for (const [key, group] of groups(this.#ctx, bucket, to, records)) {
      try {
        await service.call<typeof sdk, 'PutObject'>('s3', 'PutObject', {
          Bucket: to.TargetBucket,
          Key: key,
          Body: group.map(({ rest }) => `${ID} ${bucket.name} ${rest}\n`).join(''),
          ContentType: 'text/plain',
        });
      } catch (error) {
        if (!isFault(error)) throw error;
        this.#ctx.log.warn({ err: error, bucket: bucket.name, target: to.TargetBucket }, 'an access log was refused');
      }
    }
  }
}

/** The objects that lines go to: one, or one a day of the requests where the prefix is partitioned by event time. */
function groups(ctx: Context, bucket: BucketTable, to: sdk.LoggingEnabled, records: readonly AccessRecord[]) {
  const { TargetPrefix: prefix = '', TargetObjectKeyFormat: format } = to;
  const name = (at: Date) =>
    `${at.toISOString().slice(0, 19).replace(/[T:]/g, '-')}-${ctx.ids.string(16, UPPER_ALNUM)}`;
  const now = ctx.now();
  const partitioned = format?.PartitionedPrefix;
  if (partitioned === undefined) return [[`${prefix}${name(now)}`, records]] as const;
  const byDay = Map.groupBy(records, ({ at }) =>
    (partitioned.PartitionDateSource === 'EventTime' ? at : now).toISOString().slice(0, 10),
  );
  return [...byDay].map(([day, lines]) => {
    const folder = `${prefix}${bucket.account}/${bucket.region}/${bucket.name}/${day.replaceAll('-', '/')}/`;
    const at = partitioned.PartitionDateSource === 'EventTime' ? new Date(`${day}T00:00:00Z`) : now;
    return [`${folder}${name(at)}`, lines] as const;
  });
}

/** By what is one installation's own: tests run several in one process. */
const logs = new WeakMap<object, AccessLog>();

function logOf(ctx: Context): AccessLog | undefined {
  return logs.get(ctx.blobs);
}

export function startAccessLog(ctx: Context): void {
  logs.set(ctx.blobs, new AccessLog(ctx));
}

export async function stopAccessLog(ctx: Context): Promise<void> {
  await logOf(ctx)?.deliver();
}

export function noteAccess(answered: AnsweredRequest): void {
  logOf(answered.ctx)?.note(answered);
}

/** Called when a bucket's logging changes. */
export function forgetBucket(ctx: Context, bucket: string): void {
  logOf(ctx)?.forget(bucket);
}
