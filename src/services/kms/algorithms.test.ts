import assert from 'node:assert/strict';
import {
  constants,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { test } from 'node:test';
import type { KeySpec, KMS, SigningAlgorithmSpec } from '@aws-sdk/client-kms';
import { ed25519ph } from '@noble/curves/ed25519.js';
import { startServer } from '../../../test/harness.ts';
import { refused } from './harness.ts';

const Message = Buffer.from('a message that was signed');

async function makeKey(kms: KMS, KeySpec: KeySpec, KeyUsage: 'SIGN_VERIFY' | 'KEY_AGREEMENT' = 'SIGN_VERIFY') {
  const KeyId = (await kms.createKey({ KeySpec, KeyUsage })).KeyMetadata!.Arn!;
  const { PublicKey } = await kms.getPublicKey({ KeyId });
  const publicKey = createPublicKey({ key: Buffer.from(PublicKey!), format: 'der', type: 'spki' });
  return { KeyId, publicKey };
}

/** Verifies as somebody would who has the public key alone. */
function verifyOutside(algorithm: string, publicKey: KeyObject, signature: Uint8Array): boolean {
  if (algorithm === 'ED25519_PH_SHA_512') {
    const { x } = publicKey.export({ format: 'jwk' });
    return ed25519ph.verify(signature, Message, Buffer.from(x!, 'base64url'));
  }
  const hash = /SHA_(\d+)$/.exec(algorithm)?.[1];
  if (algorithm.startsWith('RSASSA_PSS')) {
    const options = { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(hash) / 8 };
    return verify(`sha${hash}`, Message, options, signature);
  }
  const hashes = algorithm.startsWith('ED25519') || algorithm.startsWith('ML_DSA') ? null : `sha${hash}`;
  return verify(hashes, Message, publicKey, signature);
}

test('signatures over messages and digests verify outside and here, and any other does not', async (t) => {
  const { root_ } = await startServer(t);
  const { kms } = root_;
  const specs: KeySpec[] = [
    'RSA_2048',
    'ECC_NIST_P256',
    'ECC_NIST_P384',
    'ECC_NIST_P521',
    'ECC_SECG_P256K1',
    'ECC_NIST_EDWARDS25519',
    'ML_DSA_44',
    'ML_DSA_65',
    'ML_DSA_87',
  ];
  let tried = 0;
  for (const spec of specs) {
    const { KeyId, publicKey } = await makeKey(kms, spec);
    const { SigningAlgorithms, CustomerMasterKeySpec } = (await kms.describeKey({ KeyId })).KeyMetadata!;
    const younger = spec === 'ECC_NIST_EDWARDS25519' || spec.startsWith('ML_DSA');
    assert.equal(CustomerMasterKeySpec, younger ? undefined : spec);
    assert.equal((await kms.getPublicKey({ KeyId })).CustomerMasterKeySpec, CustomerMasterKeySpec);
    for (const SigningAlgorithm of SigningAlgorithms!) {
      for (const request of requests(SigningAlgorithm, publicKey)) {
        const { Signature } = await kms.sign({ KeyId, SigningAlgorithm, ...request });
        const what = `${SigningAlgorithm} ${request.MessageType}`;
        assert.ok(verifyOutside(SigningAlgorithm, publicKey, Signature!), what);
        assert.equal((await kms.verify({ KeyId, SigningAlgorithm, ...request, Signature })).SignatureValid, true, what);
        const wrong = Buffer.from(Signature!);
        wrong[wrong.length >> 1]! ^= 1;
        await refused(
          kms.verify({ KeyId, SigningAlgorithm, ...request, Signature: wrong }),
          'KMSInvalidSignatureException',
        );
        const other = Buffer.from(request.Message);
        other[0]! ^= 1;
        await refused(
          kms.verify({ KeyId, SigningAlgorithm, ...request, Message: other, Signature }),
          'KMSInvalidSignatureException',
        );
        tried++;
      }
    }
  }
  assert.equal(tried, 6 * 2 + 4 * 2 + 2 + 3 * 2);
});

/** The message as it is, and as the caller's own digest of it. */
function requests(algorithm: SigningAlgorithmSpec, publicKey: KeyObject) {
  const whole = { MessageType: 'RAW' as const, Message };
  if (algorithm === 'ED25519_SHA_512') return [whole];
  if (algorithm === 'ML_DSA_SHAKE_256') return [whole, { MessageType: 'EXTERNAL_MU' as const, Message: mu(publicKey) }];
  const hash = `sha${/(\d+)$/.exec(algorithm)![1]}`;
  const digest = { MessageType: 'DIGEST' as const, Message: createHash(hash).update(Message).digest() };
  return algorithm === 'ED25519_PH_SHA_512' ? [digest] : [whole, digest];
}

/** FIPS 204, algorithm 7: H(H(public key) || 0 || length of the context || message). */
function mu(publicKey: KeyObject): Buffer {
  const sizes: Record<string, number> = { 'ml-dsa-44': 1312, 'ml-dsa-65': 1952, 'ml-dsa-87': 2592 };
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-sizes[publicKey.asymmetricKeyType!]!);
  const shake = () => createHash('shake256', { outputLength: 64 });
  return shake()
    .update(shake().update(raw).digest())
    .update(Buffer.from([0, 0]))
    .update(Message)
    .digest();
}

test('signatures made outside verify here', async (t) => {
  const { root_ } = await startServer(t);
  const { kms } = root_;
  const { KeyId } = await makeKey(kms, 'ECC_NIST_P256');
  const stranger = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const Signature = sign('sha256', Message, stranger.privateKey);
  const SigningAlgorithm = 'ECDSA_SHA_256';
  await refused(kms.verify({ KeyId, Message, Signature, SigningAlgorithm }), 'KMSInvalidSignatureException');
  await refused(
    kms.sign({ KeyId, Message: Buffer.alloc(31), MessageType: 'DIGEST', SigningAlgorithm }),
    'ValidationException',
    /invalid length/,
  );
  await refused(kms.sign({ KeyId, Message, SigningAlgorithm: 'ECDSA_SHA_384' }), 'InvalidKeyUsageException');
  await refused(
    kms.verify({ KeyId, Message, Signature: Buffer.from('no'), SigningAlgorithm }),
    'KMSInvalidSignatureException',
  );
  const symmetric = (await kms.createKey({})).KeyMetadata!.KeyId!;
  await refused(kms.sign({ KeyId: symmetric, Message, SigningAlgorithm }), 'InvalidKeyUsageException');
  await refused(kms.getPublicKey({ KeyId: symmetric }), 'UnsupportedOperationException');
  await refused(kms.encrypt({ KeyId, Plaintext: Message }), 'InvalidKeyUsageException');
  const ed = await makeKey(kms, 'ECC_NIST_EDWARDS25519');
  await refused(
    kms.sign({ KeyId: ed.KeyId, Message, SigningAlgorithm: 'ED25519_PH_SHA_512' }),
    'ValidationException',
    /requires MessageType DIGEST/,
  );
});

test('MACs are those of HMAC, and only the right ones verify', async (t) => {
  const { root_ } = await startServer(t);
  const { kms } = root_;
  for (const bits of [224, 256, 384, 512] as const) {
    const MacAlgorithm = `HMAC_SHA_${bits}` as const;
    const made = await kms.createKey({ KeySpec: `HMAC_${bits}`, KeyUsage: 'GENERATE_VERIFY_MAC' });
    const KeyId = made.KeyMetadata!.Arn!;
    assert.deepEqual(made.KeyMetadata!.MacAlgorithms, [MacAlgorithm]);
    const { Mac } = await kms.generateMac({ KeyId, Message, MacAlgorithm });
    assert.equal(Mac!.length, bits / 8);
    assert.equal((await kms.verifyMac({ KeyId, Message, MacAlgorithm, Mac })).MacValid, true);
    const wrong = Buffer.from(Mac!);
    wrong[0]! ^= 1;
    await refused(kms.verifyMac({ KeyId, Message, MacAlgorithm, Mac: wrong }), 'KMSInvalidMacException');
    await refused(kms.verifyMac({ KeyId, Message, MacAlgorithm, Mac: Mac!.subarray(1) }), 'KMSInvalidMacException');
  }
  const KeyId = (await kms.createKey({ KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' })).KeyMetadata!.Arn!;
  await refused(kms.generateMac({ KeyId, Message, MacAlgorithm: 'HMAC_SHA_512' }), 'InvalidKeyUsageException');
});

test('both sides of a key agreement come to the same secret', async (t) => {
  const { root_ } = await startServer(t);
  const { kms } = root_;
  for (const [spec, curve] of [
    ['ECC_NIST_P256', 'prime256v1'],
    ['ECC_NIST_P384', 'secp384r1'],
    ['ECC_NIST_P521', 'secp521r1'],
  ] as const) {
    const { KeyId, publicKey } = await makeKey(kms, spec, 'KEY_AGREEMENT');
    const own = generateKeyPairSync('ec', { namedCurve: curve });
    const { SharedSecret } = await kms.deriveSharedSecret({
      KeyId,
      KeyAgreementAlgorithm: 'ECDH',
      PublicKey: own.publicKey.export({ type: 'spki', format: 'der' }),
    });
    assert.deepEqual(Buffer.from(SharedSecret!), diffieHellman({ privateKey: own.privateKey, publicKey }));
  }
  const { KeyId } = await makeKey(kms, 'ECC_NIST_P256', 'KEY_AGREEMENT');
  const other = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey.export({
    type: 'spki',
    format: 'der',
  });
  for (const PublicKey of [other, Buffer.from('nonsense')]) {
    await refused(
      kms.deriveSharedSecret({ KeyId, KeyAgreementAlgorithm: 'ECDH', PublicKey }),
      'ValidationException',
      /curve/,
    );
  }
});

test('data key pairs work, and their private halves open again', async (t) => {
  const { root_ } = await startServer(t);
  const { kms } = root_;
  const KeyId = (await kms.createKey({})).KeyMetadata!.Arn!;
  const EncryptionContext = { a: 'b' };
  const pair = await kms.generateDataKeyPair({ KeyId, KeyPairSpec: 'ECC_NIST_P256', EncryptionContext });
  const signature = sign('sha256', Message, {
    key: Buffer.from(pair.PrivateKeyPlaintext!),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = createPublicKey({ key: Buffer.from(pair.PublicKey!), format: 'der', type: 'spki' });
  assert.ok(verify('sha256', Message, publicKey, signature));
  const opened = await kms.decrypt({ CiphertextBlob: pair.PrivateKeyCiphertextBlob, EncryptionContext });
  assert.deepEqual(opened.Plaintext, pair.PrivateKeyPlaintext);
  const rsa = await kms.generateDataKeyPairWithoutPlaintext({ KeyId, KeyPairSpec: 'RSA_2048' });
  assert.equal('PrivateKeyPlaintext' in rsa, false);
  await refused(kms.generateDataKeyPair({ KeyId, KeyPairSpec: 'SM2' }), 'UnsupportedOperationException');
});
