import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as sdk from '@aws-sdk/client-kms';
import { startServer } from '../../../test/harness.ts';
import { allow, contextOf, refused } from './harness.ts';

test('what was encrypted opens again, with the same key and encryption context only', async (t) => {
  const server = await startServer(t);
  const { kms } = server.root_;
  const arn = (await kms.createKey({})).KeyMetadata!.Arn!;
  const other = (await kms.createKey({})).KeyMetadata!.Arn!;
  const EncryptionContext = { b: '2', a: '1', ünï: 'cödé' };
  const Plaintext = Buffer.from('attack at dawn');
  const { CiphertextBlob, KeyId, EncryptionAlgorithm } = await kms.encrypt({
    KeyId: arn,
    Plaintext,
    EncryptionContext,
  });
  assert.deepEqual([KeyId, EncryptionAlgorithm], [arn, 'SYMMETRIC_DEFAULT']);
  assert.equal(Buffer.from(CiphertextBlob!).includes('attack'), false);
  const opened = await kms.decrypt({ CiphertextBlob, EncryptionContext: { ünï: 'cödé', a: '1', b: '2' } });
  assert.deepEqual(Buffer.from(opened.Plaintext!), Plaintext);
  assert.match(opened.KeyMaterialId!, /^[0-9a-f]{64}$/);
  await refused(kms.decrypt({ CiphertextBlob }), 'InvalidCiphertextException');
  await refused(kms.decrypt({ CiphertextBlob, EncryptionContext: { a: '1', b: '2' } }), 'InvalidCiphertextException');
  await refused(kms.decrypt({ CiphertextBlob, EncryptionContext, KeyId: other }), 'IncorrectKeyException');
  await server.restart();
  assert.deepEqual(Buffer.from((await kms.decrypt({ CiphertextBlob, EncryptionContext })).Plaintext!), Plaintext);
  await refused(
    server.clients(server.root_.keys, 'eu-west-1').kms.decrypt({ CiphertextBlob, EncryptionContext }),
    'AccessDeniedException',
    /associated with this ciphertext/,
  );
});

test('a ciphertext of which any bit was turned does not open', async (t) => {
  const server = await startServer(t);
  const { kms } = server.root_;
  const KeyId = (await kms.createKey({})).KeyMetadata!.Arn!;
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: Buffer.from('x') });
  const ctx = await contextOf(server, server.root_);
  const whole = Buffer.from(CiphertextBlob!);
  const open = (blob: Uint8Array, key?: string) =>
    ctx.call<typeof sdk, 'Decrypt'>('kms', 'Decrypt', {
      CiphertextBlob: blob,
      ...(key === undefined ? {} : { KeyId: key }),
    });
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const changed = Buffer.from(whole);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    await refused(open(changed), 'InvalidCiphertextException');
    await refused(open(changed, KeyId), 'InvalidCiphertextException');
  }
  for (const cut of [1, 16, 95, 96, 111, 112, whole.length - 1]) {
    await refused(open(whole.subarray(0, cut)), 'InvalidCiphertextException');
  }
  await refused(open(Buffer.concat([whole, Buffer.from([0])])), 'InvalidCiphertextException');
  await refused(kms.decrypt({ CiphertextBlob: Buffer.from('nonsense') }), 'InvalidCiphertextException');
});

test('data keys come open and sealed, and re-encryption moves them to another key', async (t) => {
  const { root_ } = await startServer(t);
  const { kms } = root_;
  const [one, two] = [(await kms.createKey({})).KeyMetadata!.Arn!, (await kms.createKey({})).KeyMetadata!.Arn!];
  const EncryptionContext = { purpose: 'test' };
  for (const [size, wanted] of [
    [{ KeySpec: 'AES_256' as const }, 32],
    [{ KeySpec: 'AES_128' as const }, 16],
    [{ NumberOfBytes: 64 }, 64],
  ] as const) {
    const { Plaintext, CiphertextBlob, KeyId } = await kms.generateDataKey({ KeyId: one, EncryptionContext, ...size });
    assert.deepEqual([Plaintext!.length, KeyId], [wanted, one]);
    assert.deepEqual((await kms.decrypt({ CiphertextBlob, EncryptionContext })).Plaintext, Plaintext);
  }
  await refused(kms.generateDataKey({ KeyId: one }), 'ValidationException', /number of bytes or key spec/);
  const { CiphertextBlob, ...hidden } = await kms.generateDataKeyWithoutPlaintext({ KeyId: one, KeySpec: 'AES_256' });
  assert.equal('Plaintext' in hidden, false);
  const moved = await kms.reEncrypt({
    CiphertextBlob,
    DestinationKeyId: two,
    DestinationEncryptionContext: { now: 'here' },
  });
  assert.deepEqual([moved.SourceKeyId, moved.KeyId], [one, two]);
  const before = (await kms.decrypt({ CiphertextBlob })).Plaintext;
  const after = await kms.decrypt({ CiphertextBlob: moved.CiphertextBlob, EncryptionContext: { now: 'here' } });
  assert.deepEqual([after.KeyId, after.Plaintext], [two, before]);
  await refused(kms.encrypt({ KeyId: one, Plaintext: Buffer.from('x'), DryRun: true }), 'DryRunOperationException');
  await refused(kms.decrypt({ CiphertextBlob, DryRun: true }), 'DryRunOperationException');
  const random = await kms.generateRandom({ NumberOfBytes: 100 });
  assert.equal(random.Plaintext!.length, 100);
});

test('RSA keys encrypt what their size allows', async (t) => {
  const { root_ } = await startServer(t);
  const { kms } = root_;
  const KeyId = (await kms.createKey({ KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' })).KeyMetadata!.Arn!;
  const Plaintext = Buffer.alloc(190, 7);
  const EncryptionAlgorithm = 'RSAES_OAEP_SHA_256';
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext, EncryptionAlgorithm });
  assert.deepEqual(
    Buffer.from((await kms.decrypt({ KeyId, CiphertextBlob, EncryptionAlgorithm })).Plaintext!),
    Plaintext,
  );
  await refused(
    kms.encrypt({ KeyId, Plaintext: Buffer.alloc(191), EncryptionAlgorithm }),
    'ValidationException',
    /larger than 190/,
  );
  await refused(kms.encrypt({ KeyId, Plaintext }), 'InvalidKeyUsageException');
  await refused(
    kms.decrypt({ KeyId, CiphertextBlob, EncryptionAlgorithm: 'RSAES_OAEP_SHA_1' }),
    'InvalidCiphertextException',
  );
  await refused(
    kms.encrypt({ KeyId, Plaintext, EncryptionAlgorithm, EncryptionContext: { a: 'b' } }),
    'ValidationException',
  );
  await refused(kms.generateDataKey({ KeyId, KeySpec: 'AES_256' }), 'InvalidKeyUsageException');
});

test('AWS managed keys serve their service, for callers who need no right to them', async (t) => {
  const server = await startServer(t);
  const { kms } = server.root_;
  const bob = await server.user('bob', allow('s3:*'));
  const ctx = await contextOf(server, bob);
  const ask = (service: string, KeyId = 'alias/aws/s3') =>
    ctx.forward(service).call<typeof sdk, 'GenerateDataKey'>('kms', 'GenerateDataKey', { KeyId, KeySpec: 'AES_256' });
  const made = await Promise.all([ask('s3.amazonaws.com'), ask('s3.amazonaws.com'), ask('s3.amazonaws.com')]);
  const [KeyId] = made.map((one) => one.KeyId!);
  assert.ok(made.every((one) => one.KeyId === KeyId));
  const open = (service: string) =>
    ctx.forward(service).call<typeof sdk, 'Decrypt'>('kms', 'Decrypt', { CiphertextBlob: made[0]!.CiphertextBlob });
  assert.deepEqual((await open('s3.amazonaws.com')).Plaintext, made[0]!.Plaintext);
  await refused(open('codecommit.amazonaws.com'), 'AccessDenied');
  await refused(bob.kms.decrypt({ CiphertextBlob: made[0]!.CiphertextBlob }), 'AccessDeniedException');
  await refused(kms.decrypt({ CiphertextBlob: made[0]!.CiphertextBlob }), 'AccessDeniedException');
  const { KeyMetadata } = await kms.describeKey({ KeyId: 'alias/aws/s3' });
  assert.deepEqual([KeyMetadata!.Arn, KeyMetadata!.KeyManager], [KeyId, 'AWS']);
  const refusals = [
    kms.disableKey({ KeyId: KeyId! }),
    kms.putKeyPolicy({ KeyId: KeyId!, Policy: JSON.stringify(allow('kms:*')) }),
    kms.updateKeyDescription({ KeyId: KeyId!, Description: '' }),
    kms.deleteAlias({ AliasName: 'alias/aws/s3' }),
  ];
  await Promise.all(refusals.map((change) => refused(change, 'AccessDeniedException')));
  // DescribeKey brings one into being as well, and asks its policy then.
  assert.equal((await kms.describeKey({ KeyId: 'alias/aws/codecommit' })).KeyMetadata!.KeyManager, 'AWS');
  await refused(bob.kms.describeKey({ KeyId: 'alias/aws/codebuild' }), 'AccessDeniedException');
  await refused(ask('lambda.amazonaws.com', 'alias/aws/sns'), 'AccessDenied');
});

test('the state of a key is told from memory, and a change of it at once', async (t) => {
  const server = await startServer(t);
  const { kms } = server.root_;
  const KeyId = (await kms.createKey({})).KeyMetadata!.Arn!;
  const ctx = await contextOf(server, server.root_);
  assert.equal(await ctx.keyState(KeyId), 'Enabled');
  await kms.disableKey({ KeyId });
  assert.equal(await ctx.keyState(KeyId), 'Disabled');
  await kms.enableKey({ KeyId });
  assert.equal(await ctx.keyState(KeyId), 'Enabled');
  assert.equal(await ctx.keyState(KeyId.replace(/.$/, (end) => (end === '0' ? '1' : '0'))), 'NotFound');
});
