import { constants, createDecipheriv, type KeyObject, privateDecrypt } from 'node:crypto';
import type * as sdk from '@aws-sdk/client-kms';

/** Algorithms with which key material can come in. The others are AWS's old ones (PKCS #1 v1.5) or of other Regions (SM2). */
export const WRAPPING: Readonly<Partial<Record<sdk.AlgorithmSpec, { hash: 'sha1' | 'sha256'; wrapsAes: boolean }>>> = {
  RSAES_OAEP_SHA_1: { hash: 'sha1', wrapsAes: false },
  RSAES_OAEP_SHA_256: { hash: 'sha256', wrapsAes: false },
  RSA_AES_KEY_WRAP_SHA_1: { hash: 'sha1', wrapsAes: true },
  RSA_AES_KEY_WRAP_SHA_256: { hash: 'sha256', wrapsAes: true },
};

/** RFC 5649, section 3. */
const KWP_IV = Buffer.from('a65959a6', 'hex');

/** Unwraps key material; undefined when it was wrapped otherwise. @param key the private half of the wrapping key */
export function unwrap(algorithm: sdk.AlgorithmSpec, key: KeyObject, wrapped: Uint8Array): Buffer | undefined {
  const scheme = WRAPPING[algorithm]!;
  const open = (bytes: Uint8Array) =>
    privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: scheme.hash }, bytes);
  try {
    if (!scheme.wrapsAes) return open(wrapped);
    const size = key.asymmetricKeyDetails!.modulusLength! / 8;
    const aes = open(wrapped.subarray(0, size));
    const decipher = createDecipheriv(`id-aes${aes.length * 8}-wrap-pad`, aes, KWP_IV);
    return Buffer.concat([decipher.update(wrapped.subarray(size)), decipher.final()]);
  } catch {
    return undefined;
  }
}
