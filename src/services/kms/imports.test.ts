import assert from 'node:assert/strict';
import {
  constants,
  createCipheriv,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
  verify,
} from 'node:crypto';
import { test } from 'node:test';
import type { CreateKeyCommandInput, ImportKeyMaterialCommandInput, KMS } from '@aws-sdk/client-kms';
import { startServer } from '../../../test/harness.ts';
import { eventually } from '../../kernel/testing/eventually.ts';
import { refused } from './harness.ts';

const Plaintext = Buffer.from('x');
const FOREVER = { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' as const };
type Algorithm = 'RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256' | 'RSA_AES_KEY_WRAP_SHA_1' | 'RSA_AES_KEY_WRAP_SHA_256';

/** Wraps as the documentation tells importers to, with other means than the server's. */
async function wrapped(kms: KMS, KeyId: string, material: Buffer, WrappingAlgorithm: Algorithm = 'RSAES_OAEP_SHA_256') {
  const { PublicKey, ImportToken } = await kms.getParametersForImport({
    KeyId,
    WrappingAlgorithm,
    WrappingKeySpec: 'RSA_2048',
  });
  const key = createPublicKey({ key: Buffer.from(PublicKey!), format: 'der', type: 'spki' });
  const oaep = (bytes: Buffer) =>
    publicEncrypt(
      {
        key,
        padding: constants.RSA_PKCS1_OAEP_PADDING,
        oaepHash: WrappingAlgorithm.endsWith('SHA_1') ? 'sha1' : 'sha256',
      },
      bytes,
    );
  if (WrappingAlgorithm.startsWith('RSAES')) return { KeyId, ImportToken, EncryptedKeyMaterial: oaep(material) };
  const aes = randomBytes(32);
  const cipher = createCipheriv('id-aes256-wrap-pad', aes, Buffer.from('a65959a6', 'hex'));
  return {
    KeyId,
    ImportToken,
    EncryptedKeyMaterial: Buffer.concat([oaep(aes), cipher.update(material), cipher.final()]),
  };
}

async function externalKey(kms: KMS, input: CreateKeyCommandInput = {}): Promise<string> {
  const { KeyMetadata } = await kms.createKey({ Origin: 'EXTERNAL', ...input });
  assert.deepEqual([KeyMetadata!.KeyState, KeyMetadata!.Enabled], ['PendingImport', false]);
  return KeyMetadata!.Arn!;
}

test('imported material works as its owner knows it, whichever way it was wrapped', async (t) => {
  const { root_ } = await startServer(t);
  const { kms } = root_;
  for (const [index, algorithm] of (
    ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256', 'RSA_AES_KEY_WRAP_SHA_1', 'RSA_AES_KEY_WRAP_SHA_256'] as const
  ).entries()) {
    const bits = ([224, 256, 384, 512] as const)[index]!;
    const KeyId = await externalKey(kms, { KeySpec: `HMAC_${bits}`, KeyUsage: 'GENERATE_VERIFY_MAC' });
    const material = randomBytes(bits / 8);
    await kms.importKeyMaterial({ ...(await wrapped(kms, KeyId, material, algorithm)), ...FOREVER });
    const { Mac } = await kms.generateMac({ KeyId, Message: Plaintext, MacAlgorithm: `HMAC_SHA_${bits}` });
    assert.deepEqual(Buffer.from(Mac!), createHmac(`sha${bits}`, material).update(Plaintext).digest(), algorithm);
  }
  for (const [KeySpec, pair, SigningAlgorithm] of [
    ['RSA_2048', generateKeyPairSync('rsa', { modulusLength: 2048 }), 'RSASSA_PKCS1_V1_5_SHA_256'],
    ['ECC_NIST_P256', generateKeyPairSync('ec', { namedCurve: 'prime256v1' }), 'ECDSA_SHA_256'],
  ] as const) {
    const KeyId = await externalKey(kms, { KeySpec, KeyUsage: 'SIGN_VERIFY' });
    const der = pair.privateKey.export({ type: 'pkcs8', format: 'der' });
    await kms.importKeyMaterial({ ...(await wrapped(kms, KeyId, der, 'RSA_AES_KEY_WRAP_SHA_256')), ...FOREVER });
    const { Signature } = await kms.sign({ KeyId, Message: Plaintext, SigningAlgorithm });
    assert.ok(verify('sha256', Plaintext, pair.publicKey, Signature!), KeySpec);
  }
});

test('a symmetric key takes the same material again, and other material only as new', async (t) => {
  const { root_ } = await startServer(t);
  const { kms } = root_;
  const KeyId = await externalKey(kms);
  const material = randomBytes(32);
  const give = async (bytes: Buffer, more: Partial<ImportKeyMaterialCommandInput> = FOREVER) =>
    kms.importKeyMaterial({ ...(await wrapped(kms, KeyId, bytes)), ...more });
  await refused(kms.encrypt({ KeyId, Plaintext }), 'KMSInvalidStateException', /pending import/);
  const { KeyMaterialId: first } = await give(material);
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext });
  await refused(give(randomBytes(32)), 'IncorrectKeyMaterialException');
  await refused(give(randomBytes(31)), 'IncorrectKeyMaterialException', /256 bits/);
  await kms.deleteImportedKeyMaterial({ KeyId });
  await refused(kms.decrypt({ CiphertextBlob }), 'KMSInvalidStateException', /pending import/);
  await refused(give(randomBytes(32)), 'IncorrectKeyMaterialException');
  assert.equal((await give(material)).KeyMaterialId, first);
  assert.deepEqual(Buffer.from((await kms.decrypt({ CiphertextBlob })).Plaintext!), Plaintext);

  await refused(kms.rotateKeyOnDemand({ KeyId }), 'KMSInvalidStateException', /pending rotation/);
  const added = await give(randomBytes(32), {
    ...FOREVER,
    ImportType: 'NEW_KEY_MATERIAL',
    KeyMaterialDescription: 'v2',
  });
  const states = async () =>
    (await kms.listKeyRotations({ KeyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' })).Rotations!.map((one) => [
      one.KeyMaterialId,
      one.KeyMaterialState,
      one.ImportState,
    ]);
  assert.deepEqual(await states(), [
    [first, 'CURRENT', 'IMPORTED'],
    [added.KeyMaterialId, 'PENDING_ROTATION', 'IMPORTED'],
  ]);
  await kms.rotateKeyOnDemand({ KeyId });
  const moved = await kms.encrypt({ KeyId, Plaintext });
  assert.equal((await kms.decrypt({ CiphertextBlob: moved.CiphertextBlob })).KeyMaterialId, added.KeyMaterialId);
  assert.equal((await kms.decrypt({ CiphertextBlob })).KeyMaterialId, first);
  // Without all of its material a key is good for nothing.
  await kms.deleteImportedKeyMaterial({ KeyId, KeyMaterialId: first! });
  await refused(kms.encrypt({ KeyId, Plaintext }), 'KMSInvalidStateException');
});

test('tokens, algorithms and dates are held against the key', async (t) => {
  const { root_ } = await startServer(t);
  const { kms } = root_;
  const [KeyId, other] = [await externalKey(kms), await externalKey(kms)];
  const material = randomBytes(32);
  const good = await wrapped(kms, KeyId, material);
  const turned = Buffer.from(good.EncryptedKeyMaterial);
  turned[5]! ^= 1;
  await refused(kms.importKeyMaterial({ ...good, KeyId: other, ...FOREVER }), 'InvalidImportTokenException');
  await refused(
    kms.importKeyMaterial({ ...good, ImportToken: Buffer.from('nonsense'), ...FOREVER }),
    'InvalidImportTokenException',
  );
  await refused(
    kms.importKeyMaterial({ ...good, EncryptedKeyMaterial: turned, ...FOREVER }),
    'InvalidCiphertextException',
  );
  await refused(kms.importKeyMaterial(good), 'ValidationException', /ValidTo date must be set/);
  await refused(kms.importKeyMaterial({ ...good, ValidTo: new Date(1) }), 'ValidationException', /in the future/);
  await refused(kms.importKeyMaterial({ ...good, ...FOREVER, ValidTo: new Date() }), 'ValidationException');
  const plain = (await kms.createKey({})).KeyMetadata!.Arn!;
  const ask = (id: string, WrappingAlgorithm: Algorithm | 'RSAES_PKCS1_V1_5') =>
    kms.getParametersForImport({ KeyId: id, WrappingAlgorithm, WrappingKeySpec: 'RSA_2048' });
  await refused(ask(plain, 'RSAES_OAEP_SHA_256'), 'UnsupportedOperationException', /origin is AWS_KMS/);
  await refused(ask(KeyId, 'RSAES_PKCS1_V1_5'), 'UnsupportedOperationException');
  await refused(kms.deleteImportedKeyMaterial({ KeyId: plain }), 'UnsupportedOperationException');

  // Expired material is gone by itself, and its key waits for it.
  await kms.importKeyMaterial({ ...good, ValidTo: new Date(Date.now() + 1500) });
  const { KeyMetadata } = await kms.describeKey({ KeyId });
  assert.equal(KeyMetadata!.ExpirationModel, 'KEY_MATERIAL_EXPIRES');
  await eventually(async () => (await kms.describeKey({ KeyId })).KeyMetadata!.KeyState === 'PendingImport');
  await refused(kms.encrypt({ KeyId, Plaintext }), 'KMSInvalidStateException');
});
