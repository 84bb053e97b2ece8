import { constants, type KeyObject, privateEncrypt, publicDecrypt, sign, verify } from 'node:crypto';
import type * as sdk from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { signEcDigest, signEdDigest, signMu, verifyEcDigest, verifyEdDigest, verifyMu } from './digest-curves.ts';
import type { SpecFacts } from './key-specs.ts';
import type { Material } from './materials.ts';
import { signPss, verifyPss } from './pss.ts';

export interface SigningRequest {
  readonly algorithm: sdk.SigningAlgorithmSpec;
  readonly messageType: sdk.MessageType;
  readonly message: Uint8Array;
}

/** Heads of a DigestInfo. Source: RFC 8017, section 9.2, note 1. */
const DIGEST_INFO: Readonly<Record<string, Buffer>> = {
  sha256: Buffer.from('3031300d060960864801650304020105000420', 'hex'),
  sha384: Buffer.from('3041300d060960864801650304020205000430', 'hex'),
  sha512: Buffer.from('3051300d060960864801650304020305000440', 'hex'),
};

/** Name of the hash of `..._SHA_256`. */
function hashOf(algorithm: string): string {
  return `sha${algorithm.slice(-3)}`;
}

function hashBytes(algorithm: string): number {
  return algorithm === 'ML_DSA_SHAKE_256' ? 64 : Number(algorithm.slice(-3)) / 8;
}

/**
 * Holds message type and length of a message against the algorithm.
 * @throws ValidationException
 */
export function checkMessage({ algorithm, messageType, message }: SigningRequest): void {
  const allowed = messageTypes(algorithm);
  if (!allowed.includes(messageType)) {
    throw invalid(`Algorithm ${algorithm} requires MessageType ${allowed.join(' or ')}.`);
  }
  if (messageType !== 'RAW' && message.length !== hashBytes(algorithm)) {
    throw invalid(`Digest is invalid length for algorithm ${algorithm}.`);
  }
}

/** Source: KMS API reference, Sign, "MessageType". */
function messageTypes(algorithm: sdk.SigningAlgorithmSpec): sdk.MessageType[] {
  if (algorithm === 'ED25519_SHA_512') return ['RAW'];
  if (algorithm === 'ED25519_PH_SHA_512') return ['DIGEST'];
  return algorithm === 'ML_DSA_SHAKE_256' ? ['RAW', 'EXTERNAL_MU'] : ['RAW', 'DIGEST'];
}

const invalid = (message: string) => commonFault('ValidationError', message);

/** Options of node:crypto for a whole message. */
function wholeOptions(algorithm: string, key: KeyObject) {
  if (algorithm.startsWith('RSASSA_PSS')) {
    return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  }
  return algorithm.startsWith('ECDSA') ? { key, dsaEncoding: 'der' as const } : { key };
}

/** Edwards curves and lattices hash by themselves. */
const wholeHash = (algorithm: string) =>
  algorithm === 'ED25519_SHA_512' || algorithm === 'ML_DSA_SHAKE_256' ? null : hashOf(algorithm);

/** Signs; the request was checked. */
export async function makeSignature(
  ctx: Context,
  { algorithm, messageType, message }: SigningRequest,
  facts: SpecFacts,
  material: Material,
): Promise<Uint8Array> {
  const key = material.privateKey!;
  if (messageType === 'RAW') return sign(wholeHash(algorithm), message, wholeOptions(algorithm, key));
  const hash = hashOf(algorithm);
  switch (facts.kind) {
    case 'ec':
      return signEcDigest(facts.curve!, message, key);
    case 'ed25519':
      return signEdDigest(message, key);
    case 'ml-dsa':
      return signMu(facts.curve!, message, key);
    default:
      if (algorithm.startsWith('RSASSA_PSS')) return signPss(hash, message, key, ctx.ids.bytes(message.length));
      return privateEncrypt(
        { key, padding: constants.RSA_PKCS1_PADDING },
        Buffer.concat([DIGEST_INFO[hash]!, message]),
      );
  }
}

/** True when the signature is one of the message; the request was checked. */
export async function isSignature(
  { algorithm, messageType, message }: SigningRequest,
  signature: Uint8Array,
  facts: SpecFacts,
  material: Material,
): Promise<boolean> {
  const key = material.publicKey!;
  if (messageType === 'RAW') return verify(wholeHash(algorithm), message, wholeOptions(algorithm, key), signature);
  const hash = hashOf(algorithm);
  switch (facts.kind) {
    case 'ec':
      return verifyEcDigest(facts.curve!, message, key, signature);
    case 'ed25519':
      return verifyEdDigest(message, key, signature);
    case 'ml-dsa':
      return verifyMu(facts.curve!, message, key, signature);
    default:
      if (algorithm.startsWith('RSASSA_PSS')) return verifyPss(hash, message, key, signature);
      return isPkcs1Signature(hash, message, key, signature);
  }
}

function isPkcs1Signature(hash: string, digest: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  try {
    const info = publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature);
    return info.equals(Buffer.concat([DIGEST_INFO[hash]!, digest]));
  } catch {
    return false;
  }
}
