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
/** Frames that are handed on together: fewer, larger turns through the thread pool. The first goes alone: most blobs are small. */
const FRAMES_TOGETHER = 8;

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
  let out = Buffer.allocUnsafeSlow(SEALED_FRAME_BYTES);
  let filled = 0;
  let frame = 0;
  let room = 0;
  let cipher: ReturnType<typeof startCipher> | undefined;
  const endFrame = () => {
    cipher!.final();
    filled += cipher!.getAuthTag().copy(out, filled);
    cipher = undefined;
  };
  for await (const chunk of source) {
    for (let at = 0; at < chunk.byteLength; ) {
      if (cipher === undefined) {
        if (filled + SEALED_FRAME_BYTES > out.length) {
          yield out.subarray(0, filled);
          out = Buffer.allocUnsafeSlow(FRAMES_TOGETHER * SEALED_FRAME_BYTES);
          filled = 0;
        }
        cipher = startCipher(key, frame++);
        room = FRAME_BYTES;
      }
      const end = Math.min(chunk.byteLength, at + room);
      const sealed = cipher.update(chunk.subarray(at, end));
      filled += sealed.copy(out, filled);
      free(sealed);
      room -= end - at;
      at = end;
      if (room === 0) endFrame();
    }
  }
  if (cipher !== undefined) endFrame();
  if (filled > 0) yield out.subarray(0, filled);
}

/**
 * Gives the memory of a buffer that nobody looks at any more back at once: left to the garbage collector, a large upload
 * makes that run all the time. A buffer that is a part of another one is left alone.
 */
export function free({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
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
      let at = 0;
      while (frame <= last) {
        const length = Math.min(FRAME_BYTES, size - frame * FRAME_BYTES) + TAG_BYTES;
        if (held.length - at < length) break;
        yield cut(openFrame(blob, key, frame, held.subarray(at, at + length)), frame, range);
        at += length;
        frame++;
      }
      held = held.subarray(at);
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
