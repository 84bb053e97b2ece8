import { Readable } from 'node:stream';
import type { Context } from '../../kernel/context.ts';
import { BlobNotFoundError, type ByteRange } from '../../kernel/store/blobs.ts';
import type { Envelope } from './envelope.ts';
import { unseal } from './sealed-blob.ts';
import type { ObjectTable, PartTable, Tables } from './tables.ts';

const HIGH_WATER_BYTES = 256 * 1024;

/** Blobs that a read of this process still needs: the collector leaves them alone. */
const readers = new Map<string, number>();

/** True while somebody in this process reads the blob. */
export function isBeingRead(blob: string): boolean {
  return readers.has(blob);
}

/** A stretch of an object: one blob, and where in the object it starts. */
export interface Piece extends Pick<PartTable, 'blob' | 'data_key' | 'size' | 'checksum'> {
  number: number;
  start: number;
}

/** The stretches that an object's data consists of, in order. */
export async function piecesOf(
  ctx: Context,
  object: Pick<ObjectTable, 'blob' | 'data_key' | 'size' | 'upload'>,
): Promise<Piece[]> {
  const { upload } = object;
  if (upload === null)
    return [{ number: 1, start: 0, blob: object.blob, data_key: object.data_key, size: object.size, checksum: null }];
  const rows = await ctx
    .db<Tables>()
    .selectFrom('s3_parts')
    .select(['number', 'blob', 'data_key', 'size', 'checksum'])
    .where('upload', '=', upload)
    .orderBy('number')
    .execute();
  let start = 0;
  return rows.map((row) => {
    const piece = { ...row, start };
    start += row.size;
    return piece;
  });
}

/**
 * Opens the bytes of a range, decrypted and verified. The first of them are read before this resolves, so that damage at the
 * start is an error answer; damage later breaks the stream off.
 * @throws DamagedBlobError, BlobNotFoundError
 */
export async function readContent(
  ctx: Context,
  pieces: readonly Piece[],
  range: ByteRange,
  envelope: Envelope,
): Promise<Readable> {
  const wanted = pieces.filter(
    ({ blob, size, start }) => blob !== null && start <= range.end && start + size > range.start,
  );
  const chunks = readPieces(ctx, wanted, range, envelope);
  const first = await chunks.next();
  return first.done ? Readable.from([]) : resume(first.value, chunks);
}

function resume(first: Buffer, rest: AsyncGenerator<Buffer>): Readable {
  let held: Buffer | undefined = first;
  let pulling = false;
  return new Readable({
    highWaterMark: HIGH_WATER_BYTES,
    read() {
      if (pulling) return;
      if (held !== undefined) {
        const chunk = held;
        held = undefined;
        this.push(chunk);
        return;
      }
      pulling = true;
      rest.next().then(
        ({ done, value }) => {
          pulling = false;
          this.push(done ? null : value);
        },
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, done) {
      rest.return(undefined).then(
        () => done(error),
        (failure: Error) => done(error ?? failure),
      );
    },
  });
}

async function* readPieces(
  ctx: Context,
  pieces: readonly Piece[],
  range: ByteRange,
  envelope: Envelope,
): AsyncGenerator<Buffer> {
  const names = pieces.map(({ blob }) => blob!);
  for (const name of names) readers.set(name, (readers.get(name) ?? 0) + 1);
  try {
    if (names.length > 1) await confirm(ctx, names.at(-1)!);
    for (const { blob, data_key: dataKey, size, start } of pieces) {
      const sealed = { blob: blob!, key: envelope.open(blob!, dataKey!), size };
      yield* unseal(ctx.blobs, sealed, {
        start: Math.max(0, range.start - start),
        end: Math.min(size - 1, range.end - start),
      });
    }
  } finally {
    for (const name of names) {
      const left = readers.get(name)! - 1;
      if (left === 0) readers.delete(name);
      else readers.set(name, left);
    }
  }
}

/**
 * Parts go together, in one transaction. One that still has its row after this read was announced to the collector is safe
 * until the read is over. @throws BlobNotFoundError when they went in between
 */
async function confirm(ctx: Context, blob: string): Promise<void> {
  const row = await ctx.db<Tables>().selectFrom('s3_parts').select('blob').where('blob', '=', blob).executeTakeFirst();
  if (row === undefined) throw new BlobNotFoundError(blob);
}
