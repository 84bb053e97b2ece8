import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { withoutAws as skip, aws as typed } from '../../../test/aws-cli.ts';
import { ALLOW_ALL, startServer, temporaryFolder } from '../../../test/harness.ts';
import { storedBytes } from '../../../test/stored-bytes.ts';
import { allow, refused } from './harness.ts';

test('records show keys and encryption contexts, and never what was encrypted, made or signed', async (t) => {
  const server = await startServer(t);
  const { kms, cloudtrail } = server.root_;
  const secret = 'the plain text that nobody may see';
  const Plaintext = Buffer.from(secret);
  const KeyId = (await kms.createKey({})).KeyMetadata!.Arn!;
  const hmac = (await kms.createKey({ KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' })).KeyMetadata!.Arn!;
  const EncryptionContext = { app: 'web' };
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext, EncryptionContext });
  await kms.decrypt({ CiphertextBlob, EncryptionContext });
  const made = await kms.generateDataKey({ KeyId, KeySpec: 'AES_256', EncryptionContext });
  const { Mac } = await kms.generateMac({ KeyId: hmac, Message: Plaintext, MacAlgorithm: 'HMAC_SHA_256' });
  const { Events } = await cloudtrail.lookupEvents({ MaxResults: 50 });
  const records = Events!.map(({ CloudTrailEvent }) => CloudTrailEvent!);
  const all = records.join('\n');
  for (const bytes of [Plaintext, made.Plaintext!, Mac!]) {
    const buffer = Buffer.from(bytes);
    for (const form of ['utf8', 'base64', 'hex', 'latin1'] as const) {
      assert.equal(all.includes(buffer.toString(form)), false, form);
    }
  }
  const decrypt = JSON.parse(records.find((one) => one.includes('"eventName":"Decrypt"'))!);
  assert.deepEqual(decrypt.requestParameters.encryptionContext, EncryptionContext);
  assert.deepEqual(decrypt.resources, [{ ARN: KeyId, accountId: '123456789012' }]);
  assert.deepEqual([decrypt.readOnly, decrypt.responseElements], [true, null]);
});

test('no material stands in what is stored, under whatever name it was made', async (t) => {
  const data = await temporaryFolder(t);
  const server = await startServer(t, { settings: { data } });
  const { kms } = server.root_;
  const KeyId = (await kms.createKey({})).KeyMetadata!.Arn!;
  const made = await kms.generateDataKey({ KeyId, KeySpec: 'AES_256' });
  const pair = await kms.generateDataKeyPair({ KeyId, KeyPairSpec: 'ECC_NIST_P256' });
  await kms.createKey({ KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' });
  await server.restart();
  // The host key of git over SSH is a file of its own, as sshd keeps it.
  const stored = await storedBytes(server, ['ssh_host_ed25519_key']);
  const ctx = server.kernel.serviceContext('kms.amazonaws.com');
  const { findKey } = await import('./key-cache.ts');
  const key = (await findKey(ctx, KeyId))!;
  const material = [...key.materials.values()].map(({ secret }) => secret!);
  assert.equal(material.length, 1);
  for (const secret of [...material, Buffer.from(made.Plaintext!), Buffer.from(pair.PrivateKeyPlaintext!)]) {
    for (const form of [secret, secret.toString('base64'), secret.toString('hex')]) {
      assert.equal(stored.includes(form), false);
    }
  }
  assert.equal(stored.includes('PRIVATE KEY'), false);
});

test('a ciphertext that another account or Region got hold of opens nothing there', async (t) => {
  const server = await startServer(t);
  const { kms } = server.root_;
  const KeyId = (await kms.createKey({})).KeyMetadata!.Arn!;
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: Buffer.from('x') });
  const stranger = await server.user('stranger', allow('sts:*'));
  await refused(stranger.kms.decrypt({ CiphertextBlob }), 'AccessDeniedException');
  const other = await startServer(t);
  await refused(other.root_.kms.decrypt({ CiphertextBlob }), 'InvalidCiphertextException');
  await other.root_.kms.createKey({});
  const foreign = KeyId.replace('123456789012', '999999999999');
  const calls = [
    kms.describeKey({ KeyId: foreign }),
    kms.disableKey({ KeyId: foreign }),
    kms.decrypt({ CiphertextBlob, KeyId: foreign }),
    kms.createGrant({ KeyId: foreign, GranteePrincipal: 'arn:aws:iam::123456789012:root', Operations: ['Decrypt'] }),
  ];
  await Promise.all(calls.map((call) => refused(call, 'AccessDeniedException', /does not exist in this Region/)));
});

test('every call on a key needs its own right', async (t) => {
  const server = await startServer(t);
  const { kms } = server.root_;
  const KeyId = (await kms.createKey({})).KeyMetadata!.Arn!;
  const { kms: nobody } = await server.user('nobody', allow('sts:*'));
  const Policy = JSON.stringify(ALLOW_ALL);
  const calls: Promise<unknown>[] = [
    nobody.createKey({}),
    nobody.listKeys({}),
    nobody.listAliases({}),
    nobody.describeKey({ KeyId }),
    nobody.getKeyPolicy({ KeyId }),
    nobody.putKeyPolicy({ KeyId, Policy }),
    nobody.listKeyPolicies({ KeyId }),
    nobody.updateKeyDescription({ KeyId, Description: '' }),
    nobody.enableKey({ KeyId }),
    nobody.disableKey({ KeyId }),
    nobody.scheduleKeyDeletion({ KeyId }),
    nobody.cancelKeyDeletion({ KeyId }),
    nobody.enableKeyRotation({ KeyId }),
    nobody.rotateKeyOnDemand({ KeyId }),
    nobody.listKeyRotations({ KeyId }),
    nobody.createAlias({ AliasName: 'alias/x', TargetKeyId: KeyId }),
    nobody.tagResource({ KeyId, Tags: [] }),
    nobody.listResourceTags({ KeyId }),
    nobody.listGrants({ KeyId }),
    nobody.getPublicKey({ KeyId }),
    nobody.replicateKey({ KeyId, ReplicaRegion: 'eu-west-1' }),
    nobody.generateDataKey({ KeyId, KeySpec: 'AES_256' }),
    nobody.generateRandom({ NumberOfBytes: 1 }),
    nobody.getParametersForImport({ KeyId, WrappingAlgorithm: 'RSAES_OAEP_SHA_256', WrappingKeySpec: 'RSA_2048' }),
  ];
  await Promise.all(calls.map((call) => refused(call, 'AccessDeniedException')));
});

test('the aws command line makes a key, encrypts, signs and lets what it made be checked', { skip }, async (t) => {
  const server = await startServer(t);
  const folder = await temporaryFolder(t);
  const env = { ...server.env(server.root_.keys), HOME: process.env['HOME'] ?? folder };
  const aws = async (...args: string[]) => {
    const { stdout } = await typed(['kms', ...args, '--output', 'json'], env, folder);
    return stdout === '' ? {} : JSON.parse(stdout);
  };
  await writeFile(join(folder, 'plain'), 'from the command line');
  const { KeyMetadata } = await aws('create-key', '--description', 'cli');
  const { CiphertextBlob } = await aws(
    ...['encrypt', '--key-id', KeyMetadata.KeyId, '--plaintext', 'fileb://plain', '--encryption-context', 'a=b'],
  );
  await writeFile(join(folder, 'sealed'), Buffer.from(CiphertextBlob, 'base64'));
  const opened = await aws('decrypt', '--ciphertext-blob', 'fileb://sealed', '--encryption-context', 'a=b');
  assert.equal(Buffer.from(opened.Plaintext, 'base64').toString(), 'from the command line');
  const { KeyMetadata: signer } = await aws('create-key', '--key-spec', 'ECC_NIST_P256', '--key-usage', 'SIGN_VERIFY');
  const { Signature } = await aws(
    ...['sign', '--key-id', signer.KeyId, '--message', 'fileb://plain', '--signing-algorithm', 'ECDSA_SHA_256'],
  );
  const { PublicKey } = await aws('get-public-key', '--key-id', signer.KeyId);
  const publicKey = createPublicKey({ key: Buffer.from(PublicKey, 'base64'), format: 'der', type: 'spki' });
  assert.ok(verify('sha256', Buffer.from('from the command line'), publicKey, Buffer.from(Signature, 'base64')));
});
