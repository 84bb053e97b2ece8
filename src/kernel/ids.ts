import { randomBytes, randomUUID } from 'node:crypto';

/** The only source of identifiers and randomness, so that a simulation can replay a run from its seed. */
export interface Ids {
  /** A version 4 UUID, lower case. */
  uuid(): string;
  /** `length` characters from `alphabet`, uniformly. */
  string(length: number, alphabet: string): string;
  bytes(length: number): Buffer;
}

export const UPPER_ALNUM = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
export const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
export const ALNUM = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Picks characters without modulo bias: bytes beyond the largest multiple of the alphabet's size are dropped. */
function pick(length: number, alphabet: string, bytes: (n: number) => Buffer): string {
  const limit = 256 - (256 % alphabet.length);
  let out = '';
  while (out.length < length) {
    for (const byte of bytes(length - out.length + 8)) {
      if (byte < limit && out.length < length) out += alphabet[byte % alphabet.length];
    }
  }
  return out;
}

/** Identifiers from the system's random source. */
export const systemIds: Ids = {
  uuid: () => randomUUID(),
  bytes: (length) => randomBytes(length),
  string: (length, alphabet) => pick(length, alphabet, randomBytes),
};

/** A version 7 UUID, which sorts by its time: rows with such keys are appended to an index, not scattered over it. */
export function timeOrderedUuid(ids: Ids, atMs: number): string {
  const time = atMs.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${ids.uuid().slice(15)}`;
}
