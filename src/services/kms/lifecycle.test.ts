import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type * as sdk from '@aws-sdk/client-kms';
import { startServer } from '../../../test/harness.ts';
import { systemClock } from '../../kernel/clock.ts';
import type { BusEvent } from '../../kernel/context.ts';
import type { OperationInput, OperationName } from '../../kernel/service.ts';
import { eventually } from '../../kernel/testing/eventually.ts';
import { testService } from '../../kernel/testing/services.ts';
import { services } from '../../services.ts';
import { contextOf, refused } from './harness.ts';
import type { KmsTables } from './tables.ts';

const DAY_MS = 86_400_000;
const Plaintext = Buffer.from('kept for long');

/** A server whose days pass by hand; calls go by themselves, since signatures would be too old. */
async function setUp(t: TestContext) {
  let days = 0;
  const clock = { ...systemClock, now: () => new Date(Date.now() + days * DAY_MS) };
  const seen: BusEvent[] = [];
  const listener = testService(
    'sqs',
    {},
    { consumers: [{ name: 'kms-listener', handle: async (event) => void seen.push(event) }] },
  );
  const server = await startServer(t, { clock, services: [...services, listener] });
  const root = await contextOf(server, server.root_);
  const call = <N extends OperationName<typeof sdk>>(
    name: N,
    input: OperationInput<typeof sdk, N>,
    region = 'us-east-1',
  ) => root.withCaller(root.caller, region).call<typeof sdk, N>('kms', name, input);
  return {
    server,
    call,
    now: () => clock.now(),
    pass(count: number) {
      days += count;
      server.kernel.work.poke();
    },
    async event(detailType: string, arn: string): Promise<BusEvent> {
      const matches = (one: BusEvent) => one.detailType === detailType && one.resources.includes(arn);
      await eventually(() => seen.some(matches));
      return seen.find(matches)!;
    },
  };
}

test('a key that waits for its deletion is useless, and erased when its time is over', async (t) => {
  const { server, call, pass, event } = await setUp(t);
  const KeyId = (await call('CreateKey', { Tags: [{ TagKey: 'a', TagValue: 'b' }] })).KeyMetadata!.Arn!;
  await call('CreateAlias', { AliasName: 'alias/gone', TargetKeyId: KeyId });
  const { CiphertextBlob } = await call('Encrypt', { KeyId, Plaintext });
  await refused(call('ScheduleKeyDeletion', { KeyId, PendingWindowInDays: 6 }), 'ValidationError', /between 7 and 30/);
  const { KeyState, DeletionDate } = await call('ScheduleKeyDeletion', { KeyId, PendingWindowInDays: 7 });
  assert.equal(KeyState, 'PendingDeletion');
  assert.ok(Math.abs(DeletionDate!.getTime() - Date.now() - 7 * DAY_MS) < 60_000);
  await refused(call('Decrypt', { CiphertextBlob }), 'KMSInvalidStateException', /is pending deletion/);
  for (const name of ['EnableKey', 'DisableKey', 'ScheduleKeyDeletion', 'EnableKeyRotation'] as const) {
    await refused(call(name, { KeyId }), 'KMSInvalidStateException');
  }
  await call('CancelKeyDeletion', { KeyId });
  assert.equal((await call('DescribeKey', { KeyId })).KeyMetadata!.KeyState, 'Disabled');
  await call('EnableKey', { KeyId });
  assert.deepEqual(Buffer.from((await call('Decrypt', { CiphertextBlob })).Plaintext!), Plaintext);
  await refused(call('CancelKeyDeletion', { KeyId }), 'KMSInvalidStateException');

  await call('ScheduleKeyDeletion', { KeyId, PendingWindowInDays: 7 });
  pass(6);
  await call('DescribeKey', { KeyId });
  pass(2);
  const { detail, source } = await event('KMS CMK Deletion', KeyId);
  assert.deepEqual([source, detail], ['aws.kms', { 'key-id': KeyId.split('/')[1] }]);
  await refused(call('DescribeKey', { KeyId }), 'NotFoundException');
  await refused(call('DescribeKey', { KeyId: 'alias/gone' }), 'NotFoundException');
  await refused(call('Decrypt', { CiphertextBlob }), 'AccessDenied');
  const ctx = server.kernel.serviceContext('kms.amazonaws.com');
  assert.deepEqual(await ctx.db<KmsTables>().selectFrom('kms_materials').selectAll().execute(), []);
  assert.equal(await ctx.keyState(KeyId), 'NotFound');
});

test('rotation gives new material, and old ciphertexts still open', async (t) => {
  const { call, pass, event, now } = await setUp(t);
  const KeyId = (await call('CreateKey', {})).KeyMetadata!.Arn!;
  assert.deepEqual(await call('GetKeyRotationStatus', { KeyId }), { KeyId, KeyRotationEnabled: false });
  await call('EnableKeyRotation', { KeyId, RotationPeriodInDays: 90 });
  const status = await call('GetKeyRotationStatus', { KeyId });
  assert.deepEqual([status.KeyRotationEnabled, status.RotationPeriodInDays], [true, 90]);
  const current = async () => (await call('DescribeKey', { KeyId })).KeyMetadata!.CurrentKeyMaterialId!;
  const encrypt = async () => (await call('Encrypt', { KeyId, Plaintext })).CiphertextBlob!;
  const first = { material: await current(), ciphertext: await encrypt() };
  pass(91);
  const { detail } = await event('KMS CMK Rotation', KeyId);
  await eventually(async () => (await current()) !== first.material);
  const second = { material: await current(), ciphertext: await encrypt() };
  assert.deepEqual(detail, {
    'key-id': KeyId.split('/')[1],
    'key-origin': 'AWS_KMS',
    'rotation-type': 'AUTOMATIC',
    'previous-key-material-id': first.material,
    'current-key-material-id': second.material,
  });
  const next = (await call('GetKeyRotationStatus', { KeyId })).NextRotationDate!;
  assert.ok(next > now() && next.getTime() < now().getTime() + 90 * DAY_MS);
  await call('RotateKeyOnDemand', { KeyId });
  const third = { material: await current(), ciphertext: await encrypt() };
  for (const { material, ciphertext } of [first, second, third]) {
    const opened = await call('Decrypt', { CiphertextBlob: ciphertext });
    assert.deepEqual([opened.KeyMaterialId, Buffer.from(opened.Plaintext!)], [material, Plaintext]);
  }
  const rotations = async (IncludeKeyMaterial: 'ALL_KEY_MATERIAL' | 'ROTATIONS_ONLY') =>
    (await call('ListKeyRotations', { KeyId, IncludeKeyMaterial })).Rotations!.map((one) => [
      one.KeyMaterialId,
      one.RotationType,
      one.KeyMaterialState,
    ]);
  assert.deepEqual(await rotations('ROTATIONS_ONLY'), [
    [second.material, 'AUTOMATIC', 'NON_CURRENT'],
    [third.material, 'ON_DEMAND', 'CURRENT'],
  ]);
  assert.equal((await rotations('ALL_KEY_MATERIAL')).length, 3);
  await call('DisableKeyRotation', { KeyId });
  assert.equal((await call('GetKeyRotationStatus', { KeyId })).KeyRotationEnabled, false);
});

test('a disabled key is rotated when it is enabled again, and an asymmetric one never', async (t) => {
  const { call, pass } = await setUp(t);
  const KeyId = (await call('CreateKey', {})).KeyMetadata!.Arn!;
  await call('EnableKeyRotation', { KeyId, RotationPeriodInDays: 90 });
  await call('DisableKey', { KeyId });
  pass(91);
  await refused(call('EnableKeyRotation', { KeyId }), 'DisabledException');
  const count = async () => (await call('ListKeyRotations', { KeyId })).Rotations!.length;
  assert.equal(await count(), 0);
  await call('EnableKey', { KeyId });
  await eventually(async () => (await count()) === 1);
  const ec = (await call('CreateKey', { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' })).KeyMetadata!.Arn!;
  for (const name of ['EnableKeyRotation', 'DisableKeyRotation', 'RotateKeyOnDemand', 'ListKeyRotations'] as const) {
    await refused(call(name, { KeyId: ec }), 'UnsupportedOperationException');
  }
  assert.equal((await call('GetKeyRotationStatus', { KeyId: ec })).KeyRotationEnabled, false);
  for (let i = 0; i < 25; i++) await call('RotateKeyOnDemand', { KeyId });
  await refused(call('RotateKeyOnDemand', { KeyId }), 'LimitExceededException');
});

test('related multi-Region keys open what another encrypted, and go in order', async (t) => {
  const { call, pass, event } = await setUp(t);
  const made = (await call('CreateKey', { MultiRegion: true })).KeyMetadata!;
  const KeyId = made.Arn!;
  assert.match(made.KeyId!, /^mrk-[0-9a-f]{32}$/);
  const { CiphertextBlob } = await call('Encrypt', { KeyId, Plaintext });
  const { ReplicaKeyMetadata } = await call('ReplicateKey', { KeyId, ReplicaRegion: 'eu-west-1', Description: 'copy' });
  const replica = ReplicaKeyMetadata!.Arn!;
  assert.equal(replica, KeyId.replace('us-east-1', 'eu-west-1'));
  assert.deepEqual(ReplicaKeyMetadata!.MultiRegionConfiguration, {
    MultiRegionKeyType: 'REPLICA',
    PrimaryKey: { Arn: KeyId, Region: 'us-east-1' },
    ReplicaKeys: [{ Arn: replica, Region: 'eu-west-1' }],
  });
  assert.deepEqual(Buffer.from((await call('Decrypt', { CiphertextBlob }, 'eu-west-1')).Plaintext!), Plaintext);
  await refused(call('ReplicateKey', { KeyId, ReplicaRegion: 'eu-west-1' }), 'AlreadyExistsException');
  await refused(
    call('ReplicateKey', { KeyId: replica, ReplicaRegion: 'eu-west-2' }, 'eu-west-1'),
    'UnsupportedOperationException',
  );
  await refused(call('EnableKeyRotation', { KeyId: replica }, 'eu-west-1'), 'UnsupportedOperationException');
  await call('RotateKeyOnDemand', { KeyId });
  const { CiphertextBlob: later } = await call('Encrypt', { KeyId: replica, Plaintext }, 'eu-west-1');
  assert.equal(
    (await call('Decrypt', { CiphertextBlob: later })).KeyMaterialId,
    (await call('DescribeKey', { KeyId })).KeyMetadata!.CurrentKeyMaterialId,
  );
  await call('EnableKeyRotation', { KeyId });
  await call('UpdatePrimaryRegion', { KeyId, PrimaryRegion: 'eu-west-1' });
  assert.equal((await call('GetKeyRotationStatus', { KeyId })).KeyRotationEnabled, true);
  await call('DisableKeyRotation', { KeyId: replica }, 'eu-west-1');
  await call('UpdatePrimaryRegion', { KeyId: replica, PrimaryRegion: 'us-east-1' }, 'eu-west-1');

  // A disabled replica is its own matter; the primary waits for its replicas.
  await call('DisableKey', { KeyId: replica }, 'eu-west-1');
  await refused(call('Decrypt', { CiphertextBlob }, 'eu-west-1'), 'DisabledException');
  await call('Decrypt', { CiphertextBlob });
  const waiting = await call('ScheduleKeyDeletion', { KeyId, PendingWindowInDays: 7 });
  assert.deepEqual([waiting.KeyState, waiting.DeletionDate], ['PendingReplicaDeletion', undefined]);
  await call('ScheduleKeyDeletion', { KeyId: replica, PendingWindowInDays: 7 }, 'eu-west-1');
  pass(8);
  await event('KMS CMK Deletion', replica);
  await eventually(async () => (await call('DescribeKey', { KeyId })).KeyMetadata!.KeyState === 'PendingDeletion');
  pass(8);
  await event('KMS CMK Deletion', KeyId);
});
