import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { allow, refused } from './harness.ts';

test('a key is made, described, changed, disabled and enabled', async (t) => {
  const { root_ } = await startServer(t);
  const { kms } = root_;
  const { KeyMetadata: made } = await kms.createKey({
    Description: 'first',
    Tags: [{ TagKey: 'team', TagValue: 'build' }],
  });
  assert.match(made!.Arn!, /^arn:aws:kms:us-east-1:123456789012:key\/[0-9a-f-]{36}$/);
  assert.deepEqual(
    [made!.KeyState, made!.Enabled, made!.KeyManager, made!.Origin, made!.KeySpec, made!.KeyUsage, made!.MultiRegion],
    ['Enabled', true, 'CUSTOMER', 'AWS_KMS', 'SYMMETRIC_DEFAULT', 'ENCRYPT_DECRYPT', false],
  );
  assert.match(made!.CurrentKeyMaterialId!, /^[0-9a-f]{64}$/);
  const KeyId = made!.KeyId!;
  await kms.updateKeyDescription({ KeyId, Description: 'second' });
  await kms.disableKey({ KeyId });
  const { KeyMetadata: disabled } = await kms.describeKey({ KeyId: made!.Arn! });
  assert.deepEqual([disabled!.Description, disabled!.KeyState, disabled!.Enabled], ['second', 'Disabled', false]);
  await refused(kms.encrypt({ KeyId, Plaintext: Buffer.from('x') }), 'DisabledException', /is disabled\.$/);
  await kms.enableKey({ KeyId });
  await kms.encrypt({ KeyId, Plaintext: Buffer.from('x') });
  assert.deepEqual((await kms.listResourceTags({ KeyId })).Tags, [{ TagKey: 'team', TagValue: 'build' }]);
  await kms.tagResource({ KeyId, Tags: [{ TagKey: 'stage', TagValue: 'prod' }] });
  await kms.untagResource({ KeyId, TagKeys: ['team'] });
  assert.deepEqual((await kms.listResourceTags({ KeyId })).Tags, [{ TagKey: 'stage', TagValue: 'prod' }]);
  await refused(kms.tagResource({ KeyId, Tags: [{ TagKey: 'aws:x', TagValue: '' }] }), 'TagException');
});

test('what cannot be made is refused in AWS words', async (t) => {
  const { root_ } = await startServer(t);
  const { kms } = root_;
  const cases: [Parameters<typeof kms.createKey>[0], string, RegExp][] = [
    [{ KeySpec: 'RSA_2048' }, 'ValidationException', /must specify a KeyUsage/],
    [{ KeySpec: 'HMAC_256', KeyUsage: 'SIGN_VERIFY' }, 'ValidationException', /not compatible with KeySpec HMAC_256/],
    [{ KeySpec: 'SM2', KeyUsage: 'SIGN_VERIFY' }, 'UnsupportedOperationException', /SM2/],
    [{ KeySpec: 'NO' as never }, 'ValidationException', /enum value set/],
    [{ Origin: 'AWS_CLOUDHSM' }, 'NotImplementedException', /custom key stores/],
    [{ Policy: '{' }, 'MalformedPolicyDocumentException', /./],
    [{ Tags: [{ TagKey: 'a', TagValue: '1' }, { TagKey: 'a', TagValue: '2' }] }, 'TagException', /Duplicate/], // biome-ignore format: one case a line
  ];
  for (const [input, name, message] of cases) await refused(kms.createKey(input), name, message);
  await refused(
    kms.createCustomKeyStore({ CustomKeyStoreName: 'x' }),
    'NotImplementedException',
    /CreateCustomKeyStore/,
  );
  const absent = '01234567-89ab-cdef-0123-456789abcdef';
  const KeyId = (await kms.createKey({})).KeyMetadata!.Arn!;
  await refused(kms.describeKey({ KeyId: absent }), 'NotFoundException', new RegExp(`key/${absent}' does not exist`));
  await refused(kms.describeKey({ KeyId: 'nonsense' }), 'NotFoundException', /Invalid keyId 'nonsense'/);
  await refused(kms.describeKey({ KeyId: 'alias/none' }), 'NotFoundException', /alias\/none is not found/);
  await refused(kms.disableKey({ KeyId: 'alias/none' }), 'NotFoundException', /Invalid keyId/);
  await refused(
    kms.describeKey({ KeyId: KeyId.replace('us-east-1', 'eu-west-1') }),
    'NotFoundException',
    /Invalid arn/,
  );
  await refused(kms.describeKey({ KeyId: 'arn:aws:s3:::bucket' }), 'InvalidArnException');
  await refused(
    kms.encrypt({ KeyId: KeyId.replace('123456789012', '999999999999'), Plaintext: Buffer.from('x') }),
    'AccessDeniedException',
    /no resource-based policies allow access/,
  );
});

test('aliases point to keys, move and go', async (t) => {
  const { root_ } = await startServer(t);
  const { kms } = root_;
  const [one, two] = await Promise.all([kms.createKey({}), kms.createKey({})]);
  const [first, second] = [one.KeyMetadata!.KeyId!, two.KeyMetadata!.KeyId!];
  await kms.createAlias({ AliasName: 'alias/app', TargetKeyId: first });
  await refused(kms.createAlias({ AliasName: 'alias/app', TargetKeyId: second }), 'AlreadyExistsException');
  const prefix = /^Alias must start with the prefix "alias\/"/;
  await refused(kms.createAlias({ AliasName: 'app', TargetKeyId: first }), 'ValidationException', prefix);
  const pattern = /'aliasName' failed to satisfy constraint: Member must satisfy regular expression pattern/;
  await refused(kms.createAlias({ AliasName: 'alias/a b', TargetKeyId: first }), 'ValidationException', pattern);
  const toAlias = /^Aliases must refer to keys. Not aliases$/;
  await refused(kms.createAlias({ AliasName: 'alias/b', TargetKeyId: 'alias/app' }), 'ValidationException', toAlias);
  await refused(kms.createAlias({ AliasName: 'alias/aws/app', TargetKeyId: first }), 'AccessDeniedException');
  const { CiphertextBlob } = await kms.encrypt({ KeyId: 'alias/app', Plaintext: Buffer.from('x') });
  await kms.updateAlias({ AliasName: 'alias/app', TargetKeyId: second });
  assert.equal((await kms.describeKey({ KeyId: 'alias/app' })).KeyMetadata!.KeyId, second);
  await refused(kms.decrypt({ KeyId: 'alias/app', CiphertextBlob }), 'IncorrectKeyException');
  assert.equal((await kms.decrypt({ CiphertextBlob })).KeyId, one.KeyMetadata!.Arn);
  const { Aliases } = await kms.listAliases({ KeyId: second });
  assert.deepEqual(
    Aliases!.map(({ AliasName, TargetKeyId }) => [AliasName, TargetKeyId]),
    [['alias/app', second]],
  );
  const rsa = await kms.createKey({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' });
  await refused(
    kms.updateAlias({ AliasName: 'alias/app', TargetKeyId: rsa.KeyMetadata!.KeyId! }),
    'KMSInvalidStateException',
  );
  await kms.deleteAlias({ AliasName: 'alias/app' });
  await refused(kms.deleteAlias({ AliasName: 'alias/app' }), 'NotFoundException');
  await refused(kms.encrypt({ KeyId: 'alias/app', Plaintext: Buffer.from('x') }), 'NotFoundException');
});

test('lists come in pages whose markers are bound to them', async (t) => {
  const { root_, clients } = await startServer(t);
  const { kms } = root_;
  const made: string[] = [];
  for (let i = 0; i < 5; i++) made.push((await kms.createKey({})).KeyMetadata!.KeyId!);
  for (const name of ['alias/a', 'alias/b', 'alias/c'])
    await kms.createAlias({ AliasName: name, TargetKeyId: made[0]! });
  const seen: string[] = [];
  let Marker: string | undefined;
  do {
    const { Keys, NextMarker, Truncated } = await kms.listKeys({
      Limit: 2,
      ...(Marker === undefined ? {} : { Marker }),
    });
    assert.equal(Truncated, NextMarker !== undefined);
    seen.push(...Keys!.map(({ KeyId }) => KeyId!));
    Marker = NextMarker;
  } while (Marker !== undefined);
  assert.deepEqual(seen, [...made].sort());
  const { NextMarker } = await kms.listAliases({ Limit: 1 });
  await refused(kms.listKeys({ Marker: NextMarker! }), 'InvalidMarkerException');
  const rest = (await kms.listAliases({ Marker: NextMarker! })).Aliases!;
  const own = rest.filter(({ AliasName }) => !AliasName!.startsWith('alias/aws/'));
  assert.deepEqual(
    own.map(({ AliasName }) => AliasName),
    ['alias/b', 'alias/c'],
  );
  // Those of AWS are there before their keys, as data sources of Terraform expect them.
  const s3 = rest.find(({ AliasName }) => AliasName === 'alias/aws/s3');
  assert.deepEqual([s3!.AliasArn, s3!.TargetKeyId], ['arn:aws:kms:us-east-1:123456789012:alias/aws/s3', undefined]);
  const { KeyMetadata } = await kms.describeKey({ KeyId: s3!.AliasArn! });
  const { Aliases } = await kms.listAliases({});
  assert.equal(Aliases!.find(({ AliasName }) => AliasName === 'alias/aws/s3')!.TargetKeyId, KeyMetadata!.KeyId);
  assert.deepEqual((await clients(root_.keys, 'eu-west-1').kms.listKeys({})).Keys, []);
});

test('the key policy decides; with root in it the IAM policies of the account do', async (t) => {
  const server = await startServer(t);
  const { kms } = server.root_;
  const [alice, bob] = await Promise.all([server.user('alice'), server.user('bob', allow('kms:ListKeys'))]);
  const KeyId = (await alice.kms.createKey({})).KeyMetadata!.KeyId!;
  const Plaintext = Buffer.from('x');
  await refused(
    bob.kms.encrypt({ KeyId, Plaintext }),
    'AccessDeniedException',
    /no identity-based policy allows the kms:Encrypt/,
  );
  const statement = (name: string, Action: string[]) => ({
    Effect: 'Allow',
    Principal: { AWS: `arn:aws:iam::123456789012:user/${name}` },
    Action,
    Resource: '*',
  });
  const policy = (...Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
  await alice.kms.putKeyPolicy({
    KeyId,
    Policy: policy(statement('alice', ['kms:*']), statement('bob', ['kms:Encrypt'])),
  });
  await bob.kms.encrypt({ KeyId, Plaintext });
  await refused(bob.kms.describeKey({ KeyId }), 'AccessDeniedException', /no identity-based policy/);
  // Root is nobody special where the policy does not name it.
  await refused(kms.encrypt({ KeyId, Plaintext }), 'AccessDeniedException', /no resource-based policy/);
  const locking = policy(statement('bob', ['kms:*']));
  await refused(
    alice.kms.putKeyPolicy({ KeyId, Policy: locking }),
    'MalformedPolicyDocumentException',
    /in the future/,
  );
  await refused(alice.kms.createKey({ Policy: locking }), 'MalformedPolicyDocumentException', /in the future/);
  await alice.kms.putKeyPolicy({ KeyId, Policy: locking, BypassPolicyLockoutSafetyCheck: true });
  await refused(alice.kms.getKeyPolicy({ KeyId }), 'AccessDeniedException');
  assert.equal((await bob.kms.getKeyPolicy({ KeyId })).Policy, locking);
  assert.deepEqual((await bob.kms.listKeyPolicies({ KeyId })).PolicyNames, ['default']);
});
