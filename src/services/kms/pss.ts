import { constants, createHash, type KeyObject, privateEncrypt, publicDecrypt } from 'node:crypto';

/*
 * RSASSA-PSS over a digest that the caller made himself, which node:crypto does not offer: it signs messages only.
 * Source: RFC 8017, sections 8.1 and 9.1; the salt is as long as the digest, the mask made with the same hash.
 */
const RAW = constants.RSA_NO_PADDING;

/** Signs a digest. @param salt random bytes, as many as the digest has */
export function signPss(hash: string, digest: Uint8Array, privateKey: KeyObject, salt: Uint8Array): Buffer {
  const size = modulusBytes(privateKey);
  return privateEncrypt({ key: privateKey, padding: RAW }, encode(hash, digest, salt, size));
}

/** True when the signature is one of the digest. */
export function verifyPss(hash: string, digest: Uint8Array, publicKey: KeyObject, signature: Uint8Array): boolean {
  const size = modulusBytes(publicKey);
  if (signature.length !== size) return false;
  let encoded: Buffer;
  try {
    encoded = publicDecrypt({ key: publicKey, padding: RAW }, signature);
  } catch {
    return false; // a number that is no element of the group
  }
  const salt = saltOf(hash, encoded, digest.length);
  return salt !== undefined && encode(hash, digest, salt, size).equals(encoded);
}

/** Moduli of KMS have a whole number of bytes, so encoded messages have one bit less than the modulus. */
function modulusBytes(key: KeyObject): number {
  return key.asymmetricKeyDetails!.modulusLength! / 8;
}

function encode(hash: string, digest: Uint8Array, salt: Uint8Array, size: number): Buffer {
  const stamp = createHash(hash).update(Buffer.alloc(8)).update(digest).update(salt).digest();
  const block = Buffer.alloc(size - stamp.length - 1);
  block[block.length - salt.length - 1] = 1;
  block.set(salt, block.length - salt.length);
  const masked = xor(block, mask(hash, stamp, block.length));
  masked[0]! &= 0x7f;
  return Buffer.concat([masked, stamp, Buffer.from([0xbc])]);
}

function saltOf(hash: string, encoded: Buffer, hashBytes: number): Buffer | undefined {
  const end = encoded.length - hashBytes - 1;
  if (end < hashBytes + 1) return undefined;
  const block = xor(encoded.subarray(0, end), mask(hash, encoded.subarray(end, -1), end));
  return block.subarray(end - hashBytes);
}

/** MGF1, appendix B.2.1. */
function mask(hash: string, seed: Uint8Array, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let counter = 0, made = 0; made < length; counter++) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(counter);
    const part = createHash(hash).update(seed).update(number).digest();
    parts.push(part);
    made += part.length;
  }
  return Buffer.concat(parts).subarray(0, length);
}

function xor(one: Uint8Array, other: Uint8Array): Buffer {
  const out = Buffer.alloc(one.length);
  for (let i = 0; i < out.length; i++) out[i] = one[i]! ^ other[i]!;
  return out;
}
