import type { ServerResponse } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../kernel/clock.ts';

/** git writes five bytes, then some thousand, then five again; each write of ours costs as much as a large one. */
const PIECE_BYTES = 128 * 1024;
/** Progress that git reports must not wait for a full piece. */
const PIECE_MS = 5;

/**
 * Gives memory back at once. Else it stays until the next collection, and large packs on their way make one collection of
 * all memory after the other, each of which stops everything for some 20 ms.
 * @param bytes that nobody else has, nor will look at any more; what shares its memory with others is left alone.
 */
export function giveBack(bytes: Buffer<ArrayBuffer>): void {
  if (bytes.length === bytes.buffer.byteLength) bytes.buffer.transfer(0);
}

/** Resolves when the stream takes more, or will never take any: it may be closed under our hands. */
export function writable(stream: Writable): Promise<void> {
  if (stream.destroyed || !stream.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}

/** Passes a stream on in large pieces. Resolves when all of it is written, or one of the two is closed. */
export function passOn(source: Readable, response: ServerResponse, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    let held = 0;
    let timer: { cancel(): void } | null = null;
    const release = () => {
      timer?.cancel();
      timer = null;
      if (held > 0) response.uncork();
      held = 0;
      if (!response.writableNeedDrain) return;
      source.pause();
      response.once('drain', () => source.resume());
    };
    const done = () => {
      release();
      resolve();
    };
    source.on('data', (chunk: Buffer<ArrayBuffer>) => {
      if (held === 0) response.cork();
      held += chunk.length;
      // Who else listens may still be writing it to a file.
      if (source.listenerCount('data') > 1) response.write(chunk);
      else response.write(chunk, () => giveBack(chunk));
      if (held >= PIECE_BYTES) release();
      else timer ??= clock.after(PIECE_MS, release);
    });
    source.once('end', done).once('close', done);
    response.once('close', () => {
      source.destroy();
      done();
    });
    source.resume();
  });
}
