import type * as sdk from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import type { ConditionKeys, Operation, OperationName, ResourceRef } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { readHeader } from './ciphertext.ts';
import { endDryRun, keyForUse, usingKey } from './crypto-operations.ts';
import { chooseEncryption, decryptWith, encryptWith, invalidCiphertext } from './encryption.ts';
import { findNamedKey, keyRef, namedKeyConditions, outOfReach } from './key-access.ts';
import { findKey } from './key-cache.ts';
import { keyArn } from './key-ids.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** `kms:EncryptionAlgorithm`, which calls with an encryption have. */
const algorithmCondition = (algorithm: string | undefined): ConditionKeys => ({
  'kms:EncryptionAlgorithm': algorithm ?? 'SYMMETRIC_DEFAULT',
});

export const Encrypt: Op<'Encrypt'> = {
  ...usingKey('Encrypt', {
    hasContext: true,
    conditions: (input: sdk.EncryptCommandInput) => algorithmCondition(input.EncryptionAlgorithm),
  }),
  async handle(input, ctx) {
    const key = await keyForUse(ctx, input, 'Encrypt', 'ENCRYPT_DECRYPT');
    const choice = chooseEncryption(key, input.EncryptionAlgorithm, input.EncryptionContext);
    endDryRun(input);
    const ciphertext = encryptWith(ctx, key, choice, input.Plaintext);
    return { CiphertextBlob: ciphertext, KeyId: key.arn, EncryptionAlgorithm: choice.algorithm };
  },
};

interface Opening {
  KeyId?: string | undefined;
  CiphertextBlob?: Uint8Array | undefined;
  EncryptionContext?: Record<string, string> | undefined;
}

/** The key that opens a ciphertext: the one that is named, else the one that the ciphertext names. */
async function openingKeyId(ctx: Context, input: Opening, action: string): Promise<string> {
  if (input.KeyId !== undefined) return input.KeyId;
  if (input.CiphertextBlob === undefined) {
    throw commonFault('ValidationError', 'KeyId is required when CiphertextBlob is not given.');
  }
  const header = readHeader(ctx, input.CiphertextBlob);
  if (header === undefined) throw invalidCiphertext();
  const arn = keyArn(ctx.region, header.account, header.keyId);
  if ((await findKey(ctx, arn)) !== undefined) return arn;
  throw outOfReach(ctx, action, 'on the resource associated with this ciphertext');
}

async function openingRef(ctx: Context, input: Opening, operation: string): Promise<ResourceRef> {
  const action = `kms:${operation}`;
  return keyRef(ctx, await openingKeyId(ctx, input, action), action, {
    naming: 'alias-too',
    crossAccount: true,
    grantOperation: operation,
    context: input.EncryptionContext ?? {},
  });
}

export const Decrypt: Op<'Decrypt'> = {
  readOnly: true,
  resource: (input, ctx) => openingRef(ctx, input, 'Decrypt'),
  conditions: async (input, ctx) => ({
    ...(await namedKeyConditions(
      ctx,
      await openingKeyId(ctx, input, 'kms:Decrypt'),
      'alias-too',
      input.EncryptionContext,
    )),
    ...algorithmCondition(input.EncryptionAlgorithm),
  }),
  async handle(input, ctx) {
    const KeyId = await openingKeyId(ctx, input, 'kms:Decrypt');
    const key = await keyForUse(ctx, { ...input, KeyId }, 'Decrypt', 'ENCRYPT_DECRYPT');
    const choice = chooseEncryption(key, input.EncryptionAlgorithm, input.EncryptionContext);
    if (input.CiphertextBlob === undefined) {
      // DryRunModifiers IGNORE_CIPHERTEXT: only the right to the key was asked for.
      endDryRun(input);
      throw commonFault('ValidationError', 'CiphertextBlob is required unless DryRun is set with IGNORE_CIPHERTEXT.');
    }
    if (input.DryRunModifiers?.includes('IGNORE_CIPHERTEXT')) endDryRun(input);
    const plaintext = decryptWith(ctx, key, choice, input.CiphertextBlob);
    endDryRun(input);
    const material = choice.algorithm === 'SYMMETRIC_DEFAULT' ? readHeader(ctx, input.CiphertextBlob)! : undefined;
    return {
      KeyId: key.arn,
      Plaintext: plaintext,
      EncryptionAlgorithm: choice.algorithm,
      ...(material === undefined ? {} : { KeyMaterialId: material.materialId }),
    };
  },
};

export const ReEncrypt: Op<'ReEncrypt'> = {
  readOnly: true,
  action: 'kms:ReEncryptFrom',
  resource: (input, ctx) => openingRef(ctx, sourceOf(input), 'ReEncryptFrom'),
  conditions: async (input, ctx) => {
    const source = await openingKeyId(ctx, sourceOf(input), 'kms:ReEncryptFrom');
    return {
      ...(await namedKeyConditions(ctx, source, 'alias-too', input.SourceEncryptionContext)),
      ...algorithmCondition(input.SourceEncryptionAlgorithm),
      'kms:ReEncryptOnSameKey': String(await isSameKey(ctx, source, input.DestinationKeyId)),
    };
  },
  async handle(input, ctx) {
    const given = sourceOf(input);
    const sourceId = await openingKeyId(ctx, given, 'kms:ReEncryptFrom');
    const target = { KeyId: input.DestinationKeyId, GrantTokens: input.GrantTokens };
    await authorizeTarget(ctx, input, sourceId);
    const source = await keyForUse(ctx, { ...target, KeyId: sourceId }, 'ReEncrypt', 'ENCRYPT_DECRYPT');
    const destination = await keyForUse(ctx, target, 'ReEncrypt', 'ENCRYPT_DECRYPT');
    const opening = chooseEncryption(source, input.SourceEncryptionAlgorithm, input.SourceEncryptionContext);
    const closing = chooseEncryption(
      destination,
      input.DestinationEncryptionAlgorithm,
      input.DestinationEncryptionContext,
    );
    if (input.DryRunModifiers?.includes('IGNORE_CIPHERTEXT')) endDryRun(input);
    if (input.CiphertextBlob === undefined) throw commonFault('ValidationError', 'CiphertextBlob is required.');
    const plaintext = decryptWith(ctx, source, opening, input.CiphertextBlob);
    endDryRun(input);
    const ciphertext = encryptWith(ctx, destination, closing, plaintext);
    plaintext.fill(0);
    const isSymmetric = (algorithm: string) => algorithm === 'SYMMETRIC_DEFAULT';
    return {
      CiphertextBlob: ciphertext,
      SourceKeyId: source.arn,
      KeyId: destination.arn,
      SourceEncryptionAlgorithm: opening.algorithm,
      DestinationEncryptionAlgorithm: closing.algorithm,
      ...(isSymmetric(opening.algorithm)
        ? { SourceKeyMaterialId: readHeader(ctx, input.CiphertextBlob)!.materialId }
        : {}),
      ...(isSymmetric(closing.algorithm) ? { DestinationKeyMaterialId: destination.current_material! } : {}),
    };
  },
};

const sourceOf = (input: sdk.ReEncryptCommandInput): Opening => ({
  KeyId: input.SourceKeyId,
  CiphertextBlob: input.CiphertextBlob,
  EncryptionContext: input.SourceEncryptionContext,
});

async function authorizeTarget(ctx: Context, input: sdk.ReEncryptCommandInput, sourceId: string): Promise<void> {
  const target = input.DestinationKeyId!;
  const context = input.DestinationEncryptionContext;
  const ref = await keyRef(ctx, target, 'kms:ReEncryptTo', {
    naming: 'alias-too',
    crossAccount: true,
    grantOperation: 'ReEncryptTo',
    context: context ?? {},
  });
  await ctx.authorize('kms:ReEncryptTo', ref, {
    ...(await namedKeyConditions(ctx, target, 'alias-too', context)),
    ...algorithmCondition(input.DestinationEncryptionAlgorithm),
    'kms:ReEncryptOnSameKey': String(await isSameKey(ctx, sourceId, target)),
  });
}

async function isSameKey(ctx: Context, one: string, other: string): Promise<boolean> {
  const [first, second] = await Promise.all([one, other].map((id) => findNamedKey(ctx, id, 'alias-too')));
  return first!.key !== undefined && first!.key.arn === second!.key?.arn;
}
