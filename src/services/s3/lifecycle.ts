/** Lifecycle of buckets: the configuration, and what carries it out. */
import type * as sdk from '@aws-sdk/client-s3';
import type { Context } from '../../kernel/context.ts';
import type { Operation, OperationName, Reconciler } from '../../kernel/service.ts';
import { emitDeleted } from './events.ts';
import { s3Fault } from './faults.ts';
import { bucketByName, findBucket } from './find-bucket.ts';
import { discardParts } from './garbage.ts';
import { readLifecycle } from './lifecycle-input.ts';
import { abortionOf, judge, type LifecycleRule, lifecycleOf, midnightAfter, rulesOf } from './lifecycle-rules.ts';
import { bucketResource } from './resources.ts';
import type { ObjectTable, Tables } from './tables.ts';
import { deleteVersion, keyText } from './versions.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const RUNNER = 's3.lifecycle';
const PAGE = 500;
/** Keys that one transaction deals with: others wait for it no longer than for a large write. */
const KEYS_TOGETHER = 50;

export const PutBucketLifecycleConfiguration: Op<'PutBucketLifecycleConfiguration'> = {
  resource: bucketResource,
  action: 's3:PutLifecycleConfiguration',
  async handle(input, ctx) {
    const lifecycle = readLifecycle(input.LifecycleConfiguration, input.TransitionDefaultMinimumObjectSize, ctx.ids);
    await ctx.tx(async (tx) => {
      const { name } = await bucketByName(tx, input);
      const text = JSON.stringify(lifecycle);
      await tx.db<Tables>().updateTable('s3_buckets').set({ lifecycle: text }).where('name', '=', name).execute();
      await tx.wake(RUNNER, name);
    });
    return { TransitionDefaultMinimumObjectSize: lifecycle.minimumSize as sdk.TransitionDefaultMinimumObjectSize };
  },
};

export const GetBucketLifecycleConfiguration: Op<'GetBucketLifecycleConfiguration'> = {
  resource: bucketResource,
  action: 's3:GetLifecycleConfiguration',
  async handle(input, ctx) {
    const bucket = await bucketByName(ctx, input);
    const lifecycle = lifecycleOf(bucket);
    if (lifecycle === undefined) {
      throw s3Fault('NoSuchLifecycleConfiguration', 404, 'The lifecycle configuration does not exist', {
        BucketName: bucket.name,
      });
    }
    return {
      Rules: lifecycle.rules.map(shownRule),
      TransitionDefaultMinimumObjectSize: lifecycle.minimumSize as sdk.TransitionDefaultMinimumObjectSize,
    };
  },
};

/** JSON has no dates: the one there is comes back as one. */
function shownRule({ shown, expiration }: LifecycleRule): sdk.LifecycleRule {
  const { at } = expiration ?? {};
  return at === undefined ? shown : { ...shown, Expiration: { ...shown.Expiration, Date: new Date(at) } };
}

export const DeleteBucketLifecycle: Op<'DeleteBucketLifecycle'> = {
  resource: bucketResource,
  action: 's3:PutLifecycleConfiguration',
  async handle(input, ctx) {
    await ctx.tx(async (tx) => {
      const { name } = await bucketByName(tx, input);
      await tx.db<Tables>().updateTable('s3_buckets').set({ lifecycle: null }).where('name', '=', name).execute();
    });
    return {};
  },
};

/** Carries out the rules of a bucket, after they were put and at each midnight UTC. */
export const lifecycleRunner: Reconciler = {
  name: RUNNER,
  async reconcile(name, ctx) {
    const bucket = await findBucket(ctx, name);
    if (bucket === undefined || rulesOf(bucket).length === 0) return undefined;
    const now = ctx.now().getTime();
    await expireObjects(ctx, name, rulesOf(bucket), now);
    await abortUploads(ctx, name, rulesOf(bucket), now);
    return { againAt: new Date(midnightAfter(now, 0)) };
  },
  async scan(ctx) {
    const rows = await ctx
      .db<Tables>()
      .selectFrom('s3_buckets')
      .select('name')
      .where('lifecycle', 'is not', null)
      .execute();
    return rows.map(({ name }) => name);
  },
};

/** Walks through the keys of a bucket in order; what is due is judged once more in the transaction that deletes it. */
async function expireObjects(
  ctx: Context,
  bucket: string,
  rules: readonly LifecycleRule[],
  now: number,
): Promise<void> {
  let due: Uint8Array[] = [];
  for await (const versions of keysOf(ctx, bucket)) {
    const { expires, removes } = judge(rules, versions, now);
    if (expires || removes.length > 0) due.push(versions[0]!.key);
    if (due.length < KEYS_TOGETHER) continue;
    await expireKeys(ctx, bucket, due, now);
    due = [];
  }
  if (due.length > 0) await expireKeys(ctx, bucket, due, now);
}

/** All versions of one key after the other, newest first. */
async function* keysOf(ctx: Context, bucket: string): AsyncGenerator<ObjectTable[]> {
  let held: ObjectTable[] = [];
  let last: ObjectTable | undefined;
  for (;;) {
    const rows = await nextRows(ctx, bucket, last);
    for (const row of rows) {
      if (held.length > 0 && Buffer.compare(held[0]!.key, row.key) !== 0) {
        yield held;
        held = [];
      }
      held.push(row);
    }
    last = rows.at(-1);
    if (rows.length < PAGE) break;
  }
  if (held.length > 0) yield held;
}

function nextRows(ctx: Context, bucket: string, last: ObjectTable | undefined): Promise<ObjectTable[]> {
  let query = ctx.db<Tables>().selectFrom('s3_objects').selectAll().where('bucket', '=', bucket);
  if (last !== undefined) {
    query = query
      .where('key', '>=', last.key)
      .where((e) => e.or([e('key', '>', last.key), e('place', '>', last.place)]));
  }
  return query.orderBy('key').orderBy('place').limit(PAGE).execute();
}

async function expireKeys(ctx: Context, name: string, keys: readonly Uint8Array[], now: number): Promise<void> {
  await ctx.tx(async (tx) => {
    const bucket = await findBucket(tx, name);
    if (bucket === undefined) return;
    const rules = rulesOf(bucket);
    const change = { tx, ctx, bucket };
    for (const key of keys) {
      const versions = await tx
        .db<Tables>()
        .selectFrom('s3_objects')
        .selectAll()
        .where('bucket', '=', name)
        .where('key', '=', key)
        .orderBy('place')
        .execute();
      const { expires, removes } = judge(rules, versions, now);
      for (const versionId of removes) await deleteByRule(change, keyText(key), versionId);
      if (expires) await deleteByRule(change, keyText(key), undefined);
    }
  });
}

async function deleteByRule(change: Parameters<typeof deleteVersion>[0], key: string, versionId: string | undefined) {
  const deletion = await deleteVersion(change, key, versionId);
  if (deletion !== undefined) await emitDeleted(change, deletion, 'Lifecycle Expiration');
}

async function abortUploads(ctx: Context, bucket: string, rules: readonly LifecycleRule[], now: number): Promise<void> {
  if (rules.every(({ abortDays }) => abortDays === undefined)) return;
  const uploads = await ctx
    .db<Tables>()
    .selectFrom('s3_uploads')
    .select(['id', 'key', 'initiated_at'])
    .where('bucket', '=', bucket)
    .execute();
  for (const upload of uploads) {
    const due = abortionOf(rules, upload);
    if (due === undefined || due.at > now) continue;
    await ctx.tx(async (tx) => {
      const gone = await tx.db<Tables>().deleteFrom('s3_uploads').where('id', '=', upload.id).executeTakeFirst();
      if (gone.numDeletedRows > 0n) await discardParts(tx, ctx, upload.id);
    });
  }
}
