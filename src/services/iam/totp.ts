import { createHmac, timingSafeEqual } from 'node:crypto';
import { BASE32 } from '../../kernel/ids.ts';

/** Length of a time step in seconds, digits of a code. Source: RFC 6238 with the defaults of authenticator apps. */
export const STEP_SECONDS = 30;
const DIGITS = 6;

/** Steps since the epoch. */
export function stepAt(epochMs: number): number {
  return Math.floor(epochMs / 1000 / STEP_SECONDS);
}

/** The code of a step: HOTP (RFC 4226) with SHA-1. */
export function codeAt(seed: Uint8Array, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const digest = createHmac('sha1', seed).update(counter).digest();
  const value = digest.readUInt32BE(digest.at(-1)! & 15) & 0x7f_ff_ff_ff;
  return String(value % 10 ** DIGITS).padStart(DIGITS, '0');
}

/** Whether it is the code of that step, compared in constant time. */
export function isCodeOf(seed: Uint8Array, step: number, code: string): boolean {
  const expected = Buffer.from(codeAt(seed, step));
  const given = Buffer.from(code);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/**
 * The step to which a run of consecutive codes leads: the last one's; undefined where no run of them fits.
 * @param around the step where the device should be, and how far from it the run may start
 * @param after steps up to this one have been used; the run starts behind it
 */
export function stepOfCodes(
  seed: Uint8Array,
  codes: readonly string[],
  around: { step: number; before: number; beyond: number },
  after = -1,
): number | undefined {
  let found: number | undefined;
  // Every step is tried, so that the time taken does not tell where the device stands.
  for (let first = around.step - around.before; first <= around.step + around.beyond; first++) {
    const fits = codes.every((code, index) => isCodeOf(seed, first + index, code));
    if (fits && first > after) found ??= first + codes.length - 1;
  }
  return found;
}

/** Base32 without padding (RFC 4648), for lengths that are whole groups of five bytes. */
export function toBase32(bytes: Uint8Array): string {
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  let out = '';
  for (let n = (bytes.length * 8) / 5 - 1; n >= 0; n--) out += BASE32[Number((bits >> BigInt(n * 5)) & 31n)];
  return out;
}
