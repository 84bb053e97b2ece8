import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as sdk from '@aws-sdk/client-kms';
import fc from 'fast-check';
import { startServer } from '../../../test/harness.ts';
import type { OperationInput, OperationName } from '../../kernel/service.ts';
import { contextOf } from './harness.ts';
import { materialRows } from './material-rows.ts';

type Act = 'RotateKeyOnDemand' | 'DisableKey' | 'EnableKey' | 'ScheduleKeyDeletion' | 'CancelKeyDeletion' | 'Encrypt';
const ACTS: Act[] = [
  'RotateKeyOnDemand',
  'DisableKey',
  'EnableKey',
  'ScheduleKeyDeletion',
  'CancelKeyDeletion',
  'Encrypt',
];
const REFUSALS = ['DisabledException', 'KMSInvalidStateException', 'LimitExceededException'];
const Plaintext = Buffer.from('kept');

test('calls that race leave a key in one of its states, with every ciphertext that was given still opening', async (t) => {
  const server = await startServer(t);
  const root = await contextOf(server, server.root_);
  const call = <N extends OperationName<typeof sdk>>(name: N, input: OperationInput<typeof sdk, N>) =>
    root.call<typeof sdk, N>('kms', name, input);
  const rounds = fc.array(fc.array(fc.constantFrom(...ACTS), { minLength: 1, maxLength: 6 }), {
    minLength: 1,
    maxLength: 5,
  });
  await fc.assert(
    fc.asyncProperty(rounds, async (plan) => {
      const KeyId = (await call('CreateKey', {})).KeyMetadata!.Arn!;
      const ciphertexts: Uint8Array[] = [];
      let rotations = 0;
      const act = async (what: Act) => {
        try {
          if (what === 'Encrypt') ciphertexts.push((await call('Encrypt', { KeyId, Plaintext })).CiphertextBlob!);
          else await call(what, { KeyId });
          if (what === 'RotateKeyOnDemand') rotations++;
        } catch (error) {
          assert.ok(REFUSALS.includes((error as Error).name), String(error));
        }
      };
      for (const round of plan) {
        await Promise.all(round.map(act));
        await holdTogether(KeyId);
      }
      const { KeyState } = (await call('DescribeKey', { KeyId })).KeyMetadata!;
      if (KeyState === 'PendingDeletion') await call('CancelKeyDeletion', { KeyId });
      await call('EnableKey', { KeyId });
      const rows = await materialRows(root, KeyId);
      assert.equal(rows.length, rotations + 1);
      for (const CiphertextBlob of ciphertexts) {
        assert.deepEqual(Buffer.from((await call('Decrypt', { CiphertextBlob })).Plaintext!), Plaintext);
      }
    }),
    { numRuns: 25 },
  );

  /** One current material, a date exactly while deletion is pending, and memory that says what the row says. */
  async function holdTogether(KeyId: string): Promise<void> {
    const { KeyState, DeletionDate, CurrentKeyMaterialId } = (await call('DescribeKey', { KeyId })).KeyMetadata!;
    assert.ok(['Enabled', 'Disabled', 'PendingDeletion'].includes(KeyState!), String(KeyState));
    assert.equal(DeletionDate !== undefined, KeyState === 'PendingDeletion');
    const current = (await materialRows(root, KeyId)).filter(({ state }) => state === 'CURRENT');
    assert.deepEqual(
      current.map(({ id }) => id),
      [CurrentKeyMaterialId],
    );
    assert.equal(await root.keyState(KeyId), KeyState);
  }
});
