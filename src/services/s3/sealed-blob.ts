import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { BlobStore, ByteRange } from '../../kernel/store/blobs.ts';

/**
 * How object data lies in the blob store: encrypted with a key of its own (AES-256-GCM) in frames of 64 KiB, each with its
 * tag. So a range is read without the rest, the disk of record holds no plaintext, and a byte that changed on the disk is
 * an error, never data. A frame's number is its nonce, so frames cannot change places; the length is known from the row, so
 * a truncated blob is noticed too.
 */
export const FRAME_BYTES = 64 * 1024;
export const DATA_KEY_BYTES = 32;
const TAG_BYTES = 16;
const SEALED_FRAME_BYTES = FRAME_BYTES + TAG_BYTES;
/** Written and handed on in pieces of about this size: fewer, larger turns through the thread pool. */
const FLUSH_BYTES = 512 * 1024;

/** Thrown when stored data is not what was written. The read fails; nothing that was not verified is handed out. */
export class DamagedBlobError extends Error {
  constructor(blob: string, cause?: unknown) {
    super(`the stored data of ${blob} is damaged`, { cause });
    this.name = 'DamagedBlobError';
  }
}

function nonceOf(frame: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(frame, 6, 6);
  return nonce;
}

/** Encrypts a stream. @param key of 32 bytes, used for this blob alone */
export async function* seal(source: AsyncIterable<Uint8Array>, key: Buffer): AsyncGenerator<Buffer> {
  let frame = 0;
  let room = 0;
  let cipher: ReturnType<typeof startCipher> | undefined;
  let pieces: Buffer[] = [];
  let waiting = 0;
  const add = (piece: Buffer) => {
    pieces.push(piece);
    waiting += piece.length;
  };
  for await (const chunk of source) {
    for (let at = 0; at < chunk.byteLength; ) {
      if (cipher === undefined) {
        cipher = startCipher(key, frame++);
        room = FRAME_BYTES;
      }
      const end = Math.min(chunk.byteLength, at + room);
      add(cipher.update(chunk.subarray(at, end)));
      room -= end - at;
      at = end;
      if (room === 0) {
        cipher.final();
        add(cipher.getAuthTag());
        cipher = undefined;
      }
    }
    if (waiting >= FLUSH_BYTES) {
      yield Buffer.concat(pieces, waiting);
      pieces = [];
      waiting = 0;
    }
  }
  if (cipher !== undefined) {
    cipher.final();
    add(cipher.getAuthTag());
  }
  if (waiting > 0) yield Buffer.concat(pieces, waiting);
}

function startCipher(key: Buffer, frame: number) {
  return createCipheriv('aes-256-gcm', key, nonceOf(frame));
}

/** A sealed blob and what is needed to read it. */
export interface SealedBlob {
  blob: string;
  key: Buffer;
  /** Bytes of plaintext; at least 1. */
  size: number;
}

/**
 * Decrypts and verifies the bytes of a range, frame by frame.
 * @throws DamagedBlobError, BlobNotFoundError
 */
export async function* unseal(blobs: BlobStore, sealed: SealedBlob, range: ByteRange): AsyncGenerator<Buffer> {
  const { blob, key, size } = sealed;
  const first = Math.floor(range.start / FRAME_BYTES);
  const last = Math.floor(range.end / FRAME_BYTES);
  const sealedSize = size + Math.ceil(size / FRAME_BYTES) * TAG_BYTES;
  const stream = await blobs.get(blob, {
    start: first * SEALED_FRAME_BYTES,
    end: Math.min((last + 1) * SEALED_FRAME_BYTES, sealedSize) - 1,
  });
  try {
    let frame = first;
    let held: Buffer = Buffer.alloc(0);
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const plain: Buffer[] = [];
      let at = 0;
      while (frame <= last) {
        const length = Math.min(FRAME_BYTES, size - frame * FRAME_BYTES) + TAG_BYTES;
        if (held.length - at < length) break;
        plain.push(cut(openFrame(blob, key, frame, held.subarray(at, at + length)), frame, range));
        at += length;
        frame++;
      }
      held = held.subarray(at);
      if (plain.length > 0) yield plain.length === 1 ? plain[0]! : Buffer.concat(plain);
    }
    if (frame <= last || held.length > 0) throw new DamagedBlobError(blob);
  } finally {
    stream.destroy();
  }
}

function openFrame(blob: string, key: Buffer, frame: number, sealed: Buffer): Buffer {
  const tagAt = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(frame), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(tagAt));
  const plain = decipher.update(sealed.subarray(0, tagAt));
  try {
    decipher.final();
  } catch (error) {
    throw new DamagedBlobError(blob, error);
  }
  return plain;
}

/** The part of a frame's plaintext that the range wants. */
function cut(plain: Buffer, frame: number, range: ByteRange): Buffer {
  const start = frame * FRAME_BYTES;
  return plain.subarray(Math.max(0, range.start - start), Math.min(plain.length, range.end + 1 - start));
}
