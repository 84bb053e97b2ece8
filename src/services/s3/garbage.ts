/**
 * The end of object data. A transaction that takes the last row from a blob writes down that it is garbage; the collector
 * removes it after the commit, never before, and not while it is being read. What an upload left that never became a row
 * (a killed server) is found by comparing the blob store with the rows, and abandoned multipart uploads are aborted.
 */
import type { Context, Tx } from '../../kernel/context.ts';
import type { Reconciler } from '../../kernel/service.ts';
import { s3Fault } from './faults.ts';
import { abortionOf, rulesOf } from './lifecycle-rules.ts';
import { isBeingRead } from './read-content.ts';
import { BLOB_FOLDER, blobBegunAt } from './store-content.ts';
import type { Tables } from './tables.ts';

const COLLECTOR = 's3.garbage';
const SWEEPER = 's3.sweep';
const ALL = 'all';
/** Readers on other nodes are not known here: they get this long. One process knows all readers of its SQLite file. */
const OTHER_NODES_GRACE_MS = 15 * 60_000;
const BUSY_AGAIN_MS = 2_000;
const BATCH = 200;
/** An upload that has not become a row after this long never will: no request lives so long. */
const ORPHAN_AGE_MS = 24 * 60 * 60_000;
/** What a sweep has found is noted so long before it goes: whoever is about to give it a row sees the note. */
const ORPHAN_GRACE_MS = 60 * 60_000;
/** A multipart upload is aborted this long after it was begun. */
export const ABANDONED_AFTER_MS = 7 * 24 * 60 * 60_000;
const SWEEP_EVERY_MS = 6 * 60 * 60_000;

/** Hands blobs that lost their row to the collector. */
export async function discardBlobs(tx: Tx, ctx: Context, blobs: readonly string[], graceMs = 0): Promise<void> {
  if (blobs.length === 0) return;
  const due = ctx.now().getTime() + Math.max(graceMs, tx.kind === 'sqlite' ? 0 : OTHER_NODES_GRACE_MS);
  const rows = blobs.map((blob) => ({ blob, due_at: due }));
  for (let at = 0; at < rows.length; at += BATCH) {
    await tx
      .db<Tables>()
      .insertInto('s3_garbage')
      .values(rows.slice(at, at + BATCH))
      .onConflict((c) => c.column('blob').doNothing())
      .execute();
  }
  await tx.wake(COLLECTOR, ALL, new Date(due));
}

/**
 * Called where data gets its row. An upload of a day, or one under which the clock was put forward, may have been taken for
 * abandoned by a sweep just before. @throws RequestTimeout, and the client sends it again
 */
export async function requireUnswept(tx: Tx, ctx: Context, blob: string | null): Promise<void> {
  // A sweep takes nothing young, so the usual upload costs no look.
  if (blob === null || blobBegunAt(blob)! > ctx.now().getTime() - ORPHAN_AGE_MS / 2) return;
  const swept = await tx
    .db<Tables>()
    .selectFrom('s3_garbage')
    .select('blob')
    .where('blob', '=', blob)
    .executeTakeFirst();
  if (swept !== undefined) throw s3Fault('RequestTimeout', 400, 'The upload took too long. Send it again.');
}

/** Removes the parts of an upload, all but those numbered in `keep`, and hands their data to the collector. */
export async function discardParts(tx: Tx, ctx: Context, upload: string, keep?: ReadonlySet<number>): Promise<void> {
  const db = tx.db<Tables>();
  const rows = await db.selectFrom('s3_parts').select(['number', 'blob']).where('upload', '=', upload).execute();
  const dropped = rows.filter(({ number }) => keep?.has(number) !== true);
  for (let at = 0; at < dropped.length; at += BATCH) {
    const numbers = dropped.slice(at, at + BATCH).map(({ number }) => number);
    await db.deleteFrom('s3_parts').where('upload', '=', upload).where('number', 'in', numbers).execute();
  }
  const blobs = dropped.flatMap(({ blob }) => (blob === null ? [] : [blob]));
  await discardBlobs(tx, ctx, blobs);
}

/** Removes what is due at a time. @returns when to look again, if anything was left */
export async function collectGarbage(ctx: Context, at: Date): Promise<{ againAt: Date } | undefined> {
  const now = at.getTime();
  for (;;) {
    const rows = await ctx
      .db<Tables>()
      .selectFrom('s3_garbage')
      .selectAll()
      .where('due_at', '<=', now)
      .orderBy('due_at')
      .limit(BATCH)
      .execute();
    if (rows.length === 0) return nextDue(ctx);
    const free = rows.map(({ blob }) => blob).filter((blob) => !isBeingRead(blob));
    await Promise.all(free.map((blob) => ctx.blobs.delete(blob)));
    const busy = rows.map(({ blob }) => blob).filter((blob) => !free.includes(blob));
    await ctx.tx(async (tx) => {
      const db = tx.db<Tables>();
      if (free.length > 0) await db.deleteFrom('s3_garbage').where('blob', 'in', free).execute();
      if (busy.length > 0) {
        await db
          .updateTable('s3_garbage')
          .set({ due_at: now + BUSY_AGAIN_MS })
          .where('blob', 'in', busy)
          .execute();
      }
    });
  }
}

async function nextDue(ctx: Context): Promise<{ againAt: Date } | undefined> {
  const row = await ctx
    .db<Tables>()
    .selectFrom('s3_garbage')
    .select('due_at')
    .orderBy('due_at')
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? undefined : { againAt: new Date(row.due_at) };
}

/** Removes blobs that no row names. @param begunBefore younger ones may belong to an upload that still runs */
export async function sweepOrphans(ctx: Context, begunBefore: Date): Promise<number> {
  let swept = 0;
  let batch: string[] = [];
  const check = async () => {
    swept += await discardUnnamed(ctx, batch);
    batch = [];
  };
  for await (const blob of ctx.blobs.list(BLOB_FOLDER)) {
    const begun = blobBegunAt(blob);
    if (begun === undefined || begun >= begunBefore.getTime()) continue;
    batch.push(blob);
    if (batch.length === BATCH) await check();
  }
  await check();
  return swept;
}

async function discardUnnamed(ctx: Context, blobs: readonly string[]): Promise<number> {
  if (blobs.length === 0) return 0;
  return ctx.tx(async (tx) => {
    const named = new Set<string | null>();
    for (const table of ['s3_objects', 's3_parts', 's3_garbage'] as const) {
      const rows = await tx.db<Tables>().selectFrom(table).select('blob').where('blob', 'in', blobs).execute();
      for (const { blob } of rows) named.add(blob);
    }
    const orphans = blobs.filter((blob) => !named.has(blob));
    await discardBlobs(tx, ctx, orphans, ORPHAN_GRACE_MS);
    return orphans.length;
  });
}

/** Aborts multipart uploads that were begun before a time, those aside for which their bucket has a rule. */
export async function abortAbandoned(ctx: Context, initiatedBefore: Date): Promise<void> {
  let after = '';
  for (;;) {
    const rows = await ctx
      .db<Tables>()
      .selectFrom('s3_uploads')
      .innerJoin('s3_buckets', 's3_buckets.name', 's3_uploads.bucket')
      .select(['s3_uploads.id', 's3_uploads.key', 's3_uploads.initiated_at', 's3_buckets.lifecycle'])
      .where('s3_uploads.initiated_at', '<', initiatedBefore.getTime())
      .where('s3_uploads.id', '>', after)
      .orderBy('s3_uploads.id')
      .limit(BATCH)
      .execute();
    for (const row of rows) {
      if (abortionOf(rulesOf(row), row) !== undefined) continue;
      await ctx.tx(async (tx) => {
        const gone = await tx.db<Tables>().deleteFrom('s3_uploads').where('id', '=', row.id).executeTakeFirst();
        if (gone.numDeletedRows > 0n) await discardParts(tx, ctx, row.id);
      });
    }
    const last = rows.at(-1);
    if (rows.length < BATCH || last === undefined) return;
    after = last.id;
  }
}

export const collector: Reconciler = {
  name: COLLECTOR,
  reconcile: (_key, ctx) => collectGarbage(ctx, ctx.now()),
  async scan(ctx) {
    const row = await ctx.db<Tables>().selectFrom('s3_garbage').select('blob').limit(1).executeTakeFirst();
    return row === undefined ? [] : [ALL];
  },
};

export const sweeper: Reconciler = {
  name: SWEEPER,
  async reconcile(_key, ctx) {
    const now = ctx.now().getTime();
    await sweepOrphans(ctx, new Date(now - ORPHAN_AGE_MS));
    await abortAbandoned(ctx, new Date(now - ABANDONED_AFTER_MS));
    return { againAt: new Date(now + SWEEP_EVERY_MS) };
  },
  scan: async () => [ALL],
};
