import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import type { Context } from '../../kernel/context.ts';

/*
 * Ciphertexts of symmetric keys. All numbers are big endian.
 *
 *   offset  bytes
 *   0       1      version, 1
 *   1       1      0 for a key of one Region, 1 for a multi-Region key
 *   2       16     key id
 *   18      6      account
 *   24      32     material id
 *   56      16     salt: the message's own AES key is HMAC-SHA-256(material, label || salt)
 *   72      12     check of what stands before, by a key of the installation
 *   84      12     nonce
 *   96      n      AES-256-GCM of the plaintext; what stands before the nonce and the encryption context are bound to it
 *   96 + n  16     tag
 *
 * The check tells what was never a ciphertext of this installation before a key is looked up. The Region is not named:
 * a ciphertext opens where the request goes, which for related multi-Region keys is any of their Regions.
 */
const VERSION = 1;
const CHECK_AT = 72;
const NONCE_AT = 84;
const BODY_AT = 96;
const TAG_BYTES = 16;
const LABEL = Buffer.from('slipway kms message key 1');
const UUID = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/;

export type EncryptionContext = Readonly<Record<string, string>>;

/** What a ciphertext says about itself. */
export interface CiphertextHeader {
  readonly account: string;
  readonly keyId: string;
  readonly materialId: string;
}

/** Encrypts under one material of a key. */
export function encryptSymmetric(
  ctx: Context,
  header: CiphertextHeader,
  material: Buffer,
  plaintext: Uint8Array,
  context: EncryptionContext = {},
): Buffer {
  const head = Buffer.alloc(BODY_AT);
  const isMultiRegion = header.keyId.startsWith('mrk-');
  head[0] = VERSION;
  head[1] = isMultiRegion ? 1 : 0;
  head.write(isMultiRegion ? header.keyId.slice(4) : header.keyId.replaceAll('-', ''), 2, 'hex');
  head.writeUIntBE(Number(header.account), 18, 6);
  head.write(header.materialId, 24, 'hex');
  const random = ctx.ids.bytes(28);
  random.copy(head, 56, 0, 16);
  check(ctx, head).copy(head, CHECK_AT);
  random.copy(head, NONCE_AT, 16);
  const cipher = createCipheriv('aes-256-gcm', messageKey(material, head), head.subarray(NONCE_AT, BODY_AT));
  cipher.setAAD(bound(head, context));
  return Buffer.concat([head, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** What a ciphertext says about itself; undefined for bytes that this installation never made or that were changed. */
export function readHeader(ctx: Context, ciphertext: Uint8Array): CiphertextHeader | undefined {
  const bytes = Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.byteLength);
  if (bytes.length < BODY_AT + TAG_BYTES || bytes[0] !== VERSION) return undefined;
  if (!timingSafeEqual(check(ctx, bytes), bytes.subarray(CHECK_AT, NONCE_AT))) return undefined;
  const hex = bytes.toString('hex', 2, 18);
  return {
    account: String(bytes.readUIntBE(18, 6)).padStart(12, '0'),
    keyId: bytes[1] === 1 ? `mrk-${hex}` : hex.replace(UUID, '$1-$2-$3-$4-$5'),
    materialId: bytes.toString('hex', 24, 56),
  };
}

/** Opens a ciphertext; undefined when it was changed or the encryption context is another one. */
export function decryptSymmetric(
  material: Buffer,
  ciphertext: Uint8Array,
  context: EncryptionContext = {},
): Buffer | undefined {
  const bytes = Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.byteLength);
  const end = bytes.length - TAG_BYTES;
  const nonce = bytes.subarray(NONCE_AT, BODY_AT);
  const decipher = createDecipheriv('aes-256-gcm', messageKey(material, bytes), nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(bound(bytes, context)).setAuthTag(bytes.subarray(end));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(BODY_AT, end)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** A key for one message: no number of messages under one material comes near the limits of GCM's nonces. */
function messageKey(material: Buffer, head: Buffer): Buffer {
  return createHmac('sha256', material).update(LABEL).update(head.subarray(56, CHECK_AT)).digest();
}

function check({ secrets }: Context, head: Buffer): Buffer {
  return secrets.mac('kms.ciphertext', head.subarray(0, CHECK_AT)).subarray(0, NONCE_AT - CHECK_AT);
}

/** Header and encryption context in one form only: pairs sorted by the bytes of their names, each text behind its length. */
function bound(head: Buffer, context: EncryptionContext): Buffer {
  const parts: Buffer[] = [head.subarray(0, NONCE_AT)];
  const pairs = Object.entries(context).map(([key, value]) => [Buffer.from(key), Buffer.from(value)] as const);
  pairs.sort(([a], [b]) => Buffer.compare(a, b));
  for (const pair of pairs) {
    for (const text of pair) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(text.length);
      parts.push(length, text);
    }
  }
  return Buffer.concat(parts);
}
