import type { Context } from '../../kernel/context.ts';
import { isFault } from '../../kernel/fault.ts';
import { accountFolder, asTrail } from './destinations.ts';
import { dayFolder, gzip, putFile, sha256, stamp, timeText } from './files.ts';
import { signingKey } from './signing-keys.ts';
import { updateTrail } from './store.ts';
import { type DigestRow, type LogFileRow, type TrailRow, tables } from './tables.ts';

const HOUR_MS = 3_600_000;

/**
 * Delivers the digests that are due: one a region, every hour, and a last one when logging has stopped. Each names the
 * files since the one before and is signed together with that one's signature.
 * Source: CloudTrail User Guide, "CloudTrail digest file structure".
 */
export async function digestIfDue(
  ctx: Context,
  trail: TrailRow,
  { isOver }: { isOver: boolean },
): Promise<'none' | 'delivered' | 'failed'> {
  if (trail.validation === 0 || trail.started_at === null) return 'none';
  const now = ctx.now().getTime();
  if (trail.next_digest_at === null) {
    if (isOver && (await filesWaiting(ctx, trail)).length === 0) return 'none';
    if (!isOver) {
      await ctx.tx((tx) => updateTrail(tx, trail.arn, { next_digest_at: wholeSecond(now) + HOUR_MS }));
      return 'none';
    }
  }
  const due = trail.next_digest_at ?? wholeSecond(now) + HOUR_MS;
  if (!isOver && now < due) return 'none';
  const end = isOver ? Math.min(due, wholeSecond(now)) : due;
  const files = await filesWaiting(ctx, trail);
  const previous = await tables(ctx)
    .selectFrom('cloudtrail_digests')
    .selectAll()
    .where('trail_arn', '=', trail.arn)
    .execute();
  const regions = new Set([
    trail.home_region,
    ...previous.map(({ region }) => region),
    ...files.map(({ region }) => region),
  ]);
  try {
    for (const region of regions) {
      const own = files.filter((file) => file.region === region);
      await putDigest(
        ctx,
        trail,
        region,
        own,
        previous.find((one) => one.region === region),
        end,
      );
    }
  } catch (error) {
    if (!isFault(error)) throw error;
    await ctx.tx((tx) => updateTrail(tx, trail.arn, { digest_error: error.name }));
    return 'failed';
  }
  await ctx.tx(async (tx) => {
    await updateTrail(tx, trail.arn, {
      next_digest_at: isOver ? null : end + HOUR_MS,
      digested_at: now,
      digest_error: null,
    });
    // The chain is broken by a stop: the next start begins a new one.
    if (isOver) await tables(tx).deleteFrom('cloudtrail_digests').where('trail_arn', '=', trail.arn).execute();
  });
  return 'delivered';
}

/** Digests name seconds, and files are named after theirs. */
function wholeSecond(at: number): number {
  return Math.ceil(at / 1000) * 1000;
}

function filesWaiting(ctx: Context, trail: TrailRow): Promise<LogFileRow[]> {
  return tables(ctx)
    .selectFrom('cloudtrail_log_files')
    .selectAll()
    .where('trail_arn', '=', trail.arn)
    .orderBy('delivered_at')
    .orderBy('key')
    .execute();
}

/** Each region's digest is a step of its own, so that one that was delivered before a crash is not made again. */
async function putDigest(
  ctx: Context,
  trail: TrailRow,
  region: string,
  files: readonly LogFileRow[],
  previous: DigestRow | undefined,
  end: number,
): Promise<void> {
  if (previous !== undefined && Number(previous.end_at) >= end) return;
  const { account, bucket, home_region: home } = trail;
  const key = await signingKey(ctx, home);
  const name = `${account}_CloudTrail-Digest_${region}_${trail.name}_${home}_${stamp(end)}.json.gz`;
  const object = `${accountFolder(trail.prefix, account)}/CloudTrail-Digest/${region}/${dayFolder(end)}/${name}`;
  const text = JSON.stringify(digestOf(trail, files, previous, end, { object, fingerprint: key.fingerprint }));
  const hash = sha256(text);
  const signature = key.sign(`${timeText(end)}\n${bucket}/${object}\n${hash}\n${previous?.signature ?? 'null'}`);
  await putFile(asTrail(ctx, { account, region: home, arn: trail.arn }), trail, object, await gzip(text), {
    signature,
    'signature-algorithm': 'SHA256withRSA',
  });
  const row: DigestRow = { trail_arn: trail.arn, region, end_at: end, bucket, key: object, hash, signature };
  await ctx.tx(async (tx) => {
    await tables(tx)
      .insertInto('cloudtrail_digests')
      .values(row)
      .onConflict((c) => c.columns(['trail_arn', 'region']).doUpdateSet(row))
      .execute();
    for (const file of files) {
      await tables(tx)
        .deleteFrom('cloudtrail_log_files')
        .where('trail_arn', '=', trail.arn)
        .where('region', '=', region)
        .where('key', '=', file.key)
        .execute();
    }
  });
}

function digestOf(
  trail: TrailRow,
  files: readonly LogFileRow[],
  previous: DigestRow | undefined,
  end: number,
  { object, fingerprint }: { object: string; fingerprint: string },
): Record<string, unknown> {
  const start = previous === undefined ? Math.min(end - 1000, Number(trail.started_at)) : Number(previous.end_at);
  const times = (pick: 'oldest_at' | 'newest_at') => files.map((file) => Number(file[pick]));
  const newest = files.length === 0 ? null : timeText(Math.max(...times('newest_at')));
  const oldest = files.length === 0 ? null : timeText(Math.min(...times('oldest_at')));
  return {
    awsAccountId: trail.account,
    digestStartTime: timeText(start),
    digestEndTime: timeText(end),
    digestS3Bucket: trail.bucket,
    digestS3Object: object,
    digestPublicKeyFingerprint: fingerprint,
    digestSignatureAlgorithm: 'SHA256withRSA',
    newestEventTime: newest,
    oldestEventTime: oldest,
    previousDigestS3Bucket: previous?.bucket ?? null,
    previousDigestS3Object: previous?.key ?? null,
    previousDigestHashValue: previous?.hash ?? null,
    previousDigestHashAlgorithm: previous === undefined ? null : 'SHA-256',
    previousDigestSignature: previous?.signature ?? null,
    logFiles: files.map((file) => ({
      s3Bucket: file.bucket,
      s3Object: file.key,
      hashValue: file.hash,
      hashAlgorithm: 'SHA-256',
      newestEventTime: timeText(Number(file.newest_at)),
      oldestEventTime: timeText(Number(file.oldest_at)),
    })),
  };
}
