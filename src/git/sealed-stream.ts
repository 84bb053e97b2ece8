import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { systemIds } from '../kernel/ids.ts';
import { GitFailure } from './failure.ts';
import { giveBack } from './flow.ts';

/**
 * How packs and their indexes lie in the blob store: encrypted (AES-256-GCM) in frames of 128 KiB, each with its tag, so
 * that a stream of any length is written and verified in little memory, and nothing that was not verified is handed out.
 *
 * Header: 8 bytes of format, 32 of salt. The repository's data key, the salt and the blob's name make the key of this
 * one blob, so no blob can stand in for another and a nonce is never used twice. A frame's nonce is its number and
 * whether it is the last: frames cannot change places, and a cut-off blob is noticed by itself.
 */
const FORMAT = Buffer.from('SLIPGIT1', 'latin1');
const SALT_BYTES = 32;
const HEADER_BYTES = FORMAT.length + SALT_BYTES;
export const DATA_KEY_BYTES = 32;
export const FRAME_BYTES = 128 * 1024;
const TAG_BYTES = 16;
const SEALED_FRAME_BYTES = FRAME_BYTES + TAG_BYTES;
const NONCE_BYTES = 12;
/** Frames that are handed on together: each write costs as much as a large one. */
const FRAMES_TOGETHER = 4;
const LAST_FRAME = 1;

/** What belongs to one blob. */
export interface Sealing {
  /** The repository's data key, of {@link DATA_KEY_BYTES}. */
  dataKey: Buffer;
  /** The blob's own name: a blob opens under no other. */
  name: string;
}

function blobKey({ dataKey, name }: Sealing, salt: Uint8Array): Buffer {
  if (dataKey.length !== DATA_KEY_BYTES) throw new Error(`a data key must have ${DATA_KEY_BYTES} bytes`);
  return Buffer.from(hkdfSync('sha256', dataKey, salt, `slipway git blob ${name}`, DATA_KEY_BYTES));
}

function nonceOf(frame: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUIntBE(frame, 4, 6);
  if (isLast) nonce.writeUInt8(LAST_FRAME, NONCE_BYTES - 1);
  return nonce;
}

function sealFrame(key: Buffer, frame: number, isLast: boolean, plain: Uint8Array): Buffer<ArrayBuffer>[] {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(frame, isLast));
  const sealed = cipher.update(plain);
  cipher.final();
  return [sealed, cipher.getAuthTag()];
}

function newHeader(): { header: Buffer<ArrayBuffer>; salt: Buffer } {
  const salt = systemIds.bytes(SALT_BYTES);
  return { header: Buffer.concat([FORMAT, salt]), salt };
}

/** Encrypts what is in memory. */
export function sealBytes(plain: Uint8Array, sealing: Sealing): Buffer {
  const { header, salt } = newHeader();
  const key = blobKey(sealing, salt);
  const parts = [header];
  const last = Math.max(Math.ceil(plain.length / FRAME_BYTES) - 1, 0);
  for (let frame = 0; frame <= last; frame += 1) {
    const at = frame * FRAME_BYTES;
    parts.push(...sealFrame(key, frame, frame === last, plain.subarray(at, at + FRAME_BYTES)));
  }
  return Buffer.concat(parts);
}

/** Encrypts a stream. Which frame is the last is known only when nothing follows, so one full frame is held back. */
export async function* seal(source: AsyncIterable<Uint8Array>, sealing: Sealing): AsyncGenerator<Buffer<ArrayBuffer>> {
  const { header, salt } = newHeader();
  const key = blobKey(sealing, salt);
  let out = [header];
  let frame = 0;
  const put = (plain: Uint8Array, isLast: boolean) => {
    out.push(...sealFrame(key, frame, isLast, plain));
    frame += 1;
  };
  const held = Buffer.allocUnsafeSlow(FRAME_BYTES);
  let filled = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      if (filled === FRAME_BYTES) {
        put(held, false);
        filled = 0;
      }
      // A whole frame that others follow needs no copy.
      const isWhole = filled === 0 && chunk.length - at > FRAME_BYTES;
      const taken = chunk.subarray(at, at + FRAME_BYTES - filled);
      at += taken.length;
      if (isWhole) put(taken, false);
      else filled += copyInto(held, taken, filled);
      if (out.length < FRAMES_TOGETHER * 2) continue;
      const together = Buffer.concat(out);
      for (const part of out) giveBack(part);
      out = [];
      yield together;
    }
  }
  put(held.subarray(0, filled), true);
  yield Buffer.concat(out);
}

function copyInto(target: Buffer, bytes: Uint8Array, at: number): number {
  target.set(bytes, at);
  return bytes.length;
}

/**
 * Decrypts and verifies, frame by frame. Whoever takes the bytes must not use them before the end has come: only then is
 * it known that nothing is missing.
 * @throws {GitFailure} `integrity` when a byte was changed, frames were moved or cut off, or the key is another one
 */
export async function* unseal(source: AsyncIterable<Uint8Array>, sealing: Sealing): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  let key: Buffer | null = null;
  let frame = 0;
  for await (const chunk of source) {
    held = held.length === 0 ? asBuffer(chunk) : Buffer.concat([held, chunk]);
    if (key === null) {
      if (held.length < HEADER_BYTES) continue;
      key = readHeader(held, sealing);
      held = held.subarray(HEADER_BYTES);
    }
    // As long as more follows, a full frame is not the last one.
    while (held.length > SEALED_FRAME_BYTES) {
      yield openFrame(key, frame, false, held.subarray(0, SEALED_FRAME_BYTES));
      frame += 1;
      held = held.subarray(SEALED_FRAME_BYTES);
    }
  }
  if (key === null) throw damaged();
  yield openFrame(key, frame, true, held);
}

function readHeader(bytes: Buffer, sealing: Sealing): Buffer {
  if (!bytes.subarray(0, FORMAT.length).equals(FORMAT)) throw damaged();
  return blobKey(sealing, bytes.subarray(FORMAT.length, HEADER_BYTES));
}

function openFrame(key: Buffer, frame: number, isLast: boolean, sealed: Buffer): Buffer {
  if (sealed.length < TAG_BYTES) throw damaged();
  const tagAt = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(frame, isLast), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(tagAt));
  const plain = decipher.update(sealed.subarray(0, tagAt));
  try {
    decipher.final();
  } catch (error) {
    throw damaged(error);
  }
  return plain;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function damaged(cause?: unknown): GitFailure {
  return new GitFailure('integrity', 'stored data of the repository is damaged', cause === undefined ? {} : { cause });
}
