import type { KeyObject } from 'node:crypto';

/*
 * Signatures over digests that callers made themselves, on curves and lattices: node:crypto signs whole messages only.
 * Loaded when the first one is asked for.
 */

interface Curve {
  sign(digest: Uint8Array, secret: Uint8Array, options: object): Uint8Array;
  verify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array, options: object): boolean;
}

/** A digest is signed as it is, in DER, with either of the two values that verify. */
const DIGEST = { prehash: false, format: 'der', lowS: false };

async function curveOf(name: string): Promise<Curve> {
  if (name === 'secp256k1') return (await import('@noble/curves/secp256k1.js')).secp256k1 as unknown as Curve;
  const { p256, p384, p521 } = await import('@noble/curves/nist.js');
  return { prime256v1: p256, secp384r1: p384, secp521r1: p521 }[name] as unknown as Curve;
}

/** ECDSA over a digest. @param curve as node:crypto names it. @returns DER */
export async function signEcDigest(curve: string, digest: Uint8Array, privateKey: KeyObject): Promise<Buffer> {
  const { d } = privateKey.export({ format: 'jwk' });
  return Buffer.from((await curveOf(curve)).sign(digest, Buffer.from(d!, 'base64url'), DIGEST));
}

/** True when a DER signature is one of the digest. */
export async function verifyEcDigest(
  curve: string,
  digest: Uint8Array,
  publicKey: KeyObject,
  signature: Uint8Array,
): Promise<boolean> {
  const { x, y } = publicKey.export({ format: 'jwk' });
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x!, 'base64url'), Buffer.from(y!, 'base64url')]);
  return isTrue(async () => (await curveOf(curve)).verify(signature, digest, point, DIGEST));
}

/** Ed25519ph of RFC 8032, with the SHA-512 digest in place of the message. */
async function ed25519ph() {
  const [{ eddsa }, { ed25519 }, { sha512 }] = await Promise.all([
    import('@noble/curves/abstract/edwards.js'),
    import('@noble/curves/ed25519.js'),
    import('@noble/hashes/sha2.js'),
  ]);
  const label = Buffer.from('SigEd25519 no Ed25519 collisions');
  return eddsa(ed25519.Point, sha512, {
    prehash: (digest: Uint8Array) => digest,
    adjustScalarBytes: clamp,
    domain: (data: Uint8Array) => Buffer.concat([label, Buffer.from([1, 0]), data]),
  } as never);
}

/** RFC 8032, section 5.1.5, step 2. */
function clamp(scalar: Uint8Array): Uint8Array {
  scalar[0]! &= 0xf8;
  scalar[31] = (scalar[31]! & 0x7f) | 0x40;
  return scalar;
}

export async function signEdDigest(digest: Uint8Array, privateKey: KeyObject): Promise<Buffer> {
  const { d } = privateKey.export({ format: 'jwk' });
  return Buffer.from((await ed25519ph()).sign(digest, Buffer.from(d!, 'base64url')));
}

export async function verifyEdDigest(
  digest: Uint8Array,
  publicKey: KeyObject,
  signature: Uint8Array,
): Promise<boolean> {
  const { x } = publicKey.export({ format: 'jwk' });
  return isTrue(async () => (await ed25519ph()).verify(signature, digest, Buffer.from(x!, 'base64url')));
}

const SEED_BYTES = 32;
const PUBLIC_BYTES: Readonly<Record<string, number>> = { 'ml-dsa-44': 1312, 'ml-dsa-65': 1952, 'ml-dsa-87': 2592 };

async function latticeOf(name: string) {
  const { ml_dsa44, ml_dsa65, ml_dsa87 } = await import('@noble/post-quantum/ml-dsa.js');
  return { 'ml-dsa-44': ml_dsa44, 'ml-dsa-65': ml_dsa65, 'ml-dsa-87': ml_dsa87 }[name]!;
}

/** ML-DSA over the 64-byte representative `mu` that the caller made. Source: FIPS 204, section 6.2. */
export async function signMu(name: string, mu: Uint8Array, privateKey: KeyObject): Promise<Buffer> {
  const lattice = await latticeOf(name);
  const seed = privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-SEED_BYTES);
  const { secretKey } = lattice.keygen(seed);
  return Buffer.from(lattice.internal.sign(mu, secretKey, { externalMu: true }));
}

export async function verifyMu(
  name: string,
  mu: Uint8Array,
  publicKey: KeyObject,
  signature: Uint8Array,
): Promise<boolean> {
  const lattice = await latticeOf(name);
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-PUBLIC_BYTES[name]!);
  return isTrue(async () => lattice.internal.verify(signature, mu, raw, { externalMu: true }));
}

/** Malformed signatures are wrong ones. */
async function isTrue(run: () => Promise<boolean>): Promise<boolean> {
  try {
    return await run();
  } catch {
    return false;
  }
}
