import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Clock } from '../kernel/clock.ts';
import { GitFailure } from './failure.ts';
import { giveBack } from './flow.ts';

/** A body without a byte for this long is given up. */
const IDLE_MS = 30_000;
/**
 * git sends 16 KB at a time, and every hand that a piece goes through costs as much for a small one. Whoever reads a body
 * here needs all of it anyway.
 */
const PIECE_BYTES = 256 * 1024;

/**
 * The body of a request, unpacked when it is gzip, in pieces of at least 256 KB but for the last.
 * @throws {GitFailure} `body-too-large` beyond `capBytes` of unpacked bytes, `bad-request`, `stopped`.
 */
export async function* readBody(request: IncomingMessage, clock: Clock, capBytes: number): AsyncGenerator<Uint8Array> {
  const pieces = new Pieces(decoded(request));
  const idle = watchIdle(request, pieces, clock);
  let size = 0;
  try {
    for (let piece = await pieces.next(); piece !== null; piece = await pieces.next()) {
      size += piece.length;
      if (size > capBytes) throw new GitFailure('body-too-large', 'the request is too large');
      yield piece;
    }
  } finally {
    idle.cancel();
    pieces.stop();
  }
}

function decoded(request: IncomingMessage): Readable {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return request;
  if (encoding !== 'gzip' && encoding !== 'x-gzip') {
    throw new GitFailure('bad-request', 'unsupported content encoding');
  }
  const gunzip = createGunzip();
  request.once('error', (error) => gunzip.destroy(error));
  request.once('close', () => {
    if (!request.complete) gunzip.destroy(new Error('the request was cut off'));
  });
  return request.pipe(gunzip);
}

/** Gathers what a stream emits, and holds it back while nobody takes it. */
class Pieces {
  readonly #stream: Readable;
  #chunks: Buffer<ArrayBuffer>[] = [];
  #size = 0;
  #isEnded = false;
  #error: unknown = null;
  #wake: (() => void) | null = null;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on('data', this.#take).on('end', this.#end).on('error', this.#fail).on('close', this.#close);
  }

  /** True while it waits for bytes, and not for somebody to take them. */
  get isHungry(): boolean {
    return !this.#stream.isPaused();
  }

  /** The next piece; null at the end. */
  async next(): Promise<Buffer | null> {
    if (this.#size < PIECE_BYTES && !this.#isEnded && this.#error === null) {
      this.#stream.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#error !== null) throw failureOf(this.#error);
    if (this.#size === 0) return null;
    const piece = this.#chunks.length === 1 ? this.#chunks[0]! : gathered(this.#chunks, this.#size);
    this.#chunks = [];
    this.#size = 0;
    return piece;
  }

  /** Takes no more; whoever answers decides what becomes of the rest. */
  stop(): void {
    this.#stream.off('data', this.#take).off('end', this.#end).off('close', this.#close);
    if (!this.#isEnded) this.#stream.pause();
  }

  readonly #take = (chunk: Buffer<ArrayBuffer>) => {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < PIECE_BYTES) return;
    this.#stream.pause();
    this.#rouse();
  };

  readonly #end = () => {
    this.#isEnded = true;
    this.#rouse();
  };

  readonly #fail = (error: unknown) => {
    this.#error ??= error;
    this.#rouse();
  };

  readonly #close = () => {
    if (!this.#isEnded) this.#fail(new Error('the request was cut off'));
  };

  #rouse(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

/** One buffer of many, which are gone then: the stream has handed them to nobody else. */
function gathered(chunks: readonly Buffer<ArrayBuffer>[], size: number): Buffer {
  const piece = Buffer.concat(chunks, size);
  for (const chunk of chunks) giveBack(chunk);
  return piece;
}

function failureOf(error: unknown): GitFailure {
  const { code } = error as NodeJS.ErrnoException;
  if (code?.startsWith('Z_')) return new GitFailure('bad-request', 'the body is not gzip', { cause: error });
  return new GitFailure('stopped', 'the client went away', { cause: error });
}

/** Ends a request whose client sends nothing, though we would take it. */
function watchIdle(request: IncomingMessage, pieces: Pieces, clock: Clock): { cancel(): void } {
  let seen = request.socket.bytesRead;
  const look = () => {
    const now = request.socket.bytesRead;
    if (pieces.isHungry && now === seen) {
      request.destroy(new Error('the body has stalled'));
      return;
    }
    seen = now;
    timer = clock.after(IDLE_MS, look);
  };
  let timer = clock.after(IDLE_MS, look);
  return { cancel: () => timer.cancel() };
}
