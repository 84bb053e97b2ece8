import * as sdk from '@aws-sdk/client-kms';

export type KeySpec = sdk.KeySpec;
export type KeyUsage = sdk.KeyUsageType;

/** What a kind of key can do. Source: KMS Developer Guide, "Key spec reference". */
export interface SpecFacts {
  readonly kind: 'symmetric' | 'rsa' | 'ec' | 'ed25519' | 'ml-dsa' | 'hmac';
  readonly usages: readonly KeyUsage[];
  /** Bits of an RSA modulus; bytes of a secret key (HMAC, AES). */
  readonly size?: number;
  /** Name of the curve, or of the algorithm, as node:crypto has it. */
  readonly curve?: string;
  readonly signing: readonly sdk.SigningAlgorithmSpec[];
  readonly mac?: sdk.MacAlgorithmSpec;
}

const RSA_SIGNING: readonly sdk.SigningAlgorithmSpec[] = [
  'RSASSA_PKCS1_V1_5_SHA_256',
  'RSASSA_PKCS1_V1_5_SHA_384',
  'RSASSA_PKCS1_V1_5_SHA_512',
  'RSASSA_PSS_SHA_256',
  'RSASSA_PSS_SHA_384',
  'RSASSA_PSS_SHA_512',
];

const rsa = (size: number): SpecFacts => ({
  kind: 'rsa',
  usages: ['ENCRYPT_DECRYPT', 'SIGN_VERIFY'],
  size,
  signing: RSA_SIGNING,
});
const ec = (curve: string, hash: 256 | 384 | 512, agrees = true): SpecFacts => ({
  kind: 'ec',
  usages: agrees ? ['SIGN_VERIFY', 'KEY_AGREEMENT'] : ['SIGN_VERIFY'],
  curve,
  signing: [`ECDSA_SHA_${hash}`],
});
const hmac = (bits: 224 | 256 | 384 | 512): SpecFacts => ({
  kind: 'hmac',
  usages: ['GENERATE_VERIFY_MAC'],
  size: bits / 8,
  signing: [],
  mac: `HMAC_SHA_${bits}`,
});
const mlDsa = (curve: string): SpecFacts => ({
  kind: 'ml-dsa',
  usages: ['SIGN_VERIFY'],
  curve,
  signing: ['ML_DSA_SHAKE_256'],
});

/** SM2 is missing: AWS has it in China Regions only. */
const SPECS: Readonly<Partial<Record<KeySpec, SpecFacts>>> = {
  SYMMETRIC_DEFAULT: { kind: 'symmetric', usages: ['ENCRYPT_DECRYPT'], size: 32, signing: [] },
  RSA_2048: rsa(2048),
  RSA_3072: rsa(3072),
  RSA_4096: rsa(4096),
  ECC_NIST_P256: ec('prime256v1', 256),
  ECC_NIST_P384: ec('secp384r1', 384),
  ECC_NIST_P521: ec('secp521r1', 512),
  ECC_SECG_P256K1: ec('secp256k1', 256, false),
  ECC_NIST_EDWARDS25519: {
    kind: 'ed25519',
    usages: ['SIGN_VERIFY'],
    curve: 'ed25519',
    signing: ['ED25519_SHA_512', 'ED25519_PH_SHA_512'],
  },
  HMAC_224: hmac(224),
  HMAC_256: hmac(256),
  HMAC_384: hmac(384),
  HMAC_512: hmac(512),
  ML_DSA_44: mlDsa('ml-dsa-44'),
  ML_DSA_65: mlDsa('ml-dsa-65'),
  ML_DSA_87: mlDsa('ml-dsa-87'),
};

export const RSA_ENCRYPTION: readonly sdk.EncryptionAlgorithmSpec[] = ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'];

/** Facts of a spec; undefined for one that this Region does not have. */
export function findSpec(spec: string): SpecFacts | undefined {
  return SPECS[spec as KeySpec];
}

/** Facts of a key that exists. */
export function specOf(row: { spec: string }): SpecFacts {
  const facts = findSpec(row.spec);
  if (facts === undefined) throw new Error(`a stored key has the unknown spec ${row.spec}`);
  return facts;
}

/** The spec in answers: under its former name, too, where that member's own enum has it (it was closed before ML-DSA and Ed25519 came). */
export function specMembers({ spec }: { spec: string }): Pick<sdk.KeyMetadata, 'KeySpec' | 'CustomerMasterKeySpec'> {
  const former = spec in sdk.CustomerMasterKeySpec ? { CustomerMasterKeySpec: spec as sdk.CustomerMasterKeySpec } : {};
  return { ...former, KeySpec: spec as sdk.KeySpec };
}

/** Encryption algorithms of a key, by its usage. */
export function encryptionAlgorithms(row: { spec: string; usage: string }): readonly sdk.EncryptionAlgorithmSpec[] {
  if (row.usage !== 'ENCRYPT_DECRYPT') return [];
  return specOf(row).kind === 'symmetric' ? ['SYMMETRIC_DEFAULT'] : RSA_ENCRYPTION;
}
